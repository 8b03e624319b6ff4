//! Time to acknowledgement at a fixed rate.
//!
//! An open loop: record number *n* is due at the start plus *n* intervals, whatever became of the
//! earlier ones, and its clock starts when it was due. So a broker that stalls pays for all the
//! records that had to wait, as its users would.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::ensure;
use hdrhistogram::Histogram;
use rdkafka::{
    ClientContext,
    message::DeliveryResult,
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};
use serde_json::{Value, json};

use crate::client;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    topic: String,
    /// Bytes of one value.
    #[arg(long, default_value_t = 1024)]
    size: usize,
    /// Records per second.
    #[arg(long, default_value_t = 5000)]
    rate: u32,
    /// Seconds that count.
    #[arg(long, default_value_t = 15)]
    seconds: u32,
    /// Seconds before that do not.
    #[arg(long, default_value_t = 5)]
    warm_seconds: u32,
}

struct Deliveries {
    measured: std::sync::Mutex<Measured>,
}

struct Measured {
    latencies_us: Histogram<u64>,
    failed: u64,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    /// When the record was due; `None` for those before the clock.
    type DeliveryOpaque = Box<Option<Instant>>;

    fn delivery(&self, result: &DeliveryResult<'_>, due: Self::DeliveryOpaque) {
        let mut measured = self.measured.lock().expect("no holder panics");
        match (result, *due) {
            (Err(_), _) => measured.failed += 1,
            (Ok(_), Some(due)) => {
                let latency_us = due.elapsed().as_micros() as u64;
                measured.latencies_us.saturating_record(latency_us.max(1));
            }
            (Ok(_), None) => {}
        }
    }
}

pub(crate) fn run(broker: &str, arguments: &Arguments) -> anyhow::Result<Value> {
    let measured = Measured {
        latencies_us: Histogram::new_with_max(60_000_000, 3)?,
        failed: 0,
    };
    let context = Deliveries {
        measured: std::sync::Mutex::new(measured),
    };
    let producer: ThreadedProducer<Deliveries> = client::producer_config(broker)
        .set("linger.ms", "0")
        .create_with_context(context)?;
    producer
        .client()
        .fetch_metadata(Some(&arguments.topic), Duration::from_secs(30))?;

    let value = vec![b'x'; arguments.size];
    let interval = Duration::from_secs(1) / arguments.rate;
    let warm = u64::from(arguments.rate) * u64::from(arguments.warm_seconds);
    let records = warm + u64::from(arguments.rate) * u64::from(arguments.seconds);
    let (begin, cpu) = (Instant::now(), client::cpu_seconds()?);
    for number in 0..records {
        let due = begin + interval * number as u32;
        sleep(due.saturating_duration_since(Instant::now()));
        let opaque = Box::new((warm <= number).then_some(due));
        let record = BaseRecord::<(), [u8], _>::with_opaque_to(&arguments.topic, opaque);
        producer
            .send(record.payload(&value))
            .map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_mins(1))?;

    let measured = producer
        .context()
        .measured
        .lock()
        .expect("no holder panics");
    ensure!(measured.failed == 0, "{} records failed", measured.failed);
    let percentile = |p: f64| measured.latencies_us.value_at_quantile(p) as f64 / 1000.0;
    Ok(json!({
        "records": measured.latencies_us.len(),
        "p50_ms": percentile(0.5),
        "p99_ms": percentile(0.99),
        "p999_ms": percentile(0.999),
        "client_cpu_seconds": client::cpu_seconds()? - cpu,
        "max_ms": measured.latencies_us.max() as f64 / 1000.0,
    }))
}
