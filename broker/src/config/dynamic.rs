//! Configuration that changes while the broker runs: what clients have set, over what it started
//! with.
//!
//! A key's value is the one set for this broker, else the one set for all brokers, else the one of
//! the file, else the table's default. Only keys of [`Update::WhileRunning`] are looked for.
//!
//! [`Update::WhileRunning`]: super::table::Update::WhileRunning

use std::sync::Arc;

use odradek_metadata::{ConfigResource, ConfigsImage};
use parking_lot::RwLock;

use super::{Config, raw::Origin};

impl Config {
    /// This configuration with what `configs` says over it.
    pub(crate) fn overlaid(&self, configs: &ConfigsImage) -> Self {
        let mut settings = self.settings.clone();
        for (resource, origin) in [
            (ConfigResource::all_brokers(), Origin::AllBrokers),
            (ConfigResource::broker(self.node_id), Origin::ThisBroker),
        ] {
            for (name, value) in &configs.of(&resource) {
                settings.overlay(name, value, origin.clone());
            }
        }
        self.with_settings(settings)
    }

    /// Whether a change of this resource's configuration may change this broker's.
    pub(crate) fn depends_on(&self, resource: &ConfigResource) -> bool {
        *resource == ConfigResource::all_brokers()
            || *resource == ConfigResource::broker(self.node_id)
    }
}

/// The configuration in force now.
#[derive(Debug)]
pub(crate) struct LiveConfig {
    at_start: Arc<Config>,
    now: RwLock<Arc<Config>>,
}

impl LiveConfig {
    /// Nobody has set anything yet.
    pub(crate) fn new(at_start: Arc<Config>) -> Arc<Self> {
        let now = RwLock::new(Arc::clone(&at_start));
        Arc::new(Self { at_start, now })
    }

    /// What counts now.
    pub(crate) fn now(&self) -> Arc<Config> {
        Arc::clone(&self.now.read())
    }

    /// Takes over what clients have set.
    pub(crate) fn update(&self, configs: &ConfigsImage) {
        *self.now.write() = Arc::new(self.at_start.overlaid(configs));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use odradek_metadata::{ConfigMap, MetadataImage, records::ConfigRecord};

    use super::*;

    /// What is configured when these are set: resource name, key, value.
    fn configs(set: &[(&str, &str, &str)]) -> ConfigsImage {
        let mut image = MetadataImage::default();
        for (name, key, value) in set {
            let record = ConfigRecord {
                resource_type: 4,
                resource_name: (*name).to_owned(),
                key: (*key).to_owned(),
                value: Some((*value).to_owned()),
            };
            image.apply(record.into(), 1).unwrap();
        }
        image.configs
    }

    fn retention_ms(file: &str, set: &[(&str, &str, &str)]) -> Option<u64> {
        let config = Config::for_test(Path::new("/data"), file).overlaid(&configs(set));
        config
            .topic_defaults
            .log_config(&ConfigMap::new())
            .retention_ms
    }

    #[test]
    fn this_broker_wins_over_all_brokers_and_they_over_the_file() {
        let file = "log.retention.minutes=1";
        let this = ("1", "log.retention.ms", "5");
        let all = ("", "log.retention.ms", "7");
        let other = ("2", "log.retention.ms", "9");
        for (set, expected) in [
            (&[this, all, other][..], 5),
            (&[all, other], 7),
            (&[other], 60_000),
        ] {
            assert_eq!(retention_ms(file, set), Some(expected));
        }
    }

    #[test]
    fn what_cannot_be_set_while_running_counts_as_absent() {
        let set = [
            ("1", "log.retention.ms", "soon"),
            ("1", "num.partitions", "9"),
            ("1", "no.such.key", "9"),
        ];
        assert_eq!(retention_ms("", &set), Some(7 * 24 * 3_600_000));
        let config = Config::for_test(Path::new("/data"), "");
        assert_eq!(config.overlaid(&configs(&set)).topics.partitions, 1);
    }

    #[test]
    fn limits_change_and_change_back() {
        let live = LiveConfig::new(Arc::new(Config::for_test(Path::new("/data"), "")));
        live.update(&configs(&[("1", "max.connections.per.ip", "3")]));
        assert_eq!(live.now().network.connections_per_ip_max, 3);
        live.update(&configs(&[]));
        assert_eq!(live.now().network.connections_per_ip_max, i32::MAX as usize);
    }
}
