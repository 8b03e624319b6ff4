//! The group as others see it: DescribeGroups, the admin port.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{Group, GroupState, MemberId};

/// A group at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupView {
    pub(crate) state: GroupState,
    /// Since when, in milliseconds since 1970; not known from old records.
    pub(crate) since_ms: Option<i64>,
    pub(crate) generation: i32,
    /// Empty if it never had members.
    pub(crate) protocol_type: String,
    /// Empty unless the group is stable.
    pub(crate) protocol: String,
    pub(crate) leader: Option<MemberId>,
    pub(crate) members: Vec<MemberView>,
}

/// A member at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberView {
    pub(crate) member_id: MemberId,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    /// Empty unless the group is stable.
    pub(crate) metadata: Bytes,
    /// Empty unless the group is stable.
    pub(crate) assignment: Bytes,
}

impl Group {
    /// The group now.
    pub(crate) fn view(&self) -> GroupView {
        let stable = self.state == GroupState::Stable;
        let protocol = self.protocol.clone().filter(|_| stable).unwrap_or_default();
        let shown = |bytes: Bytes| if stable { bytes } else { Bytes::new() };
        let members = self.roster.iter().map(|member| MemberView {
            member_id: Arc::clone(&member.id),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            session_timeout: member.session_timeout,
            rebalance_timeout: member.rebalance_timeout,
            metadata: shown(member.metadata(&protocol)),
            assignment: shown(member.assignment.clone()),
        });
        let members = members.collect();
        GroupView {
            state: self.state,
            since_ms: self.since_ms,
            generation: self.generation,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol,
            leader: self.leader.clone(),
            members,
        }
    }
}
