//! Of each topic a run of neighbouring partitions, the first members one more than the last.
//!
//! Topics with as many partitions are cut at the same places, so that a member gets the partitions
//! of the same number of each: what is needed to join two topics by their keys.

use super::{Assignments, Demand};

/// What members call this protocol.
pub const NAME: &str = "range";

/// Assigns all partitions.
pub fn assign(demand: &Demand) -> Assignments {
    let mut assignments = demand.nobody_has_any();
    let members = demand.in_order();
    for topic in demand.wanted_topics() {
        let takers = members
            .iter()
            .filter(|(_, member)| member.topics.contains(topic));
        let takers: Vec<&str> = takers.map(|(id, _)| *id).collect();
        let partitions: Vec<_> = demand.partitions(topic).collect();
        let each = partitions.len() / takers.len().max(1);
        let one_more = partitions.len() % takers.len().max(1);
        let mut partitions = partitions.into_iter();
        for (number, id) in takers.into_iter().enumerate() {
            let count = each + usize::from(number < one_more);
            if let Some(assigned) = assignments.get_mut(id) {
                assigned.extend(partitions.by_ref().take(count));
            }
        }
    }
    assignments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assignors::test_support::{assert_complete, by_chance, demand, shown};

    #[test]
    fn the_first_members_get_one_more() {
        let demand = demand(
            &[("a", 5), ("b", 3)],
            &[("m1", &["a", "b"]), ("m2", &["a", "b"])],
        );
        let expected = ["m1: a-0 a-1 a-2 b-0 b-1", "m2: a-3 a-4 b-2"];
        assert_eq!(shown(&assign(&demand)), expected);
    }

    #[test]
    fn only_those_who_subscribe_to_a_topic_share_it() {
        let members: &[(&str, &[&str])] = &[("m1", &["a"]), ("m2", &["a", "b"]), ("m3", &["c"])];
        let demand = demand(&[("a", 3), ("b", 2)], members);
        let expected = ["m1: a-0 a-1", "m2: a-2 b-0 b-1", "m3: "];
        assert_eq!(shown(&assign(&demand)), expected);
    }

    #[test]
    fn static_members_come_first_in_the_order_of_their_instances() {
        let mut demand = demand(
            &[("a", 3)],
            &[("m1", &["a"]), ("m2", &["a"]), ("m3", &["a"])],
        );
        for (id, instance_id) in [("m2", "z"), ("m3", "y")] {
            if let Some(member) = demand.members.get_mut(id) {
                member.instance_id = Some(instance_id.to_owned());
            }
        }
        assert_eq!(shown(&assign(&demand)), ["m1: a-2", "m2: a-1", "m3: a-0"]);
    }

    #[test]
    fn every_demand_is_met() {
        for seed in 0..2000 {
            let demand = by_chance(&mut fastrand::Rng::with_seed(seed));
            assert_complete(&demand, &assign(&demand));
        }
    }
}
