//! Single records, read from a batch that is in memory.
//!
//! For the broker's own topics, tests and tools: records of clients pass through unread.

use bytes::Bytes;

use super::batch::{BatchHeader, RecordBatch, TimestampType};
use super::compression::Compression;
use super::compression::decompress::{DECOMPRESSED_BYTES_MAX, DecompressError, decompress};
use super::encoding::{MalformedRecord, SliceSource, Source, read_head, read_header, skip_headers};

/// One record; key, value and headers are borrowed from the batch.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// Offset in the log.
    pub offset: i64,
    /// Timestamp in ms: the record's own, or the batch's with `LogAppendTime`.
    pub timestamp: i64,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value, `None` in a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in the producer's order; keys may repeat.
    pub headers: Headers<'a>,
}

/// The records of one batch, decompressed.
#[derive(Debug, Clone)]
pub struct BatchRecords {
    header: BatchHeader,
    body: Bytes,
}

impl BatchRecords {
    /// Decompresses the records of `batch`; copies nothing if they are not compressed.
    ///
    /// # Errors
    /// If the compressed data is broken or expands to more than [`DECOMPRESSED_BYTES_MAX`].
    pub fn read(batch: &RecordBatch) -> Result<Self, DecompressError> {
        let header = *batch.header();
        let codec = header.attributes.compression();
        // Compaction leaves batches without records, and without a stream of the codec.
        let body = if codec == Compression::None || header.record_count == 0 {
            batch.body().clone()
        } else {
            decompress(codec, batch.body(), DECOMPRESSED_BYTES_MAX)?
        };
        Ok(Self { header, body })
    }

    /// A key or a value of one of the records as bytes of its own; shares the batch's memory.
    ///
    /// # Panics
    /// If `field` is not one that these records gave out.
    pub fn share(&self, field: &[u8]) -> Bytes {
        self.body.slice_ref(field)
    }

    /// Iterates over the records; ends after the first error.
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter {
            header: &self.header,
            source: SliceSource::new(&self.body),
            left: self.header.record_count,
        }
    }
}

impl<'a> IntoIterator for &'a BatchRecords {
    type Item = Result<Record<'a>, MalformedRecord>;
    type IntoIter = RecordIter<'a>;

    fn into_iter(self) -> RecordIter<'a> {
        self.iter()
    }
}

/// Iterates over the records of a batch.
#[derive(Debug, Clone)]
pub struct RecordIter<'a> {
    header: &'a BatchHeader,
    source: SliceSource<'a>,
    left: i32,
}

impl<'a> RecordIter<'a> {
    fn read_next(&mut self) -> Result<Record<'a>, MalformedRecord> {
        let head = read_head(&mut self.source)?;
        let headers_len = head.headers_len(&self.source);
        let mut at_headers = self.source.clone();
        // Reading them once here is what lets `Headers` yield them without errors.
        skip_headers(&mut self.source, &head)?;
        let headers = Headers {
            source: SliceSource::new(at_headers.field(headers_len)?),
            left: head.header_count,
        };
        let delta = head.timestamp_delta;
        let timestamp = match self.header.attributes.timestamp_type() {
            TimestampType::LogAppendTime => self.header.max_timestamp,
            TimestampType::CreateTime => self
                .header
                .base_timestamp
                .checked_add(delta)
                .ok_or(MalformedRecord::TimestampDelta { delta })?,
        };
        Ok(Record {
            offset: self
                .header
                .base_offset
                .saturating_add(i64::from(head.offset_delta)),
            timestamp,
            key: head.key,
            value: head.value,
            headers,
        })
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, MalformedRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        let record = self.read_next();
        self.left = if record.is_ok() { self.left - 1 } else { 0 };
        Some(record)
    }
}

impl std::iter::FusedIterator for RecordIter<'_> {}

/// Iterates over the headers of a record: key, which may be any bytes, and value.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    source: SliceSource<'a>,
    left: i32,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        let end = u64::MAX;
        Some(read_header(&mut self.source, end).expect("the headers were read once before"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Headers<'_> {}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
