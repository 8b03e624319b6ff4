//! LeaveGroup: members leave, or an operator removes them (KIP-345).

use odradek_protocol::{
    ErrorCode,
    messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse},
};

use super::{context::RequestContext, error_code};
use crate::coordinator::group::{GroupError, Leaver};

/// From this version on several members may leave at once.
const SEVERAL_FROM: i16 = 3;

/// Answers at once; the group rebalances meanwhile.
pub(super) async fn handle(ctx: &RequestContext, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let coordinator = &ctx.services.coordinator;
    if ctx.api_version < SEVERAL_FROM {
        let leaver = Leaver {
            member_id: &request.member_id,
            instance_id: None,
            reason: None,
        };
        let left = coordinator.leave(&request.group_id, &[leaver]);
        let left = left.and_then(|left| left.into_iter().collect());
        return failed(code(left));
    }
    let leavers: Vec<_> = request
        .members
        .iter()
        .map(|member| Leaver {
            member_id: &member.member_id,
            instance_id: member.group_instance_id.as_deref(),
            reason: member.reason.as_deref(),
        })
        .collect();
    match coordinator.leave(&request.group_id, &leavers) {
        Ok(left) => {
            let answers = request.members.into_iter().zip(left);
            LeaveGroupResponse {
                members: answers
                    .map(|(member, left)| MemberResponse {
                        member_id: member.member_id,
                        group_instance_id: member.group_instance_id,
                        error_code: code(left),
                    })
                    .collect(),
                ..Default::default()
            }
        }
        Err(error) => failed(error_code::of_group(&error)),
    }
}

fn code(left: Result<(), GroupError>) -> ErrorCode {
    left.map_or_else(|error| error_code::of_group(&error), |()| ErrorCode::None)
}

fn failed(error_code: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse {
        error_code,
        ..Default::default()
    }
}
