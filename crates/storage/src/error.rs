//! Why an operation on a log failed: one enum per operation.
//!
//! Which Kafka error code a client sees for each is decided in the broker, nowhere here.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use odradek_protocol::records::{BatchError, RecordError};
use rustix::io::Errno;

use crate::{
    checkpoint::CheckpointError,
    log_dir::LogDirError,
    producer_state::{SequenceError, SnapshotError},
};

/// A file operation that failed: what was tried, on which file, and what the system said.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}", path.display())]
pub struct IoError {
    /// What was tried, for example "append to".
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl IoError {
    /// Adds what was tried, and on which file, to a system error: for `map_err`.
    pub(crate) fn on(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Whether the disk, or the quota on it, is full: the one failure that passes by itself.
    pub fn is_no_space(&self) -> bool {
        is_no_space(&self.source)
    }

    /// Whether the process, or the system, has no descriptor left to open the file with.
    pub(crate) fn is_out_of_descriptors(&self) -> bool {
        is_out_of_descriptors(&self.source)
    }
}

/// Whether the process, or the system, has no descriptor left to open a file with.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE))
}

/// Whether the disk, or the quota on it, is full.
pub fn is_no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Why one partition's part of a produce request was not appended. Nothing of it is in the log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// A produce request has exactly one batch for each partition.
    #[error("expected exactly one record batch, found {found}")]
    NotOneBatch {
        /// Whole batches found.
        found: usize,
    },
    /// The bytes are not a batch, or its checksum is wrong.
    #[error("malformed record batch")]
    MalformedBatch(#[source] BatchError),
    /// A record breaks the rules of the format or of the topic.
    #[error("invalid record")]
    InvalidRecord(#[source] RecordError),
    /// The producer claims that the broker set the timestamps.
    #[error("a producer may not use the timestamp type LogAppendTime")]
    ClaimsLogAppendTime,
    /// A timestamp lies outside the topic's limits.
    #[error("timestamp {timestamp} is not between {earliest} and {latest}")]
    InvalidTimestamp {
        /// The offending timestamp, in ms.
        timestamp: i64,
        /// The earliest one accepted, in ms.
        earliest: i64,
        /// The latest one accepted, in ms.
        latest: i64,
    },
    /// The batch is larger than `max.message.bytes`.
    #[error("record batch of {size} bytes is larger than max.message.bytes {limit}")]
    RecordTooLarge {
        /// Size of the batch, in bytes.
        size: usize,
        /// The topic's limit, in bytes.
        limit: u32,
    },
    /// The batch is larger than a whole segment.
    #[error("record batch of {size} bytes is larger than segment.bytes {limit}")]
    RecordListTooLarge {
        /// Size of the batch, in bytes.
        size: usize,
        /// The topic's limit, in bytes.
        limit: u32,
    },
    /// The producer's epoch or sequence number does not continue what is in the log.
    #[error("sequence check")]
    Sequence(#[source] SequenceError),
    /// The batch belongs to a transaction, and those are not supported yet.
    #[error("transactional batches are not supported")]
    Transactional,
    /// Offsets that a leader assigned do not continue this log (followers only).
    #[error("batch starts at offset {base_offset}, but the log ends at {log_end_offset}")]
    OutOfOrderOffsets {
        /// The batch's base offset.
        base_offset: i64,
        /// The end of this log.
        log_end_offset: i64,
    },
    /// The disk is full. The log is as it was before, and a retry may succeed.
    #[error("no space left on the disk")]
    NoSpace,
    /// The file system refused before anything was written. The log is as it was before.
    #[error("prepare the append")]
    Io(#[source] Arc<IoError>),
    /// The log directory failed, now or earlier; nothing can be written to it any more.
    #[error("the log directory is offline")]
    Offline,
}

/// Why records could not be found or read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system refused.
    #[error("read the log")]
    Io(#[from] IoError),
    /// The file does not hold what was written to it.
    #[error("{} is corrupt at position {position}", path.display())]
    Corrupt {
        /// The segment's file.
        path: PathBuf,
        /// Where in the file, in bytes.
        position: u64,
        /// What is wrong there.
        #[source]
        source: BatchError,
    },
}

/// Why a change other than an append failed: roll, flush, truncate, retention, delete, close.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system refused.
    #[error("change the log")]
    Io(#[from] IoError),
    /// What has to be read for the change cannot be.
    #[error("read for a change")]
    Read(#[from] ReadError),
    /// The leader epoch checkpoint cannot be written.
    #[error("save leader epochs")]
    LeaderEpochs(#[from] CheckpointError),
    /// A producer snapshot cannot be written.
    #[error("save producer state")]
    Producers(#[from] SnapshotError),
    /// The offset lies outside the log.
    #[error("offset {offset} is not between {log_start_offset} and {log_end_offset}")]
    OffsetOutOfRange {
        /// The offset asked for.
        offset: i64,
        /// The first offset of the log.
        log_start_offset: i64,
        /// The end of the log.
        log_end_offset: i64,
    },
    /// The log directory failed earlier.
    #[error("the log directory is offline")]
    Offline,
}

impl LogError {
    /// Whether the disk, or the quota on it, is full.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Io(error) | Self::Read(ReadError::Io(error)) => error.is_no_space(),
            Self::LeaderEpochs(error) => error.is_no_space(),
            Self::Producers(SnapshotError::Io { source, .. }) => is_no_space(source),
            _ => false,
        }
    }
}

impl CheckpointError {
    /// Whether the disk, or the quota on it, is full.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_no_space(source))
    }
}

impl LogDirError {
    /// Whether the disk, or the quota on it, is full.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_no_space(source),
            Self::Checkpoint(error) => error.is_no_space(),
            _ => false,
        }
    }
}

/// Why a log could not be opened. Only this partition is affected.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file system refused.
    #[error("open the log")]
    Io(#[from] IoError),
    /// What was synced before is not what is there now: not a torn tail, but lost data. The
    /// position is that of the batch which cannot be read.
    #[error("{} is corrupt at position {position}, below the recovery point", path.display())]
    Corrupt {
        /// The segment's file.
        path: PathBuf,
        /// Where in the file, in bytes.
        position: u64,
        /// What is wrong there.
        #[source]
        source: BatchError,
    },
    /// The leader epoch checkpoint cannot be read.
    #[error("load leader epochs")]
    LeaderEpochs(#[from] CheckpointError),
}

impl OpenError {
    /// Whether the disk, or the quota on it, is full: with room the log opens.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Io(error) => error.is_no_space(),
            Self::LeaderEpochs(error) => error.is_no_space(),
            Self::Corrupt { .. } => false,
        }
    }
}
