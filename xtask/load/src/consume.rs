//! A topic from its beginning to its end, by assigned partitions: no group, no waiting for one.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use serde_json::{Value, json};

use crate::client;

/// A consumer that gets nothing for this long has lost its broker.
const SILENCE_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    topic: String,
    /// Stop after this many bytes of values, if the topic holds more.
    #[arg(long)]
    bytes: u64,
}

pub(crate) fn run(broker: &str, arguments: &Arguments) -> anyhow::Result<Value> {
    let consumer = assigned(broker, &arguments.topic)?;
    let (begin, cpu) = (Instant::now(), client::cpu_seconds()?);
    let (mut records, mut bytes) = (0u64, 0u64);
    while bytes < arguments.bytes {
        let message = consumer
            .poll(SILENCE_MAX)
            .context("the broker sends nothing any more")??;
        bytes += message.payload().map_or(0, <[u8]>::len) as u64;
        records += 1;
    }
    Ok(json!({
        "records": records,
        "bytes": bytes,
        "seconds": begin.elapsed().as_secs_f64(),
        "client_cpu_seconds": client::cpu_seconds()? - cpu,
    }))
}

/// A consumer of all partitions of a topic from their beginning.
pub(crate) fn assigned(broker: &str, topic: &str) -> anyhow::Result<BaseConsumer> {
    let mut config = client::config(broker);
    // librdkafka wants a group's name even where no group is used.
    config
        .set("group.id", "load")
        .set("enable.auto.commit", "false");
    config.set("queued.min.messages", "1000000");
    let consumer: BaseConsumer = config.create()?;
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(30))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let partitions = found.map_or(0, |found| found.partitions().len());
    ensure!(0 < partitions, "there is no topic {topic}");
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions as i32 {
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    Ok(consumer)
}
