//! What a partition knows of its producers, so that a retry is stored once (KIP-98).
//!
//! Of each producer id the partition remembers the newest epoch and its last five batches, as many
//! as an idempotent client keeps in flight. A batch that equals one of them is answered with its
//! original offsets; any other must continue the sequence, which counts records and wraps from
//! `i32::MAX` to 0. A producer nobody remembers may start anywhere: its state may simply have
//! expired.
//!
//! Memory is bounded: at most [`ProducerLimits::producers_max`] ids per partition, the one that
//! wrote longest ago goes first. A producer in an open transaction is neither evicted nor expired.
//!
//! Everything here is a function of the log and of its arguments; time comes in as a parameter.
//! This file does not decide when to write a snapshot, nor does it validate transactions.

mod snapshot;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use odradek_protocol::records::BatchHeader;
use smallvec::SmallVec;
use thiserror::Error;

pub use snapshot::{
    SnapshotError, SnapshotRow, snapshot_file_name, snapshot_offset, snapshot_rows,
};

/// How many batches of a producer are remembered: the most an idempotent client has in flight.
pub const BATCHES_REMEMBERED: usize = 5;

/// Limits of a partition's producer state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerLimits {
    /// A producer that wrote nothing for longer is forgotten (`producer.id.expiration.ms`).
    pub expiration_ms: i64,
    /// The most producers remembered; beyond, the one that wrote longest ago is forgotten.
    pub producers_max: usize,
}

impl Default for ProducerLimits {
    /// One day, as Kafka, and 5 000 producers: about 1.3 MB if a partition really has that many.
    fn default() -> Self {
        Self {
            expiration_ms: 24 * 60 * 60 * 1000,
            producers_max: 5000,
        }
    }
}

/// What producer state needs to know of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequencedBatch {
    /// At least 0.
    pub producer_id: i64,
    /// At least 0.
    pub producer_epoch: i16,
    /// Sequence number of the first record.
    pub base_sequence: i32,
    /// The last record's offset minus the first one's; sequence numbers advance by as much.
    pub last_offset_delta: i32,
    /// The batch's largest timestamp, in milliseconds.
    pub max_timestamp: i64,
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
}

impl SequencedBatch {
    /// The batch behind `header`; `None` if it has no producer id or no sequence, as control
    /// batches have none.
    pub fn from_header(header: &BatchHeader) -> Option<Self> {
        let sequenced = header.has_producer_id()
            && header.base_sequence >= 0
            && !header.attributes.is_control();
        sequenced.then_some(Self {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            last_offset_delta: header.last_offset_delta,
            max_timestamp: header.max_timestamp,
            transactional: header.attributes.is_transactional(),
        })
    }

    fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }
}

/// The end of a producer's transaction, as its control batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionMarker {
    /// The producer whose transaction ended.
    pub producer_id: i64,
    /// The producer's epoch in the marker; it may be newer than the data's (KIP-890).
    pub producer_epoch: i16,
    /// The epoch of the transaction coordinator that wrote the marker.
    pub coordinator_epoch: i32,
    /// The marker's timestamp, in milliseconds.
    pub timestamp: i64,
}

/// What to do with a batch that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Append it.
    Append,
    /// It was appended before: answer with what was answered then and append nothing.
    Duplicate {
        /// Offset of the first record then.
        base_offset: i64,
        /// Offset of the last record then.
        last_offset: i64,
        /// The largest timestamp then, in milliseconds.
        timestamp: i64,
    },
}

/// Why a batch of an idempotent producer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SequenceError {
    /// The producer's epoch is older than the newest one seen.
    #[error("producer {producer_id} uses epoch {epoch}, but epoch {current} was seen already")]
    InvalidProducerEpoch {
        /// The producer.
        producer_id: i64,
        /// The epoch in the batch.
        epoch: i16,
        /// The newest epoch seen.
        current: i16,
    },
    /// A sequence number is missing, or a new epoch does not start at 0.
    #[error("producer {producer_id} sent sequence {sequence} where {expected} was due")]
    OutOfOrderSequence {
        /// The producer.
        producer_id: i64,
        /// The batch's first sequence number.
        sequence: i32,
        /// The sequence number due.
        expected: i32,
    },
    /// The batch was appended before, but so long ago that its offset is forgotten.
    #[error("producer {producer_id} repeats sequence {sequence}, whose offset is forgotten")]
    DuplicateSequence {
        /// The producer.
        producer_id: i64,
        /// The batch's first sequence number.
        sequence: i32,
    },
}

/// A batch in the log, as its producer's next request may refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RememberedBatch {
    /// The sequence number of its last record.
    pub last_sequence: i32,
    /// The offset of its last record minus that of its first.
    pub offset_delta: i32,
    /// The offset of its last record.
    pub last_offset: i64,
    /// Its largest timestamp, in ms.
    pub timestamp: i64,
}

impl RememberedBatch {
    fn new(batch: &SequencedBatch, base_offset: i64) -> Self {
        Self {
            last_sequence: batch.last_sequence(),
            offset_delta: batch.last_offset_delta,
            last_offset: base_offset + i64::from(batch.last_offset_delta),
            timestamp: batch.max_timestamp,
        }
    }

    /// The sequence number of its first record.
    pub fn base_sequence(&self) -> i32 {
        sequence_before(self.last_sequence, self.offset_delta)
    }

    fn base_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

/// One producer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    /// Of the last transaction marker; -1 before the first.
    coordinator_epoch: i32,
    last_timestamp: i64,
    /// Where the open transaction began.
    transaction_start: Option<i64>,
    /// Oldest first, all of `epoch`.
    batches: SmallVec<[RememberedBatch; BATCHES_REMEMBERED]>,
    /// Sequence 0 of this epoch was seen, and so, as sequences have no gaps, everything below the
    /// last one was appended.
    seen_from_zero: bool,
    /// The newest offset this producer wrote: the order of forgetting.
    last_written: i64,
}

impl Producer {
    fn new(epoch: i16) -> Self {
        Self {
            epoch,
            coordinator_epoch: -1,
            last_timestamp: -1,
            transaction_start: None,
            batches: SmallVec::new(),
            seen_from_zero: false,
            last_written: -1,
        }
    }

    fn check(&self, batch: &SequencedBatch) -> Result<Verdict, SequenceError> {
        let SequencedBatch {
            producer_id,
            producer_epoch,
            base_sequence: sequence,
            ..
        } = *batch;
        if producer_epoch < self.epoch {
            let (epoch, current) = (producer_epoch, self.epoch);
            return Err(SequenceError::InvalidProducerEpoch {
                producer_id,
                epoch,
                current,
            });
        }
        if producer_epoch > self.epoch {
            return match sequence {
                0 => Ok(Verdict::Append),
                _ => Err(SequenceError::OutOfOrderSequence {
                    producer_id,
                    sequence,
                    expected: 0,
                }),
            };
        }
        if let Some(first) = self.batches.iter().find(|known| {
            known.base_sequence() == sequence && known.last_sequence == batch.last_sequence()
        }) {
            return Ok(Verdict::Duplicate {
                base_offset: first.base_offset(),
                last_offset: first.last_offset,
                timestamp: first.timestamp,
            });
        }
        let expected = self
            .batches
            .last()
            .map_or(0, |last| sequence_after(last.last_sequence, 1));
        if sequence == expected {
            return Ok(Verdict::Append);
        }
        // Only what was certainly appended may be called a duplicate: the client takes that answer
        // for success.
        let forgotten = self
            .batches
            .first()
            .is_some_and(|oldest| batch.last_sequence() < oldest.base_sequence());
        if forgotten && self.seen_from_zero {
            return Err(SequenceError::DuplicateSequence {
                producer_id,
                sequence,
            });
        }
        Err(SequenceError::OutOfOrderSequence {
            producer_id,
            sequence,
            expected,
        })
    }

    fn append(&mut self, batch: &SequencedBatch, base_offset: i64) {
        self.enter_epoch(batch.producer_epoch);
        self.remember(RememberedBatch::new(batch, base_offset));
        self.last_timestamp = batch.max_timestamp;
        if batch.transactional && self.transaction_start.is_none() {
            self.transaction_start = Some(base_offset);
        }
    }

    fn remember(&mut self, batch: RememberedBatch) {
        if self.batches.len() == BATCHES_REMEMBERED {
            self.batches.remove(0);
        }
        self.seen_from_zero |= batch.base_sequence() == 0;
        self.last_written = self.last_written.max(batch.last_offset);
        self.batches.push(batch);
    }

    /// Another epoch starts a new sequence.
    fn enter_epoch(&mut self, epoch: i16) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.batches.clear();
            self.seen_from_zero = false;
        }
    }

    fn end_transaction(&mut self, marker: &TransactionMarker, offset: i64) {
        self.enter_epoch(marker.producer_epoch);
        self.coordinator_epoch = marker.coordinator_epoch;
        self.transaction_start = None;
        self.last_timestamp = marker.timestamp;
        self.last_written = self.last_written.max(offset);
    }
}

/// What is remembered of one producer, for those who look into a partition (KIP-664).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerSummary {
    /// The producer.
    pub producer_id: i64,
    /// Its newest epoch.
    pub epoch: i16,
    /// The sequence number of its last record; `None` if it wrote none in this epoch.
    pub last_sequence: Option<i32>,
    /// Of its last batch or marker, in milliseconds; -1 if it has none.
    pub last_timestamp: i64,
    /// The epoch of the coordinator that wrote its last marker; -1 before the first.
    pub coordinator_epoch: i32,
    /// Where its open transaction began.
    pub transaction_start: Option<i64>,
}

/// The producers of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProducerState {
    limits: ProducerLimits,
    producers: BTreeMap<i64, Producer>,
    /// (newest offset, producer id) of every producer that may be forgotten, oldest first.
    forgettable: BTreeSet<(i64, i64)>,
}

impl ProducerState {
    /// Knows no producer yet.
    pub fn new(limits: ProducerLimits) -> Self {
        Self {
            limits,
            producers: BTreeMap::new(),
            forgettable: BTreeSet::new(),
        }
    }

    /// How many producers are remembered.
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether no producer is remembered.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// Every producer remembered, in the order of their ids.
    pub fn summaries(&self) -> impl Iterator<Item = ProducerSummary> {
        self.producers.iter().map(|(id, producer)| ProducerSummary {
            producer_id: *id,
            epoch: producer.epoch,
            last_sequence: producer.batches.last().map(|batch| batch.last_sequence),
            last_timestamp: producer.last_timestamp,
            coordinator_epoch: producer.coordinator_epoch,
            transaction_start: producer.transaction_start,
        })
    }

    /// Takes over what `pending` has collected, once its batches are in the log.
    pub fn commit(&mut self, pending: PendingProducers) {
        for (producer_id, producer) in pending.producers {
            self.put(producer_id, producer);
        }
    }

    /// A batch found in the log during recovery: a fact, so it is not checked.
    pub fn replay(&mut self, batch: &SequencedBatch, base_offset: i64) {
        let mut producer = self.take(batch.producer_id, batch.producer_epoch);
        producer.append(batch, base_offset);
        self.put(batch.producer_id, producer);
    }

    /// A transaction marker found in the log at `offset` during recovery.
    pub fn replay_marker(&mut self, marker: &TransactionMarker, offset: i64) {
        let mut producer = self.take(marker.producer_id, marker.producer_epoch);
        producer.end_transaction(marker, offset);
        self.put(marker.producer_id, producer);
    }

    /// Forgets the producers that wrote nothing for longer than the expiration.
    pub fn expire(&mut self, now_ms: i64) {
        let Self {
            limits,
            producers,
            forgettable,
        } = self;
        producers.retain(|producer_id, producer| {
            let keep = producer.transaction_start.is_some()
                || now_ms.saturating_sub(producer.last_timestamp) < limits.expiration_ms;
            if !keep {
                forgettable.remove(&(producer.last_written, *producer_id));
            }
            keep
        });
    }

    /// The start of the oldest open transaction: the last stable offset may not pass it.
    pub fn first_open_transaction(&self) -> Option<i64> {
        self.producers
            .values()
            .filter_map(|producer| producer.transaction_start)
            .min()
    }

    /// The last offset of each producer's last batch, or where its last transaction ended if no
    /// batch of it is known: what has to stay in the log so that it can be replayed.
    pub(crate) fn last_batch_offsets(&self) -> HashMap<i64, i64> {
        let last_offset = |producer: &Producer| {
            let last = producer.batches.last();
            last.map_or(producer.last_written, |batch| batch.last_offset)
        };
        self.producers
            .iter()
            .map(|(producer_id, producer)| (*producer_id, last_offset(producer)))
            .collect()
    }

    fn take(&mut self, producer_id: i64, epoch: i16) -> Producer {
        self.producers.remove(&producer_id).map_or_else(
            || Producer::new(epoch),
            |producer| {
                self.forgettable
                    .remove(&(producer.last_written, producer_id));
                producer
            },
        )
    }

    fn put(&mut self, producer_id: i64, producer: Producer) {
        let written = producer.last_written;
        let open_transaction = producer.transaction_start.is_some();
        if let Some(before) = self.producers.insert(producer_id, producer) {
            self.forgettable.remove(&(before.last_written, producer_id));
        }
        if !open_transaction {
            self.forgettable.insert((written, producer_id));
        }
        while self.producers.len() > self.limits.producers_max {
            let Some((_, oldest)) = self.forgettable.pop_first() else {
                break;
            };
            self.producers.remove(&oldest);
        }
    }
}

/// Checks of a group of batches that are about to be written together, each against the state as
/// it will be after those before it. Nothing happens to the state until [`ProducerState::commit`];
/// dropping this instead forgets a write that failed.
#[derive(Debug, Default)]
pub struct PendingProducers {
    producers: BTreeMap<i64, Producer>,
}

impl PendingProducers {
    /// Checks a batch against the state and what is pending. A duplicate of a pending batch is
    /// answered with the offsets that one will have, if the group's write succeeds.
    pub fn check(
        &self,
        state: &ProducerState,
        batch: &SequencedBatch,
    ) -> Result<Verdict, SequenceError> {
        self.producers
            .get(&batch.producer_id)
            .or_else(|| state.producers.get(&batch.producer_id))
            .map_or(Ok(Verdict::Append), |producer| producer.check(batch))
    }

    /// The batch, which [`check`](Self::check) said to append, gets `base_offset`.
    pub fn append(&mut self, state: &ProducerState, batch: &SequencedBatch, base_offset: i64) {
        self.producers
            .entry(batch.producer_id)
            .or_insert_with(|| {
                let known = state.producers.get(&batch.producer_id);
                known
                    .cloned()
                    .unwrap_or_else(|| Producer::new(batch.producer_epoch))
            })
            .append(batch, base_offset);
    }
}

/// The sequence number `count` records after `sequence`; 0 follows `i32::MAX`.
fn sequence_after(sequence: i32, count: i32) -> i32 {
    ((i64::from(sequence) + i64::from(count)) & i64::from(i32::MAX)) as i32
}

/// The sequence number `count` records before `sequence`.
fn sequence_before(sequence: i32, count: i32) -> i32 {
    ((i64::from(sequence) - i64::from(count)) & i64::from(i32::MAX)) as i32
}

#[cfg(test)]
#[path = "producer_state/tests.rs"]
mod tests;
