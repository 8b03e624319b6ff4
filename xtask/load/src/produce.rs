//! As many records as fast as possible, acknowledged by all in-sync replicas.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use rdkafka::{
    ClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
};
use serde_json::Value;

use crate::client;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    pub(crate) topic: String,
    /// Bytes of values in all, rounded up to whole records.
    #[arg(long)]
    pub(crate) bytes: u64,
    /// The same before the clock starts: the first gigabytes are not the fastest.
    #[arg(long, default_value_t = 0)]
    pub(crate) warm_up: u64,
    /// Bytes of one value.
    #[arg(long, default_value_t = 1024)]
    pub(crate) size: usize,
    /// How long a batch waits for more records.
    #[arg(long, default_value_t = 5)]
    pub(crate) linger_ms: u32,
    /// Bytes of a batch, and idempotence, instead of the client's own defaults for both.
    #[arg(long)]
    pub(crate) batch_bytes: Option<u32>,
}

impl Arguments {
    /// How many records hold at least so many bytes.
    pub(crate) fn records_of(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.size as u64)
    }
}

#[derive(Default)]
struct Deliveries {
    acknowledged: AtomicU64,
    failed: AtomicU64,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() {
            &self.acknowledged
        } else {
            &self.failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) fn run(broker: &str, arguments: &Arguments) -> anyhow::Result<Value> {
    let mut config = client::producer_config(broker);
    config.set("linger.ms", arguments.linger_ms.to_string());
    if let Some(bytes) = arguments.batch_bytes {
        config.set("batch.size", bytes.to_string());
        config.set("enable.idempotence", "true");
    }
    let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default())?;
    // The first metadata and the connection belong to the client's start, not to its throughput.
    producer
        .client()
        .fetch_metadata(Some(&arguments.topic), Duration::from_secs(30))?;

    let value = incompressible(arguments.size);
    let warm_up = arguments.records_of(arguments.warm_up);
    send_all(&producer, &arguments.topic, &value, warm_up)?;
    let records = arguments.records_of(arguments.bytes);
    let (begin, cpu) = (Instant::now(), client::cpu_seconds()?);
    send_all(&producer, &arguments.topic, &value, records)?;
    let report = client::report(records, records * arguments.size as u64, begin, cpu);

    let deliveries = producer.context();
    let failed = deliveries.failed.load(Ordering::Relaxed);
    let acknowledged = deliveries.acknowledged.load(Ordering::Relaxed);
    ensure!(
        failed == 0 && acknowledged == warm_up + records,
        "{failed} of {records} records failed"
    );
    report
}

/// Sends so many records, and waits until all are acknowledged.
fn send_all(
    producer: &BaseProducer<Deliveries>,
    topic: &str,
    value: &[u8],
    records: u64,
) -> anyhow::Result<()> {
    for _ in 0..records {
        send(producer, topic, value)?;
    }
    producer.flush(Duration::from_mins(5))?;
    Ok(())
}

/// Waits for room when the client's queue is full.
fn send(producer: &BaseProducer<Deliveries>, topic: &str, value: &[u8]) -> anyhow::Result<()> {
    let mut record = BaseRecord::<(), [u8]>::to(topic).payload(value);
    loop {
        match producer.send(record) {
            Ok(()) => {
                producer.poll(Duration::ZERO);
                return Ok(());
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                producer.poll(Duration::from_millis(10));
            }
            Err((error, _)) => bail!("produce: {error}"),
        }
    }
}

/// Bytes without a pattern, the same in every run (an xorshift generator).
pub(crate) fn incompressible(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(|_| next()).collect()
}
