//! The fuzz targets' checks on mutated valid input: a seeded, bounded run for every `cargo test`.
//!
//! The real fuzzing is `cargo xtask fuzz`, which takes its time and follows coverage. This run
//! needs no tool, takes a few seconds, and finds again what a fuzzer would find first.

#![allow(clippy::unwrap_used)]

#[allow(unreachable_pub, reason = "public for the fuzz targets")]
#[path = "../fuzz/src/checks.rs"]
#[macro_use]
mod checks;

use odradek_protocol::primitives::{Sample, SampleSource};
use odradek_protocol::records::{BatchBuilder, Compression};
use odradek_protocol::{ApiKey, Encoder, Format, Message, RequestHeader, messages};

/// How many mutants each sample has.
const MUTANTS: usize = 2_000;

/// Lengths and counts that decoders get wrong.
const EXTREMES: [&[u8]; 8] = [
    &[0],
    &[0x7f],
    &[0x80],
    &[0xff],
    &[0xff, 0xff, 0xff, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x80, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
];

/// Changes `bytes` in a few places.
fn mutate(bytes: &mut Vec<u8>, random: &mut SampleSource) {
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.next_u64() as u8),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            4 => {
                let (from, len) = (
                    random.below(at as u64 + 1) as usize,
                    random.below(40) as usize,
                );
                let piece: Vec<_> = bytes.iter().skip(from).take(len).copied().collect();
                bytes.splice(at..at, piece);
            }
            _ => {
                let extreme = EXTREMES[random.below(EXTREMES.len() as u64) as usize];
                let end = bytes.len().min(at + extreme.len());
                bytes.splice(at..end, extreme.iter().copied());
            }
        }
    }
}

fn check_mutants(name: &str, samples: &[Vec<u8>], check: fn(&[u8])) {
    for (number, sample) in samples.iter().enumerate() {
        check(sample);
        let mut random = SampleSource::new(number as u64);
        for mutant in 0..MUTANTS {
            let mut bytes = sample.clone();
            mutate(&mut bytes, &mut random);
            let result = std::panic::catch_unwind(|| check(&bytes));
            assert!(
                result.is_ok(),
                "{name}: sample {number}, mutant {mutant}: {bytes:02x?}"
            );
        }
    }
}

fn encoded<M: Message + Sample>(seed: u64, version: i16) -> Vec<u8> {
    let flexible = M::flexible(version);
    let message = M::sample(&mut SampleSource::new(seed), Format { version, flexible });
    let mut encoder = Encoder::new();
    Message::encode(&message, &mut encoder, version).unwrap();
    encoder.into_parts().0
}

type EncodeSample = fn(u64, i16) -> Vec<u8>;

macro_rules! samples {
    ($( $module:ident $key:ident: $request:ident, $response:ident; )*) => {
        /// Makes a request and a response of an API.
        fn sample_of(key: ApiKey) -> [EncodeSample; 2] {
            match key {
                $( ApiKey::$key => [
                    encoded::<messages::$module::$request>,
                    encoded::<messages::$module::$response>,
                ], )*
            }
        }
    };
}

for_each_api! { samples }

const REQUEST: usize = 0;
const RESPONSE: usize = 1;

/// A sample of every API and version, behind the two bytes that choose them.
fn bodies(side: usize) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for (number, key) in ApiKey::ALL.iter().enumerate() {
        for version in key.supported().iter() {
            let choice = [number as u8, (version - key.supported().min) as u8];
            let body = sample_of(*key)[side](number as u64, version);
            bodies.push([choice.as_slice(), &body].concat());
        }
    }
    bodies
}

fn headers() -> Vec<Vec<u8>> {
    let mut headers = Vec::new();
    for key in ApiKey::ALL {
        for version in [key.supported().min, key.supported().max] {
            for client_id in [None, Some("odradek".to_owned())] {
                let header = RequestHeader {
                    api_key: *key,
                    api_version: version,
                    correlation_id: 1,
                    client_id,
                };
                let mut encoder = Encoder::new();
                header.encode(&mut encoder).unwrap();
                headers.push(encoder.into_parts().0);
            }
        }
    }
    headers
}

/// Two requests on one connection, for each API.
fn frames() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for header in headers().chunks(4) {
        let mut connection = Vec::new();
        for header in [&header[0], &header[3]] {
            let key = ApiKey::try_from(i16::from_be_bytes([header[0], header[1]])).unwrap();
            let version = i16::from_be_bytes([header[2], header[3]]);
            let body = sample_of(key)[REQUEST](1, version);
            connection.extend(((header.len() + body.len()) as u32).to_be_bytes());
            connection.extend([header.as_slice(), &body].concat());
        }
        frames.push(connection);
    }
    frames
}

fn batches() -> Vec<Vec<u8>> {
    let mut batches = Vec::new();
    for codec in Compression::ALL {
        for records in [1, 3, 100] {
            let mut builder = BatchBuilder::new().compression(codec);
            for i in 0..records {
                let key = format!("key-{i}");
                let value = (i % 3 != 1).then_some(b"odradek odradek".as_slice());
                let headers: [(&[u8], Option<&[u8]>); 2] = [(b"h", None), (b"", Some(b"v"))];
                let timestamp = 1_700_000_000_000 + i64::from(i) * 50;
                let headers = &headers[..(i % 3) as usize];
                builder =
                    builder.record_with_headers(timestamp, Some(key.as_bytes()), value, headers);
            }
            batches.push(builder.build().to_bytes().to_vec());
        }
    }
    batches.push(batches.concat());
    batches
}

#[test]
fn mutated_frames_never_panic() {
    check_mutants("frame", &frames(), checks::frame);
}

#[test]
fn mutated_request_headers_are_read_as_they_are_written() {
    check_mutants("request_header", &headers(), checks::request_header);
}

#[test]
fn mutated_requests_are_read_as_they_are_written() {
    check_mutants("request_body", &bodies(REQUEST), checks::request_body);
}

#[test]
fn mutated_responses_are_read_as_they_are_written() {
    check_mutants("response_body", &bodies(RESPONSE), checks::response_body);
}

#[test]
fn mutated_batches_are_refused_or_readable() {
    check_mutants("record_batch", &batches(), checks::record_batch);
}
