//! Writes into one growing buffer, leaving gaps where file ranges are to be sent.
//!
//! A fetch response is mostly record batches that already lie in a segment file. The encoder writes
//! the length in front of them and notes a [`Gap`]; whoever sends the buffer puts the file range
//! there, without the records ever passing through this process.

use crate::primitives::decoder::STRING_LEN_MAX;
use crate::primitives::{Format, Wire, varint};

/// A place where bytes belong that the buffer does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// How many bytes of the buffer are sent before the gap.
    pub at: usize,
    /// How many bytes go into the gap.
    pub len: u32,
}

/// Why a message could not be written. Each is a mistake of the caller, not of the peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A string, byte field, array or frame is longer than its length field can say.
    #[error("value of length {0} does not fit its length field")]
    TooLong(usize),
    /// The version at hand has no null for this field.
    #[error("field {field} cannot be null in version {version}")]
    NullNotAllowed {
        /// The name of the field.
        field: &'static str,
        /// The version being written.
        version: i16,
    },
    /// The message has no such version.
    #[error("version {version} is not supported")]
    UnsupportedVersion {
        /// The version asked for.
        version: i16,
    },
}

/// A buffer under construction.
#[derive(Debug, Default)]
pub struct Encoder {
    buffer: Vec<u8>,
    gaps: Vec<Gap>,
}

impl Encoder {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer with room for `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            buffer: Vec::with_capacity(capacity),
            gaps: Vec::new(),
        }
    }

    /// An empty buffer in memory that was used before.
    pub fn reusing(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self {
            buffer,
            gaps: Vec::new(),
        }
    }

    /// The bytes written so far, without what belongs into the gaps.
    pub fn buffer(&self) -> &[u8] {
        &self.buffer
    }

    /// The gaps in the order of their positions.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// How many bytes will be sent: the buffer and all gaps.
    pub fn total_len(&self) -> usize {
        self.buffer.len() + self.gaps.iter().map(|gap| gap.len as usize).sum::<usize>()
    }

    /// Takes the buffer and its gaps out.
    pub fn into_parts(self) -> (Vec<u8>, Vec<Gap>) {
        (self.buffer, self.gaps)
    }

    /// Writes bytes as they are.
    pub fn write_slice(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Writes a 16-bit signed integer, big-endian like every fixed-width integer in the protocol.
    pub fn write_i16(&mut self, value: i16) {
        self.write_slice(&value.to_be_bytes());
    }

    /// Writes a 32-bit signed integer.
    pub fn write_i32(&mut self, value: i32) {
        self.write_slice(&value.to_be_bytes());
    }

    /// Writes a 64-bit signed integer.
    pub fn write_i64(&mut self, value: i64) {
        self.write_slice(&value.to_be_bytes());
    }

    /// Writes an unsigned variable-length integer.
    pub fn write_unsigned_varint(&mut self, value: u32) {
        varint::write_u32(&mut self.buffer, value);
    }

    /// Overwrites four bytes written earlier, for a length known only afterwards.
    ///
    /// # Panics
    /// If fewer than four bytes were written at `at`.
    pub fn set_i32_at(&mut self, at: usize, value: i32) {
        let place = self
            .buffer
            .get_mut(at..at + 4)
            .expect("four bytes were reserved at `at`");
        place.copy_from_slice(&value.to_be_bytes());
    }

    /// Writes a string, or null for `None`.
    pub fn write_nullable_string(
        &mut self,
        text: Option<&str>,
        format: Format,
    ) -> Result<(), EncodeError> {
        let Some(text) = text else {
            self.write_null_string(format);
            return Ok(());
        };
        if text.len() > STRING_LEN_MAX {
            return Err(EncodeError::TooLong(text.len()));
        }
        if format.flexible {
            self.write_unsigned_varint(text.len() as u32 + 1);
        } else {
            self.write_i16(text.len() as i16);
        }
        self.write_slice(text.as_bytes());
        Ok(())
    }

    /// Writes a byte field, or null for `None`.
    pub fn write_nullable_bytes(
        &mut self,
        bytes: Option<&[u8]>,
        format: Format,
    ) -> Result<(), EncodeError> {
        self.write_length(bytes.map(<[u8]>::len), format)?;
        self.write_slice(bytes.unwrap_or_default());
        Ok(())
    }

    /// Writes an array, or null for `None`.
    pub fn write_nullable_array<T: Wire>(
        &mut self,
        elements: Option<&[T]>,
        format: Format,
    ) -> Result<(), EncodeError> {
        self.write_length(elements.map(<[T]>::len), format)?;
        elements
            .unwrap_or_default()
            .iter()
            .try_for_each(|element| element.encode(self, format))
    }

    /// Writes the length of a byte field whose `len` bytes come from elsewhere, and notes the gap.
    pub fn write_gap(&mut self, len: u32, format: Format) -> Result<(), EncodeError> {
        self.write_length(Some(len as usize), format)?;
        self.gaps.push(Gap {
            at: self.buffer.len(),
            len,
        });
        Ok(())
    }

    /// Writes an empty block of tagged fields.
    pub fn write_no_tagged_fields(&mut self) {
        self.write_unsigned_varint(0);
    }

    fn write_null_string(&mut self, format: Format) {
        if format.flexible {
            self.write_unsigned_varint(0);
        } else {
            self.write_i16(-1);
        }
    }

    /// Writes the length of bytes or the count of an array; `None` stands for null.
    fn write_length(&mut self, len: Option<usize>, format: Format) -> Result<(), EncodeError> {
        let length = match len {
            None => -1,
            Some(len) => i32::try_from(len).map_err(|_| EncodeError::TooLong(len))?,
        };
        if format.flexible {
            // -1 becomes 0, and i32::MAX becomes 2^31, which still fits.
            self.write_unsigned_varint(length.wrapping_add(1) as u32);
        } else {
            self.write_i32(length);
        }
        Ok(())
    }
}

/// Collects the tagged fields of one structure: their number and sizes come before their values.
///
/// Tags must be added in rising order (KIP-482), and none of the values may contain a gap.
#[derive(Debug, Default)]
pub struct TaggedFieldWriter {
    count: u32,
    previous: Option<u32>,
    encoded: Encoder,
}

impl TaggedFieldWriter {
    /// Adds one field.
    pub fn add<T: Wire>(&mut self, tag: u32, value: &T, format: Format) -> Result<(), EncodeError> {
        debug_assert!(
            self.previous.is_none_or(|previous| previous < tag),
            "tags must rise"
        );
        self.previous = Some(tag);
        let mut encoder = Encoder::new();
        value.encode(&mut encoder, format)?;
        debug_assert!(encoder.gaps.is_empty(), "a tagged field cannot hold a gap");
        let len = encoder.buffer.len();
        self.encoded.write_unsigned_varint(tag);
        self.encoded
            .write_unsigned_varint(u32::try_from(len).map_err(|_| EncodeError::TooLong(len))?);
        self.encoded.write_slice(&encoder.buffer);
        self.count += 1;
        Ok(())
    }

    /// Writes the block: the number of fields, then each with its tag and size.
    pub fn finish(self, encoder: &mut Encoder) {
        encoder.write_unsigned_varint(self.count);
        encoder.write_slice(&self.encoded.buffer);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CLASSIC: Format = Format {
        version: 0,
        flexible: false,
    };
    const FLEXIBLE: Format = Format {
        version: 0,
        flexible: true,
    };

    #[test]
    fn a_gap_counts_towards_the_length_but_not_the_buffer() {
        let mut encoder = Encoder::new();
        encoder.write_gap(1000, CLASSIC).unwrap();
        encoder.write_i16(7);
        encoder.write_gap(300, FLEXIBLE).unwrap();
        assert_eq!(encoder.buffer(), [0, 0, 3, 232, 0, 7, 0xad, 0x02]);
        assert_eq!(
            encoder.gaps(),
            [Gap { at: 4, len: 1000 }, Gap { at: 8, len: 300 }]
        );
        assert_eq!(encoder.total_len(), 8 + 1300);
    }

    #[test]
    fn null_is_minus_one_in_classic_and_zero_in_flexible_form() {
        let mut encoder = Encoder::new();
        encoder.write_nullable_string(None, CLASSIC).unwrap();
        encoder.write_nullable_bytes(None, CLASSIC).unwrap();
        encoder.write_nullable_string(None, FLEXIBLE).unwrap();
        encoder.write_nullable_bytes(None, FLEXIBLE).unwrap();
        assert_eq!(encoder.buffer(), [255, 255, 255, 255, 255, 255, 0, 0]);
    }

    #[test]
    fn a_string_that_kafka_could_not_read_is_refused() {
        let text = "x".repeat(STRING_LEN_MAX + 1);
        for format in [CLASSIC, FLEXIBLE] {
            let error = Encoder::new()
                .write_nullable_string(Some(&text), format)
                .unwrap_err();
            assert_eq!(error, EncodeError::TooLong(text.len()));
        }
    }
}
