//! Zstandard frames, decoded with one context per thread.
//!
//! A frame declares a window, and the decoder sets aside that much memory. It is touched only as
//! far as output really comes, so a large window is allowed (levels 20 to 22 declare up to
//! 128 MiB even for small batches) as long as the output stays small.

use std::io;

use zstd::zstd_safe::{self, DCtx, DParameter, InBuffer, OutBuffer};

use super::Compression;
use super::decompress::{DecompressError, OutputBuffer, ZSTD_CONTEXT_BYTES};

/// Log2 of the largest window that Kafka's clients accept by default: 128 MiB.
const WINDOW_LOG_MAX: u32 = 27;
/// Above this size of the context, its window is called large: 8 MiB, that of level 19, and what
/// the decoder needs beside.
const LARGE_CONTEXT_BYTES: usize = 9 << 20;
/// How much a frame with a large window may expand to.
const LARGE_WINDOW_OUTPUT_BYTES_MAX: u64 = 16 << 20;
/// The level of Kafka's producers unless told otherwise.
const DEFAULT_LEVEL: i32 = 3;

/// Decodes frame after frame.
pub(super) struct ZstdDecoder<'a> {
    input: InBuffer<'a>,
    input_len: usize,
    context: &'a mut DCtx<'static>,
    at_frame_end: bool,
    total: u64,
}

impl<'a> ZstdDecoder<'a> {
    pub(super) fn new(input: &'a [u8], context: &'a mut Option<DCtx<'static>>) -> Self {
        let context = context.get_or_insert_with(|| {
            let mut context = DCtx::create();
            context
                .set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))
                .expect("the window limit is in zstd's range");
            context
        });
        context
            .reset(zstd_safe::ResetDirective::SessionOnly)
            .expect("a session reset cannot fail");
        Self {
            input: InBuffer::around(input),
            input_len: input.len(),
            context,
            at_frame_end: false,
            total: 0,
        }
    }

    /// Decompresses the next piece into `output`; 0 at the end.
    pub(super) fn read(&mut self, output: &mut OutputBuffer<'_>) -> Result<usize, DecompressError> {
        loop {
            let has_input = self.input.pos() < self.input_len;
            if self.at_frame_end && !has_input {
                return Ok(0);
            }
            let mut chunk = OutBuffer::around(output.chunk());
            let hint = self
                .context
                .decompress_stream(&mut chunk, &mut self.input)
                .map_err(|code| malformed(zstd_safe::get_error_name(code)))?;
            let count = chunk.pos();
            self.at_frame_end = hint == 0;
            self.total += count as u64;
            self.limit_memory(output)?;
            if count > 0 {
                return Ok(count);
            }
            if !has_input && !self.at_frame_end {
                return Err(DecompressError::Truncated(Compression::Zstd));
            }
        }
    }

    fn limit_memory(&self, output: &mut OutputBuffer<'_>) -> Result<(), DecompressError> {
        let context_bytes = self.context.sizeof();
        if ZSTD_CONTEXT_BYTES < context_bytes {
            output.lock_large_memory();
        }
        let is_large = LARGE_CONTEXT_BYTES < context_bytes;
        if is_large && LARGE_WINDOW_OUTPUT_BYTES_MAX < self.total {
            let limit = LARGE_WINDOW_OUTPUT_BYTES_MAX;
            return Err(DecompressError::TooLarge {
                codec: Compression::Zstd,
                limit,
            });
        }
        Ok(())
    }
}

fn malformed(reason: impl Into<String>) -> DecompressError {
    DecompressError::Malformed {
        codec: Compression::Zstd,
        reason: reason.into(),
    }
}

pub(super) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(bytes, DEFAULT_LEVEL)
}
