//! What all cases use: clients with their settings, the topic of the case, records in and out.

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail, ensure};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    message::OwnedMessage,
    producer::{FutureProducer, FutureRecord},
};

/// How long one call may take.
pub(crate) const CALL: Duration = Duration::from_secs(30);
const CASE: Duration = Duration::from_mins(1);

pub(crate) type Record<'a> = FutureRecord<'a, [u8], [u8]>;

/// The broker under test, and the names and the time of one case.
pub(crate) struct Client {
    pub(crate) bootstrap: String,
    /// Of the case's topic and group.
    pub(crate) name: String,
    pub(crate) admin: AdminClient<DefaultClientContext>,
    /// Of the first record of [`Client::produce_values`]; young enough not to be deleted for age.
    pub(crate) first_timestamp: i64,
    deadline: Instant,
}

impl Client {
    pub(crate) fn new(bootstrap: String, name: String) -> anyhow::Result<Self> {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
        Ok(Self {
            first_timestamp: now_ms - 60_000,
            admin: config(&bootstrap).create()?,
            bootstrap,
            name,
            deadline: Instant::now() + CASE,
        })
    }

    /// Fails once the time of the case is over.
    pub(crate) fn check_time(&self, what: &str) -> anyhow::Result<()> {
        ensure!(Instant::now() < self.deadline, "{what}");
        Ok(())
    }

    /// Creates the topic of the case and waits until each partition has a leader who answers.
    pub(crate) async fn create_topic(
        &self,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let mut topic = NewTopic::new(&self.name, partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let options = AdminOptions::new();
        only(self.admin.create_topics([&topic], &options).await?)?;
        let answers = |partition| {
            let watermarks = self
                .admin
                .inner()
                .fetch_watermarks(&self.name, partition, CALL);
            watermarks.is_ok()
        };
        while !(0..partitions).all(answers) {
            self.check_time("the topic has no leaders")?;
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub(crate) fn partition_count(&self) -> anyhow::Result<usize> {
        let metadata = self.admin.inner().fetch_metadata(Some(&self.name), CALL)?;
        let topic = metadata
            .topics()
            .first()
            .context("the topic is described")?;
        Ok(topic.partitions().len())
    }

    /// Sends the records and waits until all are acknowledged.
    pub(crate) async fn produce(
        &self,
        records: Vec<Record<'_>>,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let mut config = config(&self.bootstrap);
        config.set("linger.ms", "5");
        config.set("message.timeout.ms", "30000");
        config.set("message.max.bytes", "2000000");
        for &(key, value) in settings {
            config.set(key, value);
        }
        let producer: FutureProducer = config.create()?;
        let mut sent = Vec::new();
        for record in records {
            sent.push(producer.send_result(record).map_err(|(error, _)| error)?);
        }
        for acknowledgement in sent {
            acknowledgement.await?.map_err(|(error, _)| error)?;
        }
        Ok(())
    }

    /// `value-0`, `value-1`, … into partition 0, a second apart.
    pub(crate) async fn produce_values(&self, count: i64) -> anyhow::Result<()> {
        let values: Vec<_> = (0..count).map(|i| format!("value-{i}")).collect();
        let mut records = Vec::new();
        for (i, value) in values.iter().enumerate() {
            let record = FutureRecord::to(&self.name)
                .partition(0)
                .timestamp(self.first_timestamp + i as i64 * 1000)
                .payload(value.as_bytes());
            records.push(record);
        }
        self.produce(records, &[]).await
    }

    /// The settings of a consumer that looks for commits, and begins at the first record.
    pub(crate) fn consumer_config(&self, settings: &[(&str, &str)]) -> ClientConfig {
        let mut config = config(&self.bootstrap);
        config.set("group.id", &self.name);
        config.set("enable.auto.commit", "false");
        config.set("auto.offset.reset", "earliest");
        config.set("session.timeout.ms", "6000");
        config.set("heartbeat.interval.ms", "500");
        for &(key, value) in settings {
            config.set(key, value);
        }
        config
    }

    pub(crate) fn consumer(&self) -> anyhow::Result<BaseConsumer> {
        Ok(self.consumer_config(&[]).create()?)
    }

    /// A consumer that joined the group of the case.
    pub(crate) fn subscriber(&self) -> anyhow::Result<BaseConsumer> {
        let consumer = self.consumer()?;
        consumer.subscribe(&[&self.name])?;
        Ok(consumer)
    }

    /// The next `count` messages.
    pub(crate) fn read<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        count: usize,
    ) -> anyhow::Result<Vec<OwnedMessage>> {
        let mut messages = Vec::new();
        while messages.len() < count {
            self.check_time(&format!("{} of {count} records came", messages.len()))?;
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                messages.push(message?.detach());
            }
        }
        Ok(messages)
    }

    /// Messages of one partition from an offset, without a group.
    pub(crate) fn read_from(
        &self,
        partition: i32,
        offset: i64,
        count: usize,
    ) -> anyhow::Result<Vec<OwnedMessage>> {
        let consumer = self.consumer()?;
        consumer.assign(&self.at(partition, offset)?)?;
        self.read(&consumer, count)
    }

    /// One partition of the topic, at an offset.
    pub(crate) fn at(&self, partition: i32, offset: i64) -> anyhow::Result<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition, Offset::Offset(offset))?;
        Ok(list)
    }
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

/// The one result of an admin call that was given one thing.
pub(crate) fn only<T, N: std::fmt::Debug>(
    results: Vec<Result<T, (N, rdkafka::types::RDKafkaErrorCode)>>,
) -> anyhow::Result<T> {
    match results.into_iter().next() {
        Some(Ok(result)) => Ok(result),
        Some(Err((_, code))) => Err(code.into()),
        None => bail!("no result"),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "calls read like a sentence")]
pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> anyhow::Result<()> {
    ensure!(found == expected, "expected {expected:?}, found {found:?}");
    Ok(())
}

pub(crate) fn value(message: &OwnedMessage) -> String {
    String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned()
}
