//! CreateTopics: checks each new topic by Kafka's rules and places its partitions.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use odradek_protocol::ErrorCode;
use uuid::Uuid;

use super::{
    Refusal,
    alter_configs::{self, ConfigSchema},
    placement,
};
use crate::{
    image::{ConfigMap, ConfigResource, MetadataImage, config_record},
    records::{Record, TopicRecord},
    topic_name,
};

/// The topic that Kafka keeps its own metadata in; the name stays free.
const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";

/// A topic as a client asks for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Number of partitions; -1 for the default, or with `assignments`.
    pub partitions: i32,
    /// Number of replicas; -1 for the default, or with `assignments`.
    pub replication_factor: i16,
    /// Brokers by partition, preferred leader first; empty to let the controller place them.
    pub assignments: Vec<(i32, Vec<i32>)>,
    /// The topic's own configs; a null value is an error.
    pub configs: Vec<(String, Option<String>)>,
}

/// What the broker's configuration contributes.
#[derive(Clone, Copy)]
pub struct TopicRules<'a> {
    /// `num.partitions`.
    pub default_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i16,
    /// What a topic may be configured to.
    pub schema: &'a dyn ConfigSchema,
}

/// A topic that can be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its name.
    pub name: String,
    /// Its new id.
    pub id: Uuid,
    /// Number of partitions.
    pub partitions: i32,
    /// Number of replicas.
    pub replication_factor: i16,
    /// Its own configs, sorted by key.
    pub configs: ConfigMap,
    /// What makes it exist.
    pub records: Vec<Record>,
}

/// Decides for each topic, in order. The records of all successes belong into one batch.
///
/// `new_id` draws ids at random; one that cannot be used is drawn again.
pub fn create_topics(
    image: &MetadataImage,
    topics: &[NewTopic],
    rules: TopicRules<'_>,
    mut new_id: impl FnMut() -> Uuid,
) -> Vec<Result<CreatedTopic, Refusal>> {
    let mut names = Names::new(image, topics);
    let mut room = placement::PARTITIONS_PER_REQUEST_MAX;
    topics
        .iter()
        .map(|topic| {
            names.check(&topic.name)?;
            let configs = check_configs(topic, rules)?;
            let placed = place(image, topic, rules, room)?;
            let id = std::iter::repeat_with(&mut new_id)
                .find(|id| is_usable(*id) && image.topic_by_id(*id).is_none())
                .expect("the generator never ends");
            room -= placed.len();
            names.add(&topic.name);
            Ok(create(image, &topic.name, id, &placed, configs))
        })
        .collect()
}

/// Nil means "no id" on the wire. Tools write ids in base64, where one that begins with `-` would
/// be taken for a flag.
fn is_usable(id: Uuid) -> bool {
    const DASH: u8 = 62;
    let [first, ..] = id.as_bytes();
    !id.is_nil() && first >> 2 != DASH
}

/// The names that are taken, here or earlier in the request.
struct Names<'a> {
    image: &'a MetadataImage,
    /// How often each name occurs in the request.
    asked: HashMap<&'a str, usize>,
    /// Taken names that could collide, by the form under which they do.
    colliding: HashMap<String, String>,
}

impl<'a> Names<'a> {
    fn new(image: &'a MetadataImage, topics: &'a [NewTopic]) -> Self {
        let mut asked = HashMap::new();
        for topic in topics {
            *asked.entry(topic.name.as_str()).or_default() += 1;
        }
        let existing = image
            .topics
            .names()
            .filter(|name| topic_name::can_collide(name));
        let colliding = existing
            .map(|name| (topic_name::collision_key(name), name.to_string()))
            .collect();
        Self {
            image,
            asked,
            colliding,
        }
    }

    fn check(&self, name: &str) -> Result<(), Refusal> {
        let invalid = ErrorCode::InvalidRequest;
        if self.asked.get(name).is_some_and(|count| 1 < *count) {
            return Err(Refusal::new(invalid, "Duplicate topic name."));
        }
        if name == CLUSTER_METADATA_TOPIC {
            let message = format!("Creation of internal topic {name} is prohibited.");
            return Err(Refusal::new(invalid, message));
        }
        topic_name::check(name)
            .map_err(|error| Refusal::new(ErrorCode::InvalidTopicException, error.to_string()))?;
        if self.image.topic(name).is_some() {
            let message = format!("Topic '{name}' already exists.");
            return Err(Refusal::new(ErrorCode::TopicAlreadyExists, message));
        }
        match self.colliding.get(&topic_name::collision_key(name)) {
            Some(other) => Err(Refusal::new(
                ErrorCode::InvalidTopicException,
                format!("Topic '{name}' collides with existing topic: {other}"),
            )),
            None => Ok(()),
        }
    }

    fn add(&mut self, name: &str) {
        if topic_name::can_collide(name) {
            self.colliding
                .insert(topic_name::collision_key(name), name.to_owned());
        }
    }
}

fn check_configs(topic: &NewTopic, rules: TopicRules<'_>) -> Result<ConfigMap, Refusal> {
    let resource = ConfigResource::topic(topic.name.as_str());
    let mut configs = ConfigMap::new();
    for (key, value) in &topic.configs {
        let Some(value) = value else {
            let message = format!("Null value not supported for topic config {key}.");
            return Err(Refusal::new(ErrorCode::InvalidConfig, message));
        };
        let value = alter_configs::check_value(&resource, key, value, rules.schema)?;
        configs.insert(Arc::from(key.as_str()), Arc::from(value));
    }
    rules.schema.check_together(&resource, &configs)?;
    Ok(configs)
}

/// The brokers of each partition, from the request or by placement; at most `room` partitions.
fn place(
    image: &MetadataImage,
    topic: &NewTopic,
    rules: TopicRules<'_>,
    room: usize,
) -> Result<Vec<Vec<i32>>, Refusal> {
    let or_default = |asked, default| if asked == -1 { default } else { asked };
    let partitions = or_default(topic.partitions, rules.default_partitions);
    let replicas = topic.replication_factor;
    let count = if topic.assignments.is_empty() {
        usize::try_from(partitions).unwrap_or(0)
    } else {
        topic.assignments.len()
    };
    if room < count {
        return Err(placement::too_many_partitions());
    }
    if !topic.assignments.is_empty() {
        return check_assignments(image, topic);
    }
    if replicas < -1 || replicas == 0 {
        let message = "Replication factor must be larger than 0, or -1 to use the default value.";
        return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message));
    }
    if partitions < 1 {
        let message = "Number of partitions must be larger than 0, or -1 to use the default value.";
        return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
    }
    let replicas = if replicas == -1 {
        rules.default_replication_factor
    } else {
        replicas
    };
    placement::place(image, 0..partitions, replicas)
}

/// Checks a manual assignment and puts it into the order of partitions.
fn check_assignments(image: &MetadataImage, topic: &NewTopic) -> Result<Vec<Vec<i32>>, Refusal> {
    let invalid = |what: &str| {
        let message = format!("A manual partition assignment was specified, but {what}.");
        Err(Refusal::new(ErrorCode::InvalidRequest, message))
    };
    if topic.replication_factor != -1 {
        return invalid("replication factor was not set to -1");
    }
    if topic.partitions != -1 {
        return invalid("the number of partitions was not set to -1");
    }
    let refuse = |message: String| Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
    let mut placed = BTreeMap::new();
    let mut replicas = None;
    for (partition, brokers) in &topic.assignments {
        let first = *replicas.get_or_insert(brokers.len());
        if brokers.len() != first {
            return refuse(format!(
                "The manual partition assignment includes a partition with {} replica(s), but \
                 this is not consistent with previous partitions, which have {first} replica(s).",
                brokers.len()
            ));
        }
        placement::check_brokers(image, *partition, brokers)?;
        if placed.insert(*partition, brokers.clone()).is_some() {
            return refuse(format!(
                "Found multiple manual partition assignments for partition {partition}."
            ));
        }
    }
    if placed
        .keys()
        .zip(0..)
        .any(|(partition, expected)| *partition != expected)
    {
        return refuse("Partitions should be a consecutive 0-based integer sequence.".to_owned());
    }
    Ok(placed.into_values().collect())
}

/// The records of a topic whose checks have passed.
fn create(
    image: &MetadataImage,
    name: &str,
    id: Uuid,
    placed: &[Vec<i32>],
    configs: ConfigMap,
) -> CreatedTopic {
    let topic = TopicRecord {
        name: name.to_owned(),
        topic_id: id,
    };
    let mut records = vec![Record::from(topic)];
    for (brokers, partition) in placed.iter().zip(0..) {
        records.push(placement::first_state(image, id, partition, brokers).into());
    }
    let resource = ConfigResource::topic(name);
    for (key, value) in &configs {
        records.push(config_record(&resource, key, Some(value)).into());
    }
    CreatedTopic {
        name: name.to_owned(),
        id,
        partitions: placed.len() as i32,
        replication_factor: placed.first().map_or(0, Vec::len) as i16,
        configs,
        records,
    }
}

#[cfg(test)]
#[path = "create_topics_tests.rs"]
mod tests;
