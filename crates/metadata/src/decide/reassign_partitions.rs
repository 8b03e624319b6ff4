//! AlterPartitionReassignments: whether a partition may live where an operator wants it.
//!
//! Replicas do not move yet. What is already where it shall be is a success, as in Kafka; anything
//! else is refused before it begins, so there is never a move that could be listed or called off.

use odradek_protocol::ErrorCode;

use super::{Refusal, placement};
use crate::image::MetadataImage;

/// Decides on one partition: `brokers` are its replicas from now on, preferred leader first, or
/// `None` to call off a move.
pub fn reassign_partition(
    image: &MetadataImage,
    topic: &str,
    partition: i32,
    brokers: Option<&[i32]>,
) -> Result<(), Refusal> {
    let unknown = |message| Refusal::new(ErrorCode::UnknownTopicOrPartition, message);
    let topic = image
        .topic(topic)
        .ok_or_else(|| unknown(format!("Unable to find a topic named {topic}.")))?;
    let present = topic.partition(partition).ok_or_else(|| {
        let name = &topic.name;
        unknown(format!("Unable to find partition {name}:{partition}."))
    })?;
    let Some(brokers) = brokers else {
        let message = "No partition reassignment is in progress.";
        return Err(Refusal::new(ErrorCode::NoReassignmentInProgress, message));
    };
    placement::check_brokers(image, partition, brokers)?;
    if present.replicas == brokers {
        return Ok(());
    }
    let message = "Partitions cannot move to other brokers yet.";
    Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use uuid::Uuid;

    use super::*;
    use crate::{
        decide::placement::first_state,
        records::{RegisterBrokerRecord, TopicRecord},
    };

    /// Brokers 1 and 2, and a topic with one partition on broker 1.
    fn image() -> MetadataImage {
        let mut image = MetadataImage::default();
        for broker_id in [1, 2] {
            let broker = RegisterBrokerRecord {
                broker_id,
                ..Default::default()
            };
            image.apply(broker.into(), 1).unwrap();
        }
        let topic = TopicRecord {
            name: "t".to_owned(),
            topic_id: Uuid::from_u128(1),
        };
        image.apply(topic.into(), 1).unwrap();
        let partition = first_state(&image, Uuid::from_u128(1), 0, &[1]);
        image.apply(partition.into(), 1).unwrap();
        image
    }

    #[test]
    fn only_where_it_is_already_may_a_partition_go() {
        for (topic, partition, brokers, expected) in [
            ("t", 0, Some(&[1][..]), None),
            (
                "t",
                0,
                Some(&[2]),
                Some(ErrorCode::InvalidReplicaAssignment),
            ),
            (
                "t",
                0,
                Some(&[9]),
                Some(ErrorCode::InvalidReplicaAssignment),
            ),
            ("t", 0, Some(&[]), Some(ErrorCode::InvalidReplicaAssignment)),
            ("t", 0, None, Some(ErrorCode::NoReassignmentInProgress)),
            ("t", 1, None, Some(ErrorCode::UnknownTopicOrPartition)),
            ("nope", 0, None, Some(ErrorCode::UnknownTopicOrPartition)),
        ] {
            let refused = reassign_partition(&image(), topic, partition, brokers).err();
            let code = refused.map(|refusal| refusal.code);
            assert_eq!(code, expected, "{topic}-{partition} to {brokers:?}");
        }
    }
}
