//! ListGroups: the groups of this broker.

use odradek_protocol::messages::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};

use super::{context::RequestContext, error_code};

/// The type of all groups here (KIP-848).
const CLASSIC: &str = "classic";

/// Lists the groups that pass both filters. An empty filter lets all pass (KIP-518, KIP-848).
pub(super) async fn handle(ctx: &RequestContext, request: ListGroupsRequest) -> ListGroupsResponse {
    let groups = match ctx.services.coordinator.list_groups() {
        Ok(groups) => groups,
        Err(error) => {
            return ListGroupsResponse {
                error_code: error_code::of_group(&error),
                ..Default::default()
            };
        }
    };
    let groups = groups.into_iter().filter(|group| {
        passes(&request.states_filter, group.state.name()) && passes(&request.types_filter, CLASSIC)
    });
    ListGroupsResponse {
        groups: groups
            .map(|group| ListedGroup {
                group_id: group.id.to_string(),
                protocol_type: group.protocol_type,
                group_state: group.state.name().to_owned(),
                group_type: CLASSIC.to_owned(),
            })
            .collect(),
        ..Default::default()
    }
}

fn passes(filter: &[String], value: &str) -> bool {
    filter.is_empty() || filter.iter().any(|one| one.eq_ignore_ascii_case(value))
}
