//! Who of a group reads what. Pure: members and topics in, an assignment out.
//!
//! - [`range`]: of each topic a run of neighbouring partitions; Java's default, result for result
//! - [`round_robin`]: one partition after the other; Java's, result for result
//! - [`sticky`]: even, and as much as possible as it was before
//!
//! **Invariant:** every partition of a subscribed topic goes to exactly one member that subscribes
//! to it, if there is one.

pub mod range;
pub mod round_robin;
pub mod sticky;

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

/// A partition by its topic's name and its number.
pub type TopicPartition = (String, i32);

/// What the members of a group want, and what there is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// The members, by the ids that the coordinator gave them.
    pub members: BTreeMap<String, Member>,
    /// The number of partitions of each topic that exists.
    pub topics: BTreeMap<String, i32>,
}

/// A member as its assignor sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// `group.instance.id`.
    pub instance_id: Option<String>,
    /// The topics it subscribes to.
    pub topics: BTreeSet<String>,
    /// What it had before.
    pub owned: BTreeSet<TopicPartition>,
    /// The generation in which it got that; -1 if it does not know.
    pub generation: i32,
}

/// The partitions of each member. Everybody has an entry.
pub type Assignments = BTreeMap<String, BTreeSet<TopicPartition>>;

impl Demand {
    /// Nothing for anybody.
    fn nobody_has_any(&self) -> Assignments {
        let members = self.members.keys();
        members.map(|id| (id.clone(), BTreeSet::new())).collect()
    }

    /// The members in the order in which Java's assignors serve them: static ones by their
    /// instance ids, then the others by their member ids.
    fn in_order(&self) -> Vec<(&str, &Member)> {
        let mut members: Vec<_> = self
            .members
            .iter()
            .map(|(id, member)| (id.as_str(), member))
            .collect();
        members.sort_by(|(id, member), (other_id, other)| {
            match (&member.instance_id, &other.instance_id) {
                (Some(instance_id), Some(other_id)) => as_java_compares(instance_id, other_id),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => as_java_compares(id, other_id),
            }
        });
        members
    }

    /// The partitions of a topic that exists.
    fn partitions(&self, topic: &str) -> impl Iterator<Item = TopicPartition> {
        let count = self.topics.get(topic).copied().unwrap_or(0);
        let topic = topic.to_owned();
        (0..count).map(move |partition| (topic.clone(), partition))
    }

    /// The topics that somebody subscribes to, in the order of their names.
    fn wanted_topics(&self) -> BTreeSet<&str> {
        let topics = self.members.values().flat_map(|member| &member.topics);
        topics.map(String::as_str).collect()
    }
}

/// By UTF-16, which is not the order of the bytes: characters above U+FFFF come before some below.
/// A member's id begins with its `client.id`, which may be any text.
fn as_java_compares(a: &str, b: &str) -> Ordering {
    a.encode_utf16().cmp(b.encode_utf16())
}

#[cfg(test)]
pub(crate) mod test_support {
    use super::*;

    /// A demand by those topics with so many partitions, and members with what they subscribe to.
    pub(crate) fn demand(topics: &[(&str, i32)], members: &[(&str, &[&str])]) -> Demand {
        let topics = topics.iter();
        let members = members.iter().map(|(id, topics)| {
            let member = Member {
                topics: topics.iter().map(ToString::to_string).collect(),
                generation: -1,
                ..Member::default()
            };
            ((*id).to_owned(), member)
        });
        Demand {
            topics: topics
                .map(|(topic, count)| ((*topic).to_owned(), *count))
                .collect(),
            members: members.collect(),
        }
    }

    /// The assignments as `member: topic-partition …`.
    pub(crate) fn shown(assignments: &Assignments) -> Vec<String> {
        let each = assignments.iter().map(|(id, partitions)| {
            let partitions = partitions
                .iter()
                .map(|(topic, index)| format!("{topic}-{index}"));
            format!("{id}: {}", partitions.collect::<Vec<_>>().join(" "))
        });
        each.collect()
    }

    /// A demand by chance, with topics that do not exist and members that want different things.
    pub(crate) fn by_chance(random: &mut fastrand::Rng) -> Demand {
        let names = ["a", "b", "c", "d"];
        let some = |random: &mut fastrand::Rng| {
            let each = names.iter().filter(|_| random.bool());
            each.map(ToString::to_string).collect::<BTreeSet<_>>()
        };
        let everybody_wants = random.bool().then(|| some(random));
        let members = (0..random.usize(1..8)).map(|number| {
            let topics = everybody_wants.clone().unwrap_or_else(|| some(random));
            let member = Member {
                topics,
                generation: -1,
                ..Member::default()
            };
            (format!("m{number}"), member)
        });
        Demand {
            members: members.collect(),
            topics: (names.iter().take(3))
                .map(|name| ((*name).to_owned(), random.i32(0..9)))
                .collect(),
        }
    }

    /// Every partition that somebody wants has one owner, who wants it.
    pub(crate) fn assert_complete(demand: &Demand, assignments: &Assignments) {
        assert_eq!(assignments.len(), demand.members.len());
        let mut owned = BTreeSet::new();
        for (id, partitions) in assignments {
            for partition in partitions {
                assert!(
                    demand.members[id].topics.contains(&partition.0),
                    "{demand:?}"
                );
                assert!(
                    owned.insert(partition.clone()),
                    "{partition:?} twice: {demand:?}"
                );
            }
        }
        let wanted = demand.wanted_topics();
        let wanted = wanted
            .into_iter()
            .flat_map(|topic| demand.partitions(topic));
        assert_eq!(owned, wanted.collect(), "{demand:?}");
    }
}
