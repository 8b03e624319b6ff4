//! Topic configuration: the keys a topic may override, what each falls back to, and the typed
//! settings of a partition's log.
//!
//! A topic's value comes from the topic's own override, else from the broker's key named beside it,
//! else from the table's default. `DescribeConfigs` tells the three apart. Overrides are stored and
//! replicated as text; [`check`] is what keeps bad ones out of the metadata log.

use std::collections::BTreeMap;

use odradek_metadata::ConfigMap;
use odradek_protocol::records::TimestampType;
use odradek_storage::config::LogConfig;

use super::{
    check::Settings,
    table::{Key, Kind, parse_boolean, split_list},
};

/// One key a topic may set.
#[derive(Debug, Clone, Copy)]
pub struct TopicKey {
    /// Its name in the topic's configuration.
    pub name: &'static str,
    /// What a topic without it gets.
    pub fallback: Fallback,
}

/// What a topic gets that does not set a key.
#[derive(Debug, Clone, Copy)]
pub enum Fallback {
    /// The value of this key of the broker, which also gives type, range and meaning.
    Broker(&'static str),
    /// Nothing of the broker's: this type, and this value.
    Own(Kind, &'static str),
}

/// An override that a topic cannot have, told as a sentence to whoever asked for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicConfigError {
    /// No topic key has that name.
    #[error("Unknown topic config name: {name}.{hint}")]
    Unknown {
        /// The name.
        name: String,
        /// Empty, or a sentence with the name that was probably meant.
        hint: String,
    },
    /// The value does not fit the key.
    #[error("Invalid value {value:?} for {name}: it must be {expected}.")]
    Value {
        /// The key.
        name: &'static str,
        /// The value.
        value: String,
        /// What it should have been.
        expected: String,
    },
    /// The key asks for something that is not there.
    #[error("{name} is not supported: {reason}.")]
    Unsupported {
        /// The key.
        name: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// Nothing would ever be compacted.
    #[error("min.compaction.lag.ms ({min_ms}) is above max.compaction.lag.ms ({max_ms}).")]
    CompactionLag {
        /// `min.compaction.lag.ms`.
        min_ms: i64,
        /// `max.compaction.lag.ms`.
        max_ms: i64,
    },
}

const fn key(name: &'static str, broker_key: &'static str) -> TopicKey {
    TopicKey {
        name,
        fallback: Fallback::Broker(broker_key),
    }
}

const fn own(name: &'static str, kind: Kind, default: &'static str) -> TopicKey {
    TopicKey {
        name,
        fallback: Fallback::Own(kind, default),
    }
}

/// Every topic key of Kafka 4.3, in the order of names.
pub const TOPIC_KEYS: &[TopicKey] = &[
    key("cleanup.policy", "log.cleanup.policy"),
    key("compression.gzip.level", "compression.gzip.level"),
    key("compression.lz4.level", "compression.lz4.level"),
    key("compression.type", "compression.type"),
    key("compression.zstd.level", "compression.zstd.level"),
    key("delete.retention.ms", "log.cleaner.delete.retention.ms"),
    key("file.delete.delay.ms", "log.segment.delete.delay.ms"),
    key("flush.messages", "log.flush.interval.messages"),
    key("flush.ms", "log.flush.interval.ms"),
    own("follower.replication.throttled.replicas", Kind::List, ""),
    key("index.interval.bytes", "log.index.interval.bytes"),
    own("leader.replication.throttled.replicas", Kind::List, ""),
    key("local.retention.bytes", "log.local.retention.bytes"),
    key("local.retention.ms", "log.local.retention.ms"),
    key("max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"),
    key("max.message.bytes", "message.max.bytes"),
    key(
        "message.timestamp.after.max.ms",
        "log.message.timestamp.after.max.ms",
    ),
    key(
        "message.timestamp.before.max.ms",
        "log.message.timestamp.before.max.ms",
    ),
    key("message.timestamp.type", "log.message.timestamp.type"),
    key(
        "min.cleanable.dirty.ratio",
        "log.cleaner.min.cleanable.ratio",
    ),
    key("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms"),
    key("min.insync.replicas", "min.insync.replicas"),
    key("preallocate", "log.preallocate"),
    own("remote.log.copy.disable", Kind::Boolean, "false"),
    own("remote.log.delete.on.disable", Kind::Boolean, "false"),
    own("remote.storage.enable", Kind::Boolean, "false"),
    key("retention.bytes", "log.retention.bytes"),
    key("retention.ms", "log.retention.ms"),
    key("segment.bytes", "log.segment.bytes"),
    key("segment.index.bytes", "log.index.size.max.bytes"),
    key("segment.jitter.ms", "log.roll.jitter.ms"),
    key("segment.ms", "log.roll.ms"),
    key(
        "unclean.leader.election.enable",
        "unclean.leader.election.enable",
    ),
];

impl TopicKey {
    /// Finds a topic key by its exact name.
    pub fn find(name: &str) -> Option<&'static Self> {
        TOPIC_KEYS.iter().find(|key| key.name == name)
    }

    /// The broker's key of the same meaning.
    pub fn broker_key(&self) -> Option<&'static Key> {
        match self.fallback {
            Fallback::Broker(name) => Key::find(name),
            Fallback::Own(..) => None,
        }
    }

    /// What the key means, or why it has no effect.
    pub fn documentation(&self) -> &'static str {
        match self.fallback {
            Fallback::Broker(name) => Key::find(name).map_or("", Key::meaning),
            Fallback::Own(..) if self.name.starts_with("remote.") => {
                "Tiered storage is not supported."
            }
            Fallback::Own(..) => "There is nothing to replicate on a single node.",
        }
    }

    /// Type and range of its value.
    pub fn kind(&self) -> Kind {
        match self.fallback {
            Fallback::Broker(name) => Key::find(name).map_or(Kind::Text, |key| key.kind),
            Fallback::Own(kind, _) => kind,
        }
    }

    /// The value of a topic that does not set the key, on a broker that is not configured.
    pub fn table_default(&self) -> Option<&'static str> {
        match self.fallback {
            Fallback::Own(_, value) => Some(value),
            Fallback::Broker(name) => Key::find(name)?.default,
        }
    }

    /// The value of a topic that does not set the key.
    pub fn default(&self, settings: &Settings) -> String {
        match self.fallback {
            Fallback::Own(_, value) => value.to_owned(),
            Fallback::Broker("log.retention.ms") => retention_ms(settings).to_string(),
            Fallback::Broker("log.roll.ms") => {
                in_hours(settings, "log.roll.ms", "log.roll.hours").to_string()
            }
            Fallback::Broker("log.roll.jitter.ms") => {
                in_hours(settings, "log.roll.jitter.ms", "log.roll.jitter.hours").to_string()
            }
            Fallback::Broker("log.flush.interval.ms") => settings
                .optional_number::<i64>("log.flush.interval.ms")
                .unwrap_or_else(|| settings.number("log.flush.scheduler.interval.ms"))
                .to_string(),
            Fallback::Broker(name) => settings.text(name).unwrap_or_default().to_owned(),
        }
    }

    /// Checks one value and puts it into the form in which it is stored.
    fn check(&'static self, value: &str) -> Result<String, TopicConfigError> {
        if self.name == "remote.storage.enable" && parse_boolean(value) == Some(true) {
            let reason = "there is no tiered storage";
            return Err(TopicConfigError::Unsupported {
                name: self.name,
                reason,
            });
        }
        let refuse = |expected| TopicConfigError::Value {
            name: self.name,
            value: value.to_owned(),
            expected,
        };
        let value = self.kind().canonical(value).map_err(refuse)?;
        if self.name.ends_with(".replication.throttled.replicas") && !is_replica_list(&value) {
            return Err(refuse(
                "* or a list of replicas as partition:broker,partition:broker".to_owned(),
            ));
        }
        Ok(value)
    }
}

/// `*`, or replicas as `partition:broker`.
fn is_replica_list(list: &str) -> bool {
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    list == "*"
        || split_list(list).all(|replica| {
            replica
                .split_once(':')
                .is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
        })
}

/// Milliseconds win over minutes, minutes over hours; every negative number means "for ever".
fn retention_ms(settings: &Settings) -> i64 {
    let minutes = || settings.optional_number::<i64>("log.retention.minutes");
    let scaled = |value: i64, unit_ms: i64| if value < 0 { -1 } else { value * unit_ms };
    settings
        .optional_number("log.retention.ms")
        .or_else(|| minutes().map(|minutes| scaled(minutes, 60_000)))
        .unwrap_or_else(|| scaled(settings.number("log.retention.hours"), 3_600_000))
}

fn in_hours(settings: &Settings, ms: &str, hours: &str) -> i64 {
    settings
        .optional_number(ms)
        .unwrap_or_else(|| settings.number::<i64>(hours) * 3_600_000)
}

/// Checks an override before it is stored, and puts it into the form in which it is.
pub fn check(name: &str, value: &str) -> Result<String, TopicConfigError> {
    match TopicKey::find(name) {
        Some(key) => key.check(value),
        None => Err(TopicConfigError::Unknown {
            hint: nearest(name).map_or_else(String::new, |key| format!(" Did you mean {key}?")),
            name: name.to_owned(),
        }),
    }
}

/// The topic key that was probably meant: by a typing error, or by the broker's name for it.
fn nearest(name: &str) -> Option<&'static str> {
    const EDITS_MAX: usize = 2;
    let of_broker = |key: &&TopicKey| key.broker_key().is_some_and(|key| key.name == name);
    let is_near = |key: &&TopicKey| strsim::damerau_levenshtein(name, key.name) <= EDITS_MAX;
    let mut keys = TOPIC_KEYS.iter();
    let meant = keys.clone().find(of_broker).or_else(|| keys.find(is_near));
    meant.map(|key| key.name)
}

/// Checks whether the overrides of one topic may stand together.
pub fn check_together(overrides: &ConfigMap) -> Result<(), TopicConfigError> {
    let number = |name: &str| -> Option<i64> {
        let own = overrides.get(name).map(|value| &**value);
        own.or_else(|| TopicKey::find(name)?.table_default())?
            .parse()
            .ok()
    };
    match (
        number("min.compaction.lag.ms"),
        number("max.compaction.lag.ms"),
    ) {
        (Some(min_ms), Some(max_ms)) if max_ms < min_ms => {
            Err(TopicConfigError::CompactionLag { min_ms, max_ms })
        }
        _ => Ok(()),
    }
}

/// What a topic without any override gets, computed when the broker's configuration changes.
#[derive(Debug, Clone)]
pub struct TopicDefaults {
    values: BTreeMap<&'static str, String>,
}

impl TopicDefaults {
    pub(super) fn new(settings: &Settings) -> Self {
        let values = TOPIC_KEYS
            .iter()
            .map(|key| (key.name, key.default(settings)))
            .collect();
        Self { values }
    }

    /// The default of a topic key; `None` when no topic key has that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// In-sync replicas a produce with acks=all needs in a topic with these overrides.
    pub fn min_insync_replicas(&self, overrides: &ConfigMap) -> usize {
        Merged {
            defaults: self,
            overrides,
        }
        .number("min.insync.replicas")
    }

    /// The log settings of a topic with these overrides. An override that does not parse, which
    /// [`check`] would have refused, counts as absent: a log must open whatever is stored.
    pub fn log_config(&self, overrides: &ConfigMap) -> LogConfig {
        let topic = Merged {
            defaults: self,
            overrides,
        };
        let policies: Vec<_> = split_list(topic.text("cleanup.policy")).collect();
        LogConfig {
            segment_bytes: topic.number("segment.bytes"),
            segment_ms: topic.number("segment.ms"),
            segment_jitter_ms: topic.number("segment.jitter.ms"),
            segment_index_bytes: topic.number("segment.index.bytes"),
            index_interval_bytes: topic.number("index.interval.bytes"),
            max_message_bytes: topic.number("max.message.bytes"),
            timestamp_type: match topic.text("message.timestamp.type") {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            timestamp_before_max_ms: topic.number("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: topic.number("message.timestamp.after.max.ms"),
            cleanup_delete: policies.contains(&"delete"),
            cleanup_compact: policies.contains(&"compact"),
            retention_ms: u64::try_from(topic.number::<i64>("retention.ms")).ok(),
            retention_bytes: u64::try_from(topic.number::<i64>("retention.bytes")).ok(),
            min_cleanable_dirty_ratio: topic.number("min.cleanable.dirty.ratio"),
            min_compaction_lag_ms: topic.number("min.compaction.lag.ms"),
            max_compaction_lag_ms: topic.number("max.compaction.lag.ms"),
            delete_retention_ms: topic.number("delete.retention.ms"),
            file_delete_delay_ms: topic.number("file.delete.delay.ms"),
            flush_messages: topic.number("flush.messages"),
            flush_ms: topic.number("flush.ms"),
        }
    }
}

/// The overrides of a topic over the defaults of the broker.
struct Merged<'a> {
    defaults: &'a TopicDefaults,
    overrides: &'a ConfigMap,
}

impl Merged<'_> {
    fn text(&self, name: &str) -> &str {
        let legal = |value: &&str| TopicKey::find(name).is_some_and(|key| key.check(value).is_ok());
        let overridden = self.overrides.get(name).map(|value| &**value).filter(legal);
        overridden
            .or_else(|| self.defaults.get(name))
            .expect("the code only asks for topic keys")
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> T {
        self.text(name)
            .parse()
            .ok()
            .expect("the range of the key fits the type")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::*;
    use crate::config::{check as check_entries, raw};

    fn defaults(text: &str) -> TopicDefaults {
        let checked = check_entries::check(raw::parse_properties("f", text).unwrap());
        assert_eq!(checked.problems, []);
        TopicDefaults::new(&checked.settings)
    }

    #[test]
    fn a_broker_without_configuration_gives_topics_kafkas_defaults() {
        let config = defaults("").log_config(&ConfigMap::new());
        assert_eq!(config, LogConfig::default());
    }

    #[test]
    fn the_finest_unit_of_retention_wins() {
        for (text, expected) in [
            ("log.retention.hours=1", Some(3_600_000)),
            (
                "log.retention.hours=1\nlog.retention.minutes=2",
                Some(120_000),
            ),
            (
                "log.retention.hours=1\nlog.retention.minutes=2\nlog.retention.ms=3",
                Some(3),
            ),
            ("log.retention.hours=-1", None),
            ("log.retention.hours=1\nlog.retention.ms=-1", None),
            ("log.retention.hours=1\nlog.retention.ms=", Some(3_600_000)),
        ] {
            let config = defaults(text).log_config(&ConfigMap::new());
            assert_eq!(config.retention_ms, expected, "{text}");
        }
        let config =
            defaults("log.roll.hours=2\nlog.roll.jitter.ms=7").log_config(&ConfigMap::new());
        assert_eq!(
            (config.segment_ms, config.segment_jitter_ms),
            (7_200_000, 7)
        );
    }

    #[test]
    fn a_topic_overrides_the_broker_and_a_stored_bad_value_counts_as_absent() {
        let overrides = [
            ("retention.ms", "5"),
            ("cleanup.policy", "compact,delete"),
            ("segment.bytes", "many"),
            ("min.insync.replicas", "2"),
        ];
        let overrides: ConfigMap = overrides
            .into_iter()
            .map(|(key, value)| (Arc::from(key), Arc::from(value)))
            .collect();
        let defaults = defaults("log.segment.bytes=2000000");
        let config = defaults.log_config(&overrides);
        assert_eq!(config.retention_ms, Some(5));
        assert_eq!(
            (config.cleanup_compact, config.cleanup_delete),
            (true, true)
        );
        assert_eq!(config.segment_bytes, 2_000_000);
        assert_eq!(defaults.min_insync_replicas(&overrides), 2);
    }

    #[test]
    fn bad_overrides_are_named() {
        for (name, value, message) in [
            ("retention.ms", "1", ""),
            (
                "retentoin.ms",
                "1",
                "Unknown topic config name: retentoin.ms. Did you mean retention.ms?",
            ),
            ("log.retention.ms", "1", "Did you mean retention.ms?"),
            ("entirely.else", "1", "entirely.else."),
            ("max.message.bytes", "-1", "0 or more"),
            ("leader.replication.throttled.replicas", "0:1,1:2", ""),
            ("leader.replication.throttled.replicas", "*", ""),
            (
                "leader.replication.throttled.replicas",
                "abc",
                "partition:broker",
            ),
            ("compression.gzip.level", "0", "-1, or 1 to 9"),
            ("cleanup.policy", "", ""),
            (
                "remote.storage.enable",
                "TRUE",
                "there is no tiered storage",
            ),
            ("cleanup.policy", "shred", "compact, delete"),
        ] {
            match check(name, value) {
                Ok(_) => assert_eq!(message, "", "{name}"),
                Err(error) => assert!(error.to_string().contains(message), "{error}"),
            }
        }
    }

    #[test]
    fn every_topic_key_falls_back_to_a_key_of_the_table() {
        for key in TOPIC_KEYS {
            let missing =
                matches!(key.fallback, Fallback::Broker(name) if Key::find(name).is_none());
            assert!(!missing, "{}", key.name);
        }
    }
}
