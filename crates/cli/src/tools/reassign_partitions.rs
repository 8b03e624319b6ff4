//! `kafka-reassign-partitions`: moves partitions to other brokers, as a file of JSON says.
//!
//! - `plan`: the file: which partition shall live where
//! - `placement`: a plan that spreads partitions evenly
//! - `throttle`: how fast data may be copied meanwhile
//! - `progress`: how far a plan has come
//!
//! Not here: moves between the log directories of one broker. A plan may name directories, as one
//! does that was printed for going back; it is refused where following it would need such a move.

mod placement;
mod plan;
mod progress;
mod throttle;

use std::collections::{BTreeMap, BTreeSet};

use odradek_client::{
    Admin, Error, ErrorCode,
    admin::{
        cluster::ClusterDescription,
        offsets::{ByPartition, TopicPartition},
        reassignments::Reassignment,
    },
};

use super::reason;
use crate::{
    Outcome,
    connection::ConnectionOptions,
    json_file::{self, JsonError},
    output, usage,
};
use placement::PlacementError;
use plan::{ANY_DIRECTORY, Plan, PlanError, Planned};

/// Moves partitions to other brokers.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-reassign-partitions")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Propose a plan for the topics of a file, on the brokers of a list. Nothing moves.
    #[arg(long)]
    generate: bool,
    /// Begin to move partitions as a plan says.
    #[arg(long)]
    execute: bool,
    /// Tell how far a plan has come, and remove throttles once everything has.
    #[arg(long)]
    verify: bool,
    /// Call off the moves of a plan that are under way.
    #[arg(long)]
    cancel: bool,
    /// List all moves under way.
    #[arg(long)]
    list: bool,
    /// The plan: {"partitions": [{"topic": "t", "partition": 0, "replicas": [1, 2]}], "version": 1}
    #[arg(long, value_name = "FILE")]
    reassignment_json_file: Option<String>,
    /// The topics to propose a plan for: {"topics": [{"topic": "t"}], "version": 1}
    #[arg(long, value_name = "FILE")]
    topics_to_move_json_file: Option<String>,
    /// The brokers to propose, by id, separated by commas.
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    broker_list: Vec<i32>,
    /// Propose without looking at the brokers' racks.
    #[arg(long)]
    disable_rack_aware: bool,
    /// Copy no faster than this between brokers, in bytes per second.
    #[arg(long, value_name = "BYTES")]
    throttle: Option<u64>,
    /// Leave throttles as they are.
    #[arg(long)]
    preserve_throttles: bool,
    /// Begin although other moves are under way.
    #[arg(long)]
    additional: bool,
    /// Refuse a plan that gives a partition more or fewer replicas.
    #[arg(long)]
    disallow_replication_factor_change: bool,
    /// How long to wait for moves between log directories; there are none.
    #[arg(long, hide = true)]
    timeout: Option<i64>,
}

/// What the tool is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Generate,
    Execute,
    Verify,
    Cancel,
    List,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}", reason(.0))]
    Client(#[from] Error),
    #[error(transparent)]
    File(#[from] JsonError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Placement(#[from] PlacementError),
    #[error("Broker list contains duplicate entries: [{0}]")]
    DuplicateBrokers(String),
    #[error("Unknown broker id {0}")]
    UnknownBroker(i32),
    #[error("Topic {0} not found.")]
    NoTopic(String),
    #[error("Unable to find partition: {0}")]
    NoPartition(String),
    #[error(
        "Replica {broker} of {partition} shall live in {wanted}: replicas cannot be moved to a \
         directory with this tool yet, write \"any\" instead"
    )]
    Directory {
        partition: String,
        broker: i32,
        wanted: String,
    },
    #[error(
        "Cannot execute because there is an existing partition assignment.  Use --additional to \
         override this and create a new partition assignment in addition to the existing one. The \
         --additional flag can also be used to change the throttle by resubmitting the current \
         reassignment."
    )]
    Existing,
    #[error("Error {doing}:\n{reasons}")]
    Refused {
        doing: &'static str,
        reasons: String,
    },
}

impl Failure {
    /// Kafka's tool puts "Error: " before what it did not foresee.
    const fn is_foreseen(&self) -> bool {
        matches!(self, Self::Existing | Self::Refused { .. })
    }
}

pub(crate) async fn run(options: Options) -> Outcome {
    let action = match action(&options) {
        Ok(action) => action,
        Err(problem) => return usage::refuse::<Options>(&problem),
    };
    match carry_out(action, &options).await {
        Ok(()) => Outcome::Done,
        Err(failure) => {
            let prefix = if failure.is_foreseen() { "" } else { "Error: " };
            output::line(&format!("{prefix}{failure}"));
            Outcome::Failed
        }
    }
}

/// The one action that was asked for, with the options that it needs and no other.
fn action(options: &Options) -> Result<Action, String> {
    let asked = [
        (options.generate, Action::Generate),
        (options.execute, Action::Execute),
        (options.verify, Action::Verify),
        (options.cancel, Action::Cancel),
        (options.list, Action::List),
    ];
    let mut asked = asked.iter().filter(|(asked, _)| *asked);
    let (Some((_, action)), None) = (asked.next(), asked.next()) else {
        return Err(
            "Command must include exactly one action: --generate, --execute, --verify, \
                    --cancel, --list"
                .to_owned(),
        );
    };
    let plan = (
        "reassignment-json-file",
        options.reassignment_json_file.is_some(),
    );
    let topics = (
        "topics-to-move-json-file",
        options.topics_to_move_json_file.is_some(),
    );
    let brokers = ("broker-list", !options.broker_list.is_empty());
    let throttle = ("throttle", options.throttle.is_some());
    let additional = ("additional", options.additional);
    let preserve = ("preserve-throttles", options.preserve_throttles);
    let rackless = ("disable-rack-aware", options.disable_rack_aware);
    let same_factor = (
        "disallow-replication-factor-change",
        options.disallow_replication_factor_change,
    );
    let (name, required, refused): (_, &[_], &[_]) = match action {
        Action::Generate => (
            "generate",
            &[topics, brokers],
            &[plan, throttle, additional, preserve, same_factor],
        ),
        Action::Execute => ("execute", &[plan], &[topics, brokers, rackless, preserve]),
        Action::Verify => (
            "verify",
            &[plan],
            &[topics, brokers, rackless, throttle, additional, same_factor],
        ),
        Action::Cancel => (
            "cancel",
            &[plan],
            &[topics, brokers, rackless, throttle, additional, same_factor],
        ),
        Action::List => (
            "list",
            &[],
            &[
                plan,
                topics,
                brokers,
                rackless,
                throttle,
                additional,
                preserve,
                same_factor,
            ],
        ),
    };
    if let Some((missing, _)) = required.iter().find(|(_, given)| !given) {
        return Err(format!("Missing required argument \"[{missing}]\""));
    }
    match refused.iter().find(|(_, given)| *given) {
        Some((other, _)) => Err(format!(
            "Option \"[{other}]\" can't be used with action \"[{name}]\""
        )),
        None => Ok(*action),
    }
}

async fn carry_out(action: Action, options: &Options) -> Result<(), Failure> {
    let admin = Admin::new(options.connection.config("kafka-reassign-partitions"));
    match action {
        Action::Generate => generate(&admin, options).await,
        Action::Execute => execute(&admin, options).await,
        Action::Verify => {
            progress::verify(&admin, &plan(options)?, options.preserve_throttles).await
        }
        Action::Cancel => cancel(&admin, &plan(options)?, options.preserve_throttles).await,
        Action::List => progress::list(&admin).await,
    }
}

fn plan(options: &Options) -> Result<Plan, Failure> {
    let path = options
        .reassignment_json_file
        .as_deref()
        .unwrap_or_default();
    Ok(Plan::parse(&json_file::read(path)?)?)
}

async fn generate(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let duplicates = json_file::duplicates(&options.broker_list);
    if !duplicates.is_empty() {
        return Err(Failure::DuplicateBrokers(joined(duplicates)));
    }
    let path = options
        .topics_to_move_json_file
        .as_deref()
        .unwrap_or_default();
    let topics = plan::parse_topics(&json_file::read(path)?)?;
    let cluster = admin.describe_cluster().await?;
    let unknown = options
        .broker_list
        .iter()
        .find(|id| !cluster.brokers.contains_key(*id));
    if let Some(unknown) = unknown {
        return Err(Failure::UnknownBroker(*unknown));
    }
    let current = replicas_of_topics(admin, &topics).await?;
    let brokers = cluster
        .brokers
        .into_values()
        .filter(|it| options.broker_list.contains(&it.id));
    let brokers = brokers.map(|broker| {
        let rack = broker.rack.filter(|_| !options.disable_rack_aware);
        (broker.id, rack)
    });
    let proposed = placement::spread(&current, &brokers.collect::<Vec<_>>())?;
    let current = with_directories(admin, current).await?;
    output::line("Current partition replica assignment");
    output::line(&current.to_json());
    output::line("");
    output::line("Proposed partition reassignment configuration");
    output::line(&Plan::anywhere(proposed).to_json());
    Ok(())
}

async fn execute(admin: &Admin, options: &Options) -> Result<(), Failure> {
    let plan = plan(options)?;
    plan.check()?;
    if !options.additional && !admin.list_reassignments(None).await?.is_empty() {
        return Err(Failure::Existing);
    }
    let cluster = admin.describe_cluster().await?;
    let unknown = plan
        .brokers()
        .into_iter()
        .find(|id| !cluster.brokers.contains_key(id));
    if let Some(unknown) = unknown {
        return Err(Failure::UnknownBroker(unknown));
    }
    let current = replicas_of(admin, &plan).await?;
    let before = with_directories(admin, current.clone()).await?;
    check_directories(admin, &plan, &before).await?;
    output::line("Current partition replica assignment");
    output::line("");
    output::line(&before.to_json());
    output::line("");
    output::line("Save this to use as the --reassignment-json-file option during rollback");
    if options.disallow_replication_factor_change {
        check_factors(&plan, &current)?;
    }
    if let Some(bytes_per_second) = options.throttle {
        output::line(
            "Warning: You must run --verify periodically, until the reassignment completes, to \
             ensure the throttle is removed.",
        );
        throttle::set(admin, &plan, &current, bytes_per_second).await?;
        output::line(&format!(
            "The inter-broker throttle limit was set to {bytes_per_second} B/s"
        ));
    }
    let moves = plan.partitions.iter().map(|(partition, planned)| {
        (
            partition.clone(),
            Reassignment::To(planned.replicas.clone()),
        )
    });
    let results = admin.alter_reassignments(&moves.collect()).await;
    refused("reassigning partition(s)", &results)?;
    output::line(&format!(
        "Successfully started partition reassignment{} for {}",
        plural(results.len()),
        joined_partitions(results.keys())
    ));
    Ok(())
}

async fn cancel(admin: &Admin, plan: &Plan, preserve_throttles: bool) -> Result<(), Failure> {
    plan.check()?;
    let named: BTreeSet<_> = plan.partitions.keys().cloned().collect();
    let ongoing = admin.list_reassignments(Some(&named)).await?;
    if ongoing.is_empty() {
        output::line("None of the specified partition reassignments are active.");
    } else {
        let cancelled = ongoing.into_keys().map(|it| (it, Reassignment::Cancel));
        let results = admin.alter_reassignments(&cancelled.collect()).await;
        refused("cancelling partition reassignment(s) for:", &results)?;
        output::line(&format!(
            "Successfully cancelled partition reassignment{} for: {}",
            plural(results.len()),
            joined_partitions(results.keys())
        ));
    }
    output::line("None of the specified partition moves are active.");
    if preserve_throttles {
        return Ok(());
    }
    throttle::clear(admin, plan).await
}

/// The replicas of every partition of these topics.
async fn replicas_of_topics(
    admin: &Admin,
    topics: &BTreeSet<String>,
) -> Result<ByPartition<Vec<i32>>, Failure> {
    let names: Vec<_> = topics.iter().cloned().collect();
    let mut replicas = BTreeMap::new();
    if names.is_empty() {
        return Ok(replicas);
    }
    for (name, topic) in admin.describe_topics(&names).await? {
        let topic = topic.map_err(|error| match error.code() {
            Some(ErrorCode::UnknownTopicOrPartition) => Failure::NoTopic(name.clone()),
            _ => error.into(),
        })?;
        let partitions = topic.partitions.into_values();
        replicas.extend(partitions.map(|it| ((name.clone(), it.index), it.replicas)));
    }
    Ok(replicas)
}

/// The replicas of the partitions of a plan.
async fn replicas_of(admin: &Admin, plan: &Plan) -> Result<ByPartition<Vec<i32>>, Failure> {
    let mut all = replicas_of_topics(admin, &plan.topics()).await?;
    let each = plan.partitions.keys().map(|partition| {
        let replicas = all.remove(partition);
        let missing = || Failure::NoPartition(format!("{}-{}", partition.0, partition.1));
        Ok((partition.clone(), replicas.ok_or_else(missing)?))
    });
    each.collect()
}

/// The same with the directory of each replica, where its broker tells.
async fn with_directories(admin: &Admin, replicas: ByPartition<Vec<i32>>) -> Result<Plan, Failure> {
    let brokers: BTreeSet<_> = replicas.values().flatten().copied().collect();
    let brokers: Vec<_> = brokers.into_iter().collect();
    let mut directories = BTreeMap::new();
    for (broker, described) in admin.describe_log_dirs(&brokers).await {
        // A broker that is down tells nothing; its replicas may be anywhere.
        for directory in described.into_iter().flatten() {
            for (partition, replica) in directory.replicas {
                if !replica.is_future {
                    directories.insert((broker, partition), directory.path.clone());
                }
            }
        }
    }
    let partitions = replicas.into_iter().map(|(partition, replicas)| {
        let directory = |broker: &i32| {
            let found = directories.get(&(*broker, partition.clone()));
            found.cloned().unwrap_or_else(|| ANY_DIRECTORY.to_owned())
        };
        let log_dirs = replicas.iter().map(directory).collect();
        (partition.clone(), Planned { replicas, log_dirs })
    });
    Ok(Plan {
        partitions: partitions.collect(),
    })
}

/// A directory may be named where the replica is already, or cannot but get.
async fn check_directories(admin: &Admin, plan: &Plan, before: &Plan) -> Result<(), Failure> {
    if plan
        .partitions
        .values()
        .all(|it| it.log_dirs.iter().all(|dir| dir == ANY_DIRECTORY))
    {
        return Ok(());
    }
    let brokers: Vec<_> = plan.brokers().into_iter().collect();
    let described = admin.describe_log_dirs(&brokers).await;
    let has_only = |broker: &i32, wanted: &str| match described.get(broker) {
        Some(Ok(directories)) => matches!(&**directories, [only] if only.path == wanted),
        _ => false,
    };
    for (partition, planned) in &plan.partitions {
        let present = before.partitions.get(partition);
        for (broker, wanted) in planned.replicas.iter().zip(&planned.log_dirs) {
            let is_there = present.is_some_and(|present| present.is_in(*broker, wanted));
            if wanted != ANY_DIRECTORY && !is_there && !has_only(broker, wanted) {
                return Err(Failure::Directory {
                    partition: format!("{}-{}", partition.0, partition.1),
                    broker: *broker,
                    wanted: wanted.clone(),
                });
            }
        }
    }
    Ok(())
}

fn check_factors(plan: &Plan, current: &ByPartition<Vec<i32>>) -> Result<(), Failure> {
    let changed = plan.partitions.iter().filter_map(|(partition, planned)| {
        let (before, after) = (current.get(partition)?.len(), planned.replicas.len());
        let (topic, index) = partition;
        (before != after).then(|| {
            format!("{topic}-{index}: The replication factor is changed from {before} to {after}")
        })
    });
    let reasons: Vec<_> = changed.collect();
    if reasons.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused {
        doing: "reassigning partition(s)",
        reasons: reasons.join("\n"),
    })
}

fn refused(doing: &'static str, results: &ByPartition<Result<(), Error>>) -> Result<(), Failure> {
    let reasons = results.iter().filter_map(|((topic, index), result)| {
        let error = result.as_ref().err()?;
        Some(format!("{topic}-{index}: {}", reason(error)))
    });
    let reasons: Vec<_> = reasons.collect();
    if reasons.is_empty() {
        return Ok(());
    }
    Err(Failure::Refused {
        doing,
        reasons: reasons.join("\n"),
    })
}

/// The brokers of a cluster, by id.
fn ids(cluster: &ClusterDescription) -> BTreeSet<i32> {
    cluster.brokers.keys().copied().collect()
}

fn joined<'a, T: ToString + 'a>(items: impl IntoIterator<Item = &'a T>) -> String {
    let items: Vec<_> = items.into_iter().map(ToString::to_string).collect();
    items.join(",")
}

fn joined_partitions<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> String {
    let names = partitions.map(|(topic, index)| format!("{topic}-{index}"));
    names.collect::<Vec<_>>().join(",")
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    fn checked(arguments: &str) -> Result<Action, String> {
        let always = "kafka-reassign-partitions --bootstrap-server a:1";
        let arguments = always.split(' ').chain(arguments.split_whitespace());
        action(&Options::try_parse_from(arguments).unwrap())
    }

    #[test]
    fn an_action_has_the_options_it_needs_and_no_other() {
        assert_eq!(checked("--list"), Ok(Action::List));
        assert_eq!(
            checked("--execute --reassignment-json-file f --throttle 5"),
            Ok(Action::Execute)
        );
        for (arguments, told) in [
            ("", "Command must include exactly one action: --generate, "),
            (
                "--verify --list",
                "Command must include exactly one action: ",
            ),
            (
                "--execute",
                "Missing required argument \"[reassignment-json-file]\"",
            ),
            (
                "--generate",
                "Missing required argument \"[topics-to-move-json-file]\"",
            ),
            (
                "--execute --reassignment-json-file f --broker-list 1",
                "Option \"[broker-list]\" can't be used with action \"[execute]\"",
            ),
        ] {
            let problem = checked(arguments).unwrap_err();
            assert!(problem.starts_with(told), "{problem}");
        }
    }
}
