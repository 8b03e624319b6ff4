//! OffsetDelete: lets a group's coordinator forget single positions (KIP-496).

use odradek_protocol::{
    ApiKey, ErrorCode,
    messages::offset_delete::{
        OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition,
        OffsetDeleteResponseTopic,
    },
};

use super::{context::RequestContext, error_code};

/// Deletes positions. An error of the group leaves no answer for single ones.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let positions = request.topics.iter().flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|partition| (topic.name.clone(), partition.partition_index))
    });
    let positions = positions.collect();
    let deleted = ctx
        .services
        .coordinator
        .delete_offsets(&request.group_id, positions)
        .await;
    let mut outcomes = match deleted {
        Ok(outcomes) => outcomes.into_iter(),
        Err(error) => {
            let code = error_code::of_group(&error);
            ctx.services.metrics.error(ApiKey::OffsetDelete, code);
            return OffsetDeleteResponse {
                error_code: code,
                ..Default::default()
            };
        }
    };
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().zip(&mut outcomes);
        OffsetDeleteResponseTopic {
            name: topic.name,
            partitions: partitions
                .map(|(partition, outcome)| OffsetDeleteResponsePartition {
                    partition_index: partition.partition_index,
                    error_code: outcome.map_or_else(error_code::of_deletion, |()| ErrorCode::None),
                })
                .collect(),
        }
    });
    OffsetDeleteResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}
