//! The two sets of tools, under the same names.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;

use crate::{peer::Peer, workspace};

/// Apache Kafka's tools by the names of its scripts, and their classes.
const CLASSES: &[(&str, &str)] = &[
    (
        "broker-api-versions",
        "org.apache.kafka.tools.BrokerApiVersionsCommand",
    ),
    ("cluster", "org.apache.kafka.tools.ClusterTool"),
    ("configs", "kafka.admin.ConfigCommand"),
    (
        "console-consumer",
        "org.apache.kafka.tools.consumer.ConsoleConsumer",
    ),
    ("console-producer", "org.apache.kafka.tools.ConsoleProducer"),
    (
        "consumer-groups",
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    ),
    (
        "consumer-perf-test",
        "org.apache.kafka.tools.ConsumerPerformance",
    ),
    (
        "delete-records",
        "org.apache.kafka.tools.DeleteRecordsCommand",
    ),
    ("dump-log", "org.apache.kafka.tools.DumpLogSegments"),
    ("get-offsets", "org.apache.kafka.tools.GetOffsetShell"),
    ("groups", "org.apache.kafka.tools.GroupsCommand"),
    (
        "leader-election",
        "org.apache.kafka.tools.LeaderElectionCommand",
    ),
    ("log-dirs", "org.apache.kafka.tools.LogDirsCommand"),
    (
        "metadata-quorum",
        "org.apache.kafka.tools.MetadataQuorumCommand",
    ),
    (
        "producer-perf-test",
        "org.apache.kafka.tools.ProducerPerformance",
    ),
    (
        "reassign-partitions",
        "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    ),
    ("topics", "org.apache.kafka.tools.TopicCommand"),
];

/// One set of tools.
pub(super) enum Tools {
    Kafka(Peer),
    /// A folder with a link to `odradek` under each of Kafka's names.
    Odradek(PathBuf),
}

impl Tools {
    /// Our tools, under Kafka's names.
    pub(super) fn odradek(program: &Path) -> anyhow::Result<Self> {
        let folder = workspace::target_folder("compat/tools")?;
        for (name, _) in CLASSES {
            let link = folder.join(format!("kafka-{name}.sh"));
            match fs::remove_file(&link) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => symlink(program, &link)?,
            }
        }
        Ok(Self::Odradek(folder))
    }

    /// Apache Kafka's.
    pub(super) fn kafka(peer: Peer) -> anyhow::Result<Self> {
        peer.archive_classes(&logging())?;
        Ok(Self::Kafka(peer))
    }

    /// The tool of that name, about to be started.
    pub(super) fn command(&self, name: &str) -> anyhow::Result<Command> {
        let known = CLASSES.iter().find(|(known, _)| *known == name);
        let (_, class) = known.with_context(|| format!("there is no tool {name}"))?;
        Ok(match self {
            Self::Odradek(folder) => Command::new(folder.join(format!("kafka-{name}.sh"))),
            Self::Kafka(peer) => peer.tool(&logging(), class),
        })
    }
}

/// How Kafka's tools log.
fn logging() -> PathBuf {
    workspace::root().join("tests/compat/script/log4j2.properties")
}
