//! What a topic's configuration means to the log engine, already parsed and typed.
//!
//! The names are Kafka's, with `.` written as `_`. Defaults are Kafka's defaults. Settings that
//! others act upon (`min.insync.replicas`, `compression.type`, …) are not here.

use odradek_protocol::records::TimestampType;

/// The configuration of one log. Replaced as a whole by [`Log::update_config`].
///
/// [`Log::update_config`]: crate::log::Log::update_config
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is rolled before it would grow beyond this.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment is rolled when its first record is older than this.
    pub segment_ms: u64,
    /// `segment.jitter.ms`: at most this much is taken off `segment_ms`, so that segments of many
    /// partitions do not roll at once.
    pub segment_jitter_ms: u64,
    /// `segment.index.bytes`: a segment is rolled when one of its indexes has grown to this.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`: bytes of log between two index entries.
    pub index_interval_bytes: u32,
    /// `max.message.bytes`: the largest batch accepted, as it arrives.
    pub max_message_bytes: u32,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a record's timestamp may lie in the past.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far a record's timestamp may lie in the future.
    pub timestamp_after_max_ms: i64,
    /// `cleanup.policy` holds `delete`: retention by time and size removes old segments.
    pub cleanup_delete: bool,
    /// `cleanup.policy` holds `compact`: every record must have a key, and of each key the last
    /// record stays.
    pub cleanup_compact: bool,
    /// `retention.ms`; `None` (-1) keeps segments whatever their age.
    pub retention_ms: Option<u64>,
    /// `retention.bytes`; `None` (-1) keeps segments whatever the log's size.
    pub retention_bytes: Option<u64>,
    /// `min.cleanable.dirty.ratio`: compaction is due when a larger part of the log than this, from
    /// 0 to 1, was not compacted yet.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: a record younger than this is not compacted, nor what follows it.
    pub min_compaction_lag_ms: u64,
    /// `max.compaction.lag.ms`: compaction is due when a record is older than this and was not
    /// compacted yet, whatever the ratio. `i64::MAX` is never.
    pub max_compaction_lag_ms: u64,
    /// `delete.retention.ms`: how long compaction leaves a tombstone that it has come across.
    pub delete_retention_ms: u64,
    /// `file.delete.delay.ms`: time between marking a file as deleted and removing it.
    pub file_delete_delay_ms: u64,
    /// `flush.messages`: an append that leaves this many records unflushed is flushed before it is
    /// acknowledged.
    pub flush_messages: i64,
    /// `flush.ms`: an append this long after the last flush is flushed before it is acknowledged.
    pub flush_ms: i64,
}

impl LogConfig {
    /// A segment is rolled when its first record is older than this, in ms: what is active is not
    /// compacted, so `max.compaction.lag.ms` bounds it too.
    pub fn roll_after_ms(&self) -> u64 {
        if self.cleanup_compact && 0 < self.max_compaction_lag_ms {
            self.segment_ms.min(self.max_compaction_lag_ms)
        } else {
            self.segment_ms
        }
    }
}

const HOUR_MS: u64 = 60 * 60 * 1000;
const WEEK_MS: u64 = 7 * 24 * HOUR_MS;

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: WEEK_MS,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 << 20,
            index_interval_bytes: 4096,
            max_message_bytes: (1 << 20) + 12,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: HOUR_MS as i64,
            cleanup_delete: true,
            cleanup_compact: false,
            retention_ms: Some(WEEK_MS),
            retention_bytes: None,
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX as u64,
            delete_retention_ms: 24 * HOUR_MS,
            file_delete_delay_ms: 60_000,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
        }
    }
}
