//! The offsets that a group has committed: read, set, delete.

use std::collections::BTreeMap;

use odradek_connection::Connection;
use odradek_protocol::{
    ErrorCode,
    messages::{
        offset_commit::{
            OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
            OffsetCommitResponse,
        },
        offset_delete::{
            OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
            OffsetDeleteResponse,
        },
        offset_fetch::{
            OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse,
            OffsetFetchResponseTopic,
        },
    },
};

pub use super::offsets::ByPartition;
use super::{Admin, offsets::TopicPartition};
use crate::{by_topic::by_topic, cluster::Target, error::Error};

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
        let positions = offsets.iter().map(|((topic, partition), committed)| {
            (topic.as_str(), position(*partition, committed))
        });
        let topics = by_topic(positions).map(|(name, partitions)| OffsetCommitRequestTopic {
            name: name.to_owned(),
            partitions,
        });
        let request = OffsetCommitRequest {
            group_id: group.to_owned(),
            topics: topics.collect(),
            ..Default::default()
        };
        let read = |answer: OffsetCommitResponse| {
            results(answer.topics.into_iter().flat_map(|topic| {
                let each = topic.partitions.into_iter();
                each.map(move |it| ((topic.name.clone(), it.partition_index), it.error_code))
            }))
        };
        let (what, target) = ("set a group's offsets", Target::Coordinator(group));
        self.ask(what, target, |_| Ok(request.clone()), read).await
    }

    /// Forgets positions of a group, of topics that none of its members reads.
    pub async fn delete_group_offsets(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<ByPartition<Result<(), Error>>, Error> {
        let each = partitions.iter().map(|(topic, partition)| {
            let partition_index = *partition;
            (
                topic.as_str(),
                OffsetDeleteRequestPartition { partition_index },
            )
        });
        let topics = by_topic(each).map(|(name, partitions)| OffsetDeleteRequestTopic {
            name: name.to_owned(),
            partitions,
        });
        let request = OffsetDeleteRequest {
            group_id: group.to_owned(),
            topics: topics.collect(),
        };
        let read = |answer: OffsetDeleteResponse| {
            Error::check(group, answer.error_code, None)?;
            results(answer.topics.into_iter().flat_map(|topic| {
                let each = topic.partitions.into_iter();
                each.map(move |it| ((topic.name.clone(), it.partition_index), it.error_code))
            }))
        };
        let (what, target) = ("delete a group's offsets", Target::Coordinator(group));
        self.ask(what, target, |_| Ok(request.clone()), read).await
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
fn results(
    answered: impl Iterator<Item = (TopicPartition, ErrorCode)>,
) -> Result<ByPartition<Result<(), Error>>, Error> {
    let mut results = BTreeMap::new();
    for ((topic, partition), code) in answered {
        let outcome = Error::check(format!("{topic}-{partition}"), code, None);
        match outcome {
            Err(error) if is_coordinators(code) => return Err(error),
            outcome => results.insert((topic, partition), outcome),
        };
    }
    Ok(results)
}

/// Whether the error is the coordinator's, and not about the partition.
const fn is_coordinators(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotCoordinator
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::CoordinatorLoadInProgress
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
