//! Decompression bombs in every codec, on several threads at once, within bounded memory.
//!
//! One test, because the memory of the process is what it measures.

#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

use std::io::Write;
use std::sync::Arc;

use odradek_protocol::records::{
    Attributes, BatchBuilder, BatchHeader, Compression, RecordBatch, RecordRules, validate_records,
};

const THREADS: usize = 4;
const MEMORY_MAX: u64 = 32 << 20;
const MIB: usize = 1 << 20;

/// Writes one record with a value of `len` zeros, piece by piece.
fn write_record(output: &mut impl Write, len: usize) {
    fn varlong(value: usize) -> Vec<u8> {
        let mut rest = value << 1;
        let mut bytes = Vec::new();
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        bytes
    }
    let head = [&[0, 0, 0, 1], varlong(len).as_slice()].concat();
    output.write_all(&varlong(head.len() + len + 1)).unwrap();
    output.write_all(&head).unwrap();
    let zeros = vec![0; 64 << 10];
    let mut left = len;
    while left > 0 {
        let count = left.min(zeros.len());
        output.write_all(&zeros[..count]).unwrap();
        left -= count;
    }
    output.write_all(&[0]).unwrap();
}

fn batch(codec: Compression, body: &[u8]) -> RecordBatch {
    let header = BatchHeader {
        attributes: Attributes::default().with_compression(codec),
        length: 49 + body.len() as i32,
        ..*BatchBuilder::new().record(0, None, None).build().header()
    };
    RecordBatch::parse(&[&header.encode(), body].concat().into()).unwrap()
}

fn gzip(len: usize) -> RecordBatch {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    write_record(&mut encoder, len);
    batch(Compression::Gzip, &encoder.finish().unwrap())
}

fn zstd(window_log: u32, len: usize) -> RecordBatch {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(window_log).unwrap();
    write_record(&mut encoder, len);
    batch(Compression::Zstd, &encoder.finish().unwrap())
}

fn lz4(len: usize) -> RecordBatch {
    use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
    let info = FrameInfo::new().block_size(BlockSize::Max4MB);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    write_record(&mut encoder, len);
    batch(Compression::Lz4, &encoder.finish().unwrap())
}

/// Raw snappy has one block only; this is as large as it gets in a message of 1 MiB.
fn raw_snappy(len: usize) -> RecordBatch {
    let mut record = Vec::new();
    write_record(&mut record, len);
    batch(
        Compression::Snappy,
        &snap::raw::Encoder::new().compress_vec(&record).unwrap(),
    )
}

fn framed_snappy(len: usize) -> RecordBatch {
    let mut start = Vec::new();
    write_record(&mut start, len);
    start.truncate(64 << 10);
    let mut body = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    let mut encoder = snap::raw::Encoder::new();
    let mut put = |block: &[u8], times| {
        let block = encoder.compress_vec(block).unwrap();
        for _ in 0..times {
            body.extend((block.len() as u32).to_be_bytes());
            body.extend(&block);
        }
    };
    put(&start, 1);
    put(&vec![0; 64 << 10], len / (64 << 10));
    batch(Compression::Snappy, &body)
}

/// A line of the kernel's account of this process, in bytes.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|text| text.strip_prefix(line))
        .unwrap();
    line.trim()
        .strip_suffix(" kB")
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}

#[test]
fn bombs_in_every_codec_stay_within_bounded_memory() {
    let bombs = Arc::new([
        ("gzip", gzip(300 * MIB)),
        ("lz4", lz4(300 * MIB)),
        ("zstd", zstd(21, 300 * MIB)),
        ("zstd with a window of 8 MiB", zstd(23, 300 * MIB)),
        ("zstd with a window of 128 MiB", zstd(27, 120 * MIB)),
        ("framed snappy", framed_snappy(300 * MIB)),
        ("raw snappy", raw_snappy(21 * MIB)),
    ]);
    // Forget the peak of making them.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory("VmRSS:");
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let bombs = Arc::clone(&bombs);
            std::thread::spawn(move || {
                for turn in 0..bombs.len() {
                    let (name, bomb) = &bombs[(turn + thread) % bombs.len()];
                    let result = validate_records(bomb, RecordRules::default());
                    let error = result.unwrap_err();
                    assert!(
                        error.to_string().contains("expands to more than"),
                        "{name}: {error}"
                    );
                    assert_eq!(error.record_index(), Some(0), "{name}");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let peak = memory("VmHWM:");
    let growth = peak.saturating_sub(before);
    assert!(growth < MEMORY_MAX, "memory grew by {} KiB", growth >> 10);
}
