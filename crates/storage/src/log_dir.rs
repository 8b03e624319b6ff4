//! One log directory: who owns it, how it was left, and what is in it.
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use uuid::Uuid;

use crate::checkpoint::{CheckpointError, Offsets};
use crate::disk::{Disk, FileLock};

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl TopicPartition {
    /// The partition of that name and number.
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

/// How the process that used the directory before this one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviousStop {
    /// There was none: the directory is new.
    Never,
    /// Everything was synced.
    Clean,
    /// The process died, but the page cache lived: every completed write is still there.
    ProcessDied,
    /// The machine went down or the file system was mounted anew: what was not synced may be gone.
    PageCacheLost,
}

/// Who a log directory belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirIdentity {
    /// The cluster.
    pub cluster_id: String,
    /// The broker.
    pub node_id: i32,
    /// This directory: a wiped disk comes back with another one.
    pub directory_id: Uuid,
}

/// What the opener expects of a directory, and what to write into a new one.
#[derive(Debug, Clone)]
pub struct DirExpectation {
    /// The broker's id.
    pub node_id: i32,
    /// The cluster's id if it is known; otherwise the directory's own is accepted.
    pub cluster_id: Option<String>,
    /// The cluster id for a new directory when none is expected.
    pub new_cluster_id: String,
    /// The directory id for a new directory.
    pub new_directory_id: Uuid,
}

/// A log directory that cannot be used.
#[derive(Debug, Error)]
pub enum LogDirError {
    /// The file system refused.
    #[error("{action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A checkpoint file is damaged.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Whether a log directory can still be trusted; shared by everything that uses it.
#[derive(Debug, Default)]
pub struct DirHealth {}

impl DirHealth {
    /// Takes the directory offline for good. Only the first reason is kept.
    pub fn poison(&self, reason: &str) {
        let _ = reason;
        todo!()
    }

    /// The reason the directory is offline, if it is.
    pub fn offline(&self) -> Option<&str> {
        todo!()
    }
}

/// A directory inside a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionDir {
    /// A partition's log.
    Live(TopicPartition),
    /// What is left of a deleted partition: finish removing it.
    Deleted(String),
    /// A partition that the cluster does not know; kept until a person looks.
    Stray(String),
}

/// A log directory that this process owns.
#[derive(Debug)]
pub struct LogDir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    identity: DirIdentity,
    previous_stop: PreviousStop,
    health: Arc<DirHealth>,
    _lock: Box<dyn FileLock>,
}

impl LogDir {
    /// Locks the directory, checks whom it belongs to, and finds out how it was left. Creates it
    /// if it is missing.
    pub fn open(
        disk: Arc<dyn Disk>,
        path: &Path,
        expected: &DirExpectation,
    ) -> Result<Self, LogDirError> {
        let _ = (disk, path, expected);
        todo!()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file system it is on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Whom it belongs to.
    pub fn identity(&self) -> &DirIdentity {
        &self.identity
    }

    /// How it was left.
    pub fn previous_stop(&self) -> PreviousStop {
        self.previous_stop
    }

    /// Whether it can still be trusted.
    pub fn health(&self) -> &Arc<DirHealth> {
        &self.health
    }

    /// The directory of a partition's log.
    pub fn partition_path(&self, partition: &TopicPartition) -> PathBuf {
        self.path.join(partition.to_string())
    }

    /// What is in it, in no particular order.
    pub fn partitions(&self) -> Result<Vec<PartitionDir>, LogDirError> {
        todo!()
    }

    /// Every log is recovered and what recovery changed is synced: from now on a crash of the
    /// process alone is recognised as such.
    pub fn mark_recovered(&self) -> Result<(), LogDirError> {
        todo!()
    }

    /// Every log is synced and closed: the next open finds a clean stop.
    pub fn mark_clean(&self) -> Result<(), LogDirError> {
        todo!()
    }

    /// Offsets below which everything is synced.
    pub fn recovery_points(&self) -> Result<Offsets, LogDirError> {
        todo!()
    }

    /// Replaces the recovery points durably.
    pub fn write_recovery_points(&self, offsets: &Offsets) -> Result<(), LogDirError> {
        let _ = offsets;
        todo!()
    }

    /// Offsets that logs start at, where deletion of records moved them inside a segment.
    pub fn log_start_offsets(&self) -> Result<Offsets, LogDirError> {
        todo!()
    }

    /// Replaces the log start offsets durably.
    pub fn write_log_start_offsets(&self, offsets: &Offsets) -> Result<(), LogDirError> {
        let _ = offsets;
        todo!()
    }

    /// High watermarks.
    pub fn high_watermarks(&self) -> Result<Offsets, LogDirError> {
        todo!()
    }

    /// Replaces the high watermarks durably.
    pub fn write_high_watermarks(&self, offsets: &Offsets) -> Result<(), LogDirError> {
        let _ = offsets;
        todo!()
    }
}
