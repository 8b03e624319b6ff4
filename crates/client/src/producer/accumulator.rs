//! Records that wait to be sent, in batches, by partition.
//!
//! Whoever sends puts records in; the sender alone takes batches out.
//!
//! **Invariant:** the bytes in here and under way are bounded by `buffer.memory`: a record comes
//! with its share of it, which goes back when the record's outcome is known.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    time::Instant,
};

use super::{
    batch::OpenBatch,
    delivery::{Delivery, Promises},
    record::ProducerRecord,
};

/// A partition by its topic's name and its number.
pub(crate) type Place = (Arc<str>, i32);

/// When batches are complete.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    /// `batch.size`.
    pub(crate) bytes: usize,
    /// `linger.ms`.
    pub(crate) linger: Duration,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Accumulator {
    limits: BatchLimits,
    /// The batches in here and under way.
    pub(crate) promises: Arc<Promises>,
    waiting: Mutex<Waiting>,
    /// There is something for the sender to look at.
    pub(crate) wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    by_place: HashMap<Place, VecDeque<OpenBatch>>,
    /// Nothing lingers: somebody waits for all of it, or for memory.
    hurry: usize,
    is_closed: bool,
}

/// What an append did.
#[derive(Debug)]
pub(crate) struct Appended {
    pub(crate) delivery: Delivery,
    /// Another record like this one does not fit into its batch.
    pub(crate) completed_a_batch: bool,
}

/// A partition's next batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NextBatch {
    /// When it is due.
    pub(crate) due_at: Instant,
    /// Its bytes so far, before compression.
    pub(crate) bytes: usize,
}

impl Accumulator {
    pub(crate) fn new(limits: BatchLimits) -> Self {
        Self {
            limits,
            promises: Arc::default(),
            waiting: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// Adds a record to its partition's last batch, or begins another. `None` once closed.
    pub(crate) fn append(
        &self,
        record: &ProducerRecord,
        partition: i32,
        timestamp_ms: i64,
        memory: OwnedSemaphorePermit,
        now: Instant,
    ) -> Option<Appended> {
        let mut waiting = self.waiting.lock();
        if waiting.is_closed {
            return None;
        }
        let place = (Arc::clone(&record.topic), partition);
        let batches = waiting.by_place.entry(place).or_default();
        let bytes = record.bytes_max();
        let fits = |batch: &OpenBatch| batch.bytes() + bytes <= self.limits.bytes;
        let begins = !batches
            .back()
            .is_some_and(|last| !last.is_full && fits(last));
        if begins {
            batches.push_back(OpenBatch::begin(self.promises.make(), now));
        }
        let batch = batches.back_mut()?;
        let delivery = batch.push(record, partition, timestamp_ms, memory);
        batch.is_full = !fits(batch);
        let completed_a_batch = batch.is_full;
        drop(waiting);
        if begins || completed_a_batch {
            // One begins to linger, or lingers no longer: either way there is another deadline.
            self.wake.notify_one();
        }
        Some(Appended {
            delivery,
            completed_a_batch,
        })
    }

    /// The partitions that have batches, with the first of each.
    pub(crate) fn next_batches(&self, now: Instant) -> Vec<(Place, NextBatch)> {
        let waiting = self.waiting.lock();
        let in_a_hurry = 0 < waiting.hurry || waiting.is_closed;
        let each = waiting.by_place.iter().filter_map(|(place, batches)| {
            let first = batches.front()?;
            let is_complete = 1 < batches.len() || first.is_full;
            let next = NextBatch {
                due_at: if in_a_hurry || is_complete {
                    now
                } else {
                    first.begun_at + self.limits.linger
                },
                bytes: first.bytes(),
            };
            Some((place.clone(), next))
        });
        each.collect()
    }

    /// Takes a partition's first batch.
    pub(crate) fn take(&self, place: &Place) -> Option<OpenBatch> {
        let mut waiting = self.waiting.lock();
        let batches = waiting.by_place.get_mut(place)?;
        let first = batches.pop_front();
        if batches.is_empty() {
            waiting.by_place.remove(place);
        }
        first
    }

    /// Takes out what was begun before that time and is still here.
    pub(crate) fn take_begun_before(&self, time: Instant) -> Vec<(Place, OpenBatch)> {
        let mut expired = Vec::new();
        let mut waiting = self.waiting.lock();
        waiting.by_place.retain(|place, batches| {
            while let Some(batch) = batches.pop_front_if(|batch| batch.begun_at <= time) {
                expired.push((place.clone(), batch));
            }
            !batches.is_empty()
        });
        expired
    }

    /// How many batches wait for each of these partitions of a topic.
    pub(crate) fn waiting(&self, topic: &Arc<str>, partitions: &[i32]) -> Vec<(i32, usize)> {
        let waiting = self.waiting.lock();
        let each = partitions.iter().map(|partition| {
            let batches = waiting.by_place.get(&(Arc::clone(topic), *partition));
            (*partition, batches.map_or(0, VecDeque::len))
        });
        each.collect()
    }

    /// As long as the guard lives nothing lingers.
    pub(crate) fn hurry(self: &Arc<Self>) -> Hurry {
        self.waiting.lock().hurry += 1;
        self.wake.notify_one();
        Hurry(Arc::clone(self))
    }

    /// Takes no more records, and lets nothing linger.
    pub(crate) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.wake.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.waiting.lock().is_closed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().by_place.is_empty()
    }
}

/// See [`Accumulator::hurry`].
#[derive(Debug)]
pub(crate) struct Hurry(Arc<Accumulator>);

impl Drop for Hurry {
    fn drop(&mut self) {
        self.0.waiting.lock().hurry -= 1;
    }
}
