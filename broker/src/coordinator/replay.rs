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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use odradek_protocol::records::{
        BatchBuilder,
        batch::CRC_COVERS_FROM,
        control::{EndTransactionMarker, Outcome},
    };

    use super::*;

    #[derive(Default)]
    struct Keys(Vec<Vec<u8>>);

    impl Replay for Keys {
        fn take(&mut self, batch: &BatchRecords) -> bool {
            let keys = batch
                .iter()
                .map(|record| record.unwrap().key.unwrap().to_vec());
            self.0.extend(keys);
            true
        }
    }

    fn batch(key: &str) -> Vec<u8> {
        let batch = BatchBuilder::new().record(1, Some(key.as_bytes()), None);
        batch.build().to_bytes().to_vec()
    }

    fn give(batches: &[Vec<u8>]) -> (Vec<Vec<u8>>, Replayed) {
        let chunk = Chunk {
            batches: batches.concat().into(),
            next: Some(7),
        };
        let mut keys = Keys::default();
        let taken = chunk.give_to(&mut keys);
        assert_eq!((taken.next, taken.ended), (Some(7), false));
        (keys.0, taken.found)
    }

    #[test]
    fn a_broken_batch_is_left_out_and_does_not_hide_the_next() {
        let mut broken = batch("broken");
        *broken.last_mut().unwrap() ^= 1;
        let mut unreadable = batch("unreadable");
        unreadable[CRC_COVERS_FROM + 1] |= 0x07; // No such codec.
        let (keys, found) = give(&[batch("a"), broken, batch("b")]);
        assert_eq!(keys, [b"a", b"b"]);
        assert_eq!((found.records, found.broken_batches), (2, 1));
        let (keys, found) = give(&[batch("a"), unreadable, batch("b")]);
        assert_eq!((keys.len(), found.broken_batches), (1, 1), "{keys:?}");
    }

    #[test]
    fn the_markers_of_transactions_are_no_state() {
        let marker = EndTransactionMarker {
            outcome: Outcome::Commit,
            coordinator_epoch: 0,
        };
        let marker = BatchBuilder::end_transaction(1, 0, marker, 1);
        let marker = marker.build().to_bytes().to_vec();
        let (keys, found) = give(&[batch("a"), marker, batch("b")]);
        assert_eq!(keys, [b"a", b"b"]);
        assert_eq!((found.records, found.broken_batches), (2, 0));
    }
}
