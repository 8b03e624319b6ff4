//! Decoding any bytes as any message: an error or a value, never a panic, and never memory out of
//! proportion to the bytes that arrived.
//!
//! All of it is one test, because the allocator it measures counts for the whole process.
#![allow(clippy::unwrap_used)]

#[macro_use]
mod apis;

use bytes::Bytes;
use odradek_protocol::messages;
use odradek_protocol::primitives::{Sample, SampleSource, varint};
use odradek_protocol::{ApiKey, DecodeError, Decoder, Encoder, Format, Message, RequestHeader};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// At most this much memory for each byte of a frame, and this much for any frame: 8 for array
/// elements and half of that again while an array grows, 3 for replacement characters in strings.
const BYTES_PER_FRAME_BYTE: usize = 16;
const BYTES_MIN: usize = 32 * 1024;

type Decode = fn(&Bytes, i16) -> Result<(), DecodeError>;
type SampleBytes = fn(u64, i16) -> Bytes;

/// How to read and how to make up a message, whatever its type.
struct Kind {
    name: &'static str,
    key: ApiKey,
    decode: Decode,
    sample: SampleBytes,
}

impl Kind {
    fn of<M: Message + Sample>() -> Self {
        Self {
            name: std::any::type_name::<M>(),
            key: M::KEY,
            decode: decode::<M>,
            sample: sample::<M>,
        }
    }
}

fn decode<M: Message>(frame: &Bytes, version: i16) -> Result<(), DecodeError> {
    <M as Message>::decode(&mut Decoder::new(frame), version).map(drop)
}

fn sample<M: Message + Sample>(seed: u64, version: i16) -> Bytes {
    let format = Format {
        version,
        flexible: M::flexible(version),
    };
    let message = M::sample(&mut SampleSource::new(seed), format);
    let mut encoder = Encoder::new();
    Message::encode(&message, &mut encoder, version).unwrap();
    Bytes::from(encoder.into_parts().0)
}

macro_rules! kinds {
    ($( $module:ident $key:ident: $request:ident, $response:ident; )*) => {
        /// The request and the response of every API.
        fn kinds() -> Vec<Kind> {
            vec![$(
                Kind::of::<messages::$module::$request>(),
                Kind::of::<messages::$module::$response>(),
            )*]
        }
    };
}

for_each_api! { kinds }

#[test]
fn no_bytes_make_decoding_panic_or_take_memory_out_of_proportion() {
    let kinds = kinds();
    assert!(
        kinds
            .iter()
            .step_by(2)
            .map(|kind| kind.key)
            .eq(ApiKey::ALL.iter().copied())
    );

    for kind in &kinds {
        for version in kind.key.supported().iter() {
            for seed in 0..4 {
                let frame = (kind.sample)(seed, version);
                every_cut_is_an_error(kind, version, &frame);
                lies_about_lengths_are_bounded(kind, version, &frame);
                flipped_bytes_are_bounded(kind, version, &frame, seed);
            }
            for seed in 0..50 {
                let mut source = SampleSource::new(seed);
                let len = source.below(200);
                let _ = bounded(
                    kind,
                    version,
                    &(0..len).map(|_| source.next_u64() as u8).collect(),
                );
            }
            floods_are_bounded(kind, version);
        }
    }
    random_headers_are_bounded();
}

/// Decodes and measures.
fn bounded(kind: &Kind, version: i16, frame: &Bytes) -> Result<(), DecodeError> {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let result = (kind.decode)(frame, version);
    let taken = ALLOCATOR.peak_usage() - before;
    let allowed = frame.len() * BYTES_PER_FRAME_BYTE + BYTES_MIN;
    let name = kind.name;
    assert!(
        taken <= allowed,
        "{taken} bytes for {name} {version} of {} bytes",
        frame.len()
    );
    result
}

/// A message is exactly as long as it is: without its last byte it is not one.
fn every_cut_is_an_error(kind: &Kind, version: i16, frame: &Bytes) {
    bounded(kind, version, frame).unwrap();
    for len in 0..frame.len() {
        let cut = bounded(kind, version, &frame.slice(..len));
        assert!(cut.is_err(), "{} {version} cut to {len} bytes", kind.name);
    }
}

/// Wherever the lengths are: the largest, the most negative and a wrong one in every place.
fn lies_about_lengths_are_bounded(kind: &Kind, version: i16, frame: &Bytes) {
    let lies: &[&[u8]] = &[
        &[0x7f, 0xff, 0xff, 0xff],       // i32::MAX
        &[0x80, 0x00, 0x00, 0x00],       // i32::MIN
        &[0xff, 0xff, 0xff, 0xff, 0x0f], // the largest variable-length integer
        &[0x00, 0x0f, 0xff, 0xff],       // a million
        &[0xff, 0xff, 0x3f],             // a million, variable-length
    ];
    for at in 0..frame.len() {
        for lie in lies {
            let mut bytes = frame.to_vec();
            bytes.splice(at..(at + lie.len()).min(frame.len()), lie.iter().copied());
            let _ = bounded(kind, version, &Bytes::from(bytes));
        }
    }
}

fn flipped_bytes_are_bounded(kind: &Kind, version: i16, frame: &Bytes, seed: u64) {
    let mut source = SampleSource::new(seed);
    for _ in 0..100.min(frame.len()) {
        let mut bytes = frame.to_vec();
        for _ in 0..=source.below(3) {
            let at = source.below(bytes.len() as u64) as usize;
            bytes[at] = source.next_u64() as u8;
        }
        let _ = bounded(kind, version, &Bytes::from(bytes));
    }
}

/// Long runs of one byte are arrays of the smallest possible elements at some depth, or endless
/// tagged fields; behind a valid message's own start they reach every part of it.
fn floods_are_bounded(kind: &Kind, version: i16) {
    const LEN: usize = 20_000;
    let start = (kind.sample)(1, version);
    let mut flood = Vec::new();
    for at in [0, 1, 4, 8, 16, 17, 18]
        .into_iter()
        .filter(|at| *at <= start.len())
    {
        for count in [LEN as u32 / 2, LEN as u32 / 8] {
            for filler in [0x00, 0x01, 0x02] {
                for flexible in [false, true] {
                    flood.clear();
                    flood.extend_from_slice(&start[..at]);
                    if flexible {
                        varint::write_u32(&mut flood, count);
                    } else {
                        flood.extend_from_slice(&count.to_be_bytes());
                    }
                    flood.resize(LEN, filler);
                    let _ = bounded(kind, version, &Bytes::from(flood.clone()));
                }
            }
        }
    }
}

fn random_headers_are_bounded() {
    for seed in 0..20_000 {
        let mut source = SampleSource::new(seed);
        let mut bytes: Vec<u8> = (0..source.below(40))
            .map(|_| source.next_u64() as u8)
            .collect();
        if let Some(key) = bytes.get_mut(..2) {
            key.copy_from_slice(&(source.below(20) as i16).to_be_bytes());
        }
        let _ = RequestHeader::decode(&mut Decoder::new(&Bytes::from(bytes)));
    }
}
