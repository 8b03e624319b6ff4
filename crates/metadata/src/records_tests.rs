#![allow(clippy::unwrap_used)]

use odradek_protocol::primitives::SampleSource;
use proptest::prelude::*;

use super::*;

#[test]
fn any_batch_is_read_back() {
    for seed in 0..500 {
        let records = sample::each(&mut SampleSource::new(seed));
        assert_eq!(
            decode_batch(&encode_batch(&records)).unwrap(),
            records,
            "seed {seed}"
        );
    }
}

/// One record with these head numbers and body.
fn batch(format: u8, number: u32, version: u32, body: &[u8]) -> Bytes {
    let mut encoder = Encoder::new();
    encoder.write_slice(&[format]);
    encoder.write_unsigned_varint(2 + body.len() as u32);
    encoder.write_unsigned_varint(number);
    encoder.write_unsigned_varint(version);
    encoder.write_slice(body);
    encoder.into_parts().0.into()
}

#[test]
fn what_a_later_version_wrote_is_refused_by_name() {
    assert_eq!(
        decode_batch(&batch(2, 8, 0, &[])),
        Err(RecordError::UnknownFormat(2))
    );
    assert_eq!(
        decode_batch(&batch(1, 99, 0, &[])),
        Err(RecordError::UnknownType(99))
    );
    let unknown = RecordError::UnknownVersion {
        name: "ProducerIds",
        version: 1,
    };
    assert_eq!(decode_batch(&batch(1, 8, 1, &[])), Err(unknown));
}

#[test]
fn an_unknown_tagged_field_is_skipped() {
    let body = [0, 0, 0, 0, 0, 0, 3, 232, 1, 77, 2, 0xab, 0xcd];
    let records = decode_batch(&batch(1, 8, 0, &body)).unwrap();
    assert_eq!(records, [ProducerIdsRecord { next: 1000 }.into()]);
}

#[test]
fn a_cut_batch_is_refused() {
    let records = sample::each(&mut SampleSource::new(1));
    let bytes = encode_batch(&records);
    let whole: Vec<_> = (0..bytes.len())
        .filter_map(|length| decode_batch(&bytes.slice(..length)).ok())
        .collect();
    // Only where a record ends, which is why entries are framed and checksummed below.
    assert!(whole.iter().all(|found| records.starts_with(found)));
    assert_eq!(whole.len(), records.len());
}

proptest! {
    #[test]
    fn any_bytes_decode_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 1..300)) {
        bytes[0] = BATCH_FORMAT;
        let _ = decode_batch(&bytes.into());
    }
}
