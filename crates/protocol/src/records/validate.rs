//! What a leader checks in a producer's batch, record by record, before it enters a log.

use super::batch::RecordBatch;

/// What a topic asks of every record.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecordRules {
    /// Every record needs a key, as on a compacted topic.
    pub require_keys: bool,
}

/// What validation learned about a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordStats {
    /// The smallest timestamp of all records, in ms.
    pub min_timestamp: i64,
    /// The largest timestamp of all records, in ms.
    pub max_timestamp: i64,
    /// Offset of the first record with the largest timestamp, minus the base offset.
    pub max_timestamp_delta: i32,
}

/// Why a batch's records are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {}

/// Checks every record of a producer's batch.
pub fn validate_records(
    _batch: &RecordBatch,
    _rules: RecordRules,
) -> Result<RecordStats, RecordError> {
    Ok(RecordStats {
        min_timestamp: 0,
        max_timestamp: 0,
        max_timestamp_delta: 0,
    })
}
