//! librdkafka as these tests use it.

use std::{collections::BTreeMap, time::Duration};

use odradek_protocol::{
    Uuid,
    messages::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse},
};
use odradek_tests::{broker::Broker, wait};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    producer::{FutureProducer, FutureRecord},
    types::RDKafkaErrorCode,
};

use crate::wire::Wire;

/// A record as a test compares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Vec<u8>,
}

/// A client configuration for this broker; `settings` are librdkafka's.
pub(crate) fn config(broker: &Broker, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", broker.bootstrap())
        .set("broker.address.family", "v4")
        .set("reconnect.backoff.ms", "20")
        .set("reconnect.backoff.max.ms", "200");
    for &(key, value) in settings {
        config.set(key, value);
    }
    config
}

pub(crate) fn producer(broker: &Broker, settings: &[(&str, &str)]) -> FutureProducer {
    config(broker, settings).create().unwrap()
}

/// Creates a topic with one replica and these configuration entries.
pub(crate) async fn create_topic(
    broker: &Broker,
    name: &str,
    partitions: i32,
    entries: &[(&str, &str)],
) {
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for &(key, value) in entries {
        topic = topic.set(key, value);
    }
    assert_eq!(create(broker, &topic).await, Ok(()));
}

/// Creates a topic of one partition, or says why that is not possible.
pub(crate) async fn try_create_topic(broker: &Broker, name: &str) -> Result<(), RDKafkaErrorCode> {
    create(broker, &NewTopic::new(name, 1, TopicReplication::Fixed(1))).await
}

async fn create(broker: &Broker, topic: &NewTopic<'_>) -> Result<(), RDKafkaErrorCode> {
    let admin: AdminClient<DefaultClientContext> = config(broker, &[]).create().unwrap();
    let results = admin.create_topics([topic], &AdminOptions::new()).await;
    let result = results.unwrap().remove(0);
    result.map(drop).map_err(|(_, code)| code)
}

pub(crate) async fn delete_topic(broker: &Broker, name: &str) {
    let admin: AdminClient<DefaultClientContext> = config(broker, &[]).create().unwrap();
    let results = admin
        .delete_topics(&[name], &AdminOptions::new())
        .await
        .unwrap();
    assert_eq!(results, [Ok(name.to_owned())]);
}

/// The id of a topic; all zeros if there is none of that name.
pub(crate) fn topic_id(wire: &mut Wire, name: &str) -> Uuid {
    let topic = MetadataRequestTopic {
        name: Some(name.to_owned()),
        ..Default::default()
    };
    let request = MetadataRequest {
        topics: Some(vec![topic]),
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    let answer: MetadataResponse = wire.call(12, &request);
    answer.topics[0].topic_id
}

/// Sends records one after the other without waiting in between, then waits for all of them.
/// Returns partition and offset of each.
pub(crate) async fn send_all(
    producer: &FutureProducer,
    topic: &str,
    partition: Option<i32>,
    records: &[(Option<String>, String)],
) -> Vec<(i32, i64)> {
    let mut sent = Vec::new();
    for (key, value) in records {
        let mut record = FutureRecord::<String, String>::to(topic).payload(value);
        if let Some(key) = key {
            record = record.key(key);
        }
        if let Some(partition) = partition {
            record = record.partition(partition);
        }
        sent.push(
            producer
                .send_result(record)
                .map_err(|(error, _)| error)
                .unwrap(),
        );
    }
    let mut delivered = Vec::new();
    for delivery in sent {
        let delivery = delivery.await.unwrap().map_err(|(error, _)| error).unwrap();
        delivered.push((delivery.partition, delivery.offset));
    }
    delivered
}

/// Reads one partition from `from` until `count` records have come.
pub(crate) fn read(
    broker: &Broker,
    topic: &str,
    partition: i32,
    from: i64,
    count: usize,
) -> Vec<Record> {
    let consumer: BaseConsumer = config(
        broker,
        &[
            ("group.id", "unused"),
            ("enable.auto.commit", "false"),
            ("check.crcs", "true"),
        ],
    )
    .create()
    .unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(topic, partition, Offset::Offset(from))
        .unwrap();
    consumer.assign(&assignment).unwrap();
    let mut records = Vec::new();
    wait::until("all records are consumed", || {
        while records.len() < count {
            let message = consumer.poll(Duration::from_millis(50))?.ok()?;
            records.push(Record {
                offset: message.offset(),
                key: message.key().map(<[u8]>::to_vec),
                value: message.payload().unwrap_or_default().to_vec(),
            });
        }
        Some(())
    });
    records
}

/// Log start and high watermark of a partition.
pub(crate) fn watermarks(broker: &Broker, topic: &str, partition: i32) -> (i64, i64) {
    let consumer: BaseConsumer = config(broker, &[]).create().unwrap();
    consumer
        .fetch_watermarks(topic, partition, Duration::from_secs(20))
        .unwrap()
}

/// `count` records without keys: `PREFIX-0`, `PREFIX-1`, ….
pub(crate) fn values(prefix: &str, count: usize) -> Vec<(Option<String>, String)> {
    (0..count)
        .map(|number| (None, format!("{prefix}-{number}")))
        .collect()
}

/// The values of all records by key, each in the order of their offsets.
pub(crate) fn by_key(records: &[Record]) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
    let mut by_key: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for record in records {
        let key = record.key.clone().unwrap_or_default();
        by_key.entry(key).or_default().push(record.value.clone());
    }
    by_key
}
