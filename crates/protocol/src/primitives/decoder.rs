//! Reads from one request frame, never past its end.
//!
//! The input is hostile until proven otherwise, so three rules hold for any bytes:
//! - a read beyond the end is an error, never a panic;
//! - a length or count larger than what remains is refused before anything is reserved for it;
//! - the memory reserved for array elements stays below a small multiple of the frame
//!   ([`Decoder::ELEMENT_BYTES_PER_FRAME_BYTE`]), however cheap an element is on the wire.
//!
//! Byte fields are slices of the frame: nothing is copied, and a slice keeps the whole frame alive.

use crate::primitives::varint::{self, VarintError};
use crate::primitives::{Format, Wire};
use bytes::Bytes;
use uuid::Uuid;

/// The longest string Kafka accepts, in bytes of UTF-8, in classic and compact form alike.
pub(super) const STRING_LEN_MAX: usize = 0x7fff;

/// Why a frame could not be read. `at` is always the position in the frame, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The frame ends inside a value.
    #[error("frame ends at byte {at} where {needed} more bytes are needed")]
    Truncated {
        /// Where the value starts.
        at: usize,
        /// How many bytes it takes beyond `at`.
        needed: usize,
    },
    /// A length or a count is negative, or larger than what can follow it.
    #[error("invalid length {length} at byte {at}")]
    InvalidLength {
        /// Where the length was read.
        at: usize,
        /// What it says.
        length: i64,
    },
    /// A variable-length integer carries more bits than its type holds.
    #[error("variable-length integer at byte {at} is out of range")]
    InvalidVarint {
        /// Where the integer starts.
        at: usize,
    },
    /// Null where the API version requires a value.
    #[error("null at byte {at} where a value is required")]
    UnexpectedNull {
        /// Where the null ends.
        at: usize,
    },
    /// A value did not end where its enclosing frame or tagged field does.
    #[error("{remaining} bytes left over at byte {at}")]
    TrailingBytes {
        /// Where the value ended.
        at: usize,
        /// How many bytes follow it.
        remaining: usize,
    },
    /// The frame holds more array elements than a frame of its size plausibly can.
    #[error("too many array elements for a frame of {frame_len} bytes")]
    TooManyElements {
        /// The length of the whole frame.
        frame_len: usize,
    },
    /// The message has no such version.
    #[error("version {version} is not supported")]
    UnsupportedVersion {
        /// The version asked for.
        version: i16,
    },
}

/// A reading position within one frame.
#[derive(Debug)]
pub struct Decoder<'a> {
    frame: &'a Bytes,
    position: usize,
    /// Reads stop here: the end of the frame, or of the tagged field being read.
    end: usize,
    /// How many more bytes of memory may be reserved for array elements.
    element_bytes_left: usize,
}

impl<'a> Decoder<'a> {
    /// Array elements may take this many bytes of memory for each byte of the frame.
    ///
    /// Real requests with short names come to 6; an array of empty strings would reach 24.
    pub const ELEMENT_BYTES_PER_FRAME_BYTE: usize = 8;
    /// Array elements may take this many bytes of memory however small the frame.
    pub const ELEMENT_BYTES_MIN: usize = 16 * 1024;

    /// Starts at the front of `frame`.
    pub fn new(frame: &'a Bytes) -> Self {
        let budget = frame
            .len()
            .saturating_mul(Self::ELEMENT_BYTES_PER_FRAME_BYTE);
        Self {
            frame,
            position: 0,
            end: frame.len(),
            element_bytes_left: budget.saturating_add(Self::ELEMENT_BYTES_MIN),
        }
    }

    /// The same with a limit of its own: no more than `bytes_max` for array elements, if the frame
    /// would allow more.
    #[must_use]
    pub fn with_element_bytes_max(mut self, bytes_max: usize) -> Self {
        self.element_bytes_left = self.element_bytes_left.min(bytes_max);
        self
    }

    /// How many bytes have been read so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.end - self.position
    }

    /// Fails unless everything was read.
    ///
    /// Not for requests: Kafka ignores what follows a request's body, and so should a broker.
    pub fn expect_end(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            remaining => Err(DecodeError::TrailingBytes {
                at: self.position,
                remaining,
            }),
        }
    }

    /// Reads `len` bytes without copying them.
    pub fn read_slice(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let slice = self
            .advance(len)
            .and_then(|start| self.frame.get(start..start + len));
        slice.ok_or(DecodeError::Truncated {
            at: self.position,
            needed: len,
        })
    }

    /// Reads `len` bytes as a slice that shares the frame's memory.
    pub fn read_bytes(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        match self.advance(len) {
            Some(start) => Ok(self.frame.slice(start..start + len)),
            None => Err(DecodeError::Truncated {
                at: self.position,
                needed: len,
            }),
        }
    }

    /// Reads `N` bytes as an array, for fixed-width integers.
    pub fn read_array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.read_slice(N)?);
        Ok(array)
    }

    /// Reads a 16-bit signed integer, big-endian like every fixed-width integer in the protocol.
    pub fn read_i16(&mut self) -> Result<i16, DecodeError> {
        self.read_array().map(i16::from_be_bytes)
    }

    /// Reads a 32-bit signed integer.
    pub fn read_i32(&mut self) -> Result<i32, DecodeError> {
        self.read_array().map(i32::from_be_bytes)
    }

    /// Reads a 64-bit signed integer.
    pub fn read_i64(&mut self) -> Result<i64, DecodeError> {
        self.read_array().map(i64::from_be_bytes)
    }

    /// Reads an unsigned variable-length integer of at most 32 bits.
    pub fn read_unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let rest = self.frame.get(self.position..self.end).unwrap_or_default();
        match varint::read_u32(rest) {
            Ok((value, len)) => {
                self.position += len;
                Ok(value)
            }
            Err(VarintError::Incomplete) => Err(DecodeError::Truncated {
                at: self.position,
                needed: rest.len() + 1,
            }),
            Err(VarintError::Overflow) => Err(DecodeError::InvalidVarint { at: self.position }),
        }
    }

    /// Reads a UUID; all zeros stand for "none".
    pub fn read_uuid(&mut self) -> Result<Uuid, DecodeError> {
        self.read_array().map(Uuid::from_bytes)
    }

    /// Reads a string, or `None` for null.
    ///
    /// Bytes that are not UTF-8 become U+FFFD, as in Kafka: client ids come in any encoding.
    pub fn read_nullable_string(&mut self, format: Format) -> Result<Option<String>, DecodeError> {
        let at = self.position;
        let length = if format.flexible {
            i64::from(self.read_unsigned_varint()?) - 1
        } else {
            i64::from(self.read_i16()?)
        };
        let Some(len) = self.checked_len(at, length)? else {
            return Ok(None);
        };
        if len > STRING_LEN_MAX {
            return Err(DecodeError::InvalidLength { at, length });
        }
        Ok(Some(
            String::from_utf8_lossy(self.read_slice(len)?).into_owned(),
        ))
    }

    /// Reads a byte field as a slice of the frame, or `None` for null.
    pub fn read_nullable_bytes(&mut self, format: Format) -> Result<Option<Bytes>, DecodeError> {
        match self.read_length(format)? {
            Some(len) => self.read_bytes(len).map(Some),
            None => Ok(None),
        }
    }

    /// Reads an array, or `None` for null.
    pub fn read_nullable_array<T: Wire>(
        &mut self,
        format: Format,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        // Each element takes at least one byte, so `read_length` already refused absurd counts.
        let Some(count) = self.read_length(format)? else {
            return Ok(None);
        };
        let mut elements = Vec::new();
        for _ in 0..count {
            if elements.len() == elements.capacity() {
                self.reserve(&mut elements, count)?;
            }
            elements.push(T::decode(self, format)?);
        }
        Ok(Some(elements))
    }

    /// Reads the tagged fields that end a flexible structure.
    ///
    /// `known` reads the value of a tag it knows and returns true; for any other tag it returns
    /// false without reading, and the value is skipped. Tags should rise (KIP-482), but like Kafka
    /// we accept them in any order, and of a repeated tag the last one counts.
    pub fn read_tagged_fields(
        &mut self,
        mut known: impl FnMut(&mut Self, u32) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let at = self.position;
        let count = self.read_unsigned_varint()?;
        // A tag and a size take at least one byte each.
        if count as usize > self.remaining() / 2 {
            return Err(DecodeError::InvalidLength {
                at,
                length: i64::from(count),
            });
        }
        for _ in 0..count {
            let tag = self.read_unsigned_varint()?;
            let size = self.read_unsigned_varint()? as usize;
            let start = self.position;
            if size > self.remaining() {
                return Err(DecodeError::Truncated {
                    at: start,
                    needed: size,
                });
            }
            let enclosing_end = std::mem::replace(&mut self.end, start + size);
            if known(self, tag)? {
                self.expect_end()?;
            }
            self.position = start + size;
            self.end = enclosing_end;
        }
        Ok(())
    }

    /// Skips the tagged fields of a structure that has none we know.
    pub fn skip_tagged_fields(&mut self) -> Result<(), DecodeError> {
        self.read_tagged_fields(|_, _| Ok(false))
    }

    /// Reads the length of bytes or the count of an array; `None` stands for null.
    fn read_length(&mut self, format: Format) -> Result<Option<usize>, DecodeError> {
        let at = self.position;
        let length = if format.flexible {
            i64::from(self.read_unsigned_varint()?) - 1
        } else {
            i64::from(self.read_i32()?)
        };
        self.checked_len(at, length)
    }

    fn checked_len(&self, at: usize, length: i64) -> Result<Option<usize>, DecodeError> {
        match usize::try_from(length) {
            Ok(len) if len <= self.remaining() => Ok(Some(len)),
            Err(_) if length == -1 => Ok(None),
            _ => Err(DecodeError::InvalidLength { at, length }),
        }
    }

    /// Makes room for more of the `count` elements of an array.
    ///
    /// First for as many as the rest of the frame could hold if an element were no smaller there
    /// than in memory, then for twice as many as have turned up. Whatever is reserved is charged,
    /// so that a frame of many tiny elements cannot grow into a hundred times its size.
    fn reserve<T>(&mut self, elements: &mut Vec<T>, count: usize) -> Result<(), DecodeError> {
        let element_len = size_of::<T>().max(1);
        let wanted = (self.remaining() / element_len).max(elements.len()).max(4);
        let additional = wanted.min(count - elements.len());
        let charge = additional.saturating_mul(element_len);
        match self.element_bytes_left.checked_sub(charge) {
            Some(left) => self.element_bytes_left = left,
            None => {
                return Err(DecodeError::TooManyElements {
                    frame_len: self.frame.len(),
                });
            }
        }
        elements.reserve_exact(additional);
        Ok(())
    }

    /// Moves past `len` bytes and returns where they start, unless fewer remain.
    fn advance(&mut self, len: usize) -> Option<usize> {
        let start = self.position;
        (len <= self.remaining()).then(|| {
            self.position += len;
            start
        })
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
