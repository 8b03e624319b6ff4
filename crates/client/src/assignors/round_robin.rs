//! One partition after the other to one member after the other, over all topics.

use super::{Assignments, Demand};

/// What members call this protocol.
pub const NAME: &str = "roundrobin";

/// Assigns all partitions.
pub fn assign(demand: &Demand) -> Assignments {
    let mut assignments = demand.nobody_has_any();
    let members = demand.in_order();
    let mut next = 0;
    for topic in demand.wanted_topics() {
        for partition in demand.partitions(topic) {
            // Somebody wants it, so this finds one within one round.
            for _ in 0..members.len() {
                let taker = members.get(next % members.len());
                next += 1;
                if let Some((id, member)) = taker
                    && member.topics.contains(topic)
                {
                    if let Some(assigned) = assignments.get_mut(*id) {
                        assigned.insert(partition);
                    }
                    break;
                }
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
    fn partitions_are_dealt_like_cards() {
        let demand = demand(
            &[("a", 3), ("b", 3)],
            &[("m1", &["a", "b"]), ("m2", &["a", "b"])],
        );
        assert_eq!(
            shown(&assign(&demand)),
            ["m1: a-0 a-2 b-1", "m2: a-1 b-0 b-2"]
        );
    }

    #[test]
    fn who_does_not_subscribe_is_passed_over() {
        let members: &[(&str, &[&str])] = &[
            ("m1", &["a"]),
            ("m2", &["a", "b"]),
            ("m3", &["a", "b", "c"]),
        ];
        let demand = demand(&[("a", 1), ("b", 2), ("c", 3)], members);
        assert_eq!(
            shown(&assign(&demand)),
            ["m1: a-0", "m2: b-0", "m3: b-1 c-0 c-1 c-2"]
        );
    }

    #[test]
    fn every_demand_is_met() {
        for seed in 0..2000 {
            let demand = by_chance(&mut fastrand::Rng::with_seed(seed));
            assert_complete(&demand, &assign(&demand));
        }
    }
}
