//! FindCoordinator: which broker coordinates a group.
//!
//! The first who asks causes `__consumer_offsets` to be created, and waits until it is there.
//! Transactions and share groups have no coordinator here.

use odradek_protocol::{
    ErrorCode,
    messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse},
};

use super::{context::RequestContext, error_code};
use crate::error_chain::ErrorChain;

/// From this version on a request has several keys (KIP-699).
const SEVERAL_FROM: i16 = 4;

/// What the keys are.
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// In place of a broker id and of a port: none.
const NONE: i32 = -1;

/// How a client reaches a broker.
#[derive(Debug, Clone)]
struct Node {
    id: i32,
    host: String,
    port: i32,
}

/// Why there is no coordinator, with a sentence for people.
type Refusal = (ErrorCode, &'static str);

/// Answers each key by itself.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let found = find(ctx, request.key_type).await;
    if ctx.api_version < SEVERAL_FROM {
        return one(&found);
    }
    let keys = request.coordinator_keys.into_iter();
    FindCoordinatorResponse {
        coordinators: keys.map(|key| coordinator(key, &found)).collect(),
        ..Default::default()
    }
}

/// The coordinator of any key of that type.
async fn find(ctx: &RequestContext, key_type: i8) -> Result<Node, Refusal> {
    match key_type {
        GROUP => {}
        TRANSACTION => {
            let message = "Transactions are not supported yet.";
            return Err((error_code::TRANSACTIONS_NOT_SUPPORTED, message));
        }
        _ => return Err((ErrorCode::InvalidRequest, "The key type is not supported.")),
    }
    ctx.services
        .coordinator
        .ensure_offsets_topic()
        .await
        .map_err(|error| {
            tracing::warn!(error = %ErrorChain(&error), "there is no place for groups");
            let message = "The topic of groups could not be created.";
            (ErrorCode::CoordinatorNotAvailable, message)
        })?;
    let image = ctx.services.metadata.image();
    let node_id = ctx.services.config.node_id;
    let broker = image.brokers.get(&node_id);
    let endpoint = broker.and_then(|broker| broker.endpoint(&ctx.connection.listener));
    match endpoint {
        Some(endpoint) => Ok(Node {
            id: node_id,
            host: endpoint.host.to_string(),
            port: endpoint.port.into(),
        }),
        None => Err((
            ErrorCode::CoordinatorNotAvailable,
            "The coordinator has no such listener.",
        )),
    }
}

fn one(found: &Result<Node, Refusal>) -> FindCoordinatorResponse {
    let found = coordinator(String::new(), found);
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: found.error_message,
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..Default::default()
    }
}

fn coordinator(key: String, found: &Result<Node, Refusal>) -> Coordinator {
    match found {
        Ok(node) => Coordinator {
            key,
            node_id: node.id,
            host: node.host.clone(),
            port: node.port,
            ..Default::default()
        },
        Err((error_code, message)) => Coordinator {
            key,
            node_id: NONE,
            port: NONE,
            error_code: *error_code,
            error_message: Some((*message).to_owned()),
            ..Default::default()
        },
    }
}
