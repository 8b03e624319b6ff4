//! The order of one partition's batches, through failures and repetitions. Pure.
//!
//! **Invariants:**
//! - Batches of an idempotent producer reach the broker's log in the order of their sequence
//!   numbers, each once: a number that was given to a batch stays with it, and after a failure
//!   nothing new leaves before all that is under way has come back.
//! - No more batches than `max.in.flight.requests.per.connection` are under way, to whichever
//!   brokers: a partition's leader may change meanwhile.
//! - When a batch that has a number is given up, the numbers behind it would be refused. The lane
//!   then begins anew under another producer id, as soon as nothing is under way.
//!
//! Without idempotence batches that are under way together may change places when one fails, as
//! Kafka documents for `max.in.flight.requests.per.connection` above 1.

use std::collections::{BTreeSet, VecDeque};

use odradek_protocol::records::{Compression, RecordBatch};
use tokio::time::Instant;

use super::batch::{OpenBatch, SealedBatch};
use crate::error::Error;

/// Who a lane is to the broker (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
}

/// Where a batch is among the lane's, and of a batch that was cut its first record.
type BatchPlace = (u64, i32);

/// A batch that was taken to be sent.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) batch: SealedBatch,
    place: BatchPlace,
    /// The sequence number of its first record, if it has one.
    sequence: Option<i32>,
    /// How often it failed.
    pub(crate) failures: u32,
}

/// What a lane may do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send a batch that has failed before.
    Retry,
    /// Send a new batch.
    Fresh,
    /// Wait for what is under way.
    Wait,
    /// Wait for a time.
    WaitUntil(Instant),
    /// Get an identity first.
    Identify,
}

/// The state of one partition at the sender.
#[derive(Debug)]
pub(crate) struct Lane {
    is_idempotent: bool,
    in_flight_max: usize,
    identity: Option<Identity>,
    /// The last identity under which it cannot go on.
    spent: Option<Identity>,
    next_sequence: i32,
    next_place: u64,
    /// To be sent before anything new, in order.
    retries: VecDeque<Parcel>,
    /// Came back while others are under way.
    failed: Vec<Parcel>,
    under_way: BTreeSet<BatchPlace>,
    not_before: Option<Instant>,
    /// How the last batch failed that came back, if it did.
    pub(crate) last_error: Option<Error>,
}

impl Lane {
    /// A lane that has sent nothing.
    pub(crate) fn new(is_idempotent: bool, in_flight_max: usize) -> Self {
        Self {
            is_idempotent,
            in_flight_max,
            identity: None,
            spent: None,
            next_sequence: 0,
            next_place: 0,
            retries: VecDeque::new(),
            failed: Vec::new(),
            under_way: BTreeSet::new(),
            not_before: None,
            last_error: None,
        }
    }

    /// What it may do next.
    pub(crate) fn next(&self, now: Instant) -> Next {
        if !self.failed.is_empty() || self.in_flight_max <= self.under_way.len() {
            return Next::Wait;
        }
        if self.is_idempotent && self.identity.is_none() {
            let is_quiet = self.under_way.is_empty();
            return if is_quiet { Next::Identify } else { Next::Wait };
        }
        match self.not_before {
            Some(not_before) if now < not_before => Next::WaitUntil(not_before),
            _ if !self.retries.is_empty() => Next::Retry,
            _ => Next::Fresh,
        }
    }

    /// Whether it cannot go on under that identity. Lanes share one as long as they can.
    pub(crate) fn has_spent(&self, identity: Identity) -> bool {
        self.spent == Some(identity)
    }

    /// Takes an identity. What waits to be repeated is numbered anew under it.
    pub(crate) fn identify(&mut self, identity: Identity) {
        debug_assert!(
            self.under_way.is_empty(),
            "numbers in use cannot be changed"
        );
        debug_assert!(
            !self.has_spent(identity),
            "the broker expects other numbers"
        );
        self.identity = Some(identity);
        self.next_sequence = 0;
        for parcel in &mut self.retries {
            parcel.sequence = None;
        }
    }

    /// Bytes of the batch to be repeated next.
    pub(crate) fn retry_bytes(&self) -> Option<usize> {
        self.retries.front().map(|parcel| parcel.batch.bytes())
    }

    /// Everything that waits to be repeated, if nobody will repeat it.
    pub(crate) fn take_retries(&mut self) -> Vec<Parcel> {
        std::mem::take(&mut self.retries).into()
    }

    /// The batch to be repeated next, when [`next`](Self::next) says so.
    pub(crate) fn take_retry(&mut self) -> Option<Parcel> {
        let mut parcel = self.retries.pop_front()?;
        self.under_way.insert(parcel.place);
        if let (Some(identity), None) = (self.identity, parcel.sequence) {
            let count = parcel.batch.records.header().record_count;
            let sequence = self.take_numbers(count);
            parcel.sequence = Some(sequence);
            let records = &mut parcel.batch.records;
            records.set_producer(identity.producer_id, identity.epoch, sequence);
        }
        Some(parcel)
    }

    /// A new batch, when [`next`](Self::next) allows one.
    pub(crate) fn take_fresh(&mut self, batch: OpenBatch, compression: Compression) -> Parcel {
        let place = (self.next_place, 0);
        self.next_place += 1;
        let count = batch.record_count();
        let numbered = self.identity.map(|it| (it, self.take_numbers(count)));
        self.under_way.insert(place);
        Parcel {
            batch: batch.seal(compression, numbered),
            place,
            sequence: numbered.map(|(_, sequence)| sequence),
            failures: 0,
        }
    }

    /// The first of so many sequence numbers.
    fn take_numbers(&mut self, count: i32) -> i32 {
        let first = self.next_sequence;
        self.next_sequence = after(first, count);
        first
    }

    /// A batch came back delivered.
    pub(crate) fn delivered(&mut self, parcel: &Parcel) {
        self.under_way.remove(&parcel.place);
        self.last_error = None;
        self.requeue();
    }

    /// A batch came back and is to be sent again, not before that time.
    pub(crate) fn failed(&mut self, mut parcel: Parcel, error: Error, not_before: Instant) {
        self.under_way.remove(&parcel.place);
        parcel.failures += 1;
        self.failed.push(parcel);
        self.last_error = Some(error);
        self.not_before = self.not_before.max(Some(not_before));
        self.requeue();
    }

    /// A batch came back because it is too large: it is sent again in two parts, which share its
    /// numbers.
    pub(crate) fn split(&mut self, parcel: Parcel, halves: [RecordBatch; 2]) {
        let Parcel {
            batch,
            place,
            sequence,
            failures,
        } = parcel;
        let header = *batch.records.header();
        self.under_way.remove(&place);
        let mut before = 0;
        for mut batch in batch.split(halves) {
            let sequence = sequence.map(|sequence| after(sequence, before));
            if let Some(sequence) = sequence {
                let records = &mut batch.records;
                records.set_producer(header.producer_id, header.producer_epoch, sequence);
            }
            let place = (place.0, place.1 + before);
            before += batch.records.header().record_count;
            self.failed.push(Parcel {
                batch,
                place,
                sequence,
                failures,
            });
        }
        self.requeue();
    }

    /// A batch came back and will not be sent again, with or without success unknown.
    pub(crate) fn given_up(&mut self, parcel: &Parcel) {
        self.under_way.remove(&parcel.place);
        self.lose_place_of(parcel);
        self.requeue();
    }

    /// Takes out the batches that have waited too long to be repeated.
    pub(crate) fn take_expired(&mut self, begun_before: Instant) -> Vec<Parcel> {
        let (expired, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.retries)
            .into_iter()
            .partition(|parcel| parcel.batch.begun_at <= begun_before);
        self.retries = kept.into();
        for parcel in &expired {
            self.lose_place_of(parcel);
        }
        expired
    }

    /// The broker does not know this producer any more, or knows it as another: begin anew.
    pub(crate) fn forget_identity(&mut self) {
        self.spent = self.identity.take().or(self.spent);
    }

    /// Whether nothing is under way or waits to be repeated.
    pub(crate) fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.retries.is_empty() && self.failed.is_empty()
    }

    /// Whether an earlier batch is still under way, or has failed meanwhile: then this one may have
    /// been refused for coming without it, and is in order when both are sent again.
    pub(crate) fn is_behind_others(&self, parcel: &Parcel) -> bool {
        let failed = self.failed.iter().map(|failed| failed.place);
        let mut others = failed.chain(self.under_way.iter().copied());
        others.any(|place| place < parcel.place)
    }

    fn lose_place_of(&mut self, parcel: &Parcel) {
        if parcel.sequence.is_some() {
            self.forget_identity();
        }
    }

    /// Once everything is back, what failed is sent again in the old order.
    fn requeue(&mut self) {
        if !self.under_way.is_empty() || self.failed.is_empty() {
            return;
        }
        self.failed.sort_unstable_by_key(|parcel| parcel.place);
        for parcel in self.failed.drain(..).rev() {
            self.retries.push_front(parcel);
        }
    }
}

/// The sequence number `count` further on; they wrap around to 0.
fn after(sequence: i32, count: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(count);
    (sum % (1_i64 << 31)) as i32
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
