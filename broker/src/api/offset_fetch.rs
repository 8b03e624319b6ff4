//! OffsetFetch: reads a group's positions from its coordinator.
//!
//! `require_stable` and the members of the newer group protocol change nothing here: there are
//! neither transactions nor such groups.

use odradek_protocol::{
    ApiKey, ErrorCode,
    messages::offset_fetch::{
        OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchResponse,
        OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
    },
};

use super::{context::RequestContext, error_code};
use crate::coordinator::{
    group::GroupError,
    offsets::{CommittedOffset, GroupOffsets},
};

/// From this version on, a request asks about several groups (KIP-709).
const GROUPS_FROM: i16 = 8;
/// From this version on, an error of the group has a place of its own.
const GROUP_ERROR_FROM: i16 = 2;

/// Answers positions. A group that does not exist has none, which is no error.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    if GROUPS_FROM <= ctx.api_version {
        let groups = request.groups.into_iter();
        return OffsetFetchResponse {
            groups: groups.map(|group| of_group(ctx, group)).collect(),
            ..Default::default()
        };
    }
    let group = of_group(
        ctx,
        OffsetFetchRequestGroup {
            group_id: request.group_id,
            topics: request.topics,
            ..Default::default()
        },
    );
    OffsetFetchResponse {
        topics: group.topics,
        error_code: group.error_code,
        ..Default::default()
    }
}

fn of_group(ctx: &RequestContext, group: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
    let OffsetFetchRequestGroup {
        group_id, topics, ..
    } = group;
    let read = read(ctx, &group_id, topics.as_deref());
    let (topics, error_code) = match read {
        Ok(topics) => (topics, ErrorCode::None),
        Err(error) => {
            let code = error_code::of_group(&error);
            ctx.services.metrics.error(ApiKey::OffsetFetch, code);
            let topics = topics.filter(|_| ctx.api_version < GROUP_ERROR_FROM);
            let topics = topics.unwrap_or_default().into_iter();
            (topics.map(|topic| failed(topic, code)).collect(), code)
        }
    };
    OffsetFetchResponseGroup {
        group_id,
        topics,
        error_code,
    }
}

fn read(
    ctx: &RequestContext,
    group: &str,
    topics: Option<&[OffsetFetchRequestTopic]>,
) -> Result<Vec<OffsetFetchResponseTopic>, GroupError> {
    let shard = ctx.services.coordinator.shard_of(group)?;
    let state = shard.active()?;
    let offsets = state.groups.get(group).map(|entry| &entry.offsets);
    Ok(match topics {
        Some(topics) => topics.iter().map(|topic| named(offsets, topic)).collect(),
        None => offsets.map_or_else(Vec::new, all),
    })
}

/// The positions in the partitions that were asked for.
fn named(
    offsets: Option<&GroupOffsets>,
    topic: &OffsetFetchRequestTopic,
) -> OffsetFetchResponseTopic {
    let partitions = topic.partition_indexes.iter().map(|index| {
        let committed = offsets.and_then(|offsets| offsets.get(&topic.name, *index));
        committed.map_or_else(
            || nothing(*index, ErrorCode::None),
            |committed| position(*index, committed),
        )
    });
    OffsetFetchResponseTopic {
        name: topic.name.clone(),
        partitions: partitions.collect(),
    }
}

/// Every position that there is.
fn all(offsets: &GroupOffsets) -> Vec<OffsetFetchResponseTopic> {
    let mut topics: Vec<OffsetFetchResponseTopic> = Vec::new();
    for (name, index, committed) in offsets.iter() {
        if topics.last().is_none_or(|topic| *topic.name != **name) {
            topics.push(OffsetFetchResponseTopic {
                name: name.to_string(),
                partitions: Vec::new(),
            });
        }
        if let Some(topic) = topics.last_mut() {
            topic.partitions.push(position(index, committed));
        }
    }
    topics
}

fn failed(topic: OffsetFetchRequestTopic, code: ErrorCode) -> OffsetFetchResponseTopic {
    let partitions = topic.partition_indexes.into_iter();
    OffsetFetchResponseTopic {
        name: topic.name,
        partitions: partitions.map(|index| nothing(index, code)).collect(),
    }
}

fn position(partition_index: i32, committed: &CommittedOffset) -> OffsetFetchResponsePartition {
    OffsetFetchResponsePartition {
        partition_index,
        committed_offset: committed.offset,
        committed_leader_epoch: committed.leader_epoch,
        metadata: Some(committed.metadata.to_string()),
        error_code: ErrorCode::None,
    }
}

/// As Kafka says that there is no position, or none that can be told.
fn nothing(partition_index: i32, error_code: ErrorCode) -> OffsetFetchResponsePartition {
    OffsetFetchResponsePartition {
        partition_index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(String::new()),
        error_code,
    }
}
