//! The configuration that is in force for a topic or for this broker, key by key, with where each
//! value comes from.
//!
//! A topic's value is its own override, else what the broker's configuration gives it; a broker's
//! is what clients have set for it, else for all brokers, else what its file says. The places that
//! could have given the value are its synonyms, the winning one first.

use odradek_metadata::ConfigMap;

use crate::config::{
    Config,
    check::Setting,
    raw::Origin,
    table::{Key, Kind, Status, Update, accepted},
    topic::{TOPIC_KEYS, TopicKey},
};

/// Kafka's numbers for the place of a value.
const SOURCE_TOPIC: i8 = 1;
const SOURCE_BROKER: i8 = 2;
const SOURCE_ALL_BROKERS: i8 = 3;
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
    /// What the key means, or why it means nothing here.
    pub(super) documentation: &'static str,
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
    let own = overrides.get(key.name).map(|value| Synonym {
        name: key.name,
        value: Some(value.to_string()),
        source: SOURCE_TOPIC,
    });
    let of_broker = key.broker_key().into_iter();
    let of_broker = of_broker.flat_map(|key| synonyms(config, key.name));
    let synonyms: Vec<_> = own.into_iter().chain(of_broker).collect();
    let (value, source) = match synonyms.first() {
        Some(first) if first.source == SOURCE_TOPIC => (first.value.clone(), SOURCE_TOPIC),
        first => (
            config.topic_defaults.get(key.name).map(str::to_owned),
            first.map_or(SOURCE_DEFAULT, |first| first.source),
        ),
    };
    EffectiveConfig {
        name: key.name,
        value,
        source,
        is_sensitive: false,
        is_read_only: false,
        config_type: type_number(key.kind()),
        documentation: key.documentation(),
        synonyms,
    }
}

/// Where a key of the broker, or what stands in for it, gets its value.
fn synonyms(config: &Config, name: &'static str) -> Vec<Synonym> {
    let settings = stand_ins(name).into_iter();
    settings
        .filter_map(|name| config.settings.find(name))
        .flat_map(places)
        .collect()
}

/// The key, and those that count when it is unset, in their order.
fn stand_ins(name: &'static str) -> Vec<&'static str> {
    let others: &[_] = match name {
        "log.retention.ms" => &["log.retention.minutes", "log.retention.hours"],
        "log.retention.minutes" => &["log.retention.hours"],
        "log.roll.ms" => &["log.roll.hours"],
        "log.roll.jitter.ms" => &["log.roll.jitter.hours"],
        "log.flush.interval.ms" => &["log.flush.scheduler.interval.ms"],
        _ => &[],
    };
    [&[name], others].concat()
}

/// Every key of this broker, in the order of names. `config` is what is in force.
pub(super) fn of_broker(config: &Config) -> Vec<EffectiveConfig> {
    let settings = config.settings.iter().filter(|setting| !is_gone(setting));
    settings
        .map(|setting| {
            let value = setting.shown_value().map(str::to_owned);
            let synonyms = if value.is_some() {
                synonyms(config, setting.key.name)
            } else {
                places(setting).collect()
            };
            EffectiveConfig {
                value,
                synonyms,
                ..of_key(setting.key, source_of(&setting.origin))
            }
        })
        .collect()
}

/// The keys that clients have set for all brokers.
pub(super) fn of_all_brokers(configs: &ConfigMap) -> Vec<EffectiveConfig> {
    let set = configs
        .iter()
        .filter_map(|(name, value)| Some((Key::find(name)?, value.to_string())));
    set.map(|(key, value)| EffectiveConfig {
        value: Some(value.clone()),
        synonyms: vec![Synonym {
            name: key.name,
            value: Some(value),
            source: SOURCE_ALL_BROKERS,
        }],
        ..of_key(key, SOURCE_ALL_BROKERS)
    })
    .collect()
}

/// What is known of a broker's key besides its value.
fn of_key(key: &'static Key, source: i8) -> EffectiveConfig {
    EffectiveConfig {
        name: key.name,
        value: None,
        source,
        is_sensitive: key.kind == Kind::Password,
        is_read_only: key.update == Update::AtStart,
        config_type: type_number(key.kind),
        documentation: key.meaning(),
        synonyms: Vec::new(),
    }
}

/// Whether a key was removed from Kafka long ago, and nobody writes it, such as
/// `zookeeper.connect`.
fn is_gone(setting: &Setting) -> bool {
    setting.key.status == Status::Accepted(accepted::REMOVED) && setting.origin == Origin::Default
}

fn source_of(origin: &Origin) -> i8 {
    match origin {
        Origin::Default => SOURCE_DEFAULT,
        Origin::File { .. } | Origin::Override => SOURCE_FILE,
        Origin::AllBrokers => SOURCE_ALL_BROKERS,
        Origin::ThisBroker => SOURCE_BROKER,
    }
}

/// Where a key of the broker gets a value: from clients, from the file or flags, from the table.
fn places(setting: &Setting) -> impl Iterator<Item = Synonym> {
    let name = setting.key.name;
    let written = setting.written().map(move |(origin, value)| Synonym {
        name,
        value: value.map(str::to_owned),
        source: source_of(origin),
    });
    let default = setting.key.default.map(|value| Synonym {
        name,
        value: Some(value.to_owned()),
        source: SOURCE_DEFAULT,
    });
    written.chain(default)
}

/// Kafka's number of a type (KIP-569).
const fn type_number(kind: Kind) -> i8 {
    match kind {
        Kind::Boolean => 1,
        Kind::Text | Kind::Choice(_) => 2,
        Kind::Int(..) | Kind::UnsetOrInt(..) => 3,
        Kind::Short(..) => 4,
        Kind::Long(..) => 5,
        Kind::Double(..) => 6,
        Kind::List | Kind::ChoiceList(_) => 7,
        Kind::Class => 8,
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
        assert!(!found.documentation.is_empty());
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
