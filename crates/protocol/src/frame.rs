//! Frames: the four-byte length in front of every request and response.
//!
//! Pure: nothing here reads a socket. Half a frame is the caller's normal case and never gets here;
//! the caller reads the four bytes, asks [`frame_len`] how much follows, and then reads that.

use crate::primitives::{EncodeError, Encoder, Gap};
use crate::{Message, RequestHeader, ResponseHeader};

/// How many bytes the length in front of a frame takes; the length does not count them.
pub const LENGTH_PREFIX_LEN: usize = 4;

/// What most frames fit into.
const CAPACITY: usize = 256;

/// Why the length of a frame is refused. Both close the connection: what follows cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Fewer than no bytes.
    #[error("negative frame length {0}")]
    Negative(i32),
    /// More than the limit (`socket.request.max.bytes`).
    #[error("frame of {len} bytes is larger than the limit of {len_max}")]
    TooLarge {
        /// What the prefix says.
        len: usize,
        /// The limit.
        len_max: usize,
    },
}

/// How many bytes follow the length prefix.
pub fn frame_len(prefix: [u8; LENGTH_PREFIX_LEN], len_max: usize) -> Result<usize, FrameError> {
    let length = i32::from_be_bytes(prefix);
    match usize::try_from(length) {
        Err(_) => Err(FrameError::Negative(length)),
        Ok(len) if len_max < len => Err(FrameError::TooLarge { len, len_max }),
        Ok(len) => Ok(len),
    }
}

/// A whole frame ready to be sent, length prefix included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedFrame {
    /// Everything but what belongs into the gaps.
    pub bytes: Vec<u8>,
    /// Where file ranges go, in rising order; positions count from the front of `bytes`.
    pub gaps: Vec<Gap>,
}

impl EncodedFrame {
    /// How many bytes go over the wire: `bytes` and all gaps.
    pub fn total_len(&self) -> usize {
        self.bytes.len() + self.gaps.iter().map(|gap| gap.len as usize).sum::<usize>()
    }
}

/// Encodes a request with its header and length prefix. The header must name `request`'s API.
pub fn encode_request<R: Message>(
    header: &RequestHeader,
    request: &R,
) -> Result<EncodedFrame, EncodeError> {
    encode_request_into(Vec::with_capacity(CAPACITY), header, request)
}

/// The same in memory that was used before: fresh memory costs the kernel a page fault for each
/// 4 KiB.
pub fn encode_request_into<R: Message>(
    buffer: Vec<u8>,
    header: &RequestHeader,
    request: &R,
) -> Result<EncodedFrame, EncodeError> {
    debug_assert_eq!(header.api_key, R::KEY, "the header names another API");
    encode_frame(Encoder::reusing(buffer), |encoder| {
        header.encode(encoder)?;
        Message::encode(request, encoder, header.api_version)
    })
}

/// Encodes a response with its header and length prefix.
pub fn encode_response<R: Message>(
    correlation_id: i32,
    version: i16,
    response: &R,
) -> Result<EncodedFrame, EncodeError> {
    encode_frame(Encoder::with_capacity(CAPACITY), |encoder| {
        ResponseHeader { correlation_id }.encode(encoder, R::KEY, version);
        Message::encode(response, encoder, version)
    })
}

fn encode_frame(
    mut encoder: Encoder,
    write: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>,
) -> Result<EncodedFrame, EncodeError> {
    encoder.write_i32(0);
    write(&mut encoder)?;
    let len = encoder.total_len() - LENGTH_PREFIX_LEN;
    encoder.set_i32_at(
        0,
        i32::try_from(len).map_err(|_| EncodeError::TooLong(len))?,
    );
    let (bytes, gaps) = encoder.into_parts();
    Ok(EncodedFrame { bytes, gaps })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::messages::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
    use crate::primitives::Records;

    #[test]
    fn lengths_beyond_the_limit_and_below_zero_are_refused() {
        assert_eq!(frame_len([0, 0, 1, 0], 256), Ok(256));
        let too_large = FrameError::TooLarge {
            len: 257,
            len_max: 256,
        };
        assert_eq!(frame_len([0, 0, 1, 1], 256), Err(too_large));
        assert_eq!(frame_len([255; 4], 256), Err(FrameError::Negative(-1)));
    }

    #[test]
    fn the_prefix_counts_the_bytes_that_go_into_gaps() {
        let partition = PartitionData {
            records: Records::Gap(5000),
            ..PartitionData::default()
        };
        let topic = FetchableTopicResponse {
            partitions: vec![partition],
            ..Default::default()
        };
        let response = FetchResponse {
            responses: vec![topic],
            ..Default::default()
        };
        let frame = encode_response(3, 12, &response).unwrap();
        let prefix = frame.bytes[..4].try_into().unwrap();
        assert_eq!(
            frame_len(prefix, usize::MAX),
            Ok(frame.total_len() - LENGTH_PREFIX_LEN)
        );
        assert_eq!(frame.gaps.len(), 1);
        assert_eq!(frame.gaps[0].len, 5000);
    }
}
