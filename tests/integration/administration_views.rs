//! What an administrator sees: directories, producers, topics page by page, and a log that is
//! offline.

use std::{collections::BTreeMap, fs};

use odradek_protocol::{
    ErrorCode,
    messages::{
        describe_log_dirs::{
            DescribableLogDirTopic, DescribeLogDirsRequest, DescribeLogDirsResponse,
            DescribeLogDirsResult,
        },
        describe_producers::{
            DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, TopicRequest,
        },
        describe_topic_partitions::{
            self as pages, Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
        },
        metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse},
    },
    records::BatchBuilder,
};
use odradek_tests::broker::Broker;

use crate::{
    client::{create_topic, topic_id},
    fetch_raw::fetch,
    produce_raw::{batch_of, now_ms, produce},
    wire::Wire,
};

fn log_dir(wire: &mut Wire, topics: Option<&[(&str, &[i32])]>) -> DescribeLogDirsResult {
    let topics = topics.map(|topics| {
        let each = topics
            .iter()
            .map(|(topic, partitions)| DescribableLogDirTopic {
                topic: (*topic).to_owned(),
                partitions: partitions.to_vec(),
            });
        each.collect()
    });
    let mut answer: DescribeLogDirsResponse = wire.call(4, &DescribeLogDirsRequest { topics });
    assert_eq!(
        (answer.error_code, answer.results.len()),
        (ErrorCode::None, 1)
    );
    answer.results.remove(0)
}

/// Sizes by topic and partition.
fn sizes(directory: &DescribeLogDirsResult) -> BTreeMap<(String, i32), i64> {
    let topics = directory.topics.iter();
    let partitions = topics.flat_map(|topic| {
        topic.partitions.iter().map(|partition| {
            assert!(!partition.is_future_key);
            assert_eq!(partition.offset_lag, 0);
            let name = (topic.name.clone(), partition.partition_index);
            (name, partition.partition_size)
        })
    });
    partitions.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_directory_tells_its_room_and_the_size_of_each_partition() {
    let broker = Broker::start();
    create_topic(&broker, "sized", 2, &[]).await;
    create_topic(&broker, "other", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "sized");
    let batch = batch_of(10, 100);
    let bytes = i64::try_from(batch.len()).unwrap();
    produce(&mut wire, id, 1, batch).unwrap();

    let all = log_dir(&mut wire, None);
    assert_eq!(all.error_code, ErrorCode::None);
    assert_eq!(all.log_dir, broker.log_dir().display().to_string());
    let size = |topic: &str, partition| ((topic.to_owned(), partition), 0);
    let mut expected = BTreeMap::from([size("other", 0), size("sized", 0), size("sized", 1)]);
    *expected.last_entry().unwrap().get_mut() = bytes;
    assert_eq!(sizes(&all), expected);
    let room = file_system_bytes(&broker);
    assert_eq!(u64::try_from(all.total_bytes).unwrap(), room);
    assert!(0 < all.usable_bytes && all.usable_bytes <= all.total_bytes);

    let some = log_dir(&mut wire, Some(&[("sized", &[1, 1, 7]), ("unknown", &[0])]));
    assert_eq!(
        sizes(&some),
        BTreeMap::from([(("sized".to_owned(), 1), bytes)])
    );
    assert_eq!(sizes(&log_dir(&mut wire, Some(&[]))), BTreeMap::new());
}

/// Bytes of the file system that the broker's directory is on.
fn file_system_bytes(broker: &Broker) -> u64 {
    let room = rustix::fs::statvfs(broker.log_dir()).unwrap();
    room.f_blocks * room.f_frsize
}

fn producers(wire: &mut Wire, topic: &str, partitions: &[i32]) -> Vec<PartitionResponse> {
    let topic = TopicRequest {
        name: topic.to_owned(),
        partition_indexes: partitions.to_vec(),
    };
    let request = DescribeProducersRequest {
        topics: vec![topic],
    };
    let mut answer: DescribeProducersResponse = wire.call(0, &request);
    answer.topics.remove(0).partitions
}

#[tokio::test(flavor = "multi_thread")]
async fn producers_are_described_as_their_partition_remembers_them() {
    let mut broker = Broker::start();
    create_topic(&broker, "written", 2, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "written");
    let newest = now_ms();
    for (producer_id, epoch, sequence, timestamp) in [
        (1000, 2, 0, newest - 5),
        (1000, 2, 1, newest),
        (7, 0, 0, newest - 9),
    ] {
        let batch = BatchBuilder::new()
            .producer(producer_id, epoch, sequence)
            .record(timestamp, None, Some(b"x"));
        produce(&mut wire, id, 0, batch.build().to_bytes()).unwrap();
    }
    for round in 0..2 {
        let mut wire = Wire::connect(&broker);
        let found = producers(&mut wire, "written", &[1, 0]);
        assert_eq!(
            (found[0].partition_index, found[0].active_producers.len()),
            (1, 0)
        );
        let seen: Vec<_> = found[1]
            .active_producers
            .iter()
            .map(|p| {
                (
                    p.producer_id,
                    p.producer_epoch,
                    p.last_sequence,
                    p.last_timestamp,
                )
            })
            .collect();
        let expected = [(7, 0, 0, newest - 9), (1000, 2, 1, newest)];
        assert_eq!(seen, expected, "round {round}");
        for producer in &found[1].active_producers {
            let transaction = (
                producer.coordinator_epoch,
                producer.current_txn_start_offset,
            );
            assert_eq!(transaction, (-1, -1));
        }
        // They survive.
        broker.kill();
        broker.start_again();
    }
    let mut wire = Wire::connect(&broker);
    for (topic, partition, code) in [
        ("written", 2, ErrorCode::UnknownTopicOrPartition),
        ("written", -1, ErrorCode::UnknownTopicOrPartition),
        ("unknown", 0, ErrorCode::UnknownTopicOrPartition),
        ("not legal", 0, ErrorCode::InvalidTopicException),
    ] {
        let found = producers(&mut wire, topic, &[partition]);
        assert_eq!(found[0].error_code, code, "{topic}-{partition}");
        assert!(found[0].error_message.is_some());
    }
}

fn page(
    wire: &mut Wire,
    topics: &[&str],
    limit: i32,
    cursor: Option<Cursor>,
) -> DescribeTopicPartitionsResponse {
    let topics = topics.iter().map(|name| pages::TopicRequest {
        name: (*name).to_owned(),
    });
    let request = DescribeTopicPartitionsRequest {
        topics: topics.collect(),
        response_partition_limit: limit,
        cursor,
    };
    wire.call(0, &request)
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_described_page_by_page_as_metadata_describes_them_at_once() {
    let broker = Broker::start_with(&[("max.request.partition.size.limit", "3")]);
    for (topic, partitions) in [("a", 2), ("b", 5), ("c", 1)] {
        create_topic(&broker, topic, partitions, &[]).await;
    }
    let mut wire = Wire::connect(&broker);
    let metadata: MetadataResponse = wire.call(12, &MetadataRequest::default());
    let mut expected = Vec::new();
    for topic in metadata.topics {
        let name = topic.name.unwrap();
        for partition in topic.partitions {
            expected.push((name.clone(), topic.topic_id, partition.partition_index));
        }
    }
    let (mut found, mut cursor) = (Vec::new(), None);
    for pages in 1.. {
        let answer = page(&mut wire, &[], 2000, cursor);
        for topic in answer.topics {
            assert_eq!(
                (topic.error_code, topic.is_internal),
                (ErrorCode::None, false)
            );
            for partition in topic.partitions {
                assert_eq!((partition.leader_id, partition.leader_epoch), (1, 0));
                assert_eq!(
                    (&partition.replica_nodes, &partition.isr_nodes),
                    (&vec![1], &vec![1])
                );
                assert_eq!(partition.eligible_leader_replicas, Some(Vec::new()));
                found.push((
                    topic.name.clone().unwrap(),
                    topic.topic_id,
                    partition.partition_index,
                ));
            }
        }
        cursor = answer.next_cursor;
        if cursor.is_none() {
            assert_eq!(pages, 3, "three partitions fit into a page");
            break;
        }
    }
    assert_eq!(found, expected);
    let answer = page(&mut wire, &["unknown", "not legal"], 2000, None);
    let codes: Vec<_> = answer.topics.iter().map(|topic| topic.error_code).collect();
    let missing = [
        ErrorCode::InvalidTopicException,
        ErrorCode::UnknownTopicOrPartition,
    ];
    assert_eq!(codes, missing);
}

fn metadata_of(wire: &mut Wire, topic: &str) -> MetadataResponse {
    let topic = MetadataRequestTopic {
        name: Some(topic.to_owned()),
        ..Default::default()
    };
    let request = MetadataRequest {
        topics: Some(vec![topic]),
        ..Default::default()
    };
    wire.call(12, &request)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_whose_log_does_not_open_has_no_leader_and_an_offline_replica() {
    let mut broker = Broker::start();
    create_topic(&broker, "half", 2, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "half");
    for partition in 0..2 {
        produce(&mut wire, id, partition, batch_of(5, 10)).unwrap();
    }
    broker.stop();
    // A file where the directory should be.
    fs::remove_dir_all(broker.log_dir().join("half-1")).unwrap();
    fs::write(broker.log_dir().join("half-1"), b"in the way").unwrap();
    broker.start_again();

    let mut wire = Wire::connect(&broker);
    let metadata = metadata_of(&mut wire, "half");
    let seen: Vec<_> = metadata.topics[0]
        .partitions
        .iter()
        .map(|p| {
            (
                p.error_code,
                p.leader_id,
                p.isr_nodes.clone(),
                p.offline_replicas.clone(),
            )
        })
        .collect();
    let expected = [
        (ErrorCode::None, 1, vec![1], vec![]),
        (ErrorCode::LeaderNotAvailable, -1, vec![1], vec![1]),
    ];
    assert_eq!(seen, expected);
    let described = page(&mut wire, &["half"], 2000, None);
    let seen: Vec<_> = described.topics[0]
        .partitions
        .iter()
        .map(|p| {
            (
                p.error_code,
                p.leader_id,
                p.isr_nodes.clone(),
                p.offline_replicas.clone(),
            )
        })
        .collect();
    assert_eq!(seen, expected);
    let id = topic_id(&mut wire, "half");
    let refused = produce(&mut wire, id, 1, batch_of(1, 10)).unwrap_err();
    assert_eq!(refused.error_code, ErrorCode::KafkaStorageError);
    assert_eq!(
        fetch(&mut wire, id, 1, 0).error_code,
        ErrorCode::KafkaStorageError
    );
    let producers = producers(&mut wire, "half", &[1]);
    assert_eq!(producers[0].error_code, ErrorCode::KafkaStorageError);
    let found = sizes(&log_dir(&mut wire, None));
    assert_eq!(
        found.keys().map(|(_, index)| *index).collect::<Vec<_>>(),
        [0]
    );
    assert_eq!(produce(&mut wire, id, 0, batch_of(1, 10)).unwrap(), 5);
}
