//! Sends records: batched by partition, repeated until acknowledged, in order.
//!
//! In the order a record goes:
//! - [`record`]: what is sent and what comes back
//! - [`partitioner`], [`murmur2`]: which partition it goes to
//! - `accumulator`, `batch`: records that wait together
//! - `sender`: what leaves when, and what happens to what comes back
//! - `lane`: the order of one partition's batches, through failures
//! - `courier`: batches to one broker and answers from it
//! - [`delivery`]: the outcome, for everybody who sent a record of the batch
//!
//! **Invariant:** memory is bounded by `buffer.memory`; whoever sends more waits for up to
//! `max.block.ms`.

mod accumulator;
mod batch;
pub mod config;
mod courier;
pub mod delivery;
mod lane;
pub mod murmur2;
pub mod partitioner;
pub mod record;
mod sender;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use self::{
    accumulator::{Accumulator, BatchLimits},
    config::{PartitionerClass, ProducerConfig},
    delivery::Delivery,
    partitioner::{DefaultPartitioner, Partitioner, Partitions, RoundRobinPartitioner},
    record::ProducerRecord,
    sender::Sender,
};
use crate::{
    clock,
    cluster::{Cluster, image::ClusterImage},
    error::Error,
};

/// A producer. Shared by reference; it needs a tokio runtime to live on.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use odradek_client::{
///     ClientConfig, Producer,
///     producer::{config::ProducerConfig, record::ProducerRecord},
/// };
///
/// let cluster = ClientConfig::new(vec!["127.0.0.1:9092".parse()?]);
/// let producer = Producer::new(ProducerConfig::new(cluster));
/// let delivery = producer.send(ProducerRecord::new("orders", "42 spools").key("bobbin")).await?;
/// println!("offset {:?}", delivery.wait().await?.offset);
/// producer.close().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Producer {
    cluster: Arc<Cluster>,
    config: Arc<ProducerConfig>,
    accumulator: Arc<Accumulator>,
    partitioner: Arc<dyn Partitioner>,
    memory: Arc<Semaphore>,
    /// Ends the sender at once.
    stop: CancellationToken,
    sender: Option<JoinHandle<()>>,
}

impl Producer {
    /// A producer with one of Kafka's partitioners.
    pub fn new(config: ProducerConfig) -> Self {
        let partitioner: Arc<dyn Partitioner> = match config.partitioner {
            PartitionerClass::Default => Arc::new(DefaultPartitioner::new(
                config.ignore_keys,
                config.adaptive_partitioning,
                config.batch_size,
            )),
            PartitionerClass::RoundRobin => Arc::<RoundRobinPartitioner>::default(),
        };
        Self::with_partitioner(config, partitioner)
    }

    /// A producer that chooses partitions in its own way, whatever `partitioner.class` says.
    pub fn with_partitioner(config: ProducerConfig, partitioner: Arc<dyn Partitioner>) -> Self {
        let config = Arc::new(config);
        let cluster = Cluster::new(config.client.clone());
        let accumulator = Arc::new(Accumulator::new(BatchLimits {
            bytes: config.batch_size,
            linger: config.linger,
        }));
        let stop = CancellationToken::new();
        let sender = Sender::new(
            Arc::clone(&cluster),
            Arc::clone(&config),
            Arc::clone(&accumulator),
            Arc::clone(&partitioner),
            stop.clone(),
        );
        Self {
            memory: Arc::new(Semaphore::new(config.buffer_memory)),
            sender: Some(tokio::spawn(sender.run())),
            cluster,
            config,
            accumulator,
            partitioner,
            stop,
        }
    }

    /// Takes a record to be sent. Waits, for up to `max.block.ms`, while the topic is not known
    /// or the memory is used up; the record's own outcome comes with the [`Delivery`].
    ///
    /// Records sent one after the other to a partition keep their order.
    pub async fn send(&self, record: ProducerRecord) -> Result<Delivery, Error> {
        let bytes = self.check_size(&record)?;
        let deadline = Instant::now() + self.config.max_block;
        let partition = self.partition(&record, deadline).await?;
        let memory = self.reserve(bytes, deadline).await?;
        let timestamp_ms = record.timestamp_ms.unwrap_or_else(clock::now_ms);
        let appended = self
            .accumulator
            .append(&record, partition, timestamp_ms, memory, Instant::now())
            .ok_or(Error::Closed)?;
        if appended.completed_a_batch {
            self.partitioner.batch_completed(&record.topic);
        }
        Ok(appended.delivery)
    }

    /// Sends everything at once, and waits until all that was taken so far has its outcome.
    pub async fn flush(&self) {
        let _hurry = self.accumulator.hurry();
        self.accumulator.promises.settled().await;
    }

    /// Takes no more records, waits for those under way and ends. A dropped producer ends in the
    /// same way, without anybody waiting for it.
    pub async fn close(self) -> Result<(), Error> {
        let patience = self.config.delivery_timeout + Duration::from_secs(1);
        self.close_within(patience).await
    }

    /// The same with a limit: what is not delivered by then fails.
    pub async fn close_within(mut self, patience: Duration) -> Result<(), Error> {
        self.accumulator.close();
        let Some(mut sender) = self.sender.take() else {
            return Ok(());
        };
        if timeout(patience, &mut sender).await.is_ok() {
            return Ok(());
        }
        self.stop.cancel();
        // It ends at its next look at the token. A panic in it would be our bug, told by its log.
        let _ = sender.await;
        Err(Error::TimedOut {
            what: "close the producer".to_owned(),
            after: patience,
            last: Box::new(Error::Unanswered),
        })
    }

    fn check_size(&self, record: &ProducerRecord) -> Result<usize, Error> {
        let bytes = record.bytes_max();
        let limits = [
            ("max.request.size", self.config.max_request_size),
            ("buffer.memory", self.config.buffer_memory),
        ];
        for (key, bytes_max) in limits {
            if bytes_max < bytes {
                return Err(Error::RecordTooLarge {
                    bytes,
                    key,
                    bytes_max,
                });
            }
        }
        Ok(bytes)
    }

    /// Where the record goes.
    async fn partition(&self, record: &ProducerRecord, deadline: Instant) -> Result<i32, Error> {
        let topic = &record.topic;
        let mut image = self.cluster.image();
        if !image.topics.contains_key(topic) {
            image = self.find_topic(topic, deadline).await?;
        }
        if let Some(partition) = record.partition
            && image.partition(topic, partition).is_none()
        {
            // The topic may have grown since it was asked about.
            image = self.find_topic(topic, deadline).await?;
        }
        let known = image.topics.get(topic).map(|topic| &topic.partitions);
        let Some(known) = known.filter(|partitions| !partitions.is_empty()) else {
            return Err(Error::Incomplete(format!("topic {topic}")));
        };
        let available = || {
            let led = known.values().filter(|it| it.leader.is_some());
            let led: Vec<i32> = led.map(|partition| partition.index).collect();
            self.accumulator.waiting(topic, &led)
        };
        let choose = || {
            let partitions = Partitions::new(known.len(), &available);
            self.partitioner.partition(record, partitions)
        };
        let partition = record.partition.unwrap_or_else(choose);
        let no_partition = || Error::NoPartition {
            topic: Arc::clone(topic),
            partition,
        };
        let exists = known.contains_key(&partition);
        exists.then_some(partition).ok_or_else(no_partition)
    }

    /// Asks about a topic until there is an answer, or no time left.
    async fn find_topic(
        &self,
        topic: &Arc<str>,
        deadline: Instant,
    ) -> Result<Arc<ClusterImage>, Error> {
        let patience = deadline.saturating_duration_since(Instant::now());
        let attempt = async || {
            let image = self.cluster.refresh_to_write(topic).await?;
            if let Some(code) = image.failed_topics.get(topic) {
                Error::check(&**topic, *code, None)?;
            }
            Ok(image)
        };
        let what = format!("find topic {topic}");
        self.cluster.retrying(&what, patience, attempt).await
    }

    /// Waits for memory. Meanwhile nothing lingers: that is what frees it.
    async fn reserve(
        &self,
        bytes: usize,
        deadline: Instant,
    ) -> Result<OwnedSemaphorePermit, Error> {
        let count = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(&self.memory).try_acquire_many_owned(count) {
            return Ok(permit);
        }
        let _hurry = self.accumulator.hurry();
        let acquire = Arc::clone(&self.memory).acquire_many_owned(count);
        match timeout_at(deadline, acquire).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(Error::TimedOut {
                what: "wait for buffer.memory".to_owned(),
                after: self.config.max_block,
                last: Box::new(Error::Unanswered),
            }),
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.accumulator.close();
    }
}
