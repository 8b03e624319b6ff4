//! DeleteGroups: deletes groups without members, and their offsets.

use odradek_protocol::{
    ErrorCode,
    messages::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse},
};

use super::{context::RequestContext, error_code};

/// Deletes each group by itself.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    for group_id in request.groups_names {
        let deleted = ctx.services.coordinator.delete_group(&group_id).await;
        let error_code =
            deleted.map_or_else(|error| error_code::of_group(&error), |()| ErrorCode::None);
        results.push(DeletableGroupResult {
            group_id,
            error_code,
        });
    }
    DeleteGroupsResponse {
        results,
        ..Default::default()
    }
}
