//! What may enter a log, and as what: one group of produce requests at a time.

use bytes::Bytes;

use crate::error::AppendError;

/// Who assigned the offsets of what is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendOrigin {
    /// A producer: this replica is the leader, checks everything and assigns offsets.
    Client,
    /// The partition's leader: offsets and epochs are given, and are only checked to continue.
    Leader,
}

/// What holds for all requests of one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendContext {
    /// Who sent the records.
    pub origin: AppendOrigin,
    /// The epoch in which this replica leads; written into the batches of a client.
    pub leader_epoch: i32,
    /// The time now, in ms since the Unix epoch.
    pub now_ms: i64,
}

/// What happened to a group.
#[derive(Debug)]
pub struct AppendOutcome {
    /// One result for each request, in the same order.
    pub results: Vec<Result<Appended, AppendError>>,
    /// `flush.messages` or `flush.ms` asks for a flush before any of these is acknowledged.
    pub flush_required: bool,
}

/// Where one request's records are in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// The append time given to all records, in ms, if the topic uses `LogAppendTime`.
    pub log_append_time_ms: Option<i64>,
    /// The first offset of the log at that time.
    pub log_start_offset: i64,
    /// The records were appended by an earlier request already, at these offsets (KIP-98).
    pub duplicate: bool,
}

/// One partition's part of one produce (or follower fetch) request.
#[derive(Debug, Clone)]
pub struct AppendRequest {
    /// The record set: a slice of the frame that it came in.
    pub records: Bytes,
}
