//! Which leader epoch each stretch of the log was written in (KIP-101).
use std::path::Path;

use crate::checkpoint::{self, CheckpointError};
use crate::disk::Disk;

/// The file's name in the partition directory.
pub const FILE_NAME: &str = "leader-epoch-checkpoint";

/// A leader epoch and the first offset written in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEntry {
    /// The leader epoch, at least 0.
    pub epoch: i32,
    /// The first offset of the epoch, at least 0.
    pub start_offset: i64,
}

/// Where an epoch ends: the answer to `OffsetForLeaderEpoch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest known epoch that is not above the requested one (or the requested one itself
    /// when all known ones are above).
    pub epoch: i32,
    /// The offset after that epoch's last record.
    pub end_offset: i64,
}

/// Epochs and start offsets, both strictly ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaderEpochCache {
    entries: Vec<EpochEntry>,
}

impl LeaderEpochCache {
    /// Reads the partition's checkpoint; a missing file is an empty cache.
    pub fn load(disk: &dyn Disk, partition_dir: &Path) -> Result<Self, CheckpointError> {
        let entries = checkpoint::read_epochs(disk, &partition_dir.join(FILE_NAME))?;
        let mut cache = Self::default();
        for entry in entries {
            cache.assign(entry.epoch, entry.start_offset);
        }
        Ok(cache)
    }

    /// Replaces the partition's checkpoint durably.
    pub fn save(&self, disk: &dyn Disk, partition_dir: &Path) -> Result<(), CheckpointError> {
        checkpoint::write_epochs(disk, &partition_dir.join(FILE_NAME), &self.entries)
    }

    /// All entries, oldest first.
    pub fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    /// The newest epoch.
    pub fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    /// A batch of `epoch` was appended at `start_offset`. Returns whether the cache changed (and
    /// must be saved before the batch's offset may count as recoverable).
    pub fn assign(&mut self, epoch: i32, start_offset: i64) -> bool {
        let _ = (epoch, start_offset);
        todo!()
    }

    /// The epoch that `offset` was written in.
    pub fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        let _ = offset;
        todo!()
    }

    /// Where `epoch` ends in a log that ends at `log_end_offset`. `None`: the epoch is newer than
    /// all known ones, or none is known.
    pub fn end_offset_for(&self, epoch: i32, log_end_offset: i64) -> Option<EpochEnd> {
        let _ = (epoch, log_end_offset);
        todo!()
    }

    /// The log now ends at `end_offset`: forgets the epochs that start there or later. Returns
    /// whether the cache changed.
    pub fn truncate_from_end(&mut self, end_offset: i64) -> bool {
        let _ = end_offset;
        todo!()
    }

    /// The log now starts at `start_offset`: forgets the epochs that ended before; the oldest left
    /// starts there. Returns whether the cache changed.
    pub fn truncate_from_start(&mut self, start_offset: i64) -> bool {
        let _ = start_offset;
        todo!()
    }
}
