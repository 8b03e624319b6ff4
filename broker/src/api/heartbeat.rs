//! Heartbeat: a member is alive, and learns when it must join again.

use odradek_protocol::{
    ErrorCode,
    messages::heartbeat::{HeartbeatRequest, HeartbeatResponse},
};

use super::{context::RequestContext, error_code};
use crate::coordinator::group::Claim;

/// Answers at once.
pub(super) async fn handle(ctx: &RequestContext, request: HeartbeatRequest) -> HeartbeatResponse {
    let claim = Claim {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let alive = ctx.services.coordinator.heartbeat(&request.group_id, claim);
    HeartbeatResponse {
        error_code: alive.map_or_else(|error| error_code::of_group(&error), |()| ErrorCode::None),
        ..Default::default()
    }
}
