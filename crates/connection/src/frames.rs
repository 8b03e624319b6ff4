//! Whole frames out of a stream of bytes.
//!
//! **Invariant:** memory follows the bytes that arrived, at most twice as much, and never a length
//! that was only declared.

use bytes::{Buf, Bytes, BytesMut};
use odradek_protocol::frame::{self, LENGTH_PREFIX_LEN};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::error::Lost;

/// What one read asks for at least.
const READ_BYTES_MIN: usize = 16 * 1024;

/// Reads frames, one after the other.
#[derive(Debug)]
pub(crate) struct FrameReader<S> {
    stream: S,
    arrived: BytesMut,
    frame_bytes_max: usize,
}

impl<S: AsyncRead + Unpin> FrameReader<S> {
    pub(crate) fn new(stream: S, frame_bytes_max: usize) -> Self {
        Self {
            stream,
            arrived: BytesMut::new(),
            frame_bytes_max,
        }
    }

    /// The next frame without its length. An end between two frames is [`Lost::ClosedByPeer`], and
    /// so is one in the middle: either way there is nothing more to come.
    ///
    /// Cancellation safe: what was read stays for the next call.
    pub(crate) async fn next(&mut self) -> Result<Bytes, Lost> {
        loop {
            let wanted = match self.arrived.first_chunk::<LENGTH_PREFIX_LEN>() {
                Some(prefix) => {
                    LENGTH_PREFIX_LEN + frame::frame_len(*prefix, self.frame_bytes_max)?
                }
                None => LENGTH_PREFIX_LEN,
            };
            if LENGTH_PREFIX_LEN < wanted && wanted <= self.arrived.len() {
                let mut frame = self.arrived.split_to(wanted);
                frame.advance(LENGTH_PREFIX_LEN);
                return Ok(frame.freeze());
            }
            let missing = wanted.saturating_sub(self.arrived.len());
            let doubled = self.arrived.len().max(READ_BYTES_MIN);
            self.arrived.reserve(missing.clamp(READ_BYTES_MIN, doubled));
            if self.stream.read_buf(&mut self.arrived).await? == 0 {
                return Err(Lost::ClosedByPeer);
            }
        }
    }

    /// The stream, to write to it.
    pub(crate) const fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The same reader on another stream, such as one half of it; what has arrived stays.
    pub(crate) fn map_stream<T, R>(self, change: impl FnOnce(S) -> (T, R)) -> (FrameReader<T>, R) {
        let (stream, rest) = change(self.stream);
        let reader = FrameReader {
            stream,
            arrived: self.arrived,
            frame_bytes_max: self.frame_bytes_max,
        };
        (reader, rest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn frames_are_cut_however_the_bytes_arrive() {
        let bytes: &[u8] = &[0, 0, 0, 2, 7, 8, 0, 0, 0, 1, 9];
        for at in 0..bytes.len() {
            let (first, second) = bytes.split_at(at);
            let mut reader = FrameReader::new(AsyncReadExt::chain(first, second), 100);
            assert_eq!(reader.next().await.unwrap(), [7, 8].as_slice());
            assert_eq!(reader.next().await.unwrap(), [9].as_slice());
            assert!(matches!(reader.next().await, Err(Lost::ClosedByPeer)));
        }
    }

    #[tokio::test]
    async fn an_end_in_the_middle_and_an_impossible_length_are_told() {
        let mut cut = FrameReader::new([0, 0, 0, 2, 7].as_slice(), 100);
        assert!(matches!(cut.next().await, Err(Lost::ClosedByPeer)));
        let mut large = FrameReader::new([0, 0, 0, 101].as_slice(), 100);
        assert!(matches!(large.next().await, Err(Lost::Frame(_))));
    }
}
