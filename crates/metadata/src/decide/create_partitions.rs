//! CreatePartitions: topics grow, each by itself. No topic ever shrinks: the records of a partition
//! that goes would go with it, and keys would no longer find their partition.

use std::collections::HashMap;

use odradek_protocol::ErrorCode;

use super::{
    Refusal,
    placement::{self, PARTITIONS_PER_REQUEST_MAX},
};
use crate::{
    image::{MetadataImage, TopicImage},
    records::Record,
};

/// A topic that is to grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// Its name.
    pub topic: String,
    /// How many partitions it is to have in the end.
    pub partitions: i32,
    /// The brokers of each new partition, preferred leader first; `None` to let the controller
    /// place them.
    pub assignments: Option<Vec<Vec<i32>>>,
}

/// Decides for each topic, in order, and returns the records of its new partitions. The records of
/// all successes belong into one batch.
///
/// A topic that is named more than once does not grow: the request may mean either count.
pub fn create_partitions(
    image: &MetadataImage,
    topics: &[Growth],
) -> Vec<Result<Vec<Record>, Refusal>> {
    let mut asked = HashMap::new();
    for growth in topics {
        *asked.entry(growth.topic.as_str()).or_insert(0) += 1;
    }
    let mut room = PARTITIONS_PER_REQUEST_MAX;
    topics
        .iter()
        .map(|growth| {
            if asked
                .get(growth.topic.as_str())
                .is_some_and(|times| 1 < *times)
            {
                let message = "Duplicate topic name.";
                return Err(Refusal::new(ErrorCode::InvalidRequest, message));
            }
            let records = grow(image, growth, room)?;
            room -= records.len();
            Ok(records)
        })
        .collect()
}

/// The records of the new partitions of one topic, at most `room`.
fn grow(image: &MetadataImage, growth: &Growth, room: usize) -> Result<Vec<Record>, Refusal> {
    let topic = image.topic(&growth.topic).ok_or_else(|| {
        let message = "There is no topic of this name.";
        Refusal::new(ErrorCode::UnknownTopicOrPartition, message)
    })?;
    if topic.is_internal() {
        // With another number the coordinator would look for a group where it is not.
        let message = format!(
            "The topic {} cannot grow: where it keeps what follows from its number of partitions.",
            topic.name
        );
        return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
    }
    let present = i32::try_from(topic.partitions.len()).expect("partitions are numbered by i32");
    let count = growth.partitions;
    if count <= present {
        return Err(Refusal::new(
            ErrorCode::InvalidPartitions,
            not_an_increase(topic, present, count),
        ));
    }
    let added = count - present;
    if usize::try_from(added).is_ok_and(|added| room < added) {
        return Err(placement::too_many_partitions());
    }
    let replicas = topic.partition(0).map_or(1, |first| first.replicas.len());
    let placed = match &growth.assignments {
        Some(assignments) => {
            check_assignments(image, added, replicas, assignments)?;
            assignments.clone()
        }
        None => placement::place(image, present..count, replicas as i16)?,
    };
    Ok((present..)
        .zip(&placed)
        .map(|(partition, brokers)| {
            placement::first_state(image, topic.id, partition, brokers).into()
        })
        .collect())
}

fn not_an_increase(topic: &TopicImage, present: i32, count: i32) -> String {
    if count == present {
        format!("Topic already has {present} partition(s).")
    } else {
        format!(
            "The topic {} currently has {present} partition(s); {count} would not be an increase.",
            topic.name
        )
    }
}

/// Checks a manual assignment of `added` partitions, each with as many replicas as the topic has.
fn check_assignments(
    image: &MetadataImage,
    added: i32,
    replicas: usize,
    assignments: &[Vec<i32>],
) -> Result<(), Refusal> {
    let refuse = |message| Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
    if usize::try_from(added) != Ok(assignments.len()) {
        return refuse(format!(
            "Attempted to add {added} additional partition(s), but {} assignment(s) were \
             specified.",
            assignments.len()
        ));
    }
    for (nth, brokers) in (0..).zip(assignments) {
        placement::check_brokers(image, nth, brokers)?;
        if brokers.len() != replicas {
            return refuse(format!(
                "The manual partition assignment includes a partition with {} replica(s), but \
                 the partitions of the topic have {replicas} replica(s).",
                brokers.len()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use uuid::Uuid;

    use super::*;
    use crate::records::{PartitionRecord, RegisterBrokerRecord, TopicRecord};

    /// Brokers 1 to 3, the last one fenced, and the topics `one` and `two` with two partitions of
    /// as many replicas.
    fn image() -> MetadataImage {
        let mut image = MetadataImage::default();
        for broker_id in 1..=3 {
            let broker = RegisterBrokerRecord {
                broker_id,
                fenced: broker_id == 3,
                ..Default::default()
            };
            image.apply(broker.into(), 1).unwrap();
        }
        let topics = [
            ("one", vec![1]),
            ("two", vec![1, 2]),
            ("__consumer_offsets", vec![2]),
        ];
        for (nth, (name, replicas)) in (1..).zip(topics) {
            let topic_id = Uuid::from_u128(nth);
            let name = name.to_owned();
            image
                .apply(TopicRecord { name, topic_id }.into(), 2)
                .unwrap();
            for partition in 0..2 {
                let partition = PartitionRecord {
                    topic_id,
                    partition,
                    replicas: replicas.clone(),
                    ..Default::default()
                };
                image.apply(partition.into(), 2).unwrap();
            }
        }
        image
    }

    fn growth(topic: &str, partitions: i32) -> Growth {
        Growth {
            topic: topic.to_owned(),
            partitions,
            assignments: None,
        }
    }

    fn assigned(topic: &str, partitions: i32, assignments: &[&[i32]]) -> Growth {
        let brokers = assignments.iter().map(|brokers| brokers.to_vec());
        Growth {
            assignments: Some(brokers.collect()),
            ..growth(topic, partitions)
        }
    }

    /// The replicas of every partition after the topic has grown.
    fn grown(growth: Growth) -> Vec<Vec<i32>> {
        let mut image = image();
        let name = growth.topic.clone();
        let records = create_partitions(&image, &[growth]).remove(0).unwrap();
        for record in records {
            image.apply(record, 3).unwrap();
        }
        let partitions = &image.topic(&name).unwrap().partitions;
        partitions
            .iter()
            .map(|partition| partition.replicas.clone())
            .collect()
    }

    #[track_caller]
    fn check_refused(growth: Growth, code: ErrorCode, part: &str) {
        let refusal = create_partitions(&image(), &[growth])
            .remove(0)
            .unwrap_err();
        assert_eq!(refusal.code, code, "{refusal}");
        assert!(refusal.message.contains(part), "{refusal}");
    }

    #[test]
    fn new_partitions_go_on_where_the_old_ones_stopped() {
        assert_eq!(grown(growth("one", 5)), [[1], [1], [1], [2], [1]]);
        let grown = grown(growth("two", 4));
        assert_eq!(grown, [[1, 2], [1, 2], [1, 2], [2, 1]]);
    }

    #[test]
    fn a_count_that_is_no_increase_is_refused_with_both_counts() {
        let code = ErrorCode::InvalidPartitions;
        check_refused(growth("one", 2), code, "already has 2 partition(s)");
        for count in [1, 0, -1, i32::MIN] {
            let sentence = format!("2 partition(s); {count} would not be an increase");
            check_refused(growth("one", count), code, &sentence);
        }
    }

    #[test]
    fn a_topic_whose_partitions_are_found_by_their_number_does_not_grow() {
        let code = ErrorCode::InvalidPartitions;
        check_refused(growth("__consumer_offsets", 3), code, "cannot grow");
    }

    #[test]
    fn unknown_topics_and_names_given_twice_are_refused_and_others_grow_all_the_same() {
        let topics = [
            growth("one", 3),
            growth("no", 3),
            growth("two", 3),
            growth("one", 4),
        ];
        let codes: Vec<_> = create_partitions(&image(), &topics)
            .into_iter()
            .map(|result| result.err().map(|refusal| refusal.code))
            .collect();
        let duplicate = Some(ErrorCode::InvalidRequest);
        let unknown = Some(ErrorCode::UnknownTopicOrPartition);
        assert_eq!(codes, [duplicate, unknown, None, duplicate]);
    }

    #[test]
    fn a_request_cannot_add_more_partitions_than_one_entry_should_hold() {
        let code = ErrorCode::PolicyViolation;
        check_refused(growth("one", i32::MAX), code, "Excessively large");
        check_refused(growth("one", 10_003), code, "Excessively large");
        let both = create_partitions(&image(), &[growth("one", 10_002), growth("two", 3)]);
        let is_ok: Vec<_> = both.iter().map(Result::is_ok).collect();
        assert_eq!(is_ok, [true, false]);
    }

    #[test]
    fn a_manual_assignment_is_used_as_given() {
        let grown = grown(assigned("two", 4, &[&[2, 1], &[2, 3]]));
        assert_eq!(grown, [[1, 2], [1, 2], [2, 1], [2, 3]]);
    }

    #[test]
    fn a_manual_assignment_that_cannot_be_is_refused() {
        let code = ErrorCode::InvalidReplicaAssignment;
        let too_few = "add 2 additional partition(s), but 1 assignment(s)";
        check_refused(assigned("one", 4, &[&[1]]), code, too_few);
        check_refused(
            assigned("one", 3, &[&[1], &[1]]),
            code,
            "but 2 assignment(s)",
        );
        check_refused(assigned("one", 3, &[]), code, "but 0 assignment(s)");
        check_refused(assigned("one", 3, &[&[]]), code, "empty replica list");
        check_refused(
            assigned("one", 3, &[&[1, 1]]),
            code,
            "the broker 1 more than once",
        );
        check_refused(
            assigned("one", 3, &[&[7]]),
            code,
            "broker 7, but no such broker",
        );
        check_refused(assigned("one", 3, &[&[3]]), code, "all fenced");
        check_refused(assigned("one", 3, &[&[1, 2]]), code, "with 2 replica(s)");
        check_refused(assigned("two", 3, &[&[1]]), code, "have 2 replica(s)");
    }

    #[test]
    fn replicas_that_cannot_be_placed_any_more_say_why() {
        let mut image = image();
        let fenced = RegisterBrokerRecord {
            broker_id: 2,
            fenced: true,
            ..Default::default()
        };
        image.apply(fenced.into(), 3).unwrap();
        let refusal = create_partitions(&image, &[growth("two", 3)])
            .remove(0)
            .unwrap_err();
        assert_eq!(refusal.code, ErrorCode::InvalidReplicationFactor);
    }
}
