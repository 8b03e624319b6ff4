//! `.log` files, batch by batch. A batch whose header can be read is printed, whatever is wrong
//! with it; what cannot be read is told, and the next batch begins where this one's length says.

use std::{fs::File, os::unix::fs::FileExt, path::Path};

use bytes::Bytes;
use odradek_protocol::records::{
    BatchError, BatchHeader, BatchRecords, HEADER_LEN, Record, RecordBatch, TimestampType,
    batch::{LENGTH_PREFIX_LEN, MAGIC},
    control::{EndTransactionMarker, Outcome},
};

use super::{DumpError, absolute, base_offset, decoder::Decoder, optional};
use crate::output;

/// Where the magic is in a batch of any format.
const MAGIC_AT: usize = 16;

/// The shortest batch that any format had, without base offset and length.
const BATCH_BYTES_MIN: i32 = 14;

/// What to print of a segment.
#[derive(Debug, Clone)]
pub(super) struct How {
    /// Each record, and not only each batch.
    pub(super) records: bool,
    /// Of a record its offset, times and sizes.
    pub(super) record_metadata: bool,
    /// Of a record its key and value.
    pub(super) contents: Option<Decoder>,
    /// How much of the file to read.
    pub(super) bytes_max: u64,
    /// Whether to tell what follows the last whole batch.
    pub(super) tells_trailing: bool,
}

/// A segment's file, read where it is asked for.
#[derive(Debug)]
pub(super) struct Segment<'a> {
    pub(super) path: &'a Path,
    file: File,
    end: u64,
}

/// What a segment has at some position.
#[derive(Debug)]
pub(super) enum Found {
    Batch(FoundBatch),
    /// Something as long as a batch.
    Unreadable {
        end: u64,
        error: DumpError,
    },
}

/// A batch whose header could be read.
#[derive(Debug)]
pub(super) struct FoundBatch {
    pub(super) position: u64,
    pub(super) header: BatchHeader,
    /// The whole batch: what the length in its header says.
    bytes: Bytes,
}

impl<'a> Segment<'a> {
    /// Opens the first `bytes_max` bytes of a segment's file.
    pub(super) fn open(path: &'a Path, bytes_max: u64) -> Result<Self, DumpError> {
        let file = File::open(path).map_err(DumpError::unreadable(path))?;
        let metadata = file.metadata().map_err(DumpError::unreadable(path))?;
        Ok(Self {
            path,
            file,
            end: metadata.len().min(bytes_max),
        })
    }

    /// The batch that begins there; `None` where no whole one does.
    ///
    /// # Errors
    /// If the file cannot be read, or nobody knows where the next batch begins.
    pub(super) fn batch_at(&self, position: u64) -> Result<Option<Found>, DumpError> {
        let damaged = |reason| DumpError::Batch {
            path: self.path.to_owned(),
            position,
            reason,
        };
        let left = self.end.saturating_sub(position);
        if left < HEADER_LEN as u64 {
            return Ok(None);
        }
        let mut head = [0; HEADER_LEN];
        self.read(&mut head, position)?;
        let [.., l0, l1, l2, l3] = *head
            .first_chunk::<LENGTH_PREFIX_LEN>()
            .expect("a header is longer");
        let length = i32::from_be_bytes([l0, l1, l2, l3]);
        let invalid = BatchError::InvalidLength { length };
        if length < BATCH_BYTES_MIN {
            return Err(damaged(invalid));
        }
        let total = length as u64 + LENGTH_PREFIX_LEN as u64;
        if left < total {
            return Ok(None);
        }
        let header = if total < HEADER_LEN as u64 {
            Err(invalid)
        } else {
            read_header(&head)
        };
        let header = match header {
            Ok(header) => header,
            Err(reason) => {
                let (end, error) = (position + total, damaged(reason));
                return Ok(Some(Found::Unreadable { end, error }));
            }
        };
        let mut bytes = vec![0; total as usize];
        self.read(&mut bytes, position)?;
        Ok(Some(Found::Batch(FoundBatch {
            position,
            header,
            bytes: bytes.into(),
        })))
    }

    fn read(&self, into: &mut [u8], position: u64) -> Result<(), DumpError> {
        let read = self.file.read_exact_at(into, position);
        read.map_err(DumpError::unreadable(self.path))
    }
}

fn read_header(head: &[u8; HEADER_LEN]) -> Result<BatchHeader, BatchError> {
    let magic = head.get(MAGIC_AT).map_or(MAGIC, |magic| *magic as i8);
    if magic != MAGIC {
        return Err(BatchError::UnsupportedMagic { magic });
    }
    BatchHeader::read(head)
}

impl FoundBatch {
    /// Where the next batch begins.
    pub(super) fn end(&self) -> u64 {
        self.position + self.bytes.len() as u64
    }

    /// The offset of its last record, as far as its header can be believed.
    pub(super) fn last_offset(&self) -> i64 {
        let delta = i64::from(self.header.last_offset_delta);
        self.header.base_offset.wrapping_add(delta)
    }

    fn is_valid(&self) -> bool {
        let body = self.bytes.get(HEADER_LEN..).unwrap_or_default();
        self.header.checksum(body) == self.header.crc
    }

    /// Its records, decompressed.
    pub(super) fn records(&self, path: &Path) -> Result<BatchRecords, DumpError> {
        let damaged = |reason| DumpError::Batch {
            path: path.to_owned(),
            position: self.position,
            reason,
        };
        let batch = RecordBatch::parse(&self.bytes).map_err(damaged)?;
        BatchRecords::read(&batch).map_err(|error| self.bad_record(path, 1, error.to_string()))
    }

    /// Says which record is damaged, counted from 1.
    pub(super) fn bad_record(&self, path: &Path, ordinal: usize, reason: String) -> DumpError {
        DumpError::Record {
            path: path.to_owned(),
            position: self.position,
            ordinal,
            reason,
        }
    }
}

/// Prints a segment.
pub(super) fn dump(path: &Path, how: &How) -> Result<(), DumpError> {
    output::line(&format!("Log starting offset: {}", base_offset(path)?));
    let segment = Segment::open(path, how.bytes_max)?;
    let mut findings = Findings::default();
    let dumped = dump_batches(&segment, how, &mut findings);
    findings.tell_gaps(path);
    let trailing = segment.end - dumped?;
    if 0 < trailing && how.tells_trailing {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        output::line(&format!(
            "Found {trailing} invalid bytes at the end of {name}"
        ));
    }
    if findings.damaged_batches == 0 {
        return Ok(());
    }
    Err(DumpError::Incomplete {
        path: path.to_owned(),
        batches: findings.damaged_batches,
    })
}

/// Prints batches up to the first that is not whole, and returns where that begins.
fn dump_batches(
    segment: &Segment<'_>,
    how: &How,
    findings: &mut Findings,
) -> Result<u64, DumpError> {
    let mut position = 0;
    while let Some(found) = segment.batch_at(position)? {
        match found {
            Found::Batch(batch) => {
                output::line(&batch_line(&batch));
                if how.records
                    && let Err(error) = dump_records(&batch, segment.path, how, findings)
                {
                    findings.damaged(&error);
                }
                position = batch.end();
            }
            Found::Unreadable { end, error } => {
                findings.damaged(&error);
                position = end;
            }
        }
    }
    Ok(position)
}

fn batch_line(batch: &FoundBatch) -> String {
    let header = &batch.header;
    let attributes = header.attributes;
    let horizon = attributes
        .has_delete_horizon()
        .then_some(header.base_timestamp);
    format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} \
         producerId: {} producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} \
         isControl: {} deleteHorizonMs: {} position: {} {}: {} size: {} magic: {MAGIC} \
         compresscodec: {} crc: {} isvalid: {}",
        header.base_offset,
        batch.last_offset(),
        header.record_count,
        header.base_sequence,
        sequence(header, header.last_offset_delta),
        header.producer_id,
        header.producer_epoch,
        header.partition_leader_epoch,
        attributes.is_transactional(),
        attributes.is_control(),
        optional(horizon),
        batch.position,
        timestamp_type(header),
        header.max_timestamp,
        batch.bytes.len(),
        attributes.compression(),
        header.crc,
        batch.is_valid(),
    )
}

/// The sequence number of the record at that distance from the first; -1 stays -1.
fn sequence(header: &BatchHeader, offset_delta: i32) -> i32 {
    if header.base_sequence < 0 {
        return header.base_sequence;
    }
    header.base_sequence.wrapping_add(offset_delta) & i32::MAX
}

fn timestamp_type(header: &BatchHeader) -> &'static str {
    match header.attributes.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn dump_records(
    batch: &FoundBatch,
    path: &Path,
    how: &How,
    findings: &mut Findings,
) -> Result<(), DumpError> {
    let is_control = batch.header.attributes.is_control();
    let records = batch.records(path)?;
    for (record, ordinal) in records.iter().zip(1..) {
        let record = record.map_err(|error| batch.bad_record(path, ordinal, error.to_string()))?;
        findings.see(record.offset);
        let metadata = how
            .record_metadata
            .then(|| record_metadata(&batch.header, &record));
        let decoder = how.contents.as_ref().filter(|_| !is_control);
        let contents = decoder
            .map(|decoder| decoder.contents(&records, &record))
            .transpose()
            .map_err(|reason| batch.bad_record(path, ordinal, reason.to_string()))?;
        let parts = [metadata, contents].into_iter().flatten();
        let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
        let mark = if parts.is_empty() { "" } else { "| " };
        output::line(&format!("{mark}{}", parts.join(" ")));
    }
    Ok(())
}

fn record_metadata(header: &BatchHeader, record: &Record<'_>) -> String {
    let size = |field: Option<&[u8]>| field.map_or(-1, |bytes| bytes.len() as i64);
    let header_keys: Vec<_> = record
        .headers
        .clone()
        .map(|(key, _)| String::from_utf8_lossy(key))
        .collect();
    let delta = record.offset.wrapping_sub(header.base_offset) as i32;
    let metadata = format!(
        "offset: {} {}: {} keySize: {} valueSize: {} sequence: {} headerKeys: [{}]",
        record.offset,
        timestamp_type(header),
        record.timestamp,
        size(record.key),
        size(record.value),
        sequence(header, delta),
        header_keys.join(","),
    );
    let marker = EndTransactionMarker::parse(record);
    match marker.filter(|_| header.attributes.is_control()) {
        Some(marker) => format!("{metadata} {}", marker_text(marker)),
        None => metadata,
    }
}

fn marker_text(marker: EndTransactionMarker) -> String {
    let outcome = match marker.outcome {
        Outcome::Abort => "ABORT",
        Outcome::Commit => "COMMIT",
    };
    let epoch = marker.coordinator_epoch;
    format!("endTxnMarker: {outcome} coordinatorEpoch: {epoch}")
}

/// What is wrong with a segment.
#[derive(Debug, Default)]
struct Findings {
    last_offset: Option<i64>,
    /// Offsets that do not follow each other: where compaction was at work, or damage.
    gaps: Vec<(i64, i64)>,
    /// Batches of which not everything could be printed.
    damaged_batches: usize,
}

impl Findings {
    fn see(&mut self, offset: i64) {
        if let Some(last) = self.last_offset
            && last.wrapping_add(1) != offset
        {
            self.gaps.push((last, offset));
        }
        self.last_offset = Some(offset);
    }

    /// Tells of damage beside the lines to which it belongs.
    fn damaged(&mut self, error: &DumpError) {
        self.damaged_batches += 1;
        output::flush();
        output::error(&error.to_string());
    }

    fn tell_gaps(&self, path: &Path) {
        if self.gaps.is_empty() {
            return;
        }
        output::flush();
        output::error(&format!("Non-consecutive offsets in {}", absolute(path)));
        for (last, next) in &self.gaps {
            output::error(&format!("  {last} is followed by {next}"));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use odradek_protocol::records::BatchBuilder;

    use super::*;

    fn segment_of(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("00000000000000000000.log");
        std::fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    fn batch() -> Vec<u8> {
        let batch = BatchBuilder::new()
            .base_offset(7)
            .record(1_000, Some(b"k"), Some(b"v"))
            .build();
        batch.to_bytes().to_vec()
    }

    #[test]
    fn a_batch_with_a_flipped_bit_is_printed_and_called_invalid() {
        let mut bytes = batch();
        *bytes.last_mut().unwrap() ^= 1;
        let (_dir, path) = segment_of(&bytes);
        let segment = Segment::open(&path, u64::MAX).unwrap();
        let Found::Batch(found) = segment.batch_at(0).unwrap().unwrap() else {
            panic!("its header can be read");
        };
        let line = batch_line(&found);
        assert!(line.starts_with("baseOffset: 7 lastOffset: 7 count: 1 baseSequence: -1"));
        assert!(line.contains("CreateTime: 1000 size: 70 magic: 2 compresscodec: none"));
        assert!(line.ends_with("isvalid: false"), "{line}");
    }

    #[test]
    fn a_torn_batch_is_none_and_a_length_without_room_is_damage() {
        let whole = batch();
        for len in [whole.len() - 1, HEADER_LEN, 5, 0] {
            let (_dir, path) = segment_of(&whole[..len]);
            let segment = Segment::open(&path, u64::MAX).unwrap();
            assert!(segment.batch_at(0).unwrap().is_none(), "{len} bytes");
        }
        for length in [0, -5, 13] {
            let mut bytes = whole.clone();
            bytes[8..12].copy_from_slice(&i32::to_be_bytes(length));
            let (_dir, path) = segment_of(&bytes);
            let error = Segment::open(&path, u64::MAX).unwrap().batch_at(0);
            let text = error.unwrap_err().to_string();
            assert!(
                text.contains("the batch at position 0 is damaged"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_as_long_as_a_batch_is_passed_over() {
        let mut bytes = batch();
        bytes[MAGIC_AT] = 9;
        let (_dir, path) = segment_of(&bytes);
        let segment = Segment::open(&path, u64::MAX).unwrap();
        let Found::Unreadable { end, error } = segment.batch_at(0).unwrap().unwrap() else {
            panic!("nobody knows magic 9");
        };
        assert_eq!(end, bytes.len() as u64);
        assert!(error.to_string().contains("magic 9"), "{error}");
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let whole = batch();
        let how = How {
            records: true,
            record_metadata: true,
            contents: Some(Decoder::GroupRecords),
            bytes_max: u64::MAX,
            tells_trailing: false,
        };
        for at in 0..whole.len() {
            for byte in [0, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                let (_dir, path) = segment_of(&bytes);
                let segment = Segment::open(&path, u64::MAX).unwrap();
                if let Ok(Some(Found::Batch(found))) = segment.batch_at(0) {
                    batch_line(&found);
                    if let Ok(records) = found.records(&path) {
                        for record in records.iter().flatten() {
                            record_metadata(&found.header, &record);
                            let _ = how.contents.as_ref().unwrap().contents(&records, &record);
                        }
                    }
                }
            }
        }
    }
}
