//! `kafka-get-offsets`: where partitions begin and end, or what lies at a time.

use std::collections::BTreeMap;

use odradek_client::{Admin, Error, admin::offsets::OffsetSpec};

use crate::{Outcome, connection::ConnectionOptions, output};

/// Prints topic:partition:offset of each partition.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-get-offsets")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
    /// The topic; all topics if absent.
    #[arg(long)]
    topic: Option<String>,
    /// The partitions, separated by commas; all if absent.
    #[arg(long, value_delimiter = ',')]
    partitions: Vec<i32>,
    /// -1 or latest, -2 or earliest, -3 or max-timestamp, or a time in ms since the Unix epoch.
    #[arg(long, default_value = "latest", allow_hyphen_values = true, value_parser = parse_time)]
    time: OffsetSpec,
    /// Leave out the cluster's own topics.
    #[arg(long)]
    exclude_internal_topics: bool,
}

pub(crate) async fn run(options: Options) -> Outcome {
    match print(&options).await {
        Ok(outcome) => outcome,
        Err(error) => {
            output::error(&format!("Error occurred: {error}"));
            Outcome::Failed
        }
    }
}

async fn print(options: &Options) -> Result<Outcome, Error> {
    let admin = Admin::new(options.connection.config("get-offsets"));
    let topics = admin.list_topics().await?;
    let wanted: BTreeMap<_, _> = topics
        .values()
        .filter(|topic| {
            options
                .topic
                .as_deref()
                .is_none_or(|name| *name == *topic.name)
        })
        .filter(|topic| !(options.exclude_internal_topics && topic.internal))
        .flat_map(|topic| {
            let indexes = topic.partitions.keys();
            indexes.map(|index| (topic.name.to_string(), *index))
        })
        .filter(|(_, index)| options.partitions.is_empty() || options.partitions.contains(index))
        .map(|partition| (partition, options.time))
        .collect();
    if wanted.is_empty() {
        let problem = "Could not match any topic-partitions with the specified filters";
        output::error(&format!("Error occurred: {problem}"));
        return Ok(Outcome::Failed);
    }
    for ((topic, partition), found) in admin.list_offsets(&wanted).await {
        match found {
            // Nothing is printed after the last colon when nothing is that late.
            Ok(found) => {
                let offset = found.offset.map(|offset| offset.to_string());
                output::line(&format!(
                    "{topic}:{partition}:{}",
                    offset.unwrap_or_default()
                ));
            }
            Err(error) => output::error(&format!(
                "Skip getting offsets for topic-partition {topic}-{partition} due to error: {error}"
            )),
        }
    }
    Ok(Outcome::Done)
}

fn parse_time(text: &str) -> Result<OffsetSpec, String> {
    match text {
        "latest" | "-1" => Ok(OffsetSpec::Latest),
        "earliest" | "-2" => Ok(OffsetSpec::Earliest),
        "max-timestamp" | "-3" => Ok(OffsetSpec::MaxTimestamp),
        _ => match text.parse() {
            Ok(ms) if 0 <= ms => Ok(OffsetSpec::Timestamp(ms)),
            _ => Err("expected latest, earliest, max-timestamp or a time in ms".to_owned()),
        },
    }
}
