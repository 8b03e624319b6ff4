//! Which leader epoch each stretch of the log was written in (KIP-101).
//!
//! A follower that comes back asks the leader where the last epoch it knows ended, and truncates
//! to there; this cache gives the answer. Epochs and start offsets are both strictly ascending.
//!
//! The cache is plain state; [`LeaderEpochCache::save`] puts it into `leader-epoch-checkpoint`.
//! Recovery re-learns epochs from the batches it scans, so a change must be saved only before the
//! recovery point passes the batch that caused it.

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
    /// The newest known epoch that is not above the requested one; the requested one itself when
    /// all known ones are above.
    pub epoch: i32,
    /// The offset after that epoch's last record.
    pub end_offset: i64,
}

/// The epochs of one partition's log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaderEpochCache {
    entries: Vec<EpochEntry>,
}

impl LeaderEpochCache {
    /// Reads the partition's checkpoint; a missing file is an empty cache.
    pub fn load(disk: &dyn Disk, partition_dir: &Path) -> Result<Self, CheckpointError> {
        let mut cache = Self::default();
        for entry in checkpoint::read_epochs(disk, &partition_dir.join(FILE_NAME))? {
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

    /// A batch of `epoch` is appended at `start_offset`. Entries that contradict it go: the log is
    /// the truth. Returns whether the cache changed.
    pub fn assign(&mut self, epoch: i32, start_offset: i64) -> bool {
        if epoch < 0 || start_offset < 0 {
            return false;
        }
        let continues = self
            .latest()
            .is_some_and(|latest| latest.epoch == epoch && latest.start_offset <= start_offset);
        if continues {
            return false;
        }
        let contradicts =
            |entry: &EpochEntry| entry.epoch >= epoch || entry.start_offset >= start_offset;
        let keep = self.entries.iter().rposition(|entry| !contradicts(entry));
        self.entries.truncate(keep.map_or(0, |last| last + 1));
        self.entries.push(EpochEntry {
            epoch,
            start_offset,
        });
        true
    }

    /// The epoch that `offset` was written in; `None` before the first known epoch.
    pub fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        let after = self
            .entries
            .partition_point(|entry| entry.start_offset <= offset);
        self.entries[..after].last().map(|entry| entry.epoch)
    }

    /// Where `epoch` ends in a log that ends at `log_end_offset`. `None` if the epoch is newer than
    /// all that are known, or none is known.
    pub fn end_offset_for(&self, epoch: i32, log_end_offset: i64) -> Option<EpochEnd> {
        if self.latest()?.epoch == epoch {
            return Some(EpochEnd {
                epoch,
                end_offset: log_end_offset,
            });
        }
        let after = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let end_offset = self.entries.get(after)?.start_offset;
        let floor = self.entries[..after].last();
        Some(EpochEnd {
            epoch: floor.map_or(epoch, |entry| entry.epoch),
            end_offset,
        })
    }

    /// The log now ends at `end_offset`: epochs that start there or later are forgotten. Returns
    /// whether the cache changed.
    pub fn truncate_from_end(&mut self, end_offset: i64) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.start_offset < end_offset);
        self.entries.len() != before
    }

    /// The log now starts at `start_offset`: epochs that ended before are forgotten, and the oldest
    /// one left starts no earlier. Returns whether the cache changed.
    pub fn truncate_from_start(&mut self, start_offset: i64) -> bool {
        let after = self
            .entries
            .partition_point(|entry| entry.start_offset <= start_offset);
        let Some(oldest) = after.checked_sub(1) else {
            return false;
        };
        let first = &mut self.entries[oldest];
        let moved = first.start_offset != start_offset;
        first.start_offset = start_offset;
        self.entries.drain(..oldest);
        moved || oldest > 0
    }
}

#[cfg(test)]
#[path = "leader_epoch_tests.rs"]
mod tests;
