//! Variable-length integers: seven bits a byte, least significant group first, the high bit set on
//! all bytes but the last.
//!
//! Signed values inside records are zigzag-coded first so that small negative numbers stay short.
//! Over-long encodings of small values are accepted, as Kafka accepts them; bits that do not fit
//! the type are an error.

/// The longest encoding of a 32-bit value, in bytes.
pub const VARINT_LEN_MAX: usize = 5;
/// The longest encoding of a 64-bit value, in bytes.
pub const VARLONG_LEN_MAX: usize = 10;

/// Why no integer could be read from the front of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarintError {
    /// The slice ends before the integer does.
    Incomplete,
    /// The encoding carries more bits than the type holds.
    Overflow,
}

/// Reads an unsigned 32-bit integer: its value and how many bytes it took.
pub fn read_u32(bytes: &[u8]) -> Result<(u32, usize), VarintError> {
    // Lengths and counts are nearly always below 128, which is one byte.
    if let Some(&first) = bytes.first()
        && first < 0x80
    {
        return Ok((u32::from(first), 1));
    }
    let mut value = 0u32;
    for (index, &byte) in bytes.iter().take(VARINT_LEN_MAX).enumerate() {
        if index == VARINT_LEN_MAX - 1 && byte > 0x0f {
            return Err(VarintError::Overflow);
        }
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Ok((value, index + 1));
        }
    }
    Err(VarintError::Incomplete)
}

/// Reads an unsigned 64-bit integer: its value and how many bytes it took.
pub fn read_u64(bytes: &[u8]) -> Result<(u64, usize), VarintError> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(VARLONG_LEN_MAX).enumerate() {
        if index == VARLONG_LEN_MAX - 1 && byte > 0x01 {
            return Err(VarintError::Overflow);
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Ok((value, index + 1));
        }
    }
    Err(VarintError::Incomplete)
}

/// Reads a zigzag-coded signed 32-bit integer: its value and how many bytes it took.
pub fn read_i32(bytes: &[u8]) -> Result<(i32, usize), VarintError> {
    let (raw, len) = read_u32(bytes)?;
    Ok(((raw >> 1) as i32 ^ -((raw & 1) as i32), len))
}

/// Reads a zigzag-coded signed 64-bit integer: its value and how many bytes it took.
pub fn read_i64(bytes: &[u8]) -> Result<(i64, usize), VarintError> {
    let (raw, len) = read_u64(bytes)?;
    Ok(((raw >> 1) as i64 ^ -((raw & 1) as i64), len))
}

/// Appends an unsigned 32-bit integer.
pub fn write_u32(buffer: &mut Vec<u8>, value: u32) {
    write_u64(buffer, u64::from(value));
}

/// Appends an unsigned 64-bit integer.
pub fn write_u64(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buffer.push(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.push(value as u8);
}

/// Appends a signed 32-bit integer, zigzag-coded.
pub fn write_i32(buffer: &mut Vec<u8>, value: i32) {
    write_u32(buffer, ((value << 1) ^ (value >> 31)) as u32);
}

/// Appends a signed 64-bit integer, zigzag-coded.
pub fn write_i64(buffer: &mut Vec<u8>, value: i64) {
    write_u64(buffer, ((value << 1) ^ (value >> 63)) as u64);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_boundary_value_survives_the_round_trip() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, u32::MAX - 1, u32::MAX] {
            let mut buffer = Vec::new();
            write_u32(&mut buffer, value);
            assert_eq!(read_u32(&buffer).unwrap(), (value, buffer.len()));
            assert_eq!(read_u64(&buffer).unwrap(), (u64::from(value), buffer.len()));
        }
        for value in [0, -1, 1, -64, 64, i32::MIN, i32::MAX] {
            let mut buffer = Vec::new();
            write_i32(&mut buffer, value);
            assert_eq!(read_i32(&buffer).unwrap(), (value, buffer.len()));
        }
        for value in [0, -1, 1, i64::from(i32::MIN) - 1, i64::MIN, i64::MAX] {
            let mut buffer = Vec::new();
            write_i64(&mut buffer, value);
            assert_eq!(read_i64(&buffer).unwrap(), (value, buffer.len()));
        }
    }

    #[test]
    fn zigzag_keeps_small_negative_numbers_short() {
        let mut buffer = Vec::new();
        write_i32(&mut buffer, -1);
        write_i64(&mut buffer, -64);
        assert_eq!(buffer, [1, 127]);
    }

    #[test]
    fn an_integer_that_never_ends_or_does_not_fit_is_an_error() {
        assert_eq!(read_u32(&[]), Err(VarintError::Incomplete));
        assert_eq!(read_u32(&[0x80, 0x80]), Err(VarintError::Incomplete));
        assert_eq!(read_u32(&[0xff; 5]), Err(VarintError::Overflow));
        assert_eq!(
            read_u32(&[0xff, 0xff, 0xff, 0xff, 0x1f]),
            Err(VarintError::Overflow)
        );
        assert_eq!(read_u64(&[0xff; 10]), Err(VarintError::Overflow));
    }

    #[test]
    fn an_over_long_encoding_of_a_small_value_is_accepted() {
        assert_eq!(read_u32(&[0x81, 0x00]), Ok((1, 2)));
    }
}
