//! DeleteTopics: asks the controller, and answers with what each topic became.

use std::{collections::HashSet, time::Duration};

use odradek_metadata::decide::{
    Refusal,
    delete_topics::{DeletedTopic, TopicReference},
};
use odradek_protocol::{
    ErrorCode,
    messages::delete_topics::{
        DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
    },
};

use super::{context::RequestContext, create_topics, error_code};

/// The first version that knows the error for a cluster that deletes no topics.
const KNOWS_DELETION_DISABLED: i16 = 3;

/// Deletes topics, by name or by id.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let by_name = request.topic_names.into_iter();
    let by_name = by_name.map(|name| DeleteTopicState {
        name: Some(name),
        ..Default::default()
    });
    let states = request.topics.into_iter().chain(by_name).collect();
    let mut responses = delete(ctx, states, create_topics::wait(request.timeout_ms)).await;
    // What is named more than once has one entry, which says so.
    let mut seen = HashSet::new();
    responses.retain(|response| seen.insert((response.name.clone(), response.topic_id)));
    DeleteTopicsResponse {
        responses,
        ..Default::default()
    }
}

async fn delete(
    ctx: &RequestContext,
    states: Vec<DeleteTopicState>,
    timeout: Duration,
) -> Vec<DeletableTopicResult> {
    let references: Vec<_> = states.iter().map(|state| reference(ctx, state)).collect();
    let valid: Vec<_> = references.iter().flatten().cloned().collect();
    let asked = valid.len();
    let outcomes = match ctx.services.metadata.delete_topics(valid, timeout).await {
        Ok(outcomes) => outcomes,
        Err(error) => vec![Err(error_code::of_change(&error)); asked],
    };
    let mut outcomes = outcomes.into_iter();
    let outcome_of = |reference: Result<TopicReference, Refusal>| {
        reference.and_then(|_| outcomes.next().expect("one outcome for each asked"))
    };
    let outcomes = references.into_iter().map(outcome_of);
    states
        .into_iter()
        .zip(outcomes)
        .map(|(state, outcome)| result(state, outcome))
        .collect()
}

/// What a request names, if it may be deleted at all.
fn reference(ctx: &RequestContext, state: &DeleteTopicState) -> Result<TopicReference, Refusal> {
    if !ctx.services.config.topics.delete {
        let code = if ctx.api_version < KNOWS_DELETION_DISABLED {
            ErrorCode::InvalidRequest
        } else {
            ErrorCode::TopicDeletionDisabled
        };
        return Err(Refusal::new(
            code,
            "Topic deletion is disabled (delete.topic.enable).",
        ));
    }
    match (&state.name, state.topic_id.is_nil()) {
        (Some(name), true) => Ok(TopicReference::Name(name.clone())),
        (None, false) => Ok(TopicReference::Id(state.topic_id)),
        (None, true) => {
            let message = "Neither topic name nor id were specified.";
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
        (Some(_), false) => {
            let message = "You may not specify both topic name and topic id.";
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
    }
}

fn result(state: DeleteTopicState, outcome: Result<DeletedTopic, Refusal>) -> DeletableTopicResult {
    match outcome {
        Ok(DeletedTopic { name, id }) => DeletableTopicResult {
            name: Some(name),
            topic_id: id,
            ..Default::default()
        },
        Err(refusal) => DeletableTopicResult {
            name: state.name,
            topic_id: state.topic_id,
            error_code: refusal.code,
            error_message: Some(refusal.message),
        },
    }
}
