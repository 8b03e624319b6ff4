//! The same by this project's own client: to compare it with librdkafka and others.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::ensure;
use bytes::Bytes;
use odradek_client::{
    Consumer, Producer, Properties,
    consumer::config::ConsumerConfig,
    producer::{config::ProducerConfig, delivery::Delivery, record::ProducerRecord},
};
use serde_json::Value;

use crate::{client, consume, produce};

/// Records whose outcome nobody has looked at yet: more than `buffer.memory` holds.
const DELIVERIES_MAX: usize = 500_000;

pub(crate) fn produce(broker: &str, arguments: &produce::Arguments) -> anyhow::Result<Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(produce_all(broker, arguments))
}

async fn produce_all(broker: &str, arguments: &produce::Arguments) -> anyhow::Result<Value> {
    let mut properties: Properties = [
        ("bootstrap.servers", broker.to_owned()),
        ("linger.ms", arguments.linger_ms.to_string()),
        ("buffer.memory", client::BUFFER_BYTES.to_string()),
    ]
    .into_iter()
    .collect();
    if let Some(bytes) = arguments.batch_bytes {
        properties = properties.with("batch.size", bytes.to_string());
    }
    let producer = Producer::new(ProducerConfig::from_properties(properties)?);
    let value = Bytes::from(produce::incompressible(arguments.size));
    let topic = Arc::from(arguments.topic.as_str());
    send(
        &producer,
        &topic,
        &value,
        arguments.records_of(arguments.warm_up),
    )
    .await?;
    let records = arguments.records_of(arguments.bytes);
    let (begin, cpu) = (Instant::now(), client::cpu_seconds()?);
    send(&producer, &topic, &value, records).await?;
    client::report(records, records * arguments.size as u64, begin, cpu)
}

/// Sends so many records, and waits until all are acknowledged.
async fn send(
    producer: &Producer,
    topic: &Arc<str>,
    value: &Bytes,
    records: u64,
) -> anyhow::Result<()> {
    let mut deliveries = VecDeque::<Delivery>::new();
    for _ in 0..records {
        let record = ProducerRecord::new(Arc::clone(topic), value.clone());
        deliveries.push_back(producer.send(record).await?);
        if DELIVERIES_MAX <= deliveries.len()
            && let Some(first) = deliveries.pop_front()
        {
            first.wait().await?;
        }
    }
    producer.flush().await;
    for delivery in deliveries {
        delivery.wait().await?;
    }
    Ok(())
}

pub(crate) fn consume(broker: &str, arguments: &consume::Arguments) -> anyhow::Result<Value> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(consume_all(broker, arguments))
}

async fn consume_all(broker: &str, arguments: &consume::Arguments) -> anyhow::Result<Value> {
    let properties: Properties = [
        ("bootstrap.servers", broker),
        ("auto.offset.reset", "earliest"),
    ]
    .into_iter()
    .collect();
    let mut consumer = Consumer::new(ConsumerConfig::from_properties(properties)?);
    let partitions = (0..arguments.partitions).map(|it| (arguments.topic.clone(), it));
    consumer.assign(&partitions.collect::<Vec<_>>())?;
    read(&mut consumer, arguments.warm_up).await?;
    let (begin, cpu) = (Instant::now(), client::cpu_seconds()?);
    let (records, bytes) = read(&mut consumer, arguments.bytes).await?;
    client::report(records, bytes, begin, cpu)
}

/// Reads at least so many bytes of values. Returns how many records and bytes it were.
async fn read(consumer: &mut Consumer, bytes_wanted: u64) -> anyhow::Result<(u64, u64)> {
    let (mut records, mut bytes) = (0, 0);
    let mut silent_since = Instant::now();
    while bytes < bytes_wanted {
        let polled = consumer.poll(Duration::from_secs(1)).await?;
        if !polled.is_empty() {
            silent_since = Instant::now();
        }
        let is_silent = consume::SILENCE_MAX < silent_since.elapsed();
        ensure!(!is_silent, "the broker sends nothing any more");
        records += polled.len() as u64;
        let values = polled
            .iter()
            .map(|it| it.value.as_ref().map_or(0, Bytes::len) as u64);
        bytes += values.sum::<u64>();
    }
    Ok((records, bytes))
}
