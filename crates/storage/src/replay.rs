//! What the batches of a log tell of its producers, for when memory of them is gone.
//!
//! Producer state is a function of the log: the newest snapshot that can be read, and every batch
//! header from there on.

use std::path::Path;

use odradek_protocol::records::{BatchRecords, RecordBatch, control::EndTransactionMarker};

use crate::{
    disk::Disk,
    error::{IoError, ReadError},
    log::LogContext,
    producer_state::{
        ProducerState, SequencedBatch, TransactionMarker, snapshot_file_name, snapshot_offset,
    },
    scan::BatchAt,
    segment::Segment,
    segments::Segments,
    timestamps::read_batch,
};

/// Producers as of the end of a log, and what it took to know them.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) producers: ProducerState,
    /// The snapshot it began with.
    pub(crate) snapshot_offset: Option<i64>,
    /// Bytes of the batches whose headers were read.
    pub(crate) bytes: u64,
}

/// Rebuilds the producers of a log that ends at `log_end_offset`. Snapshots beyond it are removed:
/// they tell of records that are gone.
pub(crate) fn replay_producers(
    context: &LogContext,
    dir: &Path,
    segments: &Segments,
    log_end_offset: i64,
) -> Result<Replayed, ReadError> {
    let disk = context.disk().as_ref();
    let mut snapshots = list_snapshots(disk, dir)?;
    while let Some(offset) = snapshots.pop_if(|offset| log_end_offset < *offset) {
        remove_snapshot(disk, dir, offset)?;
    }
    let mut replayed = Replayed {
        producers: ProducerState::new(context.producers),
        snapshot_offset: None,
        bytes: 0,
    };
    for offset in snapshots.into_iter().rev() {
        match ProducerState::load(disk, dir, offset, context.producers) {
            Ok(producers) => {
                replayed.producers = producers;
                replayed.snapshot_offset = Some(offset);
                break;
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a producer snapshot cannot be used, looking for an older one"
            ),
        }
    }
    let from = replayed.snapshot_offset.unwrap_or(0);
    if from < log_end_offset {
        replay_from(segments, from, &mut replayed)?;
    }
    Ok(replayed)
}

/// The offsets of all snapshots in a directory, ascending.
pub(crate) fn list_snapshots(disk: &dyn Disk, dir: &Path) -> Result<Vec<i64>, IoError> {
    let entries = disk.list(dir).map_err(IoError::on("list", dir))?;
    let mut offsets: Vec<i64> = entries
        .iter()
        .filter_map(|entry| snapshot_offset(&entry.name))
        .collect();
    offsets.sort_unstable();
    Ok(offsets)
}

/// Removes a snapshot for good; it need not exist.
pub(crate) fn remove_snapshot(disk: &dyn Disk, dir: &Path, offset: i64) -> Result<(), IoError> {
    let path = dir.join(snapshot_file_name(offset));
    match disk.remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(IoError::on("remove", &path)(error))
        }
        _ => Ok(()),
    }
}

fn replay_from(segments: &Segments, offset: i64, replayed: &mut Replayed) -> Result<(), ReadError> {
    let first = segments.index_of(offset).unwrap_or(0);
    for segment in segments.iter().skip(first) {
        let mut walk = segment.walk_to(offset)?;
        while let Some(batch) = walk.next_batch()? {
            if batch.header.base_offset < offset {
                continue;
            }
            replayed.bytes += batch.header.total_len() as u64;
            replay_batch(segment, &batch, &mut replayed.producers)?;
        }
    }
    Ok(())
}

fn replay_batch(
    segment: &Segment,
    batch: &BatchAt,
    producers: &mut ProducerState,
) -> Result<(), ReadError> {
    let base_offset = batch.header.base_offset;
    if let Some(sequenced) = SequencedBatch::from_header(&batch.header) {
        producers.replay(&sequenced, base_offset);
    } else if batch.header.attributes.is_control()
        && let Some(marker) = transaction_marker(&read_batch(segment, batch)?)
    {
        producers.replay_marker(&marker, base_offset);
    }
    Ok(())
}

/// The end of a transaction, if that is what the batch holds.
pub(crate) fn transaction_marker(batch: &RecordBatch) -> Option<TransactionMarker> {
    let header = batch.header();
    if !header.attributes.is_control() || !header.has_producer_id() {
        return None;
    }
    let records = BatchRecords::read(batch).ok()?;
    let marker = EndTransactionMarker::parse(&records.iter().next()?.ok()?)?;
    Some(TransactionMarker {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        coordinator_epoch: marker.coordinator_epoch,
        timestamp: header.max_timestamp,
    })
}
