//! CreatePartitions: asks the controller, and answers with what became of each topic.

use std::collections::HashSet;

use odradek_metadata::decide::{Refusal, create_partitions::Growth};
use odradek_protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    CreatePartitionsTopicResult,
};

use super::{context::RequestContext, create_topics, error_code};

/// Lets topics grow, or checks whether they could.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let names: Vec<_> = request
        .topics
        .iter()
        .map(|topic| topic.name.clone())
        .collect();
    let topics = request.topics.into_iter().map(growth).collect();
    let timeout = create_topics::wait(request.timeout_ms);
    let outcomes = match ctx
        .services
        .metadata
        .create_partitions(topics, request.validate_only, timeout)
        .await
    {
        Ok(outcomes) => outcomes,
        Err(error) => vec![Err(error_code::of_change(&error)); names.len()],
    };
    let mut results: Vec<_> = names
        .into_iter()
        .zip(outcomes)
        .map(|(name, outcome)| result(name, outcome))
        .collect();
    // A topic named more than once has one entry, which says so.
    let mut seen = HashSet::new();
    results.retain(|result| seen.insert(result.name.clone()));
    CreatePartitionsResponse {
        results,
        ..Default::default()
    }
}

fn growth(topic: CreatePartitionsTopic) -> Growth {
    let assignments = topic.assignments.map(|partitions| {
        let brokers = partitions.into_iter().map(|partition| partition.broker_ids);
        brokers.collect()
    });
    Growth {
        topic: topic.name,
        partitions: topic.count,
        assignments,
    }
}

fn result(name: String, outcome: Result<(), Refusal>) -> CreatePartitionsTopicResult {
    match outcome {
        Ok(()) => CreatePartitionsTopicResult {
            name,
            ..Default::default()
        },
        Err(refusal) => CreatePartitionsTopicResult {
            name,
            error_code: refusal.code,
            error_message: Some(refusal.message),
        },
    }
}
