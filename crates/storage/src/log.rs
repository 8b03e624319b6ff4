//! One partition's log: its only writer.

use std::{path::PathBuf, sync::Arc};

use crate::{
    append::{AppendContext, AppendOutcome, AppendRequest},
    config::LogConfig,
    disk::Disk,
    error::{LogError, OpenError},
    file_cache::FileCache,
    log_dir::{DirHealth, PreviousStop},
    positions::PositionBudget,
    producer_state::ProducerLimits,
    read::LogView,
    recovery::Recovery,
    retention::PendingDeletion,
};

/// What all logs of one log directory share.
#[derive(Debug, Clone)]
pub struct LogContext {
    /// Open files.
    pub files: Arc<FileCache>,
    /// Memory for known batch positions.
    pub positions: Arc<PositionBudget>,
    /// How many producers a partition remembers, and for how long.
    pub producers: ProducerLimits,
    /// Where a failed sync is reported; once it is, nothing is written any more.
    pub health: Arc<DirHealth>,
}

impl LogContext {
    /// The file system.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        self.files.disk()
    }
}

/// What is known about a log before it is opened.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The partition's directory, `topic-partition`; created if missing.
    pub dir: PathBuf,
    /// The topic's configuration.
    pub config: LogConfig,
    /// From `recovery-point-offset-checkpoint`; 0 if it has no entry.
    pub recovery_point: i64,
    /// From `log-start-offset-checkpoint`; 0 if it has no entry.
    pub log_start_offset: i64,
    /// How the log directory was left.
    pub previous_stop: PreviousStop,
    /// The time now, in ms since the Unix epoch.
    pub now_ms: i64,
}

/// The writer of one partition's log. Every call may block; reads go through [`LogView`].
#[derive(Debug)]
pub struct Log {}

impl Log {
    /// Opens the log in a partition directory, or creates it, and recovers what a crash left.
    pub fn open(context: &LogContext, options: OpenOptions) -> Result<(Self, Recovery), OpenError> {
        let _ = (context, options);
        todo!()
    }

    /// The read side; clones share it.
    pub fn view(&self) -> &LogView {
        todo!()
    }

    /// The side from which a background task flushes, without holding up appends.
    pub fn flusher(&self) -> LogFlusher {
        todo!()
    }

    /// The configuration in force.
    pub fn config(&self) -> &LogConfig {
        todo!()
    }

    /// Appends many requests with as few writes as possible: one, unless a segment is rolled in
    /// between. Each request succeeds or fails on its own; a failed write fails it and those
    /// behind it. What succeeded is readable when this returns.
    pub fn append_group(
        &mut self,
        requests: &[AppendRequest],
        context: AppendContext,
    ) -> AppendOutcome {
        let _ = (requests, context);
        todo!()
    }

    /// Remembers that this replica leads from here on in `epoch`.
    pub fn start_leader_epoch(&mut self, epoch: i32) -> Result<(), LogError> {
        let _ = epoch;
        todo!()
    }

    /// Syncs everything appended so far. Returns the new recovery point.
    pub fn flush(&mut self, now_ms: i64) -> Result<i64, LogError> {
        let _ = now_ms;
        todo!()
    }

    /// Starts a new segment, unless the active one is empty.
    pub fn roll(&mut self, now_ms: i64) -> Result<(), LogError> {
        let _ = now_ms;
        todo!()
    }

    /// Forgets producers that wrote nothing for `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now_ms: i64) {
        let _ = now_ms;
        todo!()
    }

    /// Drops everything at or above `offset`.
    pub fn truncate_to(&mut self, offset: i64) -> Result<(), LogError> {
        let _ = offset;
        todo!()
    }

    /// Drops everything; the next record gets `offset`.
    pub fn truncate_fully_and_start_at(&mut self, offset: i64) -> Result<(), LogError> {
        let _ = offset;
        todo!()
    }

    /// Makes `offset` the first one that may be read (`DeleteRecords`, or a follower's leader).
    /// Segments wholly below go with the next [`delete_old_segments`](Self::delete_old_segments).
    /// Returns whether the start moved.
    pub fn advance_log_start(&mut self, offset: i64) -> Result<bool, LogError> {
        let _ = offset;
        todo!()
    }

    /// Applies retention by time, size and log start offset. Nothing at or above `high_watermark`
    /// goes. `None` if there is nothing to delete.
    pub fn delete_old_segments(
        &mut self,
        high_watermark: i64,
        now_ms: i64,
    ) -> Result<Option<PendingDeletion>, LogError> {
        let _ = (high_watermark, now_ms);
        todo!()
    }

    /// Changes the topic's configuration from the next append on.
    pub fn update_config(&mut self, config: LogConfig) {
        let _ = config;
        todo!()
    }

    /// Flushes, writes the producer snapshot and trims files, so that the next open needs no scan.
    /// Returns the recovery point, which is the log's end.
    pub fn close_clean(self, now_ms: i64) -> Result<i64, LogError> {
        let _ = now_ms;
        todo!()
    }

    /// Deletes the log: renames its directory to `topic-partition.<uuid>-delete`, to be removed
    /// later. Reads under way can finish.
    pub fn delete(self, uuid: uuid::Uuid, now_ms: i64) -> Result<PendingDeletion, LogError> {
        let _ = (uuid, now_ms);
        todo!()
    }
}

/// Flushes a log in the background.
#[derive(Debug, Clone)]
pub struct LogFlusher {}

impl LogFlusher {
    /// Syncs what was appended before this call, while appends go on, and saves the producers known
    /// then, so that recovery need not look further back. Returns the new recovery point.
    pub fn flush(&self, now_ms: i64) -> Result<i64, LogError> {
        let _ = now_ms;
        todo!()
    }

    /// Whether `flush.ms` has passed with something unflushed.
    pub fn is_due(&self, now_ms: i64) -> bool {
        let _ = now_ms;
        todo!()
    }
}
