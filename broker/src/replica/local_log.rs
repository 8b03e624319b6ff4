//! The log directory of one partition: opened or created, deleted, or set aside as a stray.
//!
//! Every function here blocks and runs on the disk pool.
//!
//! **Invariant:** a directory is opened only for the topic whose id stands in its
//! `partition.metadata`. Records are never served under the name of a later topic, and a directory
//! that nobody asks for is renamed, not removed: a person decides about it.

use std::{path::Path, sync::Arc};

use odradek_metadata::MetadataImage;
use odradek_storage::{
    checkpoint::{CheckpointError, PartitionMetadata},
    config::LogConfig,
    error::{LogError, OpenError},
    log::{Log, LogContext, OpenOptions},
    log_dir::{LogDir, LogDirError, PartitionDir, TopicPartition},
    recovery::Recovery,
    retention::PendingDeletion,
};
use uuid::Uuid;

use super::{
    checkpoints::StoredOffsets,
    partition::{Leadership, PartitionIdentity},
};

/// The directory that holds all logs, and what the logs share.
#[derive(Debug, Clone)]
pub(crate) struct Logs {
    pub(crate) dir: Arc<LogDir>,
    pub(crate) context: LogContext,
}

/// Which log to open, and as what.
#[derive(Debug)]
pub(super) struct LogToOpen {
    pub(super) identity: PartitionIdentity,
    pub(super) config: LogConfig,
    /// What the checkpoint files said at the start; nothing for a new partition.
    pub(super) stored: StoredOffsets,
    pub(super) leadership: Leadership,
}

/// Why a partition's log cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenLogError {
    /// `partition.metadata` cannot be read or written.
    #[error(transparent)]
    Metadata(#[from] CheckpointError),
    /// The directory belongs to another topic and cannot be set aside.
    #[error(transparent)]
    SetAside(#[from] SetAsideError),
    /// The log engine cannot open it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The leader epoch cannot be noted.
    #[error(transparent)]
    LeaderEpoch(#[from] LogError),
}

/// Why a log could not be deleted.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeleteLogError {
    /// The log engine cannot delete it.
    #[error(transparent)]
    Log(#[from] LogError),
    /// It is not open, and its directory cannot be renamed.
    #[error(transparent)]
    Rename(#[from] SetAsideError),
}

/// A directory could not be renamed.
#[derive(Debug, thiserror::Error)]
#[error("rename {from} to {to}")]
pub(crate) struct SetAsideError {
    from: String,
    to: String,
    source: std::io::Error,
}

/// Opens the log of a partition, or creates it, and tells what that took.
pub(super) fn open(
    logs: &Logs,
    log: &LogToOpen,
    now_ms: i64,
) -> Result<(Log, Recovery), OpenLogError> {
    let partition = TopicPartition::new(&*log.identity.topic, log.identity.index);
    let (disk, path) = (logs.dir.disk(), logs.dir.partition_path(&partition));
    let metadata = PartitionMetadata {
        topic_id: log.identity.topic_id,
    };
    let mut known = PartitionMetadata::read(&**disk, &path)?;
    if known.is_some_and(|known| known != metadata) {
        set_aside(&logs.dir, &partition)?;
        known = None;
    }
    // A directory without the file is new, or its creation was cut short before any append. Then
    // whatever the checkpoints say is about an earlier topic of the same name.
    let stored = if known.is_some() {
        log.stored
    } else {
        StoredOffsets::default()
    };
    let options = OpenOptions {
        dir: path.clone(),
        config: log.config.clone(),
        recovery_point: stored.recovery_point,
        log_start_offset: stored.log_start,
        previous_stop: logs.dir.previous_stop(),
        now_ms,
    };
    let (mut opened, recovery) = Log::open(&logs.context, options)?;
    tracing::debug!(%partition, ?recovery, "log opened");
    if known.is_none() {
        metadata.write(&**disk, &path)?;
    }
    if log.leadership.is_leader {
        opened.start_leader_epoch(log.leadership.epoch)?;
    }
    Ok((opened, recovery))
}

/// Deletes the directory of a partition whose log is not open: renames it, to be removed at
/// `due_ms`. `None` if there is none.
pub(super) fn delete_unopened(
    log_dir: &LogDir,
    partition: &TopicPartition,
    due_ms: i64,
) -> Result<Option<PendingDeletion>, SetAsideError> {
    let to = partition.deleted_dir_name(Uuid::new_v4());
    match rename(log_dir, partition, &to) {
        Ok(()) => {}
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    Ok(Some(PendingDeletion {
        due_ms,
        paths: vec![log_dir.path().join(to)],
        bytes: 0,
    }))
}

/// Goes through the directory at the start: sets strays aside and returns what is left of logs
/// that were deleted, to be removed now.
pub(super) fn clean_up(
    log_dir: &LogDir,
    image: &MetadataImage,
    node_id: i32,
    now_ms: i64,
) -> Result<PendingDeletion, CleanUpError> {
    let mut leftovers = PendingDeletion {
        due_ms: now_ms,
        paths: Vec::new(),
        bytes: 0,
    };
    for found in log_dir.partitions()? {
        match found {
            PartitionDir::Deleted(name) => leftovers.paths.push(log_dir.path().join(name)),
            PartitionDir::Live(partition) if is_stray(log_dir, &partition, image, node_id) => {
                set_aside(log_dir, &partition)?;
            }
            PartitionDir::Live(_) | PartitionDir::Stray(_) => {}
        }
    }
    Ok(leftovers)
}

/// Why the log directory could not be gone through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CleanUpError {
    /// It cannot be listed.
    #[error(transparent)]
    List(#[from] LogDirError),
    /// A stray cannot be renamed.
    #[error(transparent)]
    SetAside(#[from] SetAsideError),
}

/// Whether the cluster knows no such partition on this broker.
fn is_stray(
    log_dir: &LogDir,
    partition: &TopicPartition,
    image: &MetadataImage,
    node_id: i32,
) -> bool {
    let Some(topic) = image.topic(&partition.topic) else {
        return true;
    };
    let assigned = topic
        .partition(partition.partition)
        .is_some_and(|assigned| assigned.replicas.contains(&node_id));
    if !assigned {
        return true;
    }
    let path = log_dir.partition_path(partition);
    // A file that cannot be read proves nothing; opening the log will say what is wrong with it.
    PartitionMetadata::read(&**log_dir.disk(), &path)
        .is_ok_and(|found| found.is_some_and(|metadata| metadata.topic_id != topic.id))
}

/// Renames a directory that belongs to nobody, durably.
fn set_aside(log_dir: &LogDir, partition: &TopicPartition) -> Result<(), SetAsideError> {
    let to = partition.stray_dir_name(Uuid::new_v4());
    rename(log_dir, partition, &to)?;
    tracing::warn!(
        %partition,
        renamed_to = to,
        "the metadata knows no such partition on this broker; its directory is kept aside"
    );
    Ok(())
}

fn rename(log_dir: &LogDir, partition: &TopicPartition, to: &str) -> Result<(), SetAsideError> {
    let disk = log_dir.disk();
    let from: &Path = &log_dir.partition_path(partition);
    disk.rename(from, &log_dir.path().join(to))
        .and_then(|()| disk.sync_dir(log_dir.path()))
        .map_err(|source| SetAsideError {
            from: partition.to_string(),
            to: to.to_owned(),
            source,
        })
}
