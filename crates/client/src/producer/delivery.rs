//! The outcome of a send, shared by all records of a batch.
//!
//! **Invariant:** every batch has an outcome in the end: a `Promise` that is dropped without one
//! is kept as a failure.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::record::RecordMetadata;
use crate::error::Error;

/// What the broker said of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// The offset of its first record, if it is known.
    pub(crate) base_offset: Option<i64>,
    /// The time of the append, where the topic uses that.
    pub(crate) append_time_ms: Option<i64>,
}

#[derive(Debug, Default)]
struct Outcome {
    known: OnceLock<Fate>,
    told: Notify,
}

/// What became of a batch.
#[derive(Debug)]
enum Fate {
    Settled(Result<Delivered, Error>),
    /// It was cut in two, and its records have the outcomes of the parts.
    Split {
        /// The first record of the second part.
        at: i32,
        parts: [Arc<Outcome>; 2],
    },
}

impl Outcome {
    async fn fate(&self) -> &Fate {
        loop {
            let mut told = std::pin::pin!(self.told.notified());
            // Registered before looking, so that an outcome told in between is not missed.
            told.as_mut().enable();
            if let Some(fate) = self.known.get() {
                return fate;
            }
            told.await;
        }
    }
}

/// The batches of a producer that have no outcome yet.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    outcomes: HashMap<u64, Arc<Outcome>>,
}

impl Promises {
    /// One more batch.
    pub(crate) fn make(self: &Arc<Self>) -> Promise {
        let outcome = Arc::<Outcome>::default();
        let mut open = self.open.lock();
        let number = open.next;
        open.next += 1;
        open.outcomes.insert(number, Arc::clone(&outcome));
        Promise {
            promises: Arc::clone(self),
            number,
            outcome,
        }
    }

    /// Waits until every batch that was begun before now has its outcome, whatever it is.
    pub(crate) async fn settled(&self) {
        let mut outcomes: Vec<_> = self.open.lock().outcomes.values().cloned().collect();
        while let Some(outcome) = outcomes.pop() {
            match outcome.fate().await {
                // It is told to those who sent its records.
                Fate::Settled(_) => {}
                Fate::Split { parts, .. } => outcomes.extend(parts.iter().cloned()),
            }
        }
    }
}

/// One batch's outcome, to be told.
#[derive(Debug)]
pub(crate) struct Promise {
    promises: Arc<Promises>,
    number: u64,
    outcome: Arc<Outcome>,
}

impl Promise {
    /// Tells everybody who waits.
    pub(crate) fn keep(self, outcome: Result<Delivered, Error>) {
        // Nobody told it before: that would have taken `self`.
        let _ = self.outcome.known.set(Fate::Settled(outcome));
    }

    /// Two promises in place of this one: for the records before `at`, and for the others.
    pub(crate) fn split(self, at: i32) -> [Self; 2] {
        let promises = [self.promises.make(), self.promises.make()];
        let parts = promises.each_ref().map(|part| Arc::clone(&part.outcome));
        // As in `keep`.
        let _ = self.outcome.known.set(Fate::Split { at, parts });
        promises
    }

    /// A record's part in it.
    pub(crate) fn delivery(
        &self,
        topic: &Arc<str>,
        partition: i32,
        index: i32,
        timestamp_ms: i64,
    ) -> Delivery {
        Delivery {
            outcome: Arc::clone(&self.outcome),
            topic: Arc::clone(topic),
            partition,
            index,
            timestamp_ms,
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let closed = || Fate::Settled(Err(Error::Closed));
        self.outcome.known.get_or_init(closed);
        self.promises.open.lock().outcomes.remove(&self.number);
        self.outcome.told.notify_waiters();
    }
}

/// A record on its way. Dropping it does not take the record back.
#[derive(Debug)]
#[must_use = "a send may fail: wait for it, or say that it does not matter"]
pub struct Delivery {
    outcome: Arc<Outcome>,
    topic: Arc<str>,
    partition: i32,
    /// Which record of the batch it is.
    index: i32,
    timestamp_ms: i64,
}

impl Delivery {
    /// The partition that was chosen for the record.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Waits until the record is acknowledged as `acks` asks for, or has failed for good.
    pub async fn wait(self) -> Result<RecordMetadata, Error> {
        let (mut outcome, mut index) = (self.outcome, self.index);
        let delivered = loop {
            let part = match outcome.fate().await {
                Fate::Settled(outcome) => break outcome.clone()?,
                Fate::Split {
                    at,
                    parts: [_, second],
                } if *at <= index => {
                    index -= at;
                    Arc::clone(second)
                }
                Fate::Split {
                    parts: [first, _], ..
                } => Arc::clone(first),
            };
            outcome = part;
        };
        Ok(RecordMetadata {
            offset: delivered.base_offset.map(|base| base + i64::from(index)),
            timestamp_ms: delivered.append_time_ms.unwrap_or(self.timestamp_ms),
            topic: self.topic,
            partition: self.partition,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn every_record_of_a_batch_learns_its_own_offset() {
        let promises = Arc::<Promises>::default();
        let promise = promises.make();
        let topic = Arc::from("t");
        let (first, third) = (
            promise.delivery(&topic, 1, 0, 5),
            promise.delivery(&topic, 1, 2, 6),
        );
        promise.keep(Ok(Delivered {
            base_offset: Some(100),
            append_time_ms: None,
        }));
        assert_eq!(first.wait().await.unwrap().offset, Some(100));
        let third = third.wait().await.unwrap();
        assert_eq!((third.offset, third.timestamp_ms), (Some(102), 6));
    }

    #[tokio::test]
    async fn the_records_of_a_batch_that_was_cut_have_the_outcomes_of_its_parts() {
        let promises = Arc::<Promises>::default();
        let promise = promises.make();
        let topic = Arc::from("t");
        let [second, third, last] = [1, 2, 4].map(|index| promise.delivery(&topic, 0, index, 0));
        let [first_part, rest] = promise.split(2);
        let [middle, last_part] = rest.split(2);
        let delivered = |base_offset| {
            Ok(Delivered {
                base_offset: Some(base_offset),
                append_time_ms: None,
            })
        };
        let settled = promises.settled();
        let told = async {
            first_part.keep(delivered(10));
            middle.keep(delivered(20));
            last_part.keep(Err(Error::Unanswered));
        };
        tokio::join!(settled, told);
        assert_eq!(second.wait().await.unwrap().offset, Some(11));
        assert_eq!(third.wait().await.unwrap().offset, Some(20));
        assert!(matches!(last.wait().await, Err(Error::Unanswered)));
    }

    #[tokio::test]
    async fn a_promise_that_is_dropped_fails_its_records_and_settles() {
        let promises = Arc::<Promises>::default();
        let promise = promises.make();
        let delivery = promise.delivery(&Arc::from("t"), 0, 0, 0);
        let settled = promises.settled();
        let dropped = async { drop(promise) };
        tokio::join!(settled, dropped);
        assert!(matches!(delivery.wait().await, Err(Error::Closed)));
    }
}
