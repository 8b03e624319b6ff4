//! What the writer, the readers and the flusher of one log share.
//!
//! Readers take no lock that the writer holds over I/O: the offsets are atomics, the segments an
//! immutable list behind one pointer.
//!
//! **Invariants:**
//! - `log start offset <= log end offset`, and `recovery point <= log end offset`.
//! - The log end is published last: whoever reads it finds all batches below it in the segments
//!   loaded afterwards.
//! - Producers are committed and the log end is published under the lock on producers, so that a
//!   snapshot of both is of one moment.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::{
    cleaner::swap::Swap,
    disk::Disk,
    error::{IoError, LogError},
    leader_epoch::LeaderEpochCache,
    log::LogContext,
    producer_state::ProducerState,
    segment::Segment,
    segments::Segments,
};

/// The most snapshots that wait for the background flush. A missing one only means that a rebuild
/// of the producers has to start at an older one.
const ROLL_SNAPSHOTS_MAX: usize = 4;

/// The shared state of one log.
#[derive(Debug)]
pub(crate) struct LogState {
    pub(crate) context: LogContext,
    /// The partition's directory, for as long as the log is not deleted.
    dir: PathBuf,
    segments: ArcSwap<Segments>,
    log_start_offset: AtomicI64,
    /// In memory: what is below may not be durable.
    log_end_offset: AtomicI64,
    /// Durable: everything below is synced.
    recovery_point: AtomicI64,
    pub(crate) last_flush_ms: AtomicI64,
    pub(crate) epochs: RwLock<LeaderEpochCache>,
    pub(crate) producers: Mutex<ProducerState>,
    /// Producers as of the start of segments that were begun since the last background flush, by
    /// that offset: saving them at the roll would hold up the append for several syncs.
    roll_snapshots: Mutex<Vec<(i64, ProducerState)>>,
    /// Held over a flush, and by whoever takes away what a flush relies on.
    pub(crate) flushing: Mutex<FlushState>,
    /// Held while the log is compacted; taken before `flushing`.
    cleaning: Mutex<()>,
    stop_cleaning: AtomicBool,
    /// Files were created or removed whose names are not durable yet.
    pub(crate) names_unsynced: AtomicBool,
    /// The log's directory itself, and what it was created with, may not be durable yet. That
    /// matters from the first record on.
    pub(crate) dir_unsynced: AtomicBool,
}

/// What only flushes and those who exclude them look at.
#[derive(Debug, Default)]
pub(crate) struct FlushState {
    /// The log was closed or deleted: there is nothing to flush any more.
    pub(crate) closed: bool,
    /// The offset of the newest producer snapshot.
    pub(crate) snapshot_offset: Option<i64>,
    /// Compaction has put a segment in the place of others, and not all files have their names.
    pub(crate) unfinished_swap: Option<Swap>,
}

/// No compaction runs while this lives.
#[derive(Debug)]
pub(crate) struct CleaningExcluded<'a> {
    state: &'a LogState,
    _cleaning: MutexGuard<'a, ()>,
}

impl Drop for CleaningExcluded<'_> {
    fn drop(&mut self) {
        self.state.stop_cleaning.store(false, Ordering::Release);
    }
}

/// The parts that opening a log yields.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) segments: Segments,
    pub(crate) log_start_offset: i64,
    pub(crate) log_end_offset: i64,
    pub(crate) recovery_point: i64,
    pub(crate) epochs: LeaderEpochCache,
    pub(crate) producers: ProducerState,
    pub(crate) snapshot_offset: Option<i64>,
    /// An earlier process may have left names that are not durable.
    pub(crate) names_unsynced: bool,
}

impl LogState {
    /// The state of a log that was just opened.
    pub(crate) fn new(context: LogContext, dir: PathBuf, opened: Opened, now_ms: i64) -> Arc<Self> {
        assert!(opened.log_start_offset <= opened.log_end_offset);
        assert!(opened.recovery_point <= opened.log_end_offset);
        Arc::new(Self {
            context,
            dir,
            segments: ArcSwap::from_pointee(opened.segments),
            log_start_offset: AtomicI64::new(opened.log_start_offset),
            log_end_offset: AtomicI64::new(opened.log_end_offset),
            recovery_point: AtomicI64::new(opened.recovery_point),
            last_flush_ms: AtomicI64::new(now_ms),
            epochs: RwLock::new(opened.epochs),
            producers: Mutex::new(opened.producers),
            roll_snapshots: Mutex::default(),
            flushing: Mutex::new(FlushState {
                closed: false,
                snapshot_offset: opened.snapshot_offset,
                unfinished_swap: None,
            }),
            cleaning: Mutex::default(),
            stop_cleaning: AtomicBool::new(false),
            names_unsynced: AtomicBool::new(opened.names_unsynced),
            dir_unsynced: AtomicBool::new(opened.recovery_point == 0),
        })
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        self.context.disk().as_ref()
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The directory that holds the log's own.
    pub(crate) fn parent_dir(&self) -> &Path {
        self.dir.parent().unwrap_or_else(|| Path::new("/"))
    }

    pub(crate) fn segments(&self) -> arc_swap::Guard<Arc<Segments>> {
        self.segments.load()
    }

    /// Only while flushes are excluded: compaction changes the list too.
    pub(crate) fn replace_segments(&self, segments: Segments) {
        self.segments.store(Arc::new(segments));
    }

    /// Adds a new active segment, whatever happens to the older ones at the same time.
    pub(crate) fn add_active_segment(&self, segment: &Arc<Segment>) {
        self.segments
            .rcu(|segments| segments.with_active(Arc::clone(segment)));
    }

    /// Puts `new` in the place of neighbouring sealed segments, while the active one may change.
    /// Only while flushes are excluded.
    pub(crate) fn put_in_place_of(&self, old: &[Arc<Segment>], new: &Arc<Segment>) {
        self.segments.rcu(|segments| segments.with_merged(old, new));
    }

    /// Takes the right to compact; `None` while somebody else has it, or when the log is about to
    /// be closed.
    pub(crate) fn begin_cleaning(&self) -> Option<MutexGuard<'_, ()>> {
        let cleaning = self.cleaning.try_lock()?;
        (!self.must_stop_cleaning()).then_some(cleaning)
    }

    /// Whether compaction has to end at once.
    pub(crate) fn must_stop_cleaning(&self) -> bool {
        self.stop_cleaning.load(Ordering::Acquire)
    }

    /// Ends a compaction under way and prevents others, for as long as the guard lives. To be
    /// called before flushes are excluded.
    pub(crate) fn exclude_cleaning(&self) -> CleaningExcluded<'_> {
        self.stop_cleaning.store(true, Ordering::Release);
        CleaningExcluded {
            state: self,
            _cleaning: self.cleaning.lock(),
        }
    }

    /// Ends a compaction under way and prevents others for good.
    pub(crate) fn end_cleaning(&self) {
        self.stop_cleaning.store(true, Ordering::Release);
        drop(self.cleaning.lock());
    }

    pub(crate) fn log_start_offset(&self) -> i64 {
        self.log_start_offset.load(Ordering::Acquire)
    }

    pub(crate) fn set_log_start_offset(&self, offset: i64) {
        debug_assert!(offset <= self.log_end_offset());
        self.log_start_offset.store(offset, Ordering::Release);
    }

    pub(crate) fn log_end_offset(&self) -> i64 {
        self.log_end_offset.load(Ordering::Acquire)
    }

    pub(crate) fn set_log_end_offset(&self, offset: i64) {
        self.log_end_offset.store(offset, Ordering::Release);
    }

    pub(crate) fn recovery_point(&self) -> i64 {
        self.recovery_point.load(Ordering::Acquire)
    }

    /// Everything below `offset` is synced.
    pub(crate) fn advance_recovery_point(&self, offset: i64) {
        debug_assert!(offset <= self.log_end_offset());
        self.recovery_point.fetch_max(offset, Ordering::AcqRel);
    }

    /// The log is cut at `offset`. Only while flushes are excluded.
    pub(crate) fn lower_recovery_point(&self, offset: i64) {
        self.recovery_point.fetch_min(offset, Ordering::AcqRel);
    }

    /// The log is empty now, and its next record gets `offset`. Only while flushes are excluded.
    pub(crate) fn restart_at(&self, offset: i64) {
        // At no moment does the log start behind its end.
        self.log_start_offset.fetch_min(offset, Ordering::AcqRel);
        self.recovery_point.fetch_min(offset, Ordering::AcqRel);
        self.log_end_offset.store(offset, Ordering::Release);
        self.log_start_offset.store(offset, Ordering::Release);
    }

    /// A segment begins at `offset`: the next background flush will save the producers as of now.
    pub(crate) fn keep_roll_snapshot(&self, offset: i64) {
        let producers = self.producers.lock().clone();
        let mut snapshots = self.roll_snapshots.lock();
        if snapshots.len() == ROLL_SNAPSHOTS_MAX {
            snapshots.remove(0);
        }
        snapshots.push((offset, producers));
    }

    pub(crate) fn take_roll_snapshots(&self) -> Vec<(i64, ProducerState)> {
        std::mem::take(&mut self.roll_snapshots.lock())
    }

    /// An error if the log directory went offline.
    pub(crate) fn check_online(&self) -> Result<(), LogError> {
        match self.context.health.offline() {
            Some(_) => Err(LogError::Offline),
            None => Ok(()),
        }
    }

    /// Takes the whole log directory offline: after a failed sync nobody knows what is on the
    /// disk, and trying again would only hide that. Unless nothing was tried, for want of a file
    /// descriptor: that says nothing about the disk.
    pub(crate) fn poison(&self, error: IoError) -> LogError {
        if !error.is_out_of_descriptors() {
            let reason = format!("{error}: {}", error.source);
            self.context.health.poison(reason);
        }
        LogError::Io(error)
    }
}
