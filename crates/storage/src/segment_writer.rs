//! Writing to the active segment: batches, then index entries, and the signs that it is full.
//!
//! The order within one append: bytes into the file, then positions and size published, then index
//! entries. Index entries wait in memory until they stand for [`INDEX_LAG_BYTES`] of log, so that
//! small appends cost one write and no more.

use std::{io::IoSlice, sync::Arc};

use bytes::Bytes;
use odradek_protocol::records::HEADER_LEN;

use crate::{
    config::LogConfig,
    disk::DiskFile,
    error::IoError,
    index::{
        offset::{self, OffsetEntry, OffsetIndexWriter},
        time::{self, TimeEntry, TimeIndexWriter},
    },
    positions::{BatchStart, PositionBudget},
    preallocation::Preallocation,
    scan::{BatchAt, BatchWalk},
    segment::Segment,
};

/// After the death of the process, about this much of each active segment is read to find the end
/// of the log.
const INDEX_LAG_BYTES: u64 = 256 << 10;

/// A batch with its place in the log.
#[derive(Debug)]
pub(crate) struct PlacedBatch {
    /// The header with offset, epoch and timestamp as they will be stored.
    pub(crate) header: [u8; HEADER_LEN],
    /// The records: a slice of the frame they came in.
    pub(crate) body: Bytes,
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) max_timestamp: i64,
}

impl PlacedBatch {
    /// Size in the file, in bytes.
    pub(crate) fn len(&self) -> u32 {
        (HEADER_LEN + self.body.len()) as u32
    }
}

/// A write that failed, and what it left behind.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The file could not be opened: nothing was tried.
    NotStarted(IoError),
    /// The file was cut back to where it ended before.
    Undone(IoError),
    /// Part of the batches may be left behind the published end.
    Torn(IoError),
}

/// The writer's side of the active segment.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    segment: Arc<Segment>,
    offset_entries: OffsetIndexWriter,
    time_entries: TimeIndexWriter,
    largest: TimeEntry,
    /// The timestamp in the last entry of the time index, pending ones included.
    last_time_entry: i64,
    bytes_since_entry: u64,
    bytes_since_index_write: u64,
    /// The largest timestamp in the first batch; `None` until it is known.
    first_timestamp: Option<i64>,
    /// When this process created or opened the segment.
    created_ms: i64,
    preallocation: Preallocation,
    /// The file's handle from a write until that write was published.
    writing: Option<Arc<dyn DiskFile>>,
}

impl SegmentWriter {
    /// Goes on at the end of `segment`, whose largest timestamp must be known. `inherited` is the
    /// writer of the segment before, if this process had one.
    pub(crate) fn new(
        segment: Arc<Segment>,
        now_ms: i64,
        inherited: Option<&Self>,
    ) -> Result<Self, IoError> {
        let largest = segment.largest_timestamp()?;
        let last_time_entry = segment.time_index.last()?;
        let preallocation = Preallocation::new(
            u64::from(segment.size()),
            now_ms,
            inherited.map(|before| &before.preallocation),
        );
        Ok(Self {
            offset_entries: OffsetIndexWriter::behind(&segment.offset_index.file)?,
            time_entries: TimeIndexWriter::behind(&segment.time_index.file)?,
            largest,
            last_time_entry: last_time_entry.map_or(-1, |entry| entry.timestamp),
            bytes_since_entry: 0,
            bytes_since_index_write: 0,
            first_timestamp: None,
            created_ms: now_ms,
            preallocation,
            writing: None,
            segment,
        })
    }

    /// The segment itself.
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Whether a new segment has to be started before `batch` is appended behind `planned` bytes
    /// that are not written yet.
    pub(crate) fn is_full_for(
        &mut self,
        batch: &PlacedBatch,
        planned: u64,
        config: &LogConfig,
        jitter_ms: u64,
        now_ms: i64,
    ) -> bool {
        let size = u64::from(self.segment.size()) + planned;
        if size == 0 {
            return false;
        }
        let offsets = batch.last_offset - self.segment.base_offset();
        if u64::from(config.segment_bytes) < size + u64::from(batch.len())
            || i64::from(i32::MAX) < offsets
            || self.indexes_are_full(config)
        {
            return true;
        }
        let waited_ms = self.waited_ms(batch.max_timestamp, now_ms);
        let roll_after_ms = config.roll_after_ms().saturating_sub(jitter_ms);
        u64::try_from(waited_ms).is_ok_and(|waited_ms| roll_after_ms < waited_ms)
    }

    /// Writes the batches behind the published end of the file, with one call. Readers do not see
    /// them yet. The disk can spare `spare_bytes` for what will be written later.
    pub(crate) fn write(
        &mut self,
        batches: &[PlacedBatch],
        config: &LogConfig,
        spare_bytes: u64,
        now_ms: i64,
    ) -> Result<(), WriteError> {
        let handle = self.segment.handle().map_err(WriteError::NotStarted)?;
        let size = u64::from(self.segment.size());
        let end = size
            + batches
                .iter()
                .map(|batch| u64::from(batch.len()))
                .sum::<u64>();
        let size_max = u64::from(config.segment_bytes);
        let preallocated = self
            .preallocation
            .before_write(end, size_max, spare_bytes, now_ms);
        if let Some(space) = preallocated {
            // Only speed depends on it; a full disk shows in the write.
            let _ = handle.preallocate(space.position, space.len);
        }
        let mut parts: Vec<IoSlice<'_>> = batches
            .iter()
            .flat_map(|batch| [IoSlice::new(&batch.header), IoSlice::new(&batch.body)])
            .collect();
        if let Err(source) = handle.write_all_at(&mut parts, size) {
            let error = self.segment.error("append to", source);
            let undone = handle.set_len(size).is_ok();
            self.preallocation.cut_to(size);
            return Err(if undone {
                WriteError::Undone(error)
            } else {
                WriteError::Torn(error)
            });
        }
        self.writing = Some(handle);
        Ok(())
    }

    /// Shows the batches just written to readers.
    pub(crate) fn publish(&mut self, batches: &[PlacedBatch], budget: &PositionBudget) {
        let Some(last) = batches.last() else { return };
        let mut at = self.segment.size();
        let segment = &self.segment;
        let starts = batches.iter().map(|batch| {
            let position = at;
            at += batch.len();
            BatchStart {
                relative_offset: segment.relative(batch.base_offset),
                position,
            }
        });
        let len: u32 = batches.iter().map(PlacedBatch::len).sum();
        let end = BatchStart {
            relative_offset: segment.relative(last.last_offset + 1),
            position: segment.size() + len,
        };
        segment.positions.append(budget, starts, end);
        segment.publish_size(end.position);
        if let Some(handle) = self.writing.take() {
            segment.hold_unsynced(handle);
        }
    }

    /// Adds the index entries of batches that were written from `position` on. If they cannot be
    /// written now, they wait.
    pub(crate) fn index(&mut self, batches: &[PlacedBatch], position: u32, config: &LogConfig) {
        let mut position = position;
        for batch in batches {
            self.note(
                position,
                batch.len(),
                batch.last_offset,
                batch.max_timestamp,
                config,
            );
            position += batch.len();
        }
        self.segment.set_largest_timestamp(Some(self.largest));
        self.write_indexes_if_due();
    }

    /// Adds the index entry of a batch that was found in the file during recovery.
    pub(crate) fn reindex(&mut self, batch: &BatchAt, config: &LogConfig) {
        let len = batch.header.total_len() as u32;
        let BatchAt { position, header } = batch;
        self.note(
            *position,
            len,
            header.last_offset(),
            batch.max_timestamp(),
            config,
        );
        self.segment.set_largest_timestamp(Some(self.largest));
        self.write_indexes_if_due();
    }

    fn note(
        &mut self,
        position: u32,
        len: u32,
        last_offset: i64,
        max_timestamp: i64,
        config: &LogConfig,
    ) {
        if position == 0 {
            self.first_timestamp = Some(max_timestamp);
        }
        if self.largest.timestamp < max_timestamp {
            self.largest = TimeEntry {
                timestamp: max_timestamp,
                last_offset,
            };
        }
        if u64::from(config.index_interval_bytes) < self.bytes_since_entry {
            let entry = OffsetEntry {
                last_offset,
                position,
            };
            self.offset_entries
                .push(self.segment.offset_index.encode(entry));
            self.note_time();
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += u64::from(len);
        self.bytes_since_index_write += u64::from(len);
    }

    fn note_time(&mut self) {
        if self.last_time_entry < self.largest.timestamp {
            self.time_entries
                .push(self.segment.time_index.encode(self.largest));
            self.last_time_entry = self.largest.timestamp;
        }
    }

    fn write_indexes_if_due(&mut self) {
        if self.bytes_since_index_write < INDEX_LAG_BYTES {
            return;
        }
        if let Err(error) = self.write_indexes() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "index entries cannot be written now; after a crash more will be scanned"
            );
        }
    }

    /// Writes the pending index entries.
    pub(crate) fn write_indexes(&mut self) -> Result<(), IoError> {
        self.bytes_since_index_write = 0;
        // Times first: an offset entry in the file then says that its time entry is there too.
        self.time_entries.write_to(&self.segment.time_index.file)?;
        self.offset_entries
            .write_to(&self.segment.offset_index.file)
    }

    /// Completes the files: all index entries, and no preallocated space. More may be written.
    pub(crate) fn complete_files(&mut self) -> Result<(), IoError> {
        self.segment.set_largest_timestamp(Some(self.largest));
        self.note_time();
        self.write_indexes()?;
        self.trim()
    }

    /// Gives back the space that was preallocated and is not used.
    pub(crate) fn trim(&mut self) -> Result<(), IoError> {
        let size = u64::from(self.segment.size());
        if self.preallocation.reaches_beyond(size) {
            self.segment
                .handle()?
                .set_len(size)
                .map_err(|source| self.segment.error("trim", source))?;
            self.preallocation.cut_to(size);
        }
        Ok(())
    }

    /// Seals the segment, whose files are complete.
    pub(crate) fn seal(&self, budget: &PositionBudget) {
        self.segment.positions.seal(budget);
        self.segment.seal();
    }

    fn indexes_are_full(&self, config: &LogConfig) -> bool {
        let entries_max = |len: usize| config.segment_index_bytes / len as u32;
        // One more time entry is written when the segment is sealed.
        entries_max(offset::ENTRY_LEN) <= self.offset_entries.total()
            || entries_max(time::ENTRY_LEN) <= self.time_entries.total() + 1
    }

    /// How old the segment is by the time of a batch: the distance to its first batch, or to its
    /// creation if that has no timestamp.
    fn waited_ms(&mut self, max_timestamp: i64, now_ms: i64) -> i64 {
        let first = match self.first_timestamp {
            Some(first) => first,
            None => *self
                .first_timestamp
                .insert(self.read_first_timestamp().unwrap_or(-1)),
        };
        if 0 <= first {
            max_timestamp.saturating_sub(first)
        } else {
            now_ms.saturating_sub(self.created_ms)
        }
    }

    fn read_first_timestamp(&self) -> Option<i64> {
        let mut walk = BatchWalk::headers(self.segment.log(), 0, self.segment.size()).ok()?;
        let first = walk.next_batch().ok()??;
        Some(first.header.max_timestamp)
    }
}
