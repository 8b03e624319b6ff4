//! What has to hold for any bytes: no panic, and what could be read can be written and read again.
//!
//! Each check takes the fuzzer's bytes and panics if its promise is broken. Used by the fuzz
//! targets, and by `tests/mutation.rs` where there is no cargo-fuzz.

#[path = "../../tests/apis/mod.rs"]
#[macro_use]
mod apis;

use bytes::Bytes;
use odradek_protocol::frame::frame_len;
use odradek_protocol::records::compression::decompress::decompress;
use odradek_protocol::records::{
    BatchBuilder, BatchHeader, BatchRecords, Batches, Compression, HEADER_LEN, RecordBatch,
    RecordRules, RecordStats, TimestampType, validate_records,
};
use odradek_protocol::{
    ApiKey, DecodeError, Decoder, EncodeError, Encoder, Message, RequestHeader, messages,
};

/// The limit on frames, small so that the fuzzer meets it.
const FRAME_LEN_MAX: usize = 1 << 20;
/// How much decompressed data is worth the fuzzer's time.
const DECOMPRESSED_LEN_MAX: u64 = 1 << 20;

/// A connection's bytes: frame, header, body.
pub fn frame(data: &[u8]) {
    let mut rest = data;
    while let Some((prefix, after)) = rest.split_first_chunk() {
        let Ok(len) = frame_len(*prefix, FRAME_LEN_MAX) else {
            return;
        };
        let Some((frame, after)) = after.split_at_checked(len) else {
            return;
        };
        rest = after;
        let frame = Bytes::copy_from_slice(frame);
        let mut decoder = Decoder::new(&frame);
        let Ok(header) = RequestHeader::decode(&mut decoder) else {
            continue;
        };
        let body = frame.slice(decoder.position()..);
        read_again(header.api_key, Side::Request, header.api_version, &body);
    }
}

/// A request header.
pub fn request_header(data: &[u8]) {
    let frame = Bytes::copy_from_slice(data);
    let Ok(header) = RequestHeader::decode(&mut Decoder::new(&frame)) else {
        return;
    };
    let mut encoder = Encoder::new();
    if !can_be_written(header.encode(&mut encoder)) {
        return;
    }
    let again = Bytes::from(encoder.into_parts().0);
    let mut decoder = Decoder::new(&again);
    assert_eq!(RequestHeader::decode(&mut decoder), Ok(header));
    assert_eq!(decoder.remaining(), 0);
}

/// A request body; the first two bytes choose API and version.
pub fn request_body(data: &[u8]) {
    body(data, Side::Request);
}

/// A response body; the first two bytes choose API and version.
pub fn response_body(data: &[u8]) {
    body(data, Side::Response);
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Request,
    Response,
}

fn body(data: &[u8], side: Side) {
    let [api, version, body @ ..] = data else {
        return;
    };
    let Some(key) = ApiKey::ALL.get(usize::from(*api) % ApiKey::ALL.len()) else {
        return;
    };
    let range = key.supported();
    let versions = range.max - range.min + 1;
    let version = range.min + i16::from(*version) % versions;
    read_again(*key, side, version, &Bytes::copy_from_slice(body));
}

macro_rules! dispatch {
    ($( $module:ident $key:ident: $request:ident, $response:ident; )*) => {
        fn read_again(key: ApiKey, side: Side, version: i16, body: &Bytes) {
            match (key, side) {
                $(
                    (ApiKey::$key, Side::Request) => {
                        read_message_again::<messages::$module::$request>(version, body);
                    }
                    (ApiKey::$key, Side::Response) => {
                        read_message_again::<messages::$module::$response>(version, body);
                    }
                )*
            }
        }
    };
}

for_each_api! { dispatch }

fn read_message_again<M: Message + PartialEq + std::fmt::Debug>(version: i16, body: &Bytes) {
    let Ok(message) = <M as Message>::decode(&mut Decoder::new(body), version) else {
        return;
    };
    let mut encoder = Encoder::new();
    if !can_be_written(Message::encode(&message, &mut encoder, version)) {
        return;
    }
    let (bytes, gaps) = encoder.into_parts();
    assert!(gaps.is_empty(), "nothing read has gaps");
    let bytes = Bytes::from(bytes);
    let mut decoder = Decoder::new(&bytes);
    match <M as Message>::decode(&mut decoder, version) {
        Ok(again) => {
            assert_eq!(again, message);
            assert_eq!(decoder.remaining(), 0);
        }
        // Unknown tags are dropped, and the smaller frame allows fewer elements.
        Err(DecodeError::TooManyElements { .. }) => {}
        Err(error) => panic!("written but not readable: {error}"),
    }
}

/// Strings that were not UTF-8 grow when read, and may then be too long to be written.
fn can_be_written(result: Result<(), EncodeError>) -> bool {
    match result {
        Ok(()) => true,
        Err(EncodeError::TooLong(_)) => false,
        Err(error) => panic!("read but not writable: {error}"),
    }
}

/// A record set, as it is and then with a first header that leads to its records.
pub fn record_batch(data: &[u8]) {
    let record_set = Bytes::copy_from_slice(data);
    let mut position = 0;
    for batch in Batches::new(record_set.clone()).flatten() {
        let bytes = batch.to_bytes();
        assert_eq!(
            record_set.get(position..position + bytes.len()),
            Some(bytes.as_ref())
        );
        position += bytes.len();
        let _ = batch.verify_crc();
    }
    if let Some(batch) = repaired(data) {
        checksum_follows_changes(batch.clone());
        let stats = validate_records(&batch, RecordRules::default());
        let codec = batch.header().attributes.compression();
        let _ = decompress(codec, batch.body(), DECOMPRESSED_LEN_MAX);
        codecs_agree(&batch);
        if let Ok(stats) = stats {
            accepted_batch_is_readable(&batch, stats);
        }
    }
}

/// The bytes as one batch whose header is that of a producer, whatever else they say.
fn repaired(data: &[u8]) -> Option<RecordBatch> {
    const CONTROL: u8 = 1 << 5;
    let mut bytes = data.to_vec();
    let length = i32::try_from(bytes.len()).ok()? - 12;
    let header = bytes.first_chunk_mut::<HEADER_LEN>()?;
    header[0..8].fill(0); // base offset
    header[8..12].copy_from_slice(&length.to_be_bytes());
    header[16] = 2; // magic
    header[22] &= !CONTROL;
    header[23..25].fill(0); // up to 65535 records
    let last_offset_delta = i32::from_be_bytes(*header[23..].first_chunk()?);
    header[57..61].copy_from_slice(&(last_offset_delta + 1).to_be_bytes());
    RecordBatch::parse(&Bytes::from(bytes)).ok()
}

fn checksum_follows_changes(mut batch: RecordBatch) {
    let other = !batch.header().max_timestamp;
    batch.set_max_timestamp(TimestampType::LogAppendTime, other);
    batch.verify_crc().expect("a change renews the checksum");
    batch.assign(1 << 40, 7);
    batch
        .verify_crc()
        .expect("the place in the log is not covered");
    assert_eq!(RecordBatch::parse(&batch.to_bytes()), Ok(batch));
}

/// The body taken for plain records, and then compressed: the verdict has to be the same.
fn codecs_agree(batch: &RecordBatch) {
    let with_body = |codec: Compression| {
        let body = codec.compress(batch.body());
        let mut header = *batch.header();
        header.attributes = header.attributes.with_compression(codec);
        header.length = i32::try_from(HEADER_LEN - 12 + body.len()).ok()?;
        let bytes = [header.encode().as_slice(), &body].concat();
        RecordBatch::parse(&Bytes::from(bytes)).ok()
    };
    let verdict = |codec| {
        with_body(codec).map(|batch| validate_records(&batch, RecordRules { require_keys: true }))
    };
    assert_eq!(
        verdict(batch.header().attributes.compression()),
        verdict(Compression::None)
    );
}

fn accepted_batch_is_readable(batch: &RecordBatch, stats: RecordStats) {
    let header: &BatchHeader = batch.header();
    let Ok(records) = BatchRecords::read(batch) else {
        panic!("accepted but not readable");
    };
    let mut builder = BatchBuilder::new();
    let mut timestamps = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let record = record.expect("an accepted record is readable");
        assert_eq!(record.offset, index as i64);
        timestamps.push(record.timestamp);
        let headers: Vec<_> = record.headers.clone().collect();
        // Deltas of a rebuilt batch are differences of timestamps, which can overflow.
        let timestamp = record.timestamp.clamp(-1, 1 << 60);
        builder = builder.record_with_headers(timestamp, record.key, record.value, &headers);
    }
    assert_eq!(timestamps.len() as i64, i64::from(header.record_count));
    assert_eq!(timestamps.iter().max(), Some(&stats.max_timestamp));
    assert_eq!(timestamps.iter().min(), Some(&stats.min_timestamp));
    let with_max = usize::try_from(stats.max_timestamp_delta).expect("deltas are not negative");
    assert_eq!(timestamps.get(with_max), Some(&stats.max_timestamp));

    let codec = Compression::ALL
        .get(timestamps.len() % 5)
        .copied()
        .unwrap_or_default();
    let rebuilt = builder.compression(codec).build();
    rebuilt
        .verify_crc()
        .expect("what was built has its checksum");
    validate_records(&rebuilt, RecordRules::default()).expect("what was built is valid");
}
