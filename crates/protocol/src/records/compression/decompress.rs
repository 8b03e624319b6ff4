//! Decompressing a batch's records piece by piece, in memory that hostile input cannot make grow.
//!
//! A producer may send a few bytes that expand to gigabytes. Therefore:
//! - No declared size is believed: output is limited by [`DECOMPRESSED_BYTES_MAX`], and a buffer
//!   never gets larger than what its compressed bytes can really expand to.
//! - Output goes to one scratch buffer per thread, reused, of at most [`SCRATCH_BYTES`].
//! - What cannot do with that (snappy blocks and lz4 blocks over 1 MiB, zstd batches over 1 MiB)
//!   uses [`LARGE_MEMORY`], which one batch of the process has at a time.
//!
//! A stream has to end exactly where its format says: a missing end mark or bytes after it are
//! errors, because consumers would stumble over them for as long as the batch is kept.

use std::cell::RefCell;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ::zstd::zstd_safe::DCtx;
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

use super::Compression;
use super::lz4::Lz4Decoder;
use super::snappy::SnappyDecoder;
use super::zstd::ZstdDecoder;

/// What one batch may expand to, in bytes. Kafka has no such limit; this one is a quarter of the
/// default segment size and 256 times the default `max.message.bytes`.
pub const DECOMPRESSED_BYTES_MAX: u64 = 256 << 20;

/// What each thread that decompresses may keep for its output.
pub(super) const SCRATCH_BYTES: usize = 1 << 20;
/// Output space for the codecs that can stop anywhere.
const CHUNK_BYTES: usize = 64 << 10;
/// Above what allocators keep for later: memory for a large block is given back at once. Pages
/// that are not written to cost nothing.
const LARGE_BLOCK_RESERVE_BYTES: usize = 33 << 20;

/// Held by the one batch that uses more memory than its thread's scratch.
static LARGE_MEMORY: Mutex<LargeMemory> = Mutex::new(LargeMemory { zstd: None });

/// What the process keeps between such batches, up to 9 MiB.
pub(super) struct LargeMemory {
    pub(super) zstd: Option<DCtx<'static>>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Why the records of a batch cannot be decompressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// The compressed bytes end before the stream does.
    #[error("{0} data is cut short")]
    Truncated(Compression),
    /// Bytes follow the end of the stream.
    #[error("{0} data has bytes after its end")]
    TrailingBytes(Compression),
    /// The bytes are not in the codec's format.
    #[error("{codec} data is malformed: {reason}")]
    Malformed {
        /// The codec of the batch.
        codec: Compression,
        /// What the decoder says.
        reason: String,
    },
    /// The format allows it; the clients' readers do not.
    #[error("{codec} data uses {feature}, which is not supported")]
    Unsupported {
        /// The codec of the batch.
        codec: Compression,
        /// What is not supported.
        feature: &'static str,
    },
    /// The output is larger than allowed.
    #[error("{codec} data expands to more than {limit} bytes")]
    TooLarge {
        /// The codec of the batch.
        codec: Compression,
        /// The limit in bytes.
        limit: u64,
    },
}

/// Decompresses all of `input`, for readers that need it in one piece.
///
/// # Errors
/// [`DecompressError::TooLarge`] above `limit` bytes; the others if the data is broken.
pub fn decompress(codec: Compression, input: &[u8], limit: u64) -> Result<Bytes, DecompressError> {
    with_stream(codec, input, limit, |stream| {
        let mut output = Vec::new();
        loop {
            let chunk = stream.unread();
            if chunk.is_empty() {
                if !stream.refill()? {
                    return Ok(output.into());
                }
                continue;
            }
            output.extend_from_slice(chunk);
            let read = chunk.len();
            stream.consume(read);
        }
    })
}

/// Opens `input` as a stream of decompressed bytes for the time of one call.
pub(crate) fn with_stream<T>(
    codec: Compression,
    input: &[u8],
    limit: u64,
    read: impl FnOnce(&mut DecompressedStream<'_>) -> T,
) -> T {
    SCRATCH.with_borrow_mut(|scratch| {
        let Scratch { output, zstd } = scratch;
        let decoder = match codec {
            Compression::None => Decoder::None(input),
            Compression::Gzip => Decoder::Gzip(MultiGzDecoder::new(input)),
            Compression::Snappy => Decoder::Snappy(SnappyDecoder::new(input)),
            Compression::Lz4 => Decoder::Lz4(Lz4Decoder::new(input)),
            Compression::Zstd => Decoder::Zstd(ZstdDecoder::new(input, zstd)),
        };
        let output = OutputBuffer {
            bytes: output,
            large_memory: None,
        };
        let mut stream = DecompressedStream {
            codec,
            decoder,
            output,
            start: 0,
            end: 0,
            total: 0,
            limit,
        };
        let result = read(&mut stream);
        // The lock goes last: the memory it stands for has to be free by then.
        let large_memory = stream.output.large_memory.take();
        drop(stream);
        if SCRATCH_BYTES < scratch.output.len() {
            scratch.output = Vec::new();
        }
        drop(large_memory);
        result
    })
}

/// What a thread keeps between batches.
#[derive(Default)]
struct Scratch {
    output: Vec<u8>,
    zstd: Option<DCtx<'static>>,
}

/// Decompressed bytes, a chunk at a time.
pub(crate) struct DecompressedStream<'a> {
    codec: Compression,
    decoder: Decoder<'a>,
    output: OutputBuffer<'a>,
    /// What is in `output` and not yet read.
    start: usize,
    end: usize,
    /// How many bytes came out so far.
    total: u64,
    limit: u64,
}

enum Decoder<'a> {
    None(&'a [u8]),
    Gzip(MultiGzDecoder<&'a [u8]>),
    Snappy(SnappyDecoder<'a>),
    Lz4(Lz4Decoder<'a>),
    Zstd(ZstdDecoder<'a>),
}

impl DecompressedStream<'_> {
    /// Bytes that are there already; empty at first, and whenever all were consumed.
    #[inline]
    pub(crate) fn unread(&self) -> &[u8] {
        self.output
            .bytes
            .get(self.start..self.end)
            .unwrap_or_default()
    }

    /// Marks `count` bytes, at most those of [`unread`](Self::unread), as read.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) {
        debug_assert!(count <= self.end - self.start);
        self.start += count;
    }

    /// How many bytes were consumed since the beginning.
    #[inline]
    pub(crate) fn consumed(&self) -> u64 {
        self.total - (self.end - self.start) as u64
    }

    /// Replaces what was read by more; false at the end of the stream.
    pub(crate) fn refill(&mut self) -> Result<bool, DecompressError> {
        debug_assert_eq!(self.start, self.end);
        let count = match &mut self.decoder {
            Decoder::None(rest) => rest
                .read(self.output.chunk())
                .expect("reading from memory does not fail"),
            Decoder::Gzip(decoder) => read_gzip(decoder, self.output.chunk())?,
            Decoder::Snappy(decoder) => decoder.read(&mut self.output)?,
            Decoder::Lz4(decoder) => decoder.read(&mut self.output)?,
            Decoder::Zstd(decoder) => decoder.read(&mut self.output)?,
        };
        self.start = 0;
        self.end = count;
        self.total += count as u64;
        if self.limit < self.total {
            return Err(DecompressError::TooLarge {
                codec: self.codec,
                limit: self.limit,
            });
        }
        Ok(count > 0)
    }
}

/// Where decoders put their output: the thread's scratch, which grows as they need it.
pub(super) struct OutputBuffer<'a> {
    bytes: &'a mut Vec<u8>,
    large_memory: Option<MutexGuard<'static, LargeMemory>>,
}

impl OutputBuffer<'_> {
    /// Space of the usual size.
    pub(super) fn chunk(&mut self) -> &mut [u8] {
        self.space(CHUNK_BYTES)
    }

    /// Space for `len` bytes at least. What was there before is lost.
    pub(super) fn space(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() < len {
            let mut reserve = len;
            if SCRATCH_BYTES < len {
                self.large_memory.get_or_insert_with(lock_large_memory);
                reserve = reserve.max(LARGE_BLOCK_RESERVE_BYTES);
            }
            *self.bytes = vec![0; reserve];
        }
        self.bytes
    }

    /// Space of the usual size, and the large memory, held until this batch is done.
    pub(super) fn chunk_and_large_memory(&mut self) -> (&mut [u8], &mut LargeMemory) {
        self.chunk();
        (
            self.bytes,
            self.large_memory.get_or_insert_with(lock_large_memory),
        )
    }
}

fn lock_large_memory() -> MutexGuard<'static, LargeMemory> {
    // A panic cannot leave it half changed: every user resets the context first.
    LARGE_MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_gzip(
    decoder: &mut MultiGzDecoder<&[u8]>,
    output: &mut [u8],
) -> Result<usize, DecompressError> {
    decoder.read(output).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => DecompressError::Truncated(Compression::Gzip),
        _ => DecompressError::Malformed {
            codec: Compression::Gzip,
            reason: error.to_string(),
        },
    })
}
