//! AlterPartitionReassignments: says of each partition whether it may live there (KIP-455).

use odradek_metadata::{MetadataImage, decide::reassign_partitions::reassign_partition};
use odradek_protocol::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopicResponse,
};

use super::context::RequestContext;

/// Answers for each partition of the request, in its order.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let image = ctx.services.metadata.image();
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter();
        ReassignableTopicResponse {
            partitions: partitions
                .map(|partition| reassign(&image, &topic.name, &partition))
                .collect(),
            name: topic.name,
        }
    });
    AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: request.allow_replication_factor_change,
        responses: topics.collect(),
        ..Default::default()
    }
}

fn reassign(
    image: &MetadataImage,
    topic: &str,
    partition: &ReassignablePartition,
) -> ReassignablePartitionResponse {
    let partition_index = partition.partition_index;
    let brokers = partition.replicas.as_deref();
    match reassign_partition(image, topic, partition_index, brokers) {
        Ok(()) => ReassignablePartitionResponse {
            partition_index,
            ..Default::default()
        },
        Err(refusal) => ReassignablePartitionResponse {
            partition_index,
            error_code: refusal.code,
            error_message: Some(refusal.message),
        },
    }
}
