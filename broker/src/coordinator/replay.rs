//! Reading a state log from its first record to its last.
//!
//! **Invariants:**
//! - Everything happens on the disk pool, chunk by chunk, so that nothing else waits for long.
//! - Batches that are broken are left out and counted; they do not hide those behind them.
//!
//! Deliberately absent: what the records mean.

use std::{io, ops::Range, sync::Arc};

use bytes::Bytes;
use odradek_protocol::records::{BatchRecords, Batches};
use odradek_storage::{
    error::ReadError,
    read::{Located, ReadRequest},
};

use super::state_log::StateLog;
use crate::{
    disk::{DiskPool, pool::JobLost},
    replica::{Partition, PartitionError},
};

/// Takes the records of a replay, on a thread of the disk pool.
pub(crate) trait Replay: Send + 'static {
    /// Takes the records of one batch. `false` ends the replay.
    fn take(&mut self, batch: &BatchRecords) -> bool;
}

/// What a replay found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// Records that were taken.
    pub(crate) records: u64,
    /// Bytes that were read.
    pub(crate) bytes: u64,
    /// Batches that were left out because their bytes are not what was written.
    pub(crate) broken_batches: u64,
}

/// Why a log could not be replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// The partition is not led from here.
    #[error("the state log is not here")]
    Partition(#[from] PartitionError),
    /// The batches could not be found.
    #[error("find batches in the state log")]
    Locate(#[from] ReadError),
    /// The file could not be read.
    #[error("read batches from the state log")]
    Read(#[from] io::Error),
    /// The broker is stopping, or a job panicked.
    #[error(transparent)]
    Lost(#[from] JobLost),
    /// Whoever took the records wanted no more.
    #[error("the replay was ended early")]
    Ended,
}

impl StateLog {
    /// Gives every record to `replay`, from the first to the one that is the last when this
    /// begins.
    ///
    /// Reads up to `chunk_bytes` at once, or one batch that is larger. Dropped, it ends after the
    /// present chunk.
    pub(crate) async fn replay<R: Replay>(
        &self,
        mut replay: R,
        pool: &DiskPool,
        chunk_bytes: u32,
    ) -> Result<(R, Replayed), ReplayError> {
        let partition = self.led_partition()?;
        let end = partition.view().log_end_offset();
        let mut next = partition.log_start();
        let mut replayed = Replayed::default();
        while next < end {
            let reader = Arc::clone(&partition);
            let job = move || {
                let chunk = read_chunk(&reader, next..end, chunk_bytes)?;
                let taken = chunk.give_to(&mut replay);
                Ok::<_, ReplayError>((replay, taken))
            };
            let taken: Taken;
            (replay, taken) = pool.run(job).await??;
            if taken.ended {
                return Err(ReplayError::Ended);
            }
            replayed.records += taken.found.records;
            replayed.bytes += taken.found.bytes;
            replayed.broken_batches += taken.found.broken_batches;
            next = taken.next.unwrap_or(end);
        }
        Ok((replay, replayed))
    }
}

/// Batches as they were read from a segment.
struct Chunk {
    batches: Bytes,
    /// The offset behind them; `None` where there is nothing more.
    next: Option<i64>,
}

/// What became of a chunk.
struct Taken {
    next: Option<i64>,
    found: Replayed,
    ended: bool,
}

/// Reads from the start of a range of offsets, up to its end at most. Blocks.
fn read_chunk(
    partition: &Partition,
    offsets: Range<i64>,
    chunk_bytes: u32,
) -> Result<Chunk, ReplayError> {
    let request = ReadRequest {
        // Somebody may delete records meanwhile.
        offset: offsets.start.max(partition.log_start()),
        upper_offset: offsets.end,
        max_bytes: chunk_bytes,
        at_least_one: true,
    };
    let Located::Slice(slice) = partition.view().locate_on_disk(&request)? else {
        // Compaction may have left nothing up to the end.
        return Ok(Chunk {
            batches: Bytes::new(),
            next: None,
        });
    };
    let mut batches = vec![0; slice.len as usize];
    slice.file.read_exact_at(&mut batches, slice.position)?;
    Ok(Chunk {
        batches: batches.into(),
        next: slice.end_offset,
    })
}

impl Chunk {
    fn give_to(self, replay: &mut impl Replay) -> Taken {
        let mut taken = Taken {
            next: self.next,
            found: Replayed {
                bytes: self.batches.len() as u64,
                ..Replayed::default()
            },
            ended: false,
        };
        for batch in Batches::new(self.batches) {
            // What is not even a batch ends the chunk; the next one begins behind it.
            let Ok(batch) = batch else {
                taken.found.broken_batches += 1;
                break;
            };
            let header = batch.header();
            // The markers that end transactions are no state.
            if header.attributes.is_control() {
                continue;
            }
            match BatchRecords::read(&batch) {
                Ok(records) if batch.verify_crc().is_ok() => {
                    taken.found.records += u64::from(header.record_count.unsigned_abs());
                    taken.ended = taken.ended || !replay.take(&records);
                }
                _ => taken.found.broken_batches += 1,
            }
        }
        taken
    }
}
