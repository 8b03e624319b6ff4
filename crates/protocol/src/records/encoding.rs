//! How one record is laid out inside a batch, read from memory or from a decompressed stream.
//!
//! ```text
//! length varint | attributes i8, unused | timestamp delta varlong | offset delta varint
//! | key length varint, -1 = none | key | value length varint, -1 = none | value
//! | header count varint | { key length varint | key | value length varint, -1 = none | value }*
//! ```
//! Varints are zigzag encoded. The same code serves the check of a batch and the iteration over
//! it, so that what was let in can be read. Nothing here allocates.

use super::compression::decompress::{DecompressError, DecompressedStream};

/// A header takes two bytes at least.
const HEADER_BYTES_MIN: i64 = 2;

/// Why the bytes of a record make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedRecord {
    /// The records end inside this one.
    #[error("it runs past the end of the batch")]
    Truncated,
    /// A varint is longer than its type allows.
    #[error("a varint does not fit its type")]
    VarintTooLong,
    /// The record's own length is negative, or not that of its fields.
    #[error("its length {length} is not that of its fields")]
    Length {
        /// The length found.
        length: i32,
    },
    /// A key or value is longer than the record, or its length is negative and not -1.
    #[error("field length {length} is out of range")]
    FieldLength {
        /// The length found.
        length: i32,
    },
    /// The number of headers is negative or more than the record can hold.
    #[error("header count {count} is out of range")]
    HeaderCount {
        /// The count found.
        count: i32,
    },
    /// The timestamp delta leads outside the range of timestamps.
    #[error("timestamp delta {delta} is out of range")]
    TimestampDelta {
        /// The delta found.
        delta: i64,
    },
    /// The records cannot be decompressed up to this one's end. Boxed, because the results of
    /// every field that is read are as large as this type.
    #[error(transparent)]
    Decompress(Box<DecompressError>),
}

impl From<DecompressError> for MalformedRecord {
    fn from(error: DecompressError) -> Self {
        Self::Decompress(Box::new(error))
    }
}

/// Where records are read from.
pub(super) trait Source {
    /// What is left of a key or value once it was read.
    type Field;

    /// Bytes that can be read without waiting for more; empty at the end, and before a refill.
    fn ahead(&self) -> &[u8];

    /// Passes over `count` of the bytes ahead.
    fn advance(&mut self, count: usize);

    /// Gets more bytes once all ahead were passed; false at the end.
    fn refill(&mut self) -> Result<bool, MalformedRecord>;

    /// The next `len` bytes.
    fn field(&mut self, len: usize) -> Result<Self::Field, MalformedRecord>;

    /// How many bytes were read so far.
    fn consumed(&self) -> u64;

    /// The next byte.
    #[inline]
    fn byte(&mut self) -> Result<u8, MalformedRecord> {
        loop {
            if let Some(&byte) = self.ahead().first() {
                self.advance(1);
                return Ok(byte);
            }
            if !self.refill()? {
                return Err(MalformedRecord::Truncated);
            }
        }
    }

    /// A signed number of up to 32 bits.
    #[inline]
    fn varint(&mut self) -> Result<i32, MalformedRecord> {
        i32::try_from(self.varlong()?).map_err(|_| MalformedRecord::VarintTooLong)
    }

    /// A signed number of up to 64 bits. Nearly all take one byte or two.
    #[inline]
    fn varlong(&mut self) -> Result<i64, MalformedRecord> {
        match *self.ahead() {
            [first, ..] if first < 0x80 => {
                self.advance(1);
                Ok(unzigzag(first.into()))
            }
            [first, second, ..] if second < 0x80 => {
                self.advance(2);
                Ok(unzigzag(u64::from(first & 0x7f) | u64::from(second) << 7))
            }
            _ => self.long_varint().map(unzigzag),
        }
    }

    /// A number of any length, before the zigzag is undone.
    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64, MalformedRecord> {
        let mut value = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits.leading_zeros() < shift {
                return Err(MalformedRecord::VarintTooLong);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(MalformedRecord::VarintTooLong)
    }
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Records in memory; fields stay there.
#[derive(Debug, Clone)]
pub(super) struct SliceSource<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> SliceSource<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            len: bytes.len(),
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }
}

impl<'a> Source for SliceSource<'a> {
    type Field = &'a [u8];

    #[inline]
    fn ahead(&self) -> &[u8] {
        self.rest
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    #[inline]
    fn refill(&mut self) -> Result<bool, MalformedRecord> {
        Ok(false)
    }

    #[inline]
    fn field(&mut self, len: usize) -> Result<&'a [u8], MalformedRecord> {
        let (field, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(MalformedRecord::Truncated)?;
        self.rest = rest;
        Ok(field)
    }

    #[inline]
    fn consumed(&self) -> u64 {
        (self.len - self.rest.len()) as u64
    }
}

/// Records that are decompressed on the way; fields are skipped.
impl Source for DecompressedStream<'_> {
    type Field = ();

    #[inline]
    fn ahead(&self) -> &[u8] {
        self.unread()
    }

    #[inline]
    fn advance(&mut self, count: usize) {
        self.consume(count);
    }

    fn refill(&mut self) -> Result<bool, MalformedRecord> {
        Ok(DecompressedStream::refill(self)?)
    }

    #[inline]
    fn field(&mut self, len: usize) -> Result<(), MalformedRecord> {
        let mut left = len;
        loop {
            let count = self.unread().len().min(left);
            self.consume(count);
            left -= count;
            if left == 0 {
                return Ok(());
            }
            if !Source::refill(self)? {
                return Err(MalformedRecord::Truncated);
            }
        }
    }

    #[inline]
    fn consumed(&self) -> u64 {
        DecompressedStream::consumed(self)
    }
}

/// A record up to its headers.
#[derive(Debug)]
pub(super) struct RecordHead<F> {
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    pub(super) key: Option<F>,
    pub(super) value: Option<F>,
    pub(super) header_count: i32,
    /// The record's own length.
    length: i32,
    /// Where in the source the record has to end.
    end: u64,
}

impl<F> RecordHead<F> {
    /// How many bytes of `source` the headers take.
    pub(super) fn headers_len(&self, source: &impl Source) -> usize {
        self.end.saturating_sub(source.consumed()) as usize
    }
}

/// Reads a record up to its headers.
#[inline]
pub(super) fn read_head<S: Source>(
    source: &mut S,
) -> Result<RecordHead<S::Field>, MalformedRecord> {
    let length = source.varint()?;
    if length < 0 {
        return Err(MalformedRecord::Length { length });
    }
    let end = source.consumed() + u64::from(length.unsigned_abs());
    let _attributes = source.byte()?;
    let timestamp_delta = source.varlong()?;
    let offset_delta = source.varint()?;
    let key = read_nullable(source, end)?;
    let value = read_nullable(source, end)?;
    let header_count = source.varint()?;
    let Some(headers_len) = end.checked_sub(source.consumed()) else {
        return Err(MalformedRecord::Length { length });
    };
    if header_count < 0 || (headers_len as i64) < i64::from(header_count) * HEADER_BYTES_MIN {
        return Err(MalformedRecord::HeaderCount {
            count: header_count,
        });
    }
    Ok(RecordHead {
        timestamp_delta,
        offset_delta,
        key,
        value,
        header_count,
        length,
        end,
    })
}

/// Reads the headers that follow `head`, up to the record's end.
#[inline]
pub(super) fn skip_headers<S: Source>(
    source: &mut S,
    head: &RecordHead<S::Field>,
) -> Result<(), MalformedRecord> {
    for _ in 0..head.header_count {
        read_header(source, head.end)?;
    }
    if source.consumed() == head.end {
        Ok(())
    } else {
        Err(MalformedRecord::Length {
            length: head.length,
        })
    }
}

/// Reads one header of a record that ends at `end`.
pub(super) fn read_header<S: Source>(
    source: &mut S,
    end: u64,
) -> Result<(S::Field, Option<S::Field>), MalformedRecord> {
    let key_length = source.varint()?;
    let key = read_field(source, key_length, end)?;
    Ok((key, read_nullable(source, end)?))
}

#[inline]
fn read_nullable<S: Source>(source: &mut S, end: u64) -> Result<Option<S::Field>, MalformedRecord> {
    match source.varint()? {
        -1 => Ok(None),
        length => read_field(source, length, end).map(Some),
    }
}

#[inline]
fn read_field<S: Source>(
    source: &mut S,
    length: i32,
    end: u64,
) -> Result<S::Field, MalformedRecord> {
    // Before a byte is read: a stream may be asked to skip gigabytes.
    if length < 0 || end < source.consumed() + u64::from(length.unsigned_abs()) {
        return Err(MalformedRecord::FieldLength { length });
    }
    source.field(length as usize)
}

/// How many bytes [`put_varlong`] appends.
pub(super) fn varlong_len(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    let bits = (u64::BITS - zigzag.leading_zeros()).max(1);
    bits.div_ceil(7) as usize
}

/// How many bytes [`put_nullable`] appends.
pub(super) fn nullable_len(field: Option<&[u8]>) -> usize {
    match field {
        None => varlong_len(-1),
        Some(field) => varlong_len(field.len() as i64) + field.len(),
    }
}

/// Appends a signed number, zigzag encoded.
pub(super) fn put_varlong(output: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        output.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    output.push(rest as u8);
}

/// Appends a length and the bytes, or -1.
pub(super) fn put_nullable(output: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        None => put_varlong(output, -1),
        Some(field) => {
            put_varlong(output, field.len() as i64);
            output.extend_from_slice(field);
        }
    }
}

#[cfg(test)]
#[path = "encoding_tests.rs"]
mod tests;
