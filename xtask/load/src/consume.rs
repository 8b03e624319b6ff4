//! A topic from its beginning to its end, by assigned partitions: no group, no waiting for one.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use serde_json::Value;

use crate::client;

/// A consumer that gets nothing for this long has lost its broker.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    pub(crate) topic: String,
    /// Bytes of values before the clock starts.
    #[arg(long, default_value_t = 0)]
    pub(crate) warm_up: u64,
    /// Stop after this many bytes of values more, if the topic holds more.
    #[arg(long)]
    pub(crate) bytes: u64,
    /// How many partitions the topic has.
    #[arg(long, default_value_t = 6)]
    pub(crate) partitions: i32,
}

pub(crate) fn run(broker: &str, arguments: &Arguments) -> anyhow::Result<Value> {
    let consumer = assigned(broker, &arguments.topic)?;
    read(&consumer, arguments.warm_up)?;
    let (begin, cpu) = (Instant::now(), client::cpu_seconds()?);
    let (records, bytes) = read(&consumer, arguments.bytes)?;
    client::report(records, bytes, begin, cpu)
}

/// Reads at least so many bytes of values. Returns how many records and bytes it were.
fn read(consumer: &BaseConsumer, bytes_wanted: u64) -> anyhow::Result<(u64, u64)> {
    let (mut records, mut bytes) = (0, 0);
    while bytes < bytes_wanted {
        let message = consumer
            .poll(SILENCE_MAX)
            .context("the broker sends nothing any more")??;
        bytes += message.payload().map_or(0, <[u8]>::len) as u64;
        records += 1;
    }
    Ok((records, bytes))
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
