//! How many bytes of requests and answers may be in memory at once, over all connections.
//!
//! Memory is charged when it is taken and released by dropping the [`Charge`]. Charging never
//! fails and never waits; what waits is *reading*. The rules, which `frame_reader`, `pipeline` and
//! `response_writer` follow:
//!
//! 1. While the budget is used up, a request is read no further than its first
//!    [`FREE_BYTES`](super::frame_reader::FREE_BYTES).
//! 2. One request of usual size ([`USUAL_BYTES_MAX`]) and one larger one may be read all the same:
//!    the holders of the two [`Turn`]s. So requests that each wait for the others' memory cannot
//!    block each other, a request larger than the whole budget passes, alone, and those who declare
//!    huge requests are not in the way of those who do not. The turn goes with the request until it
//!    is answered.
//! 3. While twice the budget is used up, no request is started but those of the turns' holders.
//! 4. While anybody waits under rules 1 to 3, who holds memory must keep pace: see
//!    [`MemoryBudget::shortage`]. So a few slow peers cannot keep the others out.
//!
//! **Bound:** twice the budget, plus one request of `socket.request.max.bytes` and one of usual
//! size, plus `FREE_BYTES` for each connection, plus one answer for each runtime thread. File
//! ranges are not in memory and do not count.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, futures::Notified};

/// Producers send no larger requests unless they are told to: 1 MB in librdkafka and Java, plus
/// what surrounds the records.
const USUAL_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The account. See the module's documentation.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    bytes_max: usize,
    used_bytes: AtomicUsize,
    /// Tasks inside [`MemoryBudget::wait_below`].
    waiting: AtomicUsize,
    /// Rung when a release goes below a threshold that somebody may wait for.
    released: Notify,
    /// Rung when the first task begins to wait.
    shortage: Notify,
    usual_turn: Arc<Semaphore>,
    large_turn: Arc<Semaphore>,
}

/// A right to exceed the budget.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
}

/// Bytes on the account; dropping it releases them.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<MemoryBudget>,
    bytes: usize,
}

impl MemoryBudget {
    /// An account of `bytes_max` bytes.
    pub(crate) fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            used_bytes: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            released: Notify::new(),
            shortage: Notify::new(),
            usual_turn: Arc::new(Semaphore::new(1)),
            large_turn: Arc::new(Semaphore::new(1)),
        })
    }

    /// Puts `bytes` on the account, whether there is room or not.
    pub(crate) fn charge(self: &Arc<Self>, bytes: usize) -> Charge {
        let mut charge = Charge {
            budget: Arc::clone(self),
            bytes: 0,
        };
        charge.resize(bytes);
        charge
    }

    /// Bytes on the account now.
    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// What the account is meant to hold at most.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Rule 1: whether reading has to wait.
    pub(crate) fn is_used_up(&self) -> bool {
        self.bytes_max <= self.used_bytes()
    }

    /// Rule 3: whether starting requests has to wait.
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.overdrawn_bytes() <= self.used_bytes()
    }

    /// Waits until the budget is no longer used up, or for the turn of a request of `wanted` bytes,
    /// which it then returns. Cancellation safe.
    pub(crate) async fn room_or_turn(&self, wanted: usize) -> Option<Turn> {
        let usual = wanted <= USUAL_BYTES_MAX;
        let turn = if usual {
            &self.usual_turn
        } else {
            &self.large_turn
        };
        tokio::select! {
            biased; // The turn is for those who find no room.
            () = self.wait_below(self.bytes_max) => None,
            permit = Arc::clone(turn).acquire_owned() => {
                // The semaphore is never closed, so there always is a permit.
                permit.ok().map(|permit| Turn { _permit: permit })
            }
        }
    }

    /// Waits until requests may be started again. Cancellation safe.
    pub(crate) async fn no_longer_overdrawn(&self) {
        self.wait_below(self.overdrawn_bytes()).await;
    }

    /// Whether somebody waits for memory at this moment.
    pub(crate) fn is_short(&self) -> bool {
        0 < self.waiting.load(Ordering::Relaxed)
    }

    /// Resolves when somebody begins to wait for memory after this call. Whether somebody waits
    /// already is told by [`MemoryBudget::is_short`]: call this first and that second.
    pub(crate) fn shortage(&self) -> Notified<'_> {
        self.shortage.notified()
    }

    fn overdrawn_bytes(&self) -> usize {
        self.bytes_max.saturating_mul(2)
    }

    async fn wait_below(&self, threshold_bytes: usize) {
        if self.used_bytes() < threshold_bytes {
            return;
        }
        let _waiting = Waiting::begin(self);
        loop {
            // Listen first, look second: a release in between rings for us.
            let released = self.released.notified();
            if self.used_bytes() < threshold_bytes {
                return;
            }
            released.await;
        }
    }

    fn release(&self, bytes: usize) {
        let before = self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
        debug_assert!(bytes <= before, "released more than was charged");
        let after = before - bytes;
        let passes = |threshold: usize| after < threshold && threshold <= before;
        if passes(self.bytes_max) || passes(self.overdrawn_bytes()) {
            self.released.notify_waiters();
        }
    }
}

impl Charge {
    /// Changes the bytes on the account.
    pub(crate) fn resize(&mut self, bytes: usize) {
        if self.bytes < bytes {
            self.budget
                .used_bytes
                .fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else if bytes < self.bytes {
            self.budget.release(self.bytes - bytes);
        }
        self.bytes = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.resize(0);
    }
}

/// Counts a waiting task for as long as it waits, also when its future is dropped.
struct Waiting<'a> {
    budget: &'a MemoryBudget,
}

impl<'a> Waiting<'a> {
    fn begin(budget: &'a MemoryBudget) -> Self {
        if budget.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            budget.shortage.notify_waiters();
        }
        Self { budget }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.budget.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use tokio::time::timeout;

    use super::{MemoryBudget, USUAL_BYTES_MAX};

    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn who_waits_goes_on_when_enough_is_released() {
        let budget = MemoryBudget::new(100);
        let large = budget.charge(150);
        let small = budget.charge(50);
        let waiter = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.no_longer_overdrawn().await }
        });
        assert!(timeout(SOON, budget.no_longer_overdrawn()).await.is_err());
        assert!(budget.is_short());
        drop(small);
        waiter.await.expect("the waiter does not panic");
        assert!(!budget.is_short());
        assert!(budget.is_used_up());
        drop(large);
        assert_eq!(budget.used_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_each_kind_may_exceed_the_budget_and_the_next_waits_for_its_turn() {
        let budget = MemoryBudget::new(100);
        let _full = budget.charge(100);
        let turn = budget.room_or_turn(USUAL_BYTES_MAX).await;
        assert!(turn.is_some());
        assert!(budget.room_or_turn(USUAL_BYTES_MAX + 1).await.is_some());
        assert!(timeout(SOON, budget.room_or_turn(1)).await.is_err());
        drop(turn);
        assert!(budget.room_or_turn(1).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_shortage_is_told_when_it_begins() {
        let budget = MemoryBudget::new(100);
        let shortage = budget.shortage();
        let _full = budget.charge(200);
        assert!(!budget.is_short());
        assert!(timeout(SOON, budget.no_longer_overdrawn()).await.is_err());
        assert!(timeout(SOON, shortage).await.is_ok());
    }
}
