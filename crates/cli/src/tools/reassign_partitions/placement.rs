//! A plan that spreads partitions evenly over brokers: pure, and the same for the same question.
//!
//! Brokers stand in a circle, those of different racks beside each other. Each partition begins one
//! broker further than the one before, so that everybody leads about as many; with each round its
//! followers are one broker further away, so that what one broker leads is not all followed by one
//! other. A rack gets a second replica of a partition only if every rack has one.

use std::collections::{BTreeMap, BTreeSet};

use odradek_client::admin::offsets::ByPartition;

/// A broker and its rack.
pub(super) type Broker = (i32, Option<String>);

/// Why there is no plan.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PlacementError {
    #[error(
        "The target replication factor of {wanted} cannot be reached because only {brokers} \
         broker(s) are listed."
    )]
    TooFewBrokers { wanted: usize, brokers: usize },
    #[error(
        "Not all brokers have rack information. Add --disable-rack-aware in command line to make \
         replica assignment without rack information."
    )]
    SomeRacks,
}

/// Brokers for each partition, as many as it has now, preferred leader first.
pub(super) fn spread(
    current: &ByPartition<Vec<i32>>,
    brokers: &[Broker],
) -> Result<ByPartition<Vec<i32>>, PlacementError> {
    let with_rack = brokers.iter().filter(|(_, rack)| rack.is_some()).count();
    if 0 < with_rack && with_rack < brokers.len() {
        return Err(PlacementError::SomeRacks);
    }
    let circle = circle(brokers);
    let placed = current
        .iter()
        .enumerate()
        .map(|(number, (partition, replicas))| {
            if circle.len() < replicas.len() {
                return Err(PlacementError::TooFewBrokers {
                    wanted: replicas.len(),
                    brokers: circle.len(),
                });
            }
            Ok((partition.clone(), place(&circle, number, replicas.len())))
        });
    placed.collect()
}

/// The brokers, one of each rack after the other.
fn circle(brokers: &[Broker]) -> Vec<&Broker> {
    let mut racks: BTreeMap<&Option<String>, Vec<&Broker>> = BTreeMap::new();
    for broker in brokers {
        racks.entry(&broker.1).or_default().push(broker);
    }
    let rounds = racks.values().map(Vec::len).max().unwrap_or(0);
    let round = |round: usize| {
        racks
            .values()
            .filter_map(move |rack| rack.get(round).copied())
    };
    (0..rounds).flat_map(round).collect()
}

fn place(circle: &[&Broker], number: usize, replicas: usize) -> Vec<i32> {
    let count = circle.len();
    let mut left: Vec<&Broker> = circle.to_vec();
    left.rotate_left(number % count.max(1));
    let followers = left.get_mut(1..).unwrap_or_default();
    let distance = (number / count.max(1)) % followers.len().max(1);
    followers.rotate_left(distance);
    let mut chosen = Vec::new();
    let mut racks = BTreeSet::new();
    while chosen.len() < replicas && !left.is_empty() {
        let fresh = left
            .iter()
            .position(|(_, rack)| rack.is_none() || !racks.contains(rack));
        if fresh.is_none() {
            racks.clear();
        }
        let (id, rack) = left.remove(fresh.unwrap_or(0));
        racks.insert(rack);
        chosen.push(*id);
    }
    chosen
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn partitions(count: i32, replicas: usize) -> ByPartition<Vec<i32>> {
        let each = (0..count).map(|index| (("t".to_owned(), index), vec![9; replicas]));
        each.collect()
    }

    fn brokers(racks: &[Option<&str>]) -> Vec<Broker> {
        let racks = racks.iter().map(|rack| rack.map(str::to_owned));
        (1..).zip(racks).collect()
    }

    #[test]
    fn everybody_leads_and_follows_equally_often() {
        let placed = spread(&partitions(12, 2), &brokers(&[None; 4])).unwrap();
        for broker in 1..=4 {
            let leads = placed.values().filter(|it| it[0] == broker).count();
            let has = placed.values().filter(|it| it.contains(&broker)).count();
            assert_eq!((leads, has), (3, 6), "broker {broker}");
        }
        let followers: BTreeSet<_> = placed
            .values()
            .filter(|it| it[0] == 1)
            .map(|it| it[1])
            .collect();
        assert_eq!(followers, [2, 3, 4].into());
    }

    #[test]
    fn replicas_are_on_different_racks_while_there_are_enough() {
        let racks = [Some("a"), Some("a"), Some("b"), Some("b")];
        for replicas in spread(&partitions(8, 2), &brokers(&racks))
            .unwrap()
            .values()
        {
            let rack = |id: &i32| if *id <= 2 { "a" } else { "b" };
            assert_ne!(rack(&replicas[0]), rack(&replicas[1]), "{replicas:?}");
        }
        for replicas in spread(&partitions(8, 4), &brokers(&racks))
            .unwrap()
            .values()
        {
            assert_eq!(replicas.iter().collect::<BTreeSet<_>>().len(), 4);
        }
    }

    #[test]
    fn too_few_brokers_and_half_known_racks_are_refused() {
        assert_eq!(
            spread(&partitions(1, 2), &brokers(&[None])),
            Err(PlacementError::TooFewBrokers {
                wanted: 2,
                brokers: 1
            })
        );
        assert_eq!(
            spread(&partitions(1, 1), &brokers(&[None, Some("a")])),
            Err(PlacementError::SomeRacks)
        );
        assert_eq!(spread(&partitions(0, 0), &[]), Ok(BTreeMap::new()));
    }
}
