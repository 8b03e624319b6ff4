//! Where the replicas of a new topic go: round robin over the unfenced brokers.
//!
//! The first replica leads. With each partition the start moves on by one broker, and with each
//! round by one more the distance between replicas, so that the partitions of a failed leader
//! spread over all others.

use odradek_protocol::ErrorCode;

use super::Refusal;
use crate::image::MetadataImage;

/// Brokers for each partition, preferred leader first.
pub(super) fn place(
    image: &MetadataImage,
    partitions: i32,
    replication_factor: i16,
) -> Result<Vec<Vec<i32>>, Refusal> {
    let unfenced = image.brokers.values().filter(|broker| !broker.fenced);
    let brokers: Vec<i32> = unfenced.map(|broker| broker.id).collect();
    let registered = image.brokers.len();
    let replicas = usize::try_from(replication_factor).unwrap_or(0);
    if brokers.is_empty() || registered < replicas {
        let reason = if brokers.is_empty() && registered > 0 {
            "all brokers are currently fenced".to_owned()
        } else {
            format!("only {registered} broker(s) are registered")
        };
        return Err(Refusal::new(
            ErrorCode::InvalidReplicationFactor,
            format!(
                "Unable to replicate the partition {replication_factor} time(s): the replication \
                 factor of {replication_factor} cannot be reached because {reason}."
            ),
        ));
    }
    if brokers.len() < replicas {
        return Err(Refusal::new(
            ErrorCode::InvalidReplicationFactor,
            format!(
                "Unable to replicate the partition {replication_factor} time(s): only {} of \
                 {registered} broker(s) are unfenced.",
                brokers.len()
            ),
        ));
    }
    let partitions = usize::try_from(partitions).unwrap_or(0);
    Ok((0..partitions)
        .map(|partition| replicas_of(partition, &brokers, replicas))
        .collect())
}

fn replicas_of(partition: usize, brokers: &[i32], replicas: usize) -> Vec<i32> {
    let count = brokers.len();
    let leader = partition % count;
    // Followers take the other brokers in order, from a start that moves with each round.
    let start = (partition / count) % (count - 1).max(1);
    let follower = |nth: usize| (leader + 1 + (start + nth) % (count - 1).max(1)) % count;
    let positions = [leader].into_iter().chain((0..replicas - 1).map(follower));
    positions
        .filter_map(|position| brokers.get(position).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::records::RegisterBrokerRecord;

    fn cluster(brokers: i32, fenced: i32) -> MetadataImage {
        let mut image = MetadataImage::default();
        for broker_id in 1..=brokers {
            let fenced = broker_id <= fenced;
            let record = RegisterBrokerRecord {
                broker_id,
                fenced,
                ..Default::default()
            };
            image.apply(record.into(), 1).unwrap();
        }
        image
    }

    #[test]
    fn replicas_are_distinct_and_leaders_are_spread_evenly() {
        for (brokers, replicas) in [(1, 1), (2, 2), (3, 3), (5, 3), (6, 2)] {
            let placed = place(&cluster(brokers, 0), brokers * 4, replicas).unwrap();
            let mut led = BTreeMap::<i32, i32>::new();
            for partition in &placed {
                assert_eq!(
                    partition.iter().collect::<BTreeSet<_>>().len(),
                    replicas as usize
                );
                *led.entry(partition[0]).or_default() += 1;
            }
            assert!(led.values().all(|count| *count == 4), "{led:?}");
        }
    }

    #[test]
    fn the_partitions_of_one_leader_have_different_followers() {
        let placed = place(&cluster(4, 0), 12, 2).unwrap();
        let followers = placed
            .iter()
            .filter(|brokers| brokers[0] == 1)
            .map(|brokers| brokers[1]);
        assert_eq!(
            followers.collect::<BTreeSet<_>>(),
            BTreeSet::from([2, 3, 4])
        );
    }

    #[test]
    fn a_replication_factor_that_cannot_be_reached_says_why() {
        for (brokers, fenced, part) in [
            (1, 0, "only 1 broker(s) are registered"),
            (0, 0, "only 0 broker(s) are registered"),
            (3, 3, "all brokers are currently fenced"),
            (3, 1, "only 2 of 3 broker(s) are unfenced"),
        ] {
            let refusal = place(&cluster(brokers, fenced), 1, 3).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::InvalidReplicationFactor);
            assert!(refusal.message.contains(part), "{}", refusal.message);
        }
    }
}
