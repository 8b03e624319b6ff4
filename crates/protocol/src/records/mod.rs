//! Record batches, the unit in which records are produced, stored, replicated and fetched.
//!
//! In the order bytes flow:
//! - [`batch`]: the header, the checksum, a view of a batch that copies nothing
//! - [`validate`]: what a leader checks once, before a producer's batch enters a log
//! - [`encoding`]: the layout of one record, for the check and for reading
//! - [`compression`]: the codecs, and their limits against decompression bombs
//! - [`record`]: single records and their headers
//! - [`control`]: the records that end a transaction
//! - [`builder`]: making batches: tests, control batches, the broker's own records
//! - [`rewrite`]: what compaction leaves of a batch
//!
//! The broker passes batches through as they came: only compaction recompresses.

pub mod batch;
pub mod builder;
pub mod compression;
pub mod control;
pub mod encoding;
pub mod record;
pub mod rewrite;
pub mod validate;

pub use batch::{
    Attributes, BatchError, BatchHeader, Batches, HEADER_LEN, RecordBatch, TimestampType,
};
pub use builder::BatchBuilder;
pub use compression::Compression;
pub use record::{BatchRecords, Record};
pub use rewrite::BatchRewriter;
pub use validate::{RecordError, RecordRules, RecordStats, validate_records};
