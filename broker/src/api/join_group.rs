//! JoinGroup: waits until the next generation of the group begins.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use odradek_protocol::{
    ErrorCode,
    messages::join_group::{
        JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, JoinGroupResponseMember,
    },
};
use uuid::Uuid;

use super::{context::RequestContext, error_code};
use crate::coordinator::group::{
    JoinRefusal, JoinRequest, Joined, JoinedMember, Protocol, RequestId,
};

/// From this version on a new dynamic member must come again with its id (KIP-394).
const MEMBER_ID_REQUIRED_FROM: i16 = 4;
/// From this version on an answer after an error has no protocol name instead of an empty one.
const NULL_PROTOCOL_FROM: i16 = 7;
/// From this version on a leader can be told not to assign (KIP-814).
const SKIP_ASSIGNMENT_FROM: i16 = 9;

/// Joins, and answers when everybody has.
pub(super) async fn handle(ctx: &RequestContext, request: JoinGroupRequest) -> JoinGroupResponse {
    let group = request.group_id.clone();
    let request = join_request(ctx, request);
    match ctx.services.coordinator.join(&group, request).await {
        Ok(joined) => succeeded(joined),
        Err(JoinRefusal { error, member_id }) => {
            refused(ctx.api_version, error_code::of_group(&error), &member_id)
        }
    }
}

fn join_request(ctx: &RequestContext, request: JoinGroupRequest) -> JoinRequest {
    let client_id = ctx.client_id.clone().unwrap_or_default();
    let named_after = request.group_instance_id.as_deref().unwrap_or(&client_id);
    let new_member_id = format!("{named_after}-{}", Uuid::new_v4()).into();
    // Version 0 has no rebalance timeout.
    let rebalance_timeout_ms = match request.rebalance_timeout_ms {
        ..0 => request.session_timeout_ms,
        timeout_ms => timeout_ms,
    };
    JoinRequest {
        // The coordinator gives it one.
        id: RequestId(0),
        member_id: request.member_id,
        new_member_id,
        instance_id: request.group_instance_id.map(Arc::from),
        client_id,
        client_host: format!("/{}", ctx.connection.peer.ip()),
        session_timeout: milliseconds(request.session_timeout_ms),
        rebalance_timeout: milliseconds(rebalance_timeout_ms),
        protocol_type: request.protocol_type,
        protocols: request.protocols.into_iter().map(protocol).collect(),
        reason: request.reason,
        needs_member_id: MEMBER_ID_REQUIRED_FROM <= ctx.api_version,
        can_skip_assignment: SKIP_ASSIGNMENT_FROM <= ctx.api_version,
    }
}

fn protocol(protocol: JoinGroupRequestProtocol) -> Protocol {
    Protocol {
        name: protocol.name,
        // A copy: the group keeps it, and must not keep the whole frame with it.
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    }
}

/// A negative time is none.
fn milliseconds(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

fn succeeded(joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter();
    JoinGroupResponse {
        error_code: ErrorCode::None,
        generation_id: joined.generation,
        protocol_type: Some(joined.protocol_type),
        protocol_name: Some(joined.protocol),
        leader: joined.leader.to_string(),
        skip_assignment: joined.skip_assignment,
        member_id: joined.member_id.to_string(),
        members: members
            .map(|member: JoinedMember| JoinGroupResponseMember {
                member_id: member.member_id.to_string(),
                group_instance_id: member.instance_id.as_deref().map(str::to_owned),
                metadata: member.metadata,
            })
            .collect(),
        ..Default::default()
    }
}

fn refused(api_version: i16, error_code: ErrorCode, member_id: &str) -> JoinGroupResponse {
    JoinGroupResponse {
        error_code,
        member_id: member_id.to_owned(),
        protocol_name: (api_version < NULL_PROTOCOL_FROM).then(String::new),
        ..Default::default()
    }
}
