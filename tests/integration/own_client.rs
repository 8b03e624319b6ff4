//! The project's own client against the real broker, with librdkafka at the other end.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use odradek_client::{
    Address, Admin, ClientConfig, Consumer, Error, ErrorCode, Producer, Properties,
    admin::{
        offsets::OffsetSpec,
        topics::{NewPartitions, NewTopic},
    },
    consumer::{
        config::{ConsumerConfig, OffsetReset},
        record::ConsumerRecord,
    },
    producer::{config::ProducerConfig, record::ProducerRecord},
};
use odradek_tests::broker::Broker;
use tokio::time::timeout;

use crate::client;

const PATIENCE: Duration = odradek_tests::wait::PATIENCE;

fn cluster(broker: &Broker) -> ClientConfig {
    ClientConfig::new(Address::parse_list(&broker.bootstrap()).unwrap())
}

fn producer(broker: &Broker, properties: &[(&str, &str)]) -> Producer {
    let properties: Properties = properties.iter().copied().collect();
    let properties = properties.with("bootstrap.servers", broker.bootstrap());
    Producer::new(ProducerConfig::from_properties(properties).unwrap())
}

fn consumer(broker: &Broker) -> Consumer {
    Consumer::new(ConsumerConfig {
        offset_reset: OffsetReset::Earliest,
        ..ConsumerConfig::new(cluster(broker))
    })
}

async fn create(broker: &Broker, topic: &str, partitions: i32) {
    let admin = Admin::new(cluster(broker));
    let topics = vec![NewTopic::new(topic).partitions(partitions)];
    for (_, created) in admin.create_topics(topics).await.unwrap() {
        created.unwrap();
    }
}

/// Polls until so many records have come.
async fn read(consumer: &mut Consumer, count: usize) -> Vec<ConsumerRecord> {
    let mut records = Vec::new();
    let all = async {
        while records.len() < count {
            records.extend(consumer.poll(PATIENCE).await.unwrap());
        }
    };
    timeout(PATIENCE, all).await.expect("all records come");
    records
}

fn values(records: &[ConsumerRecord]) -> Vec<String> {
    let value = |record: &ConsumerRecord| {
        String::from_utf8(record.value.clone().unwrap_or_default().to_vec()).unwrap()
    };
    records.iter().map(value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_survive_kills_of_the_broker_once_each_and_in_order() {
    let mut broker = Broker::start();
    create(&broker, "kept", 2).await;
    let producer = Arc::new(producer(
        &broker,
        &[("linger.ms", "0"), ("batch.size", "500")],
    ));
    let enough = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn({
        let (producer, enough) = (Arc::clone(&producer), Arc::clone(&enough));
        async move {
            let mut deliveries = Vec::new();
            while !enough.load(Ordering::Relaxed) {
                let number = deliveries.len();
                let record = ProducerRecord::new("kept", number.to_string());
                let record = record.partition((number % 2) as i32);
                deliveries.push(producer.send(record).await.unwrap());
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
            deliveries
        }
    });
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        broker.kill();
        broker.start_again();
    }
    enough.store(true, Ordering::Relaxed);
    let deliveries = sending.await.unwrap();
    let count = deliveries.len();
    for delivery in deliveries {
        timeout(PATIENCE, delivery.wait()).await.unwrap().unwrap();
    }
    let mut consumer = consumer(&broker);
    let both = [("kept".to_owned(), 0), ("kept".to_owned(), 1)];
    consumer.assign(&both).unwrap();
    let records = read(&mut consumer, count).await;
    for partition in 0..2 {
        let of_partition = records
            .iter()
            .filter(|record| record.partition == partition);
        let of_partition: Vec<_> = of_partition.cloned().collect();
        let expected = (0..count).filter(|number| number % 2 == partition as usize);
        let expected: Vec<_> = expected.map(|number| number.to_string()).collect();
        assert!(
            values(&of_partition) == expected,
            "partition {partition} of {count}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_codec_is_read_by_librdkafka_and_by_this_client() {
    let broker = Broker::start();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        create(&broker, codec, 1).await;
        let producer = producer(&broker, &[("compression.type", codec)]);
        let mut deliveries = Vec::new();
        for number in 0..500 {
            let record = ProducerRecord::new(codec, format!("value {number}")).key("key");
            deliveries.push(producer.send(record.header("h", "1")).await.unwrap());
        }
        for (number, delivery) in (0..).zip(deliveries) {
            assert_eq!(delivery.wait().await.unwrap().offset, Some(number));
        }
        producer.close().await.unwrap();
        let theirs = client::read(&broker, codec, 0, 0, 500);
        let theirs: Vec<_> = theirs.into_iter().map(|record| record.value).collect();
        let mut consumer = consumer(&broker);
        consumer.assign(&[(codec.to_owned(), 0)]).unwrap();
        let ours = read(&mut consumer, 500).await;
        assert!(ours.iter().all(|record| record.headers.len() == 1));
        let expected: Vec<_> = (0..500).map(|number| format!("value {number}")).collect();
        assert_eq!(values(&ours), expected);
        assert!(
            theirs
                .iter()
                .zip(&expected)
                .all(|(it, expected)| it == expected.as_bytes())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_leads_to_the_partition_where_librdkafkas_murmur2_finds_it() {
    let broker = Broker::start();
    create(&broker, "keyed", 7).await;
    let theirs = client::producer(&broker, &[("partitioner", "murmur2")]);
    let ours = producer(&broker, &[]);
    for number in 0..100 {
        let key = format!("key-{}", "x".repeat(number % 9) + &number.to_string());
        let sent = vec![(Some(key.clone()), "v".to_owned())];
        let their_partition = client::send_all(&theirs, "keyed", None, &sent).await[0].0;
        let record = ProducerRecord::new("keyed", "v").key(key.clone());
        let delivery = ours.send(record).await.unwrap();
        ours.flush().await;
        assert_eq!(
            delivery.wait().await.unwrap().partition,
            their_partition,
            "{key}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_memory_holds_senders_up_for_max_block_ms_and_no_longer() {
    let mut broker = Broker::start();
    create(&broker, "held", 1).await;
    let settings = [("buffer.memory", "2000"), ("max.block.ms", "300")];
    let producer = producer(&broker, &settings);
    let first = producer
        .send(ProducerRecord::new("held", "first"))
        .await
        .unwrap();
    first.wait().await.unwrap();
    broker.kill();
    let mut held = None;
    for _ in 0..100 {
        if let Err(error) = producer
            .send(ProducerRecord::new("held", vec![0; 500]))
            .await
        {
            held = Some(error);
            break;
        }
    }
    assert!(matches!(held, Some(Error::TimedOut { .. })), "{held:?}");
    broker.start_again();
    // What was taken goes out, and there is room again.
    producer.flush().await;
    let last = producer
        .send(ProducerRecord::new("held", "last"))
        .await
        .unwrap();
    timeout(PATIENCE, last.wait()).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_larger_than_the_topic_takes_are_sent_in_parts() {
    let broker = Broker::start();
    let admin = Admin::new(cluster(&broker));
    let topic = NewTopic::new("narrow")
        .partitions(1)
        .config("max.message.bytes", "2000");
    admin
        .create_topics(vec![topic])
        .await
        .unwrap()
        .remove(0)
        .1
        .unwrap();
    let producer = producer(&broker, &[("linger.ms", "50")]);
    let mut deliveries = Vec::new();
    for number in 0..300 {
        let value = format!("{number:0>100}");
        let record = ProducerRecord::new("narrow", value);
        deliveries.push(producer.send(record).await.unwrap());
    }
    for (number, delivery) in (0..).zip(deliveries) {
        let metadata = timeout(PATIENCE, delivery.wait()).await.unwrap().unwrap();
        assert_eq!(metadata.offset, Some(number));
    }
    let alone = producer
        .send(ProducerRecord::new("narrow", vec![0; 2000]))
        .await
        .unwrap();
    let refused = timeout(PATIENCE, alone.wait()).await.unwrap().unwrap_err();
    assert_eq!(
        refused.code(),
        Some(ErrorCode::MessageTooLarge),
        "{refused}"
    );
    let behind = producer
        .send(ProducerRecord::new("narrow", "behind"))
        .await
        .unwrap();
    assert_eq!(behind.wait().await.unwrap().offset, Some(300));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_new_is_found_without_waiting_for_the_metadatas_age() {
    let broker = Broker::start();
    create(&broker, "grows", 1).await;
    let producer = producer(&broker, &[]);
    let first = producer
        .send(ProducerRecord::new("grows", "0"))
        .await
        .unwrap();
    first.wait().await.unwrap();
    let more = NewPartitions {
        topic: "grows".to_owned(),
        total: 3,
        assignments: Vec::new(),
    };
    let admin = Admin::new(cluster(&broker));
    admin
        .create_partitions(vec![more])
        .await
        .unwrap()
        .remove(0)
        .1
        .unwrap();
    let record = ProducerRecord::new("grows", "2").partition(2);
    let delivery = producer.send(record).await.unwrap();
    assert_eq!(delivery.wait().await.unwrap().partition, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_refused_with_the_reason() {
    let broker = Broker::start_with(&[("auto.create.topics.enable", "false")]);
    create(&broker, "small", 1).await;
    let settings = [("max.request.size", "1000"), ("max.block.ms", "500")];
    let producer = producer(&broker, &settings);
    let send = async |record| producer.send(record).await.err();
    let large = send(ProducerRecord::new("small", vec![0; 1000])).await;
    assert!(
        matches!(large, Some(Error::RecordTooLarge { .. })),
        "{large:?}"
    );
    let beyond = send(ProducerRecord::new("small", "v").partition(1)).await;
    assert!(
        matches!(beyond, Some(Error::NoPartition { .. })),
        "{beyond:?}"
    );
    let unknown = send(ProducerRecord::new("nowhere", "v")).await.unwrap();
    assert_eq!(
        unknown.code(),
        Some(ErrorCode::UnknownTopicOrPartition),
        "{unknown}"
    );
    let invalid = send(ProducerRecord::new("no topic!", "v")).await.unwrap();
    assert_eq!(
        invalid.code(),
        Some(ErrorCode::InvalidTopicException),
        "{invalid}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_are_moved_partitions_pause_and_offsets_are_found() {
    let broker = Broker::start();
    create(&broker, "moved", 2).await;
    let producer = producer(&broker, &[]);
    for number in 0..20 {
        let mut record = ProducerRecord::new("moved", number.to_string()).partition(number % 2);
        record.timestamp_ms = Some(1_000 + i64::from(number));
        let _ = producer.send(record).await.unwrap();
    }
    producer.close().await.unwrap();

    let mut consumer = consumer(&broker);
    let places = [("moved".to_owned(), 0), ("moved".to_owned(), 1)];
    consumer.assign(&places).unwrap();
    assert_eq!(read(&mut consumer, 20).await.len(), 20);
    assert_eq!(consumer.position("moved", 1), Some(10));

    consumer.pause("moved", 0).unwrap();
    consumer.seek("moved", 0, 0).unwrap();
    consumer.seek("moved", 1, 7).unwrap();
    assert_eq!(values(&read(&mut consumer, 3).await), ["15", "17", "19"]);
    consumer.resume("moved", 0).unwrap();
    assert_eq!(values(&read(&mut consumer, 10).await)[9], "18");
    assert!(matches!(
        consumer.seek("moved", 2, 0),
        Err(Error::NotAssigned { .. })
    ));

    // Out of range: back to where auto.offset.reset says.
    consumer.seek("moved", 0, 1_000).unwrap();
    assert_eq!(values(&read(&mut consumer, 10).await)[0], "0");
    consumer
        .seek_to("moved", 0, OffsetSpec::Timestamp(1_015))
        .unwrap();
    assert_eq!(values(&read(&mut consumer, 2).await), ["16", "18"]);

    let wanted = places
        .clone()
        .map(|place| (place, OffsetSpec::Timestamp(1_009)));
    let found = consumer.offsets(&BTreeMap::from(wanted)).await;
    let offset = |place| found.get(place).unwrap().as_ref().unwrap().offset;
    assert_eq!(places.each_ref().map(offset), [Some(5), Some(4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_described_grown_and_deleted() {
    let broker = Broker::start();
    let admin = Admin::new(cluster(&broker));
    let topics = vec![
        NewTopic::new("t")
            .partitions(2)
            .config("retention.ms", "1000"),
        NewTopic::new("bad name!"),
    ];
    let mut created = admin.create_topics(topics.clone()).await.unwrap();
    let refused = created.pop().unwrap().1.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::InvalidTopicException));
    assert_eq!(created.pop().unwrap().1.unwrap().partitions, Some(2));
    let again = admin
        .create_topics(topics)
        .await
        .unwrap()
        .remove(0)
        .1
        .unwrap_err();
    assert_eq!(again.code(), Some(ErrorCode::TopicAlreadyExists));
    assert!(!again.retriable());

    let total = |total| NewPartitions {
        topic: "t".to_owned(),
        total,
        assignments: Vec::new(),
    };
    let shrunk = admin
        .create_partitions(vec![total(1)])
        .await
        .unwrap()
        .remove(0)
        .1;
    assert_eq!(
        shrunk.unwrap_err().code(),
        Some(ErrorCode::InvalidPartitions)
    );
    admin
        .create_partitions(vec![total(5)])
        .await
        .unwrap()
        .remove(0)
        .1
        .unwrap();
    let names = ["t".to_owned()];
    let described = admin
        .describe_topics(&names)
        .await
        .unwrap()
        .remove(0)
        .1
        .unwrap();
    assert_eq!(described.partitions.len(), 5);

    admin
        .delete_topics(&names)
        .await
        .unwrap()
        .remove(0)
        .1
        .unwrap();
    let gone = admin
        .describe_topics(&names)
        .await
        .unwrap()
        .remove(0)
        .1
        .unwrap_err();
    assert_eq!(gone.code(), Some(ErrorCode::UnknownTopicOrPartition));
    assert!(!admin.list_topics().await.unwrap().contains_key("t"));
}
