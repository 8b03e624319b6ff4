//! Files of JSON that tools take: what is wrong with one is told in the words of Kafka's tools.

use std::{collections::BTreeSet, fs};

use odradek_client::admin::offsets::TopicPartition;
use serde_json::Value;

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonError {
    #[error("Unable to read file {path}: {reason}")]
    Unreadable { path: String, reason: String },
    #[error("The input string is not a valid JSON: {0}")]
    NoJson(String),
    #[error("No such field exists: `{0}`")]
    NoField(&'static str),
    #[error("Expected `{expected}` value, received {found}")]
    Kind {
        expected: &'static str,
        found: Value,
    },
}

/// Reads the text of a file.
pub(crate) fn read(path: &str) -> Result<String, JsonError> {
    fs::read_to_string(path).map_err(|error| JsonError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// Reads JSON.
pub(crate) fn parse(text: &str) -> Result<Value, JsonError> {
    serde_json::from_str(text).map_err(|error| JsonError::NoJson(error.to_string()))
}

/// A field that has to be there.
pub(crate) fn field<'a>(entry: &'a Value, name: &'static str) -> Result<&'a Value, JsonError> {
    entry.get(name).ok_or(JsonError::NoField(name))
}

/// The entries of a list.
pub(crate) fn list(value: &Value) -> Result<&[Value], JsonError> {
    let entries = value.as_array().map(Vec::as_slice);
    entries.ok_or_else(|| unexpected("Array", value))
}

/// A text.
pub(crate) fn text(value: &Value) -> Result<String, JsonError> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| unexpected("String", value))
}

/// A number of 32 bits.
pub(crate) fn integer(value: &Value) -> Result<i32, JsonError> {
    let number = value.as_i64().and_then(|number| number.try_into().ok());
    number.ok_or_else(|| unexpected("Integer", value))
}

/// The partition that an entry names by its topic and its number.
pub(crate) fn partition(entry: &Value) -> Result<TopicPartition, JsonError> {
    let topic = text(field(entry, "topic")?)?;
    Ok((topic, integer(field(entry, "partition")?)?))
}

/// Those that occur more than once.
pub(crate) fn duplicates<'a, T: Ord>(items: impl IntoIterator<Item = &'a T>) -> BTreeSet<&'a T> {
    let mut seen = BTreeSet::new();
    let items = items.into_iter();
    items.filter(|item| !seen.insert(*item)).collect()
}

fn unexpected(expected: &'static str, found: &Value) -> JsonError {
    let found = found.clone();
    JsonError::Kind { expected, found }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_wrong_is_told() {
        let told = |text: &str| partition(&parse(text).unwrap()).unwrap_err().to_string();
        assert_eq!(
            told(r#"{"topic": "t"}"#),
            "No such field exists: `partition`"
        );
        assert_eq!(
            told(r#"{"topic": 1}"#),
            "Expected `String` value, received 1"
        );
        assert_eq!(
            told(r#"{"topic": "t", "partition": 4294967296}"#),
            "Expected `Integer` value, received 4294967296"
        );
        assert!(matches!(parse("x{"), Err(JsonError::NoJson(_))));
        assert!(matches!(read("/nope"), Err(JsonError::Unreadable { .. })));
    }

    #[test]
    fn duplicates_are_told_once() {
        assert_eq!(duplicates(&[1, 2, 1, 1]), [&1].into());
    }
}
