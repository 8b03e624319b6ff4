//! When a broker that is being started acknowledges its first record.
//!
//! Started before the broker, so that the start of the client itself is not counted; it retries as
//! fast as librdkafka can.

use std::{
    sync::Mutex,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use rdkafka::{
    ClientContext,
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
};
use serde_json::{Value, json};

use crate::client;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    topic: String,
    /// Give up after this many seconds.
    #[arg(long, default_value_t = 120)]
    seconds: u64,
}

#[derive(Default)]
struct FirstDelivery {
    epoch_ms: Mutex<Option<anyhow::Result<f64>>>,
}

impl ClientContext for FirstDelivery {
    /// Refused connections are what this program waits through.
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
}

impl ProducerContext for FirstDelivery {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let outcome = match result {
            Ok(_) => Ok(epoch_ms()),
            Err((error, _)) => Err(anyhow::anyhow!("produce: {error}")),
        };
        *self.epoch_ms.lock().expect("no holder panics") = Some(outcome);
    }
}

pub(crate) fn run(broker: &str, arguments: &Arguments) -> anyhow::Result<Value> {
    let producer: BaseProducer<FirstDelivery> = client::producer_config(broker)
        .set("reconnect.backoff.ms", "1")
        .set("reconnect.backoff.max.ms", "5")
        .set("retry.backoff.ms", "5")
        .set("topic.metadata.refresh.fast.interval.ms", "5")
        .set("linger.ms", "0")
        .create_with_context(FirstDelivery::default())?;
    let record = BaseRecord::<(), [u8]>::to(&arguments.topic).payload(b"first");
    producer.send(record).map_err(|(error, _)| error)?;
    let deadline = Instant::now() + Duration::from_secs(arguments.seconds);
    loop {
        producer.poll(Duration::from_millis(100));
        let outcome = producer
            .context()
            .epoch_ms
            .lock()
            .expect("no holder panics")
            .take();
        if let Some(outcome) = outcome {
            let epoch_ms = outcome.context("the first record failed")?;
            return Ok(json!({ "first_ack_epoch_ms": epoch_ms }));
        }
        ensure!(
            Instant::now() < deadline,
            "no acknowledgement in {} s",
            arguments.seconds
        );
    }
}

/// The time of day in milliseconds, the only clock that two processes share.
fn epoch_ms() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64() * 1000.0)
}
