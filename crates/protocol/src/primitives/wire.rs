//! What can be a field of a message: the [`Wire`] trait and the primitive types that have it.
//!
//! Structures get it from the `message!` macro.

use crate::primitives::{DecodeError, Decoder, EncodeError, Encoder, Format};
use bytes::Bytes;
use uuid::Uuid;

/// A value with a place in the protocol.
pub trait Wire: Sized {
    /// Reads a value laid out in `format`.
    fn decode(decoder: &mut Decoder<'_>, format: Format) -> Result<Self, DecodeError>;

    /// Writes the value laid out in `format`.
    fn encode(&self, encoder: &mut Encoder, format: Format) -> Result<(), EncodeError>;

    /// Whether this is the null of a nullable type.
    fn is_null(&self) -> bool {
        false
    }
}

macro_rules! fixed_width {
    ($($type:ty),*) => { $(
        impl Wire for $type {
            fn decode(decoder: &mut Decoder<'_>, _: Format) -> Result<Self, DecodeError> {
                decoder.read_array().map(Self::from_be_bytes)
            }

            fn encode(&self, encoder: &mut Encoder, _: Format) -> Result<(), EncodeError> {
                encoder.write_slice(&self.to_be_bytes());
                Ok(())
            }
        }
    )* };
}

fixed_width!(i8, i16, u16, i32, i64);

impl Wire for bool {
    /// Any byte but zero is true, as in Kafka.
    fn decode(decoder: &mut Decoder<'_>, _: Format) -> Result<Self, DecodeError> {
        decoder.read_array().map(|[byte]| byte != 0)
    }

    fn encode(&self, encoder: &mut Encoder, _: Format) -> Result<(), EncodeError> {
        encoder.write_slice(&[u8::from(*self)]);
        Ok(())
    }
}

impl Wire for Uuid {
    fn decode(decoder: &mut Decoder<'_>, _: Format) -> Result<Self, DecodeError> {
        decoder.read_uuid()
    }

    fn encode(&self, encoder: &mut Encoder, _: Format) -> Result<(), EncodeError> {
        encoder.write_slice(self.as_bytes());
        Ok(())
    }
}

impl Wire for Option<String> {
    fn decode(decoder: &mut Decoder<'_>, format: Format) -> Result<Self, DecodeError> {
        decoder.read_nullable_string(format)
    }

    fn encode(&self, encoder: &mut Encoder, format: Format) -> Result<(), EncodeError> {
        encoder.write_nullable_string(self.as_deref(), format)
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }
}

impl Wire for Option<Bytes> {
    fn decode(decoder: &mut Decoder<'_>, format: Format) -> Result<Self, DecodeError> {
        decoder.read_nullable_bytes(format)
    }

    fn encode(&self, encoder: &mut Encoder, format: Format) -> Result<(), EncodeError> {
        encoder.write_nullable_bytes(self.as_deref(), format)
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }
}

impl<T: Wire> Wire for Option<Vec<T>> {
    fn decode(decoder: &mut Decoder<'_>, format: Format) -> Result<Self, DecodeError> {
        decoder.read_nullable_array(format)
    }

    fn encode(&self, encoder: &mut Encoder, format: Format) -> Result<(), EncodeError> {
        encoder.write_nullable_array(self.as_deref(), format)
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }
}

impl Wire for String {
    fn decode(decoder: &mut Decoder<'_>, format: Format) -> Result<Self, DecodeError> {
        let text = decoder.read_nullable_string(format)?;
        text.ok_or_else(|| DecodeError::UnexpectedNull {
            at: decoder.position(),
        })
    }

    fn encode(&self, encoder: &mut Encoder, format: Format) -> Result<(), EncodeError> {
        encoder.write_nullable_string(Some(self), format)
    }
}

impl Wire for Bytes {
    fn decode(decoder: &mut Decoder<'_>, format: Format) -> Result<Self, DecodeError> {
        let bytes = decoder.read_nullable_bytes(format)?;
        bytes.ok_or_else(|| DecodeError::UnexpectedNull {
            at: decoder.position(),
        })
    }

    fn encode(&self, encoder: &mut Encoder, format: Format) -> Result<(), EncodeError> {
        encoder.write_nullable_bytes(Some(self), format)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn decode(decoder: &mut Decoder<'_>, format: Format) -> Result<Self, DecodeError> {
        let elements = decoder.read_nullable_array(format)?;
        elements.ok_or_else(|| DecodeError::UnexpectedNull {
            at: decoder.position(),
        })
    }

    fn encode(&self, encoder: &mut Encoder, format: Format) -> Result<(), EncodeError> {
        encoder.write_nullable_array(Some(self), format)
    }
}
