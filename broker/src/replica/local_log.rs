//! The log directory of one partition: opened or created, deleted, or set aside as a stray.
//!
//! Every function here blocks and runs on the disk pool.
//!
//! **Invariant:** a directory is opened only for the topic whose id stands in its
//! `partition.metadata`. Records are never served under the name of a later topic, and a directory
//! that nobody asks for is renamed, not removed: a person decides about it.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use odradek_metadata::MetadataImage;
use odradek_storage::{
    checkpoint::{CheckpointError, PartitionMetadata},
    config::LogConfig,
    error::{LogError, OpenError, is_no_space},
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
    /// The checkpoint files still speak of deleted logs, and cannot be written. A new log would
    /// inherit what they say.
    #[error("the checkpoint files cannot be written, and still speak of deleted logs")]
    CheckpointsOutdated,
    /// Nothing is begun on a directory that has failed.
    #[error("the log directory has failed")]
    DirectoryFailed,
    /// The log engine cannot open it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The leader epoch cannot be noted.
    #[error(transparent)]
    LeaderEpoch(#[from] LogError),
}

impl OpenLogError {
    /// Whether the disk is full: with room the log opens.
    pub(super) fn is_no_space(&self) -> bool {
        match self {
            Self::Metadata(error) => error.is_no_space(),
            Self::SetAside(error) => is_no_space(&error.source),
            // Whatever else kept them from being written has taken the directory offline.
            Self::CheckpointsOutdated => true,
            Self::DirectoryFailed => false,
            Self::Open(error) => error.is_no_space(),
            Self::LeaderEpoch(error) => error.is_no_space(),
        }
    }
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

/// Opens the log of a partition, or creates it if it `may_create`, and tells what that took.
pub(super) fn open(
    logs: &Logs,
    log: &LogToOpen,
    may_create: bool,
    now_ms: i64,
) -> Result<(Log, Recovery), OpenLogError> {
    let partition = TopicPartition::new(&*log.identity.topic, log.identity.index);
    let (disk, path) = (logs.dir.disk(), logs.dir.partition_path(&partition));
    if logs.dir.health().offline().is_some() {
        return Err(OpenLogError::DirectoryFailed);
    }
    let metadata = PartitionMetadata {
        topic_id: log.identity.topic_id,
    };
    let mut known = PartitionMetadata::read(&**disk, &path)?;
    if known.is_some_and(|known| known != metadata) {
        set_aside(&logs.dir, &partition)?;
        known = None;
    }
    if known.is_none() && !may_create {
        return Err(OpenLogError::CheckpointsOutdated);
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

/// What the log directory turned out to hold at the start.
#[derive(Debug)]
pub(super) struct Inventory {
    /// Partitions of this broker whose log was there before. What the checkpoint files say is
    /// about these, and about no other.
    pub(super) known: BTreeSet<TopicPartition>,
    /// What is left of logs that were deleted, to be removed now.
    pub(super) leftovers: PendingDeletion,
}

/// Goes through the directory at the start, and sets strays aside.
pub(super) fn take_inventory(
    log_dir: &LogDir,
    image: &MetadataImage,
    node_id: i32,
    now_ms: i64,
) -> Result<Inventory, InventoryError> {
    let mut known = BTreeSet::new();
    let mut leftovers = PendingDeletion {
        due_ms: now_ms,
        paths: Vec::new(),
        bytes: 0,
    };
    for found in log_dir.partitions()? {
        match found {
            PartitionDir::Deleted(name) => leftovers.paths.push(log_dir.path().join(name)),
            PartitionDir::Live(partition) => match claim(log_dir, &partition, image, node_id) {
                Claim::Stray => set_aside(log_dir, &partition)?,
                Claim::Known => {
                    known.insert(partition);
                }
                Claim::Unfinished => {}
            },
            PartitionDir::Stray(_) => {}
        }
    }
    Ok(Inventory { known, leftovers })
}

/// Why the log directory could not be gone through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InventoryError {
    /// It cannot be listed.
    #[error(transparent)]
    List(#[from] LogDirError),
    /// A stray cannot be renamed.
    #[error(transparent)]
    SetAside(#[from] SetAsideError),
}

/// Whose a directory is.
enum Claim {
    /// The cluster knows no such partition on this broker.
    Stray,
    /// A partition of this broker, created but never used.
    Unfinished,
    /// A partition of this broker.
    Known,
}

fn claim(
    log_dir: &LogDir,
    partition: &TopicPartition,
    image: &MetadataImage,
    node_id: i32,
) -> Claim {
    let Some(topic) = image.topic(&partition.topic) else {
        return Claim::Stray;
    };
    let assigned = topic
        .partition(partition.partition)
        .is_some_and(|assigned| assigned.replicas.contains(&node_id));
    if !assigned {
        return Claim::Stray;
    }
    let path = log_dir.partition_path(partition);
    match PartitionMetadata::read(&**log_dir.disk(), &path) {
        Ok(Some(metadata)) if metadata.topic_id != topic.id => Claim::Stray,
        Ok(None) => Claim::Unfinished,
        // A file that cannot be read proves nothing; opening the log will say what is wrong.
        Ok(Some(_)) | Err(_) => Claim::Known,
    }
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
