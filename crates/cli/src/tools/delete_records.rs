//! `kafka-delete-records`: deletes the oldest records of partitions, as a JSON file says.

use std::{collections::BTreeMap, fs};

use odradek_client::{
    Admin, Error, ErrorCode,
    admin::{
        offsets::{ByPartition, TopicPartition},
        records::DeleteBefore,
    },
};
use serde_json::Value;

use super::reason;
use crate::{Outcome, connection::ConnectionOptions, output};

/// In the file: everything that consumers can read.
const TO_HIGH_WATERMARK: i64 = -1;

/// The only version of the file's format.
const VERSION: i64 = 1;

/// Deletes the records of partitions below given offsets.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-delete-records")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
    /// A file with the first offset to stay of each partition; -1 deletes everything:
    /// {"partitions": [{"topic": "t", "partition": 0, "offset": 5}], "version": 1}
    #[arg(long, value_name = "FILE")]
    offset_json_file: String,
}

/// What is wrong with the file. The sentences are those of Kafka's tool.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum FileError {
    #[error("Unable to read file {path}: {reason}")]
    Unreadable { path: String, reason: String },
    #[error("The input string is not a valid JSON: {0}")]
    NoJson(String),
    #[error("Not supported version field value {0}")]
    Version(String),
    #[error("Missing partitions field")]
    NoPartitions,
    #[error("No such field exists: `{0}`")]
    NoField(&'static str),
    #[error("Expected `{expected}` value, received {found}")]
    Kind {
        expected: &'static str,
        found: Value,
    },
    #[error("Offset json file contains duplicate topic partitions: {0}")]
    Duplicates(String),
}

pub(crate) async fn run(options: Options) -> Outcome {
    let wanted = match read(&options.offset_json_file) {
        Ok(wanted) => wanted,
        Err(error) => {
            output::error(&error.to_string());
            return Outcome::Failed;
        }
    };
    output::line("Executing records delete operation");
    let admin = Admin::new(options.connection.config("kafka-delete-records"));
    let results = match delete(&admin, wanted).await {
        Ok(results) => results,
        Err(error) => {
            output::error(&error.to_string());
            return Outcome::Failed;
        }
    };
    output::line("Records delete operation completed:");
    let mut outcome = Outcome::Done;
    for ((topic, index), result) in results {
        let result = match result {
            Ok(low_watermark) => format!("low_watermark: {low_watermark}"),
            Err(error) => {
                outcome = Outcome::Failed;
                format!("error: {}", reason(&error))
            }
        };
        output::line(&format!("partition: {topic}-{index}\t{result}"));
    }
    outcome
}

/// Partitions that are not there are told at once: to delete records of a topic that is only just
/// being created is nothing to wait for.
async fn delete(
    admin: &Admin,
    wanted: ByPartition<DeleteBefore>,
) -> Result<ByPartition<Result<i64, Error>>, Error> {
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let topics = admin.list_topics().await?;
    let (there, missing): (BTreeMap<_, _>, BTreeMap<_, _>) =
        wanted.into_iter().partition(|((topic, index), _)| {
            let topic = topics.get(topic.as_str());
            topic.is_some_and(|topic| topic.partitions.contains_key(index))
        });
    let mut results = admin.delete_records(&there).await;
    results.extend(missing.into_keys().map(|(topic, index)| {
        let refused = Error::Refused {
            what: format!("{topic}-{index}"),
            code: ErrorCode::UnknownTopicOrPartition,
            message: None,
        };
        ((topic, index), Err(refused))
    }));
    Ok(results)
}

fn read(path: &str) -> Result<ByPartition<DeleteBefore>, FileError> {
    let text = fs::read_to_string(path).map_err(|error| FileError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    parse(&text)
}

fn parse(text: &str) -> Result<ByPartition<DeleteBefore>, FileError> {
    let file: Value =
        serde_json::from_str(text).map_err(|error| FileError::NoJson(error.to_string()))?;
    if let Some(version) = file.get("version")
        && version.as_i64() != Some(VERSION)
    {
        return Err(FileError::Version(version.to_string()));
    }
    let partitions = file.get("partitions").ok_or(FileError::NoPartitions)?;
    let partitions = partitions
        .as_array()
        .ok_or_else(|| unexpected("Array", partitions))?;
    let mut wanted = BTreeMap::new();
    let mut duplicates = Vec::new();
    for entry in partitions {
        let (partition, before) = partition(entry)?;
        if let Some(_twice) = wanted.insert(partition.clone(), before) {
            duplicates.push(format!("{}-{}", partition.0, partition.1));
        }
    }
    if duplicates.is_empty() {
        Ok(wanted)
    } else {
        Err(FileError::Duplicates(duplicates.join(",")))
    }
}

fn partition(entry: &Value) -> Result<(TopicPartition, DeleteBefore), FileError> {
    let field = |name| entry.get(name).ok_or(FileError::NoField(name));
    let topic = field("topic")?;
    let topic = topic.as_str().ok_or_else(|| unexpected("String", topic))?;
    let index = field("partition")?;
    let index = index.as_i64().and_then(|index| i32::try_from(index).ok());
    let index = index.ok_or_else(|| unexpected("Integer", &entry["partition"]))?;
    let offset = field("offset")?;
    let offset = offset.as_i64().ok_or_else(|| unexpected("Long", offset))?;
    let before = match offset {
        TO_HIGH_WATERMARK => DeleteBefore::HighWatermark,
        offset => DeleteBefore::Offset(offset),
    };
    Ok(((topic.to_owned(), index), before))
}

fn unexpected(expected: &'static str, found: &Value) -> FileError {
    FileError::Kind {
        expected,
        found: found.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn offsets_are_read_and_minus_one_is_everything() {
        let read = parse(
            r#"{"partitions": [{"topic": "t", "partition": 0, "offset": 5},
                               {"topic": "t", "partition": 1, "offset": -1}], "version": 1}"#,
        );
        let expected = [
            (("t".to_owned(), 0), DeleteBefore::Offset(5)),
            (("t".to_owned(), 1), DeleteBefore::HighWatermark),
        ];
        assert_eq!(read.unwrap(), expected.into());
        assert_eq!(parse(r#"{"partitions": []}"#), Ok(BTreeMap::new()));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_as_kafkas_tool_does() {
        let told = |text: &str| parse(text).unwrap_err().to_string();
        let one = |entry: &str| told(&format!(r#"{{"partitions": [{entry}]}}"#));
        assert!(told("nonsense").starts_with("The input string is not a valid JSON"));
        assert!(told("").starts_with("The input string is not a valid JSON"));
        assert_eq!(told(r#"{"version": 1}"#), "Missing partitions field");
        assert_eq!(told("[]"), "Missing partitions field");
        assert_eq!(
            told(r#"{"version": 2, "partitions": []}"#),
            "Not supported version field value 2"
        );
        assert_eq!(
            one(r#"{"topic": "t", "partition": 0}"#),
            "No such field exists: `offset`"
        );
        assert_eq!(one("3"), "No such field exists: `topic`");
        assert_eq!(
            one(r#"{"topic": "t", "partition": "0", "offset": 1}"#),
            "Expected `Integer` value, received \"0\""
        );
        assert_eq!(
            one(r#"{"topic": "t", "partition": 4294967296, "offset": 1}"#),
            "Expected `Integer` value, received 4294967296"
        );
        let twice = r#"{"topic": "t", "partition": 0, "offset": 1}"#;
        assert_eq!(
            one(&format!("{twice}, {twice}")),
            "Offset json file contains duplicate topic partitions: t-0"
        );
    }
}
