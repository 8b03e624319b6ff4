//! DescribeProducers: what partitions remember of those who write to them (KIP-664).
//!
//! Whoever looks for a hanging transaction begins here. As long as there are no transactions,
//! nobody has one open.

use odradek_metadata::topic_name;
use odradek_protocol::{
    ErrorCode,
    messages::describe_producers::{
        DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState,
        TopicRequest, TopicResponse,
    },
};
use odradek_storage::producer_state::ProducerSummary;

use super::{context::RequestContext, error_code};

/// Describes every partition of the request, in its order.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| describe(ctx, topic));
    DescribeProducersResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}

fn describe(ctx: &RequestContext, topic: TopicRequest) -> TopicResponse {
    let TopicRequest {
        name,
        partition_indexes,
    } = topic;
    let illegal = topic_name::check(&name).err();
    let partitions = partition_indexes.into_iter().map(|index| {
        if let Some(error) = &illegal {
            return failed(index, ErrorCode::InvalidTopicException, error.to_string());
        }
        match ctx.services.replicas.partition(&name, index) {
            Ok(partition) => PartitionResponse {
                partition_index: index,
                active_producers: partition
                    .view()
                    .producers()
                    .into_iter()
                    .map(state)
                    .collect(),
                ..Default::default()
            },
            Err(error) => failed(index, error_code::of_partition(error), error.to_string()),
        }
    });
    TopicResponse {
        partitions: partitions.collect(),
        name,
    }
}

fn failed(partition_index: i32, error_code: ErrorCode, message: String) -> PartitionResponse {
    PartitionResponse {
        partition_index,
        error_code,
        error_message: Some(message),
        ..Default::default()
    }
}

fn state(producer: ProducerSummary) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id,
        producer_epoch: producer.epoch.into(),
        last_sequence: producer.last_sequence.unwrap_or(-1),
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.transaction_start.unwrap_or(-1),
    }
}
