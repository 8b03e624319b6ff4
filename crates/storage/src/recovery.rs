//! Opening a log: at once after a clean stop, by a bounded scan after a crash.
//!
//! How much is read depends on what can have been lost:
//!
//! - after a clean stop: the headers behind the last index entry, to find the end;
//! - after the process died: the batches behind the last index entry of the active segment. Every
//!   finished write is in the page cache, index entries follow the records they point to, and only
//!   the last write can be torn;
//! - after the page cache was lost: everything from the recovery point on, and a little before it.
//!
//! A bad batch at or above the recovery point is a torn tail: the log ends there from now on. Below
//! it, something was lost that had been synced. That is not repaired by forgetting more: the log
//! does not open, and the error says where.
//!
//! Recovery needs no free space. It cuts files and removes them; index entries and snapshots that
//! do not fit are left out, which costs time later and nothing else.

mod files;
mod swaps;

use std::sync::Arc;

use odradek_protocol::records::{BatchError, HEADER_LEN};

use self::{
    files::{SegmentFiles, find_segments},
    swaps::finish_swaps,
};
use crate::{
    disk::Disk,
    error::{IoError, OpenError, ReadError},
    leader_epoch::LeaderEpochCache,
    log::{LogContext, OpenOptions},
    log_dir::PreviousStop,
    positions::BatchStart,
    replay::{remove_snapshot, replay_producers},
    scan::{BatchAt, BatchWalk},
    segment::Segment,
    segment_writer::SegmentWriter,
    segments::Segments,
    state::{LogState, Opened},
};

/// What opening a log took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Bytes of batches that were read and verified.
    pub bytes_scanned: u64,
    /// Bytes of batches whose headers were read to learn of their producers.
    pub bytes_replayed: u64,
    /// Bytes of a torn tail that were cut off.
    pub bytes_truncated: u64,
    /// Segments whose index files were missing and were built anew.
    pub indexes_rebuilt: u32,
}

/// What is wrong where a batch should be and the file ends.
const MISSING: BatchError = BatchError::Incomplete {
    needed: HEADER_LEN,
    available: 0,
};

/// See [`Log::open`](crate::log::Log::open).
pub(crate) fn open(
    context: &LogContext,
    options: &OpenOptions,
) -> Result<(Arc<LogState>, SegmentWriter, Recovery), OpenError> {
    let disk = context.disk().as_ref();
    finish_swaps(&context.files, &options.dir)?;
    let found = find_segments(disk, &options.dir)?;
    let epochs = LeaderEpochCache::load(disk, &options.dir)?;
    let mut opening = Opening {
        context,
        options,
        epochs,
        recovery: Recovery::default(),
    };
    let tail = if found.is_empty() {
        opening.start_anew(options.log_start_offset)?
    } else {
        opening.find_end(&found)?
    };
    let log_start_offset = tail
        .segments
        .first()
        .base_offset()
        .max(options.log_start_offset);
    let tail = if tail.end_offset < log_start_offset {
        // Every record that is left was deleted before the crash.
        opening.remove_segments(&tail.segments)?;
        opening.start_anew(log_start_offset)?
    } else {
        tail
    };
    opening.finish(tail, log_start_offset)
}

struct Opening<'a> {
    context: &'a LogContext,
    options: &'a OpenOptions,
    epochs: LeaderEpochCache,
    recovery: Recovery,
}

/// The segments of a log whose end is known, and the writer that goes on there.
struct Tail {
    segments: Segments,
    writer: SegmentWriter,
    end_offset: i64,
    /// The active segment was just created: its name is not durable.
    is_new: bool,
}

/// Up to which positions of its file a segment is as it was written.
#[derive(Debug, Clone, Copy, Default)]
struct Trusted {
    /// The indexes hold all entries up to here; at most `batches_to`.
    indexes_to: u32,
    /// The batches up to here are there.
    batches_to: u32,
}

/// Where a segment turned out to end, and why there.
struct ScanEnd {
    position: u32,
    next_offset: i64,
    /// `None`: at the end of the file.
    damage: Option<BatchError>,
}

impl Opening<'_> {
    fn disk(&self) -> &dyn Disk {
        self.context.disk().as_ref()
    }

    fn start_anew(&self, offset: i64) -> Result<Tail, OpenError> {
        let segment = Segment::create(&self.context.files, &self.options.dir, offset)?;
        let segment = Arc::new(segment);
        let writer = SegmentWriter::new(Arc::clone(&segment), self.options.now_ms, None)?;
        Ok(Tail {
            segments: Segments::new(vec![segment]),
            writer,
            end_offset: offset,
            is_new: true,
        })
    }

    fn find_end(&mut self, found: &[SegmentFiles]) -> Result<Tail, OpenError> {
        for files in found.iter().filter(|files| files.lacks_index) {
            self.rebuild_indexes(files)?;
        }
        let segments = Segments::new(self.segments_of(found));
        if self.options.previous_stop == PreviousStop::Clean {
            match self.end_after_clean_stop(&segments) {
                // The marker lies: believe the log instead.
                Err(OpenError::Corrupt { .. }) => {}
                tail => return tail,
            }
        }
        self.end_after_crash(&segments)
    }

    fn segments_of(&self, found: &[SegmentFiles]) -> Vec<Arc<Segment>> {
        let OpenOptions {
            dir,
            recovery_point,
            previous_stop,
            ..
        } = self.options;
        let next = found.iter().skip(1).map(Some).chain([None]);
        found
            .iter()
            .zip(next)
            .map(|(files, next)| {
                let base_offset = files.base_offset;
                let end_offset = next.map_or(base_offset, |next| next.base_offset);
                let context_files = &self.context.files;
                let segment =
                    Segment::existing(context_files, dir, base_offset, end_offset, files.size);
                let is_synced =
                    end_offset < *recovery_point || *previous_stop == PreviousStop::Clean;
                match next {
                    Some(_) if is_synced => segment.mark_synced(),
                    Some(_) => {
                        segment.seal();
                        segment.distrust_from(0);
                    }
                    None => {}
                }
                Arc::new(segment)
            })
            .collect()
    }

    /// All files are complete: the end is behind the last header.
    fn end_after_clean_stop(&self, segments: &Segments) -> Result<Tail, OpenError> {
        let active = segments.active();
        let entry = active.offset_index.last().map_err(OpenError::Io)?;
        let from = entry.map_or(0, |entry| entry.position).min(active.size());
        let mut walk = BatchWalk::headers(active.log(), from, active.size())?;
        let mut end_offset = active.base_offset();
        while let Some(batch) = walk.next_batch()? {
            end_offset = batch.header.next_offset();
        }
        self.check_not_short(active, active.size(), end_offset)?;
        let writer = SegmentWriter::new(Arc::clone(active), self.options.now_ms, None)?;
        Ok(Tail {
            segments: segments.clone(),
            writer,
            end_offset,
            is_new: false,
        })
    }

    /// Verifies the batches that may not be there, segment by segment, and cuts the log at the
    /// first one that is not.
    fn end_after_crash(&mut self, segments: &Segments) -> Result<Tail, OpenError> {
        let count = segments.iter().len();
        let first = match self.options.previous_stop {
            PreviousStop::ProcessDied => count - 1,
            // The segment of the last synced record: its indexes may not be synced.
            _ => segments
                .index_of(self.options.recovery_point - 1)
                .unwrap_or(0),
        };
        for index in first..count {
            let segment = segments.get(index).expect("counted above");
            let trusted = self.trusted_part(segment, index == first)?;
            let (mut writer, end) = self.scan(segment, trusted)?;
            let next_base = segments.get(index + 1).map(|next| next.base_offset());
            let is_last = next_base.is_none();
            if end.damage.is_none() && next_base == Some(end.next_offset) {
                complete_if_space(&mut writer)?;
                continue;
            }
            if !is_last || end.damage.is_some() {
                let damage = end.damage.unwrap_or(MISSING);
                self.check_above_recovery_point(segment, end.position, end.next_offset, damage)?;
                self.cut(segments, index, end.position)?;
            }
            self.check_not_short(segment, end.position, end.next_offset)?;
            segment.unseal();
            let kept = segments.first_only(index + 1);
            let end_offset = end.next_offset;
            return Ok(Tail {
                segments: kept,
                writer,
                end_offset,
                is_new: false,
            });
        }
        unreachable!("the last segment is never followed by another")
    }

    /// From where on a segment has to be read. Leaves only index entries before that point.
    fn trusted_part(&self, segment: &Segment, is_first: bool) -> Result<Trusted, OpenError> {
        let base_offset = segment.base_offset();
        let size = segment.size();
        if !is_first {
            return distrust_wholly(segment);
        }
        let last_time = segment.time_index.cut_to_valid(i64::MAX)?;
        segment.set_largest_timestamp(last_time);
        let process_died = self.options.previous_stop == PreviousStop::ProcessDied;
        let end = if process_died {
            i64::MAX
        } else {
            self.options.recovery_point
        };
        let entry = segment.offset_index.cut_to_valid(end, size)?;
        let batches_to = entry.map_or(0, |entry| entry.position);
        segment.distrust_from(batches_to);
        if process_died {
            let indexes_to = batches_to;
            return Ok(Trusted {
                indexes_to,
                batches_to,
            });
        }
        // The indexes may have lost different parts of their ends. Up to the last time entry both
        // are certain to be there.
        let end = last_time.map_or(base_offset, |entry| entry.last_offset + 1);
        let entry = segment.offset_index.cut_to_valid(end, size)?;
        let end = entry.map_or(base_offset, |entry| entry.last_offset + 1);
        let last_time = segment.time_index.cut_to_valid(end)?;
        segment.set_largest_timestamp(last_time);
        let indexes_to = entry.map_or(0, |entry| entry.position);
        Ok(Trusted {
            indexes_to,
            batches_to,
        })
    }

    /// Verifies the batches of a segment that are not trusted, and indexes those that the indexes
    /// may lack.
    fn scan(
        &mut self,
        segment: &Arc<Segment>,
        trusted: Trusted,
    ) -> Result<(SegmentWriter, ScanEnd), OpenError> {
        let mut writer = SegmentWriter::new(Arc::clone(segment), self.options.now_ms, None)?;
        let Trusted {
            indexes_to: from,
            batches_to,
        } = trusted;
        let size = segment.size();
        let mut walk = BatchWalk::verified_from(segment.log(), from, size, batches_to)?;
        let mut next_offset = segment.base_offset();
        let mut position = from;
        let damage = loop {
            match walk.next_batch() {
                Ok(None) => break None,
                Ok(Some(batch))
                    if batch.header.base_offset < next_offset
                        || !segment.can_hold(&batch.header) =>
                {
                    // A batch from before a truncation that was never overwritten, or a damaged
                    // header: the checksum does not cover the base offset.
                    let base_offset = batch.header.base_offset;
                    break Some(BatchError::InvalidBaseOffset { base_offset });
                }
                Ok(Some(batch)) => {
                    next_offset = batch.header.next_offset();
                    position = batch.end_position();
                    if batches_to <= batch.position {
                        self.recovery.bytes_scanned += batch.header.total_len() as u64;
                    }
                    self.note(&mut writer, &batch);
                }
                Err(ReadError::Corrupt { source, .. }) => break Some(source),
                Err(error) => return Err(error.into()),
            }
        };
        if damage.is_some() && position == from && 0 < from {
            // Not even the batch that the index trusts: only the whole segment tells which offset
            // is missing.
            let trusted = distrust_wholly(segment)?;
            return self.scan(segment, trusted);
        }
        Ok((
            writer,
            ScanEnd {
                position,
                next_offset,
                damage,
            },
        ))
    }

    fn note(&mut self, writer: &mut SegmentWriter, batch: &BatchAt) {
        writer.reindex(batch, &self.options.config);
        let epoch = batch.header.partition_leader_epoch;
        if self
            .epochs
            .latest()
            .is_none_or(|latest| latest.epoch < epoch)
        {
            self.epochs.assign(epoch, batch.header.base_offset);
        }
    }

    /// Builds both indexes of a segment from its headers.
    fn rebuild_indexes(&mut self, found: &SegmentFiles) -> Result<(), OpenError> {
        let (files, dir) = (&self.context.files, &self.options.dir);
        let segment = Segment::without_indexes(files, dir, found.base_offset, found.size)?;
        let segment = Arc::new(segment);
        let mut writer = SegmentWriter::new(Arc::clone(&segment), self.options.now_ms, None)?;
        let mut walk = BatchWalk::headers(segment.log(), 0, segment.size())?;
        // Where the headers end too early, the scan will find out what that means.
        while let Ok(Some(batch)) = walk.next_batch()
            && segment.can_hold(&batch.header)
        {
            writer.reindex(&batch, &self.options.config);
        }
        writer.complete_files()?;
        segment.install_indexes(self.disk(), dir)?;
        self.recovery.indexes_rebuilt += 1;
        Ok(())
    }

    /// Ends the log at `position` of the segment with that index.
    fn cut(&mut self, segments: &Segments, index: usize, position: u32) -> Result<(), OpenError> {
        let later: Vec<_> = segments.iter().skip(index + 1).cloned().collect();
        if !later.is_empty() {
            self.remove_segments(&Segments::new(later))?;
        }
        let segment = segments.get(index).expect("the caller has it");
        self.recovery.bytes_truncated += u64::from(segment.size() - position);
        cut_file(segment, position)?;
        tracing::warn!(
            segment = %segment.log().path().display(),
            position,
            "cut a torn tail off the log"
        );
        Ok(())
    }

    /// Removes the files of segments, the newest first: what is left has no holes.
    fn remove_segments(&mut self, segments: &Segments) -> Result<(), OpenError> {
        for segment in segments.iter().rev() {
            self.recovery.bytes_truncated += u64::from(segment.size());
            remove_files(self.disk(), segment)?;
        }
        Ok(())
    }

    /// An error if the batch that should start at `position` was synced.
    fn check_above_recovery_point(
        &self,
        segment: &Segment,
        position: u32,
        offset: i64,
        source: BatchError,
    ) -> Result<(), OpenError> {
        if self.options.recovery_point <= offset {
            return Ok(());
        }
        let path = segment.log().path();
        Err(OpenError::Corrupt {
            path,
            position: u64::from(position),
            source,
        })
    }

    fn check_not_short(
        &self,
        segment: &Segment,
        position: u32,
        end_offset: i64,
    ) -> Result<(), OpenError> {
        self.check_above_recovery_point(segment, position, end_offset, MISSING)
    }

    fn finish(
        mut self,
        tail: Tail,
        log_start_offset: i64,
    ) -> Result<(Arc<LogState>, SegmentWriter, Recovery), OpenError> {
        let Tail {
            segments,
            writer,
            end_offset,
            is_new,
        } = tail;
        let OpenOptions {
            dir,
            recovery_point,
            previous_stop,
            now_ms,
            ..
        } = self.options;
        let active = segments.active();
        active.positions.truncate(BatchStart {
            relative_offset: active.relative(end_offset),
            position: active.size(),
        });
        self.trim_epochs(segments.first().base_offset(), end_offset)?;
        let replayed = replay_producers(self.context, dir, &segments, end_offset)?;
        self.recovery.bytes_replayed = replayed.bytes;
        if self.recovery.bytes_truncated != 0 {
            self.disk()
                .sync_dir(dir)
                .map_err(IoError::on("sync", dir))?;
        }
        let opened = Opened {
            segments,
            log_start_offset,
            log_end_offset: end_offset,
            recovery_point: (*recovery_point).min(end_offset),
            epochs: self.epochs,
            producers: replayed.producers,
            snapshot_offset: replayed.snapshot_offset,
            // With nothing synced yet, the first flush syncs all names anyway.
            names_unsynced: *recovery_point != 0
                && (is_new || *previous_stop != PreviousStop::Clean),
        };
        let state = LogState::new(self.context.clone(), dir.clone(), opened, *now_ms);
        Ok((state, writer, self.recovery))
    }

    /// Epochs of records that are not in the log any more go. Memory is right even if the file
    /// cannot be written now; the next change writes it.
    fn trim_epochs(&mut self, first_offset: i64, end_offset: i64) -> Result<(), IoError> {
        if self.epochs.truncate_from_end(end_offset)
            && let Err(error) = self.epochs.save(self.disk(), &self.options.dir)
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot save leader epochs"
            );
        }
        if self.epochs.truncate_from_start(first_offset) {
            // Deleted segments must not come back when their epochs are forgotten.
            let dir = &self.options.dir;
            self.disk()
                .sync_dir(dir)
                .map_err(IoError::on("sync", dir))?;
        }
        Ok(())
    }
}

/// Completes the files of a segment, as far as a full disk lets it.
fn complete_if_space(writer: &mut SegmentWriter) -> Result<(), IoError> {
    match writer.complete_files() {
        Err(error) if error.is_no_space() => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "no space for index entries; lookups there will take longer"
            );
            Ok(())
        }
        completed => completed,
    }
}

/// Forgets the indexes of a segment, so that it is scanned, and indexed, from its start.
fn distrust_wholly(segment: &Segment) -> Result<Trusted, OpenError> {
    segment.offset_index.file.truncate(0)?;
    segment.time_index.file.truncate(0)?;
    segment.set_largest_timestamp(None);
    segment.distrust_from(0);
    Ok(Trusted::default())
}

/// Cuts a segment's file at the start of a batch, durably.
fn cut_file(segment: &Segment, position: u32) -> Result<(), IoError> {
    segment.publish_size(position);
    let handle = segment.handle()?;
    handle
        .set_len(u64::from(position))
        .and_then(|()| handle.sync_data())
        .map_err(|source| segment.error("cut", source))
}

/// Removes the files of a segment, and the producer snapshot at its start.
pub(crate) fn remove_files(disk: &dyn Disk, segment: &Segment) -> Result<(), IoError> {
    let indexes = [
        segment.offset_index.file.file(),
        segment.time_index.file.file(),
    ];
    for file in [segment.log()].into_iter().chain(indexes) {
        let path = file.path();
        match disk.remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(IoError::on("remove", &path)(error));
            }
            _ => {}
        }
    }
    match segment.log().path().parent() {
        Some(dir) => remove_snapshot(disk, dir, segment.base_offset()),
        None => Ok(()),
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => Self::Io(error),
            ReadError::Corrupt {
                path,
                position,
                source,
            } => Self::Corrupt {
                path,
                position,
                source,
            },
        }
    }
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
