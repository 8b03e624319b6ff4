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
use serde_json::{Value, json};

use crate::client;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    topic: String,
    /// Bytes of values in all, rounded up to whole records.
    #[arg(long)]
    bytes: u64,
    /// Bytes of one value.
    #[arg(long, default_value_t = 1024)]
    size: usize,
    /// How long a batch waits for more records.
    #[arg(long, default_value_t = 5)]
    linger_ms: u32,
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
    let producer: BaseProducer<Deliveries> = config.create_with_context(Deliveries::default())?;
    // The first metadata and the connection belong to the client's start, not to its throughput.
    producer
        .client()
        .fetch_metadata(Some(&arguments.topic), Duration::from_secs(30))?;

    let value = incompressible(arguments.size);
    let records = arguments.bytes.div_ceil(arguments.size as u64);
    let (begin, cpu) = (Instant::now(), client::cpu_seconds()?);
    for _ in 0..records {
        send(&producer, &arguments.topic, &value)?;
    }
    producer.flush(Duration::from_mins(5))?;
    let seconds = begin.elapsed().as_secs_f64();

    let deliveries = producer.context();
    let failed = deliveries.failed.load(Ordering::Relaxed);
    let acknowledged = deliveries.acknowledged.load(Ordering::Relaxed);
    ensure!(
        failed == 0 && acknowledged == records,
        "{failed} of {records} records failed"
    );
    Ok(json!({
        "records": records,
        "bytes": records * arguments.size as u64,
        "seconds": seconds,
        "client_cpu_seconds": client::cpu_seconds()? - cpu,
    }))
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
fn incompressible(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(|_| next()).collect()
}
