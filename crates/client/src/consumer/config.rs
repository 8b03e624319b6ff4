//! How a consumer reads.

use std::time::Duration;

use crate::{
    config::ClientConfig,
    properties::{ConfigError, Properties},
};

/// Where reading begins when there is no position, or none that can be read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the first record.
    Earliest,
    /// Behind the last record.
    Latest,
    /// Nowhere: the poll fails, and the caller decides.
    None,
}

/// Which records are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationLevel {
    /// All that are replicated.
    ReadUncommitted,
    /// Those outside of transactions, and those of transactions that were committed.
    ReadCommitted,
}

/// Configuration of a consumer. The names and the defaults are Kafka's.
#[derive(Debug, Clone, PartialEq)]
pub struct ConsumerConfig {
    /// What all clients share.
    pub client: ClientConfig,
    /// `auto.offset.reset`.
    pub offset_reset: OffsetReset,
    /// `isolation.level`.
    pub isolation: IsolationLevel,
    /// `fetch.min.bytes`: a broker waits until it has so much.
    pub fetch_min_bytes: i32,
    /// `fetch.max.bytes`: the most that one answer holds, unless a batch is larger.
    pub fetch_max_bytes: i32,
    /// `max.partition.fetch.bytes`: the same for one partition of it.
    pub partition_max_bytes: i32,
    /// `fetch.max.wait.ms`: how long the broker waits for `fetch.min.bytes`.
    pub fetch_max_wait: Duration,
    /// `max.poll.records`: the most that one poll returns.
    pub max_poll_records: usize,
    /// `check.crcs`: whether what arrives is compared with its checksum.
    pub check_crcs: bool,
    /// `client.rack`.
    pub rack: String,
}

impl ConsumerConfig {
    /// The defaults, for that cluster.
    pub fn new(client: ClientConfig) -> Self {
        Self {
            client,
            offset_reset: OffsetReset::Latest,
            isolation: IsolationLevel::ReadUncommitted,
            fetch_min_bytes: 1,
            fetch_max_bytes: 50 * 1024 * 1024,
            partition_max_bytes: 1024 * 1024,
            fetch_max_wait: Duration::from_millis(500),
            max_poll_records: 500,
            check_crcs: true,
            rack: String::new(),
        }
    }

    /// From Kafka's keys: an unknown one is an error.
    pub fn from_properties(mut properties: Properties) -> Result<Self, ConfigError> {
        let given = &mut properties;
        let defaults = Self::new(ClientConfig::take(given));
        let bytes = 0..=i32::MAX;
        let config = Self {
            offset_reset: given.take("auto.offset.reset", defaults.offset_reset, offset_reset),
            isolation: given.take("isolation.level", defaults.isolation, isolation),
            fetch_min_bytes: given.take_number(
                "fetch.min.bytes",
                defaults.fetch_min_bytes,
                bytes.clone(),
            ),
            fetch_max_bytes: given.take_number(
                "fetch.max.bytes",
                defaults.fetch_max_bytes,
                bytes.clone(),
            ),
            partition_max_bytes: given.take_number(
                "max.partition.fetch.bytes",
                defaults.partition_max_bytes,
                bytes,
            ),
            fetch_max_wait: given.take_ms("fetch.max.wait.ms", defaults.fetch_max_wait),
            max_poll_records: given.take_number(
                "max.poll.records",
                defaults.max_poll_records,
                1..=i32::MAX as usize,
            ),
            check_crcs: given.take_boolean("check.crcs", defaults.check_crcs),
            rack: given.take_text("client.rack", &defaults.rack),
            client: defaults.client,
        };
        properties.finish()?;
        Ok(config)
    }
}

fn offset_reset(text: &str) -> Result<OffsetReset, String> {
    match text.to_ascii_lowercase().as_str() {
        "earliest" => Ok(OffsetReset::Earliest),
        "latest" => Ok(OffsetReset::Latest),
        "none" => Ok(OffsetReset::None),
        _ => Err("earliest, latest or none".to_owned()),
    }
}

fn isolation(text: &str) -> Result<IsolationLevel, String> {
    match text.to_ascii_lowercase().as_str() {
        "read_uncommitted" => Ok(IsolationLevel::ReadUncommitted),
        "read_committed" => Ok(IsolationLevel::ReadCommitted),
        _ => Err("read_uncommitted or read_committed".to_owned()),
    }
}

impl IsolationLevel {
    /// What stands for it on the wire.
    pub(crate) const fn code(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_keys_are_read_and_others_refused() {
        let read = |key: &str, value: &str| {
            ConsumerConfig::from_properties([(key, value)].into_iter().collect())
        };
        let reset = read("auto.offset.reset", "Earliest").map(|config| config.offset_reset);
        assert_eq!(reset, Ok(OffsetReset::Earliest));
        assert!(read("auto.offset.reset", "first").is_err());
        assert!(read("max.poll.records", "0").is_err());
        assert!(read("max.poll.record", "1").is_err());
    }
}
