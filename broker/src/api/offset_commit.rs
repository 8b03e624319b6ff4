//! OffsetCommit: hands a group's positions to its coordinator.

use odradek_protocol::{
    ApiKey, ErrorCode,
    messages::offset_commit::{
        OffsetCommitRequest, OffsetCommitResponse, OffsetCommitResponsePartition,
        OffsetCommitResponseTopic,
    },
};

use super::{context::RequestContext, error_code};
use crate::coordinator::offsets::commit::{Commit, NewPosition};

/// Stores positions. An error of the group is told for each of them.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let mut topics: Vec<_> = request
        .topics
        .iter()
        .map(|topic| OffsetCommitResponseTopic {
            name: topic.name.clone(),
            partitions: topic
                .partitions
                .iter()
                .map(|partition| OffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code: ErrorCode::None,
                })
                .collect(),
        })
        .collect();
    let answers = topics.iter_mut().flat_map(|topic| &mut topic.partitions);
    let coordinator = &ctx.services.coordinator;
    for (answer, outcome) in answers.zip(coordinator.commit_offsets(commit(request)).await) {
        if let Err(error) = outcome {
            answer.error_code = error_code::of_position(&error);
            let metrics = &ctx.services.metrics;
            metrics.error(ApiKey::OffsetCommit, answer.error_code);
        }
    }
    OffsetCommitResponse {
        topics,
        ..Default::default()
    }
}

fn commit(request: OffsetCommitRequest) -> Commit {
    let positions = request.topics.into_iter().flat_map(|topic| {
        let name = topic.name;
        let partitions = topic.partitions.into_iter();
        partitions.map(move |partition| NewPosition {
            topic: name.clone(),
            partition: partition.partition_index,
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.committed_metadata,
        })
    });
    Commit {
        positions: positions.collect(),
        group: request.group_id,
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id_or_member_epoch,
        retention_ms: (request.retention_time_ms != -1).then_some(request.retention_time_ms),
    }
}
