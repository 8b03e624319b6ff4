//! The record set of one partition in a fetch response.
//!
//! It is opaque here: batches are understood in `crate::records`, and only by those who need to.

use crate::primitives::{DecodeError, Decoder, EncodeError, Encoder, Format, Wire};
use bytes::Bytes;

/// Where the record batches of a partition are.
///
/// Null on the wire is read as [`Records::Empty`]; it is never written, because some versions of
/// librdkafka take a null record set for a broken response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Records {
    /// There are none.
    #[default]
    Empty,
    /// In memory, to be copied into the response.
    Inline(Bytes),
    /// So many bytes that the sender puts in from a file; see [`crate::Gap`].
    Gap(u32),
}

impl Records {
    /// How many bytes the record batches take on the wire.
    pub fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Inline(bytes) => bytes.len(),
            Self::Gap(len) => *len as usize,
        }
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Wire for Records {
    fn decode(decoder: &mut Decoder<'_>, format: Format) -> Result<Self, DecodeError> {
        match decoder.read_nullable_bytes(format)? {
            Some(bytes) if !bytes.is_empty() => Ok(Self::Inline(bytes)),
            _ => Ok(Self::Empty),
        }
    }

    fn encode(&self, encoder: &mut Encoder, format: Format) -> Result<(), EncodeError> {
        match self {
            Self::Empty | Self::Gap(0) => encoder.write_nullable_bytes(Some(&[]), format),
            Self::Inline(bytes) => encoder.write_nullable_bytes(Some(bytes), format),
            Self::Gap(len) => encoder.write_gap(*len, format),
        }
    }
}
