//! Bytes of keys, values and headers as text, as Kafka's deserializers and Java show them. Pure.

use std::{fmt::Display, io::Write};

/// How bytes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deserializer {
    /// As they are.
    Bytes,
    /// As UTF-8, with a sign for what is not.
    String,
    Boolean,
    Short,
    Integer,
    Long,
    Float,
    Double,
    Uuid,
    /// There must be none.
    Void,
}

/// Bytes that are no such value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeserializeError {
    #[error("Size of data received by {name} is not {expected}")]
    Size { name: &'static str, expected: usize },
    #[error("Unexpected byte received by BooleanDeserializer: {0}")]
    Boolean(u8),
    #[error("Error parsing data into UUID: '{0}'")]
    Uuid(String),
    #[error("Data should be null for a VoidDeserializer.")]
    NotVoid,
}

/// The package of Kafka's own deserializers; it may be left out.
const PACKAGE: &str = "org.apache.kafka.common.serialization.";

impl Deserializer {
    const ALL: [(&str, Self); 12] = [
        ("ByteArrayDeserializer", Self::Bytes),
        ("BytesDeserializer", Self::Bytes),
        ("ByteBufferDeserializer", Self::Bytes),
        ("StringDeserializer", Self::String),
        ("BooleanDeserializer", Self::Boolean),
        ("ShortDeserializer", Self::Short),
        ("IntegerDeserializer", Self::Integer),
        ("LongDeserializer", Self::Long),
        ("FloatDeserializer", Self::Float),
        ("DoubleDeserializer", Self::Double),
        ("UUIDDeserializer", Self::Uuid),
        ("VoidDeserializer", Self::Void),
    ];

    /// By the name of Java's class.
    pub(crate) fn find(class: &str) -> Result<Self, String> {
        let name = class.strip_prefix(PACKAGE).unwrap_or(class);
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, it)| *it).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(name, _)| *name).collect();
            format!(
                "no Java class can be loaded; there are {PACKAGE}… {}",
                names.join(", ")
            )
        })
    }

    /// Appends what `bytes` stand for. What an error leaves in `out` is nothing to show.
    pub(crate) fn write(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), DeserializeError> {
        match self {
            Self::Bytes => out.extend_from_slice(bytes),
            Self::String => out.extend_from_slice(String::from_utf8_lossy(bytes).as_bytes()),
            Self::Boolean => match exactly("BooleanDeserializer", bytes)? {
                [0] => append(out, false),
                [1] => append(out, true),
                [other] => return Err(DeserializeError::Boolean(other)),
            },
            Self::Short => append(
                out,
                i16::from_be_bytes(exactly("ShortDeserializer", bytes)?),
            ),
            Self::Integer => append(
                out,
                i32::from_be_bytes(exactly("IntegerDeserializer", bytes)?),
            ),
            Self::Long => append(out, i64::from_be_bytes(exactly("LongDeserializer", bytes)?)),
            Self::Float => {
                let number = f32::from_be_bytes(exactly("FloatDeserializer", bytes)?);
                append(
                    out,
                    java_number(
                        f64::from(number),
                        &format!("{number:?}"),
                        &format!("{number:e}"),
                    ),
                );
            }
            Self::Double => {
                let number = f64::from_be_bytes(exactly("DoubleDeserializer", bytes)?);
                append(
                    out,
                    java_number(number, &format!("{number:?}"), &format!("{number:e}")),
                );
            }
            Self::Uuid => append(out, uuid(bytes)?),
            Self::Void => return Err(DeserializeError::NotVoid),
        }
        Ok(())
    }
}

fn append(out: &mut Vec<u8>, value: impl Display) {
    write!(out, "{value}").expect("memory takes everything");
}

fn exactly<const SIZE: usize>(
    name: &'static str,
    bytes: &[u8],
) -> Result<[u8; SIZE], DeserializeError> {
    bytes.try_into().map_err(|_| DeserializeError::Size {
        name,
        expected: SIZE,
    })
}

/// A number as Java prints it, given how Rust prints it without and with an exponent.
fn java_number(number: f64, plain: &str, with_exponent: &str) -> String {
    if number.is_infinite() {
        return plain.replace("inf", "Infinity");
    }
    if number.is_nan() || number == 0.0 || (1e-3..1e7).contains(&number.abs()) {
        return plain.to_owned();
    }
    match with_exponent.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => plain.to_owned(),
    }
}

/// A UUID travels as its text; Java shows it in small letters.
fn uuid(bytes: &[u8]) -> Result<String, DeserializeError> {
    let text = String::from_utf8_lossy(bytes);
    let mut groups = text.split('-').map(str::len);
    let has_groups = [8, 4, 4, 4, 12]
        .iter()
        .all(|length| groups.next() == Some(*length))
        && groups.next().is_none();
    let is_hexadecimal = |character: char| character == '-' || character.is_ascii_hexdigit();
    if has_groups && text.chars().all(is_hexadecimal) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(DeserializeError::Uuid(text.into_owned()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shown(name: &str, bytes: &[u8]) -> Result<String, DeserializeError> {
        let mut out = Vec::new();
        let deserializer = Deserializer::find(name).unwrap();
        deserializer.write(bytes, &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn values_are_shown_as_java_shows_them() {
        let check = |name, bytes: &[u8], expected: &str| {
            assert_eq!(shown(name, bytes).unwrap(), expected);
        };
        check(
            "org.apache.kafka.common.serialization.StringDeserializer",
            b"a\xff",
            "a\u{fffd}",
        );
        check("LongDeserializer", &(-5_i64).to_be_bytes(), "-5");
        check("IntegerDeserializer", &7_i32.to_be_bytes(), "7");
        check("ShortDeserializer", &[1, 0], "256");
        check("BooleanDeserializer", &[1], "true");
        check("DoubleDeserializer", &1_f64.to_be_bytes(), "1.0");
        check("DoubleDeserializer", &1e7_f64.to_be_bytes(), "1.0E7");
        check(
            "DoubleDeserializer",
            &(-1.5e-4_f64).to_be_bytes(),
            "-1.5E-4",
        );
        check(
            "DoubleDeserializer",
            &f64::NEG_INFINITY.to_be_bytes(),
            "-Infinity",
        );
        check("DoubleDeserializer", &f64::NAN.to_be_bytes(), "NaN");
        check("FloatDeserializer", &0.1_f32.to_be_bytes(), "0.1");
        let uuid = "0123ABCD-0123-0123-0123-0123456789ab";
        check(
            "UUIDDeserializer",
            uuid.as_bytes(),
            &uuid.to_ascii_lowercase(),
        );
    }

    #[test]
    fn bytes_that_are_no_such_value_are_an_error() {
        let error = shown("LongDeserializer", b"1234").unwrap_err();
        assert_eq!(
            error.to_string(),
            "Size of data received by LongDeserializer is not 8"
        );
        assert!(shown("BooleanDeserializer", &[2]).is_err());
        assert!(shown("UUIDDeserializer", b"0123-4").is_err());
        assert!(shown("VoidDeserializer", b"").is_err());
    }

    #[test]
    fn a_class_of_somebody_else_is_refused() {
        assert!(Deserializer::find("com.example.LongDeserializer").is_err());
    }
}
