//! Making batches: for tests, control batches and the broker's own records.

use bytes::Bytes;

use super::compression::Compression;
use super::record::Record;

/// Collects records and makes a batch of them.
#[derive(Debug, Clone)]
pub struct BatchBuilder {}

impl BatchBuilder {
    /// A builder for an uncompressed batch without a producer id.
    pub fn new() -> Self {
        Self {}
    }
    /// Compresses the records.
    #[must_use]
    pub fn compression(self, _compression: Compression) -> Self {
        self
    }
    /// Stamps an idempotent producer's id, epoch and first sequence number.
    #[must_use]
    pub fn producer(self, _producer_id: i64, _producer_epoch: i16, _base_sequence: i32) -> Self {
        self
    }
    /// Offset of the first record.
    #[must_use]
    pub fn base_offset(self, _base_offset: i64) -> Self {
        self
    }
    /// Epoch of the leader that appended the batch.
    #[must_use]
    pub fn leader_epoch(self, _leader_epoch: i32) -> Self {
        self
    }
    /// Adds a record; its offset is one more than that of the last.
    #[must_use]
    pub fn record(self, _timestamp: i64, _key: Option<&[u8]>, _value: Option<&[u8]>) -> Self {
        self
    }
    /// The finished batch.
    pub fn build(self) -> Bytes {
        let _unused: Option<Record<'_>> = None;
        Bytes::new()
    }
}
