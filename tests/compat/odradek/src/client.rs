//! What all cases use: clients with their settings, the topic of the case, records in and out.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail, ensure};
use odradek_client::{
    Admin, ClientConfig, Consumer, Error, ErrorCode, Producer, Properties,
    admin::{
        offsets::{FoundOffset, OffsetSpec},
        topics::{ByTopic, NewTopic},
    },
    consumer::{config::ConsumerConfig, record::ConsumerRecord},
    producer::{config::ProducerConfig, record::ProducerRecord},
};

/// How long one poll waits: short, so that members of one group take turns.
pub(crate) const SHORT: Duration = Duration::from_millis(50);
const CASE: Duration = Duration::from_mins(1);

/// Keys of a configuration and their values.
pub(crate) type Settings<'a> = &'a [(&'a str, &'a str)];

/// The broker under test, and the names and the time of one case.
pub(crate) struct Client {
    pub(crate) bootstrap: String,
    /// Of the case's topic and group.
    pub(crate) name: String,
    pub(crate) admin: Admin,
    /// Of the first record of [`Client::produce_values`]; young enough not to be deleted for age.
    pub(crate) first_timestamp: i64,
    deadline: Instant,
}

impl Client {
    pub(crate) fn new(bootstrap: String, name: String) -> anyhow::Result<Self> {
        let config = ClientConfig::from_properties(properties(&bootstrap, &[]))?;
        Ok(Self {
            first_timestamp: now_ms()? - 60_000,
            admin: Admin::new(config),
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
        settings: Settings<'_>,
    ) -> anyhow::Result<()> {
        let mut topic = NewTopic::new(&self.name).partitions(partitions);
        for (key, value) in settings {
            topic = topic.config(*key, *value);
        }
        only(self.admin.create_topics(vec![topic]).await?)?;
        for partition in 0..partitions {
            self.offset(partition, OffsetSpec::Latest).await?;
        }
        Ok(())
    }

    pub(crate) async fn partition_count(&self) -> anyhow::Result<usize> {
        let names = [self.name.clone()];
        let topic = only(self.admin.describe_topics(&names).await?)?;
        Ok(topic.partitions.len())
    }

    /// An offset of a partition of the topic.
    pub(crate) async fn offset(
        &self,
        partition: i32,
        spec: OffsetSpec,
    ) -> anyhow::Result<FoundOffset> {
        let place = (self.name.clone(), partition);
        let mut found = self
            .admin
            .list_offsets(&BTreeMap::from([(place.clone(), spec)]))
            .await;
        Ok(found.remove(&place).context("it is answered")??)
    }

    pub(crate) fn producer(&self, settings: Settings<'_>) -> anyhow::Result<Producer> {
        let properties = properties(&self.bootstrap, settings)
            .with("request.timeout.ms", "10000")
            .with("delivery.timeout.ms", "30000");
        Ok(Producer::new(ProducerConfig::from_properties(properties)?))
    }

    /// Sends the records and waits until all are acknowledged.
    pub(crate) async fn produce(
        &self,
        records: Vec<ProducerRecord>,
        settings: Settings<'_>,
    ) -> anyhow::Result<()> {
        let producer = self.producer(settings)?;
        let mut deliveries = Vec::new();
        for record in records {
            deliveries.push(producer.send(record).await?);
        }
        for delivery in deliveries {
            delivery.wait().await?;
        }
        producer.close().await?;
        Ok(())
    }

    /// `value-0`, `value-1`, … into partition 0, a second apart.
    pub(crate) async fn produce_values(&self, count: i64) -> anyhow::Result<()> {
        let record = |i: i64| ProducerRecord {
            timestamp_ms: Some(self.first_timestamp + i * 1000),
            ..ProducerRecord::new(self.name.as_str(), format!("value-{i}")).partition(0)
        };
        self.produce((0..count).map(record).collect(), &[]).await
    }

    /// A consumer in no group, which begins at the first record of what it is assigned.
    pub(crate) fn reader(&self, settings: Settings<'_>) -> anyhow::Result<Consumer> {
        let properties = properties(&self.bootstrap, &[("auto.offset.reset", "earliest")]);
        let properties = with(properties, settings);
        Ok(Consumer::new(ConsumerConfig::from_properties(properties)?))
    }

    /// A consumer of the case's group, which has not joined it.
    pub(crate) fn group_consumer(&self, settings: Settings<'_>) -> anyhow::Result<Consumer> {
        let group = [
            ("group.id", self.name.as_str()),
            ("enable.auto.commit", "false"),
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "500"),
        ];
        self.reader(&[&group, settings].concat())
    }

    /// A consumer that joins the case's group.
    pub(crate) fn subscriber(&self, settings: Settings<'_>) -> anyhow::Result<Consumer> {
        let consumer = self.group_consumer(settings)?;
        consumer.subscribe(std::slice::from_ref(&self.name))?;
        Ok(consumer)
    }

    /// The next `count` records.
    pub(crate) async fn read(
        &self,
        consumer: &mut Consumer,
        count: usize,
    ) -> anyhow::Result<Vec<ConsumerRecord>> {
        let mut records = Vec::new();
        while records.len() < count {
            self.check_time(&format!("{} of {count} records came", records.len()))?;
            records.extend(consumer.poll(SHORT).await?);
        }
        Ok(records)
    }

    /// Records of one partition from an offset, without a group.
    pub(crate) async fn read_from(
        &self,
        partition: i32,
        offset: i64,
        count: usize,
    ) -> anyhow::Result<Vec<ConsumerRecord>> {
        let mut reader = self.reader(&[])?;
        reader.assign(&[(self.name.clone(), partition)])?;
        reader.seek(&self.name, partition, offset)?;
        self.read(&mut reader, count).await
    }
}

fn properties(bootstrap: &str, settings: Settings<'_>) -> Properties {
    let properties = Properties::default().with("bootstrap.servers", bootstrap);
    with(properties, settings)
}

fn with(properties: Properties, settings: Settings<'_>) -> Properties {
    let each = settings.iter();
    each.fold(properties, |properties, (key, value)| {
        properties.with(*key, *value)
    })
}

pub(crate) fn now_ms() -> anyhow::Result<i64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64)
}

/// The one result of a call that was given one topic.
pub(crate) fn only<T>(results: ByTopic<T>) -> anyhow::Result<T> {
    let (_, result) = results.into_iter().next().context("no result")?;
    Ok(result?)
}

/// The result has to be this error of a broker.
pub(crate) fn refused<T>(result: anyhow::Result<T>, expected: ErrorCode) -> anyhow::Result<()> {
    let Err(error) = result else {
        bail!("no error")
    };
    let code = error.downcast_ref::<Error>().and_then(Error::code);
    ensure!(code == Some(expected), "told as {error:#}");
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "calls read like a sentence")]
pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> anyhow::Result<()> {
    ensure!(found == expected, "expected {expected:?}, found {found:?}");
    Ok(())
}

pub(crate) fn value(record: &ConsumerRecord) -> String {
    String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
}
