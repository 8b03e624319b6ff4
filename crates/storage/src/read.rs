//! The read side of a log: where records are, as ranges of files.
//!
//! Reads return places, not bytes: a slice goes to a socket without passing through the process.
//! [`LogView::locate`] uses only memory and may run anywhere; where memory does not tell, the
//! caller asks [`LogView::locate_on_disk`] on a thread that may block. Neither waits for the
//! writer. What may be *shown* to a client, up to the high watermark or beyond, is the caller's
//! decision.

use std::sync::Arc;

use crate::{
    disk::DiskFile,
    error::ReadError,
    leader_epoch::EpochEnd,
    positions::{BatchStart, Found, Wanted},
    producer_state::ProducerSummary,
    scan::{BatchAt, BatchWalk},
    segment::Segment,
    state::LogState,
};

/// What to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadRequest {
    /// The first offset wanted. The batch that holds it is returned whole.
    pub offset: i64,
    /// No record at or above this is returned: the high watermark, the last stable offset, or
    /// `i64::MAX` for a follower, who reads up to the log's end.
    pub upper_offset: i64,
    /// The most bytes wanted.
    pub max_bytes: u32,
    /// Return the first batch even if it alone is larger than `max_bytes` (KIP-74).
    pub at_least_one: bool,
}

/// Where the records are.
#[derive(Debug)]
pub enum Located {
    /// In this range of a file.
    Slice(LogSlice),
    /// Nowhere yet: the offset is the upper bound, or no batch fits into `max_bytes`.
    Empty,
    /// Memory does not tell. Ask [`LogView::locate_on_disk`] on a thread that may block.
    NeedsDisk,
    /// The offset is below the log's start or above its end.
    OutOfRange,
}

/// Whole batches in one segment's file, as they are sent.
#[derive(Debug, Clone)]
pub struct LogSlice {
    /// The segment's file, kept open by this slice even if it is deleted meanwhile.
    pub file: Arc<dyn DiskFile>,
    /// Where the slice starts in the file, in bytes.
    pub position: u64,
    /// How long it is, in bytes.
    pub len: u32,
    /// Appended so recently that it is surely in the page cache: reading it will not block.
    pub hot: bool,
    /// Base offset of the first batch.
    pub first_offset: i64,
    /// The offset after the last batch, where that is known without reading the file.
    pub end_offset: Option<i64>,
}

/// The read side of one log. Cheap to clone; reads never wait for the writer.
#[derive(Debug, Clone)]
pub struct LogView {
    pub(crate) state: Arc<LogState>,
}

impl LogView {
    pub(crate) fn new(state: Arc<LogState>) -> Self {
        Self { state }
    }

    /// The first offset that may be read.
    pub fn log_start_offset(&self) -> i64 {
        self.state.log_start_offset()
    }

    /// The offset that the next record will get (LEO). In memory: it may not be durable.
    pub fn log_end_offset(&self) -> i64 {
        self.state.log_end_offset()
    }

    /// Everything below is synced to disk.
    pub fn recovery_point(&self) -> i64 {
        self.state.recovery_point()
    }

    /// Whether a flush would move the recovery point. It may have to although every byte is
    /// synced: those that are appended while a sync begins are synced with it, but not counted.
    pub fn has_unflushed(&self) -> bool {
        self.recovery_point() < self.log_end_offset()
    }

    /// Bytes in all segments.
    pub fn size_bytes(&self) -> u64 {
        self.state.segments().size_bytes()
    }

    /// Bytes that a crash of the machine could take: those of the segments that are not synced,
    /// from the first unsynced one on.
    pub fn unflushed_bytes(&self) -> u64 {
        if !self.has_unflushed() {
            return 0;
        }
        let segments = self.state.segments();
        segments
            .iter()
            .map(|segment| segment.unsynced_bytes())
            .sum()
    }

    /// The producers that are remembered, in the order of their ids.
    pub fn producers(&self) -> Vec<ProducerSummary> {
        self.state.producers.lock().summaries().collect()
    }

    /// The epoch of the last batch, or the one this replica began to lead in.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.state.epochs.read().latest().map(|latest| latest.epoch)
    }

    /// Where a leader epoch ends: the answer to `OffsetForLeaderEpoch`.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<EpochEnd> {
        let end = self.log_end_offset();
        self.state.epochs.read().end_offset_for(epoch, end)
    }

    /// Finds records without touching the disk: may be called on a runtime thread.
    pub fn locate(&self, request: &ReadRequest) -> Located {
        // The end before the segments: then they hold everything below it.
        let log_end_offset = self.log_end_offset();
        if request.offset < self.log_start_offset() || log_end_offset < request.offset {
            return Located::OutOfRange;
        }
        let segments = self.state.segments();
        let Some(segment) = segments
            .index_of(request.offset)
            .and_then(|index| segments.get(index))
        else {
            return Located::OutOfRange;
        };
        let wanted = wanted(segment, request, log_end_offset);
        match segment
            .positions
            .find(&self.state.context.positions, &wanted)
        {
            Found::Range { start, end, hot } => match segment.log().handle_if_open() {
                Some(file) => Located::Slice(slice(segment, file, start, end, hot)),
                None => Located::NeedsDisk,
            },
            Found::Nothing => Located::Empty,
            Found::Unknown if log_end_offset.min(request.upper_offset) <= request.offset => {
                Located::Empty
            }
            Found::Unknown => Located::NeedsDisk,
        }
    }

    /// Finds records with the help of the index files and batch headers. Blocks. Never answers
    /// [`Located::NeedsDisk`].
    pub fn locate_on_disk(&self, request: &ReadRequest) -> Result<Located, ReadError> {
        let log_end_offset = self.log_end_offset();
        if request.offset < self.log_start_offset() || log_end_offset < request.offset {
            return Ok(Located::OutOfRange);
        }
        if log_end_offset.min(request.upper_offset) <= request.offset {
            return Ok(Located::Empty);
        }
        let segments = self.state.segments();
        let Some(first) = segments.index_of(request.offset) else {
            return Ok(Located::OutOfRange);
        };
        // Compaction can leave an offset, and all behind it in its segment, without a batch, or
        // with none but batches without records. These are passed over while there is more:
        // librdkafka takes answers without a record for the sign of a record that is too large, and
        // after a dozen of them gives up.
        let mut without_records = None;
        for index in first.. {
            let Some(segment) = segments.get(index) else {
                break;
            };
            let wanted = wanted(segment, request, log_end_offset);
            let known = segment
                .positions
                .find(&self.state.context.positions, &wanted);
            if let Found::Range { start, end, hot } = known {
                let file = segment.handle()?;
                return Ok(Located::Slice(slice(segment, file, start, end, hot)));
            }
            let upper = log_end_offset.min(request.upper_offset);
            let covers_segment = segments.end_offset(index, log_end_offset) <= upper;
            let Some(start) = find_start(segment, &wanted, request.offset)? else {
                continue;
            };
            let is_empty = !has_records_from(segment, start)?;
            let found = find_end(segment, start, request, (!covers_segment).then_some(upper))?;
            if !matches!(found, Located::Slice(_)) {
                break;
            }
            if !is_empty {
                return Ok(found);
            }
            without_records.get_or_insert(found);
        }
        Ok(without_records.unwrap_or(Located::Empty))
    }
}

fn wanted(segment: &Segment, request: &ReadRequest, log_end_offset: i64) -> Wanted {
    Wanted {
        relative_offset: segment.relative(request.offset),
        upper_relative_offset: segment.relative(request.upper_offset.min(log_end_offset)),
        max_bytes: request.max_bytes,
        at_least_one: request.at_least_one,
    }
}

fn slice(
    segment: &Segment,
    file: Arc<dyn DiskFile>,
    start: BatchStart,
    end: BatchStart,
    hot: bool,
) -> LogSlice {
    debug_assert!(start.position < end.position);
    LogSlice {
        file,
        position: u64::from(start.position),
        len: end.position - start.position,
        hot,
        first_offset: segment.base_offset() + i64::from(start.relative_offset),
        end_offset: Some(segment.base_offset() + i64::from(end.relative_offset)),
    }
}

/// The batch that holds the wanted offset, or the next one behind it.
fn find_start(
    segment: &Segment,
    wanted: &Wanted,
    offset: i64,
) -> Result<Option<BatchAt>, ReadError> {
    if let Some(served) = segment.positions.was_served(wanted) {
        let mut walk = BatchWalk::headers(segment.log(), served.position, segment.size())?;
        return walk.next_batch();
    }
    segment.find_batch(offset)
}

/// Whether this batch, or one behind it in its segment, has records.
fn has_records_from(segment: &Segment, start: BatchAt) -> Result<bool, ReadError> {
    if start.header.record_count != 0 {
        return Ok(true);
    }
    let mut walk = BatchWalk::headers(segment.log(), start.end_position(), segment.size())?;
    while let Some(batch) = walk.next_batch()? {
        if batch.header.record_count != 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Ends a range that begins with `start` at the last batch that fits into the request and lies
/// below `upper_offset`, if that is in this segment.
fn find_end(
    segment: &Segment,
    start: BatchAt,
    request: &ReadRequest,
    upper_offset: Option<i64>,
) -> Result<Located, ReadError> {
    let is_allowed =
        |batch: &BatchAt| upper_offset.is_none_or(|upper| batch.header.last_offset() < upper);
    if !is_allowed(&start) {
        return Ok(Located::Empty);
    }
    let position_max = start
        .position
        .saturating_add(request.max_bytes)
        .min(segment.size());
    let first_end = start.end_position();
    if position_max < first_end && !request.at_least_one {
        return Ok(Located::Empty);
    }
    // Jump to the last batch start that the index knows in reach, and walk on from there.
    let mut entry = None;
    if first_end < position_max {
        let in_reach = segment.offset_index.at_or_below_position(position_max)?;
        entry = in_reach.filter(|entry| {
            first_end < entry.position && upper_offset.is_none_or(|upper| entry.last_offset < upper)
        });
    }
    let mut end = None;
    let mut walk = segment.walk_from(entry, first_end)?;
    // A batch that cannot be read is reported when it is asked for, not before.
    while let Ok(Some(batch)) = walk.next_batch() {
        if position_max < batch.end_position() || !is_allowed(&batch) {
            end = Some(start_of(segment, &batch));
            break;
        }
        end = Some(end_of(segment, &batch));
    }
    let end = end.unwrap_or_else(|| end_of(segment, &start));
    segment.positions.remember_served(end);
    let file = segment.handle()?;
    Ok(Located::Slice(slice(
        segment,
        file,
        start_of(segment, &start),
        end,
        false,
    )))
}

fn start_of(segment: &Segment, batch: &BatchAt) -> BatchStart {
    BatchStart {
        relative_offset: segment.relative(batch.header.base_offset),
        position: batch.position,
    }
}

fn end_of(segment: &Segment, batch: &BatchAt) -> BatchStart {
    BatchStart {
        relative_offset: segment.relative(batch.header.next_offset()),
        position: batch.end_position(),
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
