//! What every client here has in common: its configuration, and its own cost.

use std::{fs, time::Instant};

use anyhow::Context;
use rdkafka::ClientConfig;
use serde_json::{Value, json};

/// What a producer may hold: enough to keep every client busy.
pub(crate) const BUFFER_BYTES: u64 = 256 << 20;

/// A client of one broker with librdkafka's defaults.
pub(crate) fn config(broker: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker);
    // Loopback by name would try IPv6 first, and nobody listens there.
    config.set("broker.address.family", "v4");
    config
}

/// A producer that waits for all in-sync replicas.
pub(crate) fn producer_config(broker: &str) -> ClientConfig {
    let mut config = config(broker);
    config.set("acks", "all");
    config.set("queue.buffering.max.messages", "1000000");
    config.set(
        "queue.buffering.max.kbytes",
        (BUFFER_BYTES >> 10).to_string(),
    );
    config
}

/// Processor seconds of this process so far, user and system.
pub(crate) fn cpu_seconds() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = text.rsplit_once(')').context("read /proc/self/stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Ok(ticks / rustix::param::clock_ticks_per_second() as f64)
}

/// What a load took since its beginning.
pub(crate) fn report(records: u64, bytes: u64, begin: Instant, cpu: f64) -> anyhow::Result<Value> {
    Ok(json!({
        "records": records,
        "bytes": bytes,
        "seconds": begin.elapsed().as_secs_f64(),
        "client_cpu_seconds": cpu_seconds()? - cpu,
        "process_cpu_seconds": cpu_seconds()?,
    }))
}
