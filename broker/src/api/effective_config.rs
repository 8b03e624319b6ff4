//! The configuration that is in force for a topic or for this broker, key by key, with where each
//! value comes from.
//!
//! A topic's value is its own override, else what the broker's configuration gives it. The places
//! that could have given the value are its synonyms, the winning one first.

use odradek_metadata::ConfigMap;

use crate::config::{
    Config,
    check::Setting,
    raw::Origin,
    table::{Kind, Status},
    topic::{TOPIC_KEYS, TopicKey},
};

/// Kafka's numbers for the place of a value.
const SOURCE_TOPIC: i8 = 1;
const SOURCE_FILE: i8 = 4;
const SOURCE_DEFAULT: i8 = 5;

/// One key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EffectiveConfig {
    pub(super) name: &'static str,
    /// Absent when unset or secret.
    pub(super) value: Option<String>,
    pub(super) source: i8,
    pub(super) is_sensitive: bool,
    /// Whether it can only be changed in the file, with a restart.
    pub(super) is_read_only: bool,
    /// Kafka's number of the type.
    pub(super) config_type: i8,
    /// What the key means; absent for those that are only understood.
    pub(super) documentation: Option<&'static str>,
    /// Every place that sets a value, the one that counts first.
    pub(super) synonyms: Vec<Synonym>,
}

/// One place that sets a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Synonym {
    pub(super) name: &'static str,
    pub(super) value: Option<String>,
    pub(super) source: i8,
}

/// Every key of a topic with these overrides, in the order of names.
pub(super) fn of_topic(config: &Config, overrides: &ConfigMap) -> Vec<EffectiveConfig> {
    TOPIC_KEYS
        .iter()
        .map(|key| of_topic_key(config, overrides, key))
        .collect()
}

fn of_topic_key(config: &Config, overrides: &ConfigMap, key: &'static TopicKey) -> EffectiveConfig {
    let of_broker: Vec<_> = broker_keys(key)
        .into_iter()
        .filter_map(|name| config.settings.find(name))
        .flat_map(places)
        .collect();
    let from_broker = || {
        let value = config.topic_defaults.get(key.name).map(str::to_owned);
        let is_written = of_broker.iter().any(|place| place.source == SOURCE_FILE);
        (
            value,
            if is_written {
                SOURCE_FILE
            } else {
                SOURCE_DEFAULT
            },
        )
    };
    let own = overrides.get(key.name).map(ToString::to_string);
    let own_place = own.clone().map(|value| Synonym {
        name: key.name,
        value: Some(value),
        source: SOURCE_TOPIC,
    });
    let (value, source) = own.map_or_else(from_broker, |value| (Some(value), SOURCE_TOPIC));
    EffectiveConfig {
        name: key.name,
        value,
        source,
        is_sensitive: false,
        is_read_only: false,
        config_type: type_number(key.kind()),
        documentation: key
            .broker_key()
            .map(|key| key.doc)
            .filter(|doc| !doc.is_empty()),
        synonyms: own_place.into_iter().chain(of_broker).collect(),
    }
}

/// The broker's keys that can give a topic's value, the one that wins first.
fn broker_keys(key: &TopicKey) -> Vec<&'static str> {
    match key.broker_key().map(|key| key.name) {
        Some("log.retention.ms") => {
            vec![
                "log.retention.ms",
                "log.retention.minutes",
                "log.retention.hours",
            ]
        }
        Some("log.roll.ms") => vec!["log.roll.ms", "log.roll.hours"],
        Some("log.roll.jitter.ms") => vec!["log.roll.jitter.ms", "log.roll.jitter.hours"],
        Some("log.flush.interval.ms") => {
            vec!["log.flush.interval.ms", "log.flush.scheduler.interval.ms"]
        }
        other => other.into_iter().collect(),
    }
}

/// Every key of this broker, in the order of names.
pub(super) fn of_broker(config: &Config) -> Vec<EffectiveConfig> {
    config
        .settings
        .iter()
        .filter(|setting| !is_idle(setting))
        .map(|setting| EffectiveConfig {
            name: setting.key.name,
            value: setting.shown_value().map(str::to_owned),
            source: source_of(setting),
            is_sensitive: setting.key.kind == Kind::Password,
            // Nothing of a broker can be changed while it runs yet.
            is_read_only: true,
            config_type: type_number(setting.key.kind),
            documentation: Some(setting.key.doc).filter(|doc| !doc.is_empty()),
            synonyms: places(setting).collect(),
        })
        .collect()
}

/// Whether a key has no effect, no default, and nobody wrote it, such as `zookeeper.connect`.
fn is_idle(setting: &Setting) -> bool {
    let has_effect = setting.key.status == Status::Effective;
    !has_effect && setting.origin == Origin::Default && setting.key.default.is_none()
}

fn source_of(setting: &Setting) -> i8 {
    match setting.origin {
        Origin::Default => SOURCE_DEFAULT,
        Origin::File { .. } | Origin::Override => SOURCE_FILE,
    }
}

/// Where a key of the broker gets a value: from the file or flags, then from the table.
fn places(setting: &Setting) -> impl Iterator<Item = Synonym> {
    let name = setting.key.name;
    let written = (setting.origin != Origin::Default).then(|| Synonym {
        name,
        value: setting.shown_value().map(str::to_owned),
        source: SOURCE_FILE,
    });
    let default = setting.key.default.map(|value| Synonym {
        name,
        value: Some(value.to_owned()),
        source: SOURCE_DEFAULT,
    });
    written.into_iter().chain(default)
}

/// Kafka's number of a type (KIP-569).
const fn type_number(kind: Kind) -> i8 {
    match kind {
        Kind::Boolean => 1,
        Kind::Text | Kind::Choice(_) => 2,
        Kind::Int(..) => 3,
        Kind::Long(..) => 5,
        Kind::Double(..) => 6,
        Kind::List | Kind::ChoiceList(_) => 7,
        Kind::Password => 9,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{path::Path, sync::Arc};

    use super::*;

    fn topic_key(config: &str, overrides: &[(&str, &str)], name: &str) -> EffectiveConfig {
        let config = Config::for_test(Path::new("/data"), config);
        let overrides = overrides
            .iter()
            .map(|(key, value)| (Arc::from(*key), Arc::from(*value)))
            .collect();
        of_topic(&config, &overrides)
            .into_iter()
            .find(|found| found.name == name)
            .unwrap()
    }

    /// The places of a value as (name, value, source).
    fn places(config: &EffectiveConfig) -> Vec<(&str, &str, i8)> {
        let value = |place: &'_ Synonym| place.value.clone().unwrap().leak() as &str;
        config
            .synonyms
            .iter()
            .map(|place| (place.name, value(place), place.source))
            .collect()
    }

    #[test]
    fn a_topic_without_override_has_the_brokers_default() {
        let found = topic_key("", &[], "max.message.bytes");
        assert_eq!(
            (found.value.as_deref(), found.source),
            (Some("1048588"), SOURCE_DEFAULT)
        );
        assert_eq!(
            places(&found),
            [("message.max.bytes", "1048588", SOURCE_DEFAULT)]
        );
        assert_eq!(found.config_type, 3);
        assert!(found.documentation.is_some());
    }

    #[test]
    fn an_override_wins_over_the_file_and_the_file_over_the_default() {
        let file = "message.max.bytes=5000";
        let found = topic_key(file, &[], "max.message.bytes");
        assert_eq!(
            (found.value.as_deref(), found.source),
            (Some("5000"), SOURCE_FILE)
        );
        let found = topic_key(file, &[("max.message.bytes", "7000")], "max.message.bytes");
        assert_eq!(
            (found.value.as_deref(), found.source),
            (Some("7000"), SOURCE_TOPIC)
        );
        let expected = [
            ("max.message.bytes", "7000", SOURCE_TOPIC),
            ("message.max.bytes", "5000", SOURCE_FILE),
            ("message.max.bytes", "1048588", SOURCE_DEFAULT),
        ];
        assert_eq!(places(&found), expected);
    }

    #[test]
    fn retention_shows_which_of_its_units_was_written() {
        let found = topic_key("log.retention.minutes=2", &[], "retention.ms");
        assert_eq!(
            (found.value.as_deref(), found.source),
            (Some("120000"), SOURCE_FILE)
        );
        let expected = [
            ("log.retention.minutes", "2", SOURCE_FILE),
            ("log.retention.hours", "168", SOURCE_DEFAULT),
        ];
        assert_eq!(places(&found), expected);
        assert_eq!(
            topic_key("", &[], "retention.ms").value.as_deref(),
            Some("604800000")
        );
    }

    #[test]
    fn a_broker_shows_every_key_and_no_secret() {
        let config = Config::for_test(Path::new("/data"), "num.partitions=3");
        let found = of_broker(&config);
        let partitions = found
            .iter()
            .find(|found| found.name == "num.partitions")
            .unwrap();
        assert_eq!(
            (partitions.value.as_deref(), partitions.source),
            (Some("3"), SOURCE_FILE)
        );
        let of_kind = |number| {
            found
                .iter()
                .filter(move |found| found.config_type == number)
        };
        assert!(of_kind(9).all(|secret| secret.is_sensitive && secret.value.is_none()));
        assert!(100 < found.len());
        assert!(found.iter().all(|found| found.name != "zookeeper.connect"));
    }
}
