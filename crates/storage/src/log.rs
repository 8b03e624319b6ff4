//! One partition's log: its only writer.
//!
//! [`Log`] is plain state that changes under `&mut self`: whoever holds it decides when. Readers
//! and the background flusher share [`LogState`](crate::state) with it and are never waited for,
//! except where a change takes away what a flush relies on.
//!
//! **Invariant:** what an append reports as done is in the file (in the page cache, not
//! necessarily on the disk) and visible to readers; of what it reports as failed nothing is
//! visible, now or after a restart.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use crate::{
    append::{AppendContext, AppendOutcome, AppendRequest},
    cleaner::LogCleaner,
    config::LogConfig,
    disk::Disk,
    error::{IoError, LogError, OpenError},
    file_cache::FileCache,
    flush::{LogFlusher, flush_for_writer},
    group::append_group,
    leader_epoch::LeaderEpochCache,
    log_dir::{DirHealth, PreviousStop, TopicPartition},
    positions::PositionBudget,
    producer_state::ProducerLimits,
    read::LogView,
    recovery::{self, Recovery},
    retention::PendingDeletion,
    segment::Segment,
    segment_writer::SegmentWriter,
    state::LogState,
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
    /// From `recovery-point-offset-checkpoint`; 0 if it has no entry. A log that ends below it has
    /// lost synced records and is refused: remove the entry before deleting a log, and lower it
    /// before truncating one.
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
pub struct Log {
    pub(crate) state: Arc<LogState>,
    view: LogView,
    pub(crate) config: LogConfig,
    pub(crate) writer: SegmentWriter,
    /// A change failed half way: nothing may be written until the log is opened again.
    pub(crate) broken: bool,
}

impl Log {
    /// Opens the log in a partition directory, or creates it, and recovers what a crash left.
    pub fn open(context: &LogContext, options: OpenOptions) -> Result<(Self, Recovery), OpenError> {
        let (state, writer, recovery) = recovery::open(context, &options)?;
        let view = LogView::new(Arc::clone(&state));
        Ok((
            Self {
                state,
                view,
                config: options.config,
                writer,
                broken: false,
            },
            recovery,
        ))
    }

    /// The read side; clones share it.
    pub fn view(&self) -> &LogView {
        &self.view
    }

    /// The side from which a background task flushes, without holding up appends.
    pub fn flusher(&self) -> LogFlusher {
        LogFlusher::new(Arc::clone(&self.state))
    }

    /// The side from which a background task compacts, without holding up appends.
    pub fn cleaner(&self) -> LogCleaner {
        LogCleaner::new(Arc::clone(&self.state))
    }

    /// The configuration in force.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Changes the topic's configuration from the next append on.
    pub fn update_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// Appends many requests with as few writes as possible: one, unless a segment is rolled in
    /// between. Each request succeeds or fails on its own; a failed write fails it and those
    /// behind it. What succeeded is readable when this returns.
    pub fn append_group(
        &mut self,
        requests: &[AppendRequest],
        context: AppendContext,
    ) -> AppendOutcome {
        let results = append_group(self, requests, context);
        let unflushed = self.state.log_end_offset() - self.state.recovery_point();
        let since_flush_ms = context.now_ms - self.state.last_flush_ms.load(Ordering::Relaxed);
        // A repetition counts: what it repeats may have been appended by a process that died before
        // it could flush.
        let flush_required = results.iter().any(Result::is_ok)
            && 0 < unflushed
            && (self.config.flush_messages <= unflushed || self.config.flush_ms <= since_flush_ms);
        AppendOutcome {
            results,
            flush_required,
        }
    }

    /// Remembers that this replica leads from here on in `epoch`.
    ///
    /// In memory: the first batch of the epoch makes it durable. As long as there is none nothing
    /// is lost with it, for whoever leads says it again after a restart.
    pub fn start_leader_epoch(&mut self, epoch: i32) -> Result<(), LogError> {
        self.check_writable()?;
        let end = self.state.log_end_offset();
        self.state.epochs.write().assign(epoch, end);
        Ok(())
    }

    /// Syncs everything appended so far. Returns the new recovery point.
    pub fn flush(&mut self, now_ms: i64) -> Result<i64, LogError> {
        flush_for_writer(&self.state, now_ms)
    }

    /// Starts a new segment, unless the active one is empty.
    pub fn roll(&mut self, now_ms: i64) -> Result<(), LogError> {
        self.check_writable()?;
        if self.writer.segment().size() == 0 {
            return Ok(());
        }
        // The old segment first: once there is a newer one, its files are taken to be complete.
        self.writer.complete_files()?;
        let base_offset = self.state.log_end_offset();
        let segment = self.create_segment(base_offset)?;
        let writer = SegmentWriter::new(Arc::clone(&segment), now_ms, Some(&self.writer))?;
        let sealed = std::mem::replace(&mut self.writer, writer);
        self.state.keep_roll_snapshot(base_offset);
        self.state.add_active_segment(&segment);
        sealed.seal(&self.state.context.positions);
        Ok(())
    }

    /// Gives back the disk space that was asked for in advance and is not used yet.
    pub fn give_back_preallocated(&mut self) -> Result<(), LogError> {
        self.check_writable()?;
        Ok(self.writer.trim()?)
    }

    /// Forgets producers that wrote nothing for `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now_ms: i64) {
        self.state.producers.lock().expire(now_ms);
    }

    /// Makes `offset` the first one that may be read (`DeleteRecords`, or a follower's leader).
    /// Segments wholly below go with the next [`delete_old_segments`](Self::delete_old_segments).
    /// Returns whether the start moved. It is durable once the caller has checkpointed it.
    pub fn advance_log_start(&mut self, offset: i64) -> Result<bool, LogError> {
        self.check_writable()?;
        let log_start_offset = self.state.log_start_offset();
        let log_end_offset = self.state.log_end_offset();
        if log_end_offset < offset {
            return Err(LogError::OffsetOutOfRange {
                offset,
                log_start_offset,
                log_end_offset,
            });
        }
        if offset <= log_start_offset {
            return Ok(false);
        }
        self.state.set_log_start_offset(offset);
        Ok(true)
    }

    /// Flushes, saves the producers and completes files, so that the next open needs no scan.
    /// Returns the recovery point, which is the log's end.
    pub fn close_clean(mut self, now_ms: i64) -> Result<i64, LogError> {
        self.check_writable()?;
        self.state.end_cleaning();
        self.writer.complete_files()?;
        self.writer.seal(&self.state.context.positions);
        let end = self.flusher().flush(now_ms)?;
        self.state.flushing.lock().closed = true;
        Ok(end)
    }

    /// Deletes the log: renames its directory to `topic-partition.<uuid>-delete`, to be removed
    /// later. Reads under way can finish. Remove the log's recovery point first: a log that is
    /// created under the same name must not inherit it.
    pub fn delete(self, uuid: uuid::Uuid, now_ms: i64) -> Result<PendingDeletion, LogError> {
        let state = &*self.state;
        // Neither compaction nor a flush may look for the directory under its old name.
        state.end_cleaning();
        let mut flushing = state.flushing.lock();
        flushing.closed = true;
        let dir = state.dir();
        let name = dir
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let renamed = dir.with_file_name(match TopicPartition::from_dir_name(name) {
            Some(partition) => partition.deleted_dir_name(uuid),
            None => format!("{name}.{}-delete", uuid.simple()),
        });
        state
            .disk()
            .rename(dir, &renamed)
            .map_err(IoError::on("rename", dir))?;
        let parent = state.parent_dir();
        state
            .disk()
            .sync_dir(parent)
            .map_err(IoError::on("sync", parent))?;
        let segments = state.segments();
        for segment in segments.iter() {
            segment.moved_to(&renamed);
        }
        Ok(PendingDeletion {
            due_ms: self.due_ms(now_ms),
            paths: vec![renamed],
            bytes: segments.size_bytes(),
        })
    }

    /// An error if nothing may be written any more.
    pub(crate) fn check_writable(&self) -> Result<(), LogError> {
        if self.broken {
            Err(LogError::Offline)
        } else {
            self.state.check_online()
        }
    }

    /// Creates the files of a segment; the next flush makes their names durable.
    pub(crate) fn create_segment(&self, base_offset: i64) -> Result<Arc<Segment>, IoError> {
        let state = &self.state;
        let segment = Segment::create(&state.context.files, state.dir(), base_offset)?;
        state.names_unsynced.store(true, Ordering::Release);
        Ok(Arc::new(segment))
    }

    /// Changes the leader epochs, and saves them first if anything changed.
    pub(crate) fn change_epochs(
        &self,
        change: impl FnOnce(&mut LeaderEpochCache) -> bool,
    ) -> Result<(), LogError> {
        let mut epochs = self.state.epochs.read().clone();
        if change(&mut epochs) {
            epochs.save(self.state.disk(), self.state.dir())?;
            *self.state.epochs.write() = epochs;
        }
        Ok(())
    }

    /// When files deleted now may be removed.
    pub(crate) fn due_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add_unsigned(self.config.file_delete_delay_ms)
    }

    /// What is taken off `segment.ms` for the active segment: the same for one segment each time,
    /// but another for each, so that not all roll at once.
    pub(crate) fn roll_jitter_ms(&self) -> u64 {
        let jitter_ms = self
            .config
            .segment_jitter_ms
            .min(self.config.roll_after_ms());
        if jitter_ms == 0 {
            return 0;
        }
        let dir = self.state.dir().as_os_str().as_encoded_bytes();
        let base_offset = self.writer.segment().base_offset().to_be_bytes();
        u64::from(crc32c::crc32c_append(crc32c::crc32c(dir), &base_offset)) % jitter_ms
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
