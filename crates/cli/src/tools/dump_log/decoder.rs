//! Keys and values of records as text.

use std::str::FromStr;

use odradek_protocol::records::{BatchRecords, Record};

use super::group_records;

/// What to take keys and values for.
#[derive(Debug, Clone)]
pub(super) enum Decoder {
    /// Simple values.
    Primitives { key: Primitive, value: Primitive },
    /// The records of `__consumer_offsets`.
    GroupRecords,
}

/// A value by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Primitive {
    Text,
    Int,
    Long,
    Double,
}

/// A key or a value is something else.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotDecoded {
    #[error("{found} bytes are too few for a number of {expected}")]
    TooShort { expected: usize, found: usize },
    #[error("a record without key is none of __consumer_offsets")]
    NoKey,
    #[error("its key cannot be read: {0}")]
    Key(odradek_protocol::primitives::DecodeError),
}

impl FromStr for Primitive {
    type Err = String;

    /// Java's class, with or without its package.
    fn from_str(class: &str) -> Result<Self, String> {
        let name = class.rsplit('.').next().unwrap_or(class);
        match name {
            "StringDecoder" => Ok(Self::Text),
            "IntegerDecoder" => Ok(Self::Int),
            "LongDecoder" => Ok(Self::Long),
            "DoubleDecoder" => Ok(Self::Double),
            _ => Err("known are StringDecoder, IntegerDecoder, LongDecoder, DoubleDecoder".into()),
        }
    }
}

impl Decoder {
    /// What to print of a record's key and value.
    pub(super) fn contents(
        &self,
        records: &BatchRecords,
        record: &Record<'_>,
    ) -> Result<String, NotDecoded> {
        match self {
            Self::Primitives { key, value } => {
                let key = record.key.map(|bytes| key.decode(bytes)).transpose()?;
                let value = record.value.map(|bytes| value.decode(bytes)).transpose()?;
                let named = |name, text: Option<String>| text.map(|text| format!("{name}: {text}"));
                let fields = [named("key", key), named("payload", value)];
                Ok(fields.into_iter().flatten().collect::<Vec<_>>().join(" "))
            }
            Self::GroupRecords => {
                let key = record.key.ok_or(NotDecoded::NoKey)?;
                let value = record.value.map(|value| records.share(value));
                group_records::contents(record.offset, &records.share(key), value.as_ref())
            }
        }
    }
}

impl Primitive {
    fn decode(self, bytes: &[u8]) -> Result<String, NotDecoded> {
        match self {
            Self::Text => Ok(String::from_utf8_lossy(bytes).into_owned()),
            Self::Int => Ok(i32::from_be_bytes(first(bytes)?).to_string()),
            Self::Long => Ok(i64::from_be_bytes(first(bytes)?).to_string()),
            Self::Double => Ok(format!("{:?}", f64::from_be_bytes(first(bytes)?))),
        }
    }
}

fn first<const N: usize>(bytes: &[u8]) -> Result<[u8; N], NotDecoded> {
    let first = bytes.first_chunk().copied();
    first.ok_or(NotDecoded::TooShort {
        expected: N,
        found: bytes.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_need_their_bytes_and_text_takes_any() {
        assert_eq!(Primitive::Long.decode(&7_i64.to_be_bytes()), Ok("7".into()));
        assert_eq!(
            Primitive::Double.decode(&1_f64.to_be_bytes()),
            Ok("1.0".into())
        );
        assert_eq!(Primitive::Text.decode(b"d\xff"), Ok("d\u{fffd}".into()));
        let short = NotDecoded::TooShort {
            expected: 4,
            found: 2,
        };
        assert_eq!(Primitive::Int.decode(b"v1"), Err(short));
    }

    #[test]
    fn classes_have_a_package_or_none() {
        let class = "org.apache.kafka.tools.api.LongDecoder";
        assert_eq!(class.parse(), Ok(Primitive::Long));
        assert_eq!("StringDecoder".parse(), Ok(Primitive::Text));
        assert!("nope".parse::<Primitive>().is_err());
    }
}
