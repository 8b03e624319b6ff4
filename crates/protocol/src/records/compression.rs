//! The four codecs of record batches.
//!
//! Compressing is for batches that the broker itself makes and for tests: a producer's batch is
//! stored as it came. Reading lives in [`decompress`]; one file per codec knows its format.

pub mod decompress;
mod lz4;
mod snappy;
mod zstd;

use std::fmt;
use std::io::{self, Write};

/// How the records of a batch are compressed: bits 0 to 2 of the attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy blocks, raw or in the framing of xerial's snappy-java.
    Snappy,
    /// An LZ4 frame of independent blocks.
    Lz4,
    /// Zstandard frames (KIP-110).
    Zstd,
}

impl Compression {
    /// Every codec, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The number in the attributes.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The codec with that number, if there is one.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Gzip),
            2 => Some(Self::Snappy),
            3 => Some(Self::Lz4),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Compresses `bytes` as Apache Kafka's own producer does: default levels, xerial framing for
    /// snappy, 64 KiB blocks for lz4.
    pub fn compress(self, bytes: &[u8]) -> Vec<u8> {
        let compressed = match self {
            Self::None => Ok(bytes.to_vec()),
            Self::Gzip => compress_gzip(bytes),
            Self::Snappy => Ok(snappy::compress(bytes)),
            Self::Lz4 => lz4::compress(bytes),
            Self::Zstd => zstd::compress(bytes),
        };
        compressed.expect("writing to memory does not fail")
    }
}

fn compress_gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The name that `compression.type` uses.
impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

#[cfg(test)]
#[path = "compression_tests.rs"]
mod tests;
