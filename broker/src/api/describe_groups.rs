//! DescribeGroups: state and members of groups.

use odradek_protocol::{
    ErrorCode,
    messages::describe_groups::{
        DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
    },
};

use super::{authorized_operations, context::RequestContext, error_code};
use crate::coordinator::group::{GroupError, GroupView, MemberView};

/// From this version on a group that does not exist is an error (KIP-1043).
const NOT_FOUND_FROM: i16 = 6;

/// What earlier versions call the state of a group that does not exist.
const DEAD: &str = "Dead";

/// Describes each group by itself.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let authorized_operations = if request.include_authorized_operations {
        authorized_operations::OF_GROUP
    } else {
        authorized_operations::NOT_ASKED
    };
    let groups = request.groups.into_iter().map(|group_id| {
        let described = ctx.services.coordinator.describe_group(&group_id);
        DescribedGroup {
            group_id: group_id.clone(),
            authorized_operations,
            ..describe(ctx.api_version, &group_id, described)
        }
    });
    DescribeGroupsResponse {
        groups: groups.collect(),
        ..Default::default()
    }
}

fn describe(
    api_version: i16,
    group_id: &str,
    described: Result<GroupView, GroupError>,
) -> DescribedGroup {
    match described {
        Ok(group) => DescribedGroup {
            group_state: group.state.name().to_owned(),
            protocol_type: group.protocol_type,
            protocol_data: group.protocol,
            members: group.members.into_iter().map(member).collect(),
            ..Default::default()
        },
        Err(GroupError::NotFound) if NOT_FOUND_FROM <= api_version => DescribedGroup {
            error_code: ErrorCode::GroupIdNotFound,
            error_message: Some(format!("Group {group_id} not found.")),
            group_state: DEAD.to_owned(),
            ..Default::default()
        },
        Err(GroupError::NotFound) => DescribedGroup {
            group_state: DEAD.to_owned(),
            ..Default::default()
        },
        Err(error) => DescribedGroup {
            error_code: error_code::of_group(&error),
            ..Default::default()
        },
    }
}

fn member(member: MemberView) -> DescribedGroupMember {
    DescribedGroupMember {
        member_id: member.member_id.to_string(),
        group_instance_id: member.instance_id.as_deref().map(str::to_owned),
        client_id: member.client_id,
        client_host: member.client_host,
        member_metadata: member.metadata,
        member_assignment: member.assignment,
    }
}
