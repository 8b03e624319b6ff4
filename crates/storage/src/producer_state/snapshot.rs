//! The `.snapshot` file: producer state as of one offset, in Kafka's format, version 1.
//!
//! Apache Kafka writes one row per producer, its last batch. We write up to five, oldest first:
//! Kafka's reader lets a later row of the same producer replace an earlier one and so sees what it
//! would have written itself, while ours remembers all five across a restart. A row's layout:
//!
//! ```text
//! producer id i64 | epoch i16 | last sequence i32 | last offset i64 | offset delta i32
//!   | timestamp i64 | coordinator epoch i32 | transaction start i64 or -1
//! ```
//!
//! behind a header of version i16, CRC-32C u32 (of everything after it), number of rows i32. All
//! integers are big endian. A file that does not match in every byte is [`SnapshotError::Corrupt`]:
//! the caller falls back to an older snapshot and replays more of the log.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{Producer, ProducerLimits, ProducerState, RememberedBatch};
use crate::disk::{Disk, read_file, write_file_atomically};

const VERSION: i16 = 1;
/// Version and CRC; the CRC covers everything behind.
const CHECKED_FROM: usize = 6;
const HEADER_LEN: usize = 10;
const ROW_LEN: usize = 46;
const SUFFIX: &str = ".snapshot";

/// A snapshot that cannot be written, or not be used: then fall back to an older one.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// The file system refused.
    #[error("access {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The content is damaged.
    #[error("{}: {problem}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// The name of the snapshot taken at `offset`: 20 digits and `.snapshot`.
pub fn snapshot_file_name(offset: i64) -> String {
    format!("{offset:020}{SUFFIX}")
}

/// The offset in the name of a snapshot; `None` for any other file.
pub fn snapshot_offset(file_name: &str) -> Option<i64> {
    let digits = file_name.strip_suffix(SUFFIX)?;
    let proper = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    proper.then(|| digits.parse().ok()).flatten()
}

impl ProducerState {
    /// Writes the state, which must be that of a log replayed up to but excluding `offset`,
    /// durably as `{offset}.snapshot` into the partition's directory.
    pub fn save(
        &self,
        disk: &dyn Disk,
        partition_dir: &Path,
        offset: i64,
    ) -> Result<(), SnapshotError> {
        let path = partition_dir.join(snapshot_file_name(offset));
        write_file_atomically(disk, &path, &self.encode())
            .map_err(|source| SnapshotError::Io { path, source })
    }

    /// Reads the snapshot taken at `offset`.
    pub fn load(
        disk: &dyn Disk,
        partition_dir: &Path,
        offset: i64,
        limits: ProducerLimits,
    ) -> Result<Self, SnapshotError> {
        let path = partition_dir.join(snapshot_file_name(offset));
        match read_file(disk, &path) {
            Ok(bytes) => Self::decode(&bytes, limits)
                .map_err(|problem| SnapshotError::Corrupt { path, problem }),
            Err(source) => Err(SnapshotError::Io { path, source }),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let rows: usize = self
            .producers
            .values()
            .map(|it| it.batches.len().max(1))
            .sum();
        let mut bytes = Vec::with_capacity(HEADER_LEN + rows * ROW_LEN);
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend((rows as i32).to_be_bytes());
        for (&producer_id, producer) in &self.producers {
            for row in producer.rows() {
                row.encode(producer_id, &mut bytes);
            }
        }
        let (head, checked) = bytes.split_at_mut(CHECKED_FROM);
        let crc = crc32c::crc32c(checked);
        head[2..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8], limits: ProducerLimits) -> Result<Self, &'static str> {
        let mut state = Self::new(limits);
        for (producer_id, row) in snapshot_rows(bytes)? {
            let mut producer = state.take(producer_id, row.epoch);
            producer.apply(&row);
            state.put(producer_id, producer);
        }
        Ok(state)
    }
}

/// The rows of a snapshot with the id of the producer of each, as they stand in the file; or what
/// is wrong with it.
pub fn snapshot_rows(
    bytes: &[u8],
) -> Result<impl Iterator<Item = (i64, SnapshotRow)>, &'static str> {
    let (header, rows) = bytes
        .split_first_chunk::<HEADER_LEN>()
        .ok_or("shorter than a header")?;
    let [v0, v1, c0, c1, c2, c3, count @ ..] = *header;
    if i16::from_be_bytes([v0, v1]) != VERSION {
        return Err("unknown version");
    }
    let checked = bytes.get(CHECKED_FROM..).unwrap_or_default();
    if crc32c::crc32c(checked) != u32::from_be_bytes([c0, c1, c2, c3]) {
        return Err("checksum does not match");
    }
    let (rows, rest) = rows.as_chunks::<ROW_LEN>();
    if !rest.is_empty() || i32::from_be_bytes(count) != rows.len() as i32 {
        return Err("length does not match the number of rows");
    }
    Ok(rows.iter().map(SnapshotRow::decode))
}

/// One row, without its producer id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotRow {
    /// The producer's epoch.
    pub epoch: i16,
    /// Its last batch, or one of those before; `None` for a producer of which only a transaction
    /// marker is known.
    pub batch: Option<RememberedBatch>,
    /// The newest timestamp of the batch, or of the marker, in ms.
    pub timestamp: i64,
    /// Epoch of the transaction coordinator that wrote the last marker, or -1.
    pub coordinator_epoch: i32,
    /// Where the open transaction began.
    pub transaction_start: Option<i64>,
}

impl Producer {
    /// The producer's rows; all that only the newest can say stands in the last one.
    fn rows(&self) -> Vec<SnapshotRow> {
        let row = |batch: Option<RememberedBatch>| SnapshotRow {
            epoch: self.epoch,
            timestamp: batch.map_or(self.last_timestamp, |batch| batch.timestamp),
            batch,
            coordinator_epoch: self.coordinator_epoch,
            transaction_start: None,
        };
        let mut rows: Vec<SnapshotRow> =
            self.batches.iter().map(|batch| row(Some(*batch))).collect();
        if rows.is_empty() {
            rows.push(row(None));
        }
        if let Some(newest) = rows.last_mut() {
            newest.timestamp = self.last_timestamp;
            newest.transaction_start = self.transaction_start;
        }
        rows
    }

    fn apply(&mut self, row: &SnapshotRow) {
        self.enter_epoch(row.epoch);
        if let Some(batch) = row.batch {
            self.remember(batch);
        }
        self.last_timestamp = row.timestamp;
        self.coordinator_epoch = row.coordinator_epoch;
        self.transaction_start = row.transaction_start;
    }
}

impl SnapshotRow {
    fn encode(&self, producer_id: i64, bytes: &mut Vec<u8>) {
        let (sequence, offset, delta) = self.batch.map_or((-1, -1, 0), |batch| {
            (batch.last_sequence, batch.last_offset, batch.offset_delta)
        });
        bytes.extend(producer_id.to_be_bytes());
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(offset.to_be_bytes());
        bytes.extend(delta.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.coordinator_epoch.to_be_bytes());
        bytes.extend(self.transaction_start.unwrap_or(-1).to_be_bytes());
    }

    fn decode(row: &[u8; ROW_LEN]) -> (i64, Self) {
        let mut rest = row.as_slice();
        let producer_id = i64::from_be_bytes(take(&mut rest));
        let epoch = i16::from_be_bytes(take(&mut rest));
        let last_sequence = i32::from_be_bytes(take(&mut rest));
        let last_offset = i64::from_be_bytes(take(&mut rest));
        let offset_delta = i32::from_be_bytes(take(&mut rest));
        let timestamp = i64::from_be_bytes(take(&mut rest));
        let coordinator_epoch = i32::from_be_bytes(take(&mut rest));
        let transaction_start = i64::from_be_bytes(take(&mut rest));
        let batch = RememberedBatch {
            last_sequence,
            offset_delta,
            last_offset,
            timestamp,
        };
        let row = Self {
            epoch,
            batch: (last_offset >= 0).then_some(batch),
            timestamp,
            coordinator_epoch,
            transaction_start: (transaction_start >= 0).then_some(transaction_start),
        };
        (producer_id, row)
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let (head, rest) = bytes
        .split_first_chunk()
        .expect("a row has room for all its fields");
    *bytes = rest;
    *head
}
