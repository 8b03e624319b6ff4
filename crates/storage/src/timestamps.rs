//! Offsets by time: what `ListOffsets` asks for.

use bytes::Bytes;
use odradek_protocol::records::{BatchError, BatchRecords, RecordBatch};

use crate::{
    error::ReadError,
    read::LogView,
    scan::{BatchAt, BatchWalk},
    segment::Segment,
};

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

/// The timestamp of an answer to a question that was not about time.
const NO_TIMESTAMP: i64 = -1;

impl LogView {
    /// Answers `ListOffsets`; `None` if no record matches. Blocks.
    pub fn offset_for_timestamp(
        &self,
        query: TimestampQuery,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        match query {
            TimestampQuery::Earliest | TimestampQuery::EarliestLocal => Ok(Some(self.earliest())),
            TimestampQuery::Latest => Ok(Some(TimestampOffset {
                offset: self.log_end_offset(),
                timestamp: NO_TIMESTAMP,
                leader_epoch: self.latest_epoch(),
            })),
            TimestampQuery::MaxTimestamp => self.first_with_max_timestamp(),
            TimestampQuery::AtOrAfter(timestamp) => self.first_at_or_after(timestamp),
        }
    }

    fn earliest(&self) -> TimestampOffset {
        let offset = self.log_start_offset();
        let leader_epoch = self.state.epochs.read().epoch_for_offset(offset);
        TimestampOffset {
            offset,
            timestamp: NO_TIMESTAMP,
            leader_epoch,
        }
    }

    fn first_with_max_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        let segments = self.state.segments();
        let mut newest = (segments.first(), segments.first().largest_timestamp()?);
        for segment in segments.iter().skip(1) {
            let largest = segment.largest_timestamp()?;
            if newest.1.timestamp < largest.timestamp {
                newest = (segment, largest);
            }
        }
        let (segment, largest) = newest;
        let walk = segment.walk_to(largest.last_offset)?;
        first_record(segment, walk, largest.timestamp, segment.base_offset())
    }

    fn first_at_or_after(&self, timestamp: i64) -> Result<Option<TimestampOffset>, ReadError> {
        let log_start_offset = self.log_start_offset();
        for segment in self.state.segments().iter() {
            if segment.largest_timestamp()?.timestamp < timestamp {
                continue;
            }
            let before = segment.time_index.below(timestamp)?;
            let from_offset = before.map_or(log_start_offset, |entry| {
                log_start_offset.max(entry.last_offset)
            });
            let walk = segment.walk_to(from_offset)?;
            let found = first_record(segment, walk, timestamp, log_start_offset)?;
            // The log may start behind the record that made this segment look promising.
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// The first record at or above `offset_min`, in the batches that `walk` comes to, whose timestamp
/// is at least `timestamp`.
fn first_record(
    segment: &Segment,
    mut walk: BatchWalk,
    timestamp: i64,
    offset_min: i64,
) -> Result<Option<TimestampOffset>, ReadError> {
    while let Some(batch) = walk.next_batch()? {
        let header = &batch.header;
        if header.max_timestamp < timestamp || header.last_offset() < offset_min {
            continue;
        }
        if let Some((offset, timestamp)) = record_in(segment, &batch, timestamp, offset_min)? {
            let epoch = header.partition_leader_epoch;
            let leader_epoch = (0 <= epoch).then_some(epoch);
            return Ok(Some(TimestampOffset {
                offset,
                timestamp,
                leader_epoch,
            }));
        }
    }
    Ok(None)
}

/// Looks into one batch. Records that cannot be read are passed over: the batch was complete when
/// it was appended, and a question about time is no reason to fail a partition.
fn record_in(
    segment: &Segment,
    batch: &BatchAt,
    timestamp: i64,
    offset_min: i64,
) -> Result<Option<(i64, i64)>, ReadError> {
    let batch = read_batch(segment, batch)?;
    let Ok(records) = BatchRecords::read(&batch) else {
        return Ok(None);
    };
    let found = records
        .iter()
        .map_while(Result::ok)
        .find(|record| timestamp <= record.timestamp && offset_min <= record.offset);
    Ok(found.map(|record| (record.offset, record.timestamp)))
}

/// Reads a whole batch into memory.
pub(crate) fn read_batch(segment: &Segment, batch: &BatchAt) -> Result<RecordBatch, ReadError> {
    let mut bytes = vec![0; batch.header.total_len()];
    let position = u64::from(batch.position);
    segment
        .handle()?
        .read_exact_at(&mut bytes, position)
        .map_err(|source| segment.error("read", source))?;
    RecordBatch::parse(&Bytes::from(bytes)).map_err(|source: BatchError| ReadError::Corrupt {
        path: segment.log().path(),
        position,
        source,
    })
}
