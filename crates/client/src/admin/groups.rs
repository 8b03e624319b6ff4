//! Consumer groups: list, describe, delete.
//!
//! Members of the classic protocol tell each other their assignments through the coordinator, which
//! does not read them; here they are read.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use odradek_connection::Connection;
use odradek_protocol::{
    ErrorCode,
    consumer_protocol::Assignment,
    messages::{
        consumer_group_describe::{
            self, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
        },
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
    /// What its members speak.
    pub kind: GroupType,
    /// How far its assignment has come, where the coordinator makes it (KIP-848).
    pub epochs: Option<GroupEpochs>,
    /// What its members share: `consumer` for consumers; empty where it never had any.
    pub protocol_type: String,
    /// The assignor in use; empty while there is none.
    pub assignor: String,
    /// The broker that keeps it.
    pub coordinator: Coordinator,
    /// Who is in it.
    pub members: Vec<GroupMember>,
}

/// What a coordinator that assigns counts of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupEpochs {
    /// Changes of its members and of what they subscribe to.
    pub group: i32,
    /// The group epoch for which the target assignment was made.
    pub assignment: i32,
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
    /// What it is to read, where the coordinator assigns.
    pub target: Option<MemberTarget>,
}

/// Where a coordinator leads a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberTarget {
    /// The assignment epoch that the member has reached.
    pub reached_epoch: i32,
    /// What it is to read, in order.
    pub assignment: Vec<TopicPartition>,
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

    /// Describes groups of consumers, whichever protocol they speak. One that does not exist is
    /// refused with `GroupIdNotFound` by brokers of every age.
    pub async fn describe_groups(&self, groups: &[String]) -> ByGroup<GroupDescription> {
        let mut described = self.describe_classic_groups(groups).await;
        let not_classic = described.iter().filter(|(_, result)| is_not_found(result));
        let not_classic: Vec<_> = not_classic.map(|(group, _)| group.clone()).collect();
        if !not_classic.is_empty() {
            let of_consumers = self.describe_consumer_groups(&not_classic).await;
            // A broker that knows only classic groups has said what there is to say.
            let found = of_consumers
                .into_iter()
                .filter(|(_, result)| result.is_ok());
            described.extend(found);
        }
        described
    }

    async fn describe_classic_groups(&self, groups: &[String]) -> ByGroup<GroupDescription> {
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

    async fn describe_consumer_groups(&self, groups: &[String]) -> ByGroup<GroupDescription> {
        let request = |group_ids| ConsumerGroupDescribeRequest {
            group_ids,
            ..Default::default()
        };
        let read = |answer: ConsumerGroupDescribeResponse, coordinator: &Coordinator| {
            let groups = answer.groups.into_iter();
            let each =
                groups.map(|group| (group.group_id.clone(), assigned_group(group, coordinator)));
            each.collect()
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
        kind: GroupType::Classic,
        epochs: None,
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
        target: None,
    }
}

fn is_not_found(result: &Result<GroupDescription, Error>) -> bool {
    let code = result.as_ref().err().and_then(Error::code);
    code == Some(ErrorCode::GroupIdNotFound)
}

/// A group whose coordinator assigns.
fn assigned_group(
    group: consumer_group_describe::DescribedGroup,
    coordinator: &Coordinator,
) -> Result<GroupDescription, Error> {
    Error::check(&group.group_id, group.error_code, group.error_message)?;
    let members = group.members.into_iter().map(|member| GroupMember {
        id: member.member_id,
        instance_id: member.instance_id,
        client_id: member.client_id,
        host: member.client_host,
        assignment: Some(listed(member.assignment)),
        target: Some(MemberTarget {
            reached_epoch: member.member_epoch,
            assignment: listed(member.target_assignment),
        }),
    });
    Ok(GroupDescription {
        id: group.group_id,
        state: GroupState::of(group.group_state),
        kind: GroupType::Consumer,
        epochs: Some(GroupEpochs {
            group: group.group_epoch,
            assignment: group.assignment_epoch,
        }),
        protocol_type: CONSUMERS.to_owned(),
        assignor: group.assignor_name,
        coordinator: coordinator.clone(),
        members: members.collect(),
    })
}

fn listed(assignment: consumer_group_describe::Assignment) -> Vec<TopicPartition> {
    let topics = assignment.topic_partitions.into_iter();
    in_order(topics.map(|topic| (topic.topic_name, topic.partitions)))
}

fn assigned(bytes: &Bytes) -> Option<Vec<TopicPartition>> {
    let assignment = Assignment::decode(bytes).ok()?;
    let topics = assignment.assigned_partitions.into_iter();
    Some(in_order(topics.map(|it| (it.topic, it.partitions))))
}

/// Each partition once, in order.
fn in_order(topics: impl Iterator<Item = (String, Vec<i32>)>) -> Vec<TopicPartition> {
    let partitions = topics.flat_map(|(topic, partitions)| {
        let each = partitions.into_iter();
        each.map(move |partition| (topic.clone(), partition))
    });
    let partitions: BTreeSet<TopicPartition> = partitions.collect();
    partitions.into_iter().collect()
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
    fn a_group_whose_coordinator_assigns_has_epochs_and_targets() {
        let assignment = |partitions: &[i32]| consumer_group_describe::Assignment {
            topic_partitions: vec![consumer_group_describe::TopicPartitions {
                topic_name: "t".to_owned(),
                partitions: partitions.to_vec(),
                ..Default::default()
            }],
        };
        let group = consumer_group_describe::DescribedGroup {
            group_id: "g".to_owned(),
            group_state: "Reconciling".to_owned(),
            group_epoch: 4,
            assignment_epoch: 3,
            members: vec![consumer_group_describe::Member {
                member_epoch: 2,
                assignment: assignment(&[1]),
                target_assignment: assignment(&[1, 0]),
                ..Default::default()
            }],
            ..Default::default()
        };
        let group = assigned_group(group, &coordinator()).unwrap();
        assert_eq!(
            (group.state, group.kind),
            (GroupState::Reconciling, GroupType::Consumer)
        );
        let epochs = group.epochs.unwrap();
        assert_eq!((epochs.group, epochs.assignment), (4, 3));
        let partition = |number| ("t".to_owned(), number);
        assert_eq!(group.members[0].assignment, Some(vec![partition(1)]));
        let target = group.members[0].target.clone().unwrap();
        assert_eq!(target.reached_epoch, 2);
        assert_eq!(target.assignment, [partition(0), partition(1)]);
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
