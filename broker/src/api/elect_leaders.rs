//! ElectLeaders: says of each partition why it gets no other leader (KIP-183, KIP-460).

use odradek_metadata::{
    MetadataImage,
    decide::elect_leaders::{Election, elect_leader},
};
use odradek_protocol::{
    ErrorCode,
    messages::elect_leaders::{
        ElectLeadersRequest, ElectLeadersResponse, PREFERRED, PartitionResult,
        ReplicaElectionResult, UNCLEAN,
    },
};

use super::context::RequestContext;

/// Answers for each partition of the request, or for all partitions without the wanted leader.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: ElectLeadersRequest,
) -> ElectLeadersResponse {
    respond(&ctx.services.metadata.image(), request)
}

fn respond(image: &MetadataImage, request: ElectLeadersRequest) -> ElectLeadersResponse {
    let election = match request.election_type {
        PREFERRED => Election::Preferred,
        UNCLEAN => Election::Unclean,
        _ => {
            return ElectLeadersResponse {
                error_code: ErrorCode::InvalidRequest,
                ..Default::default()
            };
        }
    };
    let replica_election_results = match request.topic_partitions {
        Some(topics) => topics
            .into_iter()
            .map(|topic| elect(image, topic.topic, topic.partitions, election))
            .collect(),
        None => in_all_topics(image, election),
    };
    ElectLeadersResponse {
        replica_election_results,
        ..Default::default()
    }
}

/// Of all partitions, those that have the wanted leader go without saying.
fn in_all_topics(image: &MetadataImage, election: Election) -> Vec<ReplicaElectionResult> {
    let topics = image.topics.iter().map(|topic| {
        let partitions = (0..).zip(&topic.partitions).map(|(index, _)| index);
        let mut result = elect(image, topic.name.to_string(), partitions, election);
        result
            .partition_result
            .retain(|partition| partition.error_code != ErrorCode::ElectionNotNeeded);
        result
    });
    topics.collect()
}

fn elect(
    image: &MetadataImage,
    topic: String,
    partitions: impl IntoIterator<Item = i32>,
    election: Election,
) -> ReplicaElectionResult {
    let results = partitions.into_iter().map(|partition_id| {
        let refusal = elect_leader(image, &topic, partition_id, election);
        PartitionResult {
            partition_id,
            error_code: refusal.code,
            error_message: Some(refusal.message),
        }
    });
    ReplicaElectionResult {
        partition_result: results.collect(),
        topic,
    }
}
