//! Topics: create, list, describe, grow, delete.

use std::{collections::BTreeMap, sync::Arc};

use odradek_protocol::{
    ErrorCode, Uuid,
    messages::{
        create_partitions::{
            CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
        },
        create_topics::{
            CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
        },
        delete_topics::{DeleteTopicState, DeleteTopicsRequest},
    },
};

use super::Admin;
use crate::{
    cluster::{
        Target,
        image::{Topic, Wanted},
    },
    error::Error,
};

/// The first version of CreateTopics in which -1 stands for the broker's defaults (KIP-464).
const DEFAULTS_VERSION: i16 = 4;

/// The first version of DeleteTopics that names topics in a structure (KIP-516).
const DELETE_BY_ID_VERSION: i16 = 6;

/// The result for each topic that was asked about, in the order of the question.
pub type ByTopic<T> = Vec<(String, Result<T, Error>)>;

/// A topic to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions, or the broker's `num.partitions`.
    pub partitions: Option<i32>,
    /// How many replicas each has, or the broker's `default.replication.factor`.
    pub replication_factor: Option<i16>,
    /// The brokers of each partition, preferred leader first; instead of the two above.
    pub assignments: Vec<Vec<i32>>,
    /// Its configuration, where it differs from the broker's.
    pub configs: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic as the broker makes them by default.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            partitions: None,
            replication_factor: None,
            assignments: Vec::new(),
            configs: BTreeMap::new(),
        }
    }

    /// The same with so many partitions.
    #[must_use]
    pub fn partitions(mut self, partitions: i32) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// The same with so many replicas.
    #[must_use]
    pub fn replication_factor(mut self, replicas: i16) -> Self {
        self.replication_factor = Some(replicas);
        self
    }

    /// The same with that configuration.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.insert(key.into(), value.into());
        self
    }
}

/// A topic that was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id; all zeros from brokers that do not tell.
    pub id: Uuid,
    /// How many partitions it got, where the broker tells.
    pub partitions: Option<i32>,
    /// How many replicas each got, where the broker tells.
    pub replication_factor: Option<i16>,
}

/// A topic that is to grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartitions {
    /// Its name.
    pub topic: String,
    /// How many partitions it shall have in all.
    pub total: i32,
    /// The brokers of each new partition; empty leaves the choice to the cluster.
    pub assignments: Vec<Vec<i32>>,
}

impl Admin {
    /// Creates topics.
    pub async fn create_topics(
        &self,
        topics: Vec<NewTopic>,
    ) -> Result<ByTopic<CreatedTopic>, Error> {
        let request = CreateTopicsRequest {
            topics: topics.into_iter().map(creatable).collect(),
            timeout_ms: self.timeout_ms(),
            validate_only: false,
        };
        let results = self.ask(
            "create topics",
            Target::Controller,
            |connection| {
                if connection.version_of::<CreateTopicsRequest>()? < DEFAULTS_VERSION {
                    check_no_defaults(&request)?;
                }
                Ok(request.clone())
            },
            |response| {
                unless_moved(response.topics.iter().map(|topic| topic.error_code))?;
                Ok(response.topics)
            },
        );
        let results = results.await?.into_iter().map(|topic| {
            let created = CreatedTopic {
                id: topic.topic_id,
                partitions: (0 <= topic.num_partitions).then_some(topic.num_partitions),
                replication_factor: (0 <= topic.replication_factor)
                    .then_some(topic.replication_factor),
            };
            let outcome = Error::check(&topic.name, topic.error_code, topic.error_message);
            (topic.name, outcome.map(|()| created))
        });
        Ok(results.collect())
    }

    /// Every topic of the cluster, by name.
    pub async fn list_topics(&self) -> Result<BTreeMap<Arc<str>, Topic>, Error> {
        let image = self.refresh("list topics", Wanted::All).await?;
        Ok(image.topics.clone())
    }

    /// Describes topics.
    pub async fn describe_topics(&self, names: &[String]) -> Result<ByTopic<Topic>, Error> {
        let wanted = names.iter().map(|name| Arc::from(name.as_str()));
        let wanted = Wanted::Named(wanted.collect());
        let image = self.refresh("describe topics", wanted).await?;
        let each = names.iter().map(|name| {
            let described = image.topics.get(name.as_str()).cloned();
            let refused = || {
                let code = image.failed_topics.get(name.as_str()).copied();
                Error::Refused {
                    what: name.clone(),
                    code: code.unwrap_or(ErrorCode::UnknownTopicOrPartition),
                    message: None,
                }
            };
            (name.clone(), described.ok_or_else(refused))
        });
        Ok(each.collect())
    }

    /// Deletes topics, with everything in them.
    pub async fn delete_topics(&self, names: &[String]) -> Result<ByTopic<()>, Error> {
        let timeout_ms = self.timeout_ms();
        let results = self.ask(
            "delete topics",
            Target::Controller,
            |connection| {
                let mut request = DeleteTopicsRequest {
                    timeout_ms,
                    ..Default::default()
                };
                if DELETE_BY_ID_VERSION <= connection.version_of::<DeleteTopicsRequest>()? {
                    request.topics = names.iter().map(|name| by_name(name)).collect();
                } else {
                    names.clone_into(&mut request.topic_names);
                }
                Ok(request)
            },
            |response| {
                unless_moved(response.responses.iter().map(|topic| topic.error_code))?;
                Ok(response.responses)
            },
        );
        let results = results.await?.into_iter().map(|topic| {
            let name = topic.name.unwrap_or_default();
            let outcome = Error::check(&name, topic.error_code, topic.error_message);
            (name, outcome)
        });
        Ok(results.collect())
    }

    /// Adds partitions to topics. Records stay where they are; keys may lead elsewhere from now on.
    pub async fn create_partitions(
        &self,
        topics: Vec<NewPartitions>,
    ) -> Result<ByTopic<()>, Error> {
        let request = CreatePartitionsRequest {
            topics: topics.into_iter().map(growing).collect(),
            timeout_ms: self.timeout_ms(),
            validate_only: false,
        };
        let results = self.ask(
            "add partitions",
            Target::Controller,
            |_| Ok(request.clone()),
            |response| {
                unless_moved(response.results.iter().map(|topic| topic.error_code))?;
                Ok(response.results)
            },
        );
        let results = results.await?.into_iter().map(|topic| {
            let outcome = Error::check(&topic.name, topic.error_code, topic.error_message);
            (topic.name, outcome)
        });
        Ok(results.collect())
    }
}

/// An error that is tried again, if the controller is another broker by now.
fn unless_moved(mut codes: impl Iterator<Item = ErrorCode>) -> Result<(), Error> {
    match codes.find(|code| *code == ErrorCode::NotController) {
        Some(code) => Error::check("ask the controller", code, None),
        None => Ok(()),
    }
}

/// Old brokers take -1 for a mistake with a sentence that helps nobody.
fn check_no_defaults(request: &CreateTopicsRequest) -> Result<(), Error> {
    let has_default = |topic: &&CreatableTopic| {
        topic.assignments.is_empty() && (topic.num_partitions < 0 || topic.replication_factor < 0)
    };
    let Some(topic) = request.topics.iter().find(has_default) else {
        return Ok(());
    };
    let message = "this broker is too old to choose partitions and replicas itself: give both";
    Error::check(
        &topic.name,
        ErrorCode::UnsupportedVersion,
        Some(message.to_owned()),
    )
}

fn creatable(topic: NewTopic) -> CreatableTopic {
    let is_assigned = !topic.assignments.is_empty();
    let assignments = topic.assignments.into_iter().zip(0..);
    CreatableTopic {
        name: topic.name,
        num_partitions: topic.partitions.filter(|_| !is_assigned).unwrap_or(-1),
        replication_factor: topic
            .replication_factor
            .filter(|_| !is_assigned)
            .unwrap_or(-1),
        assignments: assignments
            .map(|(broker_ids, partition_index)| CreatableReplicaAssignment {
                partition_index,
                broker_ids,
            })
            .collect(),
        configs: topic
            .configs
            .into_iter()
            .map(|(name, value)| CreatableTopicConfig {
                name,
                value: Some(value),
            })
            .collect(),
    }
}

fn growing(topic: NewPartitions) -> CreatePartitionsTopic {
    let assignments = topic
        .assignments
        .into_iter()
        .map(|broker_ids| CreatePartitionsAssignment { broker_ids });
    CreatePartitionsTopic {
        name: topic.topic,
        count: topic.total,
        assignments: (assignments.len() != 0).then(|| assignments.collect()),
    }
}

fn by_name(name: &str) -> DeleteTopicState {
    DeleteTopicState {
        name: Some(name.to_owned()),
        ..Default::default()
    }
}
