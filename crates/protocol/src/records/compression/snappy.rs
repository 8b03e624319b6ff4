//! Snappy as Kafka's clients write it: xerial's framing (Java) or one raw block (librdkafka).
//!
//! ```text
//! 82 "SNAPPY" 00 | version i32 | compatible version i32 | { length i32 | raw block }*
//! ```
//! A raw block declares its decompressed length; it is believed only as far as its compressed
//! bytes can expand.

use super::Compression;
use super::decompress::{DECOMPRESSED_BYTES_MAX, DecompressError, OutputBuffer};

const XERIAL_MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const XERIAL_VERSION: i32 = 1;
const XERIAL_COMPATIBLE_VERSION: i32 = 1;
const XERIAL_HEADER_LEN: usize = 16;
/// Decompressed size of the blocks that snappy-java writes.
const XERIAL_BLOCK_BYTES: usize = 32 << 10;

/// Below this, a block may expand as far as the format can: 22-fold.
const BLOCK_BYTES_ALWAYS_ALLOWED: usize = 8 << 20;
/// Above it, as far as data does. Blocks are decompressed in one piece, so that this is what
/// bounds their memory; text takes a fifth to a third of its size.
const EXPANSION_MAX: usize = 8;
/// What the format can do at best: a copy of 64 bytes takes three.
const EXPANSION_POSSIBLE: usize = 22;

/// Decodes block after block.
pub(super) struct SnappyDecoder<'a> {
    rest: &'a [u8],
    framed: bool,
    at_start: bool,
    decoder: snap::raw::Decoder,
}

impl<'a> SnappyDecoder<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        let framed = input.starts_with(&XERIAL_MAGIC);
        Self {
            rest: input,
            framed,
            at_start: true,
            decoder: snap::raw::Decoder::new(),
        }
    }

    /// Decompresses the next block into `output`; 0 at the end.
    pub(super) fn read(&mut self, output: &mut OutputBuffer<'_>) -> Result<usize, DecompressError> {
        // A block may be empty, which must not look like the end.
        while let Some(block) = self.next_block()? {
            let len =
                snap::raw::decompress_len(block).map_err(|error| malformed(error.to_string()))?;
            check_declared(len, block.len())?;
            let count = self
                .decoder
                .decompress(block, output.space(len))
                .map_err(|error| malformed(error.to_string()))?;
            if count > 0 {
                return Ok(count);
            }
        }
        Ok(0)
    }

    fn next_block(&mut self) -> Result<Option<&'a [u8]>, DecompressError> {
        const TRUNCATED: DecompressError = DecompressError::Truncated(Compression::Snappy);
        if self.framed && std::mem::take(&mut self.at_start) {
            self.rest = self.rest.get(XERIAL_HEADER_LEN..).ok_or(TRUNCATED)?;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        if !self.framed {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        let (len, rest) = self.rest.split_first_chunk().ok_or(TRUNCATED)?;
        let len = u32::from_be_bytes(*len) as usize;
        let (block, rest) = rest.split_at_checked(len).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(Some(block))
    }
}

/// Decides whether to believe that `compressed` bytes expand to `len`.
fn check_declared(len: usize, compressed: usize) -> Result<(), DecompressError> {
    if compressed.saturating_mul(EXPANSION_POSSIBLE) < len {
        return Err(malformed("a block declares more than its bytes can hold"));
    }
    let limit = compressed
        .saturating_mul(EXPANSION_MAX)
        .max(BLOCK_BYTES_ALWAYS_ALLOWED);
    let limit = DECOMPRESSED_BYTES_MAX.min(limit as u64);
    if limit < len as u64 {
        return Err(DecompressError::TooLarge {
            codec: Compression::Snappy,
            limit,
        });
    }
    Ok(())
}

fn malformed(reason: impl Into<String>) -> DecompressError {
    DecompressError::Malformed {
        codec: Compression::Snappy,
        reason: reason.into(),
    }
}

/// Compresses with xerial's framing, which every client reads.
pub(super) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = snap::raw::Encoder::new();
    let mut output = Vec::new();
    output.extend_from_slice(&XERIAL_MAGIC);
    output.extend_from_slice(&XERIAL_VERSION.to_be_bytes());
    output.extend_from_slice(&XERIAL_COMPATIBLE_VERSION.to_be_bytes());
    for block in bytes.chunks(XERIAL_BLOCK_BYTES) {
        let block = encoder
            .compress_vec(block)
            .expect("snappy takes blocks of up to 4 GiB");
        output.extend_from_slice(&(block.len() as u32).to_be_bytes());
        output.extend_from_slice(&block);
    }
    output
}
