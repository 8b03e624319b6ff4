//! Making batches: for tests, control batches and the broker's own records.
//!
//! Invariant: every batch built passes [`RecordBatch::verify_crc`](super::RecordBatch::verify_crc),
//! and its records have consecutive offsets.

use bytes::Bytes;

use super::batch::{
    Attributes, BatchHeader, HEADER_LEN, LENGTH_PREFIX_LEN, NO_LEADER_EPOCH, NO_PRODUCER_ID,
    NO_TIMESTAMP, RecordBatch, TimestampType,
};
use super::compression::Compression;
use super::control::EndTransactionMarker;
use super::encoding::{nullable_len, put_nullable, put_varlong, varlong_len};

/// Collects records and makes one batch of them.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    header: BatchHeader,
    records: Vec<u8>,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    /// A batch as a plain producer sends it: offsets from 0, uncompressed, no producer id.
    pub fn new() -> Self {
        Self {
            header: BatchHeader {
                base_offset: 0,
                length: 0,
                partition_leader_epoch: NO_LEADER_EPOCH,
                crc: 0,
                attributes: Attributes::default(),
                last_offset_delta: 0,
                base_timestamp: NO_TIMESTAMP,
                max_timestamp: NO_TIMESTAMP,
                producer_id: NO_PRODUCER_ID,
                producer_epoch: -1,
                base_sequence: -1,
                record_count: 0,
            },
            records: Vec::new(),
        }
    }

    /// A control batch that ends the transaction of a producer.
    #[must_use]
    pub fn end_transaction(
        producer_id: i64,
        producer_epoch: i16,
        marker: EndTransactionMarker,
        timestamp: i64,
    ) -> Self {
        let mut builder = Self::new()
            .producer(producer_id, producer_epoch, -1)
            .transactional()
            .record(timestamp, Some(&marker.key()), Some(&marker.value()));
        builder.header.attributes = builder.header.attributes.with_control(true);
        builder
    }

    /// Sets the offset of the first record.
    #[must_use]
    pub fn base_offset(mut self, base_offset: i64) -> Self {
        self.header.base_offset = base_offset;
        self
    }

    /// Sets the epoch of the leader that appends the batch.
    #[must_use]
    pub fn leader_epoch(mut self, leader_epoch: i32) -> Self {
        self.header.partition_leader_epoch = leader_epoch;
        self
    }

    /// Compresses the records.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.header.attributes = self.header.attributes.with_compression(compression);
        self
    }

    /// Makes the batch one of an idempotent producer.
    #[must_use]
    pub fn producer(mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Self {
        self.header.producer_id = producer_id;
        self.header.producer_epoch = producer_epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Makes the batch part of its producer's transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.header.attributes = self.header.attributes.with_transactional(true);
        self
    }

    /// Gives every record the time of the append instead of its own.
    #[must_use]
    pub fn log_append_time(mut self, timestamp: i64) -> Self {
        let attributes = self.header.attributes;
        self.header.attributes = attributes.with_timestamp_type(TimestampType::LogAppendTime);
        self.header.max_timestamp = timestamp;
        self
    }

    /// Adds a record without headers; `timestamp` is in ms.
    #[must_use]
    pub fn record(self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        self.record_with_headers(timestamp, key, value, &[])
    }

    /// Adds a record; `timestamp` is in ms.
    #[must_use]
    pub fn record_with_headers(
        mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) -> Self {
        self.push(timestamp, key, value, headers.iter().copied());
        self
    }

    /// Adds a record in place; `timestamp` is in ms. Allocates nothing but the batch's own memory.
    pub fn push<'a, H>(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: H,
    ) where
        H: ExactSizeIterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone,
    {
        let header = &mut self.header;
        if header.record_count == 0 {
            header.base_timestamp = timestamp;
        }
        if header.attributes.timestamp_type() == TimestampType::CreateTime {
            header.max_timestamp = header.max_timestamp.max(timestamp);
        }
        header.last_offset_delta = header.record_count;
        header.record_count += 1;

        let timestamp_delta = timestamp - header.base_timestamp;
        let offset_delta = i64::from(header.last_offset_delta);
        let header_count = headers.len() as i64;
        let of_headers = headers
            .clone()
            .map(|(key, value)| nullable_len(Some(key)) + nullable_len(value));
        let length = 1 // attributes
            + varlong_len(timestamp_delta)
            + varlong_len(offset_delta)
            + nullable_len(key)
            + nullable_len(value)
            + varlong_len(header_count)
            + of_headers.sum::<usize>();

        let records = &mut self.records;
        put_varlong(records, length as i64);
        records.push(0); // attributes, unused
        put_varlong(records, timestamp_delta);
        put_varlong(records, offset_delta);
        put_nullable(records, key);
        put_nullable(records, value);
        put_varlong(records, header_count);
        for (key, value) in headers {
            put_nullable(records, Some(key));
            put_nullable(records, value);
        }
    }

    /// How many records there are.
    pub fn record_count(&self) -> i32 {
        self.header.record_count
    }

    /// How many bytes the batch would take uncompressed.
    pub fn total_len(&self) -> usize {
        HEADER_LEN + self.records.len()
    }

    /// The finished batch, with its checksum.
    ///
    /// # Panics
    /// If it would be 2 GiB or more.
    pub fn build(self) -> RecordBatch {
        let Self {
            mut header,
            records,
        } = self;
        let body = match header.attributes.compression() {
            Compression::None => records,
            codec => codec.compress(&records),
        };
        header.length = i32::try_from(HEADER_LEN - LENGTH_PREFIX_LEN + body.len())
            .expect("a batch is smaller than 2 GiB");
        RecordBatch::seal(header, Bytes::from(body))
    }
}
