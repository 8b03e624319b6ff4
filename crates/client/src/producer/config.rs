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

/// Which of the partitioners chooses; an own one is given to
/// [`Producer::with_partitioner`](super::Producer::with_partitioner).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartitionerClass {
    /// [`DefaultPartitioner`](super::partitioner::DefaultPartitioner).
    Default,
    /// [`RoundRobinPartitioner`](super::partitioner::RoundRobinPartitioner).
    RoundRobin,
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
    /// `partitioner.class`.
    pub partitioner: PartitionerClass,
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

/// The largest number of bytes that `buffer.memory` may say: so much can be counted.
const BUFFER_BYTES_MAX: usize = tokio::sync::Semaphore::MAX_PERMITS;

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
            partitioner: PartitionerClass::Default,
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
                0..=BUFFER_BYTES_MAX,
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
            partitioner: given.take("partitioner.class", defaults.partitioner, partitioner),
            ignore_keys: given.take_boolean("partitioner.ignore.keys", defaults.ignore_keys),
            adaptive_partitioning: given.take_boolean(
                "partitioner.adaptive.partitioning.enable",
                defaults.adaptive_partitioning,
            ),
            client: defaults.client,
        };
        config.settle_idempotence(idempotence_is_asked_for, &mut properties);
        if config.delivery_timeout < config.linger + config.client.request_timeout {
            let problem = "delivery.timeout.ms must be at least linger.ms + request.timeout.ms";
            properties.add_problem(problem.to_owned());
        }
        properties.finish()?;
        Ok(config)
    }

    /// Reports what idempotence does not allow. As in Java's client it gives way to `acks` and
    /// `retries` where it is only the default, but not to more requests at once.
    fn settle_idempotence(&mut self, is_asked_for: bool, properties: &mut Properties) {
        if !self.idempotence {
            return;
        }
        let contradictions = [
            (self.acks != Acks::All, "enable.idempotence needs acks=all"),
            (
                self.retries == 0,
                "enable.idempotence needs retries above 0",
            ),
        ];
        for (is_broken, rule) in contradictions {
            if is_broken && is_asked_for {
                properties.add_problem(rule.to_owned());
            }
            self.idempotence &= !is_broken;
        }
        if IDEMPOTENT_IN_FLIGHT_MAX < self.max_in_flight {
            let rule = "enable.idempotence, which is the default, needs \
                        max.in.flight.requests.per.connection of at most 5";
            properties.add_problem(rule.to_owned());
        }
    }
}

fn partitioner(text: &str) -> Result<PartitionerClass, String> {
    match text.rsplit('.').next() {
        Some("RoundRobinPartitioner") => Ok(PartitionerClass::RoundRobin),
        // What configurations for clients before Kafka 4.0 may say; it is what they get anyway.
        Some("DefaultPartitioner") => Ok(PartitionerClass::Default),
        _ => {
            Err("org.apache.kafka.clients.producer.RoundRobinPartitioner, or not given".to_owned())
        }
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
        const ON: (&str, &str) = ("enable.idempotence", "true");
        const OFF: (&str, &str) = ("enable.idempotence", "false");
        const MANY: (&str, &str) = ("max.in.flight.requests.per.connection", "6");
        for refused in [
            &[("acks", "1"), ON][..],
            &[("retries", "0"), ON],
            &[MANY, ON],
            // Java's client does not let the default give way here.
            &[MANY],
            &[MANY, ("acks", "1")],
            &[("delivery.timeout.ms", "1000")],
            &[("compression.type", "brotli")],
            &[("transactional.id", "t")],
            &[("partitioner.class", "com.example.Mine")],
        ] {
            assert!(read(refused).is_err(), "{refused:?}");
        }
        for (taken, is_idempotent) in [
            (&[MANY, OFF][..], false),
            (&[("retries", "0")], false),
            (&[("acks", "-1")], true),
        ] {
            let idempotence = read(taken).map(|config| config.idempotence);
            assert_eq!(idempotence, Ok(is_idempotent), "{taken:?}");
        }
    }

    #[test]
    fn partitioners_have_javas_names() {
        let class = |name| {
            let config = read(&[("partitioner.class", name)]);
            config.map(|config| config.partitioner)
        };
        let round_robin = "org.apache.kafka.clients.producer.RoundRobinPartitioner";
        assert_eq!(class(round_robin), Ok(PartitionerClass::RoundRobin));
        let default = "org.apache.kafka.clients.producer.internals.DefaultPartitioner";
        assert_eq!(class(default), Ok(PartitionerClass::Default));
    }
}
