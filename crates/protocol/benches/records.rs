//! What a leader spends on a producer's batch: `cargo bench -p odradek-protocol --bench records`.
//!
//! Prints the best of several rounds; for orientation, not for docs/benchmarks.md.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark"
)]

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use odradek_protocol::records::{
    BatchBuilder, Compression, RecordBatch, RecordRules, validate_records,
};

const ROUNDS: usize = 7;

/// Runs `work` for about 30 ms a round; nanoseconds per call in the best round.
fn best_ns(mut work: impl FnMut()) -> f64 {
    let started = Instant::now();
    work();
    let calls = (30_000_000 / started.elapsed().as_nanos().max(1)).clamp(1, 100_000) as u32;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        for _ in 0..calls {
            work();
        }
        best = best.min(started.elapsed().as_nanos() as f64 / f64::from(calls));
    }
    best
}

fn batch(codec: Compression, records: usize, value_bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::new().compression(codec);
    for i in 0..records {
        let mut value = format!("{{\"number\":{i},\"name\":\"odradek\",\"text\":\"").into_bytes();
        value.extend(
            (0..value_bytes.saturating_sub(value.len()))
                .map(|j| b'a' + ((i * 31 + j * j) % 26) as u8),
        );
        builder = builder.record(i as i64, Some(format!("key-{i}").as_bytes()), Some(&value));
    }
    builder.build().to_bytes()
}

fn main() {
    println!("codec   records  value  batch bytes  parse ns  crc ns  validate ns  per record");
    for codec in Compression::ALL {
        for (records, value_bytes) in [(1_000, 100), (64, 1024), (1, 100)] {
            let bytes = batch(codec, records, value_bytes);
            let batch = RecordBatch::parse(&bytes).expect("it was built just now");
            let parse = best_ns(|| _ = black_box(RecordBatch::parse(black_box(&bytes))));
            let crc = best_ns(|| _ = black_box(batch.verify_crc()));
            let rules = RecordRules::default();
            let validate = best_ns(|| _ = black_box(validate_records(black_box(&batch), rules)));
            println!(
                "{:<7} {records:>7} {value_bytes:>6} {:>12} {parse:>9.0} {crc:>7.0} {validate:>12.0} {:>11.1}",
                codec.to_string(),
                bytes.len(),
                validate / records as f64,
            );
        }
    }
}
