//! SyncGroup: waits until the group's leader has assigned.

use bytes::Bytes;
use odradek_protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse};

use super::{context::RequestContext, error_code};
use crate::coordinator::group::{RequestId, SyncRequest};

/// Hands in the leader's assignment, and answers with the member's.
pub(super) async fn handle(ctx: &RequestContext, request: SyncGroupRequest) -> SyncGroupResponse {
    let group = request.group_id;
    let assignments = request.assignments.into_iter();
    let request = SyncRequest {
        // The coordinator gives it one.
        id: RequestId(0),
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id,
        protocol_type: request.protocol_type,
        protocol: request.protocol_name,
        assignments: assignments
            // Copies: the group keeps them, and must not keep the whole frame with them.
            .map(|one| (one.member_id, Bytes::copy_from_slice(&one.assignment)))
            .collect(),
    };
    match ctx.services.coordinator.sync(&group, request).await {
        Ok(synced) => SyncGroupResponse {
            protocol_type: Some(synced.protocol_type),
            protocol_name: Some(synced.protocol),
            assignment: synced.assignment,
            ..Default::default()
        },
        Err(error) => SyncGroupResponse {
            error_code: error_code::of_group(&error),
            ..Default::default()
        },
    }
}
