//! The read side of a log: where records are, as ranges of files.

use std::sync::Arc;

use crate::{disk::DiskFile, error::ReadError, leader_epoch::EpochEnd};

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

/// An offset found by timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The record's offset.
    pub offset: i64,
    /// The record's timestamp in ms, -1 where the question was not about a time.
    pub timestamp: i64,
    /// The leader epoch in which it was written, if known.
    pub leader_epoch: Option<i32>,
}

/// What `ListOffsets` can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampQuery {
    /// -2: the log's start.
    Earliest,
    /// -1: the log's end. The caller bounds it by high watermark or last stable offset.
    Latest,
    /// -3: the first record with the largest timestamp (KIP-734).
    MaxTimestamp,
    /// -4: the first offset on local disks (KIP-405): the log's start, without tiered storage.
    EarliestLocal,
    /// The first record whose timestamp is at least this, in ms.
    AtOrAfter(i64),
}

/// The read side of one log. Cheap to clone; reads never wait for the writer.
#[derive(Debug, Clone)]
pub struct LogView {}

impl LogView {
    /// The first offset that may be read.
    pub fn log_start_offset(&self) -> i64 {
        todo!()
    }

    /// The offset that the next record will get (LEO). In memory: it may not be durable.
    pub fn log_end_offset(&self) -> i64 {
        todo!()
    }

    /// Everything below is synced to disk.
    pub fn recovery_point(&self) -> i64 {
        todo!()
    }

    /// Bytes in all segments.
    pub fn size_bytes(&self) -> u64 {
        todo!()
    }

    /// Bytes appended since the last flush.
    pub fn unflushed_bytes(&self) -> u64 {
        todo!()
    }

    /// Finds records without touching the disk: may be called on a runtime thread.
    pub fn locate(&self, request: &ReadRequest) -> Located {
        let _ = request;
        todo!()
    }

    /// Finds records with the help of the index files and batch headers. Blocks. Never answers
    /// [`Located::NeedsDisk`].
    pub fn locate_on_disk(&self, request: &ReadRequest) -> Result<Located, ReadError> {
        let _ = request;
        todo!()
    }

    /// Answers `ListOffsets`; `None` if no record matches. Blocks.
    pub fn offset_for_timestamp(
        &self,
        query: TimestampQuery,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let _ = query;
        todo!()
    }

    /// Where a leader epoch ends: the answer to `OffsetForLeaderEpoch`.
    pub fn end_offset_for_epoch(&self, epoch: i32) -> Option<EpochEnd> {
        let _ = epoch;
        todo!()
    }

    /// The epoch of the last batch, or the one this replica began to lead in.
    pub fn latest_epoch(&self) -> Option<i32> {
        todo!()
    }
}
