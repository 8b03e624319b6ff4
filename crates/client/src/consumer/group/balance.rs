//! What members of a group tell each other: what each wants, and what the leader gives to whom.
//! Pure.
//!
//! The sticky assignors add user data, each in the Java client's bytes, so that a group may be
//! mixed: the eager one what the member had and when, the cooperative one only when.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use odradek_protocol::{
    consumer_protocol::{Assignment, Subscription, TopicPartitions},
    messages::{
        join_group::{JoinGroupRequestProtocol, JoinGroupResponseMember},
        sync_group::SyncGroupRequestAssignment,
    },
};

use super::{
    assignor::Assignor,
    events::{NO_GENERATION, Previous},
};
use crate::{
    admin::offsets::TopicPartition,
    assignors::{Assignments, Demand, Member},
    by_topic::by_topic,
    cluster::image::ClusterImage,
    error::Error,
};

/// How many partitions each topic has.
pub(crate) type Counts = BTreeMap<String, i32>;

/// How many partitions each of these topics has. One that does not exist has 0.
pub(crate) fn counts<'a>(image: &ClusterImage, names: impl Iterator<Item = &'a String>) -> Counts {
    let each = names.map(|name| {
        let topic = image.topics.get(name.as_str());
        (
            name.clone(),
            topic.map_or(0, |topic| topic.partitions.len() as i32),
        )
    });
    each.collect()
}

/// What a member says of itself in each of the ways of sharing that it knows.
pub(crate) fn protocols(
    assignors: &[Assignor],
    topics: &BTreeSet<String>,
    owned: &BTreeSet<TopicPartition>,
    previous: &Previous,
    rack: &str,
) -> Result<Vec<JoinGroupRequestProtocol>, Error> {
    let each = assignors.iter().map(|assignor| {
        let subscription = Subscription {
            topics: topics.iter().cloned().collect(),
            user_data: user_data(*assignor, previous),
            owned_partitions: grouped(owned),
            generation_id: previous.generation,
            rack_id: (!rack.is_empty()).then(|| rack.to_owned()),
        };
        let metadata = subscription.encode().map_err(Error::Unwritable)?;
        Ok(JoinGroupRequestProtocol {
            name: assignor.name().to_owned(),
            metadata,
        })
    });
    each.collect()
}

/// What the members of a group want. A member that cannot be understood wants nothing.
pub(crate) fn demand(
    assignor: Assignor,
    members: &[JoinGroupResponseMember],
    counts: &Counts,
) -> Demand {
    let each = members.iter().map(|member| {
        let subscription = Subscription::decode(&member.metadata).unwrap_or_else(|error| {
            let member = &member.member_id;
            tracing::warn!(%member, %error, "what it subscribes to cannot be read");
            Subscription::default()
        });
        let instance_id = member.group_instance_id.clone();
        (
            member.member_id.clone(),
            wants(assignor, instance_id, subscription),
        )
    });
    Demand {
        members: each.collect(),
        topics: counts.clone(),
    }
}

/// Everything that somebody in the group subscribes to.
pub(crate) fn topics_of_all(members: &[JoinGroupResponseMember]) -> BTreeSet<String> {
    let each = members.iter();
    let subscriptions = each.filter_map(|member| Subscription::decode(&member.metadata).ok());
    subscriptions
        .flat_map(|subscription| subscription.topics)
        .collect()
}

/// What the leader hands out.
pub(crate) fn handed_out(
    assignments: &Assignments,
) -> Result<Vec<SyncGroupRequestAssignment>, Error> {
    let each = assignments.iter().map(|(member_id, partitions)| {
        let assignment = Assignment {
            assigned_partitions: grouped(partitions),
            user_data: None,
        };
        Ok(SyncGroupRequestAssignment {
            member_id: member_id.clone(),
            assignment: assignment.encode().map_err(Error::Unwritable)?,
        })
    });
    each.collect()
}

fn grouped(partitions: &BTreeSet<TopicPartition>) -> Vec<TopicPartitions> {
    let each = partitions
        .iter()
        .map(|(topic, index)| (topic.as_str(), *index));
    by_topic(each)
        .map(|(topic, partitions)| TopicPartitions {
            topic: topic.to_owned(),
            partitions,
        })
        .collect()
}

fn ungrouped(topics: Vec<TopicPartitions>) -> BTreeSet<TopicPartition> {
    let each = topics.into_iter().flat_map(|topic| {
        let indexes = topic.partitions.into_iter();
        indexes.map(move |index| (topic.topic.clone(), index))
    });
    each.collect()
}

fn wants(assignor: Assignor, instance_id: Option<String>, subscription: Subscription) -> Member {
    let told = subscription.user_data.unwrap_or_default();
    let (owned, generation) = match assignor {
        Assignor::Range | Assignor::RoundRobin => (BTreeSet::new(), NO_GENERATION),
        // It has given up everything before it joined: only the user data tells.
        Assignor::Sticky => read_previous(&told).unwrap_or((BTreeSet::new(), NO_GENERATION)),
        Assignor::CooperativeSticky => {
            let generation = if subscription.generation_id == NO_GENERATION {
                read_generation(&told).unwrap_or(NO_GENERATION)
            } else {
                subscription.generation_id
            };
            (ungrouped(subscription.owned_partitions), generation)
        }
    };
    Member {
        instance_id,
        topics: subscription.topics.into_iter().collect(),
        owned,
        generation,
    }
}

fn user_data(assignor: Assignor, previous: &Previous) -> Option<Bytes> {
    match assignor {
        Assignor::Range | Assignor::RoundRobin => None,
        Assignor::Sticky if previous.generation == NO_GENERATION => None,
        Assignor::Sticky => Some(write_previous(previous)),
        Assignor::CooperativeSticky => {
            Some(Bytes::copy_from_slice(&previous.generation.to_be_bytes()))
        }
    }
}

/// The topics, each with its partitions, then the generation (KIP-341).
fn write_previous(previous: &Previous) -> Bytes {
    let topics = grouped(&previous.partitions);
    let mut bytes = Vec::new();
    bytes.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        bytes.extend((topic.topic.len() as u16).to_be_bytes());
        bytes.extend(topic.topic.as_bytes());
        bytes.extend((topic.partitions.len() as i32).to_be_bytes());
        for partition in topic.partitions {
            bytes.extend(partition.to_be_bytes());
        }
    }
    bytes.extend(previous.generation.to_be_bytes());
    bytes.into()
}

/// The same back; older members leave out the generation.
fn read_previous(bytes: &Bytes) -> Option<(BTreeSet<TopicPartition>, i32)> {
    let mut bytes = &**bytes;
    let mut partitions = BTreeSet::new();
    for _ in 0..take_i32(&mut bytes)? {
        let (length, rest) = bytes.split_first_chunk()?;
        let (topic, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        bytes = rest;
        let topic = std::str::from_utf8(topic).ok()?;
        for _ in 0..take_i32(&mut bytes)? {
            partitions.insert((topic.to_owned(), take_i32(&mut bytes)?));
        }
    }
    Some((partitions, take_i32(&mut bytes).unwrap_or(NO_GENERATION)))
}

fn take_i32(bytes: &mut &[u8]) -> Option<i32> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(i32::from_be_bytes(*number))
}

/// What cooperative members add is the generation alone; anything else is not theirs.
fn read_generation(bytes: &Bytes) -> Option<i32> {
    Some(i32::from_be_bytes((**bytes).try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn previous(partitions: &[(&str, i32)], generation: i32) -> Previous {
        let partitions = partitions.iter();
        Previous {
            partitions: partitions
                .map(|(topic, index)| ((*topic).to_owned(), *index))
                .collect(),
            generation,
        }
    }

    /// A member as the leader sees it, having joined with these assignors.
    fn seen(assignor: Assignor, owned: &[(&str, i32)], previous: &Previous) -> Member {
        let topics = ["a".to_owned(), "b".to_owned()].into();
        let owned = owned
            .iter()
            .map(|(topic, index)| ((*topic).to_owned(), *index))
            .collect();
        let protocols = protocols(&[assignor], &topics, &owned, previous, "").unwrap();
        let member = JoinGroupResponseMember {
            member_id: "m".to_owned(),
            metadata: protocols[0].metadata.clone(),
            ..Default::default()
        };
        assert_eq!(protocols[0].name, assignor.name());
        let demand = demand(assignor, std::slice::from_ref(&member), &BTreeMap::new());
        assert_eq!(topics_of_all(&[member]), topics);
        demand.members["m"].clone()
    }

    #[test]
    fn the_leader_sees_what_a_member_had_and_when() {
        let had = [("a", 0), ("a", 1), ("b", 5)];
        let previous = previous(&had, 7);
        let eager = seen(Assignor::Sticky, &[], &previous);
        assert_eq!(
            (eager.owned, eager.generation),
            (previous.partitions.clone(), 7)
        );
        let cooperative = seen(Assignor::CooperativeSticky, &had[..1], &previous);
        assert_eq!((cooperative.owned.len(), cooperative.generation), (1, 7));
        let range = seen(Assignor::Range, &[], &previous);
        assert_eq!((range.owned.len(), range.topics.len()), (0, 2));
    }

    /// What the Java client writes; `tests/vectors/protocol.txt` holds more of it.
    #[test]
    fn user_data_are_javas_bytes() {
        let hex = |bytes: Bytes| {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            digits.collect::<String>()
        };
        let previous = previous(&[("c", 0)], 438);
        let sticky = user_data(Assignor::Sticky, &previous).unwrap();
        assert_eq!(hex(sticky), "000000010001630000000100000000000001b6");
        let cooperative = user_data(Assignor::CooperativeSticky, &previous).unwrap();
        assert_eq!(hex(cooperative), "000001b6");
        assert_eq!(user_data(Assignor::Range, &previous), None);
    }

    #[test]
    fn user_data_of_older_members_and_nonsense_are_read_as_far_as_they_go() {
        let without_generation = Bytes::from_static(b"\0\0\0\x01\0\x01c\0\0\0\x01\0\0\0\x02");
        let (partitions, generation) = read_previous(&without_generation).unwrap();
        assert_eq!(partitions, previous(&[("c", 2)], 0).partitions);
        assert_eq!(generation, NO_GENERATION);
        for nonsense in [
            &b""[..],
            b"\x7f\xff\xff\xff",
            b"\0\0\0\x01\xff\xff",
            b"\0\0\0\x01\0\x01\xff",
        ] {
            assert_eq!(
                read_previous(&Bytes::from_static(nonsense)),
                None,
                "{nonsense:?}"
            );
        }
        assert_eq!(read_generation(&without_generation), None);
    }

    #[test]
    fn a_member_that_cannot_be_understood_gets_nothing_and_the_others_do() {
        let subscription = Subscription {
            topics: vec!["a".to_owned()],
            ..Default::default()
        };
        let members = [
            ("m", subscription.encode().unwrap()),
            ("x", Bytes::from_static(b"?")),
        ];
        let members = members.map(|(id, metadata)| JoinGroupResponseMember {
            member_id: id.to_owned(),
            metadata,
            ..Default::default()
        });
        let counts = BTreeMap::from([("a".to_owned(), 2)]);
        let demand = demand(Assignor::Range, &members, &counts);
        let handed_out = handed_out(&Assignor::Range.assign(&demand)).unwrap();
        let sizes = handed_out.iter().map(|it| {
            let assignment = Assignment::decode(&it.assignment).unwrap();
            ungrouped(assignment.assigned_partitions).len()
        });
        assert_eq!(sizes.collect::<Vec<_>>(), [2, 0]);
    }
}
