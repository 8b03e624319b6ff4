//! Where the replicas of new partitions go: round robin over the unfenced brokers, or as a request
//! says.
//!
//! The first replica leads. With each partition the start moves on by one broker, and with each
//! round by one more the distance between replicas, so that the partitions of a failed leader
//! spread over all others. A topic that grows goes on where it stopped.

use std::{collections::HashSet, ops::Range};

use odradek_protocol::ErrorCode;
use uuid::Uuid;

use super::Refusal;
use crate::{image::MetadataImage, records::PartitionRecord};

/// Partitions that one request may create. They form one entry of the metadata log, which every
/// broker applies at once; Kafka has the same limit.
pub(super) const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;

/// What a request is told that goes beyond [`PARTITIONS_PER_REQUEST_MAX`].
pub(super) fn too_many_partitions() -> Refusal {
    let message = format!(
        "Excessively large number of partitions per request: at most \
         {PARTITIONS_PER_REQUEST_MAX} can be created at once."
    );
    Refusal::new(ErrorCode::PolicyViolation, message)
}

/// Brokers for each of these partitions, preferred leader first.
pub(super) fn place(
    image: &MetadataImage,
    partitions: Range<i32>,
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
    let indexes = partitions.filter_map(|partition| usize::try_from(partition).ok());
    Ok(indexes
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

/// Checks the brokers that a request names for one new partition.
pub(super) fn check_brokers(
    image: &MetadataImage,
    partition: i32,
    brokers: &[i32],
) -> Result<(), Refusal> {
    let refuse = |what: String| {
        let message = format!("The manual partition assignment includes {what}.");
        Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message))
    };
    if brokers.is_empty() {
        return refuse("an empty replica list".to_owned());
    }
    let mut seen = HashSet::new();
    for id in brokers {
        if !image.brokers.contains_key(id) {
            return refuse(format!("broker {id}, but no such broker is registered"));
        }
        if !seen.insert(id) {
            return refuse(format!("the broker {id} more than once"));
        }
    }
    if brokers
        .iter()
        .all(|id| image.brokers.get(id).is_none_or(|broker| broker.fenced))
    {
        return refuse(format!(
            "partition {partition}, whose brokers are all fenced"
        ));
    }
    Ok(())
}

/// A new partition: every unfenced replica is in sync, the first of them leads.
pub(super) fn first_state(
    image: &MetadataImage,
    topic_id: Uuid,
    partition: i32,
    brokers: &[i32],
) -> PartitionRecord {
    let registered = |id: &i32| image.brokers.get(id);
    let unfenced = |id: &&i32| registered(id).is_some_and(|broker| !broker.fenced);
    let isr: Vec<i32> = brokers.iter().filter(unfenced).copied().collect();
    // A broker with several log directories chooses by itself.
    let directory = |id| match registered(id).map(|broker| broker.directories.as_slice()) {
        Some([only]) => *only,
        _ => Uuid::nil(),
    };
    PartitionRecord {
        topic_id,
        partition,
        replicas: brokers.to_vec(),
        directories: brokers.iter().map(directory).collect(),
        leader: isr.first().copied().unwrap_or(-1),
        isr,
        leader_epoch: 0,
        partition_epoch: 0,
    }
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
            let placed = place(&cluster(brokers, 0), 0..brokers * 4, replicas).unwrap();
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
        let placed = place(&cluster(4, 0), 0..12, 2).unwrap();
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
            let refusal = place(&cluster(brokers, fenced), 0..1, 3).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::InvalidReplicationFactor);
            assert!(refusal.message.contains(part), "{}", refusal.message);
        }
    }
}
