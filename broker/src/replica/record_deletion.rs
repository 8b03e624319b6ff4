//! Deleting the records of a partition below an offset, because a client asked for it.
//!
//! Only the log start moves. It is durable before anybody is told, so no restart brings a deleted
//! record back. The segments that lie wholly below go with the next retention check; the records
//! below the start in the segment that stays are never served again.
//!
//! **Invariant:** a log start never passes the high watermark.

use std::sync::Arc;

use odradek_storage::error::LogError;

use super::{manager::Manager, partition::Partition};
use crate::error_chain::ErrorChain;

/// Up to where the records of a partition are to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeleteBelow {
    /// This offset is the first to stay.
    Offset(i64),
    /// Everything committed goes.
    HighWatermark,
}

/// Why the records of a partition were not deleted.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum DeleteRecordsError {
    /// Records can only be deleted up to the high watermark.
    #[error("offset {offset} is not between 0 and the high watermark {high_watermark}")]
    OffsetOutOfRange { offset: i64, high_watermark: i64 },
    /// `cleanup.policy` is `compact` alone: then the topic promises the last value of every key.
    #[error("the topic is only compacted")]
    OnlyCompacted,
    /// The partition was deleted or closed meanwhile.
    #[error("the partition is closed")]
    Closed,
    /// The log cannot be changed, or the change cannot be made durable.
    #[error("the log directory failed")]
    Storage,
}

impl Manager {
    /// Deletes records of several partitions, each with its own outcome: its new log start, which
    /// is durable. Blocks.
    pub(crate) fn delete_records(
        &self,
        deletions: &[(Arc<Partition>, DeleteBelow)],
    ) -> Vec<Result<i64, DeleteRecordsError>> {
        let mut outcomes: Vec<_> = deletions
            .iter()
            .map(|(partition, below)| partition.delete_records(*below))
            .collect();
        if outcomes.iter().all(Result::is_err) {
            return outcomes;
        }
        // Also if no start moved: an earlier request may have moved it and failed here.
        let written = self
            .checkpoints
            .write_log_starts(&self.logs.dir, &self.catalog);
        if let Err(error) = written {
            tracing::error!(error = %ErrorChain(&error), "checkpoint log starts");
            for outcome in &mut outcomes {
                *outcome = outcome.clone().and(Err(DeleteRecordsError::Storage));
            }
        }
        outcomes
    }
}

impl Partition {
    /// Moves the log start, in memory. Returns where it is now; it never moves back. Blocks.
    fn delete_records(&self, below: DeleteBelow) -> Result<i64, DeleteRecordsError> {
        let mut log = self.log.lock();
        let log = log.as_mut().ok_or(DeleteRecordsError::Closed)?;
        if log.config().cleanup_compact && !log.config().cleanup_delete {
            return Err(DeleteRecordsError::OnlyCompacted);
        }
        let high_watermark = self.high_watermark();
        let offset = match below {
            DeleteBelow::HighWatermark => high_watermark,
            DeleteBelow::Offset(offset) => offset,
        };
        if offset < 0 || high_watermark < offset {
            return Err(DeleteRecordsError::OffsetOutOfRange {
                offset,
                high_watermark,
            });
        }
        let moved = log.advance_log_start(offset).map_err(|error| {
            if !matches!(error, LogError::Offline) {
                let partition = self.identity();
                tracing::error!(%partition, error = %ErrorChain(&error), "delete records");
            }
            DeleteRecordsError::Storage
        })?;
        if moved {
            self.watchers.notify();
        }
        Ok(self.log_start())
    }
}
