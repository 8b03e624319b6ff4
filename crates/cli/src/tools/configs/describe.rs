//! `--describe`: what is configured, one key a line.

use std::collections::BTreeSet;

use odradek_client::{
    Admin, CallError, Error, ErrorCode,
    admin::{
        configs::{ConfigDetail, ConfigKind, ConfigResource, ConfigSource, ConfigValue},
        groups::GroupFilter,
    },
};

use super::{
    Failure, Options,
    entity::{Selection, to_describe},
};
use crate::output;

pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let admin = options.admin();
    let resources = match to_describe(&options.entities)? {
        Selection::One(resource) => {
            if is_looked_for(&resource, options.all) && !exists(&admin, &resource).await? {
                output::line(&format!(
                    "The {} doesn't exist and doesn't have dynamic config.",
                    quoted(&resource)
                ));
                return Ok(());
            }
            vec![resource]
        }
        Selection::EveryTopic => {
            let topics = admin.list_topics().await?.into_keys();
            topics
                .map(|name| ConfigResource::Topic(name.to_string()))
                .collect()
        }
        Selection::EveryMetrics => every_metrics(&admin).await?.into_iter().collect(),
        Selection::EveryGroup => every_group(&admin).await?.into_iter().collect(),
        Selection::EveryBroker => {
            let brokers = admin.describe_cluster().await?.brokers.into_keys();
            let brokers = brokers.map(ConfigResource::Broker);
            brokers.chain([ConfigResource::BrokerDefaults]).collect()
        }
    };
    let detail = ConfigDetail {
        synonyms: true,
        documentation: false,
    };
    let mut described = admin.describe_configs(&resources, detail).await;
    for resource in &resources {
        let configs = described.remove(resource).unwrap_or_else(|| {
            let what = resource.to_string();
            Err(Error::Incomplete(what))
        })?;
        output::line(&title(resource, options.all));
        for line in lines(resource, configs, options.all) {
            output::line(&line);
        }
    }
    Ok(())
}

/// Whether it has to exist. All keys of a group or of client metrics can be told before anything is
/// configured, and a broker refuses a topic that is not there; a broker that is not there refuses
/// nothing.
const fn is_looked_for(resource: &ConfigResource, all: bool) -> bool {
    let is_of_broker = matches!(
        resource,
        ConfigResource::Broker(_) | ConfigResource::BrokerLoggers(_)
    );
    is_of_broker || !all
}

/// Whether there is such a thing. Kafka makes no difference between client metrics that do not
/// exist and those of which nothing is configured.
async fn exists(admin: &Admin, resource: &ConfigResource) -> Result<bool, Error> {
    Ok(match resource {
        ConfigResource::Topic(name) => admin.list_topics().await?.contains_key(name.as_str()),
        ConfigResource::Broker(id) | ConfigResource::BrokerLoggers(id) => {
            admin.describe_cluster().await?.brokers.contains_key(id)
        }
        ConfigResource::BrokerDefaults => true,
        ConfigResource::Group(_) => every_group(admin).await?.contains(resource),
        ConfigResource::ClientMetrics(_) => every_metrics(admin).await?.contains(resource),
    })
}

async fn every_metrics(admin: &Admin) -> Result<BTreeSet<ConfigResource>, Error> {
    let kinds = [ConfigKind::ClientMetrics];
    admin.list_config_resources(&kinds).await
}

/// The groups that there are, and those that will be: a group can be configured before it has a
/// member. Brokers before Kafka 4.1 tell only of the former.
async fn every_group(admin: &Admin) -> Result<BTreeSet<ConfigResource>, Error> {
    let groups = admin.list_groups(&GroupFilter::default()).await?;
    let mut every: BTreeSet<_> = groups.into_keys().map(ConfigResource::Group).collect();
    match admin.list_config_resources(&[ConfigKind::Group]).await {
        Ok(configured) => every.extend(configured),
        Err(Error::Call(CallError::Unserved { .. })) => {}
        Err(error) if error.code() == Some(ErrorCode::UnsupportedVersion) => {}
        Err(error) => return Err(error),
    }
    Ok(every)
}

/// What stands above the keys.
fn title(resource: &ConfigResource, all: bool) -> String {
    match resource {
        ConfigResource::BrokerDefaults => {
            "Default configs for brokers in the cluster are:".to_owned()
        }
        resource => {
            let which = if all { "All" } else { "Dynamic" };
            format!("{which} configs for {} are:", named(resource))
        }
    }
}

/// The keys in the order of their names.
fn lines(resource: &ConfigResource, mut configs: Vec<ConfigValue>, all: bool) -> Vec<String> {
    configs.retain(|config| all || is_dynamic(resource, config));
    configs.sort_by(|first, second| first.name.cmp(&second.name));
    configs.iter().map(line).collect()
}

/// Whether the key was set for this resource while the cluster runs.
fn is_dynamic(resource: &ConfigResource, config: &ConfigValue) -> bool {
    match resource {
        ConfigResource::Topic(_) => config.source == ConfigSource::Topic,
        ConfigResource::Broker(_) => config.source == ConfigSource::DynamicBroker,
        ConfigResource::BrokerDefaults => config.source == ConfigSource::DynamicDefaultBroker,
        ConfigResource::ClientMetrics(_) => config.source == ConfigSource::ClientMetrics,
        ConfigResource::Group(_) => config.source == ConfigSource::Group,
        // Every logger has its level.
        ConfigResource::BrokerLoggers(_) => true,
    }
}

fn line(config: &ConfigValue) -> String {
    let synonyms = config.synonyms.iter().map(|synonym| {
        let value = text(synonym.value.as_deref());
        format!("{}:{}={value}", synonym.source.name(), synonym.name)
    });
    let synonyms = synonyms.collect::<Vec<_>>().join(", ");
    format!(
        "  {}={} sensitive={} synonyms={{{synonyms}}}",
        config.name,
        text(config.value.as_deref()),
        config.sensitive
    )
}

fn text(value: Option<&str>) -> &str {
    value.unwrap_or("null")
}

/// `topic t`.
pub(super) fn named(resource: &ConfigResource) -> String {
    let (kind, name) = kind_and_name(resource);
    format!("{kind} {name}")
}

/// `topic 't'`.
fn quoted(resource: &ConfigResource) -> String {
    let (kind, name) = kind_and_name(resource);
    format!("{kind} '{name}'")
}

fn kind_and_name(resource: &ConfigResource) -> (&'static str, String) {
    match resource {
        ConfigResource::Topic(name) => ("topic", name.clone()),
        ConfigResource::Broker(id) => ("broker", id.to_string()),
        ConfigResource::BrokerDefaults => ("broker", "defaults".to_owned()),
        ConfigResource::BrokerLoggers(id) => ("broker-logger", id.to_string()),
        ConfigResource::ClientMetrics(name) => ("client-metric", name.clone()),
        ConfigResource::Group(id) => ("group", id.clone()),
    }
}

#[cfg(test)]
mod tests {
    use odradek_client::admin::configs::{ConfigSynonym, ConfigType};

    use super::*;

    fn config(name: &str, source: ConfigSource) -> ConfigValue {
        let synonym = |name: &str, value: Option<&str>, source| ConfigSynonym {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            source,
        };
        ConfigValue {
            name: name.to_owned(),
            value: Some("1".to_owned()),
            source,
            read_only: false,
            sensitive: false,
            kind: ConfigType::Long,
            synonyms: vec![
                synonym(name, Some("1"), source),
                synonym("log.x", None, ConfigSource::Default),
            ],
            documentation: None,
        }
    }

    #[test]
    fn keys_are_printed_as_by_kafkas_tool_and_sorted() {
        let topic = ConfigResource::Topic("t".to_owned());
        let configs = || {
            vec![
                config("z", ConfigSource::Topic),
                config("d", ConfigSource::Default),
                config("a", ConfigSource::Topic),
            ]
        };
        let dynamic = [
            "  a=1 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:a=1, DEFAULT_CONFIG:log.x=null}",
            "  z=1 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:z=1, DEFAULT_CONFIG:log.x=null}",
        ];
        assert_eq!(lines(&topic, configs(), false), dynamic);
        assert_eq!(lines(&topic, configs(), true).len(), 3);
    }

    #[test]
    fn only_what_was_set_for_the_resource_itself_is_dynamic() {
        let of_all = config("a", ConfigSource::DynamicDefaultBroker);
        assert!(!is_dynamic(&ConfigResource::Broker(1), &of_all));
        assert!(is_dynamic(&ConfigResource::BrokerDefaults, &of_all));
        let logger = config("root", ConfigSource::BrokerLogger);
        assert!(is_dynamic(&ConfigResource::BrokerLoggers(1), &logger));
    }
}
