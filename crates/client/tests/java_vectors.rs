//! This client beside Apache Kafka's Java client, result for result: tests/vectors holds what that
//! one computed, with the program that asked it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use odradek_client::{
    assignors::{Assignments, Demand, Member, TopicPartition, range, round_robin, sticky},
    producer::murmur2,
};
use odradek_protocol::consumer_protocol::{
    Assignment, CooperativeStickyUserData, StickyUserData, Subscription, TopicPartitions,
};

const PARTITIONS: &str = include_str!("../../../tests/vectors/partitions.txt");
const ASSIGNMENTS: &str = include_str!("../../../tests/vectors/assignments.txt");
const STICKY: &str = include_str!("../../../tests/vectors/sticky.txt");
const PROTOCOL: &str = include_str!("../../../tests/vectors/protocol.txt");

/// What a group wants, and what Java's assignors made of it.
#[derive(Debug, Default)]
struct Vector {
    demand: Demand,
    assigned: BTreeMap<String, Assignments>,
}

impl Vector {
    /// What that assignor of Java's gave to whom.
    fn of(&self, assignor: &str) -> Assignments {
        let ids = self.demand.members.keys();
        let mut all: Assignments = ids.map(|id| (id.clone(), BTreeSet::new())).collect();
        all.extend(self.assigned.get(assignor).cloned().unwrap_or_default());
        all
    }
}

fn vectors(text: &str) -> Vec<Vector> {
    let mut vectors: Vec<Vector> = Vec::new();
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ').unwrap();
        if kind == "demand" {
            let topics = rest.split_whitespace().map(|topic| {
                let (name, count) = topic.split_once('=').unwrap();
                (name.to_owned(), count.parse().unwrap())
            });
            let mut vector = Vector::default();
            vector.demand.topics = topics.collect();
            vectors.push(vector);
            continue;
        }
        let vector = vectors.last_mut().unwrap();
        let (id, rest) = rest.split_once(' ').unwrap();
        if kind == "member" {
            vector.demand.members.insert(id.to_owned(), member(rest));
        } else {
            let assigned = vector.assigned.entry(kind.to_owned()).or_default();
            assigned.insert(id.to_owned(), partitions(rest));
        }
    }
    vectors
}

/// Reads `topics=a,b instance=i generation=1 owned=a:0,1;b:0`.
fn member(text: &str) -> Member {
    let fields: BTreeMap<&str, &str> = text
        .split_whitespace()
        .map(|field| field.split_once('=').unwrap())
        .collect();
    let topics = fields["topics"]
        .split(',')
        .filter(|topic| !topic.is_empty());
    Member {
        instance_id: fields.get("instance").map(ToString::to_string),
        topics: topics.map(str::to_owned).collect(),
        owned: fields
            .get("owned")
            .map(|text| partitions(text))
            .unwrap_or_default(),
        generation: fields
            .get("generation")
            .map_or(-1, |text| text.parse().unwrap()),
    }
}

/// Reads `a:0,1;b:0`.
fn partitions(text: &str) -> BTreeSet<TopicPartition> {
    let topics = text.split(';').map(|topic| topic.split_once(':').unwrap());
    topics
        .flat_map(|(topic, numbers)| {
            let numbers = numbers.split(',').map(|number| number.parse().unwrap());
            numbers.map(|number| (topic.to_owned(), number))
        })
        .collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.trim_matches('.').as_bytes();
    let pairs = digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

#[test]
fn keys_lead_where_java_leads_them() {
    let (counts, keys) = PARTITIONS.split_once('\n').unwrap();
    let counts: Vec<usize> = counts
        .split_whitespace()
        .skip(1)
        .map(|count| count.parse().unwrap())
        .collect();
    assert!(250 < keys.lines().count());
    for line in keys.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let key = bytes(fields[1]);
        assert_eq!(
            murmur2::murmur2(&key) as i32,
            fields[2].parse().unwrap(),
            "{line}"
        );
        let chosen = counts
            .iter()
            .map(|count| murmur2::partition_of(&key, *count).to_string());
        assert_eq!(chosen.collect::<Vec<_>>(), fields[3..], "{line}");
    }
}

#[test]
fn range_and_round_robin_give_what_java_gives() {
    let vectors = vectors(ASSIGNMENTS);
    assert_eq!(vectors.len(), 150);
    for vector in vectors {
        assert_eq!(
            range::assign(&vector.demand),
            vector.of("range"),
            "{vector:?}"
        );
        assert_eq!(
            round_robin::assign(&vector.demand),
            vector.of("roundrobin"),
            "{vector:?}"
        );
    }
}

/// The number of partitions that stay where they were.
fn kept(demand: &Demand, assignments: &Assignments) -> usize {
    let each = demand.members.iter();
    each.map(|(id, member)| member.owned.intersection(&assignments[id]).count())
        .sum()
}

/// The sizes of the shares, the smallest first.
fn sizes(assignments: &Assignments) -> Vec<usize> {
    let mut sizes: Vec<_> = assignments.values().map(BTreeSet::len).collect();
    sizes.sort_unstable();
    sizes
}

/// Java's measure: how far the shares of all pairs of members are apart, summed up.
fn imbalance(assignments: &Assignments) -> usize {
    let sizes = sizes(assignments);
    let pairs = sizes.iter().enumerate();
    pairs
        .flat_map(|(index, a)| sizes[index..].iter().map(move |b| b - a))
        .sum()
}

/// What Java's own tests of its assignors ask for: everything is assigned once and to somebody who
/// subscribes to it, and of two members whose shares differ by more than one, the one with less has
/// nothing of a topic of which the other has something.
fn assert_valid_and_balanced(demand: &Demand, assignments: &Assignments) {
    let wanted: BTreeSet<&String> = demand
        .members
        .values()
        .flat_map(|member| &member.topics)
        .collect();
    let existing = demand
        .topics
        .iter()
        .filter(|(topic, _)| wanted.contains(topic));
    let existing = existing.flat_map(|(topic, count)| (0..*count).map(|it| (topic.clone(), it)));
    let mut assigned: Vec<TopicPartition> = assignments.values().flatten().cloned().collect();
    assigned.sort();
    assert_eq!(assigned, existing.collect::<Vec<_>>(), "{demand:?}");
    for (id, share) in assignments {
        let topics = &demand.members[id].topics;
        assert!(
            share.iter().all(|(topic, _)| topics.contains(topic)),
            "{demand:?}"
        );
        for other in assignments
            .values()
            .filter(|other| other.len() + 1 < share.len())
        {
            let has = |topic| other.iter().any(|(other, _)| other == topic);
            assert!(
                !share.iter().any(|(topic, _)| has(topic)),
                "{demand:?} {assignments:?}"
            );
        }
    }
}

#[test]
fn sticky_is_as_even_and_as_sticky_as_javas() {
    let vectors = vectors(STICKY);
    assert_eq!(vectors.len(), 200);
    for vector in vectors {
        let (demand, javas) = (&vector.demand, vector.of("sticky"));
        assert_valid_and_balanced(demand, &javas);
        let ours = sticky::assign(demand);
        assert_valid_and_balanced(demand, &ours);
        assert!(
            imbalance(&ours) <= imbalance(&javas),
            "{vector:?}: {ours:?}"
        );
        if imbalance(&ours) == imbalance(&javas) {
            assert!(
                kept(demand, &javas) <= kept(demand, &ours),
                "{vector:?}: {ours:?}"
            );
        }
    }
}

#[test]
fn cooperatively_only_what_is_nobodys_is_handed_out() {
    for vector in vectors(STICKY) {
        let (demand, javas) = (&vector.demand, vector.of("cooperative-sticky"));
        let ours = sticky::assign_cooperatively(demand);
        for assignments in [&javas, &ours] {
            for (id, share) in assignments {
                let others = demand.members.iter().filter(|(other, _)| *other != id);
                let mut theirs = others.flat_map(|(_, member)| &member.owned);
                assert!(
                    !theirs.any(|owned| share.contains(owned)),
                    "{vector:?}: {ours:?}"
                );
            }
        }
    }
}

#[test]
fn members_describe_themselves_in_javas_bytes() {
    let mut lines = PROTOCOL.lines().peekable();
    let mut count = 0;
    while let Some(described) = lines.next() {
        let (_, fields) = described
            .strip_prefix("member ")
            .unwrap()
            .split_once(' ')
            .unwrap();
        let member = member(fields);
        let mut written = BTreeMap::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("member ")) {
            let (kind, hex) = line.split_once(' ').unwrap();
            written.insert(kind, Bytes::from(bytes(hex)));
        }
        check_bytes(&member, &written);
        count += 1;
    }
    assert_eq!(count, 30);
}

/// Reads what Java wrote, and writes it again.
fn check_bytes(member: &Member, written: &BTreeMap<&str, Bytes>) {
    let mut owned: Vec<TopicPartitions> = Vec::new();
    for (topic, partition) in &member.owned {
        match owned.last_mut() {
            Some(last) if last.topic == *topic => last.partitions.push(*partition),
            _ => owned.push(TopicPartitions {
                topic: topic.clone(),
                partitions: vec![*partition],
            }),
        }
    }
    let sticky = StickyUserData {
        previous_assignment: owned.clone(),
        generation: member.generation,
    };
    assert_eq!(
        StickyUserData::decode(&written["sticky-user-data"]).as_ref(),
        Ok(&sticky)
    );
    assert_eq!(sticky.encode().unwrap(), written["sticky-user-data"]);

    let generation = member.generation;
    let cooperative = CooperativeStickyUserData { generation };
    let user_data = &written["cooperative-user-data"];
    assert_eq!(
        CooperativeStickyUserData::decode(user_data),
        Ok(cooperative.clone())
    );
    assert_eq!(cooperative.encode().unwrap(), user_data);

    let assignment = Assignment {
        assigned_partitions: owned.clone(),
        user_data: None,
    };
    assert_eq!(
        Assignment::decode(&written["assignment"]).as_ref(),
        Ok(&assignment)
    );
    assert_eq!(assignment.encode().unwrap(), written["assignment"]);

    let subscription = Subscription {
        topics: member.topics.iter().cloned().collect(),
        owned_partitions: owned,
        generation_id: generation,
        ..Subscription::default()
    };
    assert_eq!(subscription.encode().unwrap(), written["subscription"]);
    assert_eq!(
        Subscription::decode(&written["subscription"]).as_ref(),
        Ok(&subscription)
    );
    for (version, kind) in ["subscription-v0", "subscription-v1", "subscription-v2"]
        .iter()
        .enumerate()
    {
        let mut expected = subscription.clone();
        if version < 2 {
            expected.generation_id = -1;
        }
        if version < 1 {
            expected.owned_partitions.clear();
        }
        assert_eq!(Subscription::decode(&written[kind]), Ok(expected), "{kind}");
    }
}
