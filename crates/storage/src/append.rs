//! What may enter a log, and as what: one group of requests at a time.
//!
//! Everything here is checked without looking at the log. What depends on it comes later, in
//! [`Log::append_group`](crate::log::Log::append_group): offsets, the producer's sequence, whether
//! a new segment is due.

use bytes::Bytes;
use odradek_protocol::records::{
    BatchError, Batches, RecordBatch, RecordRules, TimestampType, batch::NO_TIMESTAMP,
    validate_records,
};
use smallvec::{SmallVec, smallvec};

use crate::{config::LogConfig, error::AppendError};

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
    /// The epoch in which this replica leads, written into the batches of a client; or follows,
    /// then batches of later epochs are left out.
    pub leader_epoch: i32,
    /// The time now, in ms since the Unix epoch.
    pub now_ms: i64,
}

/// One partition's part of one produce (or follower fetch) request.
#[derive(Debug, Clone)]
pub struct AppendRequest {
    /// The record set: a slice of the frame that it came in.
    pub records: Bytes,
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

/// The batches of one request that passed all checks which need no log: one from a client, any
/// number from a leader.
pub(crate) type CheckedBatches = SmallVec<[RecordBatch; 1]>;

/// Checks one request. The checksum of every batch is compared here, and never again.
pub(crate) fn check(
    request: &AppendRequest,
    config: &LogConfig,
    context: AppendContext,
) -> Result<CheckedBatches, AppendError> {
    match context.origin {
        AppendOrigin::Client => check_client(&request.records, config, context.now_ms),
        AppendOrigin::Leader => check_leader(&request.records, context.leader_epoch),
    }
}

fn check_client(
    records: &Bytes,
    config: &LogConfig,
    now_ms: i64,
) -> Result<CheckedBatches, AppendError> {
    let mut batches = Batches::new(records.clone());
    let Some(first) = batches.next() else {
        return Err(AppendError::NotOneBatch { found: 0 });
    };
    let mut batch = first.map_err(AppendError::MalformedBatch)?;
    if batches.next().is_some() {
        return Err(AppendError::NotOneBatch { found: 2 });
    }
    // Cheap checks first, then the one pass over all bytes.
    let size = batch.header().total_len();
    if u64::from(config.max_message_bytes) < size as u64 {
        return Err(AppendError::RecordTooLarge {
            size,
            limit: config.max_message_bytes,
        });
    }
    if u64::from(config.segment_bytes) < size as u64 {
        return Err(AppendError::RecordListTooLarge {
            size,
            limit: config.segment_bytes,
        });
    }
    batch.verify_crc().map_err(AppendError::MalformedBatch)?;
    let rules = RecordRules {
        require_keys: config.cleanup_compact,
    };
    let stats = validate_records(&batch, rules).map_err(AppendError::InvalidRecord)?;
    if batch.header().attributes.is_transactional() {
        return Err(AppendError::Transactional);
    }
    if batch.header().attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Err(AppendError::ClaimsLogAppendTime);
    }
    match config.timestamp_type {
        TimestampType::LogAppendTime => {
            batch.set_max_timestamp(TimestampType::LogAppendTime, now_ms);
        }
        TimestampType::CreateTime => {
            check_timestamp(stats.min_timestamp, config, now_ms)?;
            check_timestamp(stats.max_timestamp, config, now_ms)?;
            // A producer that got the maximum wrong would mislead the time index.
            batch.set_max_timestamp(TimestampType::CreateTime, stats.max_timestamp);
        }
    }
    Ok(smallvec![batch])
}

/// A timestamp has to lie within the topic's limits around now (KIP-937). None at all is fine.
fn check_timestamp(timestamp: i64, config: &LogConfig, now_ms: i64) -> Result<(), AppendError> {
    let earliest = now_ms.saturating_sub(config.timestamp_before_max_ms);
    let latest = now_ms.saturating_add(config.timestamp_after_max_ms);
    if timestamp == NO_TIMESTAMP || (earliest..=latest).contains(&timestamp) {
        Ok(())
    } else {
        Err(AppendError::InvalidTimestamp {
            timestamp,
            earliest,
            latest,
        })
    }
}

/// A leader's batches were checked when they entered its log. The bytes may have suffered on the
/// way; an incomplete batch at the end is what a fetch cut off.
fn check_leader(records: &Bytes, leader_epoch: i32) -> Result<CheckedBatches, AppendError> {
    let mut checked = CheckedBatches::new();
    for batch in Batches::new(records.clone()) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(BatchError::Incomplete { .. }) => break,
            Err(error) => return Err(AppendError::MalformedBatch(error)),
        };
        // Written by a leader that this replica does not follow yet (KAFKA-18723).
        if leader_epoch < batch.header().partition_leader_epoch {
            break;
        }
        batch.verify_crc().map_err(AppendError::MalformedBatch)?;
        checked.push(batch);
    }
    if checked.is_empty() {
        return Err(AppendError::NotOneBatch { found: 0 });
    }
    Ok(checked)
}
