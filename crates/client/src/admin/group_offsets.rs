//! The offsets that a group has committed: read, set, delete.

use std::collections::BTreeMap;

use odradek_connection::Connection;
use odradek_protocol::messages::{
    offset_commit::{
        OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
        OffsetCommitResponse,
    },
    offset_delete::{
        OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
        OffsetDeleteResponse,
    },
    offset_fetch::{
        OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse, OffsetFetchResponseTopic,
    },
};

use super::{Admin, offsets::TopicPartition};
use crate::{cluster::Target, error::Error};

/// The first version of OffsetFetch that asks about several groups (KIP-709).
const FETCH_SEVERAL_VERSION: i16 = 8;

/// A position that a group has committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next record that the group wants.
    pub offset: i64,
    /// The leader epoch of the last one it had, where it told (KIP-320).
    pub leader_epoch: Option<i32>,
    /// What it wrote beside it.
    pub metadata: String,
}

/// The result for each partition.
pub type ByPartition<T> = BTreeMap<TopicPartition, T>;

impl Admin {
    /// Everything a group has committed.
    pub async fn group_offsets(&self, group: &str) -> Result<ByPartition<CommittedOffset>, Error> {
        let request = |connection: &Connection| {
            let mut request = OffsetFetchRequest::default();
            if FETCH_SEVERAL_VERSION <= connection.version_of::<OffsetFetchRequest>()? {
                request.groups.push(OffsetFetchRequestGroup {
                    group_id: group.to_owned(),
                    ..Default::default()
                });
            } else {
                group.clone_into(&mut request.group_id);
            }
            Ok(request)
        };
        let read = |answer: OffsetFetchResponse| {
            let (code, topics) = match answer.groups.into_iter().next() {
                Some(group) => (group.error_code, group.topics),
                None => (answer.error_code, answer.topics),
            };
            Error::check(group, code, None)?;
            committed(topics)
        };
        let target = Target::Coordinator(group);
        self.ask("read a group's offsets", target, request, read)
            .await
    }

    /// Sets positions of a group that has no members.
    pub async fn alter_group_offsets(
        &self,
        group: &str,
        offsets: &ByPartition<CommittedOffset>,
    ) -> Result<ByPartition<Result<(), Error>>, Error> {
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for ((topic, partition), committed) in offsets {
            topics
                .entry(topic)
                .or_default()
                .push(position(*partition, committed));
        }
        let topics = topics
            .into_iter()
            .map(|(name, partitions)| OffsetCommitRequestTopic {
                name: name.to_owned(),
                partitions,
            });
        let request = OffsetCommitRequest {
            group_id: group.to_owned(),
            topics: topics.collect(),
            ..Default::default()
        };
        let read = |answer: OffsetCommitResponse| {
            let results = answer.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let key = (topic.name.clone(), partition.partition_index);
                    (key, partition.error_code)
                })
            });
            by_partition(results)
        };
        let target = Target::Coordinator(group);
        self.ask(
            "set a group's offsets",
            target,
            |_| Ok(request.clone()),
            read,
        )
        .await
    }

    /// Forgets positions of a group, of topics that none of its members reads.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<ByPartition<Result<(), Error>>, Error> {
        let mut topics: BTreeMap<&str, Vec<OffsetDeleteRequestPartition>> = BTreeMap::new();
        for (topic, partition) in partitions {
            let partition_index = *partition;
            let partition = OffsetDeleteRequestPartition { partition_index };
            topics.entry(topic).or_default().push(partition);
        }
        let topics = topics
            .into_iter()
            .map(|(name, partitions)| OffsetDeleteRequestTopic {
                name: name.to_owned(),
                partitions,
            });
        let request = OffsetDeleteRequest {
            group_id: group.to_owned(),
            topics: topics.collect(),
        };
        let read = |answer: OffsetDeleteResponse| {
            Error::check(group, answer.error_code, None)?;
            let results = answer.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let key = (topic.name.clone(), partition.partition_index);
                    (key, partition.error_code)
                })
            });
            by_partition(results)
        };
        let target = Target::Coordinator(group);
        self.ask(
            "delete a group's offsets",
            target,
            |_| Ok(request.clone()),
            read,
        )
        .await
    }
}

fn position(partition: i32, committed: &CommittedOffset) -> OffsetCommitRequestPartition {
    OffsetCommitRequestPartition {
        partition_index: partition,
        committed_offset: committed.offset,
        committed_leader_epoch: committed.leader_epoch.unwrap_or(-1),
        committed_metadata: Some(committed.metadata.clone()),
    }
}

/// What was answered about each partition. An error of one that will pass is an error of all: the
/// whole request is made again, which changes nothing where it has succeeded.
fn by_partition(
    results: impl Iterator<Item = (TopicPartition, odradek_protocol::ErrorCode)>,
) -> Result<ByPartition<Result<(), Error>>, Error> {
    let mut by_partition = BTreeMap::new();
    for ((topic, partition), code) in results {
        let outcome = Error::check(format!("{topic}-{partition}"), code, None);
        match outcome {
            Err(error) if is_coordinators(code) => return Err(error),
            outcome => by_partition.insert((topic, partition), outcome),
        };
    }
    Ok(by_partition)
}

/// Whether the error is the coordinator's, and not about the partition.
const fn is_coordinators(code: odradek_protocol::ErrorCode) -> bool {
    use odradek_protocol::ErrorCode as Code;
    matches!(
        code,
        Code::NotCoordinator | Code::CoordinatorNotAvailable | Code::CoordinatorLoadInProgress
    )
}

fn committed(topics: Vec<OffsetFetchResponseTopic>) -> Result<ByPartition<CommittedOffset>, Error> {
    let mut offsets = BTreeMap::new();
    for topic in topics {
        for partition in topic.partitions {
            let index = partition.partition_index;
            Error::check(
                format!("{}-{index}", topic.name),
                partition.error_code,
                None,
            )?;
            if partition.committed_offset < 0 {
                continue;
            }
            let epoch = partition.committed_leader_epoch;
            let committed = CommittedOffset {
                offset: partition.committed_offset,
                leader_epoch: (0 <= epoch).then_some(epoch),
                metadata: partition.metadata.unwrap_or_default(),
            };
            offsets.insert((topic.name.clone(), index), committed);
        }
    }
    Ok(offsets)
}
