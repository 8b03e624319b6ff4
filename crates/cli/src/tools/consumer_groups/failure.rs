//! Why the tool could not do what was asked for, in the words of Kafka's tool where scripts may
//! look at them.

use std::path::PathBuf;

use odradek_client::{Error, ErrorCode, admin::offsets::TopicPartition};

use super::offsets_file::FileError;

/// What Kafka's tool calls "command failed".
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// A broker refused, or there is none.
    #[error("{}", exception(.0))]
    Client(#[from] Error),
    /// A topic that was named does not exist.
    #[error("{}", sentence(.0))]
    Topic(#[source] Error),
    /// Partitions that were named do not exist.
    #[error("The partitions \"{}\" do not exist", names(.0))]
    NoSuchPartitions(Vec<TopicPartition>),
    /// A shift begins at what is committed.
    #[error(
        "Cannot shift offset for partition {}-{} since there is no current committed offset",
        .0.0, .0.1
    )]
    NothingCommitted(TopicPartition),
    /// A file of offsets cannot be read.
    #[error("Unable to read file {}: {error}", path.display())]
    Unreadable {
        path: PathBuf,
        error: std::io::Error,
    },
    /// A file of offsets makes no sense.
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: FileError },
}

/// An error as Java prints it: a refusal by the name of its exception, then a sentence.
pub(super) fn exception(error: &Error) -> String {
    match error.code() {
        Some(code) => {
            let name = exception_name(code);
            format!("org.apache.kafka.common.errors.{name}: {}", sentence(error))
        }
        None => error.to_string(),
    }
}

/// The broker's own sentence, or else the one that Kafka's client has for the code.
pub(super) fn sentence(error: &Error) -> String {
    let Error::Refused { code, message, .. } = error else {
        return error.to_string();
    };
    let text = match (message, code) {
        (Some(message), _) => message,
        (None, ErrorCode::GroupIdNotFound) => "The group id does not exist.",
        (None, ErrorCode::NonEmptyGroup) => "The group is not empty.",
        (None, ErrorCode::UnknownTopicOrPartition) => {
            "This server does not host this topic-partition."
        }
        (None, ErrorCode::GroupSubscribedToTopic) => {
            "Deleting offsets of a topic is forbidden while the consumer group is actively \
             subscribed to it."
        }
        (None, code) => code.text(),
    };
    text.to_owned()
}

fn exception_name(code: ErrorCode) -> String {
    match code {
        ErrorCode::NonEmptyGroup => "GroupNotEmptyException".to_owned(),
        code => format!("{code:?}Exception"),
    }
}

fn names(partitions: &[TopicPartition]) -> String {
    let names = partitions
        .iter()
        .map(|(topic, partition)| format!("{topic}-{partition}"));
    names.collect::<Vec<_>>().join(",")
}
