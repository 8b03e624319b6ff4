//! The decoder against truncated, oversized and malformed input.
#![allow(clippy::unwrap_used)]

use super::*;

const CLASSIC: Format = Format {
    version: 0,
    flexible: false,
};
const FLEXIBLE: Format = Format {
    version: 0,
    flexible: true,
};

fn decode<T: Wire>(bytes: &[u8], format: Format) -> Result<T, DecodeError> {
    let frame = Bytes::copy_from_slice(bytes);
    let mut decoder = Decoder::new(&frame);
    let value = T::decode(&mut decoder, format)?;
    decoder.expect_end()?;
    Ok(value)
}

#[test]
fn strings_are_read_in_both_forms() {
    assert_eq!(decode(&[0, 2, b'h', b'i'], CLASSIC), Ok("hi".to_owned()));
    assert_eq!(decode(&[3, b'h', b'i'], FLEXIBLE), Ok("hi".to_owned()));
    assert_eq!(decode(&[255, 255], CLASSIC), Ok(None::<String>));
    assert_eq!(decode(&[0], FLEXIBLE), Ok(None::<String>));
}

#[test]
fn null_is_refused_where_a_value_is_required() {
    let refused = |at| DecodeError::UnexpectedNull { at };
    assert_eq!(decode::<String>(&[255, 255], CLASSIC), Err(refused(2)));
    assert_eq!(decode::<Bytes>(&[0], FLEXIBLE), Err(refused(1)));
    assert_eq!(decode::<Vec<i32>>(&[255; 4], CLASSIC), Err(refused(4)));
}

#[test]
fn a_count_beyond_the_frame_is_refused_before_anything_is_reserved() {
    for count in [5, i32::MAX, -2, i32::MIN] {
        let mut bytes = count.to_be_bytes().to_vec();
        bytes.extend([0; 4]);
        let error = decode::<Vec<i8>>(&bytes, CLASSIC).unwrap_err();
        assert_eq!(
            error,
            DecodeError::InvalidLength {
                at: 0,
                length: i64::from(count)
            }
        );
    }
    let error = decode::<Vec<i8>>(&[0xff, 0xff, 0xff, 0xff, 0x0f], FLEXIBLE).unwrap_err();
    assert_eq!(
        error,
        DecodeError::InvalidLength {
            at: 0,
            length: i64::from(u32::MAX) - 1
        }
    );
}

#[test]
fn a_large_array_reserves_no_more_than_the_frame_could_hold() {
    let frame = Bytes::from([&1000i32.to_be_bytes()[..], &[0; 2000]].concat());
    let decoded: Vec<i16> = Wire::decode(&mut Decoder::new(&frame), CLASSIC).unwrap();
    assert_eq!(decoded.capacity(), 1000);
}

#[test]
fn a_flood_of_empty_strings_is_refused() {
    let count = 1_000_000u32;
    let mut bytes = Vec::new();
    varint::write_u32(&mut bytes, count + 1);
    bytes.extend(std::iter::repeat_n(1u8, count as usize));
    let error = decode::<Vec<String>>(&bytes, FLEXIBLE).unwrap_err();
    assert_eq!(
        error,
        DecodeError::TooManyElements {
            frame_len: bytes.len()
        }
    );
}

#[test]
fn bytes_that_are_not_utf8_become_replacement_characters_as_in_kafka() {
    assert_eq!(
        decode(&[4, b'a', 0xff, b'b'], FLEXIBLE),
        Ok("a\u{fffd}b".to_owned())
    );
}

#[test]
fn bytes_are_slices_of_the_frame() {
    let frame = Bytes::from_static(&[0, 0, 0, 3, 1, 2, 3]);
    let bytes: Bytes = Wire::decode(&mut Decoder::new(&frame), CLASSIC).unwrap();
    assert_eq!(bytes.as_ptr(), frame.slice(4..).as_ptr());
}

#[test]
fn unknown_tags_are_skipped_and_known_ones_read() {
    // Three tags: 1 (two bytes), 5 (one byte, known), 300 (none).
    let frame = Bytes::from_static(&[3, 1, 2, 9, 9, 5, 1, 42, 0xac, 0x02, 0, 7]);
    let mut decoder = Decoder::new(&frame);
    let mut seen = None;
    decoder
        .read_tagged_fields(|decoder, tag| {
            if tag == 5 {
                seen = Some(i8::decode(decoder, FLEXIBLE)?);
            }
            Ok(tag == 5)
        })
        .unwrap();
    assert_eq!(seen, Some(42));
    assert_eq!(decoder.remaining(), 1);
}

#[test]
fn of_a_repeated_tag_the_last_counts_and_the_order_does_not_matter() {
    let frame = Bytes::from_static(&[3, 5, 1, 1, 2, 0, 5, 1, 9]);
    let mut seen = None;
    Decoder::new(&frame)
        .read_tagged_fields(|decoder, tag| {
            if tag == 5 {
                seen = Some(i8::decode(decoder, FLEXIBLE)?);
            }
            Ok(tag == 5)
        })
        .unwrap();
    assert_eq!(seen, Some(9));
}

#[test]
fn a_known_tag_must_fill_its_size_and_cannot_read_beyond_it() {
    let read_i16 = |frame: &[u8]| {
        let frame = Bytes::copy_from_slice(frame);
        Decoder::new(&frame).read_tagged_fields(|decoder, _| decoder.read_i16().map(|_| true))
    };
    assert_eq!(read_i16(&[1, 0, 2, 0, 7]), Ok(()));
    let longer = DecodeError::TrailingBytes {
        at: 5,
        remaining: 1,
    };
    assert_eq!(read_i16(&[1, 0, 3, 0, 7, 0]), Err(longer));
    let shorter = DecodeError::Truncated { at: 3, needed: 2 };
    assert_eq!(read_i16(&[1, 0, 1, 0, 7, 0]), Err(shorter));
}

#[test]
fn a_tag_count_or_size_beyond_the_frame_is_refused() {
    for bytes in [
        &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0][..],
        &[1, 0, 200, 1][..],
    ] {
        let frame = Bytes::copy_from_slice(bytes);
        assert!(Decoder::new(&frame).skip_tagged_fields().is_err());
    }
}
