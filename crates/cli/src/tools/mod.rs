//! The tools, one file each, under the names of Kafka's scripts without `kafka-` and `.sh`.

mod broker_api_versions;
mod cluster;
mod completions;
mod configs;
mod console_consumer;
mod console_producer;
mod consumer_groups;
mod consumer_perf_test;
mod delete_records;
mod dump_log;
mod features;
mod get_offsets;
mod groups;
mod leader_election;
mod log_dirs;
mod metadata_quorum;
mod producer_perf_test;
mod reassign_partitions;
mod topics;

use clap::CommandFactory;
use odradek_client::Error;

use crate::{Outcome, usage};

macro_rules! tools {
    ($( $variant:ident = $name:literal, $module:ident; )*) => {
        /// A tool.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Tool {
            $( $variant, )*
        }

        impl Tool {
            const ALL: &[Self] = &[ $( Self::$variant, )* ];

            /// Its name.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $( Self::$variant => $name, )*
                }
            }

            /// Its options.
            fn command(self) -> clap::Command {
                match self {
                    $( Self::$variant => $module::Options::command(), )*
                }
            }

            /// Runs it.
            pub(crate) async fn run(self, arguments: Vec<String>) -> Outcome {
                match self {
                    $( Self::$variant => match usage::read(&arguments) {
                        Ok(options) => $module::run(options).await,
                        Err(outcome) => outcome,
                    }, )*
                }
            }
        }
    };
}

tools! {
    BrokerApiVersions = "broker-api-versions", broker_api_versions;
    Cluster = "cluster", cluster;
    Completions = "completions", completions;
    Configs = "configs", configs;
    ConsoleConsumer = "console-consumer", console_consumer;
    ConsoleProducer = "console-producer", console_producer;
    ConsumerGroups = "consumer-groups", consumer_groups;
    ConsumerPerfTest = "consumer-perf-test", consumer_perf_test;
    DeleteRecords = "delete-records", delete_records;
    DumpLog = "dump-log", dump_log;
    Features = "features", features;
    GetOffsets = "get-offsets", get_offsets;
    Groups = "groups", groups;
    LeaderElection = "leader-election", leader_election;
    LogDirs = "log-dirs", log_dirs;
    MetadataQuorum = "metadata-quorum", metadata_quorum;
    ProducerPerfTest = "producer-perf-test", producer_perf_test;
    ReassignPartitions = "reassign-partitions", reassign_partitions;
    Topics = "topics", topics;
}

impl Tool {
    /// The tool with that name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|tool| tool.name() == name)
    }

    /// All names, for messages.
    pub(crate) fn names() -> String {
        Self::all_names().collect::<Vec<_>>().join(", ")
    }

    /// Each name.
    pub(crate) fn all_names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|tool| tool.name())
    }
}

/// Why something failed: a broker's own sentence where it has one.
pub(crate) fn reason(error: &Error) -> String {
    match error {
        Error::Refused {
            message: Some(message),
            ..
        } => message.clone(),
        Error::Refused { code, .. } => code.text().to_owned(),
        other => other.to_string(),
    }
}
