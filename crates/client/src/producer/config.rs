//! How a producer sends.

use std::time::Duration;

use odradek_protocol::records::Compression;

use crate::{
    config::ClientConfig,
    properties::{ConfigError, Properties},
};

/// Who has to have a record before it counts as sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// Nobody: the record has left this process.
    None,
    /// The leader.
    Leader,
    /// Every replica in sync.
    All,
}

impl Acks {
    /// What stands for it on the wire.
    pub(crate) const fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// Configuration of a producer. The names and the defaults are Kafka's.
#[derive(Debug, Clone, PartialEq)]
pub struct ProducerConfig {
    /// What all clients share.
    pub client: ClientConfig,
    /// `acks`.
    pub acks: Acks,
    /// `enable.idempotence`: repetitions leave no duplicates, and order survives them.
    pub idempotence: bool,
    /// `compression.type`.
    pub compression: Compression,
    /// `batch.size`: a batch is sent when it has this many bytes. 0 sends every record by itself.
    pub batch_size: usize,
    /// `linger.ms`: how long a batch waits for company.
    pub linger: Duration,
    /// `buffer.memory`: bytes of records that may wait for their acknowledgement.
    pub buffer_memory: usize,
    /// `max.block.ms`: how long a send may wait for memory or for the topic's metadata.
    pub max_block: Duration,
    /// `max.request.size`: the largest record and the largest request, in bytes.
    pub max_request_size: usize,
    /// `delivery.timeout.ms`: from the send to the failure, with all repetitions.
    pub delivery_timeout: Duration,
    /// `retries`: repetitions after failures that may pass.
    pub retries: u32,
    /// `max.in.flight.requests.per.connection`.
    pub max_in_flight: usize,
    /// `partitioner.ignore.keys`: spread records with a key like those without.
    pub ignore_keys: bool,
    /// `partitioner.adaptive.partitioning.enable`: send less to partitions that lag (KIP-794).
    pub adaptive_partitioning: bool,
}

/// More requests than this may not be under way at once for an idempotent producer: a broker
/// remembers that many batches.
const IDEMPOTENT_IN_FLIGHT_MAX: usize = 5;

/// The largest number of bytes that a size may say.
const BYTES_MAX: usize = i32::MAX as usize;

impl ProducerConfig {
    /// The defaults, for that cluster.
    pub fn new(client: ClientConfig) -> Self {
        Self {
            client,
            acks: Acks::All,
            idempotence: true,
            compression: Compression::None,
            batch_size: 16 * 1024,
            linger: Duration::from_millis(5),
            buffer_memory: 32 * 1024 * 1024,
            max_block: Duration::from_mins(1),
            max_request_size: 1024 * 1024,
            delivery_timeout: Duration::from_mins(2),
            retries: i32::MAX.unsigned_abs(),
            max_in_flight: 5,
            ignore_keys: false,
            adaptive_partitioning: true,
        }
    }

    /// From Kafka's keys: an unknown one is an error, and so are keys that contradict each other.
    pub fn from_properties(mut properties: Properties) -> Result<Self, ConfigError> {
        let given = &mut properties;
        let idempotence_is_asked_for = given.has("enable.idempotence");
        let defaults = Self::new(ClientConfig::take(given));
        let mut config = Self {
            acks: given.take("acks", defaults.acks, acks),
            idempotence: given.take_boolean("enable.idempotence", defaults.idempotence),
            compression: given.take("compression.type", defaults.compression, compression),
            batch_size: given.take_number("batch.size", defaults.batch_size, 0..=BYTES_MAX),
            linger: given.take_ms("linger.ms", defaults.linger),
            buffer_memory: given.take_number(
                "buffer.memory",
                defaults.buffer_memory,
                0..=BYTES_MAX,
            ),
            max_block: given.take_ms("max.block.ms", defaults.max_block),
            max_request_size: given.take_number(
                "max.request.size",
                defaults.max_request_size,
                0..=BYTES_MAX,
            ),
            delivery_timeout: given.take_ms("delivery.timeout.ms", defaults.delivery_timeout),
            retries: given.take_number("retries", defaults.retries, 0..=defaults.retries),
            max_in_flight: given.take_number(
                "max.in.flight.requests.per.connection",
                defaults.max_in_flight,
                1..=BYTES_MAX,
            ),
            ignore_keys: given.take_boolean("partitioner.ignore.keys", defaults.ignore_keys),
            adaptive_partitioning: given.take_boolean(
                "partitioner.adaptive.partitioning.enable",
                defaults.adaptive_partitioning,
            ),
            client: defaults.client,
        };
        let contradictions = config.contradictions();
        if !idempotence_is_asked_for && !contradictions.is_empty() {
            // As Kafka's client: what is only a default gives way to what was written.
            config.idempotence = false;
        } else {
            for problem in contradictions {
                properties.add_problem(problem.to_owned());
            }
        }
        if config.delivery_timeout < config.linger + config.client.request_timeout {
            let problem = "delivery.timeout.ms must be at least linger.ms + request.timeout.ms";
            properties.add_problem(problem.to_owned());
        }
        properties.finish()?;
        Ok(config)
    }

    /// What idempotence does not allow.
    fn contradictions(&self) -> Vec<&'static str> {
        if !self.idempotence {
            return Vec::new();
        }
        let rules = [
            (self.acks != Acks::All, "enable.idempotence needs acks=all"),
            (
                self.retries == 0,
                "enable.idempotence needs retries above 0",
            ),
            (
                IDEMPOTENT_IN_FLIGHT_MAX < self.max_in_flight,
                "enable.idempotence needs max.in.flight.requests.per.connection of at most 5",
            ),
        ];
        let broken = rules.into_iter().filter(|(is_broken, _)| *is_broken);
        broken.map(|(_, rule)| rule).collect()
    }
}

fn acks(text: &str) -> Result<Acks, String> {
    match text {
        "0" => Ok(Acks::None),
        "1" => Ok(Acks::Leader),
        "all" | "-1" => Ok(Acks::All),
        _ => Err("0, 1, all or -1".to_owned()),
    }
}

fn compression(text: &str) -> Result<Compression, String> {
    Compression::ALL
        .into_iter()
        .find(|codec| codec.to_string() == text)
        .ok_or_else(|| "none, gzip, snappy, lz4 or zstd".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(properties: &[(&str, &str)]) -> Result<ProducerConfig, ConfigError> {
        ProducerConfig::from_properties(properties.iter().copied().collect())
    }

    #[test]
    fn kafkas_keys_are_read() {
        let config = read(&[
            ("acks", "1"),
            ("compression.type", "zstd"),
            ("linger.ms", "0"),
        ]);
        let config = config.map(|it| (it.acks, it.compression, it.idempotence));
        // Idempotence was only a default.
        assert_eq!(config, Ok((Acks::Leader, Compression::Zstd, false)));
    }

    #[test]
    fn contradictions_are_told() {
        let both = [("acks", "1"), ("enable.idempotence", "true")];
        assert!(read(&both).is_err());
        let many = [
            ("max.in.flight.requests.per.connection", "6"),
            ("enable.idempotence", "true"),
        ];
        assert!(read(&many).is_err());
        assert!(read(&[("delivery.timeout.ms", "1000")]).is_err());
        assert!(read(&[("compression.type", "brotli")]).is_err());
        assert!(read(&[("transactional.id", "t")]).is_err());
    }
}
