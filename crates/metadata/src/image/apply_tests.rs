#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::{
    Delta,
    records::{RemoveTopicRecord, decode_batch, encode_batch},
};

/// A change to the cluster, with small numbers so that changes meet each other.
#[derive(Debug, Clone)]
enum Change {
    AddTopic {
        topic: u8,
        partitions: u8,
    },
    RemoveTopic {
        topic: u8,
    },
    MoveLeader {
        topic: u8,
        partition: u8,
        leader: i32,
    },
    SetConfig {
        topic: u8,
        key: u8,
        value: Option<u8>,
    },
    Register {
        broker: i32,
        fenced: bool,
    },
    AllocateProducerIds,
}

fn change() -> impl Strategy<Value = Change> {
    let topic = 0..4_u8;
    prop_oneof![
        (topic.clone(), 0..4_u8)
            .prop_map(|(topic, partitions)| Change::AddTopic { topic, partitions }),
        topic
            .clone()
            .prop_map(|topic| Change::RemoveTopic { topic }),
        (topic.clone(), 0..4_u8, 1..4_i32).prop_map(|(topic, partition, leader)| {
            Change::MoveLeader {
                topic,
                partition,
                leader,
            }
        }),
        (topic, 0..3_u8, proptest::option::of(0..9_u8))
            .prop_map(|(topic, key, value)| Change::SetConfig { topic, key, value }),
        (1..4_i32, any::<bool>()).prop_map(|(broker, fenced)| Change::Register { broker, fenced }),
        Just(Change::AllocateProducerIds),
    ]
}

fn topic_name(topic: u8) -> String {
    format!("topic-{topic}")
}

/// The records that make this change, none where it makes no sense.
fn records(image: &MetadataImage, change: &Change, nth: u128) -> Vec<Record> {
    match *change {
        Change::AddTopic { topic, partitions } => match image.topic(&topic_name(topic)) {
            Some(_) => Vec::new(),
            None => new_topic(
                &topic_name(topic),
                Uuid::from_u128(nth + 1),
                partitions.into(),
            ),
        },
        Change::RemoveTopic { topic } => match image.topic(&topic_name(topic)) {
            Some(topic) => vec![Record::RemoveTopic(RemoveTopicRecord {
                topic_id: topic.id,
            })],
            None => Vec::new(),
        },
        Change::MoveLeader {
            topic,
            partition,
            leader,
        } => image
            .topic(&topic_name(topic))
            .filter(|topic| usize::from(partition) < topic.partitions.len())
            .map(|topic| partition_record(topic.id, partition.into(), leader))
            .into_iter()
            .collect(),
        Change::SetConfig { topic, key, value } => image
            .topic(&topic_name(topic))
            .map(|topic| {
                let resource = ConfigResource::topic(Arc::clone(&topic.name));
                let value = value.map(|value| value.to_string());
                config_record(&resource, &format!("key-{key}"), value.as_deref()).into()
            })
            .into_iter()
            .collect(),
        Change::Register { broker, fenced } => {
            let endpoint = BrokerEndpoint {
                port: 9092,
                ..Default::default()
            };
            let endpoints = vec![endpoint];
            let broker = RegisterBrokerRecord {
                broker_id: broker,
                endpoints,
                fenced,
                ..Default::default()
            };
            vec![broker.into()]
        }
        Change::AllocateProducerIds => {
            vec![
                ProducerIdsRecord {
                    next: image.next_producer_id + 1000,
                }
                .into(),
            ]
        }
    }
}

fn new_topic(name: &str, topic_id: Uuid, partitions: i32) -> Vec<Record> {
    let topic = TopicRecord {
        name: name.to_owned(),
        topic_id,
    };
    let partitions = (0..partitions).map(|partition| partition_record(topic_id, partition, 1));
    [topic.into()].into_iter().chain(partitions).collect()
}

fn partition_record(topic_id: Uuid, partition: i32, leader: i32) -> Record {
    let (replicas, isr, directories) = (vec![leader], vec![leader], vec![Uuid::nil()]);
    let (leader_epoch, partition_epoch) = (leader, leader);
    PartitionRecord {
        topic_id,
        partition,
        replicas,
        directories,
        isr,
        leader,
        leader_epoch,
        partition_epoch,
    }
    .into()
}

fn apply_all(image: &mut MetadataImage, records: Vec<Record>, index: u64) {
    for record in records {
        image.apply(record, index).unwrap();
    }
    image.applied_index = index;
}

/// Acts on a delta as a reader does that keeps only topic names and partition leaders.
fn act(known: &mut std::collections::BTreeMap<Uuid, (Arc<str>, Vec<i32>)>, delta: &Delta) {
    let view = |topic: &TopicImage| {
        let leaders = topic
            .partitions
            .iter()
            .map(|partition| partition.leader)
            .collect();
        (Arc::clone(&topic.name), leaders)
    };
    for topic in &delta.deleted {
        known
            .remove(&topic.id)
            .expect("only what was known is deleted");
    }
    for topic in &delta.created {
        assert!(
            known.insert(topic.id, view(topic)).is_none(),
            "created once"
        );
    }
    for change in &delta.changed {
        let before = known.insert(change.after.id, view(&change.after));
        assert_eq!(before, Some(view(&change.before)));
    }
}

proptest! {
    #[test]
    fn a_snapshot_and_the_records_lead_to_the_same_image(
        changes in proptest::collection::vec(change(), 0..60),
    ) {
        let mut image = MetadataImage::default();
        for (change, index) in changes.iter().zip(1..) {
            let records = records(&image, change, index.into());
            apply_all(&mut image, records, index);
        }
        let bytes = encode_batch(&image.to_records());
        let mut restored = MetadataImage::default();
        apply_all(&mut restored, decode_batch(&bytes).unwrap(), image.applied_index);
        prop_assert_eq!(restored, image);
    }

    #[test]
    fn a_reader_who_skips_images_still_ends_where_the_image_is(
        changes in proptest::collection::vec((change(), any::<bool>()), 0..60),
    ) {
        let mut image = MetadataImage::default();
        let (mut acted_on, mut known) = (image.clone(), std::collections::BTreeMap::new());
        for ((change, looks), index) in changes.iter().zip(1..) {
            let records = records(&image, change, index.into());
            apply_all(&mut image, records, index);
            if *looks {
                act(&mut known, &Delta::between(&acted_on, &image));
                acted_on = image.clone();
            }
        }
        act(&mut known, &Delta::between(&acted_on, &image));
        let expected = image.topics.iter().map(|topic| (topic.id, &topic.name));
        let found = known.iter().map(|(id, (name, _))| (*id, name));
        prop_assert_eq!(found.collect::<std::collections::BTreeMap<_, _>>(), expected.collect());
        for (id, (_, leaders)) in &known {
            let topic = image.topic_by_id(*id).unwrap();
            prop_assert!(topic.partitions.iter().map(|partition| partition.leader).eq(
                leaders.iter().copied()
            ));
        }
    }
}

#[test]
fn a_changed_partition_leaves_the_entries_of_other_topics_shared() {
    let mut image = MetadataImage::default();
    for topic in 0..200_u32 {
        let id = Uuid::from_u128(u128::from(topic) + 1);
        apply_all(&mut image, new_topic(&format!("topic-{topic}"), id, 10), 1);
    }
    let before = image.clone();
    let changed = image.topic("topic-7").unwrap().id;
    apply_all(&mut image, vec![partition_record(changed, 3, 9)], 2);
    let copied = image
        .topics
        .iter()
        .filter(|topic| !Arc::ptr_eq(topic, before.topic(&topic.name).unwrap()))
        .count();
    assert_eq!(copied, 1);
    let delta = Delta::between(&before, &image);
    assert_eq!(
        (
            delta.changed.len(),
            delta.created.len(),
            delta.deleted.len()
        ),
        (1, 0, 0)
    );
    assert!(Delta::between(&image, &image).is_empty());
}

#[test]
fn a_topic_made_again_under_its_name_is_deleted_and_created_and_keeps_no_configs() {
    let mut image = MetadataImage::default();
    apply_all(&mut image, new_topic("t", Uuid::from_u128(1), 1), 1);
    let config = config_record(&ConfigResource::topic("t"), "retention.ms", Some("1"));
    apply_all(&mut image, vec![config.into()], 2);
    let before = image.clone();
    let removal = RemoveTopicRecord {
        topic_id: Uuid::from_u128(1),
    };
    apply_all(&mut image, vec![removal.into()], 3);
    apply_all(&mut image, new_topic("t", Uuid::from_u128(2), 1), 4);
    assert!(image.configs.of_topic("t").is_empty());
    let delta = Delta::between(&before, &image);
    assert_eq!(delta.deleted[0].id, Uuid::from_u128(1));
    assert_eq!(delta.created[0].id, Uuid::from_u128(2));
    assert_eq!(delta.configs, [ConfigResource::topic("t")]);
}

#[test]
fn records_that_do_not_fit_the_image_are_refused() {
    let mut image = MetadataImage::default();
    let id = Uuid::from_u128(1);
    let removal = RemoveTopicRecord { topic_id: id };
    assert_eq!(
        image.apply(removal.into(), 1),
        Err(ApplyError::UnknownTopic(id))
    );
    apply_all(&mut image, new_topic("t", id, 1), 1);
    let exists = ApplyError::TopicExists {
        name: "t".to_owned(),
    };
    let again = TopicRecord {
        name: "t".to_owned(),
        topic_id: Uuid::from_u128(2),
    };
    assert_eq!(image.apply(again.into(), 1), Err(exists));
    for partition in [2, -1] {
        let expected = ApplyError::PartitionOutOfOrder {
            topic_id: id,
            partitions: 1,
            partition,
        };
        assert_eq!(
            image.apply(partition_record(id, partition, 1), 1),
            Err(expected)
        );
    }
}
