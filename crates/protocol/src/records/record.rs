//! Single records, read from a batch.

use bytes::Bytes;

/// One record; key, value and headers are borrowed from the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Offset in the log.
    pub offset: i64,
    /// Timestamp in ms.
    pub timestamp: i64,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value, `None` in a tombstone.
    pub value: Option<&'a [u8]>,
}

/// The records of one batch, decompressed.
#[derive(Debug, Clone)]
pub struct Records {
    #[expect(dead_code, reason = "skeleton")]
    body: Bytes,
}
