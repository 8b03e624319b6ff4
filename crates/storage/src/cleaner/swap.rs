//! A cleaned segment takes the place of those it was made from, so that a crash at any point leaves
//! either the old ones or the new one, whole.
//!
//! ```text
//! 1  X.log.cleaned, its indexes           content synced; a start removes them
//! 2  X.log.cleaned -> X.log.swap          names synced: from here on the new segment counts, and
//!                                         a start after a crash finishes the swap
//! 3  X.log -> X.log.deleted, Y.log …      names synced: no old segment comes back beside the new
//! 4  X.log.swap -> X.log                  not synced: X.log.swap says the same
//! ```
//!
//! Indexes change their names before the batches in 2 and 4, after them in 3. Readers go from the
//! old segments to the new one between 2 and 3. What fails in 3 or 4 is done again before anything
//! else changes files of sealed segments.

use std::{path::PathBuf, sync::Arc};

use super::CleanError;
use crate::{
    error::{IoError, LogError},
    replay::{list_snapshots, remove_snapshot},
    segment::{CLEANED_SUFFIX, SWAP_SUFFIX, Segment},
    state::{FlushState, LogState},
};

/// A swap that counts.
#[derive(Debug)]
pub(crate) struct Swap {
    old: Vec<Arc<Segment>>,
    new: Arc<Segment>,
    /// Where the new segment ends.
    end_offset: i64,
}

/// Puts `new`, whose files are complete and synced under their `.cleaned` names, into the place of
/// `old`. Returns the files to be removed later. If this fails with the old segments still in
/// place, the files of the new one are gone.
pub(super) fn swap(
    state: &LogState,
    old: &[Arc<Segment>],
    new: &Arc<Segment>,
    end_offset: i64,
) -> Result<Vec<PathBuf>, CleanError> {
    let mut flushing = state.flushing.lock();
    let committed = commit(state, &flushing, old, new);
    if committed.is_err() {
        new.discard(state.disk());
    }
    committed?;
    flushing.unfinished_swap = Some(Swap {
        old: old.to_vec(),
        new: Arc::clone(new),
        end_offset,
    });
    state.put_in_place_of(old, new);
    Ok(finish_swap(state, &mut flushing)?)
}

fn commit(
    state: &LogState,
    flushing: &FlushState,
    old: &[Arc<Segment>],
    new: &Arc<Segment>,
) -> Result<(), CleanError> {
    state.check_online()?;
    // Retention may have been faster.
    if flushing.closed || !state.segments().hold(old) {
        return Err(CleanError::Stopped);
    }
    new.change_suffix(CLEANED_SUFFIX, SWAP_SUFFIX)
        .map_err(LogError::Io)?;
    sync_names(state)?;
    Ok(())
}

/// Does what is left of a swap that counts already. Returns the files to be removed later.
pub(crate) fn finish_swap(
    state: &LogState,
    flushing: &mut FlushState,
) -> Result<Vec<PathBuf>, LogError> {
    let Some(swap) = &flushing.unfinished_swap else {
        return Ok(Vec::new());
    };
    let mut deleted = Vec::new();
    for segment in &swap.old {
        deleted.extend(segment.mark_deleted()?);
    }
    for snapshot in list_snapshots(state.disk(), state.dir())? {
        let is_between = swap.new.base_offset() < snapshot && snapshot < swap.end_offset;
        if is_between && flushing.snapshot_offset != Some(snapshot) {
            remove_snapshot(state.disk(), state.dir(), snapshot)?;
        }
    }
    sync_names(state)?;
    swap.new.change_suffix(SWAP_SUFFIX, "")?;
    flushing.unfinished_swap = None;
    Ok(deleted)
}

fn sync_names(state: &LogState) -> Result<(), LogError> {
    let dir = state.dir();
    let synced = state.disk().sync_dir(dir).map_err(IoError::on("sync", dir));
    synced.map_err(|error| state.poison(error))
}
