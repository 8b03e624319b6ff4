//! The group as its record in `__consumer_offsets`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use odradek_protocol::group_records::{GroupValue, MemberValue};

use super::{
    Effects, Group, GroupError, GroupState, MemberId, Now, Protocol, RequestId, Settings, Storing,
    join::JoinRequest, member::Member,
};

/// The record that says what the group is now; with these assignments, or the members' own.
pub(super) fn record_of(
    group: &Group,
    assignments: Option<&BTreeMap<MemberId, Bytes>>,
) -> GroupValue {
    let protocol = group.protocol.as_deref().unwrap_or_default();
    let members = group.roster.iter().map(|member| {
        let assignment = match assignments {
            Some(assignments) => assignments.get(&member.id).cloned().unwrap_or_default(),
            None => member.assignment.clone(),
        };
        MemberValue {
            member_id: member.id.to_string(),
            group_instance_id: member.instance_id.as_deref().map(str::to_owned),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout_ms: milliseconds(member.rebalance_timeout),
            session_timeout_ms: milliseconds(member.session_timeout),
            subscription: member.metadata(protocol),
            assignment,
        }
    });
    GroupValue {
        protocol_type: group.protocol_type.clone().unwrap_or_default(),
        generation: group.generation,
        protocol: group.protocol.clone(),
        leader: group.leader.as_deref().map(str::to_owned),
        current_state_timestamp_ms: group.since_ms.unwrap_or(-1),
        members: members.collect(),
    }
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn duration(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

impl Group {
    /// The group that a record tells of. Nobody is expected before [`Self::resume`].
    pub(crate) fn restore(
        id: Arc<str>,
        value: GroupValue,
        settings: &Arc<Settings>,
        now: Now,
    ) -> Self {
        let mut group = Self::new(id, settings, now);
        group.generation = value.generation;
        group.protocol_type = Some(value.protocol_type).filter(|kind| !kind.is_empty());
        group.protocol = value.protocol;
        let since_ms = value.current_state_timestamp_ms;
        group.since_ms = (0 <= since_ms).then_some(since_ms);
        for member in value.members {
            let protocol = group.protocol.clone().unwrap_or_default();
            let member = restore_member(member, protocol);
            let instance = member.instance_id.as_deref();
            // A record that contradicts itself is not ours; the first of equals stays.
            let known = group.roster.get(&member.id).is_some()
                || instance.is_some_and(|id| group.roster.by_instance(id).is_some());
            if !known {
                group.roster.insert(member);
            }
        }
        if !group.roster.is_empty() {
            group.state = GroupState::Stable;
        }
        group.leader = value.leader.map(Arc::from);
        group.subscriptions = group.find_subscriptions();
        group
    }

    /// The log was replayed: members must show themselves from now on.
    pub(crate) fn resume(&mut self, now: Now, effects: &mut Effects) {
        for id in self.roster.ids_where(|_| true) {
            self.expect(&id, now, effects);
        }
        if self.settings.members_max < self.roster.len() {
            let reason = "more members than group.max.size allows".to_owned();
            self.prepare_rebalance(reason, now, effects);
        }
    }

    /// What was to be stored is in the log, or could not be.
    pub(crate) fn on_stored(
        &mut self,
        storing: Storing,
        outcome: Result<(), GroupError>,
        now: Now,
        effects: &mut Effects,
    ) {
        match storing {
            // If it is not in the log, the generation before is back after a restart, and its
            // members die as they did before.
            Storing::Emptiness => {}
            Storing::Assignment {
                generation,
                assignments,
            } => self.on_assignment_stored(generation, assignments, outcome, now, effects),
            Storing::StaticMember(back) => {
                self.on_static_return_stored(*back, outcome, now, effects);
            }
        }
    }
}

fn restore_member(value: MemberValue, protocol: String) -> Member {
    let id: MemberId = value.member_id.into();
    // Copies: the value is a slice of a whole block of the log.
    // Before version 1 there was no rebalance timeout.
    let rebalance_timeout_ms = match value.rebalance_timeout_ms {
        ..=0 => value.session_timeout_ms,
        timeout_ms => timeout_ms,
    };
    let mut member = Member::new(
        Arc::clone(&id),
        JoinRequest {
            id: RequestId(0),
            member_id: String::new(),
            new_member_id: id,
            instance_id: value.group_instance_id.map(Arc::from),
            client_id: value.client_id,
            client_host: value.client_host,
            session_timeout: duration(value.session_timeout_ms),
            rebalance_timeout: duration(rebalance_timeout_ms),
            protocol_type: String::new(),
            protocols: vec![Protocol {
                name: protocol,
                metadata: Bytes::copy_from_slice(&value.subscription),
            }],
            reason: None,
            needs_member_id: false,
            can_skip_assignment: false,
        },
    );
    member.is_new = false;
    member.assignment = Bytes::copy_from_slice(&value.assignment);
    member
}
