//! `kafka-topics`: create, list, describe, grow and delete topics.

use std::{collections::BTreeMap, sync::Arc};

use odradek_client::{
    Admin, Error, ErrorCode,
    admin::{
        configs::{ConfigDetail, ConfigResource, ConfigSource, ConfigValue},
        topics::{NewPartitions, NewTopic},
    },
    cluster::image::{Partition, Topic},
    uuid_text,
};

use crate::{Outcome, arguments::key_value, connection::ConnectionOptions, output};

/// Creates, lists, describes, grows and deletes topics.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-topics")]
#[command(group(clap::ArgGroup::new("action").required(true)
    .args(["create", "list", "describe", "alter", "delete"])))]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Create a topic.
    #[arg(long, requires = "topic")]
    create: bool,
    /// List the names of all topics.
    #[arg(long)]
    list: bool,
    /// Describe topics, or all of them.
    #[arg(long)]
    describe: bool,
    /// Add partitions to a topic.
    #[arg(long, requires = "topic", requires = "partitions")]
    alter: bool,
    /// Delete a topic with everything in it.
    #[arg(long, requires = "topic")]
    delete: bool,
    /// The topic.
    #[arg(long)]
    topic: Option<String>,
    /// How many partitions it is to have.
    #[arg(long, allow_negative_numbers = true)]
    partitions: Option<i32>,
    /// How many replicas each partition is to have.
    #[arg(long, allow_negative_numbers = true)]
    replication_factor: Option<i16>,
    /// Brokers of each partition: 1:2,2:3 puts partition 0 on 1 and 2, partition 1 on 2 and 3.
    #[arg(long, value_parser = parse_assignment)]
    #[arg(conflicts_with_all = ["partitions", "replication_factor"])]
    replica_assignment: Option<Assignment>,
    /// A key of the new topic's configuration, as key=value; may be repeated.
    #[arg(long, value_parser = key_value)]
    config: Vec<(String, String)>,
    /// With --create: do nothing if the topic exists.
    #[arg(long)]
    if_not_exists: bool,
    /// With --describe, --alter, --delete: do nothing if the topic does not exist.
    #[arg(long)]
    if_exists: bool,
    /// Leave out the cluster's own topics.
    #[arg(long)]
    exclude_internal: bool,
    /// With --describe: only partitions of which not every replica is in sync.
    #[arg(long)]
    under_replicated_partitions: bool,
    /// With --describe: only partitions without a leader.
    #[arg(long)]
    unavailable_partitions: bool,
    /// With --describe: only topics with a configuration of their own.
    #[arg(long)]
    topics_with_overrides: bool,
}

/// The brokers of each partition.
#[derive(Debug, Clone)]
struct Assignment(Vec<Vec<i32>>);

/// What Kafka's tool calls a failure.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Client(#[from] Error),
    #[error("Topic '{0}' does not exist as expected")]
    NoSuchTopic(String),
    #[error("The partitions must be greater than 0")]
    Partitions,
}

pub(crate) async fn run(options: Options) -> Outcome {
    let admin = Admin::new(options.connection.config("kafka-topics"));
    let result = if options.create {
        create(&admin, &options).await
    } else if options.list {
        list(&admin, &options).await
    } else if options.describe {
        describe(&admin, &options).await
    } else if options.alter {
        alter(&admin, &options).await
    } else {
        delete(&admin, &options).await
    };
    match result {
        Ok(()) => Outcome::Done,
        Err(failure) => {
            let text = reason(&failure);
            output::line(&format!("Error while executing topic command : {text}"));
            output::flush();
            output::error(&format!("ERROR {text} (kafka-topics)"));
            Outcome::Failed
        }
    }
}

/// The broker's own sentence where it has one.
fn reason(failure: &Failure) -> String {
    match failure {
        Failure::Client(Error::Refused {
            message: Some(message),
            ..
        }) => message.clone(),
        other => other.to_string(),
    }
}

async fn create(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let name = options.topic.clone().unwrap_or_default();
    if options.partitions.is_some_and(|partitions| partitions <= 0) {
        return Err(Failure::Partitions);
    }
    if name.contains(['.', '_']) {
        output::line(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or \
             underscore ('_') could collide. To avoid issues it is best to use either, but not \
             both.",
        );
    }
    let topic = NewTopic {
        partitions: options.partitions,
        replication_factor: options.replication_factor,
        assignments: options
            .replica_assignment
            .clone()
            .map_or_else(Vec::new, |assignment| assignment.0),
        configs: options.config.iter().cloned().collect(),
        ..NewTopic::new(&name)
    };
    for (name, result) in admin.create_topics(vec![topic]).await? {
        match result {
            Ok(_) => output::line(&format!("Created topic {name}.")),
            Err(error)
                if options.if_not_exists && error.code() == Some(ErrorCode::TopicAlreadyExists) => {
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn list(admin: &Admin, options: &Options) -> Result<(), Failure> {
    for topic in selected(admin, options).await?.values() {
        output::line(&topic.name);
    }
    Ok(())
}

async fn describe(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let topics = existing(admin, options).await?;
    let resource = |name: &str| ConfigResource::Topic(name.to_owned());
    let resources: Vec<_> = topics.keys().map(|name| resource(name)).collect();
    let configs = admin
        .describe_configs(&resources, ConfigDetail::default())
        .await;
    let only_some_partitions =
        options.under_replicated_partitions || options.unavailable_partitions;
    for topic in topics.values() {
        let overrides = match configs.get(&resource(&topic.name)) {
            Some(Ok(configs)) => overrides(configs),
            _ => String::new(),
        };
        if options.topics_with_overrides && overrides.is_empty() {
            continue;
        }
        if !only_some_partitions {
            print_topic(topic, &overrides);
        }
        if options.topics_with_overrides {
            continue;
        }
        for partition in topic.partitions.values() {
            let is_under_replicated = partition.isr.len() < partition.replicas.len();
            let is_wanted = !only_some_partitions
                || options.under_replicated_partitions && is_under_replicated
                || options.unavailable_partitions && partition.leader.is_none();
            if is_wanted {
                print_partition(topic, partition);
            }
        }
    }
    Ok(())
}

fn print_topic(topic: &Topic, overrides: &str) {
    let replicas = topic.partitions.values().next();
    let factor = replicas.map_or(0, |partition| partition.replicas.len());
    output::line(&format!(
        "Topic: {}\tTopicId: {}\tPartitionCount: {}\tReplicationFactor: {factor}\t\
         Configs: {overrides}",
        topic.name,
        uuid_text(topic.id),
        topic.partitions.len(),
    ));
}

fn print_partition(topic: &Topic, partition: &Partition) {
    let leader = partition
        .leader
        .map_or_else(|| "none".to_owned(), |leader| leader.to_string());
    output::line(&format!(
        "\tTopic: {}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}\t\
         Elr: \tLastKnownElr: ",
        topic.name,
        partition.index,
        joined(&partition.replicas),
        joined(&partition.isr),
    ));
}

fn joined(brokers: &[i32]) -> String {
    let brokers: Vec<_> = brokers.iter().map(ToString::to_string).collect();
    brokers.join(",")
}

/// Every config that is not the built-in default, whoever set it.
fn overrides(configs: &[ConfigValue]) -> String {
    let set = configs
        .iter()
        .filter(|config| config.source != ConfigSource::Default)
        .map(|config| format!("{}={}", config.name, config.value.as_deref().unwrap_or("")));
    set.collect::<Vec<_>>().join(",")
}

async fn alter(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let total = options.partitions.unwrap_or_default();
    for topic in existing(admin, options).await?.into_values() {
        let growing = NewPartitions {
            topic: topic.name.to_string(),
            total,
            assignments: Vec::new(),
        };
        for (_, result) in admin.create_partitions(vec![growing]).await? {
            result?;
        }
    }
    Ok(())
}

async fn delete(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let topics = existing(admin, options).await?;
    let names: Vec<String> = topics.keys().map(ToString::to_string).collect();
    if names.is_empty() {
        return Ok(());
    }
    for (_, result) in admin.delete_topics(&names).await? {
        result?;
    }
    Ok(())
}

type Topics = BTreeMap<Arc<str>, Topic>;

/// The topics that are meant; the one that is named has to exist, unless `--if-exists`.
async fn existing(admin: &Admin, options: &Options) -> Result<Topics, Failure> {
    let topics = selected(admin, options).await?;
    match &options.topic {
        Some(name) if topics.is_empty() && !options.if_exists => {
            Err(Failure::NoSuchTopic(name.clone()))
        }
        _ => Ok(topics),
    }
}

async fn selected(admin: &Admin, options: &Options) -> Result<Topics, Failure> {
    let mut topics = admin.list_topics().await?;
    topics.retain(|name, topic| {
        let is_meant = options
            .topic
            .as_deref()
            .is_none_or(|wanted| *wanted == **name);
        is_meant && !(options.exclude_internal && topic.internal)
    });
    Ok(topics)
}

fn parse_assignment(text: &str) -> Result<Assignment, String> {
    let partitions = text.split(',').map(|brokers| {
        let brokers = brokers.split(':').map(|broker| broker.trim().parse());
        brokers.collect::<Result<Vec<i32>, _>>()
    });
    let partitions = partitions.collect::<Result<_, _>>();
    partitions
        .map(Assignment)
        .map_err(|_| "expected broker ids such as 1:2,2:3".to_owned())
}
