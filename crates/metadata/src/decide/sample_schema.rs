//! A small table of keys for the tests of decisions.

use odradek_protocol::ErrorCode;

use super::{Refusal, alter_configs::ConfigSchema};
use crate::image::{ConfigMap, ConfigResource, ResourceKind};

const NUMBERS: [&str; 3] = ["retention.ms", "retention.bytes", "local.retention.ms"];

/// Three numbers, and the list `cleanup.policy`. `local.retention.ms` must not be above
/// `retention.ms`.
pub(crate) struct SampleSchema;

impl ConfigSchema for SampleSchema {
    fn is_list(&self, _: ResourceKind, key: &str) -> bool {
        key == "cleanup.policy"
    }

    fn default_list(&self, _: ResourceKind, _: &str) -> &'static str {
        "delete"
    }

    fn check(&self, _: &ConfigResource, key: &str, value: &str) -> Result<String, Refusal> {
        let value = value.trim();
        let legal = match key {
            "cleanup.policy" => value
                .split(',')
                .all(|policy| ["", "delete", "compact"].contains(&policy)),
            _ => NUMBERS.contains(&key) && value.parse::<i64>().is_ok(),
        };
        if legal {
            Ok(value.to_owned())
        } else {
            let message = format!("{key} cannot be {value}.");
            Err(Refusal::new(ErrorCode::InvalidConfig, message))
        }
    }

    fn check_together(&self, _: &ConfigResource, configs: &ConfigMap) -> Result<(), Refusal> {
        let number = |key| configs.get(key).and_then(|value| value.parse::<i64>().ok());
        match (number("local.retention.ms"), number("retention.ms")) {
            (Some(local), Some(all)) if all < local => Err(Refusal::new(
                ErrorCode::InvalidConfig,
                "These cannot stand together.",
            )),
            _ => Ok(()),
        }
    }
}
