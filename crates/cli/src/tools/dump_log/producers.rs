//! `.snapshot`: what a log remembers of its producers. Apache Kafka writes one row for each, its
//! last batch; we write up to five, oldest first.

use std::{fs, path::Path};

use odradek_storage::producer_state::{SnapshotRow, snapshot_rows};

use super::{DumpError, optional};
use crate::output;

/// Prints each row, or tells that the file is damaged: a broker then reads more of the log instead.
pub(super) fn dump(path: &Path) -> Result<(), DumpError> {
    let bytes = fs::read(path).map_err(DumpError::unreadable(path))?;
    match snapshot_rows(&bytes) {
        Ok(rows) => {
            for (producer_id, row) in rows {
                output::line(&line(producer_id, &row));
            }
        }
        Err(problem) => {
            output::flush();
            output::error(&format!(
                "Snapshot {} is corrupt: {problem}",
                path.display()
            ));
        }
    }
    Ok(())
}

fn line(producer_id: i64, row: &SnapshotRow) -> String {
    let producer = format!(
        "producerId: {producer_id} producerEpoch: {} coordinatorEpoch: {} \
         currentTxnFirstOffset: {} lastTimestamp: {}",
        row.epoch,
        row.coordinator_epoch,
        optional(row.transaction_start),
        row.timestamp,
    );
    let Some(batch) = row.batch else {
        return producer;
    };
    format!(
        "{producer} firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} \
         timestamp: {}",
        batch.base_sequence(),
        batch.last_sequence,
        batch.last_offset,
        batch.offset_delta,
        batch.timestamp,
    )
}
