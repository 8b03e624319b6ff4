//! Small text files that are replaced whole: Kafka's checkpoint formats.
//!
//! - [`write_offsets`]/[`read_offsets`]: `recovery-point-offset-checkpoint`,
//!   `replication-offset-checkpoint` and `log-start-offset-checkpoint`, one per log directory;
//! - [`write_epochs`]/[`read_epochs`]: `leader-epoch-checkpoint`, one per partition;
//! - [`PartitionMetadata`]: `partition.metadata`, one per partition;
//! - [`MetaProperties`]: `meta.properties`, one per log directory.
//!
//! Each write leaves either the old content or the new after a crash. A file that does not read as
//! written is an error, never a guess; a missing one is an ordinary answer.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use uuid::Uuid;

use crate::disk::Disk;
use crate::leader_epoch::EpochEntry;
use crate::log_dir::TopicPartition;

/// A checkpoint file that cannot be read or written.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("access {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The content is not in the expected format.
    #[error("{} line {line}: expected {expected}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// What should have stood there.
        expected: &'static str,
    },
}

/// Offsets by partition.
pub type Offsets = BTreeMap<TopicPartition, i64>;

/// Replaces an offset checkpoint durably.
pub fn write_offsets(
    disk: &dyn Disk,
    path: &Path,
    offsets: &Offsets,
) -> Result<(), CheckpointError> {
    let _ = (disk, path, offsets);
    todo!()
}

/// Reads an offset checkpoint; a missing file is empty.
pub fn read_offsets(disk: &dyn Disk, path: &Path) -> Result<Offsets, CheckpointError> {
    let _ = (disk, path);
    todo!()
}

/// Replaces a leader epoch checkpoint durably.
pub fn write_epochs(
    disk: &dyn Disk,
    path: &Path,
    entries: &[EpochEntry],
) -> Result<(), CheckpointError> {
    let _ = (disk, path, entries);
    todo!()
}

/// Reads a leader epoch checkpoint; a missing file is empty.
pub fn read_epochs(disk: &dyn Disk, path: &Path) -> Result<Vec<EpochEntry>, CheckpointError> {
    let _ = (disk, path);
    todo!()
}

/// `partition.metadata`: the id of the topic a partition directory belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// The topic's id (KIP-516).
    pub topic_id: Uuid,
}

impl PartitionMetadata {
    /// The file's name in the partition directory.
    pub const FILE_NAME: &str = "partition.metadata";

    /// Writes the file durably.
    pub fn write(&self, disk: &dyn Disk, partition_dir: &Path) -> Result<(), CheckpointError> {
        let _ = (disk, partition_dir);
        todo!()
    }

    /// Reads the file; `None` if there is none.
    pub fn read(disk: &dyn Disk, partition_dir: &Path) -> Result<Option<Self>, CheckpointError> {
        let _ = (disk, partition_dir);
        todo!()
    }
}
