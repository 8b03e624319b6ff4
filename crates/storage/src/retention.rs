//! Which segments may go, and removing their files later.
//!
//! Always the oldest first, never one with records at or above the high watermark, and never the
//! last one: if all have expired, a new empty one is rolled first.

use std::{io, path::PathBuf, sync::Arc};

use crate::{
    cleaner::swap::finish_swap,
    disk::{Disk, EntryKind, remove_dir_all},
    error::{IoError, LogError},
    log::Log,
    producer_state::snapshot_file_name,
    segment::{DELETED_SUFFIX, Segment},
};

/// Files that no longer belong to the log, still on disk under a name ending in `.deleted` so that
/// reads under way can finish. The caller waits until `due_ms` and then calls [`remove`].
///
/// Dropping this value leaves the files to the next start, which removes them.
///
/// [`remove`]: PendingDeletion::remove
#[derive(Debug)]
#[must_use]
pub struct PendingDeletion {
    /// When the files may be removed, in ms since the Unix epoch.
    pub due_ms: i64,
    /// The renamed files, or the renamed directory if the whole log was deleted.
    pub paths: Vec<PathBuf>,
    /// Bytes of records that will be free then.
    pub bytes: u64,
}

impl PendingDeletion {
    /// Removes the files now. What is gone already is not missed. Blocks.
    pub fn remove(self, disk: &Arc<dyn Disk>) -> Result<(), IoError> {
        for path in &self.paths {
            let removed = disk.stat(path).and_then(|stat| match stat.kind {
                EntryKind::Directory => remove_dir_all(disk.as_ref(), path),
                EntryKind::File => disk.remove_file(path),
            });
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(IoError::on("remove", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Log {
    /// Applies retention by time, size and log start offset. Nothing at or above `high_watermark`
    /// goes. `None` if there is nothing to delete.
    pub fn delete_old_segments(
        &mut self,
        high_watermark: i64,
        now_ms: i64,
    ) -> Result<Option<PendingDeletion>, LogError> {
        self.check_writable()?;
        let count = self.count_expired(high_watermark, now_ms)?;
        if count == 0 {
            return Ok(None);
        }
        // Producers that only the expired segments tell of have to be known without them.
        self.flusher().flush(now_ms)?;
        let state = Arc::clone(&self.state);
        // No flush may look for files under their old names, and no compaction may change the list.
        let mut flushing = state.flushing.lock();
        let mut pending = PendingDeletion {
            due_ms: self.due_ms(now_ms),
            paths: finish_swap(&state, &mut flushing)?,
            bytes: 0,
        };
        let count = self.count_expired(high_watermark, now_ms)?;
        if state.segments().iter().len() == count {
            self.roll(now_ms)?;
        }
        let segments = Arc::clone(&*state.segments());
        let kept = segments.without_first(count);
        let first_offset = kept.first().base_offset();
        self.advance_log_start(first_offset)?;
        state.replace_segments(kept);
        for segment in segments.iter().take(count) {
            pending.bytes += u64::from(segment.size());
            let log_and_indexes = segment.mark_deleted()?;
            pending.paths.extend(log_and_indexes);
            pending.paths.extend(self.mark_snapshot_deleted(segment)?);
            // One after the other: an older segment that came back alone would leave a hole, and
            // recovery takes everything behind a hole for a torn tail.
            self.sync_names()?;
        }
        self.change_epochs(|epochs| epochs.truncate_from_start(first_offset))?;
        Ok(Some(pending))
    }

    fn sync_names(&self) -> Result<(), LogError> {
        let (state, dir) = (&self.state, self.state.dir());
        let synced = state.disk().sync_dir(dir).map_err(IoError::on("sync", dir));
        synced.map_err(|error| state.poison(error))
    }

    /// How many of the oldest segments have expired.
    fn count_expired(&self, high_watermark: i64, now_ms: i64) -> Result<usize, LogError> {
        let segments = self.state.segments();
        let log_end_offset = self.state.log_end_offset();
        let mut size_left = segments.size_bytes();
        for (index, segment) in segments.iter().enumerate() {
            let end_offset = segments.end_offset(index, log_end_offset);
            let is_active = segments.get(index + 1).is_none();
            let size = u64::from(segment.size());
            if high_watermark < end_offset
                || (is_active && size == 0)
                || !self.is_expired(segment, end_offset, is_active, size_left, now_ms)?
            {
                return Ok(index);
            }
            size_left -= size;
        }
        Ok(segments.iter().len())
    }

    fn is_expired(
        &self,
        segment: &Segment,
        end_offset: i64,
        is_active: bool,
        size_left: u64,
        now_ms: i64,
    ) -> Result<bool, LogError> {
        if !is_active && end_offset <= self.state.log_start_offset() {
            return Ok(true);
        }
        if !self.config.cleanup_delete {
            return Ok(false);
        }
        let excess = |retention_bytes| size_left.saturating_sub(retention_bytes);
        let size = u64::from(segment.size());
        // What is left has to be at least as much as was asked to be kept.
        if self
            .config
            .retention_bytes
            .is_some_and(|keep| 0 < size && size <= excess(keep))
        {
            return Ok(true);
        }
        let Some(retention_ms) = self.config.retention_ms else {
            return Ok(false);
        };
        let age_ms = now_ms.saturating_sub(segment.newest_ms(self.state.disk())?);
        Ok(u64::try_from(age_ms).is_ok_and(|age_ms| retention_ms < age_ms))
    }

    fn mark_snapshot_deleted(&self, segment: &Segment) -> Result<Option<PathBuf>, IoError> {
        let name = snapshot_file_name(segment.base_offset());
        let from = self.state.dir().join(&name);
        let to = self.state.dir().join(name + DELETED_SUFFIX);
        match self.state.disk().rename(&from, &to) {
            Ok(()) => Ok(Some(to)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(IoError::on("rename", &from)(error)),
        }
    }
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
