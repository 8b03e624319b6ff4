//! When groups want to be rung: one heap for all of them, and one task that sleeps until the
//! earliest.
//!
//! An idle group costs nothing here, and a member one entry, however often it sends heartbeats:
//! see [`group::alarm`](super::group). Entries of groups that are gone stay until their time.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{group::Timer, shard::Shard};

/// Rings before other tasks of the thread get their turn.
const RINGS_AT_ONCE: usize = 64;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: Mutex<Heap>,
    /// An entry has come that is earlier than all others.
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Heap {
    entries: BinaryHeap<Reverse<Entry>>,
    /// Tells entries of the same time apart, so that they ring in the order of their coming.
    next: u64,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    number: u64,
    bell: Bell,
}

/// Whom to ring, and for what.
#[derive(Debug)]
struct Bell {
    shard: Weak<Shard>,
    group: Arc<str>,
    timer: Timer,
}

impl Timers {
    /// Rings that group at that time, or soon after.
    pub(super) fn ring_at(&self, at: Instant, shard: &Arc<Shard>, group: &Arc<str>, timer: Timer) {
        let mut heap = self.heap.lock();
        let number = heap.next;
        heap.next += 1;
        let is_earliest = heap
            .entries
            .peek()
            .is_none_or(|Reverse(first)| at < first.at);
        let bell = Bell {
            shard: Arc::downgrade(shard),
            group: Arc::clone(group),
            timer,
        };
        heap.entries.push(Reverse(Entry { at, number, bell }));
        drop(heap);
        if is_earliest {
            self.earlier.notify_one();
        }
    }

    /// Rings until `stop` is cancelled.
    pub(super) async fn run(&self, stop: &CancellationToken) {
        loop {
            let earliest = self.ring_due();
            let sleep = async {
                match earliest {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased; // Stop first.
                () = stop.cancelled() => return,
                () = self.earlier.notified() => {}
                () = sleep => {}
            }
            tokio::task::yield_now().await;
        }
    }

    /// Rings some of what is due, and returns when the next is.
    fn ring_due(&self) -> Option<Instant> {
        let now = Instant::now();
        for _ in 0..RINGS_AT_ONCE {
            // Not held while ringing: whoever is rung may order the next ring.
            let due = self.heap.lock().pop_due(now);
            let Some(bell) = due else {
                break;
            };
            if let Some(shard) = bell.shard.upgrade() {
                shard.on_ring(&bell.group, &bell.timer);
            }
        }
        self.heap.lock().earliest()
    }
}

impl Heap {
    fn pop_due(&mut self, now: Instant) -> Option<Bell> {
        if now < self.earliest()? {
            return None;
        }
        self.entries.pop().map(|Reverse(entry)| entry.bell)
    }

    fn earliest(&self) -> Option<Instant> {
        self.entries.peek().map(|Reverse(first)| first.at)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}
