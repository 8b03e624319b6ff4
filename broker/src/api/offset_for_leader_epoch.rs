//! OffsetForLeaderEpoch: where a leader epoch ends in this leader's log (KIP-101, KIP-320).
//!
//! A follower learns from it how much to truncate, a consumer whether its position was truncated
//! away. Answered from memory.

use odradek_protocol::{
    ErrorCode,
    messages::offset_for_leader_epoch::{
        EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
        OffsetForLeaderPartition, OffsetForLeaderTopicResult,
    },
};

use super::{context::RequestContext, error_code};
use crate::fetch::reading::stale_epoch;

/// Answers every partition of the request, in its order.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            epoch_end(ctx, &topic.topic, asked).unwrap_or_else(|error_code| EpochEndOffset {
                error_code,
                partition: asked.partition,
                ..Default::default()
            })
        });
        OffsetForLeaderTopicResult {
            partitions: partitions.collect(),
            topic: topic.topic,
        }
    });
    OffsetForLeaderEpochResponse {
        throttle_time_ms: 0,
        topics: topics.collect(),
    }
}

fn epoch_end(
    ctx: &RequestContext,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<EpochEndOffset, ErrorCode> {
    let partition = ctx
        .services
        .replicas
        .partition(topic, asked.partition)
        .map_err(error_code::of_partition)?;
    if let Some(code) = stale_epoch(&partition, asked.current_leader_epoch) {
        return Err(code);
    }
    let end = partition.view().end_offset_for_epoch(asked.leader_epoch);
    Ok(EpochEndOffset {
        error_code: ErrorCode::None,
        partition: asked.partition,
        leader_epoch: end.map_or(-1, |end| end.epoch),
        end_offset: end.map_or(-1, |end| end.end_offset),
    })
}
