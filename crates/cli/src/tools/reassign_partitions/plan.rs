//! Which partition shall live where: the file of JSON, read and printed. Its form is Kafka's.

use std::collections::BTreeSet;

use odradek_client::admin::offsets::{ByPartition, TopicPartition};
use serde::Serialize;
use serde_json::Value;

use crate::json_file::{self, JsonError};

/// In place of a directory: whichever the broker chooses.
pub(super) const ANY_DIRECTORY: &str = "any";

/// The only version of the file's form.
const VERSION: i64 = 1;

/// Where partitions shall live, or do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) partitions: ByPartition<Planned>,
}

/// Where one partition shall live, or does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    /// The brokers, preferred leader first.
    pub(super) replicas: Vec<i32>,
    /// The directory on each of them, in their order.
    pub(super) log_dirs: Vec<String>,
}

/// What is wrong with a plan.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PlanError {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error("Not supported version field value {0}")]
    Version(String),
    #[error("Partition reassignment list cannot be empty")]
    Empty,
    #[error("Partition replica list cannot be empty")]
    NoReplicas,
    #[error("Partition reassignment contains duplicate topic partitions: {0}")]
    Duplicates(String),
    #[error("Partition replica lists may not contain duplicate entries: {0}")]
    DuplicateReplicas(String),
    #[error(
        "Size of replicas list {replicas:?} is different from size of log dirs list {log_dirs:?} \
         for partition {partition}"
    )]
    LogDirs {
        partition: String,
        replicas: Vec<i32>,
        log_dirs: Vec<String>,
    },
    #[error("List of topics to reassign contains duplicate entries: [{0}]")]
    DuplicateTopics(String),
}

#[derive(Debug, Serialize)]
struct File<'a> {
    version: i64,
    partitions: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    topic: &'a str,
    partition: i32,
    replicas: &'a [i32],
    log_dirs: &'a [String],
}

impl Plan {
    /// A plan that leaves directories to the brokers.
    pub(super) fn anywhere(replicas: ByPartition<Vec<i32>>) -> Self {
        let partitions = replicas.into_iter().map(|(partition, replicas)| {
            let log_dirs = anywhere(&replicas);
            (partition, Planned { replicas, log_dirs })
        });
        Self {
            partitions: partitions.collect(),
        }
    }

    /// Reads a file.
    pub(super) fn parse(text: &str) -> Result<Self, PlanError> {
        let file = json_file::parse(text)?;
        check_version(&file)?;
        let entries = json_file::list(json_file::field(&file, "partitions")?)?;
        let entries = entries.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let duplicates = json_file::duplicates(entries.iter().map(|(partition, _)| partition));
        if !duplicates.is_empty() {
            let names = duplicates.into_iter().map(name).collect::<Vec<_>>();
            return Err(PlanError::Duplicates(names.join(",")));
        }
        Ok(Self {
            partitions: entries.into_iter().collect(),
        })
    }

    /// Refuses what can never be carried out.
    pub(super) fn check(&self) -> Result<(), PlanError> {
        if self.partitions.is_empty() {
            return Err(PlanError::Empty);
        }
        if self.partitions.values().any(|it| it.replicas.is_empty()) {
            return Err(PlanError::NoReplicas);
        }
        let twice = self.partitions.iter().filter_map(|(partition, planned)| {
            let twice = json_file::duplicates(&planned.replicas);
            let ids: Vec<_> = twice.iter().map(ToString::to_string).collect();
            let several = || {
                let name = name(partition);
                format!("{name} contains multiple entries for {}", ids.join(","))
            };
            (!ids.is_empty()).then(several)
        });
        let twice: Vec<_> = twice.collect();
        if twice.is_empty() {
            Ok(())
        } else {
            Err(PlanError::DuplicateReplicas(twice.join(". ")))
        }
    }

    /// The file.
    pub(super) fn to_json(&self) -> String {
        let partitions = self
            .partitions
            .iter()
            .map(|((topic, partition), planned)| Entry {
                topic,
                partition: *partition,
                replicas: &planned.replicas,
                log_dirs: &planned.log_dirs,
            });
        let file = File {
            version: VERSION,
            partitions: partitions.collect(),
        };
        serde_json::to_string(&file).expect("names and numbers are always JSON")
    }

    /// The topics it speaks of.
    pub(super) fn topics(&self) -> BTreeSet<String> {
        self.partitions
            .keys()
            .map(|(topic, _)| topic.clone())
            .collect()
    }

    /// The brokers it wants replicas on.
    pub(super) fn brokers(&self) -> BTreeSet<i32> {
        let planned = self.partitions.values();
        planned.flat_map(|it| it.replicas.iter().copied()).collect()
    }
}

impl Planned {
    /// Whether its replica on that broker is in that directory.
    pub(super) fn is_in(&self, broker: i32, directory: &str) -> bool {
        let mut replicas = self.replicas.iter().zip(&self.log_dirs);
        replicas.any(|(id, log_dir)| *id == broker && log_dir == directory)
    }
}

/// Reads a file of topics.
pub(super) fn parse_topics(text: &str) -> Result<BTreeSet<String>, PlanError> {
    let file = json_file::parse(text)?;
    check_version(&file)?;
    let topics = json_file::list(json_file::field(&file, "topics")?)?;
    let topics = topics
        .iter()
        .map(|entry| json_file::text(json_file::field(entry, "topic")?))
        .collect::<Result<Vec<_>, _>>()?;
    let duplicates: Vec<_> = json_file::duplicates(&topics)
        .into_iter()
        .cloned()
        .collect();
    if duplicates.is_empty() {
        Ok(topics.into_iter().collect())
    } else {
        Err(PlanError::DuplicateTopics(duplicates.join(",")))
    }
}

/// The name of a partition as tools write it.
pub(super) fn name((topic, index): &TopicPartition) -> String {
    format!("{topic}-{index}")
}

/// A file need not say its version, but may say no other.
fn check_version(file: &Value) -> Result<(), PlanError> {
    match file.get("version") {
        Some(version) if version.as_i64() != Some(VERSION) => {
            Err(PlanError::Version(version.to_string()))
        }
        _ => Ok(()),
    }
}

fn entry(entry: &Value) -> Result<(TopicPartition, Planned), PlanError> {
    let partition = json_file::partition(entry)?;
    let replicas = json_file::list(json_file::field(entry, "replicas")?)?;
    let replicas = replicas
        .iter()
        .map(json_file::integer)
        .collect::<Result<Vec<_>, _>>()?;
    let log_dirs = match entry.get("log_dirs") {
        Some(log_dirs) => json_file::list(log_dirs)?
            .iter()
            .map(json_file::text)
            .collect::<Result<_, _>>()?,
        None => anywhere(&replicas),
    };
    if replicas.len() != log_dirs.len() {
        return Err(PlanError::LogDirs {
            partition: name(&partition),
            replicas,
            log_dirs,
        });
    }
    Ok((partition, Planned { replicas, log_dirs }))
}

fn anywhere(replicas: &[i32]) -> Vec<String> {
    vec![ANY_DIRECTORY.to_owned(); replicas.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(partitions: &str) -> Result<Plan, PlanError> {
        Plan::parse(&format!(r#"{{"version":1,"partitions":[{partitions}]}}"#))
    }

    fn told(partitions: &str) -> String {
        let plan = parsed(partitions);
        plan.and_then(|plan| plan.check()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let text = concat!(
            r#"{"version":1,"partitions":[{"topic":"t","partition":0,"#,
            r#""replicas":[2,1],"log_dirs":["any","/d"]}]}"#
        );
        let plan = Plan::parse(text).unwrap();
        assert_eq!(plan.to_json(), text);
        assert_eq!(plan.check(), Ok(()));
        let without_directories = parsed(r#"{"topic":"t","partition":0,"replicas":[2,1]}"#);
        let planned = without_directories.unwrap().partitions.into_values().next();
        assert_eq!(planned.unwrap().log_dirs, ["any", "any"]);
    }

    #[test]
    fn what_is_wrong_is_told_as_by_kafkas_tool() {
        let entry = |replicas: &str| format!(r#"{{"topic":"t","partition":0,{replicas}}}"#);
        assert_eq!(told(""), "Partition reassignment list cannot be empty");
        assert_eq!(
            told(&entry(r#""replicas":[]"#)),
            "Partition replica list cannot be empty"
        );
        assert_eq!(
            told(&entry(r#""replicas":[2,2]"#)),
            "Partition replica lists may not contain duplicate entries: t-0 contains multiple \
             entries for 2"
        );
        let one = entry(r#""replicas":[1]"#);
        assert_eq!(
            told(&format!("{one},{one}")),
            "Partition reassignment contains duplicate topic partitions: t-0"
        );
        assert_eq!(
            told(&entry(r#""replicas":[1,2],"log_dirs":["any"]"#)),
            "Size of replicas list [1, 2] is different from size of log dirs list [\"any\"] for \
             partition t-0"
        );
        assert_eq!(told(&entry(r#""x":1"#)), "No such field exists: `replicas`");
    }

    #[test]
    fn topics_are_named_once() {
        let topics = |names: &str| parse_topics(&format!(r#"{{"topics":[{names}]}}"#));
        assert_eq!(topics(r#"{"topic":"t"}"#), Ok(["t".to_owned()].into()));
        let twice = topics(r#"{"topic":"t"},{"topic":"t"}"#).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "List of topics to reassign contains duplicate entries: [t]"
        );
    }
}
