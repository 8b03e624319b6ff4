//! Consumer groups: list, describe, delete.
//!
//! Members of the classic protocol tell each other their assignments through the coordinator, which
//! does not read them; here they are read.

use std::collections::BTreeMap;

use bytes::Bytes;
use odradek_connection::Connection;
use odradek_protocol::{
    ErrorCode,
    consumer_protocol::Assignment,
    messages::{
        delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse},
        describe_groups::{
            DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
        },
        list_groups::{ListGroupsRequest, ListedGroup},
    },
};

use super::{
    Admin,
    by_coordinator::ByGroup,
    group_state::{GroupState, GroupType},
    offsets::TopicPartition,
};
use crate::{
    cluster::{Target, coordinators::Coordinator},
    error::Error,
};

/// The first version of ListGroups that takes states (KIP-518).
const STATES_VERSION: i16 = 4;

/// The first version of ListGroups that takes types (KIP-848). Before it there was one type.
const TYPES_VERSION: i16 = 5;

/// What the members of a group of consumers share.
const CONSUMERS: &str = "consumer";

/// Which groups to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupFilter {
    /// Those in one of these states; empty for any.
    pub states: Vec<GroupState>,
    /// Those of one of these types; empty for any.
    pub types: Vec<GroupType>,
}

/// A group as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// `group.id`.
    pub id: String,
    /// What its members share: `consumer` for consumers; empty where it never had any.
    pub protocol_type: String,
    /// Where it stands, from brokers that tell.
    pub state: GroupState,
    /// What its members speak; `Classic` from brokers that know no other.
    pub kind: GroupType,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// `group.id`.
    pub id: String,
    /// Where it stands.
    pub state: GroupState,
    /// What its members share: `consumer` for consumers; empty where it never had any.
    pub protocol_type: String,
    /// The assignor in use; empty while there is none.
    pub assignor: String,
    /// The broker that keeps it.
    pub coordinator: Coordinator,
    /// Who is in it.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// What the coordinator calls it.
    pub id: String,
    /// `group.instance.id`, where it has one (KIP-345).
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// The address that it comes from, as Kafka's brokers write it: with a leading slash.
    pub host: String,
    /// What it reads, in order; nothing while the group is not stable. Absent in groups that are
    /// not of consumers, or where the leader's bytes make no sense.
    pub assignment: Option<Vec<TopicPartition>>,
}

impl Admin {
    /// The groups of all coordinators that pass the filter, by id.
    pub async fn list_groups(
        &self,
        filter: &GroupFilter,
    ) -> Result<BTreeMap<String, GroupListing>, Error> {
        let cluster = self.describe_cluster().await?;
        let mut groups = BTreeMap::new();
        for id in cluster.brokers.keys() {
            let listed = self.ask(
                "list groups",
                Target::Broker(*id),
                |connection| list_request(filter, connection),
                |answer| {
                    Error::check("list groups", answer.error_code, None)?;
                    Ok(answer.groups)
                },
            );
            let listed = listed.await?.into_iter().map(listing);
            groups.extend(listed.map(|group| (group.id.clone(), group)));
        }
        Ok(groups)
    }

    /// Describes groups. One that does not exist is refused with `GroupIdNotFound` by brokers of
    /// every age.
    pub async fn describe_groups(&self, groups: &[String]) -> ByGroup<GroupDescription> {
        let request = |groups| DescribeGroupsRequest {
            groups,
            ..Default::default()
        };
        let read = |answer: DescribeGroupsResponse, coordinator: &Coordinator| {
            let groups = answer.groups.into_iter();
            groups
                .map(|group| (group.group_id.clone(), description(group, coordinator)))
                .collect()
        };
        let what = "describe groups";
        self.ask_coordinators(what, groups, request, read).await
    }

    /// Deletes groups that have no members, with their offsets.
    pub async fn delete_groups(&self, groups: &[String]) -> ByGroup<()> {
        let request = |groups_names| DeleteGroupsRequest { groups_names };
        let read = |answer: DeleteGroupsResponse, _: &Coordinator| {
            let results = answer.results.into_iter();
            results
                .map(|deleted| {
                    let outcome = Error::check(&deleted.group_id, deleted.error_code, None);
                    (deleted.group_id, outcome)
                })
                .collect()
        };
        let what = "delete groups";
        self.ask_coordinators(what, groups, request, read).await
    }
}

/// A broker that knows no states cannot be asked for some; one that knows no types has only the
/// classic one.
fn list_request(filter: &GroupFilter, connection: &Connection) -> Result<ListGroupsRequest, Error> {
    let version = connection.version_of::<ListGroupsRequest>()?;
    let takes_types = TYPES_VERSION <= version || filter.types.contains(&GroupType::Classic);
    if (version < STATES_VERSION && !filter.states.is_empty())
        || !(takes_types || filter.types.is_empty())
    {
        let message = "this broker is too old to choose among groups".to_owned();
        Error::check("list groups", ErrorCode::UnsupportedVersion, Some(message))?;
    }
    let states = filter.states.iter().map(ToString::to_string);
    let types = filter.types.iter().map(ToString::to_string);
    Ok(ListGroupsRequest {
        states_filter: states.collect(),
        types_filter: types.collect(),
    })
}

fn listing(group: ListedGroup) -> GroupListing {
    GroupListing {
        id: group.group_id,
        protocol_type: group.protocol_type,
        state: GroupState::of(group.group_state),
        kind: match group.group_type.as_str() {
            "" => GroupType::Classic,
            _ => GroupType::of(group.group_type),
        },
    }
}

fn description(
    group: DescribedGroup,
    coordinator: &Coordinator,
) -> Result<GroupDescription, Error> {
    let id = group.group_id;
    Error::check(&id, group.error_code, group.error_message)?;
    let state = GroupState::of(group.group_state);
    if state == GroupState::Dead {
        let message = format!("Group {id} not found.");
        Error::check(&id, ErrorCode::GroupIdNotFound, Some(message))?;
    }
    let of_consumers = group.protocol_type == CONSUMERS;
    let members = group.members.into_iter();
    Ok(GroupDescription {
        id,
        state,
        protocol_type: group.protocol_type,
        assignor: group.protocol_data,
        coordinator: coordinator.clone(),
        members: members.map(|it| member(it, of_consumers)).collect(),
    })
}

fn member(member: DescribedGroupMember, of_consumers: bool) -> GroupMember {
    GroupMember {
        id: member.member_id,
        instance_id: member.group_instance_id,
        client_id: member.client_id,
        host: member.client_host,
        assignment: of_consumers
            .then(|| assigned(&member.member_assignment))
            .flatten(),
    }
}

fn assigned(bytes: &Bytes) -> Option<Vec<TopicPartition>> {
    let assignment = Assignment::decode(bytes).ok()?;
    let mut partitions: Vec<TopicPartition> = assignment
        .assigned_partitions
        .into_iter()
        .flat_map(|topic| {
            let each = topic.partitions.into_iter();
            each.map(move |partition| (topic.topic.clone(), partition))
        })
        .collect();
    partitions.sort_unstable();
    partitions.dedup();
    Some(partitions)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use odradek_connection::Address;
    use odradek_protocol::consumer_protocol::TopicPartitions;

    use super::*;

    fn described(protocol_type: &str, assignment: &'static [u8]) -> GroupDescription {
        let group = DescribedGroup {
            group_id: "g".to_owned(),
            group_state: "Stable".to_owned(),
            protocol_type: protocol_type.to_owned(),
            members: vec![DescribedGroupMember {
                member_assignment: Bytes::from_static(assignment),
                ..Default::default()
            }],
            ..Default::default()
        };
        description(group, &coordinator()).unwrap()
    }

    fn coordinator() -> Coordinator {
        Coordinator {
            id: 1,
            address: Address::new("localhost".to_owned(), 9092),
        }
    }

    #[test]
    fn assignments_are_read_in_order_and_each_partition_once() {
        let of = |topic: &str, partitions: &[i32]| TopicPartitions {
            topic: topic.to_owned(),
            partitions: partitions.to_vec(),
        };
        let assignment = Assignment {
            assigned_partitions: vec![of("b", &[1, 0]), of("a", &[2, 2])],
            ..Default::default()
        };
        let partitions = [("a", 2), ("b", 0), ("b", 1)].map(|(topic, it)| (topic.to_owned(), it));
        let read = assigned(&assignment.encode().unwrap());
        assert_eq!(read, Some(partitions.to_vec()));
    }

    #[test]
    fn assignments_that_make_no_sense_are_absent_and_no_bytes_are_no_partitions() {
        assert_eq!(
            described("consumer", b"\0\0\x7f").members[0].assignment,
            None
        );
        assert_eq!(
            described("connect", b"\0\0\0\0").members[0].assignment,
            None
        );
        assert_eq!(
            described("consumer", b"").members[0].assignment,
            Some(Vec::new())
        );
    }

    #[test]
    fn a_dead_group_is_one_that_does_not_exist() {
        let dead = DescribedGroup {
            group_id: "g".to_owned(),
            group_state: "Dead".to_owned(),
            ..Default::default()
        };
        let refused = description(dead, &coordinator()).unwrap_err();
        assert_eq!(refused.code(), Some(ErrorCode::GroupIdNotFound));
    }
}
