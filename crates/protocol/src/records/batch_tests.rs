//! Tests of batch headers, checksums and the iterator over a record set.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::records::BatchBuilder;

fn batch() -> RecordBatch {
    BatchBuilder::new()
        .producer(7, 3, 100)
        .record(1_000, Some(b"a"), Some(b"one"))
        .record(1_500, Some(b"b"), Some(b"two"))
        .build()
}

const CRC_AT: usize = 17;

/// The bytes of `batch()` with some of them replaced: damage on the way.
fn bytes_with(at: usize, replacement: &[u8]) -> Bytes {
    let mut bytes = batch().to_bytes().to_vec();
    bytes[at..at + replacement.len()].copy_from_slice(replacement);
    bytes.into()
}

/// The same with the checksum that belongs to them: a producer that builds nonsense.
fn built_with(at: usize, replacement: &[u8]) -> Bytes {
    let mut bytes = bytes_with(at, replacement).to_vec();
    let crc = crc32c::crc32c(&bytes[CRC_COVERS_FROM..]);
    bytes[CRC_AT..CRC_COVERS_FROM].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

#[track_caller]
fn check_refused(at: usize, replacement: &[u8], expected: BatchError) {
    assert_eq!(
        RecordBatch::parse(&built_with(at, replacement)),
        Err(expected)
    );
}

#[test]
fn a_header_survives_parsing_and_encoding() {
    let bytes = batch().to_bytes();
    let parsed = RecordBatch::parse(&bytes).unwrap();
    assert_eq!(parsed, batch());
    assert_eq!(parsed.to_bytes(), bytes);
    assert_eq!(parsed.header().total_len(), bytes.len());
    parsed.verify_crc().unwrap();
}

#[test]
fn unknown_attribute_bits_survive_and_count_in_the_checksum() {
    let bytes = bytes_with(21, &0x7f80_u16.to_be_bytes());
    let mut parsed = RecordBatch::parse(&bytes).unwrap();
    assert_eq!(parsed.to_bytes(), bytes);
    parsed.verify_crc().unwrap_err();
    parsed.set_max_timestamp(TimestampType::LogAppendTime, 9);
    assert_eq!(parsed.header().attributes.bits(), 0x7f88);
    parsed.verify_crc().unwrap();
}

#[test]
fn parsing_shares_the_body_with_the_frame() {
    let frame = batch().to_bytes();
    let parsed = RecordBatch::parse(&frame).unwrap();
    assert_eq!(parsed.body().as_ptr(), frame[HEADER_LEN..].as_ptr());
}

#[test]
fn older_formats_and_unknown_ones_are_told_apart_from_damage() {
    for magic in [0_i8, 1, 3, -1] {
        check_refused(
            16,
            &magic.to_be_bytes(),
            BatchError::UnsupportedMagic { magic },
        );
    }
    // A message of format 1 is shorter than a batch header.
    let mut message = [0; 34];
    message[16] = 1;
    assert_eq!(
        BatchHeader::parse(&message),
        Err(BatchError::UnsupportedMagic { magic: 1 })
    );
}

#[test]
fn a_length_without_room_for_the_header_is_refused() {
    for length in [i32::MIN, -1, 0, 48] {
        check_refused(
            8,
            &length.to_be_bytes(),
            BatchError::InvalidLength { length },
        );
    }
}

#[test]
fn a_length_beyond_the_bytes_is_incomplete_whatever_it_claims() {
    let available = batch().to_bytes().len();
    for length in [available as i32 - 11, i32::MAX] {
        let needed = length as usize + 12;
        check_refused(
            8,
            &length.to_be_bytes(),
            BatchError::Incomplete { needed, available },
        );
    }
}

#[test]
fn every_truncation_is_incomplete() {
    let bytes = batch().to_bytes();
    for len in 0..bytes.len() {
        let result = RecordBatch::parse(&bytes.slice(..len));
        assert!(
            matches!(result, Err(BatchError::Incomplete { .. })),
            "{len}: {result:?}"
        );
    }
}

#[test]
fn offsets_that_are_negative_or_could_overflow_are_refused() {
    for base_offset in [i64::MIN, -1, i64::MAX, i64::MAX - i64::from(i32::MAX)] {
        check_refused(
            0,
            &base_offset.to_be_bytes(),
            BatchError::InvalidBaseOffset { base_offset },
        );
    }
    let largest = (i64::MAX - i64::from(i32::MAX) - 1).to_be_bytes();
    let header = BatchHeader {
        last_offset_delta: i32::MAX,
        ..BatchHeader::parse(&bytes_with(0, &largest)).unwrap()
    };
    assert_eq!(header.next_offset(), i64::MAX);
}

#[test]
fn counts_and_deltas_that_do_not_fit_are_refused() {
    let last_offset_delta = -1;
    let expected = BatchError::InvalidLastOffsetDelta { last_offset_delta };
    check_refused(23, &last_offset_delta.to_be_bytes(), expected);
    for record_count in [-1, i32::MIN, 3, i32::MAX] {
        let expected = BatchError::InvalidRecordCount {
            record_count,
            last_offset_delta: 1,
        };
        check_refused(57, &record_count.to_be_bytes(), expected);
    }
}

#[test]
fn a_batch_that_compaction_emptied_is_valid() {
    let header = BatchHeader::parse(&bytes_with(57, &0_i32.to_be_bytes())).unwrap();
    assert_eq!((header.record_count, header.next_offset()), (0, 2));
}

#[test]
fn codecs_that_do_not_exist_are_refused() {
    for codec in 5..8 {
        check_refused(22, &[codec], BatchError::UnknownCompression { codec });
    }
}

#[test]
fn every_changed_bit_that_the_checksum_covers_is_noticed_as_damage() {
    let bytes = batch().to_bytes();
    for at in CRC_AT..bytes.len() {
        for bit in 0..8 {
            let flipped = bytes_with(at, &[bytes[at] ^ (1 << bit)]);
            let result = RecordBatch::parse(&flipped).and_then(|batch| batch.verify_crc());
            let is_damage = matches!(result, Err(BatchError::CrcMismatch { .. }));
            assert!(is_damage, "byte {at} bit {bit}: {result:?}");
        }
    }
}

#[test]
fn placing_a_batch_in_a_log_leaves_its_checksum_alone() {
    let mut placed = batch();
    placed.assign(1 << 40, 12);
    assert_eq!(placed.header().base_offset, 1 << 40);
    assert_eq!(placed.header().last_offset(), (1 << 40) + 1);
    assert_eq!(placed.header().next_offset(), (1 << 40) + 2);
    assert_eq!(placed.header().partition_leader_epoch, 12);
    assert_eq!(placed.header().crc, batch().header().crc);
    RecordBatch::parse(&placed.to_bytes())
        .unwrap()
        .verify_crc()
        .unwrap();
}

#[test]
fn the_append_time_replaces_the_producers_and_renews_the_checksum() {
    let mut stamped = batch();
    stamped.set_max_timestamp(TimestampType::LogAppendTime, 5_000);
    let reread = RecordBatch::parse(&stamped.to_bytes()).unwrap();
    assert_eq!(
        reread.header().attributes.timestamp_type(),
        TimestampType::LogAppendTime
    );
    assert_eq!(reread.header().max_timestamp, 5_000);
    assert_ne!(reread.header().crc, batch().header().crc);
    reread.verify_crc().unwrap();
    stamped.set_max_timestamp(TimestampType::CreateTime, 1_500);
    assert_eq!(stamped, batch());
}

#[test]
fn sequences_wrap_to_zero() {
    let last = |base_sequence, last_offset_delta| {
        BatchHeader {
            last_offset_delta,
            base_sequence,
            ..*batch().header()
        }
        .last_sequence()
    };
    assert_eq!(last(100, 1), 101);
    assert_eq!(last(i32::MAX, 0), i32::MAX);
    assert_eq!(last(i32::MAX, 1), 0);
    assert_eq!(last(i32::MAX - 1, 3), 1);
    assert_eq!(last(i32::MAX, i32::MAX), i32::MAX - 1);
}

#[test]
fn a_record_set_yields_its_batches_and_then_what_stopped_it() {
    let whole = batch().to_bytes();
    let set: Bytes = [whole.as_ref(), whole.as_ref(), &whole[..30]]
        .concat()
        .into();
    let batches: Vec<_> = Batches::new(set).collect();
    let incomplete = Err(BatchError::Incomplete {
        needed: HEADER_LEN,
        available: 30,
    });
    assert_eq!(batches, [Ok(batch()), Ok(batch()), incomplete]);
    assert_eq!(Batches::new(Bytes::new()).count(), 0);
}

#[test]
fn attributes_say_what_was_set() {
    let plain = Attributes::default();
    assert!(!plain.is_control() && !plain.is_transactional() && !plain.has_delete_horizon());
    for compression in Compression::ALL {
        let attributes = plain
            .with_transactional(true)
            .with_control(true)
            .with_compression(Compression::Gzip)
            .with_compression(compression);
        assert_eq!(attributes.compression(), compression);
        assert!(attributes.is_transactional() && attributes.is_control());
        assert_eq!(Attributes::from_bits(attributes.bits()), Ok(attributes));
    }
    assert!(Attributes::from_bits(1 << 6).unwrap().has_delete_horizon());
}
