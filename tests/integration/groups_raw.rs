//! Members of groups as the wire shows them, and what an operator asks about groups.

use bytes::Bytes;
use odradek_protocol::{
    ErrorCode,
    messages::{
        describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup},
        find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse},
        heartbeat::{HeartbeatRequest, HeartbeatResponse},
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity},
        list_groups::{ListGroupsRequest, ListGroupsResponse},
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse},
    },
};
use odradek_tests::{broker::Broker, http, wait};
use serde_json::Value;

use crate::wire::Wire;

/// A member, on a connection of its own.
pub(crate) struct Member {
    pub(crate) wire: Wire,
    pub(crate) group: String,
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) generation: i32,
    pub(crate) session_timeout_ms: i32,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) protocols: Vec<(String, Bytes)>,
}

impl Member {
    /// Somebody who has not joined yet, with patience for a busy machine.
    pub(crate) fn new(broker: &Broker, group: &str) -> Self {
        Self {
            wire: Wire::connect(broker),
            group: group.to_owned(),
            id: String::new(),
            instance_id: None,
            generation: -1,
            session_timeout_ms: 60_000,
            rebalance_timeout_ms: 60_000,
            protocols: vec![("range".to_owned(), Bytes::from_static(b"mine"))],
        }
    }

    pub(crate) fn fixed(broker: &Broker, group: &str, instance_id: &str) -> Self {
        Self {
            instance_id: Some(instance_id.to_owned()),
            ..Self::new(broker, group)
        }
    }

    pub(crate) fn join_request(&self) -> JoinGroupRequest {
        let protocols = self.protocols.iter().cloned();
        JoinGroupRequest {
            group_id: self.group.clone(),
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            member_id: self.id.clone(),
            group_instance_id: self.instance_id.clone(),
            protocol_type: "consumer".to_owned(),
            protocols: protocols
                .map(|(name, metadata)| JoinGroupRequestProtocol { name, metadata })
                .collect(),
            reason: None,
        }
    }

    /// Gets an id first if it needs one, and then waits to be let into a generation.
    pub(crate) fn begin_join(&mut self) {
        if self.id.is_empty() && self.instance_id.is_none() {
            let answer: JoinGroupResponse = self.wire.call(9, &self.join_request());
            assert_eq!(answer.error_code, ErrorCode::MemberIdRequired);
            self.id = answer.member_id;
        }
        let request = self.join_request();
        self.wire.send(9, &request);
    }

    pub(crate) fn end_join(&mut self) -> JoinGroupResponse {
        let answer: JoinGroupResponse = self.wire.receive(9);
        if answer.error_code == ErrorCode::None {
            self.id.clone_from(&answer.member_id);
            self.generation = answer.generation_id;
        }
        answer
    }

    pub(crate) fn join(&mut self) -> JoinGroupResponse {
        self.begin_join();
        self.end_join()
    }

    pub(crate) fn begin_sync(&mut self, assignments: &[(&str, &[u8])]) {
        let assignments = assignments.iter();
        let request = SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance_id.clone(),
            protocol_type: None,
            protocol_name: None,
            assignments: assignments
                .map(|(member_id, assignment)| SyncGroupRequestAssignment {
                    member_id: (*member_id).to_owned(),
                    assignment: Bytes::copy_from_slice(assignment),
                })
                .collect(),
        };
        self.wire.send(5, &request);
    }

    pub(crate) fn end_sync(&mut self) -> SyncGroupResponse {
        self.wire.receive(5)
    }

    pub(crate) fn sync(&mut self, assignments: &[(&str, &[u8])]) -> SyncGroupResponse {
        self.begin_sync(assignments);
        self.end_sync()
    }

    pub(crate) fn heartbeat(&mut self) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            group_instance_id: self.instance_id.clone(),
        };
        let answer: HeartbeatResponse = self.wire.call(4, &request);
        answer.error_code
    }

    /// Waits until it is told to join again.
    pub(crate) fn wait_for_rebalance(&mut self) {
        wait::until("a rebalance", || match self.heartbeat() {
            ErrorCode::None => None,
            ErrorCode::RebalanceInProgress => Some(()),
            other => panic!("{other:?}"),
        });
    }

    pub(crate) fn leave(&mut self) -> ErrorCode {
        let request = LeaveGroupRequest {
            group_id: self.group.clone(),
            members: vec![MemberIdentity {
                member_id: self.id.clone(),
                group_instance_id: self.instance_id.clone(),
                reason: Some("the test says so".to_owned()),
            }],
            ..Default::default()
        };
        let answer: LeaveGroupResponse = self.wire.call(5, &request);
        assert_eq!(answer.error_code, ErrorCode::None);
        answer.members[0].error_code
    }
}

/// All of them join, in that order, and sync. The leader gives each its own id as assignment.
pub(crate) fn settle(members: &mut [Member]) {
    for member in &mut *members {
        member.begin_join();
    }
    let mut all = Vec::new();
    for member in &mut *members {
        let joined = member.end_join();
        assert_eq!(joined.error_code, ErrorCode::None, "{joined:?}");
        all.extend(joined.members.into_iter().map(|one| one.member_id));
    }
    let assignments: Vec<_> = all.iter().map(|id| (&**id, id.as_bytes())).collect();
    for member in &mut *members {
        // Only the leader's counts.
        member.begin_sync(&assignments);
    }
    for member in &mut *members {
        let synced = member.end_sync();
        assert_eq!(synced.error_code, ErrorCode::None);
        assert_eq!(synced.assignment, member.id.as_bytes());
    }
}

/// Makes sure that the group's coordinator is there and has loaded.
pub(crate) fn find_coordinator(wire: &mut Wire, group: &str) {
    let request = FindCoordinatorRequest {
        coordinator_keys: vec![group.to_owned()],
        ..Default::default()
    };
    wait::until("the coordinator is there", || {
        let answer: FindCoordinatorResponse = wire.call(4, &request);
        let found = answer.coordinators[0].error_code == ErrorCode::None;
        (found && describe(wire, group).error_code != ErrorCode::CoordinatorLoadInProgress)
            .then_some(())
    });
}

/// A broker whose groups do not wait for more members than those that the test has.
pub(crate) fn broker_with_groups(group: &str) -> Broker {
    let broker = Broker::start_with(&[("group.initial.rebalance.delay.ms", "300")]);
    find_coordinator(&mut Wire::connect(&broker), group);
    broker
}

pub(crate) fn describe(wire: &mut Wire, group: &str) -> DescribedGroup {
    let request = DescribeGroupsRequest {
        groups: vec![group.to_owned()],
        include_authorized_operations: false,
    };
    let mut answer: DescribeGroupsResponse = wire.call(6, &request);
    answer.groups.remove(0)
}

/// Names, types and states of the groups that pass the filters.
pub(crate) fn list(wire: &mut Wire, states: &[&str], types: &[&str]) -> Vec<[String; 3]> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let request = ListGroupsRequest {
        states_filter: owned(states),
        types_filter: owned(types),
    };
    let answer: ListGroupsResponse = wire.call(5, &request);
    assert_eq!(answer.error_code, ErrorCode::None);
    let mut groups: Vec<_> = answer
        .groups
        .into_iter()
        .map(|group| [group.group_id, group.protocol_type, group.group_state])
        .collect();
    groups.sort();
    groups
}

/// The group's document on the admin port.
pub(crate) fn document(broker: &Broker, group: &str) -> Value {
    let (status, body) = http::get(broker.admin_port(), &format!("/v1/groups/{group}")).unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}
