//! What the records of the test hold.

use std::fs;

use bytes::Bytes;

/// Random letters from which values are cut. So many that those of a batch hardly ever overlap:
/// otherwise compression would look better than it is.
const POOL_BYTES: usize = 8 * 1024 * 1024;

/// Values of records.
#[derive(Debug)]
pub(crate) enum Payload {
    /// That many random letters.
    Random { size: usize, pool: Bytes },
    /// One of these, at random.
    OneOf(Vec<Bytes>),
    /// The number of the record.
    Number,
}

impl Payload {
    /// Values of that size.
    pub(crate) fn random(size: usize) -> Self {
        let letters = std::iter::repeat_with(|| fastrand::u8(b'A'..=b'Z'));
        Self::Random {
            size,
            pool: letters.take(POOL_BYTES + size).collect(),
        }
    }

    /// The parts of a file.
    pub(crate) fn read(path: &str, delimiter: &str) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("read {path}: {error}"))?;
        let parts = parts(&text, delimiter);
        if parts.is_empty() {
            return Err(format!("read {path}: it is empty"));
        }
        Ok(Self::OneOf(parts))
    }

    /// The value of a record, the `number`th from 0 on.
    pub(crate) fn value(&self, number: u64) -> Bytes {
        match self {
            Self::Random { size, pool } => {
                let begin = fastrand::usize(..=pool.len() - size);
                pool.slice(begin..begin + size)
            }
            Self::OneOf(values) => {
                let index = fastrand::usize(..values.len());
                values.get(index).cloned().unwrap_or_default()
            }
            Self::Number => number.to_string().into(),
        }
    }
}

/// What is empty at the end does not count, as where Java splits.
fn parts(text: &str, delimiter: &str) -> Vec<Bytes> {
    let delimiter = delimiter.replace("\\n", "\n").replace("\\t", "\t");
    let mut parts: Vec<_> = text
        .split(&delimiter)
        .map(|part| Bytes::copy_from_slice(part.as_bytes()))
        .collect();
    while parts.last().is_some_and(Bytes::is_empty) {
        parts.pop();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_at_its_delimiters() {
        assert_eq!(parts("a\nb\n\nc\n\n", "\\n"), ["a", "b", "", "c"]);
        assert_eq!(parts("a, b", ", "), ["a", "b"]);
        assert!(parts("", "\\n").is_empty());
        assert!(Payload::read("/no/such/file", "\n").is_err());
    }

    #[test]
    fn random_values_have_their_size_and_are_letters() {
        let payload = Payload::Random {
            size: 7,
            pool: Bytes::from_static(b"ABCDEFGHIJ"),
        };
        for number in 0..100 {
            let value = payload.value(number);
            assert_eq!(value.len(), 7);
            assert!(value.iter().all(u8::is_ascii_uppercase));
        }
    }

    #[test]
    fn numbers_count_from_0() {
        assert_eq!(Payload::Number.value(0), "0");
        assert_eq!(Payload::Number.value(12), "12");
    }
}
