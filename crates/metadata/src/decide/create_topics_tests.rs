#![allow(clippy::unwrap_used)]

use super::*;
use crate::{decide::sample_schema::SampleSchema, records::RegisterBrokerRecord};

const DIRECTORY: Uuid = Uuid::from_u128(0xd1);

/// Brokers 1 and 2, broker 3 fenced, and the topic `taken.one`.
fn image() -> MetadataImage {
    let mut image = MetadataImage::default();
    for broker_id in 1..=3 {
        let directories = vec![DIRECTORY];
        let fenced = broker_id == 3;
        let broker = RegisterBrokerRecord {
            broker_id,
            directories,
            fenced,
            ..Default::default()
        };
        image.apply(broker.into(), 1).unwrap();
    }
    for topic in decide(&image, &[topic("taken.one")]) {
        apply(&mut image, topic.unwrap());
    }
    image
}

fn apply(image: &mut MetadataImage, topic: CreatedTopic) {
    for record in topic.records {
        image.apply(record, 2).unwrap();
    }
}

fn topic(name: &str) -> NewTopic {
    NewTopic {
        name: name.into(),
        partitions: -1,
        replication_factor: -1,
        ..Default::default()
    }
}

fn decide(image: &MetadataImage, topics: &[NewTopic]) -> Vec<Result<CreatedTopic, Refusal>> {
    let rules = TopicRules {
        default_partitions: 3,
        default_replication_factor: 1,
        schema: &SampleSchema,
    };
    let mut next = image.topics.len() as u128;
    create_topics(image, topics, rules, || {
        next += 1;
        Uuid::from_u128(next)
    })
}

fn decide_one(topic: NewTopic) -> Result<CreatedTopic, Refusal> {
    decide(&image(), &[topic]).pop().unwrap()
}

/// The topic is refused with this code and a message that contains this part.
#[track_caller]
fn check_refused(topic: NewTopic, code: ErrorCode, part: &str) {
    let refusal = decide_one(topic).unwrap_err();
    assert_eq!(refusal.code, code, "{refusal}");
    assert!(refusal.message.contains(part), "{refusal}");
}

#[test]
fn a_new_topic_gets_the_defaults_and_leads_where_it_is_placed() {
    let created = decide_one(topic("a")).unwrap();
    assert_eq!((created.partitions, created.replication_factor), (3, 1));
    let mut image = image();
    let id = created.id;
    apply(&mut image, created);
    let topic = image.topic("a").unwrap();
    assert_eq!((topic.id, topic.partitions.len()), (id, 3));
    for partition in &topic.partitions {
        assert_eq!(partition.isr, partition.replicas);
        assert_eq!(partition.leader, partition.replicas[0]);
        assert_eq!((partition.leader_epoch, partition.partition_epoch), (0, 0));
        assert_eq!(partition.directories, [DIRECTORY]);
    }
}

#[test]
fn counts_in_the_request_win_over_the_defaults() {
    let asked = NewTopic {
        partitions: 7,
        replication_factor: 2,
        ..topic("a")
    };
    let created = decide_one(asked).unwrap();
    assert_eq!((created.partitions, created.replication_factor), (7, 2));
}

#[test]
fn counts_that_make_no_sense_are_refused() {
    for partitions in [0, -2, i32::MIN] {
        let asked = NewTopic {
            partitions,
            ..topic("a")
        };
        check_refused(asked, ErrorCode::InvalidPartitions, "larger than 0");
    }
    for replication_factor in [0, -2, i16::MIN] {
        let asked = NewTopic {
            replication_factor,
            ..topic("a")
        };
        check_refused(asked, ErrorCode::InvalidReplicationFactor, "larger than 0");
    }
    for replication_factor in [3, 4, i16::MAX] {
        let asked = NewTopic {
            replication_factor,
            ..topic("a")
        };
        check_refused(
            asked,
            ErrorCode::InvalidReplicationFactor,
            "Unable to replicate",
        );
    }
}

#[test]
fn a_request_cannot_create_more_partitions_than_one_entry_should_hold() {
    let many = |name, partitions| NewTopic {
        partitions,
        ..topic(name)
    };
    check_refused(
        many("a", i32::MAX),
        ErrorCode::PolicyViolation,
        "Excessively large",
    );
    let results = decide(
        &image(),
        &[many("a", 6_000), many("b", 6_000), many("c", 4_000)],
    );
    let is_ok: Vec<_> = results.iter().map(Result::is_ok).collect();
    assert_eq!(is_ok, [true, false, true]);
}

#[test]
fn names_must_be_legal_free_and_not_collide() {
    check_refused(topic(""), ErrorCode::InvalidTopicException, "empty");
    check_refused(topic("a b"), ErrorCode::InvalidTopicException, "character");
    check_refused(
        topic("taken.one"),
        ErrorCode::TopicAlreadyExists,
        "already exists",
    );
    check_refused(
        topic("taken_one"),
        ErrorCode::InvalidTopicException,
        "collides",
    );
    check_refused(
        topic("__cluster_metadata"),
        ErrorCode::InvalidRequest,
        "prohibited",
    );
    decide_one(topic("__consumer_offsets")).unwrap();
}

#[test]
fn a_name_twice_in_a_request_fails_both_and_a_collision_fails_the_second() {
    let names = ["a", "b.c", "a", "b_c", "d"];
    let results = decide(&image(), &names.map(topic));
    let codes: Vec<_> = results
        .iter()
        .map(|result| result.as_ref().err().map(|refusal| refusal.code))
        .collect();
    let (duplicate, collides) = (ErrorCode::InvalidRequest, ErrorCode::InvalidTopicException);
    assert_eq!(
        codes,
        [Some(duplicate), None, Some(duplicate), Some(collides), None]
    );
}

#[test]
fn configs_are_checked_and_stored() {
    let with = |key: &str, value: Option<&str>| NewTopic {
        configs: vec![(key.to_owned(), value.map(str::to_owned))],
        ..topic("a")
    };
    let created = decide_one(with("retention.ms", Some("5"))).unwrap();
    let mut image = image();
    apply(&mut image, created);
    let configs = image.configs.of_topic("a");
    assert_eq!(configs.get("retention.ms").map(AsRef::as_ref), Some("5"));
    check_refused(
        with("retention.ms", Some("x")),
        ErrorCode::InvalidConfig,
        "cannot be x",
    );
    check_refused(
        with("retention.ms", None),
        ErrorCode::InvalidConfig,
        "Null value",
    );
    check_refused(
        with("retention.time", Some("5")),
        ErrorCode::InvalidConfig,
        "retention.time",
    );
}

#[test]
fn a_manual_assignment_is_used_as_given() {
    let asked = NewTopic {
        assignments: vec![(1, vec![2, 3]), (0, vec![3, 1])],
        ..topic("a")
    };
    let created = decide_one(asked).unwrap();
    assert_eq!((created.partitions, created.replication_factor), (2, 2));
    let mut image = image();
    apply(&mut image, created);
    let topic = image.topic("a").unwrap();
    assert_eq!(topic.partitions[0].replicas, [3, 1]);
    // Broker 3 is fenced: it can neither lead nor be in sync.
    assert_eq!(
        (topic.partitions[0].leader, &*topic.partitions[0].isr),
        (1, &[1][..])
    );
    assert_eq!(
        (topic.partitions[1].leader, &*topic.partitions[1].isr),
        (2, &[2][..])
    );
}

#[test]
fn a_manual_assignment_that_cannot_be_is_refused() {
    let code = ErrorCode::InvalidReplicaAssignment;
    let with = |assignments: &[(i32, &[i32])]| NewTopic {
        assignments: assignments
            .iter()
            .map(|(p, brokers)| (*p, brokers.to_vec()))
            .collect(),
        ..topic("a")
    };
    check_refused(with(&[(0, &[])]), code, "empty replica list");
    check_refused(with(&[(0, &[9])]), code, "broker 9, but no such broker");
    check_refused(with(&[(0, &[1, 1])]), code, "the broker 1 more than once");
    check_refused(with(&[(0, &[3])]), code, "all fenced");
    check_refused(with(&[(0, &[1]), (1, &[1, 2])]), code, "not consistent");
    check_refused(
        with(&[(0, &[1]), (0, &[2])]),
        code,
        "multiple manual partition assignments",
    );
    check_refused(with(&[(1, &[1])]), code, "consecutive");
    check_refused(with(&[(-1, &[1])]), code, "consecutive");
    let counted = NewTopic {
        partitions: 1,
        ..with(&[(0, &[1])])
    };
    check_refused(counted, ErrorCode::InvalidRequest, "number of partitions");
    let counted = NewTopic {
        replication_factor: 1,
        ..with(&[(0, &[1])])
    };
    check_refused(counted, ErrorCode::InvalidRequest, "replication factor");
}

#[test]
fn an_id_that_exists_or_reads_like_a_flag_is_drawn_again() {
    let image = image();
    let taken = image.topic("taken.one").unwrap().id;
    let flag = Uuid::from_u128(62 << 122);
    let mut drawn = [Uuid::nil(), taken, flag, Uuid::from_u128(77)].into_iter();
    let rules = TopicRules {
        default_partitions: 1,
        default_replication_factor: 1,
        schema: &SampleSchema,
    };
    let created = create_topics(&image, &[topic("a")], rules, || drawn.next().unwrap());
    assert_eq!(created[0].as_ref().unwrap().id, Uuid::from_u128(77));
}
