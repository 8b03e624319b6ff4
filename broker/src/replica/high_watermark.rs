//! "Offset N is committed": what a produce with `acks=all` awaits.
//!
//! **Invariant:** the high watermark never goes back while a replica stays leader, and a waiter is
//! released only once the high watermark has reached the offset that it asked for.
//!
//! The watermark itself is computed in [`super::leader`]; here it is only kept and announced. With
//! a single replica it equals the log end right after each append, so no produce ever waits here.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The published high watermark of one partition (in memory) and those who wait for it.
#[derive(Debug)]
pub(crate) struct HighWatermark {
    offset: AtomicI64,
    /// Waiters by the offset that releases them. Bounded by the produce requests in flight.
    waiters: Mutex<BTreeMap<i64, Vec<oneshot::Sender<()>>>>,
}

impl HighWatermark {
    /// Starts at `offset`, the first offset that is not known to be committed.
    pub(crate) fn new(offset: i64) -> Self {
        Self {
            offset: AtomicI64::new(offset),
            waiters: Mutex::new(BTreeMap::new()),
        }
    }

    /// The first offset that consumers must not see yet.
    pub(crate) fn get(&self) -> i64 {
        self.offset.load(Ordering::Acquire)
    }

    /// Publishes `offset` and releases those who waited for it or for less.
    ///
    /// Returns whether the watermark moved; an offset that is not above it changes nothing.
    pub(crate) fn advance_to(&self, offset: i64) -> bool {
        if offset <= self.offset.fetch_max(offset, Ordering::AcqRel) {
            return false;
        }
        let released = {
            let mut waiters = self.waiters.lock();
            if waiters.is_empty() {
                return true;
            }
            let still_waiting = waiters.split_off(&(offset + 1));
            std::mem::replace(&mut *waiters, still_waiting)
        };
        for waiter in released.into_values().flatten() {
            // Its request may have timed out meanwhile.
            let _ = waiter.send(());
        }
        true
    }

    /// Resolves once everything below `offset` is committed; `None` if it already is.
    ///
    /// The receiver fails when the partition ends first (deleted, or no longer led from here).
    pub(crate) fn wait_for(&self, offset: i64) -> Option<oneshot::Receiver<()>> {
        if offset <= self.get() {
            return None;
        }
        let mut waiters = self.waiters.lock();
        // Checked again under the lock: an advance in between has already taken its waiters.
        if offset <= self.get() {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        let same_offset = waiters.entry(offset).or_default();
        same_offset.retain(|waiter| !waiter.is_closed());
        same_offset.push(sender);
        Some(receiver)
    }

    /// Fails everybody who still waits: nothing more will be committed here.
    pub(crate) fn abandon_waiters(&self) {
        self.waiters.lock().clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_is_released_when_its_offset_is_committed_and_not_before() {
        let watermark = HighWatermark::new(0);
        let mut at_five = watermark.wait_for(5).unwrap();
        let mut at_ten = watermark.wait_for(10).unwrap();
        assert!(watermark.advance_to(5));
        assert_eq!(at_five.try_recv(), Ok(()));
        assert_eq!(at_ten.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        assert!(watermark.advance_to(12));
        assert_eq!(at_ten.try_recv(), Ok(()));
    }

    #[test]
    fn the_high_watermark_never_goes_back() {
        let watermark = HighWatermark::new(7);
        assert!(!watermark.advance_to(3));
        assert_eq!(watermark.get(), 7);
    }

    #[test]
    fn what_is_committed_needs_no_waiting() {
        assert!(HighWatermark::new(7).wait_for(7).is_none());
    }

    #[test]
    fn waiters_fail_when_the_partition_ends() {
        let watermark = HighWatermark::new(0);
        let mut waiter = watermark.wait_for(1).unwrap();
        watermark.abandon_waiters();
        assert_eq!(waiter.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
