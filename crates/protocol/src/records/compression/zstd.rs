//! Zstandard frames.
//!
//! A frame declares a window, up to 128 MiB at level 22 even for a small batch, and a streaming
//! decoder sets aside that much memory. Batches that fit the scratch buffer, nearly all, are
//! therefore decoded in one go, which needs no window. Larger ones share one streaming context in
//! the process, for windows of up to 8 MiB (level 19); those with larger windows are decoded in
//! one go again, as long as their output is no larger than that.

use std::io;

use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{self, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective};

use super::Compression;
use super::decompress::{DecompressError, OutputBuffer, SCRATCH_BYTES};

const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// Bit of the frame header's descriptor: no window byte follows, the window is the content's size.
const SINGLE_SEGMENT: u8 = 1 << 5;
/// The window byte of 128 MiB, the largest that Kafka's clients accept by default.
const WINDOW_BYTE_MAX: u8 = (27 - 10) << 3;
/// Log2 of the largest window of the streaming context.
const WINDOW_LOG_MAX: u32 = 23;
/// How much a batch with a larger window may expand to.
const LARGE_WINDOW_OUTPUT_BYTES_MAX: usize = 1 << WINDOW_LOG_MAX;
/// The level of Kafka's producers unless told otherwise.
const DEFAULT_LEVEL: i32 = 3;

const OUTPUT_TOO_SMALL: usize = error_code(ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall);
const WINDOW_TOO_LARGE: usize =
    error_code(ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge);

/// How zstd returns an error where it otherwise returns a size.
const fn error_code(error: ZSTD_ErrorCode) -> usize {
    (error as usize).wrapping_neg()
}

/// Decodes all frames in one go, or, if they turn out to be large, piece by piece.
pub(super) struct ZstdDecoder<'a> {
    input: &'a [u8],
    /// The thread's own, for decoding in one go.
    context: &'a mut DCtx<'static>,
    state: State,
}

enum State {
    Start,
    Streaming { position: usize, at_frame_end: bool },
    End,
}

impl<'a> ZstdDecoder<'a> {
    pub(super) fn new(input: &'a [u8], context: &'a mut Option<DCtx<'static>>) -> Self {
        let context = context.get_or_insert_with(DCtx::create);
        Self {
            input,
            context,
            state: State::Start,
        }
    }

    /// Decompresses the next piece into `output`; 0 at the end.
    pub(super) fn read(&mut self, output: &mut OutputBuffer<'_>) -> Result<usize, DecompressError> {
        match self.state {
            State::Start => match self.read_at_once(output, SCRATCH_BYTES)? {
                Some(count) => {
                    self.state = State::End;
                    Ok(count)
                }
                None => self.start_streaming(output),
            },
            State::Streaming {
                position,
                at_frame_end,
            } => self
                .read_more(output, position, at_frame_end)?
                .map_err(malformed),
            State::End => Ok(0),
        }
    }

    /// Refuses what is readable here and nowhere else; broken headers are the decoder's business.
    fn check_window(&self) -> Result<(), DecompressError> {
        let Some(([magic @ .., descriptor], rest)) = self.input.split_first_chunk::<5>() else {
            return Ok(());
        };
        let has_window = *magic == MAGIC && descriptor & SINGLE_SEGMENT == 0;
        if has_window && rest.first().is_some_and(|window| WINDOW_BYTE_MAX < *window) {
            let feature = "a window of more than 128 MiB";
            return Err(DecompressError::Unsupported {
                codec: Compression::Zstd,
                feature,
            });
        }
        Ok(())
    }

    /// Decompresses everything, or nothing if it is more than `len_max` bytes.
    fn read_at_once(
        &mut self,
        output: &mut OutputBuffer<'_>,
        len_max: usize,
    ) -> Result<Option<usize>, DecompressError> {
        self.check_window()?;
        let mut len = output.chunk().len().min(len_max);
        loop {
            let space = output.space(len).get_mut(..len).unwrap_or_default();
            match self.context.decompress(space, self.input) {
                Ok(count) => return Ok(Some(count)),
                Err(OUTPUT_TOO_SMALL) if len < len_max => len = len.saturating_mul(4).min(len_max),
                Err(OUTPUT_TOO_SMALL) => return Ok(None),
                Err(code) => return Err(malformed(code)),
            }
        }
    }

    fn start_streaming(&mut self, output: &mut OutputBuffer<'_>) -> Result<usize, DecompressError> {
        reset(streaming_context(output));
        match self.read_more(output, 0, false)? {
            Err(WINDOW_TOO_LARGE) => {
                let limit = LARGE_WINDOW_OUTPUT_BYTES_MAX;
                self.state = State::End;
                let too_large = DecompressError::TooLarge {
                    codec: Compression::Zstd,
                    limit: limit as u64,
                };
                self.read_at_once(output, limit)?.ok_or(too_large)
            }
            result => result.map_err(malformed),
        }
    }

    /// Goes on at `position` of the input; the inner error is zstd's own.
    fn read_more(
        &mut self,
        output: &mut OutputBuffer<'_>,
        mut position: usize,
        mut at_frame_end: bool,
    ) -> Result<Result<usize, usize>, DecompressError> {
        let (space, large) = output.chunk_and_large_memory();
        let context = large
            .zstd
            .as_mut()
            .expect("it was made when streaming began");
        loop {
            let is_at_end = position == self.input.len();
            if is_at_end && at_frame_end {
                return Ok(Ok(0));
            }
            let mut input = InBuffer::around(self.input);
            input.set_pos(position);
            let mut chunk = OutBuffer::around(&mut *space);
            let hint = match context.decompress_stream(&mut chunk, &mut input) {
                Ok(hint) => hint,
                Err(code) => return Ok(Err(code)),
            };
            let count = chunk.pos();
            position = input.pos();
            at_frame_end = hint == 0;
            self.state = State::Streaming {
                position,
                at_frame_end,
            };
            if count > 0 {
                return Ok(Ok(count));
            }
            if is_at_end && !at_frame_end {
                return Err(DecompressError::Truncated(Compression::Zstd));
            }
        }
    }
}

fn streaming_context<'b>(output: &'b mut OutputBuffer<'_>) -> &'b mut DCtx<'static> {
    let (_, large) = output.chunk_and_large_memory();
    large.zstd.get_or_insert_with(|| {
        let mut context = DCtx::create();
        context
            .set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))
            .expect("the window limit is in zstd's range");
        context
    })
}

/// Forgets a stream that was not read to its end.
fn reset(context: &mut DCtx<'static>) {
    context
        .reset(ResetDirective::SessionOnly)
        .expect("a session reset cannot fail");
}

fn malformed(code: usize) -> DecompressError {
    let reason = zstd_safe::get_error_name(code).to_owned();
    DecompressError::Malformed {
        codec: Compression::Zstd,
        reason,
    }
}

/// Compresses into one frame.
pub(super) fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(bytes, DEFAULT_LEVEL)
}
