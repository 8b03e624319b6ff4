//! `kafka-configs`: describes and changes the configuration of topics, brokers and groups.
//!
//! What it does not do yet: quotas and credentials of users and clients, and controllers as the
//! ones to ask.

mod alter;
mod describe;
mod entity;

use odradek_client::{Admin, Error};

use self::entity::UsageError;
use super::reason;
use crate::{
    Outcome,
    connection::ConnectionOptions,
    output,
    properties_file::{self, PropertiesFile},
    usage,
};

/// Describes or changes configuration.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-configs")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Print what is configured.
    #[arg(long)]
    describe: bool,
    /// Change it.
    #[arg(long)]
    alter: bool,
    /// With --describe: every key, and not only what was set while the cluster runs.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    entities: Entities,
    /// With --alter: what to set, as key=value, several separated by commas; a value with commas
    /// stands in brackets: k1=v1,k2=[v1,v2].
    #[arg(long, value_name = "KEY=VALUE,...")]
    add_config: Option<String>,
    /// With --alter: a file of what to set, one key=value a line.
    #[arg(long, value_name = "FILE", value_parser = properties_file::read)]
    add_config_file: Option<PropertiesFile>,
    /// With --alter: the keys that get back their defaults, separated by commas.
    #[arg(long, value_name = "KEY,...")]
    delete_config: Option<String>,
}

/// Whose configuration it is.
#[derive(Debug, Default, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
struct Entities {
    /// topics, brokers, broker-loggers, client-metrics or groups.
    #[arg(long, value_name = "TYPE")]
    entity_type: Vec<String>,
    /// The name of a topic, client metrics or a group, or the id of a broker.
    #[arg(long, value_name = "NAME", conflicts_with = "entity_default")]
    entity_name: Option<String>,
    /// What holds for every broker that has no value of its own.
    #[arg(long)]
    entity_default: bool,
    /// A topic, by its name.
    #[arg(long, value_name = "NAME")]
    topic: Option<String>,
    /// A broker, by its id.
    #[arg(long, value_name = "ID")]
    broker: Option<String>,
    /// What holds for every broker that has no value of its own.
    #[arg(long)]
    broker_defaults: bool,
    /// The loggers of a broker, by its id.
    #[arg(long, value_name = "ID")]
    broker_logger: Option<String>,
    /// A subscription to metrics of clients, by its name.
    #[arg(long, value_name = "NAME")]
    client_metrics: Option<String>,
    /// A group, by its id.
    #[arg(long, value_name = "ID")]
    group: Option<String>,
    // What follows has its place in Kafka's tool, and an answer here that says why it has none.
    #[arg(long, value_name = "NAME", hide = true)]
    user: Option<String>,
    #[arg(long, hide = true)]
    user_defaults: bool,
    #[arg(long, value_name = "ID", hide = true)]
    client: Option<String>,
    #[arg(long, hide = true)]
    client_defaults: bool,
    #[arg(long, value_name = "ADDRESS", hide = true)]
    ip: Option<String>,
    #[arg(long, hide = true)]
    ip_defaults: bool,
}

/// What Kafka's tool calls a failure.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Usage(#[from] UsageError),
    #[error("{}", reason(.0))]
    Client(#[from] Error),
    #[error("Invalid broker logger(s): {0}")]
    NoSuchLogger(String),
    #[error("The broker '{0}' doesn't exist.")]
    NoSuchBroker(i32),
    #[error("Error due to duplicate config keys")]
    DuplicateKeys,
}

pub(crate) async fn run(options: Options) -> Outcome {
    if options.describe == options.alter {
        return usage::refuse::<Options>(
            "Command must include exactly one action: --describe, --alter",
        );
    }
    let result = if options.alter {
        alter::run(&options).await
    } else {
        describe::run(&options).await
    };
    match result {
        Ok(()) => Outcome::Done,
        Err(failure) => {
            if let Failure::Client(_) | Failure::DuplicateKeys = failure {
                output::error(&format!(
                    "Error while executing config command with args '{}'",
                    arguments()
                ));
            }
            output::error(&failure.to_string());
            Outcome::Failed
        }
    }
}

impl Options {
    fn admin(&self) -> Admin {
        Admin::new(self.connection.config("kafka-configs"))
    }
}

/// The arguments after the tool's name, as they were given.
fn arguments() -> String {
    let arguments = std::env::args().skip(1);
    let options = arguments.skip_while(|argument| !argument.starts_with('-'));
    options.collect::<Vec<_>>().join(" ")
}
