//! What is configured, and by whom.

use std::collections::BTreeMap;

use odradek_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};

use super::Admin;
use crate::{cluster::Target, error::Error};

/// Kafka's number of a topic among the resources.
const TOPIC: i8 = 2;

/// Who set a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set for the topic.
    Topic,
    /// Set for the broker while it runs.
    DynamicBroker,
    /// Set for all brokers while they run.
    DynamicDefaultBroker,
    /// Written in the broker's configuration file.
    StaticBroker,
    /// Nobody.
    Default,
    /// Somebody of whom this client does not know, by Kafka's number.
    Other(i8),
}

/// One key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue {
    /// The key.
    pub name: String,
    /// The value; absent when it is unset, or secret.
    pub value: Option<String>,
    /// Who set it.
    pub source: ConfigSource,
    /// Whether it cannot be changed while the broker runs.
    pub read_only: bool,
    /// Whether it is a secret.
    pub sensitive: bool,
}

impl Admin {
    /// Every key of these topics.
    pub async fn describe_topic_configs(
        &self,
        topics: &[String],
    ) -> Result<BTreeMap<String, Result<Vec<ConfigValue>, Error>>, Error> {
        let resources = topics.iter().map(|topic| DescribeConfigsResource {
            resource_type: TOPIC,
            resource_name: topic.clone(),
            configuration_keys: None,
        });
        let request = DescribeConfigsRequest {
            resources: resources.collect(),
            ..Default::default()
        };
        let results = self.ask(
            "describe configs",
            Target::Any,
            |_| Ok(request.clone()),
            |answer| Ok(answer.results),
        );
        let results = results.await?.into_iter().map(|result| {
            let name = result.resource_name;
            let checked = Error::check(&name, result.error_code, result.error_message);
            let configs = result.configs.into_iter().map(value);
            (name, checked.map(|()| configs.collect()))
        });
        Ok(results.collect())
    }
}

fn value(config: DescribeConfigsResourceResult) -> ConfigValue {
    ConfigValue {
        name: config.name,
        value: config.value,
        source: ConfigSource::from_code(config.config_source),
        read_only: config.read_only,
        sensitive: config.is_sensitive,
    }
}

impl ConfigSource {
    const fn from_code(code: i8) -> Self {
        match code {
            1 => Self::Topic,
            2 => Self::DynamicBroker,
            3 => Self::DynamicDefaultBroker,
            4 => Self::StaticBroker,
            5 => Self::Default,
            other => Self::Other(other),
        }
    }
}
