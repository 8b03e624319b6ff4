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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FORMATS: [Format; 2] = [
        Format {
            version: 4,
            flexible: false,
        },
        Format {
            version: 12,
            flexible: true,
        },
    ];

    #[test]
    fn no_records_are_written_as_empty_and_never_as_null() {
        for format in FORMATS {
            for records in [
                Records::Empty,
                Records::Gap(0),
                Records::Inline(Bytes::new()),
            ] {
                let mut encoder = Encoder::new();
                records.encode(&mut encoder, format).unwrap();
                let expected: &[u8] = if format.flexible { &[1] } else { &[0, 0, 0, 0] };
                assert_eq!((encoder.buffer(), encoder.gaps().len()), (expected, 0));
            }
        }
    }

    #[test]
    fn null_records_are_read_as_empty() {
        let [classic, flexible] = FORMATS;
        for (bytes, format) in [(&[255u8; 4][..], classic), (&[0], flexible)] {
            let frame = Bytes::copy_from_slice(bytes);
            let records = Records::decode(&mut Decoder::new(&frame), format).unwrap();
            assert_eq!(records, Records::Empty);
        }
    }
}
