//! Even, and as much as possible as it was before (KIP-54, KIP-429, KIP-792).
//!
//! Members keep what they had, if they still want it and nobody claims it from a later generation.
//! What is free goes to whoever has least, and then partitions move from those who have more to
//! those who have less, directly or by way of others, until nothing makes it more even.
//!
//! A cooperative group does that in two steps: a partition that moves is at first assigned to
//! nobody, so that its owner gives it up while the others read on; the rebalance that follows
//! hands it out.

use std::collections::{BTreeMap, BTreeSet};

use super::{Assignments, Demand, Member, TopicPartition};

/// What members call the protocol in which everybody stops at every rebalance.
pub const NAME: &str = "sticky";

/// What members call the protocol in which only what moves stops.
pub const COOPERATIVE_NAME: &str = "cooperative-sticky";

/// Assigns all partitions.
pub fn assign(demand: &Demand) -> Assignments {
    let mut assignments = still_owned(demand);
    let taken: BTreeSet<TopicPartition> = assignments.values().flatten().cloned().collect();
    let wanted = demand.wanted_topics();
    let all = wanted
        .into_iter()
        .flat_map(|topic| demand.partitions(topic));
    for partition in all.filter(|partition| !taken.contains(partition)) {
        let taker = least(demand, &assignments, &partition.0);
        if let Some(assigned) = taker.and_then(|id| assignments.get_mut(&id)) {
            assigned.insert(partition);
        }
    }
    even_out(demand, &mut assignments);
    assignments
}

/// Assigns what can be assigned before the members have given up what is to move.
pub fn assign_cooperatively(demand: &Demand) -> Assignments {
    let mut assignments = assign(demand);
    let owners: BTreeMap<&TopicPartition, &str> = demand
        .members
        .iter()
        .flat_map(|(id, member)| member.owned.iter().map(|owned| (owned, id.as_str())))
        .collect();
    for (id, assigned) in &mut assignments {
        let own = demand.members.get(id).map(|member| &member.owned);
        assigned.retain(|partition| {
            let is_own = own.is_some_and(|own| own.contains(partition));
            is_own || !owners.contains_key(partition)
        });
    }
    assignments
}

/// What each member had and may keep: it exists, it is wanted, and of several who claim it the one
/// with the latest generation wins. If two claim it from the same one, neither keeps it.
fn still_owned(demand: &Demand) -> Assignments {
    let mut claims: BTreeMap<&TopicPartition, Vec<(&str, &Member)>> = BTreeMap::new();
    for (id, member) in &demand.members {
        let exists = |(topic, index): &&TopicPartition| {
            demand.topics.get(topic).is_some_and(|count| index < count)
        };
        let wanted = |(topic, _): &&TopicPartition| member.topics.contains(topic);
        for partition in member.owned.iter().filter(exists).filter(wanted) {
            claims.entry(partition).or_default().push((id, member));
        }
    }
    let mut assignments = demand.nobody_has_any();
    for (partition, claims) in claims {
        let latest = claims.iter().map(|(_, member)| member.generation).max();
        let mut winners = claims
            .iter()
            .filter(|(_, member)| Some(member.generation) == latest);
        if let (Some((id, _)), None) = (winners.next(), winners.next())
            && let Some(assigned) = assignments.get_mut(*id)
        {
            assigned.insert(partition.clone());
        }
    }
    assignments
}

/// The member with the fewest partitions among those that want the topic.
fn least(demand: &Demand, assignments: &Assignments, topic: &str) -> Option<String> {
    let takers = assignments
        .iter()
        .filter(|(id, _)| wants(demand, id, topic));
    let least = takers.min_by_key(|(_, assigned)| assigned.len());
    least.map(|(id, _)| id.clone())
}

fn wants(demand: &Demand, id: &str, topic: &str) -> bool {
    let member = demand.members.get(id);
    member.is_some_and(|member| member.topics.contains(topic))
}

/// Moves partitions until no move makes it more even. Each round makes the sum of the squares of
/// the shares smaller, so this ends; when none is left that sum is the smallest there is.
fn even_out(demand: &Demand, assignments: &mut Assignments) {
    while let Some(moves) = next_moves(demand, assignments) {
        for Move {
            from,
            to,
            partition,
        } in moves
        {
            if let Some(assigned) = assignments.get_mut(&from) {
                assigned.remove(&partition);
            }
            if let Some(assigned) = assignments.get_mut(&to) {
                assigned.insert(partition);
            }
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Move {
    from: String,
    to: String,
    partition: TopicPartition,
}

/// Moves that make it more even: one from a full member to one that has at least two fewer. Where
/// these two have no topic in common, others hand on what they get of one topic in another.
fn next_moves(demand: &Demand, assignments: &Assignments) -> Option<Vec<Move>> {
    let fewest = assignments.values().map(BTreeSet::len).min()?;
    let mut fullest: Vec<_> = assignments
        .iter()
        .filter(|(_, assigned)| fewest + 1 < assigned.len())
        .collect();
    fullest.sort_by_key(|(_, assigned)| std::cmp::Reverse(assigned.len()));
    let mut shortest: Option<Vec<Move>> = None;
    for (from, _) in fullest {
        let moves = moves_from(demand, assignments, from);
        match (&shortest, moves) {
            (_, Some(moves)) if moves.len() == 1 => return Some(moves),
            (Some(shortest), Some(moves)) if shortest.len() <= moves.len() => {}
            (_, None) => {}
            (_, moves) => shortest = moves,
        }
    }
    shortest
}

/// The shortest chain of moves from that member to one that has at least two fewer.
fn moves_from(demand: &Demand, assignments: &Assignments, from: &str) -> Option<Vec<Move>> {
    let count = |id: &str| assignments.get(id).map_or(0, BTreeSet::len);
    // Who can be reached, with who gives to them and of which topic.
    let mut givers: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    let mut seen_topics = BTreeSet::new();
    let mut reached = vec![from];
    while !reached.is_empty() {
        let mut next = Vec::new();
        for giver in reached {
            for topic in topics_to_give(demand, assignments, giver) {
                if !seen_topics.insert(topic) {
                    continue;
                }
                for (taker, member) in &demand.members {
                    let is_new = taker != from && !givers.contains_key(taker.as_str());
                    if is_new && member.topics.contains(topic) {
                        givers.insert(taker, (giver, topic));
                        next.push(taker.as_str());
                    }
                }
            }
        }
        let least = next.iter().copied().min_by_key(|id| count(id));
        if let Some(to) = least.filter(|id| count(id) + 1 < count(from)) {
            return chain(demand, assignments, &givers, to);
        }
        reached = next;
    }
    None
}

/// The topics of which a member has something, those first of which it has newly got something.
fn topics_to_give<'a>(demand: &Demand, assignments: &'a Assignments, giver: &str) -> Vec<&'a str> {
    let had = demand.members.get(giver).map(|member| &member.owned);
    let mut topics: BTreeMap<&str, bool> = BTreeMap::new();
    for partition in assignments.get(giver).into_iter().flatten() {
        let is_new = had.is_some_and(|had| !had.contains(partition));
        *topics.entry(&partition.0).or_default() |= is_new;
    }
    let mut topics: Vec<_> = topics.into_iter().collect();
    topics.sort_by_key(|(_, has_new)| !has_new);
    topics.into_iter().map(|(topic, _)| topic).collect()
}

/// The moves that end at that member. Of a topic rather a partition that the giver has newly got
/// than one it had before, and rather one that the taker had.
fn chain<'a>(
    demand: &Demand,
    assignments: &Assignments,
    givers: &BTreeMap<&'a str, (&'a str, &'a str)>,
    mut to: &'a str,
) -> Option<Vec<Move>> {
    let had = |id: &str, partition: &TopicPartition| {
        let member = demand.members.get(id);
        member.is_some_and(|member| member.owned.contains(partition))
    };
    let mut moves = Vec::new();
    while let Some((from, topic)) = givers.get(to) {
        let partition = assignments
            .get(*from)?
            .iter()
            .filter(|(of, _)| of == topic)
            .min_by_key(|partition| (had(from, partition), !had(to, partition)))?;
        moves.push(Move {
            from: (*from).to_owned(),
            to: to.to_owned(),
            partition: partition.clone(),
        });
        to = from;
    }
    Some(moves)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::assignors::test_support::{assert_complete, by_chance, demand, shown};

    /// The members had that before, from this generation.
    fn remember(demand: &mut Demand, assignments: &Assignments, generation: i32) {
        for (id, assigned) in assignments {
            if let Some(member) = demand.members.get_mut(id) {
                member.owned.clone_from(assigned);
                member.generation = generation;
            }
        }
    }

    /// No partition could go to somebody who has at least two fewer.
    fn assert_even(demand: &Demand, assignments: &Assignments) {
        for (id, assigned) in assignments {
            for (topic, _) in assigned {
                let mut takers = assignments
                    .iter()
                    .filter(|(id, _)| wants(demand, id, topic));
                let is_even = takers.all(|(_, other)| assigned.len() <= other.len() + 1);
                assert!(
                    is_even,
                    "{id} has too much of {topic}: {demand:?} {assignments:?}"
                );
            }
        }
    }

    /// How many partitions changed their owner.
    fn moves(before: &Assignments, after: &Assignments) -> usize {
        let had = |id: &str, partition: &TopicPartition| {
            before.get(id).is_some_and(|had| had.contains(partition))
        };
        let each = after.iter();
        each.map(|(id, assigned)| assigned.iter().filter(|it| !had(id, it)).count())
            .sum()
    }

    #[test]
    fn who_comes_gets_its_share_and_nothing_else_moves() {
        let all: &[&str] = &["a"];
        let mut demand = demand(&[("a", 9)], &[("m1", all), ("m2", all)]);
        let before = assign(&demand);
        remember(&mut demand, &before, 1);
        let newcomer = Member {
            topics: ["a".to_owned()].into(),
            generation: -1,
            ..Member::default()
        };
        demand.members.insert("m3".to_owned(), newcomer);
        let after = assign(&demand);
        assert_complete(&demand, &after);
        assert_eq!(moves(&before, &after), 3);
        assert_eq!(after["m3"].len(), 3);
    }

    #[test]
    fn of_who_goes_the_others_take_over_and_keep_their_own() {
        let all: &[&str] = &["a"];
        let mut demand = demand(&[("a", 9)], &[("m1", all), ("m2", all), ("m3", all)]);
        let before = assign(&demand);
        remember(&mut demand, &before, 1);
        demand.members.remove("m2");
        let after = assign(&demand);
        assert_complete(&demand, &after);
        assert_eq!(moves(&before, &after), 3);
    }

    #[test]
    fn what_two_have_not_in_common_goes_by_a_third() {
        // m1 has too much of a, m3 wants nothing but b, and m2 both.
        let members: &[(&str, &[&str])] = &[("m1", &["a"]), ("m2", &["a", "b"]), ("m3", &["b"])];
        let mut demand = demand(&[("a", 5), ("b", 2)], members);
        let had = [
            ("m1", "a", 0..3),
            ("m2", "a", 3..5),
            ("m2", "b", 0..1),
            ("m3", "b", 1..2),
        ];
        for (id, topic, indices) in had {
            let member = demand.members.get_mut(id).unwrap();
            member
                .owned
                .extend(indices.map(|index| (topic.to_owned(), index)));
            member.generation = 1;
        }
        let expected = ["m1: a-0 a-1 a-2", "m2: a-3 a-4", "m3: b-0 b-1"];
        assert_eq!(shown(&assign(&demand)), expected);
        demand.topics.insert("a".to_owned(), 7);
        let after = assign(&demand);
        assert_complete(&demand, &after);
        let sizes = ["m1", "m2", "m3"].map(|id| after[id].len());
        assert_eq!(sizes, [4, 3, 2]);
    }

    #[test]
    fn of_two_who_claim_a_partition_the_later_generation_keeps_it() {
        let all: &[&str] = &["a"];
        let mut demand = demand(&[("a", 2)], &[("m1", all), ("m2", all)]);
        let claim: Assignments = [("m1", [0, 1]), ("m2", [1, 0])]
            .into_iter()
            .map(|(id, owned)| {
                let owned = owned.map(|index| ("a".to_owned(), index));
                (id.to_owned(), owned.into())
            })
            .collect();
        remember(&mut demand, &claim, 1);
        demand.members.get_mut("m2").unwrap().generation = 2;
        assert_eq!(still_owned(&demand)["m2"].len(), 2);
        assert_complete(&demand, &assign(&demand));
    }

    #[test]
    fn cooperatively_what_moves_is_first_given_up() {
        let all: &[&str] = &["a"];
        let mut demand = demand(&[("a", 4)], &[("m1", all)]);
        let before = assign(&demand);
        remember(&mut demand, &before, 1);
        demand.members.insert(
            "m2".to_owned(),
            Member {
                topics: ["a".to_owned()].into(),
                generation: -1,
                ..Member::default()
            },
        );
        let first = assign_cooperatively(&demand);
        assert_eq!((first["m1"].len(), first["m2"].len()), (2, 0));
        remember(&mut demand, &first, 2);
        let second = assign_cooperatively(&demand);
        assert_complete(&demand, &second);
        assert_eq!(first["m1"], second["m1"]);
        assert_eq!(shown(&second).len(), 2);
    }

    #[test]
    fn every_demand_is_met_evenly_and_a_second_time_nothing_moves() {
        for seed in 0..500 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut demand = by_chance(&mut random);
            let first = assign(&demand);
            assert_complete(&demand, &first);
            assert_even(&demand, &first);
            remember(&mut demand, &first, 1);
            assert_eq!(assign(&demand), first, "{demand:?}");
            assert_eq!(assign_cooperatively(&demand), first, "{demand:?}");
            // Somebody goes, and somebody comes.
            if random.bool() {
                demand.members.pop_first();
            }
            let mut newcomers = by_chance(&mut random).members.into_iter();
            demand.members.extend(
                newcomers
                    .next()
                    .map(|(_, member)| ("new".to_owned(), member)),
            );
            if demand.members.is_empty() {
                continue;
            }
            let second = assign(&demand);
            assert_complete(&demand, &second);
            assert_even(&demand, &second);
            // Two steps are enough for a cooperative group.
            let withheld = assign_cooperatively(&demand);
            remember(&mut demand, &withheld, 2);
            let settled = assign_cooperatively(&demand);
            assert_complete(&demand, &settled);
            assert_even(&demand, &settled);
        }
    }
}
