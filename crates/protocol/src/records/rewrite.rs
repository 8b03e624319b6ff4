//! Rewriting a batch that is in a log already: fewer records, in the same place.
//!
//! Compaction (KIP-534) removes records and, where tombstones stay, notes in the batch from when on
//! they may go. Offsets, producer, epochs and sequence numbers stay what they were, so that a
//! reader sees the same log with gaps, and a producer's retry is still known.
//!
//! Nothing here decides which records stay.

use bytes::Bytes;

use super::{
    batch::{BatchHeader, HEADER_LEN, LENGTH_PREFIX_LEN, NO_TIMESTAMP, RecordBatch, TimestampType},
    compression::Compression,
    encoding::{put_nullable, put_varlong},
    record::Record,
};

/// Collects what stays of a batch.
#[derive(Debug)]
pub struct BatchRewriter {
    header: BatchHeader,
    records: Vec<u8>,
}

/// A timestamp is so far from the delete horizon that the batch cannot express it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("timestamp {timestamp} is too far from the delete horizon {delete_horizon_ms}")]
pub struct TimestampTooFar {
    /// The record's timestamp, in ms.
    pub timestamp: i64,
    /// The delete horizon, in ms.
    pub delete_horizon_ms: i64,
}

impl BatchRewriter {
    /// A batch in place of the one with this header, without records so far. A delete horizon that
    /// the batch has stays.
    pub fn new(original: &BatchHeader) -> Self {
        let mut header = *original;
        header.record_count = 0;
        if header.attributes.timestamp_type() == TimestampType::CreateTime {
            header.max_timestamp = NO_TIMESTAMP;
        }
        Self {
            header,
            records: Vec::new(),
        }
    }

    /// As [`new`](Self::new), for a batch whose tombstones (or transaction marker) may go from
    /// `delete_horizon_ms` on.
    pub fn with_delete_horizon(original: &BatchHeader, delete_horizon_ms: i64) -> Self {
        let mut rewriter = Self::new(original);
        let header = &mut rewriter.header;
        header.attributes = header.attributes.with_delete_horizon(true);
        header.base_timestamp = delete_horizon_ms;
        rewriter
    }

    /// Keeps a record of the original batch. Records are pushed in their order.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), TimestampTooFar> {
        let header = &mut self.header;
        let timestamp_delta =
            record
                .timestamp
                .checked_sub(header.base_timestamp)
                .ok_or(TimestampTooFar {
                    timestamp: record.timestamp,
                    delete_horizon_ms: header.base_timestamp,
                })?;
        let mut fields = vec![0]; // attributes, unused
        put_varlong(&mut fields, timestamp_delta);
        put_varlong(&mut fields, record.offset - header.base_offset);
        put_nullable(&mut fields, record.key);
        put_nullable(&mut fields, record.value);
        put_varlong(&mut fields, record.headers.len() as i64);
        for (key, value) in record.headers.clone() {
            put_nullable(&mut fields, Some(key));
            put_nullable(&mut fields, value);
        }
        put_nullable(&mut self.records, Some(&fields));
        header.record_count += 1;
        if header.attributes.timestamp_type() == TimestampType::CreateTime {
            header.max_timestamp = header.max_timestamp.max(record.timestamp);
        }
        Ok(())
    }

    /// The finished batch: compressed as the original was, with its own checksum.
    ///
    /// # Panics
    /// If it would be 2 GiB or more.
    pub fn build(self) -> RecordBatch {
        let Self { header, records } = self;
        let body = match header.attributes.compression() {
            Compression::None => records,
            codec => codec.compress(&records),
        };
        seal(header, body.into())
    }
}

/// A batch without records in place of the one with this header: it keeps the producer's last
/// sequence number in the log, or marks where a segment ends.
pub fn without_records(original: &BatchHeader) -> RecordBatch {
    let mut header = *original;
    if header.attributes.has_delete_horizon() {
        header.base_timestamp = header.max_timestamp;
    }
    header.attributes = header
        .attributes
        .with_compression(Compression::None)
        .with_delete_horizon(false);
    header.record_count = 0;
    seal(header, Bytes::new())
}

fn seal(mut header: BatchHeader, body: Bytes) -> RecordBatch {
    header.length = i32::try_from(HEADER_LEN - LENGTH_PREFIX_LEN + body.len())
        .expect("a batch is smaller than 2 GiB");
    RecordBatch::seal(header, body)
}

#[cfg(test)]
#[path = "rewrite_tests.rs"]
mod tests;
