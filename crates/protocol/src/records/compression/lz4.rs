//! The LZ4 frame format, as far as Kafka's clients read it.
//!
//! ```text
//! magic u32 | flags u8 | block size u8 | [content size u64] | header checksum u8
//! { length u32, high bit set = stored | block | [checksum u32] }* | 0 u32 | [checksum u32]
//! ```
//! All numbers are little endian. The Java client reads one frame of independent blocks and no
//! dictionaries, so anything else is refused here: whoever stores it could not consume it.
//! Own code rather than `lz4_flex`'s frame reader, which takes a missing end mark for the end
//! and clears the largest block's space for every batch.

use std::hash::Hasher;
use std::io::{self, Write};

use lz4_flex::block::DecompressError as BlockError;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use twox_hash::XxHash32;

use super::Compression;
use super::decompress::{DecompressError, OutputBuffer};

const MAGIC: u32 = 0x184D_2204;
const STORED: u32 = 1 << 31;

/// Decodes block after block of one frame.
pub(super) struct Lz4Decoder<'a> {
    rest: &'a [u8],
    state: State,
}

enum State {
    Header,
    Blocks(Frame),
    End,
}

/// What the frame's header says.
struct Frame {
    block_bytes_max: usize,
    has_block_checksums: bool,
    /// Of the output so far, if there is one to compare it with.
    content_checksum: Option<XxHash32>,
    /// How much output has still to come, if the header tells.
    content_left: Option<u64>,
}

impl<'a> Lz4Decoder<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self {
            rest: input,
            state: State::Header,
        }
    }

    /// Decompresses the next block into `output`; 0 at the end.
    pub(super) fn read(&mut self, output: &mut OutputBuffer<'_>) -> Result<usize, DecompressError> {
        if let State::Header = self.state {
            self.state = State::Blocks(Frame::parse(&mut self.rest)?);
        }
        let State::Blocks(frame) = &mut self.state else {
            return Ok(0);
        };
        loop {
            let length = take_u32(&mut self.rest)?;
            if length == 0 {
                frame.finish(&mut self.rest)?;
                self.state = State::End;
                return Ok(0);
            }
            // A block may be empty, which must not look like the end.
            let count = frame.read_block(length, &mut self.rest, output)?;
            if count > 0 {
                return Ok(count);
            }
        }
    }
}

impl Frame {
    fn parse(rest: &mut &[u8]) -> Result<Self, DecompressError> {
        if take_u32(rest)? != MAGIC {
            return Err(malformed("it does not start with the frame magic"));
        }
        let descriptor = *rest;
        let [flags, block_size] = *take::<2>(rest)?;
        let has = |bit: u8| flags & (1 << bit) != 0;
        if flags >> 6 != 1 {
            return Err(malformed("frame version is not 1"));
        }
        if !has(5) {
            return Err(unsupported("linked blocks"));
        }
        if has(0) {
            return Err(unsupported("a dictionary"));
        }
        let block_bytes_max = match (block_size >> 4) & 0b111 {
            4 => 64 << 10,
            5 => 256 << 10,
            6 => 1 << 20,
            7 => 4 << 20,
            _ => return Err(malformed("unknown block size")),
        };
        let content_left = if has(3) {
            Some(u64::from_le_bytes(*take::<8>(rest)?))
        } else {
            None
        };
        let descriptor = descriptor
            .get(..descriptor.len() - rest.len())
            .unwrap_or_default();
        let [checksum] = *take::<1>(rest)?;
        if (XxHash32::oneshot(0, descriptor) >> 8) as u8 != checksum {
            return Err(malformed("header checksum does not match"));
        }
        Ok(Self {
            block_bytes_max,
            has_block_checksums: has(4),
            content_checksum: has(2).then(|| XxHash32::with_seed(0)),
            content_left,
        })
    }

    fn read_block(
        &mut self,
        length: u32,
        rest: &mut &[u8],
        output: &mut OutputBuffer<'_>,
    ) -> Result<usize, DecompressError> {
        let is_stored = length & STORED != 0;
        let length = (length & !STORED) as usize;
        if self.block_bytes_max < length {
            return Err(malformed("a block is larger than the header allows"));
        }
        let (block, after) = rest.split_at_checked(length).ok_or(TRUNCATED)?;
        *rest = after;
        if self.has_block_checksums && take_u32(rest)? != XxHash32::oneshot(0, block) {
            return Err(malformed("a block's checksum does not match"));
        }
        let count = if is_stored {
            output
                .space(length)
                .get_mut(..length)
                .unwrap_or_default()
                .copy_from_slice(block);
            length
        } else {
            decompress_block(block, self.block_bytes_max, output)?
        };
        self.account(output.space(count).get(..count).unwrap_or_default())?;
        Ok(count)
    }

    fn account(&mut self, content: &[u8]) -> Result<(), DecompressError> {
        if let Some(checksum) = &mut self.content_checksum {
            checksum.write(content);
        }
        if let Some(left) = &mut self.content_left {
            *left = left
                .checked_sub(content.len() as u64)
                .ok_or_else(|| malformed("content is longer than declared"))?;
        }
        Ok(())
    }

    fn finish(&mut self, rest: &mut &[u8]) -> Result<(), DecompressError> {
        if let Some(checksum) = &self.content_checksum
            && take_u32(rest)? != checksum.finish() as u32
        {
            return Err(malformed("content checksum does not match"));
        }
        if self.content_left.is_some_and(|left| left > 0) {
            return Err(malformed("content is shorter than declared"));
        }
        if !rest.is_empty() {
            return Err(DecompressError::TrailingBytes(Compression::Lz4));
        }
        Ok(())
    }
}

/// Blocks do not declare their decompressed size: try with the space that is there, then with
/// more, so that a frame of small batches does not cost the 4 MiB that its header allows.
fn decompress_block(
    block: &[u8],
    len_max: usize,
    output: &mut OutputBuffer<'_>,
) -> Result<usize, DecompressError> {
    let mut space = output.chunk().len().min(len_max);
    loop {
        let room = output.space(space).get_mut(..space).unwrap_or_default();
        match lz4_flex::block::decompress_into(block, room) {
            Ok(count) => return Ok(count),
            Err(BlockError::OutputTooSmall { .. }) if space < len_max => {
                space = space.saturating_mul(4).min(len_max);
            }
            Err(error) => return Err(malformed(error.to_string())),
        }
    }
}

const TRUNCATED: DecompressError = DecompressError::Truncated(Compression::Lz4);

fn malformed(reason: impl Into<String>) -> DecompressError {
    DecompressError::Malformed {
        codec: Compression::Lz4,
        reason: reason.into(),
    }
}

fn unsupported(feature: &'static str) -> DecompressError {
    DecompressError::Unsupported {
        codec: Compression::Lz4,
        feature,
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], DecompressError> {
    let (taken, after) = rest.split_first_chunk().ok_or(TRUNCATED)?;
    *rest = after;
    Ok(taken)
}

fn take_u32(rest: &mut &[u8]) -> Result<u32, DecompressError> {
    take(rest).map(|bytes| u32::from_le_bytes(*bytes))
}

/// Compresses into one frame of independent 64 KiB blocks.
pub(super) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let frame = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
