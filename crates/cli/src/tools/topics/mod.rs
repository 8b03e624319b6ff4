//! `kafka-topics`: create, list, describe, grow and delete topics.
//!
//! - `assignment`: `--replica-assignment`
//! - `describe`: `--describe`

mod assignment;
mod describe;

use std::{collections::BTreeMap, sync::Arc};

use odradek_client::{
    Admin, Error, ErrorCode,
    admin::topics::{NewPartitions, NewTopic},
    cluster::image::Topic,
    uuid_text,
};

use self::assignment::{Assignment, BadAssignment};
use super::reason;
use crate::{
    Outcome,
    connection::ConnectionOptions,
    output, suggest,
    topic_filter::{InvalidPattern, TopicFilter},
    usage,
};

/// Creates, lists, describes, grows and deletes topics.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-topics")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Create a topic.
    #[arg(long, requires = "topic")]
    create: bool,
    /// List the names of topics, all of them unless --topic says which.
    #[arg(long)]
    list: bool,
    /// Describe topics, all of them unless --topic says which.
    #[arg(long)]
    describe: bool,
    /// Add partitions to topics.
    #[arg(long, requires = "topic", requires = "partitions")]
    alter: bool,
    /// Delete topics with everything in them.
    #[arg(long, requires = "topic")]
    delete: bool,
    /// The topic. Except with --create, a list of names or a regular expression over whole names;
    /// a backslash before a dot makes it one.
    #[arg(long)]
    topic: Option<String>,
    /// With --describe: the topic with this id.
    #[arg(long)]
    topic_id: Option<String>,
    /// How many partitions it is to have.
    #[arg(long, allow_negative_numbers = true)]
    #[arg(conflicts_with_all = ["list", "describe", "delete"])]
    partitions: Option<i32>,
    /// How many replicas each partition is to have.
    #[arg(long, allow_negative_numbers = true)]
    #[arg(conflicts_with_all = ["list", "describe", "delete", "alter"])]
    replication_factor: Option<i32>,
    /// Brokers of each partition: 1:2,2:3 puts partition 0 on 1 and 2, partition 1 on 2 and 3.
    #[arg(long, conflicts_with_all = ["list", "describe", "delete"])]
    replica_assignment: Option<String>,
    /// A key of the new topic's configuration, as key=value; may be repeated.
    #[arg(long, conflicts_with_all = ["list", "describe", "delete", "alter"])]
    config: Vec<String>,
    /// Says that it has no effect, as in Kafka since version 4.0.
    #[arg(long, hide = true)]
    delete_config: Vec<String>,
    /// With --create: do nothing if the topic exists.
    #[arg(long, conflicts_with_all = ["list", "describe", "delete", "alter"])]
    if_not_exists: bool,
    /// With --describe, --alter, --delete: do nothing if the topic does not exist.
    #[arg(long, conflicts_with_all = ["list", "create"])]
    if_exists: bool,
    /// Leave out the cluster's own topics.
    #[arg(long, conflicts_with_all = ["create", "delete", "alter"])]
    exclude_internal: bool,
    /// With --describe: only partitions of which not every replica is in sync.
    #[arg(long, conflicts_with_all = ["list", "create", "delete", "alter"])]
    under_replicated_partitions: bool,
    /// With --describe: only partitions without a leader.
    #[arg(long, conflicts_with_all = ["list", "create", "delete", "alter"])]
    unavailable_partitions: bool,
    /// With --describe: only partitions with fewer replicas in sync than min.insync.replicas.
    #[arg(long, conflicts_with_all = ["list", "create", "delete", "alter"])]
    under_min_isr_partitions: bool,
    /// With --describe: only partitions with as many replicas in sync as min.insync.replicas.
    #[arg(long, conflicts_with_all = ["list", "create", "delete", "alter"])]
    at_min_isr_partitions: bool,
    /// With --describe: only topics with a configuration of their own.
    #[arg(long, conflicts_with_all = ["list", "create", "delete", "alter"])]
    #[arg(conflicts_with_all = ["under_replicated_partitions", "unavailable_partitions"])]
    #[arg(conflicts_with_all = ["under_min_isr_partitions", "at_min_isr_partitions"])]
    topics_with_overrides: bool,
    /// With --describe: how many partitions a broker is asked about at once.
    #[arg(long, value_name = "PARTITIONS", default_value_t = 2000)]
    partition_size_limit_per_response: i32,
}

/// What Kafka's tool calls a failure, in its words.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}", reason(.0))]
    Client(#[from] Error),
    #[error("Topic '{name}' does not exist as expected")]
    NoSuchTopic {
        name: String,
        /// One that exists.
        meant: Option<String>,
    },
    #[error("TopicId '{0}' does not exist as expected")]
    NoSuchTopicId(String),
    #[error("The partitions must be greater than 0")]
    Partitions,
    #[error("The replication factor must be between 1 and 32767 inclusive")]
    ReplicationFactor,
    #[error(
        "requirement failed: Invalid topic config: all configs to be added must be in the format \
         \"key=val\"."
    )]
    Config,
    #[error(transparent)]
    Assignment(#[from] BadAssignment),
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
}

pub(crate) async fn run(options: Options) -> Outcome {
    let actions = [
        options.create,
        options.list,
        options.describe,
        options.alter,
        options.delete,
    ];
    if actions.into_iter().filter(|asked| *asked).count() != 1 {
        return usage::refuse::<Options>(
            "Command must include exactly one action: --list, --describe, --create, --alter or \
             --delete",
        );
    }
    if options.create
        && options.replica_assignment.is_some()
        && (options.partitions.is_some() || options.replication_factor.is_some())
    {
        return usage::refuse::<Options>(
            "Option \"[replica-assignment]\" can't be used with option \"[partitions]\" or \
             \"[replication-factor]\"",
        );
    }
    if !options.delete_config.is_empty() {
        output::error("--delete-config has no effect; kafka-configs changes configurations");
    }
    let admin = Admin::new(options.connection.config("kafka-topics"));
    match act(&admin, &options).await {
        Ok(()) => Outcome::Done,
        Err(failure) => {
            output::line(&format!("Error while executing topic command : {failure}"));
            output::flush();
            output::error(&format!("ERROR {failure} (kafka-topics)"));
            if let Failure::NoSuchTopic {
                meant: Some(meant), ..
            } = &failure
            {
                output::error(&format!("did you mean '{meant}'?"));
            }
            Outcome::Failed
        }
    }
}

async fn act(admin: &Admin, options: &Options) -> Result<(), Failure> {
    if options.create {
        return create(admin, options).await;
    }
    let topics = selected(admin, options).await?;
    if options.list {
        let names: Vec<_> = topics.keys().map(AsRef::as_ref).collect();
        // One empty line where there is none, as Kafka's tool has it.
        output::line(&names.join("\n"));
        Ok(())
    } else if options.describe {
        describe::describe(admin, options, &topics).await
    } else if options.alter {
        alter(admin, options, topics).await
    } else {
        delete(admin, &topics).await
    }
}

async fn create(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let name = options.topic.clone().unwrap_or_default();
    let configs = configs(&options.config)?;
    if name.contains(['.', '_']) {
        output::line(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or \
             underscore ('_') could collide. To avoid issues it is best to use either, but not \
             both.",
        );
    }
    let replication_factor = match options.replication_factor.map(i16::try_from) {
        None => None,
        Some(Ok(factor @ 1..)) => Some(factor),
        Some(_) => return Err(Failure::ReplicationFactor),
    };
    if options.partitions.is_some_and(|partitions| partitions <= 0) {
        return Err(Failure::Partitions);
    }
    let topic = NewTopic {
        partitions: options.partitions,
        replication_factor,
        assignments: assignments(options)?.unwrap_or_default(),
        configs,
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

/// Neither a key nor a value may be empty.
fn configs(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let entry = |text: &String| {
        let (key, value) = text.split_once('=')?;
        let (key, value) = (key.trim(), value.trim());
        (!key.is_empty() && !value.is_empty()).then(|| (key.to_owned(), value.to_owned()))
    };
    let entries = given.iter().map(entry).collect::<Option<_>>();
    entries.ok_or(Failure::Config)
}

fn assignments(options: &Options) -> Result<Option<Assignment>, BadAssignment> {
    let given = options.replica_assignment.as_deref();
    given.map(assignment::parse).transpose()
}

async fn alter(admin: &Admin, options: &Options, topics: Topics) -> Result<(), Failure> {
    let assignments = assignments(options)?.unwrap_or_default();
    let growing = topics.into_values().map(|topic| NewPartitions {
        topic: topic.name.to_string(),
        total: options.partitions.unwrap_or_default(),
        // It is told for all partitions, and counts for the new ones.
        assignments: assignments
            .iter()
            .skip(topic.partitions.len())
            .cloned()
            .collect(),
    });
    let growing: Vec<_> = growing.collect();
    if growing.is_empty() {
        return Ok(());
    }
    first_failure(admin.create_partitions(growing).await?)
}

async fn delete(admin: &Admin, topics: &Topics) -> Result<(), Failure> {
    let names: Vec<String> = topics.keys().map(ToString::to_string).collect();
    if names.is_empty() {
        return Ok(());
    }
    first_failure(admin.delete_topics(&names).await?)
}

fn first_failure(results: Vec<(String, Result<(), Error>)>) -> Result<(), Failure> {
    for (_, result) in results {
        result?;
    }
    Ok(())
}

type Topics = BTreeMap<Arc<str>, Topic>;

/// The topics that are meant. Those that are asked for by name or id have to exist, unless
/// `--if-exists`, or `--list`, which then lists none.
async fn selected(admin: &Admin, options: &Options) -> Result<Topics, Failure> {
    let filter = options.topic.as_deref().map(TopicFilter::parse);
    let filter = filter.transpose()?;
    let all = admin.list_topics().await?;
    let mut topics = all.clone();
    topics.retain(|_, topic| !(options.exclude_internal && topic.internal));
    let is_optional = options.list || options.if_exists;
    // As in Kafka's tool, an id goes before a name.
    if let Some(id) = options.topic_id.as_ref().filter(|_| options.describe) {
        topics.retain(|_, topic| uuid_text(topic.id) == *id);
        if topics.is_empty() && !is_optional {
            return Err(Failure::NoSuchTopicId(id.clone()));
        }
    } else if let (Some(filter), Some(name)) = (filter, &options.topic) {
        topics.retain(|name, _| filter.matches(name));
        if topics.is_empty() && !is_optional {
            let meant = suggest::nearest(name, all.keys().map(AsRef::as_ref));
            return Err(Failure::NoSuchTopic {
                name: name.clone(),
                meant: meant.map(str::to_owned),
            });
        }
    }
    Ok(topics)
}
