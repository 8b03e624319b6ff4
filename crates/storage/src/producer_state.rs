//! What a partition knows of its producers: idempotence (KIP-98).
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::disk::Disk;

/// What producer state needs to know of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequencedBatch {
    /// At least 0: batches without a producer id are not looked at.
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

/// What to do with a batch whose sequence is in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Append it.
    Append,
    /// It was appended before, at these offsets: answer with them and append nothing.
    Duplicate {
        /// Offset of the first record then.
        base_offset: i64,
        /// Offset of the last record then.
        last_offset: i64,
        /// The timestamp then.
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

/// A snapshot that cannot be used: fall back to an older one.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// The file system refused.
    #[error("access {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The content is damaged.
    #[error("{}: {problem}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Limits of a partition's producer state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerLimits {
    /// A producer that wrote nothing for longer is forgotten (`producer.id.expiration.ms`).
    pub expiration_ms: i64,
    /// The most producers remembered; beyond, the one that wrote longest ago is forgotten.
    pub producers_max: usize,
}

/// The end of a producer's transaction, as its control batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionMarker {
    /// The producer whose transaction ended.
    pub producer_id: i64,
    /// The producer's epoch in the marker; it may be newer than the data's.
    pub producer_epoch: i16,
    /// The epoch of the transaction coordinator that wrote the marker.
    pub coordinator_epoch: i32,
    /// The marker's timestamp, in milliseconds.
    pub timestamp: i64,
}

/// The producers of one partition.
#[derive(Debug, Clone)]
pub struct ProducerState {
    limits: ProducerLimits,
}

impl ProducerState {
    /// Knows no producer yet.
    pub fn new(limits: ProducerLimits) -> Self {
        Self { limits }
    }

    /// How many producers are remembered.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether no producer is remembered.
    pub fn is_empty(&self) -> bool {
        todo!()
    }

    /// Takes over what `pending` has collected, once its batches are in the log.
    pub fn commit(&mut self, pending: PendingProducers) {
        let _ = pending;
        todo!()
    }

    /// A batch found in the log while recovering: it is a fact and not checked.
    pub fn replay(&mut self, batch: &SequencedBatch, base_offset: i64) {
        let _ = (batch, base_offset);
        todo!()
    }

    /// A transaction marker found in the log at `offset`.
    pub fn replay_marker(&mut self, marker: &TransactionMarker, offset: i64) {
        let _ = (marker, offset);
        todo!()
    }

    /// Forgets the producers that wrote nothing for longer than the expiration.
    pub fn expire(&mut self, now_ms: i64) {
        let _ = now_ms;
        todo!()
    }

    /// Writes the snapshot that is valid for a log of which everything below `offset` was replayed,
    /// durably, as `{offset}.snapshot` in the partition directory.
    pub fn save(
        &self,
        disk: &dyn Disk,
        partition_dir: &Path,
        offset: i64,
    ) -> Result<(), SnapshotError> {
        let _ = (disk, partition_dir, offset);
        todo!()
    }

    /// Reads the snapshot for `offset`.
    pub fn load(
        disk: &dyn Disk,
        partition_dir: &Path,
        offset: i64,
        limits: ProducerLimits,
    ) -> Result<Self, SnapshotError> {
        let _ = (disk, partition_dir, offset, limits);
        todo!()
    }
}

/// The name of the snapshot taken at `offset`: 20 digits and `.snapshot`.
pub fn snapshot_file_name(offset: i64) -> String {
    format!("{offset:020}.snapshot")
}

/// Checks of a group of batches that are about to be written together, each against the state as
/// it will be after those before it. Nothing happens to the state until [`ProducerState::commit`];
/// dropping this instead forgets a write that failed.
#[derive(Debug, Default)]
pub struct PendingProducers {}

impl PendingProducers {
    /// Checks a batch against the state and what is pending.
    pub fn check(
        &self,
        state: &ProducerState,
        batch: &SequencedBatch,
    ) -> Result<Verdict, SequenceError> {
        let _ = (state, batch);
        todo!()
    }

    /// The batch, found in order by [`check`](Self::check), gets `base_offset`.
    pub fn append(&mut self, state: &ProducerState, batch: &SequencedBatch, base_offset: i64) {
        let _ = (state, batch, base_offset);
        todo!()
    }
}
