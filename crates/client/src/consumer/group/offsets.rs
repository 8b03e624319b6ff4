//! The group's positions: committed for it, and read back.

use std::collections::BTreeMap;

use odradek_connection::Connection;
use odradek_protocol::{
    ErrorCode,
    messages::{
        offset_commit::{
            OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
        },
        offset_fetch::{
            OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic,
            OffsetFetchResponse,
        },
    },
};

use super::{coordinator::CoordinatorLink, events::Identity};
use crate::{
    admin::{group_offsets::CommittedOffset, offsets::TopicPartition},
    by_topic::by_topic,
    error::Error,
};

/// The first version of OffsetFetch that asks about several groups (KIP-709).
const FETCH_SEVERAL_VERSION: i16 = 8;

/// Commits positions once, as that member.
pub(crate) async fn commit(
    coordinator: &CoordinatorLink,
    identity: &Identity,
    instance_id: Option<&str>,
    offsets: &BTreeMap<TopicPartition, CommittedOffset>,
) -> Result<(), Error> {
    let positions = offsets.iter().map(|((topic, partition), committed)| {
        let position = OffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch.unwrap_or(-1),
            committed_metadata: Some(committed.metadata.clone()),
        };
        (topic.as_str(), position)
    });
    let topics = by_topic(positions).map(|(name, partitions)| OffsetCommitRequestTopic {
        name: name.to_owned(),
        partitions,
    });
    let request = OffsetCommitRequest {
        group_id: coordinator.group_id().to_owned(),
        generation_id_or_member_epoch: identity.generation,
        member_id: identity.member_id.clone(),
        group_instance_id: instance_id.map(str::to_owned),
        topics: topics.collect(),
        ..Default::default()
    };
    let answer = coordinator.call(|_| Ok(request)).await?;
    for topic in answer.topics {
        for partition in topic.partitions {
            let what = || format!("commit {}-{}", topic.name, partition.partition_index);
            committed(coordinator, what, partition.error_code)?;
        }
    }
    Ok(())
}

/// Whether a position was committed.
fn committed(
    coordinator: &CoordinatorLink,
    what: impl Fn() -> String,
    code: ErrorCode,
) -> Result<(), Error> {
    let group = || coordinator.group_id().to_owned();
    match code {
        ErrorCode::RebalanceInProgress => Err(Error::Rebalancing { group: group() }),
        ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
            Err(Error::NotAMember { group: group() })
        }
        code => coordinator.check(what(), code),
    }
}

/// Whether the same commit may succeed later. A topic that is gone does not come back.
pub(crate) fn may_succeed_later(error: &Error) -> bool {
    error.retriable() && error.code() != Some(ErrorCode::UnknownTopicOrPartition)
}

/// Reads what the group has committed of these partitions; of those that are absent nothing.
pub(crate) async fn fetch(
    coordinator: &CoordinatorLink,
    partitions: &[TopicPartition],
    require_stable: bool,
) -> Result<BTreeMap<TopicPartition, CommittedOffset>, Error> {
    let cluster = coordinator.cluster();
    let timeout = cluster.config().api_timeout;
    let attempt = || fetch_once(coordinator, partitions, require_stable);
    cluster
        .retrying("read the group's positions", timeout, attempt)
        .await
}

async fn fetch_once(
    coordinator: &CoordinatorLink,
    partitions: &[TopicPartition],
    require_stable: bool,
) -> Result<BTreeMap<TopicPartition, CommittedOffset>, Error> {
    let each = partitions
        .iter()
        .map(|(topic, partition)| (topic.as_str(), *partition));
    let topics = by_topic(each).map(|(name, partition_indexes)| OffsetFetchRequestTopic {
        name: name.to_owned(),
        partition_indexes,
    });
    let topics = Some(topics.collect());
    let group_id = coordinator.group_id().to_owned();
    let request = |connection: &Connection| {
        let mut request = OffsetFetchRequest {
            require_stable,
            ..Default::default()
        };
        if FETCH_SEVERAL_VERSION <= connection.version_of::<OffsetFetchRequest>()? {
            request.groups.push(OffsetFetchRequestGroup {
                group_id,
                topics,
                ..Default::default()
            });
        } else {
            request.group_id = group_id;
            request.topics = topics;
        }
        Ok(request)
    };
    read(coordinator, coordinator.call(request).await?)
}

fn read(
    coordinator: &CoordinatorLink,
    answer: OffsetFetchResponse,
) -> Result<BTreeMap<TopicPartition, CommittedOffset>, Error> {
    let (code, topics) = match answer.groups.into_iter().next() {
        Some(group) => (group.error_code, group.topics),
        None => (answer.error_code, answer.topics),
    };
    coordinator.check("read the group's positions", code)?;
    let mut offsets = BTreeMap::new();
    for topic in topics {
        for partition in topic.partitions {
            let index = partition.partition_index;
            let what = format!("the position of {}-{index}", topic.name);
            coordinator.check(what, partition.error_code)?;
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
