//! Making a log durable: before an acknowledgement, or in the background.
//!
//! The background flush bounds what recovery has to look at: it syncs the batches, moves the
//! recovery point, and saves the producers as of the same offset. It runs beside the writer; what
//! is appended meanwhile is the next flush's business.
//!
//! **Invariant:** a failed sync takes the log directory offline and is not repeated.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    error::{IoError, LogError},
    producer_state::{ProducerState, SnapshotError, snapshot_file_name},
    segment::Segment,
    state::{FlushState, LogState},
};

/// Flushes a log in the background. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogFlusher {
    state: Arc<LogState>,
}

impl LogFlusher {
    pub(crate) fn new(state: Arc<LogState>) -> Self {
        Self { state }
    }

    /// Syncs what was appended before this call, while appends go on, and saves the producers known
    /// then, so that recovery need not look further back. Returns the new recovery point.
    pub fn flush(&self, now_ms: i64) -> Result<i64, LogError> {
        let state = &*self.state;
        let mut flushing = state.flushing.lock();
        if flushing.closed {
            return Ok(state.recovery_point());
        }
        let known_to = flushing
            .snapshot_offset
            .unwrap_or_else(|| state.segments().first().base_offset());
        let (end, producers) = {
            let producers = state.producers.lock();
            let end = state.log_end_offset();
            (end, (known_to < end).then(|| producers.clone()))
        };
        sync_up_to(state, end, now_ms)?;
        for (offset, producers) in state.take_roll_snapshots() {
            save_producers(state, &mut flushing, &producers, offset)?;
        }
        if let Some(producers) = producers {
            save_producers(state, &mut flushing, &producers, end)?;
        }
        Ok(state.recovery_point())
    }

    /// Whether `flush.ms` has passed with something unflushed.
    pub fn is_due(&self, flush_ms: i64, now_ms: i64) -> bool {
        let state = &self.state;
        state.recovery_point() < state.log_end_offset()
            && flush_ms <= now_ms - state.last_flush_ms.load(Ordering::Relaxed)
    }
}

/// Syncs everything appended so far, on behalf of the writer.
pub(crate) fn flush_for_writer(state: &LogState, now_ms: i64) -> Result<i64, LogError> {
    let flushing = state.flushing.lock();
    if !flushing.closed {
        sync_up_to(state, state.log_end_offset(), now_ms)?;
    }
    Ok(state.recovery_point())
}

/// Syncs the log up to `end` and moves the recovery point there. Only while holding
/// [`LogState::flushing`].
fn sync_up_to(state: &LogState, end: i64, now_ms: i64) -> Result<(), LogError> {
    state.check_online()?;
    let segments = state.segments();
    let has_new_batches = state.recovery_point() < end;
    let mut unsynced: Vec<&Arc<Segment>> = segments
        .iter()
        .rev()
        // Whatever lies before a segment that is synced for good, is too.
        .take_while(|segment| !segment.is_synced_for_good())
        .filter(|segment| has_new_batches || segment.is_sealed())
        .filter(|segment| segment.size() != 0)
        .collect();
    // The oldest first, so that what is durable has no holes; and names before what they name.
    unsynced.reverse();
    if !unsynced.is_empty() && state.dir_unsynced.swap(false, Ordering::AcqRel) {
        sync_names(state, state.parent_dir(), &state.dir_unsynced)?;
        state.names_unsynced.store(true, Ordering::Release);
    }
    if state.names_unsynced.swap(false, Ordering::AcqRel) {
        sync_names(state, state.dir(), &state.names_unsynced)?;
    }
    for segment in unsynced {
        segment.sync().map_err(|error| state.poison(error))?;
    }
    state.advance_recovery_point(end);
    state.last_flush_ms.store(now_ms, Ordering::Relaxed);
    Ok(())
}

/// Makes the names in a directory durable, or sets `unsynced` again.
fn sync_names(state: &LogState, dir: &Path, unsynced: &AtomicBool) -> Result<(), LogError> {
    state.disk().sync_dir(dir).map_err(|source| {
        unsynced.store(true, Ordering::Release);
        state.poison(IoError::on("sync", dir)(source))
    })
}

/// Saves the producers as of `offset`, and removes the previous such snapshot unless it belongs to
/// a segment. A full disk is no reason to fail: recovery then looks further back.
fn save_producers(
    state: &LogState,
    flushing: &mut FlushState,
    producers: &ProducerState,
    offset: i64,
) -> Result<(), LogError> {
    match producers.save(state.disk(), state.dir(), offset) {
        Ok(()) => {}
        Err(SnapshotError::Io { path, source }) => {
            let error = IoError {
                action: "write",
                path,
                source,
            };
            if error.is_no_space() {
                tracing::warn!(offset, "no space for a producer snapshot");
                return Ok(());
            }
            return Err(state.poison(error));
        }
        Err(corrupt @ SnapshotError::Corrupt { .. }) => return Err(corrupt.into()),
    }
    let previous = flushing.snapshot_offset.replace(offset);
    if let Some(previous) = previous.filter(|previous| *previous != offset)
        && !state
            .segments()
            .iter()
            .any(|segment| segment.base_offset() == previous)
    {
        // Only tidiness: a snapshot too many does no harm.
        let _ = state
            .disk()
            .remove_file(&state.dir().join(snapshot_file_name(previous)));
    }
    Ok(())
}
