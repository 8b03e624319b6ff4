//! What every client here has in common: its configuration, and its own cost.

use std::fs;

use anyhow::Context;
use rdkafka::ClientConfig;

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
    config.set("queue.buffering.max.kbytes", "262144");
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
