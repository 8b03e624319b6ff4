//! What may be configured while the broker runs: the rules of the table as the metadata's
//! decisions ask for them.
//!
//! Topics may have every topic key; brokers those keys of the table that the broker takes over
//! without a restart. What is refused, and with which code, follows Kafka: a topic's bad value is
//! INVALID_CONFIG, a broker's is INVALID_REQUEST.

use odradek_metadata::{
    ConfigMap, ConfigResource, ResourceKind,
    decide::{Refusal, alter_configs::ConfigSchema},
};
use odradek_protocol::ErrorCode;

use super::{
    table::{Key, Kind, Status, Update},
    topic::{self, TopicKey},
};

/// The rules of this version of the broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema;

impl ConfigSchema for Schema {
    fn is_list(&self, kind: ResourceKind, key: &str) -> bool {
        let kind = match kind {
            ResourceKind::Topic => TopicKey::find(key).map(TopicKey::kind),
            ResourceKind::Broker => Key::find(key).map(|key| key.kind),
        };
        matches!(kind, Some(Kind::List | Kind::ChoiceList(_)))
    }

    fn default_list(&self, kind: ResourceKind, key: &str) -> &'static str {
        let default = match kind {
            ResourceKind::Topic => TopicKey::find(key).and_then(TopicKey::table_default),
            ResourceKind::Broker => Key::find(key).and_then(|key| key.default),
        };
        default.unwrap_or_default()
    }

    fn check(&self, resource: &ConfigResource, key: &str, value: &str) -> Result<String, Refusal> {
        match resource.kind {
            ResourceKind::Topic => topic::check(key, value)
                .map_err(|error| Refusal::new(ErrorCode::InvalidConfig, error.to_string())),
            ResourceKind::Broker => check_broker_key(key, value),
        }
    }

    fn check_together(
        &self,
        resource: &ConfigResource,
        configs: &ConfigMap,
    ) -> Result<(), Refusal> {
        match resource.kind {
            ResourceKind::Topic => topic::check_together(configs)
                .map_err(|error| Refusal::new(ErrorCode::InvalidConfig, error.to_string())),
            ResourceKind::Broker => Ok(()),
        }
    }
}

/// Checks a value that a broker, or all of them, shall have.
fn check_broker_key(name: &str, value: &str) -> Result<String, Refusal> {
    let refuse = |message| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    let Some(key) = Key::find(name) else {
        let hint = match Key::nearest(name) {
            Some(near) => format!("Did you mean {near}?"),
            None => "Topics have keys of their own.".to_owned(),
        };
        let message = format!("Unknown broker config name: {name}. {hint}");
        return Err(Refusal::new(ErrorCode::InvalidConfig, message));
    };
    match (key.update, key.status) {
        (Update::WhileRunning, _) => {}
        (Update::AtStart, Status::Effective) => {
            return refuse(format!(
                "{name} cannot be changed while the broker runs; write it into the configuration \
                 file and start the broker again."
            ));
        }
        (Update::AtStart, Status::Accepted(reason)) => {
            return refuse(format!("{name} has no effect here. {reason}"));
        }
        (Update::AtStart, Status::Refused(reason)) => {
            return refuse(format!("{name} cannot be honoured: {reason}."));
        }
    }
    key.kind.canonical(value).or_else(|expected| {
        refuse(format!(
            "Invalid value {value:?} for {name}: it must be {expected}."
        ))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn check(resource: &ConfigResource, key: &str, value: &str, expected: Result<&str, ErrorCode>) {
        let found = Schema.check(resource, key, value);
        let found = found.as_deref().map_err(|refusal| refusal.code);
        assert_eq!(found, expected, "{key}={value}");
    }

    #[test]
    fn a_broker_takes_what_it_can_change_while_it_runs() {
        let broker = ConfigResource::broker(1);
        check(&broker, "log.retention.ms", " 5 ", Ok("5"));
        check(
            &broker,
            "log.cleanup.policy",
            "compact, delete",
            Ok("compact,delete"),
        );
        let invalid = ErrorCode::InvalidRequest;
        for (key, value) in [
            ("log.retention.ms", "soon"),
            ("log.retention.ms", ""),
            ("log.segment.bytes", "10"),
            ("num.partitions", "3"),
            ("log.retention.hours", "3"),
            ("compression.type", "gzip"),
            ("ssl.keystore.location", "/tmp/a"),
        ] {
            check(&broker, key, value, Err(invalid));
        }
        check(&broker, "retention.ms", "5", Err(ErrorCode::InvalidConfig));
    }

    #[test]
    fn a_topic_takes_topic_keys() {
        let topic = ConfigResource::topic("t");
        check(&topic, "retention.ms", "+5", Ok("5"));
        check(&topic, "preallocate", "TRUE", Ok("true"));
        for (key, value) in [("retention.ms", "x"), ("log.retention.ms", "5")] {
            check(&topic, key, value, Err(ErrorCode::InvalidConfig));
        }
        assert!(Schema.is_list(ResourceKind::Topic, "cleanup.policy"));
        assert!(!Schema.is_list(ResourceKind::Topic, "retention.ms"));
        assert_eq!(
            Schema.default_list(ResourceKind::Topic, "cleanup.policy"),
            "delete"
        );
    }
}
