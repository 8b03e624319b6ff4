//! DescribeQuorum: who leads the metadata log, and how far every voter has come (KIP-595).

use odradek_protocol::{
    ErrorCode,
    messages::describe_quorum::{
        DescribeQuorumRequest, DescribeQuorumResponse, METADATA_TOPIC, Node, PartitionResponse,
        ReplicaState, TopicRequest, TopicResponse,
    },
};

use super::context::RequestContext;
use crate::metadata::QuorumView;

/// Describes the one log there is, or refuses every partition if another is among them.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: DescribeQuorumRequest,
) -> DescribeQuorumResponse {
    let services = &ctx.services;
    respond(
        services.metadata.quorum(),
        services.clock.now_ms(),
        request.topics,
    )
}

fn respond(quorum: &QuorumView, now_ms: i64, topics: Vec<TopicRequest>) -> DescribeQuorumResponse {
    if !is_metadata_log(&topics) {
        return DescribeQuorumResponse {
            topics: topics.into_iter().map(unknown).collect(),
            ..Default::default()
        };
    }
    DescribeQuorumResponse {
        topics: vec![TopicResponse {
            topic_name: METADATA_TOPIC.to_owned(),
            partitions: vec![describe(quorum, now_ms)],
        }],
        // It is a quorum of one, and has no listener for others.
        nodes: vec![Node {
            node_id: quorum.leader().node_id,
            listeners: Vec::new(),
        }],
        ..Default::default()
    }
}

fn is_metadata_log(topics: &[TopicRequest]) -> bool {
    let [topic] = topics else {
        return false;
    };
    let [partition] = &*topic.partitions else {
        return false;
    };
    topic.topic_name == METADATA_TOPIC && partition.partition_index == 0
}

fn unknown(topic: TopicRequest) -> TopicResponse {
    let error_code = ErrorCode::UnknownTopicOrPartition;
    let partitions = topic.partitions.into_iter();
    TopicResponse {
        topic_name: topic.topic_name,
        partitions: partitions
            .map(|partition| PartitionResponse {
                partition_index: partition.partition_index,
                error_code,
                error_message: Some(error_code.text().to_owned()),
                ..Default::default()
            })
            .collect(),
    }
}

/// The leader is the only voter, and never behind itself.
fn describe(quorum: &QuorumView, now_ms: i64) -> PartitionResponse {
    let leader = quorum.leader();
    let log_end_offset = i64::try_from(quorum.log_end()).unwrap_or(i64::MAX);
    PartitionResponse {
        leader_id: leader.node_id,
        leader_epoch: i32::try_from(quorum.epoch()).unwrap_or(i32::MAX),
        high_watermark: log_end_offset,
        current_voters: vec![ReplicaState {
            replica_id: leader.node_id,
            replica_directory_id: leader.directory_id,
            log_end_offset,
            last_fetch_timestamp: now_ms,
            last_caught_up_timestamp: now_ms,
        }],
        ..Default::default()
    }
}
