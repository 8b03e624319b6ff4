//! `kafka-features`: the levels of the features that change how brokers work together.
//!
//! It describes them; to change them is not among its commands yet.

use std::fmt::Write;

use odradek_client::{
    Admin,
    admin::cluster::{BrokerVersions, Feature},
};

use crate::{Outcome, connection::ConnectionOptions, output};

/// The feature whose levels have names.
const METADATA_VERSION: &str = "metadata.version";

/// The names of the levels of metadata.version: of each release its first level and how many there
/// are, oldest first.
const METADATA_VERSIONS: &[(&str, i16, i16)] = &[
    ("3.3", 4, 4),
    ("3.4", 8, 1),
    ("3.5", 9, 3),
    ("3.6", 12, 3),
    ("3.7", 15, 5),
    ("3.8", 20, 1),
    ("3.9", 21, 1),
    ("4.0", 22, 4),
    ("4.1", 26, 2),
    ("4.2", 28, 2),
    ("4.3", 30, 1),
];

/// Prints the features of the cluster and their levels.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-features")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print every feature with the levels supported and the level in use.
    Describe,
}

pub(crate) async fn run(options: Options) -> Outcome {
    let admin = Admin::new(options.connection.config("kafka-features"));
    let described = match options.command {
        Command::Describe => admin.describe_features().await,
    };
    match described {
        Ok(versions) => {
            output::bytes(report(&versions).as_bytes());
            Outcome::Done
        }
        Err(error) => {
            output::error(&error.to_string());
            Outcome::Failed
        }
    }
}

fn report(versions: &BrokerVersions) -> String {
    let epoch = versions.features_epoch.map(|epoch| epoch.to_string());
    let epoch = epoch.as_deref().unwrap_or("-");
    let mut report = String::new();
    for (name, feature) in &versions.features {
        let Feature {
            supported_min,
            supported_max,
            finalized,
        } = *feature;
        writeln!(
            report,
            "Feature: {name:<40}  SupportedMinVersion: {:<15}  SupportedMaxVersion: {:<15}  \
             FinalizedVersionLevel: {:<15}  Epoch: {epoch}",
            level(name, supported_min),
            level(name, supported_max),
            level(name, finalized),
        )
        .expect("a string takes everything");
    }
    report
}

/// A level as Kafka's tool names it.
fn level(feature: &str, level: i16) -> String {
    if feature != METADATA_VERSION {
        return level.to_string();
    }
    let release = METADATA_VERSIONS
        .iter()
        .find(|(_, first, count)| (*first..first + count).contains(&level));
    match release {
        Some((release, first, _)) => format!("{release}-IV{}", level - first),
        None => format!("UNKNOWN [{level}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_stand_in_kafkas_columns() {
        let feature = Feature {
            supported_min: 7,
            supported_max: 30,
            finalized: 29,
        };
        let versions = BrokerVersions {
            features: [("metadata.version".to_owned(), feature)].into(),
            features_epoch: Some(1583),
            ..Default::default()
        };
        let expected = "Feature: metadata.version                          \
                        SupportedMinVersion: 3.3-IV3          \
                        SupportedMaxVersion: 4.3-IV0          \
                        FinalizedVersionLevel: 4.2-IV1          Epoch: 1583\n";
        assert_eq!(report(&versions), expected);
    }

    #[test]
    fn levels_of_metadata_have_names_and_those_of_other_features_have_none() {
        assert_eq!(level(METADATA_VERSION, 25), "4.0-IV3");
        assert_eq!(level(METADATA_VERSION, 19), "3.7-IV4");
        assert_eq!(level(METADATA_VERSION, 8), "3.4-IV0");
        assert_eq!(level(METADATA_VERSION, 99), "UNKNOWN [99]");
        assert_eq!(level("kraft.version", 8), "8");
    }
}
