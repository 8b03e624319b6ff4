//! Whole frames exchanged with Apache Kafka 4.3.1, taken apart by hand; one file per group of APIs.
//!
//! The requests were written by Kafka's own client classes and the responses by its broker. Where
//! something is shortened or was written by hand, the file says so. Each frame must decode to the
//! value shown and encode back to the same bytes.
#![allow(clippy::unwrap_used)]

mod administration;
mod api_versions;
mod configuration;
mod fetch;
mod metadata;
mod placement;
mod produce;

use bytes::Bytes;
use odradek_protocol::frame::{LENGTH_PREFIX_LEN, encode_request, encode_response, frame_len};
use odradek_protocol::{Decoder, Message, RequestHeader, ResponseHeader, Uuid};
use std::fmt::Debug;

const TOPIC_ID: Uuid = Uuid::from_u128(0x6f5b_d527_bae8_4cf7_8f4d_2a9a_6ac2_ed70);

/// Bytes from hexadecimal digits; spaces are only for the reader.
fn hex(parts: &[&str]) -> Bytes {
    let digits: Vec<u8> = parts
        .concat()
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn check_request<R: Message + Debug + PartialEq>(
    version: i16,
    correlation_id: i32,
    parts: &[&str],
    expected: &R,
) {
    let whole = hex(parts);
    let frame = without_prefix(&whole);
    let mut decoder = Decoder::new(&frame);
    let header = RequestHeader::decode(&mut decoder).unwrap();
    let expected_header = RequestHeader {
        api_key: R::KEY,
        api_version: version,
        correlation_id,
        client_id: Some("golden".to_owned()),
    };
    assert_eq!(header, expected_header);
    assert_eq!(
        &<R as Message>::decode(&mut decoder, version).unwrap(),
        expected
    );
    decoder.expect_end().unwrap();
    assert_eq!(encode_request(&header, expected).unwrap().bytes, whole);
}

fn check_response<R: Message + Debug + PartialEq>(
    version: i16,
    correlation_id: i32,
    parts: &[&str],
    expected: &R,
) {
    let whole = hex(parts);
    let frame = without_prefix(&whole);
    let mut decoder = Decoder::new(&frame);
    let header = ResponseHeader::decode(&mut decoder, R::KEY, version).unwrap();
    assert_eq!(header, ResponseHeader { correlation_id });
    assert_eq!(
        &<R as Message>::decode(&mut decoder, version).unwrap(),
        expected
    );
    decoder.expect_end().unwrap();
    assert_eq!(
        encode_response(correlation_id, version, expected)
            .unwrap()
            .bytes,
        whole
    );
}

fn without_prefix(whole: &Bytes) -> Bytes {
    let prefix = whole[..LENGTH_PREFIX_LEN].try_into().unwrap();
    assert_eq!(
        frame_len(prefix, usize::MAX),
        Ok(whole.len() - LENGTH_PREFIX_LEN)
    );
    whole.slice(LENGTH_PREFIX_LEN..)
}
