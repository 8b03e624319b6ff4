//! How a consumer reads, and how it belongs to its group.

use std::{ops::RangeInclusive, time::Duration};

use crate::{
    config::ClientConfig,
    consumer::group::assignor::Assignor,
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of Kafka's that is true or false"
)]
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
    /// `group.id`: whose positions are committed, and with whom partitions are shared. A consumer
    /// without one can be given partitions, but neither subscribe nor commit.
    pub group_id: Option<String>,
    /// `group.instance.id`: a lasting name that makes it a static member, which may come back
    /// within the session timeout without a rebalance (KIP-345).
    pub group_instance_id: Option<String>,
    /// `session.timeout.ms`: after so long without a heartbeat the group takes it for dead.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`: how often it says that it lives; a third of the session at most.
    pub heartbeat_interval: Duration,
    /// `max.poll.interval.ms`: after so long without a poll it leaves its group; also how long a
    /// rebalance waits for it.
    pub max_poll_interval: Duration,
    /// `partition.assignment.strategy`: how the group may share partitions, the preferred way
    /// first. Partitions move cooperatively (KIP-429) if all of them can.
    pub assignors: Vec<Assignor>,
    /// `enable.auto.commit`: whether polls commit what the polls before them handed out.
    pub auto_commit: bool,
    /// `auto.commit.interval.ms`: how often they do.
    pub auto_commit_interval: Duration,
    /// `allow.auto.create.topics`: whether a broker that is configured to
    /// (`auto.create.topics.enable`) creates the topics subscribed to.
    pub allow_auto_create_topics: bool,
    /// `exclude.internal.topics`: whether patterns leave out the cluster's own topics.
    pub exclude_internal_topics: bool,
}

/// The session timeouts that may be asked for, in ms; the broker allows fewer.
const TIMEOUT_MS: RangeInclusive<u64> = 1..=i32::MAX as u64;

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
            group_id: None,
            group_instance_id: None,
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_mins(5),
            assignors: vec![Assignor::Range, Assignor::CooperativeSticky],
            auto_commit: true,
            auto_commit_interval: Duration::from_secs(5),
            allow_auto_create_topics: true,
            exclude_internal_topics: true,
        }
    }

    /// The defaults for a member of that group.
    #[must_use]
    pub fn in_group(self, group_id: impl Into<String>) -> Self {
        Self {
            group_id: Some(group_id.into()),
            ..self
        }
    }

    /// From Kafka's keys: an unknown one is an error.
    pub fn from_properties(mut properties: Properties) -> Result<Self, ConfigError> {
        let given = &mut properties;
        let defaults = Self::new(ClientConfig::take(given));
        let bytes = 0..=i32::MAX;
        // The newer protocol is another one, not a detail that may be left out.
        given.take("group.protocol", (), group_protocol);
        let asks_for_commits = given.has("enable.auto.commit");
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
            group_id: given.take("group.id", None, name),
            group_instance_id: given.take("group.instance.id", None, name),
            session_timeout: timeout(given, "session.timeout.ms", defaults.session_timeout),
            heartbeat_interval: timeout(
                given,
                "heartbeat.interval.ms",
                defaults.heartbeat_interval,
            ),
            max_poll_interval: timeout(given, "max.poll.interval.ms", defaults.max_poll_interval),
            assignors: given.take(
                "partition.assignment.strategy",
                defaults.assignors,
                Assignor::parse_list,
            ),
            auto_commit: given.take_boolean("enable.auto.commit", defaults.auto_commit),
            auto_commit_interval: given
                .take_ms("auto.commit.interval.ms", defaults.auto_commit_interval),
            allow_auto_create_topics: given.take_boolean(
                "allow.auto.create.topics",
                defaults.allow_auto_create_topics,
            ),
            exclude_internal_topics: given
                .take_boolean("exclude.internal.topics", defaults.exclude_internal_topics),
            client: defaults.client,
        };
        config.check_group(asks_for_commits, given);
        properties.finish()?;
        Ok(config)
    }

    /// What no single key shows.
    fn check_group(&self, asks_for_commits: bool, given: &mut Properties) {
        if self.session_timeout <= self.heartbeat_interval {
            let problem = "heartbeat.interval.ms must be less than session.timeout.ms";
            given.add_problem(problem.to_owned());
        }
        if self.group_id.is_none() && self.auto_commit && asks_for_commits {
            let problem = "enable.auto.commit=true needs a group.id, whose positions they are";
            given.add_problem(problem.to_owned());
        }
    }
}

fn timeout(given: &mut Properties, key: &'static str, default: Duration) -> Duration {
    let default_ms = default.as_millis() as u64;
    Duration::from_millis(given.take_number(key, default_ms, TIMEOUT_MS))
}

fn name(text: &str) -> Result<Option<String>, String> {
    match text {
        "" => Err("a name".to_owned()),
        name => Ok(Some(name.to_owned())),
    }
}

fn group_protocol(text: &str) -> Result<(), String> {
    match text.to_ascii_lowercase().as_str() {
        "classic" => Ok(()),
        _ => Err("classic: this client does not speak the newer one yet".to_owned()),
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
        assert!(read("group.protocol", "classic").is_ok());
        assert!(read("group.protocol", "consumer").is_err());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let read = |entries: &[(&str, &str)]| {
            ConsumerConfig::from_properties(entries.iter().copied().collect())
        };
        let short = [
            ("session.timeout.ms", "3000"),
            ("heartbeat.interval.ms", "3000"),
        ];
        assert!(read(&short).is_err());
        assert!(read(&[("enable.auto.commit", "true")]).is_err());
        assert!(read(&[("enable.auto.commit", "true"), ("group.id", "g")]).is_ok());
        assert!(read(&[("group.id", "")]).is_err());
    }
}
