//! Tests of varints and of the layout of single records.

#![allow(clippy::unwrap_used)]

use super::*;

/// Both sources have to agree; the stream is the bytes unchanged.
fn read<T: PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    from_slice: impl FnOnce(&mut SliceSource<'_>) -> T,
    from_stream: impl FnOnce(&mut DecompressedStream<'_>) -> T,
) -> T {
    use crate::records::compression::{Compression, decompress::with_stream};
    let result = from_slice(&mut SliceSource::new(bytes));
    assert_eq!(
        with_stream(Compression::None, bytes, u64::MAX, from_stream),
        result
    );
    result
}

fn varint(bytes: &[u8]) -> Result<i32, MalformedRecord> {
    read(bytes, |slice| slice.varint(), |stream| stream.varint())
}

fn varlong(bytes: &[u8]) -> Result<i64, MalformedRecord> {
    read(bytes, |slice| slice.varlong(), |stream| stream.varlong())
}

/// Reads one record whole, headers included.
fn record(bytes: &[u8]) -> Result<(), MalformedRecord> {
    fn whole<S: Source>(source: &mut S) -> Result<(), MalformedRecord> {
        let head = read_head(source)?;
        skip_headers(source, &head)
    }
    read(bytes, |slice| whole(slice), |stream| whole(stream))
}

#[test]
fn signed_numbers_survive() {
    for value in [
        0,
        1,
        -1,
        63,
        -64,
        64,
        -65,
        8191,
        1 << 20,
        i32::MAX.into(),
        i32::MIN.into(),
    ] {
        let mut bytes = Vec::new();
        put_varlong(&mut bytes, value);
        assert_eq!(varlong(&bytes), Ok(value));
        assert_eq!(varint(&bytes), Ok(value as i32));
    }
    for value in [i64::MAX, i64::MIN, i64::from(i32::MAX) + 1] {
        let mut bytes = Vec::new();
        put_varlong(&mut bytes, value);
        assert_eq!(varlong(&bytes), Ok(value));
        assert_eq!(varint(&bytes), Err(MalformedRecord::VarintTooLong));
    }
}

#[test]
fn varints_that_never_end_or_hold_too_much_are_refused() {
    assert_eq!(varlong(&[0xff; 9]), Err(MalformedRecord::Truncated));
    assert_eq!(varlong(&[0xff; 10]), Err(MalformedRecord::VarintTooLong));
    assert_eq!(varlong(&[0x80; 11]), Err(MalformedRecord::VarintTooLong));
    assert_eq!(
        varint(&[0xff, 0xff, 0xff, 0xff, 0x1f]),
        Err(MalformedRecord::VarintTooLong)
    );
    assert_eq!(varint(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(i32::MIN));
}

// length 7: attributes, timestamp delta, offset delta, no key, no value, no headers
const MINIMAL: [u8; 7] = [12, 0, 0, 0, 1, 1, 0];

#[test]
fn the_smallest_record_is_seven_bytes() {
    assert_eq!(record(&MINIMAL), Ok(()));
    for len in 0..MINIMAL.len() {
        assert_eq!(
            record(&MINIMAL[..len]),
            Err(MalformedRecord::Truncated),
            "{len}"
        );
    }
}

#[test]
fn a_record_whose_length_is_not_that_of_its_fields_is_refused() {
    let with_length = |length: u8| {
        let mut bytes = MINIMAL.to_vec();
        bytes[0] = length;
        bytes.extend([0; 64]);
        record(&bytes)
    };
    assert_eq!(with_length(12), Ok(()));
    assert_eq!(with_length(14), Err(MalformedRecord::Length { length: 7 }));
    assert_eq!(with_length(10), Err(MalformedRecord::Length { length: 5 }));
    assert_eq!(with_length(1), Err(MalformedRecord::Length { length: -1 }));
}

#[test]
fn field_lengths_are_bounded_by_the_record_before_anything_is_read() {
    for length in [-2, i32::MIN, 3, i32::MAX] {
        let mut body = vec![0, 0, 0];
        put_varlong(&mut body, length.into());
        body.extend([1, 0]);
        let mut bytes = Vec::new();
        put_nullable(&mut bytes, Some(&body));
        bytes.extend([0; 64]);
        assert_eq!(
            record(&bytes),
            Err(MalformedRecord::FieldLength { length }),
            "{length}"
        );
    }
}

#[test]
fn header_counts_are_bounded_by_the_record() {
    for count in [-1, i32::MIN, 2, i32::MAX] {
        let mut body = vec![0, 0, 0, 1, 1];
        put_varlong(&mut body, count.into());
        body.extend([0, 1]);
        let mut bytes = Vec::new();
        put_nullable(&mut bytes, Some(&body));
        assert_eq!(
            record(&bytes),
            Err(MalformedRecord::HeaderCount { count }),
            "{count}"
        );
    }
}

#[test]
fn a_header_needs_a_key_and_may_lack_a_value() {
    let with_header = |header: &[u8]| {
        let mut bytes = Vec::new();
        put_nullable(&mut bytes, Some(&[&[0, 0, 0, 1, 1, 2], header].concat()));
        record(&bytes)
    };
    assert_eq!(with_header(&[0, 1]), Ok(()));
    assert_eq!(with_header(&[2, b'k', 2, b'v']), Ok(()));
    assert_eq!(
        with_header(&[1, 1]),
        Err(MalformedRecord::FieldLength { length: -1 })
    );
    assert_eq!(
        with_header(&[2, b'k', 3]),
        Err(MalformedRecord::FieldLength { length: -2 })
    );
    assert_eq!(
        with_header(&[0, 1, 0]),
        Err(MalformedRecord::Length { length: 9 })
    );
}
