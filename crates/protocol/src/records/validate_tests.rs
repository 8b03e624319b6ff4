//! Tests of what a leader accepts from a producer.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::records::{Attributes, BatchBuilder};

const ANY: RecordRules = RecordRules {
    require_keys: false,
};

fn builder() -> BatchBuilder {
    BatchBuilder::new()
        .record(2_000, Some(b"a"), Some(b"one"))
        .record_with_headers(3_000, None, Some(b"two"), &[(b"h", None)])
        .record(1_000, Some(b"c"), None)
        .record(3_000, Some(b"d"), Some(&[7; 300]))
}

/// The batch with its header changed; the checksum is not this file's business.
fn with_header(batch: &RecordBatch, change: impl FnOnce(&mut BatchHeader)) -> RecordBatch {
    let mut header = *batch.header();
    change(&mut header);
    RecordBatch::parse(&[&header.encode(), batch.body().as_ref()].concat().into()).unwrap()
}

/// A batch around any body, which is compressed first.
fn with_records(codec: Compression, count: i32, records: &[u8]) -> RecordBatch {
    let body = codec.compress(records);
    let mut header = *BatchBuilder::new().record(0, None, None).build().header();
    header.attributes = Attributes::default().with_compression(codec);
    header.record_count = count;
    header.last_offset_delta = count - 1;
    header.length = 49 + body.len() as i32;
    RecordBatch::parse(&[header.encode().as_slice(), &body].concat().into()).unwrap()
}

#[test]
fn a_producers_batch_is_accepted_in_every_codec() {
    for codec in Compression::ALL {
        let stats = validate_records(&builder().compression(codec).build(), ANY);
        let expected = RecordStats {
            min_timestamp: 1_000,
            max_timestamp: 3_000,
            max_timestamp_delta: 1,
        };
        assert_eq!(stats, Ok(expected), "{codec}");
    }
}

#[test]
fn with_append_time_only_the_batchs_timestamp_counts() {
    let mut batch = builder().build();
    batch.set_max_timestamp(TimestampType::LogAppendTime, 77);
    let expected = RecordStats {
        min_timestamp: 77,
        max_timestamp: 77,
        max_timestamp_delta: 0,
    };
    assert_eq!(validate_records(&batch, ANY), Ok(expected));
}

#[test]
fn records_larger_than_any_buffer_are_walked_over() {
    let value = vec![b'v'; 3 << 20];
    for codec in Compression::ALL {
        let builder = BatchBuilder::new()
            .compression(codec)
            .record(1, None, Some(&value));
        let batch = builder.record(2, None, Some(&value)).build();
        assert_eq!(
            validate_records(&batch, ANY).unwrap().max_timestamp,
            2,
            "{codec}"
        );
    }
}

#[test]
fn a_compacted_topic_needs_keys() {
    for codec in Compression::ALL {
        let result = validate_records(
            &builder().compression(codec).build(),
            RecordRules { require_keys: true },
        );
        assert_eq!(result, Err(RecordError::MissingKey { index: 1 }), "{codec}");
        assert_eq!(result.unwrap_err().record_index(), Some(1));
    }
}

#[test]
fn headers_that_only_a_broker_may_write_are_refused() {
    let batch = builder().build();
    let control = with_header(&batch, |header| {
        header.attributes = header.attributes.with_control(true);
    });
    assert_eq!(
        validate_records(&control, ANY),
        Err(RecordError::ControlBatch)
    );
    let placed = with_header(&batch, |header| header.base_offset = 5);
    assert_eq!(
        validate_records(&placed, ANY),
        Err(RecordError::BaseOffset { base_offset: 5 })
    );
}

#[test]
fn an_idempotent_producer_has_to_number_its_records() {
    for (epoch, base_sequence) in [(0, -1), (-1, 0)] {
        let batch = builder().producer(9, epoch, base_sequence).build();
        let expected = RecordError::Sequence {
            producer_id: 9,
            epoch,
            base_sequence,
        };
        assert_eq!(validate_records(&batch, ANY), Err(expected));
    }
    validate_records(&builder().producer(9, 0, 0).build(), ANY).unwrap();
}

#[test]
fn counts_that_do_not_fit_the_offsets_are_refused() {
    let batch = builder().build();
    for (record_count, last_offset_delta) in [(0, 0), (3, 3), (4, 4), (0, i32::MAX)] {
        let lying = with_header(&batch, |header| {
            header.record_count = record_count;
            header.last_offset_delta = last_offset_delta;
        });
        let expected = RecordError::RecordCount {
            record_count,
            last_offset_delta,
        };
        assert_eq!(validate_records(&lying, ANY), Err(expected));
    }
}

#[test]
fn counts_that_do_not_fit_the_records_are_refused() {
    for codec in Compression::ALL {
        let batch = builder().compression(codec).build();
        let with_count = |count: i32| {
            let lying = with_header(&batch, |header| {
                header.record_count = count;
                header.last_offset_delta = count - 1;
            });
            validate_records(&lying, ANY)
        };
        assert_eq!(with_count(3), Err(RecordError::TrailingBytes), "{codec}");
        for count in [5, i32::MAX] {
            let truncated = RecordError::Malformed {
                index: 4,
                problem: MalformedRecord::Truncated,
            };
            assert_eq!(with_count(count), Err(truncated), "{codec}");
        }
    }
}

#[test]
fn offsets_have_to_follow_each_other() {
    // Two records with the offset deltas in question.
    let records = |first: u8, second: u8| [12, 0, 0, first, 1, 1, 0, 12, 0, 0, second, 1, 1, 0];
    for codec in Compression::ALL {
        let check = |first: u8, second: u8, expected| {
            let batch = with_records(codec, 2, &records(first, second));
            let result = validate_records(&batch, ANY).map(|_| ());
            assert_eq!(result, expected, "{codec}");
        };
        check(0, 2, Ok(()));
        check(
            2,
            2,
            Err(RecordError::OffsetDelta {
                index: 0,
                offset_delta: 1,
            }),
        );
        check(
            0,
            0,
            Err(RecordError::OffsetDelta {
                index: 1,
                offset_delta: 0,
            }),
        );
        check(
            0,
            1,
            Err(RecordError::OffsetDelta {
                index: 1,
                offset_delta: -1,
            }),
        );
        check(
            0,
            4,
            Err(RecordError::OffsetDelta {
                index: 1,
                offset_delta: 2,
            }),
        );
    }
}

#[test]
fn timestamps_cannot_overflow() {
    let mut batch = builder().build();
    batch = with_header(&batch, |header| header.base_timestamp = i64::MAX);
    let problem = MalformedRecord::TimestampDelta { delta: 1_000 };
    let expected = RecordError::Malformed { index: 1, problem };
    assert_eq!(validate_records(&batch, ANY), Err(expected));
}

#[test]
fn garbage_after_the_records_is_refused() {
    for codec in Compression::ALL {
        let batch = with_records(codec, 1, &[12, 0, 0, 0, 1, 1, 0, 99]);
        assert_eq!(
            validate_records(&batch, ANY),
            Err(RecordError::TrailingBytes),
            "{codec}"
        );
    }
}

#[test]
fn garbage_after_the_compressed_data_is_refused() {
    for codec in Compression::ALL {
        let batch = builder().compression(codec).build();
        let mut bytes = batch.to_bytes().to_vec();
        bytes.push(0);
        let length = (bytes.len() as i32 - 12).to_be_bytes();
        bytes[8..12].copy_from_slice(&length);
        let batch = RecordBatch::parse(&bytes.into()).unwrap();
        validate_records(&batch, ANY).unwrap_err();
    }
}

#[test]
fn compressed_data_that_is_cut_short_is_refused_at_every_length() {
    for codec in Compression::ALL {
        let batch = builder().compression(codec).build();
        for cut in 1..=batch.body().len() {
            let header = BatchHeader {
                length: batch.header().length - cut as i32,
                ..*batch.header()
            };
            let body = batch.body().slice(..batch.body().len() - cut);
            let bytes = [header.encode().as_slice(), &body].concat();
            let batch = RecordBatch::parse(&bytes.into()).unwrap();
            assert!(
                validate_records(&batch, ANY).is_err(),
                "{codec}, {cut} bytes cut"
            );
        }
    }
}
