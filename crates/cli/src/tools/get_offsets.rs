//! `kafka-get-offsets`: where partitions begin and end, or what lies at a time.
//!
//! - `selection`: which partitions are meant

mod selection;

use std::collections::BTreeMap;

use odradek_client::{Admin, admin::offsets::OffsetSpec};

use self::selection::Selection;
use super::reason;
use crate::{Outcome, connection::ConnectionOptions, output};

/// Prints topic:partition:offset of each partition.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-get-offsets")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Topics by their names or a regular expression; all if absent.
    #[arg(long)]
    topic: Option<String>,
    /// The partitions, separated by commas; all if absent.
    #[arg(long, allow_hyphen_values = true)]
    partitions: Option<String>,
    /// Topics with their partitions, instead of the two: orders:0, orders:1-3 (without 3), .*:-2
    /// or :5- of every topic; separated by commas.
    #[arg(long)]
    topic_partitions: Option<String>,
    /// -1 or latest, -2 or earliest, -3 or max-timestamp, -4 or earliest-local, -5 or
    /// latest-tiered, or a time in ms since the Unix epoch.
    #[arg(long, default_value = "latest", allow_hyphen_values = true)]
    time: String,
    /// Leave out the cluster's own topics.
    #[arg(long)]
    exclude_internal_topics: bool,
}

pub(crate) async fn run(options: Options) -> Outcome {
    match print(&options).await {
        Ok(()) => Outcome::Done,
        Err(problem) => {
            output::error(&format!("Error occurred: {problem}"));
            Outcome::Failed
        }
    }
}

async fn print(options: &Options) -> Result<(), String> {
    let selection = selection(options)?;
    let spec = spec(&options.time)?;
    let admin = Admin::new(options.connection.config("get-offsets"));
    let topics = admin.list_topics().await.map_err(|error| reason(&error))?;
    let topics = topics.values();
    let wanted: BTreeMap<_, _> = topics
        .filter(|topic| !(options.exclude_internal_topics && topic.internal))
        .flat_map(|topic| {
            let indexes = topic.partitions.keys();
            indexes.map(|index| (topic.name.to_string(), *index))
        })
        .filter(|(topic, index)| selection.contains(topic, *index))
        .map(|partition| (partition, spec))
        .collect();
    if wanted.is_empty() {
        return Err("Could not match any topic-partitions with the specified filters".to_owned());
    }
    for ((topic, partition), found) in admin.list_offsets(&wanted).await {
        match found.map(|found| found.offset) {
            Ok(Some(offset)) => output::line(&format!("{topic}:{partition}:{offset}")),
            // No record is that late: Kafka's tool says nothing.
            Ok(None) => {}
            Err(error) => output::error(&format!(
                "Skip getting offsets for topic-partition {topic}-{partition} due to error: {}",
                reason(&error)
            )),
        }
    }
    Ok(())
}

fn selection(options: &Options) -> Result<Selection, String> {
    let (topic, partitions) = (options.topic.as_deref(), options.partitions.as_deref());
    match &options.topic_partitions {
        None => Selection::of_topics(topic, partitions),
        Some(_) if topic.or(partitions).is_some() => {
            Err("--topic-partitions cannot be used with --topic or --partitions".to_owned())
        }
        Some(rules) => Selection::of_rules(rules),
    }
}

fn spec(time: &str) -> Result<OffsetSpec, String> {
    match time {
        "latest" | "-1" => Ok(OffsetSpec::Latest),
        "earliest" | "-2" => Ok(OffsetSpec::Earliest),
        "max-timestamp" | "-3" => Ok(OffsetSpec::MaxTimestamp),
        "earliest-local" | "-4" => Ok(OffsetSpec::EarliestLocal),
        "latest-tiered" | "-5" => Ok(OffsetSpec::LatestTiered),
        _ => match time.parse() {
            Ok(ms) if 0 <= ms => Ok(OffsetSpec::Timestamp(ms)),
            _ => Err(format!(
                "Malformed time argument {time}. Please use -1 or latest / -2 or earliest / -3 \
                 or max-timestamp / -4 or earliest-local / -5 or latest-tiered, or a specified \
                 long format timestamp"
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_names_and_numbers() {
        for (text, expected) in [
            ("-1", OffsetSpec::Latest),
            ("earliest", OffsetSpec::Earliest),
            ("-3", OffsetSpec::MaxTimestamp),
            ("earliest-local", OffsetSpec::EarliestLocal),
            ("-5", OffsetSpec::LatestTiered),
            ("1795323748008", OffsetSpec::Timestamp(1_795_323_748_008)),
        ] {
            assert_eq!(spec(text), Ok(expected), "{text}");
        }
        for wrong in ["foo", "-7", "", "1.5"] {
            assert!(spec(wrong).is_err_and(|it| it.contains("Malformed time argument")));
        }
    }
}
