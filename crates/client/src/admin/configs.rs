//! What is configured, by whom, and changes to it: of topics, brokers, loggers, metrics, groups.
//!
//! What belongs to one broker is asked at that broker; everything else any broker answers. Changes
//! are single keys (KIP-339): the older AlterConfigs replaces everything at once, and is not used.

use std::collections::{BTreeMap, BTreeSet};

use odradek_connection::Connection;
use odradek_protocol::{
    ErrorCode,
    messages::{
        describe_configs::{
            DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
            DescribeConfigsResponse, DescribeConfigsSynonym,
        },
        incremental_alter_configs::{
            AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
            IncrementalAlterConfigsResponse,
        },
        list_config_resources::{ListConfigResourcesRequest, ListConfigResourcesResponse},
    },
};

use super::{Admin, outcomes};
use crate::{cluster::Target, error::Error};

/// The first version of ListConfigResources that tells of more than client metrics (KIP-1142).
const LIST_KINDS_VERSION: i16 = 1;

/// Something that has a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigResource {
    /// A topic, by its name.
    Topic(String),
    /// One broker, by its `node.id`.
    Broker(i32),
    /// What holds for every broker that has no value of its own.
    BrokerDefaults,
    /// The loggers of one broker, each a key with its level (KIP-412).
    BrokerLoggers(i32),
    /// A subscription to metrics of clients, by its name (KIP-714).
    ClientMetrics(String),
    /// A group, by its id (KIP-848).
    Group(String),
}

/// A kind of things that have a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigKind {
    /// Topics.
    Topic,
    /// Brokers, and their common defaults.
    Broker,
    /// The loggers of brokers.
    BrokerLoggers,
    /// Subscriptions to metrics of clients.
    ClientMetrics,
    /// Groups.
    Group,
}

/// The result for each resource.
pub type ByResource<T> = BTreeMap<ConfigResource, T>;

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
    /// A logger's level.
    BrokerLogger,
    /// Set for the subscription to clients' metrics.
    ClientMetrics,
    /// Set for the group.
    Group,
    /// Somebody of whom this client does not know, by Kafka's number.
    Other(i8),
}

/// What kind of value a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false`.
    Boolean,
    /// Any text.
    String,
    /// A number of 32 bits.
    Int,
    /// A number of 16 bits.
    Short,
    /// A number of 64 bits.
    Long,
    /// A floating-point number.
    Double,
    /// Texts separated by commas.
    List,
    /// The name of a class.
    Class,
    /// A secret.
    Password,
    /// The broker does not tell (those before Kafka 2.6), or tells what this client does not know.
    Unknown,
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
    /// What kind of value it is.
    pub kind: ConfigType,
    /// Every place that sets it, the one that counts first; empty unless asked for.
    pub synonyms: Vec<ConfigSynonym>,
    /// What the key means, in the broker's words; absent unless asked for.
    pub documentation: Option<String>,
}

/// A place that sets a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The key at that place: a topic's `retention.ms` follows the broker's `log.retention.ms`.
    pub name: String,
    /// The value there; absent when it is unset, or secret.
    pub value: Option<String>,
    /// Which place it is.
    pub source: ConfigSource,
}

/// How much a description tells of each key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConfigDetail {
    /// Every place that sets the value, and not only the one that counts.
    pub synonyms: bool,
    /// What the key means (KIP-569); brokers before Kafka 2.6 do not tell.
    pub documentation: bool,
}

/// A change to one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// It gets this value.
    Set(String),
    /// It gets back what it has without a value of its own.
    Delete,
    /// These are added to its list.
    Append(String),
    /// These are taken out of its list.
    Subtract(String),
}

impl Admin {
    /// Every key of these resources.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
        detail: ConfigDetail,
    ) -> ByResource<Result<Vec<ConfigValue>, Error>> {
        let mut described = BTreeMap::new();
        for (broker, resources) in by_broker(resources) {
            let request = DescribeConfigsRequest {
                resources: resources.iter().map(|it| described_whole(it)).collect(),
                include_synonyms: detail.synonyms,
                include_documentation: detail.documentation,
            };
            let answer = self.ask(
                "describe configs",
                broker.map_or(Target::Any, Target::Broker),
                |_| Ok(request.clone()),
                |answer| Ok(descriptions(answer)),
            );
            described.extend(outcomes(resources, answer.await, ConfigResource::to_string));
        }
        described
    }

    /// What of these kinds has a configuration; of groups and client metrics, those of which
    /// something was set.
    ///
    /// Brokers before Kafka 4.1 tell of client metrics alone (KIP-1000), the others refuse.
    pub async fn list_config_resources(
        &self,
        kinds: &[ConfigKind],
    ) -> Result<BTreeSet<ConfigResource>, Error> {
        const WHAT: &str = "list what is configured";
        let request = |connection: &Connection| {
            let version = connection.version_of::<ListConfigResourcesRequest>()?;
            if version < LIST_KINDS_VERSION && kinds != [ConfigKind::ClientMetrics] {
                let message = "this broker is too old to list anything but client metrics";
                Error::check(
                    WHAT,
                    ErrorCode::UnsupportedVersion,
                    Some(message.to_owned()),
                )?;
            }
            Ok(ListConfigResourcesRequest {
                resource_types: kinds.iter().map(|kind| kind.number()).collect(),
            })
        };
        let read = |answer: ListConfigResourcesResponse| {
            Error::check(WHAT, answer.error_code, None)?;
            let each = answer.config_resources.iter();
            let each =
                each.filter_map(|it| ConfigResource::read(it.resource_type, &it.resource_name));
            Ok(each.collect())
        };
        self.ask(WHAT, Target::Any, request, read).await
    }

    /// Changes keys. The changes to one resource take effect together or not at all.
    pub async fn alter_configs(
        &self,
        changes: &ByResource<BTreeMap<String, ConfigChange>>,
    ) -> ByResource<Result<(), Error>> {
        self.change_configs(changes, false).await
    }

    /// Tells whether [`Admin::alter_configs`] would be accepted, and changes nothing.
    pub async fn validate_configs(
        &self,
        changes: &ByResource<BTreeMap<String, ConfigChange>>,
    ) -> ByResource<Result<(), Error>> {
        self.change_configs(changes, true).await
    }

    async fn change_configs(
        &self,
        changes: &ByResource<BTreeMap<String, ConfigChange>>,
        validate_only: bool,
    ) -> ByResource<Result<(), Error>> {
        let mut changed = BTreeMap::new();
        for (broker, resources) in by_broker(changes.keys()) {
            let each = resources.iter().filter_map(|resource| {
                let keys = changes.get(*resource)?;
                Some(altered(resource, keys))
            });
            let request = IncrementalAlterConfigsRequest {
                resources: each.collect(),
                validate_only,
            };
            let answer = self.ask(
                "change configs",
                broker.map_or(Target::Any, Target::Broker),
                |_| Ok(request.clone()),
                |answer| Ok(alterations(answer)),
            );
            changed.extend(outcomes(resources, answer.await, ConfigResource::to_string));
        }
        changed
    }
}

/// The resources by the broker that has to be asked, if it has to be a certain one.
fn by_broker<'a>(
    resources: impl IntoIterator<Item = &'a ConfigResource>,
) -> BTreeMap<Option<i32>, Vec<&'a ConfigResource>> {
    let mut brokers: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for resource in resources {
        brokers.entry(resource.owner()).or_default().push(resource);
    }
    brokers
}

fn described_whole(resource: &ConfigResource) -> DescribeConfigsResource {
    DescribeConfigsResource {
        resource_type: resource.kind().number(),
        resource_name: resource.name(),
        configuration_keys: None,
    }
}

fn descriptions(answer: DescribeConfigsResponse) -> ByResource<Result<Vec<ConfigValue>, Error>> {
    let each = answer.results.into_iter().filter_map(|result| {
        let resource = ConfigResource::read(result.resource_type, &result.resource_name)?;
        let what = resource.to_string();
        let outcome = Error::check(what, result.error_code, result.error_message);
        let configs = result.configs.into_iter().map(value);
        Some((resource, outcome.map(|()| configs.collect())))
    });
    each.collect()
}

fn value(config: DescribeConfigsResourceResult) -> ConfigValue {
    ConfigValue {
        name: config.name,
        value: config.value,
        source: ConfigSource::from_code(config.config_source),
        read_only: config.read_only,
        sensitive: config.is_sensitive,
        kind: ConfigType::from_code(config.config_type),
        synonyms: config.synonyms.into_iter().map(synonym).collect(),
        documentation: config.documentation,
    }
}

fn synonym(synonym: DescribeConfigsSynonym) -> ConfigSynonym {
    ConfigSynonym {
        name: synonym.name,
        value: synonym.value,
        source: ConfigSource::from_code(synonym.source),
    }
}

fn altered(
    resource: &ConfigResource,
    changes: &BTreeMap<String, ConfigChange>,
) -> AlterConfigsResource {
    let configs = changes.iter().map(|(name, change)| {
        let (config_operation, value) = match change {
            ConfigChange::Set(value) => (0, Some(value)),
            ConfigChange::Delete => (1, None),
            ConfigChange::Append(values) => (2, Some(values)),
            ConfigChange::Subtract(values) => (3, Some(values)),
        };
        AlterableConfig {
            name: name.clone(),
            config_operation,
            value: value.cloned(),
        }
    });
    AlterConfigsResource {
        resource_type: resource.kind().number(),
        resource_name: resource.name(),
        configs: configs.collect(),
    }
}

fn alterations(answer: IncrementalAlterConfigsResponse) -> ByResource<Result<(), Error>> {
    let each = answer.responses.into_iter().filter_map(|result| {
        let resource = ConfigResource::read(result.resource_type, &result.resource_name)?;
        let what = resource.to_string();
        let outcome = Error::check(what, result.error_code, result.error_message);
        Some((resource, outcome))
    });
    each.collect()
}

impl ConfigKind {
    /// Kafka's number of it.
    const fn number(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLoggers => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }
}

impl ConfigResource {
    /// What kind of thing it is.
    pub const fn kind(&self) -> ConfigKind {
        match self {
            Self::Topic(_) => ConfigKind::Topic,
            Self::Broker(_) | Self::BrokerDefaults => ConfigKind::Broker,
            Self::BrokerLoggers(_) => ConfigKind::BrokerLoggers,
            Self::ClientMetrics(_) => ConfigKind::ClientMetrics,
            Self::Group(_) => ConfigKind::Group,
        }
    }

    /// Its name on the wire.
    fn name(&self) -> String {
        match self {
            Self::Topic(name) | Self::ClientMetrics(name) | Self::Group(name) => name.clone(),
            Self::Broker(id) | Self::BrokerLoggers(id) => id.to_string(),
            Self::BrokerDefaults => String::new(),
        }
    }

    /// The resource with that number and name, if it is one.
    fn read(number: i8, name: &str) -> Option<Self> {
        Some(match number {
            2 => Self::Topic(name.to_owned()),
            4 if name.is_empty() => Self::BrokerDefaults,
            4 => Self::Broker(name.parse().ok()?),
            8 => Self::BrokerLoggers(name.parse().ok()?),
            16 => Self::ClientMetrics(name.to_owned()),
            32 => Self::Group(name.to_owned()),
            _ => return None,
        })
    }

    /// The only broker that knows it, if there is one.
    const fn owner(&self) -> Option<i32> {
        match self {
            Self::Broker(id) | Self::BrokerLoggers(id) => Some(*id),
            Self::Topic(_) | Self::BrokerDefaults | Self::ClientMetrics(_) | Self::Group(_) => None,
        }
    }
}

impl std::fmt::Display for ConfigResource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topic(name) => write!(formatter, "topic {name}"),
            Self::Broker(id) => write!(formatter, "broker {id}"),
            Self::BrokerDefaults => formatter.write_str("defaults of all brokers"),
            Self::BrokerLoggers(id) => write!(formatter, "loggers of broker {id}"),
            Self::ClientMetrics(name) => write!(formatter, "client metrics {name}"),
            Self::Group(id) => write!(formatter, "group {id}"),
        }
    }
}

impl ConfigSource {
    /// Kafka's name of it, as its tools print it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Topic => "DYNAMIC_TOPIC_CONFIG",
            Self::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
            Self::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            Self::StaticBroker => "STATIC_BROKER_CONFIG",
            Self::Default => "DEFAULT_CONFIG",
            Self::BrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
            Self::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
            Self::Group => "DYNAMIC_GROUP_CONFIG",
            Self::Other(_) => "UNKNOWN",
        }
    }

    const fn from_code(code: i8) -> Self {
        match code {
            1 => Self::Topic,
            2 => Self::DynamicBroker,
            3 => Self::DynamicDefaultBroker,
            4 => Self::StaticBroker,
            5 => Self::Default,
            6 => Self::BrokerLogger,
            7 => Self::ClientMetrics,
            8 => Self::Group,
            other => Self::Other(other),
        }
    }
}

impl ConfigType {
    const fn from_code(code: i8) -> Self {
        match code {
            1 => Self::Boolean,
            2 => Self::String,
            3 => Self::Int,
            4 => Self::Short,
            5 => Self::Long,
            6 => Self::Double,
            7 => Self::List,
            8 => Self::Class,
            9 => Self::Password,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use odradek_protocol::messages::describe_configs::DescribeConfigsResult;

    use super::*;

    #[test]
    fn a_resource_is_found_again_in_the_answer() {
        for resource in [
            ConfigResource::Topic("t".to_owned()),
            ConfigResource::Broker(7),
            ConfigResource::BrokerDefaults,
            ConfigResource::BrokerLoggers(7),
            ConfigResource::ClientMetrics("m".to_owned()),
            ConfigResource::Group("g".to_owned()),
        ] {
            let read = ConfigResource::read(resource.kind().number(), &resource.name());
            assert_eq!(read, Some(resource));
        }
        assert_eq!(ConfigResource::read(4, "seven"), None);
        assert_eq!(ConfigResource::read(64, "t"), None);
    }

    #[test]
    fn what_one_broker_knows_is_asked_there_and_nowhere_else() {
        let topic = ConfigResource::Topic("t".to_owned());
        let defaults = ConfigResource::BrokerDefaults;
        let (first, second) = (ConfigResource::Broker(1), ConfigResource::Broker(2));
        let loggers = ConfigResource::BrokerLoggers(1);
        let asked = by_broker([&topic, &first, &defaults, &second, &loggers]);
        assert_eq!(asked[&None], [&topic, &defaults]);
        assert_eq!(asked[&Some(1)], [&first, &loggers]);
        assert_eq!(asked[&Some(2)], [&second]);
    }

    #[test]
    fn each_change_has_kafkas_number() {
        let list = || "a,b".to_owned();
        let changes = [
            ("0", ConfigChange::Set(list())),
            ("1", ConfigChange::Delete),
            ("2", ConfigChange::Append(list())),
            ("3", ConfigChange::Subtract(list())),
        ];
        let changes = changes.map(|(name, change)| (name.to_owned(), change));
        let altered = altered(&ConfigResource::BrokerDefaults, &changes.into());
        assert_eq!(
            (altered.resource_type, altered.resource_name.as_str()),
            (4, "")
        );
        for config in altered.configs {
            assert_eq!(config.name, config.config_operation.to_string());
            assert_eq!(config.value.is_none(), config.config_operation == 1);
        }
    }

    #[test]
    fn one_resource_may_fail_beside_another() {
        let result = |name: &str, error_code| DescribeConfigsResult {
            resource_type: 2,
            resource_name: name.to_owned(),
            error_code,
            ..Default::default()
        };
        let described = descriptions(DescribeConfigsResponse {
            results: vec![
                result("here", ErrorCode::None),
                result("gone", ErrorCode::UnknownTopicOrPartition),
            ],
            ..Default::default()
        });
        let of = |name: &str| &described[&ConfigResource::Topic(name.to_owned())];
        assert_eq!(of("here").as_ref().unwrap().len(), 0);
        assert_eq!(
            of("gone").as_ref().unwrap_err().code(),
            Some(ErrorCode::UnknownTopicOrPartition)
        );
    }
}
