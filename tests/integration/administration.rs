//! Partitions are added, emptied and looked into while clients use them.

use std::{collections::BTreeSet, fs, time::Duration};

use odradek_protocol::{
    ErrorCode,
    messages::{
        create_partitions::{
            CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsResponse,
            CreatePartitionsTopic,
        },
        delete_records::{
            DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse,
            DeleteRecordsTopic, TO_HIGH_WATERMARK,
        },
        find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse},
        list_offsets::{EARLIEST_TIMESTAMP, LATEST_TIMESTAMP},
    },
};
use odradek_tests::{broker::Broker, wait};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::RDKafkaErrorCode,
    topic_partition_list::TopicPartitionListElem,
};

use crate::{
    client::{
        config, create_topic, delete_topic, producer, send_all, topic_id, values, watermarks,
    },
    fetch_raw::{batches, fetch},
    list_offsets::offset_at,
    produce_raw::{batch_of, produce},
    wire::Wire,
};

/// Whoever drops it before the answer is there may wait for ever.
fn admin(broker: &Broker) -> AdminClient<DefaultClientContext> {
    config(broker, &[]).create().unwrap()
}

async fn grow(broker: &Broker, topic: &str, partitions: usize) {
    let new = NewPartitions::new(topic, partitions);
    let admin = admin(broker);
    let grown = admin.create_partitions([&new], &AdminOptions::new());
    assert_eq!(grown.await.unwrap(), [Ok(topic.to_owned())]);
}

/// A topic as a request lets it grow.
fn growth(name: &str, count: i32, assignments: Option<&[&[i32]]>) -> CreatePartitionsTopic {
    let assignments = assignments.map(|partitions| {
        let assigned = partitions.iter().map(|brokers| CreatePartitionsAssignment {
            broker_ids: brokers.to_vec(),
        });
        assigned.collect()
    });
    CreatePartitionsTopic {
        name: name.to_owned(),
        count,
        assignments,
    }
}

/// What became of each topic, with the sentence.
fn create_partitions(
    wire: &mut Wire,
    topics: &[CreatePartitionsTopic],
    validate_only: bool,
) -> Vec<(String, ErrorCode, String)> {
    let request = CreatePartitionsRequest {
        topics: topics.to_vec(),
        timeout_ms: 30_000,
        validate_only,
    };
    let answer: CreatePartitionsResponse = wire.call(3, &request);
    let results = answer.results.into_iter().map(|result| {
        let message = result.error_message.unwrap_or_default();
        (result.name, result.error_code, message)
    });
    results.collect()
}

/// Log start, or the error, for each partition.
fn delete_records(
    wire: &mut Wire,
    topic: &str,
    offsets: &[(i32, i64)],
) -> Vec<Result<i64, ErrorCode>> {
    let partitions = offsets
        .iter()
        .map(|&(partition_index, offset)| DeleteRecordsPartition {
            partition_index,
            offset,
        });
    let topic = DeleteRecordsTopic {
        name: topic.to_owned(),
        partitions: partitions.collect(),
    };
    let request = DeleteRecordsRequest {
        topics: vec![topic],
        timeout_ms: 30_000,
    };
    let answer: DeleteRecordsResponse = wire.call(2, &request);
    let results = answer.topics[0].partitions.iter();
    results
        .map(|result| match result.error_code {
            ErrorCode::None => Ok(result.low_watermark),
            code => Err(code),
        })
        .collect()
}

/// A member of a group, which looks for new partitions all the time.
fn member(broker: &Broker, group: &str, topic: &str) -> BaseConsumer {
    let mut settings: ClientConfig = config(broker, &[("group.id", group)]);
    settings
        .set("auto.offset.reset", "earliest")
        .set("topic.metadata.refresh.interval.ms", "200")
        .set("metadata.max.age.ms", "2000");
    let consumer: BaseConsumer = settings.create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    consumer
}

/// A reader of all partitions of a topic without a group, from this offset on.
fn reader(broker: &Broker, topic: &str, partitions: i32, offset: i64) -> BaseConsumer {
    let mut settings = config(broker, &[("group.id", "unused")]);
    settings
        .set("auto.offset.reset", "earliest")
        .set("topic.metadata.refresh.interval.ms", "200")
        .set("topic.metadata.propagation.max.ms", "500");
    let consumer: BaseConsumer = settings.create().unwrap();
    let mut from = TopicPartitionList::new();
    for partition in 0..partitions {
        from.add_partition_offset(topic, partition, Offset::Offset(offset))
            .unwrap();
    }
    consumer.assign(&from).unwrap();
    consumer
}

/// Polls until every one of these values has come.
fn consume(consumer: &BaseConsumer, mut missing: BTreeSet<String>) {
    wait::until("the group has read every record", || {
        while !missing.is_empty() {
            let message = consumer.poll(Duration::from_millis(50))?.ok()?;
            missing.remove(&*String::from_utf8_lossy(message.payload().unwrap()));
        }
        Some(())
    });
}

fn named(records: &[(Option<String>, String)]) -> BTreeSet<String> {
    records.iter().map(|(_, value)| value.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_grows_under_a_running_group_and_a_running_producer() {
    let broker = Broker::start();
    create_topic(&broker, "grows", 1, &[]).await;
    let metadata_age = [("topic.metadata.refresh.interval.ms", "200")];
    let (producer, consumer) = (
        producer(&broker, &metadata_age),
        member(&broker, "g", "grows"),
    );
    let before = values("before", 20);
    send_all(&producer, "grows", None, &before).await;
    consume(&consumer, named(&before));

    grow(&broker, "grows", 4).await;
    // Whoever was told so can use the new partitions at once.
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "grows");
    for partition in 1..4 {
        assert_eq!(
            produce(&mut wire, id, partition, batch_of(1, 10)).unwrap(),
            0
        );
    }
    let unknown = produce(&mut wire, id, 4, batch_of(1, 10)).unwrap_err();
    assert_eq!(unknown.error_code, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(watermarks(&broker, "grows", 0), (0, 20));

    // The producer that was there before finds them, and so does the group.
    let after = values("after", 20);
    let mut used = BTreeSet::new();
    let all_used = async {
        while used.len() < 4 {
            let sent = send_all(&producer, "grows", None, &after).await;
            used.extend(sent.into_iter().map(|(partition, _)| partition));
        }
    };
    tokio::time::timeout(wait::PATIENCE, all_used)
        .await
        .expect("the producer uses every partition");
    let last = values("last", 40);
    for partition in 0..4 {
        let from = 10 * usize::try_from(partition).unwrap();
        send_all(&producer, "grows", Some(partition), &last[from..from + 10]).await;
    }
    consume(&consumer, named(&last));
    assert_eq!(consumer.assignment().unwrap().count(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn growth_is_checked_topic_by_topic_and_nothing_ever_shrinks() {
    let mut broker = Broker::start();
    for topic in ["a", "b"] {
        create_topic(&broker, topic, 2, &[]).await;
    }
    let mut wire = Wire::connect(&broker);
    let asked = [
        growth("a", 3, None),
        growth("unknown", 3, None),
        growth("b", 2, None),
        growth("twice", 3, None),
        growth("twice", 4, None),
    ];
    let codes = |results: Vec<(String, ErrorCode, String)>| -> Vec<_> {
        let each = results.into_iter().map(|(name, code, message)| {
            assert_eq!(code == ErrorCode::None, message.is_empty(), "{message}");
            (name, code)
        });
        each.collect()
    };
    let found = codes(create_partitions(&mut wire, &asked, false));
    let expected = [
        ("a", ErrorCode::None),
        ("unknown", ErrorCode::UnknownTopicOrPartition),
        ("b", ErrorCode::InvalidPartitions),
        ("twice", ErrorCode::InvalidRequest),
    ];
    assert_eq!(found, expected.map(|(name, code)| (name.to_owned(), code)));

    let sentence = "The topic a currently has 3 partition(s); 2 would not be an increase.";
    let shrunk = create_partitions(&mut wire, &[growth("a", 2, None)], false);
    assert_eq!(shrunk[0].2, sentence);
    for (asked, code) in [
        (growth("a", 0, None), ErrorCode::InvalidPartitions),
        (growth("a", i32::MIN, None), ErrorCode::InvalidPartitions),
        (growth("a", i32::MAX, None), ErrorCode::PolicyViolation),
        (
            growth("a", 4, Some(&[])),
            ErrorCode::InvalidReplicaAssignment,
        ),
        (
            growth("a", 4, Some(&[&[]])),
            ErrorCode::InvalidReplicaAssignment,
        ),
        (
            growth("a", 4, Some(&[&[9]])),
            ErrorCode::InvalidReplicaAssignment,
        ),
        (
            growth("a", 4, Some(&[&[1, 1]])),
            ErrorCode::InvalidReplicaAssignment,
        ),
        (
            growth("a", 4, Some(&[&[1], &[1]])),
            ErrorCode::InvalidReplicaAssignment,
        ),
    ] {
        assert_eq!(create_partitions(&mut wire, &[asked], false)[0].1, code);
    }
    // Only checked, and then by hand.
    let by_hand = [growth("a", 5, Some(&[&[1], &[1]]))];
    assert_eq!(
        create_partitions(&mut wire, &by_hand, true)[0].1,
        ErrorCode::None
    );
    let of_a = |wire: &mut Wire, partition| {
        let id = topic_id(wire, "a");
        fetch(wire, id, partition, 0).error_code
    };
    assert_eq!(of_a(&mut wire, 3), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(
        create_partitions(&mut wire, &by_hand, false)[0].1,
        ErrorCode::None
    );
    assert_eq!(of_a(&mut wire, 4), ErrorCode::None);

    broker.kill();
    broker.start_again();
    let mut wire = Wire::connect(&broker);
    assert_eq!(of_a(&mut wire, 4), ErrorCode::None);
    assert_eq!(of_a(&mut wire, 5), ErrorCode::UnknownTopicOrPartition);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_would_be_one_metric_are_refused_and_a_deleted_one_makes_room() {
    let broker = Broker::start();
    let create = async |name: &str| {
        let topic = NewTopic::new(name, 1, TopicReplication::Fixed(1));
        let admin = admin(&broker);
        let results = admin.create_topics([&topic], &AdminOptions::new());
        results.await.unwrap().remove(0).map_err(|(_, code)| code)
    };
    create("a.b_c").await.unwrap();
    let collides = Err(RDKafkaErrorCode::InvalidTopic);
    for name in ["a_b.c", "a.b.c", "a_b_c"] {
        assert_eq!(create(name).await, collides, "{name}");
    }
    create("a-b-c").await.unwrap();
    delete_topic(&broker, "a.b_c").await;
    create("a_b.c").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_records_do_not_come_back_when_the_broker_is_killed() {
    let mut broker = Broker::start();
    create_topic(&broker, "shortened", 2, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "shortened");
    for partition in 0..2 {
        produce(&mut wire, id, partition, batch_of(10, 10)).unwrap();
    }
    // Through librdkafka, which does not let one ask for an offset out of range in two partitions.
    let mut below = TopicPartitionList::new();
    for (partition, offset) in [(0, Offset::Offset(4)), (1, Offset::End)] {
        below
            .add_partition_offset("shortened", partition, offset)
            .unwrap();
    }
    let admin = admin(&broker);
    let deleted = admin.delete_records(&below, &AdminOptions::new());
    let deleted = deleted.await.unwrap();
    let starts: Vec<_> = deleted
        .elements()
        .iter()
        .map(TopicPartitionListElem::offset)
        .collect();
    assert_eq!(starts, [Offset::Offset(4), Offset::Offset(10)]);
    for round in 0..2 {
        let mut wire = Wire::connect(&broker);
        assert_eq!(
            watermarks(&broker, "shortened", 0),
            (4, 10),
            "round {round}"
        );
        assert_eq!(watermarks(&broker, "shortened", 1), (10, 10));
        assert_eq!(offset_at(&mut wire, "shortened", EARLIEST_TIMESTAMP).0, 4);
        assert_eq!(offset_at(&mut wire, "shortened", LATEST_TIMESTAMP).0, 10);
        let before = fetch(&mut wire, id, 0, 3);
        assert_eq!(before.error_code, ErrorCode::OffsetOutOfRange);
        let from = fetch(&mut wire, id, 0, 4);
        assert_eq!((from.log_start_offset, batches(&from).len()), (4, 1));
        broker.kill();
        broker.start_again();
    }
    let mut wire = Wire::connect(&broker);
    assert_eq!(produce(&mut wire, id, 1, batch_of(1, 10)).unwrap(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_deleted_up_to_the_high_watermark_and_only_where_the_topic_allows_it() {
    let broker = Broker::start();
    create_topic(&broker, "plain", 2, &[]).await;
    create_topic(&broker, "compacted", 1, &[("cleanup.policy", "compact")]).await;
    create_topic(&broker, "both", 1, &[("cleanup.policy", "compact,delete")]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "plain");
    produce(&mut wire, id, 0, batch_of(5, 10)).unwrap();
    let out_of_range = Err(ErrorCode::OffsetOutOfRange);
    let unknown = Err(ErrorCode::UnknownTopicOrPartition);
    let asked = [
        (0, 6),
        (0, -2),
        (0, 2),
        (0, 1),
        (1, 0),
        (1, 1),
        (2, 0),
        (-1, 0),
    ];
    let expected = [
        out_of_range,
        out_of_range,
        Ok(2),
        Ok(2),
        Ok(0),
        out_of_range,
        unknown,
        unknown,
    ];
    assert_eq!(delete_records(&mut wire, "plain", &asked), expected);
    let all = [(0, TO_HIGH_WATERMARK)];
    assert_eq!(delete_records(&mut wire, "plain", &all), [Ok(5)]);
    assert_eq!(delete_records(&mut wire, "unknown", &all), [unknown]);
    assert_eq!(delete_records(&mut wire, "both", &all), [Ok(0)]);
    let refused = delete_records(&mut wire, "compacted", &all);
    assert_eq!(refused, [Err(ErrorCode::PolicyViolation)]);
    // What the groups committed is nobody's to delete but the broker's.
    let request = FindCoordinatorRequest {
        coordinator_keys: vec!["g".to_owned()],
        ..Default::default()
    };
    let found: FindCoordinatorResponse = wire.call(4, &request);
    assert_eq!(found.coordinators[0].error_code, ErrorCode::None);
    let refused = delete_records(&mut wire, "__consumer_offsets", &all);
    assert_eq!(refused, [Err(ErrorCode::InvalidTopicException)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_deleted_records_go_with_the_next_retention_check() {
    const SEGMENT: &str = "1048576";
    let broker = Broker::start_with(&[
        ("log.retention.check.interval.ms", "100"),
        ("log.segment.delete.delay.ms", "0"),
    ]);
    create_topic(&broker, "large", 1, &[("segment.bytes", SEGMENT)]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "large");
    for _ in 0..40 {
        produce(&mut wire, id, 0, batch_of(1, 100_000)).unwrap();
    }
    let bytes = || -> u64 {
        let entries = fs::read_dir(broker.log_dir().join("large-0")).unwrap();
        let files = entries.filter_map(|entry| entry.unwrap().metadata().ok());
        files.map(|file| file.len()).sum()
    };
    assert!(3_500_000 < bytes());
    let all = [(0, TO_HIGH_WATERMARK)];
    assert_eq!(delete_records(&mut wire, "large", &all), [Ok(40)]);
    // The segment in use stays.
    wait::until("the files are gone", || (bytes() < 2_100_000).then_some(()));
    assert_eq!(produce(&mut wire, id, 0, batch_of(1, 10)).unwrap(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_whose_records_are_deleted_goes_on_at_the_new_start() {
    let broker = Broker::start();
    create_topic(&broker, "overtaken", 1, &[]).await;
    let producer = producer(&broker, &[]);
    let first = values("first", 10);
    send_all(&producer, "overtaken", Some(0), &first).await;
    let mut wire = Wire::connect(&broker);
    assert_eq!(delete_records(&mut wire, "overtaken", &[(0, 8)]), [Ok(8)]);
    let consumer = reader(&broker, "overtaken", 1, 3);
    consume(&consumer, named(&first[8..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_deleted_while_it_is_consumed_and_produced_to_is_gone_for_both() {
    let broker = Broker::start_with(&[("auto.create.topics.enable", "false")]);
    create_topic(&broker, "gone", 2, &[]).await;
    create_topic(&broker, "stays", 1, &[]).await;
    let producer = producer(&broker, &[("message.timeout.ms", "5000")]);
    let consumer = reader(&broker, "gone", 2, 0);
    let records = values("value", 10);
    send_all(&producer, "gone", None, &records).await;
    consume(&consumer, named(&records));
    delete_topic(&broker, "gone").await;
    wait::until("the consumer is told", || {
        let error = consumer.poll(Duration::from_millis(50))?.err()?;
        let unknown = [
            RDKafkaErrorCode::UnknownTopicOrPartition,
            RDKafkaErrorCode::UnknownTopic,
        ];
        error
            .rdkafka_error_code()
            .filter(|code| unknown.contains(code))
    });
    let mut wire = Wire::connect(&broker);
    let all = [(0, TO_HIGH_WATERMARK)];
    let unknown = Err(ErrorCode::UnknownTopicOrPartition);
    assert_eq!(delete_records(&mut wire, "gone", &all), [unknown]);
    let regrown = create_partitions(&mut wire, &[growth("gone", 3, None)], false);
    assert_eq!(regrown[0].1, ErrorCode::UnknownTopicOrPartition);
    send_all(&producer, "stays", None, &records).await;
    // The next topic of the name begins empty.
    create_topic(&broker, "gone", 1, &[]).await;
    assert_eq!(watermarks(&broker, "gone", 0), (0, 0));
}
