//! `kafka-log-dirs`: the brokers' log directories and what lies in them, as one line of JSON.

use std::collections::BTreeSet;

use odradek_client::{Admin, Error, ErrorCode, admin::log_dirs::LogDir};
use serde::Serialize;

use crate::{Outcome, connection::ConnectionOptions, output};

/// Prints what lies in the log directories of brokers, as JSON.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-log-dirs")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Describe log directories: all that this tool does, and has to be said.
    #[arg(long, required = true)]
    describe: bool,
    /// Only these topics, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "",
        hide_default_value = true
    )]
    topic_list: Vec<String>,
    /// Only these brokers, by id, separated by commas.
    #[arg(long, default_value = "", hide_default_value = true, value_parser = parse_brokers)]
    broker_list: Brokers,
}

/// Ids of brokers; none stands for all.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Brokers(BTreeSet<i32>);

/// What Kafka's tool calls a failure.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Client(#[from] Error),
    #[error(
        "ERROR: The given brokers do not exist from --broker-list: {missing}. \
         Current existent brokers: {existing}"
    )]
    NoSuchBrokers { missing: String, existing: String },
}

/// The line of JSON. The names and the order of its fields are Kafka's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    brokers: Vec<BrokerReport>,
    version: i32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BrokerReport {
    broker: i32,
    log_dirs: Vec<LogDirReport>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogDirReport {
    partitions: Vec<ReplicaReport>,
    error: Option<&'static str>,
    log_dir: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ReplicaReport {
    partition: String,
    size: i64,
    offset_lag: i64,
    is_future: bool,
}

pub(crate) async fn run(options: Options) -> Outcome {
    match describe(&options).await {
        Ok(()) => Outcome::Done,
        Err(failure) => {
            output::error(&failure.to_string());
            Outcome::Failed
        }
    }
}

async fn describe(options: &Options) -> Result<(), Failure> {
    debug_assert!(options.describe, "the option is required");
    let admin = Admin::new(options.connection.config("kafka-log-dirs"));
    let existing: BTreeSet<_> = admin
        .describe_cluster()
        .await?
        .brokers
        .into_keys()
        .collect();
    let Brokers(wanted) = &options.broker_list;
    let missing = joined(wanted.difference(&existing));
    if !missing.is_empty() {
        let existing = joined(&existing);
        return Err(Failure::NoSuchBrokers { missing, existing });
    }
    let wanted = if wanted.is_empty() { &existing } else { wanted };
    let topics: BTreeSet<_> = options.topic_list.iter().map(String::as_str).collect();
    let topics: BTreeSet<_> = topics.into_iter().filter(|name| !name.is_empty()).collect();
    output::line("Querying brokers for log directories information");
    let brokers: Vec<_> = wanted.iter().copied().collect();
    let mut reports = Vec::new();
    for (broker, log_dirs) in admin.describe_log_dirs(&brokers).await {
        let log_dirs = log_dirs?.into_iter().map(|it| log_dir(it, &topics));
        reports.push(BrokerReport {
            broker,
            log_dirs: log_dirs.collect(),
        });
    }
    output::line(&format!(
        "Received log directory information from brokers {}",
        joined(wanted)
    ));
    let report = Report {
        brokers: reports,
        version: 1,
    };
    output::line(&serde_json::to_string(&report).expect("names and numbers are always JSON"));
    Ok(())
}

/// What is said of a directory: of the topics that are wanted, or of all if none are named.
fn log_dir(log_dir: LogDir, topics: &BTreeSet<&str>) -> LogDirReport {
    let replicas = log_dir
        .replicas
        .into_iter()
        .filter(|((topic, _), _)| topics.is_empty() || topics.contains(topic.as_str()));
    let partitions = replicas.map(|((topic, index), replica)| ReplicaReport {
        partition: format!("{topic}-{index}"),
        size: replica.bytes,
        offset_lag: replica.offset_lag,
        is_future: replica.is_future,
    });
    LogDirReport {
        partitions: partitions.collect(),
        error: log_dir.failed.map(ErrorCode::text),
        log_dir: log_dir.path,
    }
}

fn joined<'a>(brokers: impl IntoIterator<Item = &'a i32>) -> String {
    let brokers: Vec<_> = brokers.into_iter().map(ToString::to_string).collect();
    brokers.join(",")
}

fn parse_brokers(text: &str) -> Result<Brokers, String> {
    let ids = text.split(',').map(str::trim).filter(|id| !id.is_empty());
    let ids = ids.map(|id| id.parse().map_err(|_| format!("{id} is no broker id")));
    ids.collect::<Result<_, _>>().map(Brokers)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use odradek_client::admin::log_dirs::LogDirReplica;

    use super::*;

    fn directory(failed: Option<ErrorCode>, partitions: &[(&str, i32)]) -> LogDir {
        let replica = LogDirReplica {
            bytes: 84,
            offset_lag: 0,
            is_future: false,
        };
        let replicas = partitions
            .iter()
            .map(|(topic, index)| (((*topic).to_owned(), *index), replica));
        LogDir {
            path: "/data".to_owned(),
            failed,
            total_bytes: None,
            usable_bytes: None,
            replicas: replicas.collect::<BTreeMap<_, _>>(),
        }
    }

    fn json(directory: LogDir, topics: &[&str]) -> String {
        let topics = topics.iter().copied().collect();
        serde_json::to_string(&log_dir(directory, &topics)).unwrap()
    }

    #[test]
    fn the_line_has_kafkas_fields_in_kafkas_order() {
        let expected = concat!(
            r#"{"partitions":[{"partition":"t-1","size":84,"offsetLag":0,"isFuture":false}],"#,
            r#""error":null,"logDir":"/data"}"#
        );
        let both = directory(None, &[("other", 0), ("t", 1)]);
        assert_eq!(json(both, &["t"]), expected);
    }

    #[test]
    fn without_a_list_all_topics_are_told_and_a_failed_directory_says_so() {
        let both = directory(None, &[("other", 0), ("t", 1)]);
        assert_eq!(log_dir(both, &BTreeSet::new()).partitions.len(), 2);
        let failed = json(directory(Some(ErrorCode::KafkaStorageError), &[]), &[]);
        assert!(!failed.contains("null"), "{failed}");
    }

    #[test]
    fn lists_of_brokers_may_have_blanks_and_gaps_but_only_numbers() {
        let brokers = |text| parse_brokers(text).map(|Brokers(ids)| ids);
        assert_eq!(brokers(""), Ok(BTreeSet::new()));
        assert_eq!(brokers("2, 1,,2"), Ok([1, 2].into()));
        assert_eq!(brokers("x"), Err("x is no broker id".to_owned()));
    }
}
