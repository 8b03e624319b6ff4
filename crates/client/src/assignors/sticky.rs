//! Even, and as much as possible as it was before (KIP-54, KIP-429, KIP-792).
//!
//! Members keep what they had, if they still want it and nobody claims it from a later generation.
//! What is free goes to whoever has least, and then partitions move from those who have more to
//! those who have less, until no move makes it more even.
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

/// Moves partitions one by one from whoever has at least two more. Each move makes the sum of the
/// squares smaller, so this ends.
fn even_out(demand: &Demand, assignments: &mut Assignments) {
    while let Some((from, to, partition)) = next_move(demand, assignments) {
        if let Some(assigned) = assignments.get_mut(&from) {
            assigned.remove(&partition);
        }
        if let Some(assigned) = assignments.get_mut(&to) {
            assigned.insert(partition);
        }
    }
}

/// A move that makes it more even: from the fullest member that has something for a less full one.
/// Rather one of what the member has newly got than of what it had before.
fn next_move(
    demand: &Demand,
    assignments: &Assignments,
) -> Option<(String, String, TopicPartition)> {
    let mut fullest: Vec<_> = assignments.iter().collect();
    fullest.sort_by_key(|(_, assigned)| std::cmp::Reverse(assigned.len()));
    for (from, assigned) in fullest {
        let had = demand.members.get(from).map(|member| &member.owned);
        let mut candidates: Vec<_> = assigned.iter().collect();
        candidates.sort_by_key(|partition| had.is_some_and(|had| had.contains(partition)));
        for partition in candidates {
            let Some(to) = least(demand, assignments, &partition.0) else {
                continue;
            };
            let count = assignments.get(&to).map_or(0, BTreeSet::len);
            if count + 1 < assigned.len() {
                return Some((from.clone(), to, partition.clone()));
            }
        }
    }
    None
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
        assert_eq!(next_move(demand, assignments), None, "{demand:?}");
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
