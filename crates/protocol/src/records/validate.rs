//! What a leader checks in a producer's batch before it enters a log.
//!
//! Every reader of the log trusts these checks later: replicas, consumers, compaction. The walk
//! over the records allocates nothing and takes a few ns per record; compressed records are
//! decompressed on the way and thrown away. The checksum is [`RecordBatch::verify_crc`]'s job and
//! comes first, limits on size and timestamps and the producer's sequence are the log's.
//! A failure is Kafka's `INVALID_RECORD`.

use super::batch::{BatchHeader, RecordBatch, TimestampType};
use super::compression::Compression;
use super::compression::decompress::{DECOMPRESSED_BYTES_MAX, DecompressError, with_stream};
use super::encoding::{MalformedRecord, SliceSource, Source, read_head, skip_headers};

/// What a topic asks of every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordRules {
    /// Every record needs a key, as on a compacted topic.
    pub require_keys: bool,
}

/// What validation learned about a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordStats {
    /// The smallest timestamp of all records, in ms.
    pub min_timestamp: i64,
    /// The largest timestamp of all records, in ms. The header's may differ: see
    /// [`RecordBatch::set_max_timestamp`].
    pub max_timestamp: i64,
    /// Offset of the first record with the largest timestamp, minus the base offset.
    pub max_timestamp_delta: i32,
}

/// Why a producer's batch is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Only brokers write control batches.
    #[error("a producer may not write control records")]
    ControlBatch,
    /// Producers leave the base offset to the leader.
    #[error("base offset is {base_offset} where a producer has to send 0")]
    BaseOffset {
        /// The base offset found.
        base_offset: i64,
    },
    /// There is no record, or not one for each offset.
    #[error("record count {record_count} does not fit last offset delta {last_offset_delta}")]
    RecordCount {
        /// The count found.
        record_count: i32,
        /// The delta found.
        last_offset_delta: i32,
    },
    /// An idempotent producer has to number its records.
    #[error("producer id {producer_id} comes with sequence {base_sequence} and epoch {epoch}")]
    Sequence {
        /// The producer id found.
        producer_id: i64,
        /// The producer epoch found.
        epoch: i16,
        /// The sequence number found.
        base_sequence: i32,
    },
    /// A record cannot be read.
    #[error("record {index} is malformed: {problem}")]
    Malformed {
        /// Place of the record in the batch, from 0.
        index: i32,
        /// What is wrong with it.
        #[source]
        problem: MalformedRecord,
    },
    /// A record's offset does not follow that of the record before.
    #[error("record {index} has offset delta {offset_delta}")]
    OffsetDelta {
        /// Place of the record in the batch, from 0, and the delta it should have.
        index: i32,
        /// The delta found.
        offset_delta: i32,
    },
    /// A record has no key on a topic that needs one.
    #[error("record {index} has no key, which a compacted topic needs")]
    MissingKey {
        /// Place of the record in the batch, from 0.
        index: i32,
    },
    /// Bytes follow the last record.
    #[error("bytes follow the last record")]
    TrailingBytes,
    /// The compressed data is broken after the last record.
    #[error(transparent)]
    Decompress(#[from] DecompressError),
}

impl RecordError {
    /// Place of the record to blame in the batch, from 0, if a single one is (KIP-467).
    pub fn record_index(&self) -> Option<i32> {
        match self {
            Self::Malformed { index, .. }
            | Self::OffsetDelta { index, .. }
            | Self::MissingKey { index } => Some(*index),
            _ => None,
        }
    }
}

/// Checks the header and every record of a batch that a producer sent.
///
/// # Errors
/// The first thing found wrong.
pub fn validate_records(
    batch: &RecordBatch,
    rules: RecordRules,
) -> Result<RecordStats, RecordError> {
    let header = batch.header();
    check_header(header)?;
    match header.attributes.compression() {
        Compression::None => {
            let mut source = SliceSource::new(batch.body());
            let stats = check_records(&mut source, header, rules)?;
            if source.is_at_end() {
                Ok(stats)
            } else {
                Err(RecordError::TrailingBytes)
            }
        }
        codec => with_stream(codec, batch.body(), DECOMPRESSED_BYTES_MAX, |stream| {
            let stats = check_records(stream, header, rules)?;
            // Only the codec's own end shows that nothing is missing or left over.
            if stream.unread().is_empty() && !stream.refill()? {
                Ok(stats)
            } else {
                Err(RecordError::TrailingBytes)
            }
        }),
    }
}

fn check_header(header: &BatchHeader) -> Result<(), RecordError> {
    let &BatchHeader {
        base_offset,
        record_count,
        last_offset_delta,
        ..
    } = header;
    if header.attributes.is_control() {
        return Err(RecordError::ControlBatch);
    }
    if base_offset != 0 {
        return Err(RecordError::BaseOffset { base_offset });
    }
    if record_count == 0 || record_count - 1 != last_offset_delta {
        return Err(RecordError::RecordCount {
            record_count,
            last_offset_delta,
        });
    }
    if header.has_producer_id() && (header.base_sequence < 0 || header.producer_epoch < 0) {
        return Err(RecordError::Sequence {
            producer_id: header.producer_id,
            epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
        });
    }
    Ok(())
}

fn check_records(
    source: &mut impl Source,
    header: &BatchHeader,
    rules: RecordRules,
) -> Result<RecordStats, RecordError> {
    let mut min_delta = i64::MAX;
    let mut max_delta = i64::MIN;
    let mut max_timestamp_delta = 0;
    for index in 0..header.record_count {
        let malformed = |problem| RecordError::Malformed { index, problem };
        let head = read_head(source).map_err(malformed)?;
        if head.offset_delta != index {
            return Err(RecordError::OffsetDelta {
                index,
                offset_delta: head.offset_delta,
            });
        }
        if rules.require_keys && head.key.is_none() {
            return Err(RecordError::MissingKey { index });
        }
        skip_headers(source, &head).map_err(malformed)?;
        let delta = head.timestamp_delta;
        if header.base_timestamp.checked_add(delta).is_none() {
            return Err(malformed(MalformedRecord::TimestampDelta { delta }));
        }
        min_delta = min_delta.min(delta);
        if max_delta < delta {
            max_delta = delta;
            max_timestamp_delta = index;
        }
    }
    Ok(match header.attributes.timestamp_type() {
        TimestampType::CreateTime => RecordStats {
            min_timestamp: header.base_timestamp + min_delta,
            max_timestamp: header.base_timestamp + max_delta,
            max_timestamp_delta,
        },
        TimestampType::LogAppendTime => RecordStats {
            min_timestamp: header.max_timestamp,
            max_timestamp: header.max_timestamp,
            max_timestamp_delta: 0,
        },
    })
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
