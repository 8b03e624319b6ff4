//! `kafka-leader-election`: lets partitions be led by their first replica again, or by any that is
//! left.

use std::collections::BTreeSet;

use odradek_client::{
    Admin, Error, ErrorCode,
    admin::{
        elections::Election,
        offsets::{ByPartition, TopicPartition},
    },
};

use super::reason;
use crate::{
    Outcome,
    connection::ConnectionOptions,
    json_file::{self, JsonError},
    output, usage,
};

/// Elects the leaders of partitions anew.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-leader-election")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
    /// preferred: the first replica leads, if it is in sync. unclean: any living replica leads a
    /// partition without leader, and records that it lacks are lost.
    #[arg(long, value_enum, ignore_case = true, value_name = "TYPE")]
    election_type: Kind,
    /// The topic of the partition.
    #[arg(long)]
    topic: Option<String>,
    /// The partition.
    #[arg(long)]
    partition: Option<i32>,
    /// Every partition of the cluster.
    #[arg(long)]
    all_topic_partitions: bool,
    /// A file with partitions: {"partitions": [{"topic": "t", "partition": 0}]}
    #[arg(long, value_name = "FILE")]
    path_to_json_file: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Preferred,
    Unclean,
}

/// Which partitions are meant.
#[derive(Debug, PartialEq, Eq)]
enum Scope {
    All,
    Some(BTreeSet<TopicPartition>),
}

/// Why there was no election.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Client(#[from] Error),
    #[error(transparent)]
    File(#[from] JsonError),
    #[error("Replica election data is missing \"partitions\" field")]
    NoPartitions,
    #[error("Replica election data contains duplicate partitions: [{0}]")]
    Duplicates(String),
    #[error("{0} replica(s) could not be elected")]
    NotElected(usize),
}

pub(crate) async fn run(options: Options) -> Outcome {
    if let Err(problem) = check(&options) {
        return usage::refuse::<Options>(problem);
    }
    match elect(&options).await {
        Ok(()) => Outcome::Done,
        Err(failure) => {
            output::flush();
            output::error(&failure.to_string());
            Outcome::Failed
        }
    }
}

/// Exactly one way to say which partitions are meant.
fn check(options: &Options) -> Result<(), &'static str> {
    let ways = [
        options.topic.is_some(),
        options.all_topic_partitions,
        options.path_to_json_file.is_some(),
    ];
    if ways.iter().filter(|given| **given).count() != 1 {
        return Err(
            "One and only one of the following options is required: topic, \
             all-topic-partitions, path-to-json-file",
        );
    }
    match (&options.topic, options.partition) {
        (Some(_), None) => Err("Missing required option(s): partition"),
        (None, Some(_)) => Err("Option partition is only allowed if topic is used"),
        _ => Ok(()),
    }
}

async fn elect(options: &Options) -> Result<(), Failure> {
    let scope = scope(options)?;
    let (election, name) = match options.election_type {
        Kind::Preferred => (Election::Preferred, "PREFERRED"),
        Kind::Unclean => (Election::Unclean, "UNCLEAN"),
    };
    let admin = Admin::new(options.connection.config("kafka-leader-election"));
    let results = match scope {
        Scope::All => admin.elect_all_leaders(election).await?,
        Scope::Some(partitions) if partitions.is_empty() => return Ok(()),
        Scope::Some(partitions) => admin.elect_leaders(election, &partitions).await,
    };
    report(name, results)
}

fn scope(options: &Options) -> Result<Scope, Failure> {
    if let Some(path) = &options.path_to_json_file {
        return parse(&json_file::read(path)?).map(Scope::Some);
    }
    Ok(match (&options.topic, options.partition) {
        (Some(topic), Some(partition)) => Scope::Some([(topic.clone(), partition)].into()),
        _ => Scope::All,
    })
}

fn parse(text: &str) -> Result<BTreeSet<TopicPartition>, Failure> {
    let file = json_file::parse(text)?;
    let partitions = file.get("partitions").ok_or(Failure::NoPartitions)?;
    let partitions = json_file::list(partitions)?
        .iter()
        .map(json_file::partition)
        .collect::<Result<Vec<_>, _>>()?;
    let duplicates = json_file::duplicates(&partitions);
    if duplicates.is_empty() {
        Ok(partitions.into_iter().collect())
    } else {
        Err(Failure::Duplicates(joined(duplicates)))
    }
}

/// Tells who got a leader, who had it, and who did not get it.
fn report(election: &str, results: ByPartition<Result<(), Error>>) -> Result<(), Failure> {
    let (mut elected, mut unchanged, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (partition, result) in results {
        match result {
            Ok(()) => elected.push(partition),
            Err(error) if error.code() == Some(ErrorCode::ElectionNotNeeded) => {
                unchanged.push(partition);
            }
            // Whatever befell the whole request befell every partition of it.
            Err(error) if error.code().is_none() => return Err(error.into()),
            Err(error) => failed.push((partition, error)),
        }
    }
    if !elected.is_empty() {
        output::line(&format!(
            "Successfully completed leader election ({election}) for partitions {}",
            joined(&elected)
        ));
    }
    if !unchanged.is_empty() {
        output::line(&format!(
            "Valid replica already elected for partitions {}",
            joined(&unchanged)
        ));
    }
    for ((topic, partition), error) in &failed {
        output::line(&format!(
            "Error completing leader election ({election}) for partition: {topic}-{partition}: {}",
            reason(error)
        ));
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::NotElected(failed.len()))
    }
}

fn joined<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> String {
    let partitions = partitions.into_iter();
    let names: Vec<_> = partitions
        .map(|(topic, partition)| format!("{topic}-{partition}"))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    fn checked(arguments: &str) -> Result<(), &'static str> {
        let always = "kafka-leader-election --bootstrap-server a:1 --election-type PREFERRED";
        let arguments = always.split(' ').chain(arguments.split(' '));
        check(&Options::try_parse_from(arguments).unwrap())
    }

    #[test]
    fn partitions_are_named_in_exactly_one_way() {
        for right in [
            "--topic t --partition 0",
            "--all-topic-partitions",
            "--path-to-json-file f",
        ] {
            assert_eq!(checked(right), Ok(()), "{right}");
        }
        let one = "One and only one of the following options is required";
        for wrong in [
            "--partition 0",
            "--all-topic-partitions --topic t --partition 0",
        ] {
            assert!(checked(wrong).unwrap_err().starts_with(one), "{wrong}");
        }
        let missing = checked("--topic t").unwrap_err();
        assert_eq!(missing, "Missing required option(s): partition");
        let without_topic = checked("--all-topic-partitions --partition 0").unwrap_err();
        assert!(
            without_topic.contains("only allowed if topic"),
            "{without_topic}"
        );
    }

    #[test]
    fn a_file_names_every_partition_once() {
        let entry = |partition: i32| format!(r#"{{"topic": "t", "partition": {partition}}}"#);
        let file = |entries: &[String]| format!(r#"{{"partitions": [{}]}}"#, entries.join(","));
        let read = parse(&file(&[entry(1), entry(0)])).unwrap();
        assert_eq!(read, [("t".to_owned(), 0), ("t".to_owned(), 1)].into());
        let twice = parse(&file(&[entry(1), entry(1)])).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "Replica election data contains duplicate partitions: [t-1]"
        );
        let missing = parse("{}").unwrap_err().to_string();
        assert_eq!(
            missing,
            "Replica election data is missing \"partitions\" field"
        );
    }
}
