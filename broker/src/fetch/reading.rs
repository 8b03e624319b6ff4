//! A look at one partition for one fetch: the checks, and where the records are.
//!
//! The order of the checks is Kafka's: leader epoch first, then a diverging log, then the offset.
//! Nothing waits here but a lookup that memory cannot answer, which runs on the disk pool.

use std::sync::Arc;

use odradek_protocol::error_code::ErrorCode;
use odradek_storage::{
    error::ReadError,
    leader_epoch::EpochEnd,
    read::{Located, LogSlice, ReadRequest},
};

use super::subscription::{Candidate, Told, Wanted};
use crate::{api::error_code, disk::pool::DiskPool, replica::Partition};

/// Which records a reader may see (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Up to the high watermark.
    ReadUncommitted,
    /// Up to the last stable offset.
    ReadCommitted,
}

/// How much one partition may add to the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Bytes left in the whole answer.
    pub(crate) bytes: u32,
    /// Nothing is in the answer yet: the first batch goes in whatever its size (KIP-74).
    pub(crate) empty_answer: bool,
}

/// What a partition's part of the answer will say.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) error: ErrorCode,
    /// -1 with an error, as are the other two.
    pub(crate) high_watermark: i64,
    pub(crate) last_stable: i64,
    pub(crate) log_start: i64,
    /// The records, if there are any to send.
    pub(crate) slice: Option<LogSlice>,
    /// The reader's log parts from ours after this point (KIP-595).
    pub(crate) diverging: Option<EpochEnd>,
    /// There are records, but no room for a batch of them.
    pub(crate) starved: bool,
}

impl Reading {
    /// An answer that is an error and nothing else.
    pub(crate) fn error(error: ErrorCode) -> Self {
        Self {
            error,
            high_watermark: -1,
            last_stable: -1,
            log_start: -1,
            slice: None,
            diverging: None,
            starved: false,
        }
    }

    /// Bytes of records.
    pub(crate) fn len(&self) -> u32 {
        self.slice.as_ref().map_or(0, |slice| slice.len)
    }

    /// Whether the fetch must be answered at once, however few bytes there are.
    pub(crate) fn is_urgent(&self) -> bool {
        self.error != ErrorCode::None || self.diverging.is_some() || self.starved
    }

    /// Whether the next fetch has to look at the partition even if nothing changes.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.is_urgent() || self.slice.is_some()
    }

    /// The offsets told; `None` with an error.
    pub(crate) fn told(&self) -> Option<Told> {
        (self.error == ErrorCode::None).then_some(Told {
            high_watermark: self.high_watermark,
            log_start: self.log_start,
        })
    }
}

/// Looks at `candidate`. Cancellation safe: nothing is changed.
pub(crate) async fn read(
    candidate: &Candidate,
    isolation: Isolation,
    room: Room,
    pool: &DiskPool,
) -> Reading {
    let partition = match &candidate.partition {
        Ok(partition) => partition,
        Err(code) => return Reading::error(*code),
    };
    if let Some(code) = stale_epoch(partition, candidate.wanted.current_leader_epoch) {
        return Reading::error(code);
    }
    let mut reading = Reading {
        error: ErrorCode::None,
        high_watermark: partition.high_watermark(),
        last_stable: partition.last_stable(),
        log_start: partition.log_start(),
        slice: None,
        diverging: None,
        starved: false,
    };
    match divergence(partition, &candidate.wanted) {
        Ok(None) => {}
        Ok(diverging) => {
            return Reading {
                diverging,
                ..reading
            };
        }
        Err(code) => return Reading::error(code),
    }
    let wanted = request(&candidate.wanted, isolation, room, &reading);
    match locate(partition, wanted, pool).await {
        Ok(Located::Slice(slice)) => reading.slice = Some(slice),
        Ok(Located::Empty) => reading.starved = wanted.offset < wanted.upper_offset,
        Ok(Located::OutOfRange) => return Reading::error(ErrorCode::OffsetOutOfRange),
        Ok(Located::NeedsDisk) => return Reading::error(ErrorCode::KafkaStorageError),
        Err(code) => return Reading::error(code),
    }
    reading
}

/// The error for a reader that believes in another leader epoch than ours (KIP-320).
pub(crate) fn stale_epoch(partition: &Partition, believed: i32) -> Option<ErrorCode> {
    let current = partition.leader_epoch();
    if believed < 0 || believed == current {
        None
    } else if believed < current {
        Some(ErrorCode::FencedLeaderEpoch)
    } else {
        Some(ErrorCode::UnknownLeaderEpoch)
    }
}

/// Where the reader's log parts from ours, if it told the epoch of its last record.
fn divergence(partition: &Partition, wanted: &Wanted) -> Result<Option<EpochEnd>, ErrorCode> {
    if wanted.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let Some(end) = partition
        .view()
        .end_offset_for_epoch(wanted.last_fetched_epoch)
    else {
        return Err(ErrorCode::OffsetOutOfRange);
    };
    if wanted.fetch_offset < partition.log_start() {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    let parted = end.epoch < wanted.last_fetched_epoch || end.end_offset < wanted.fetch_offset;
    Ok(parted.then_some(end))
}

fn request(wanted: &Wanted, isolation: Isolation, room: Room, reading: &Reading) -> ReadRequest {
    ReadRequest {
        offset: wanted.fetch_offset,
        upper_offset: match isolation {
            Isolation::ReadUncommitted => reading.high_watermark,
            Isolation::ReadCommitted => reading.last_stable,
        },
        max_bytes: wanted.max_bytes.min(room.bytes),
        at_least_one: room.empty_answer,
    }
}

async fn locate(
    partition: &Arc<Partition>,
    request: ReadRequest,
    pool: &DiskPool,
) -> Result<Located, ErrorCode> {
    let located = partition.view().locate(&request);
    if !matches!(located, Located::NeedsDisk) {
        return Ok(located);
    }
    let reader = Arc::clone(partition);
    let job = pool.run(move || reader.view().locate_on_disk(&request));
    match job.await {
        Ok(Ok(located)) => Ok(located),
        Ok(Err(error)) => {
            report(partition, &error);
            Err(error_code::of_read(&error))
        }
        Err(_) => Err(ErrorCode::KafkaStorageError),
    }
}

fn report(partition: &Partition, error: &ReadError) {
    tracing::error!(
        topic = %partition.topic(),
        partition = partition.index(),
        error = error as &dyn std::error::Error,
        "records cannot be read"
    );
}
