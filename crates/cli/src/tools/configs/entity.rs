//! Whose configuration is meant, from the many ways to say so. Pure.

use odradek_client::admin::configs::ConfigResource;

use super::Entities;

/// The kinds of entities, as Kafka's tool names and orders them.
const KINDS: &[&str] = &[
    TOPICS,
    CLIENTS,
    USERS,
    BROKERS,
    IPS,
    CLIENT_METRICS,
    GROUPS,
    BROKER_LOGGERS,
];

const TOPICS: &str = "topics";
const CLIENTS: &str = "clients";
const USERS: &str = "users";
const BROKERS: &str = "brokers";
const IPS: &str = "ips";
const CLIENT_METRICS: &str = "client-metrics";
const GROUPS: &str = "groups";
const BROKER_LOGGERS: &str = "broker-loggers";

const DESCRIBE: &str = "--describe";
const ALTER: &str = "--alter";

/// Whose configuration is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selection {
    /// That of one resource.
    One(ConfigResource),
    /// That of each topic.
    EveryTopic,
    /// That of each broker, and what holds for all of them.
    EveryBroker,
    /// That of all client metrics.
    EveryMetrics,
    /// That of each group.
    EveryGroup,
}

/// What is wrong with the options. The sentences are those of Kafka's tool, where it has one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UsageError {
    #[error("At least one entity type must be specified")]
    NoType,
    #[error(
        "Invalid entity type {0}, the entity type must be one of {kinds} with a \
         --bootstrap-server or --bootstrap-controller argument",
        kinds = KINDS.join(", ")
    )]
    UnknownType(String),
    #[error("Duplicate entity type(s) specified: {0}")]
    DuplicateType(&'static str),
    #[error("Only 'users' and 'clients' entity types may be specified together")]
    SeveralTypes,
    #[error("entity type {0} is not supported: this tool sets neither quotas nor credentials yet")]
    Unsupported(&'static str),
    #[error("An entity-name or default entity must be specified with --alter of brokers")]
    NoBroker,
    #[error("An entity name must be specified with {action} of {kind}")]
    NoName {
        action: &'static str,
        kind: &'static str,
    },
    #[error("--entity-default must not be specified with --describe of {0}")]
    NoDefault(&'static str),
    #[error("The entity name for {kind} must be a valid integer broker id, but it is: {name}")]
    NotABrokerId { kind: &'static str, name: String },
    #[error(
        "At least one of --add-config, --add-config-file, or --delete-config must be specified \
         with --alter"
    )]
    NoChange,
    #[error("Only one of --add-config or --add-config-file must be specified")]
    TwoAdditions,
    #[error(
        "Invalid entity config: all configs to be added must be in the format \"key=val\" or \
         \"key=[val1,val2]\" to group values which contain commas."
    )]
    NotKeyValue,
}

/// Which of its kind an entity is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Which {
    Named(String),
    Default,
    Unsaid,
}

/// Whose configuration is to be described.
pub(super) fn to_describe(entities: &Entities) -> Result<Selection, UsageError> {
    let (kind, which) = the_only(said(entities)?)?;
    Ok(match (kind, &which) {
        (TOPICS, Which::Unsaid) => Selection::EveryTopic,
        (BROKERS, Which::Unsaid) => Selection::EveryBroker,
        (CLIENT_METRICS, Which::Unsaid) => Selection::EveryMetrics,
        (GROUPS, Which::Unsaid) => Selection::EveryGroup,
        _ => Selection::One(resource(kind, which, DESCRIBE)?),
    })
}

/// Whose configuration is to be changed.
pub(super) fn to_alter(entities: &Entities) -> Result<ConfigResource, UsageError> {
    let (kind, which) = the_only(said(entities)?)?;
    resource(kind, which, ALTER)
}

fn resource(
    kind: &'static str,
    which: Which,
    action: &'static str,
) -> Result<ConfigResource, UsageError> {
    match (kind, which) {
        (USERS | CLIENTS | IPS, _) => Err(UsageError::Unsupported(kind)),
        (BROKERS, Which::Default) => Ok(ConfigResource::BrokerDefaults),
        (_, Which::Named(name)) => named(kind, name),
        (_, Which::Default) if action == DESCRIBE => Err(UsageError::NoDefault(kind)),
        (BROKERS, Which::Unsaid) => Err(UsageError::NoBroker),
        (_, Which::Default | Which::Unsaid) => Err(UsageError::NoName { action, kind }),
    }
}

fn named(kind: &'static str, name: String) -> Result<ConfigResource, UsageError> {
    Ok(match kind {
        BROKERS => ConfigResource::Broker(broker_id(kind, name)?),
        BROKER_LOGGERS => ConfigResource::BrokerLoggers(broker_id(kind, name)?),
        CLIENT_METRICS => ConfigResource::ClientMetrics(name),
        GROUPS => ConfigResource::Group(name),
        _ => ConfigResource::Topic(name),
    })
}

fn broker_id(kind: &'static str, name: String) -> Result<i32, UsageError> {
    name.parse()
        .map_err(|_| UsageError::NotABrokerId { kind, name })
}

/// Every entity that the options name, in either way.
fn said(entities: &Entities) -> Result<Vec<(&'static str, Which)>, UsageError> {
    let mut said = Vec::new();
    for entity_type in &entities.entity_type {
        let kind = KINDS.iter().find(|kind| *kind == entity_type);
        let kind = kind.ok_or_else(|| UsageError::UnknownType(entity_type.clone()))?;
        let which = match &entities.entity_name {
            Some(name) => Which::Named(name.clone()),
            None if entities.entity_default => Which::Default,
            None => Which::Unsaid,
        };
        said.push((*kind, which));
    }
    let names = [
        (TOPICS, &entities.topic),
        (BROKERS, &entities.broker),
        (BROKER_LOGGERS, &entities.broker_logger),
        (CLIENT_METRICS, &entities.client_metrics),
        (GROUPS, &entities.group),
        (USERS, &entities.user),
        (CLIENTS, &entities.client),
        (IPS, &entities.ip),
    ];
    let names = names.into_iter();
    said.extend(names.filter_map(|(kind, name)| Some((kind, Which::Named(name.clone()?)))));
    let defaults = [
        (BROKERS, entities.broker_defaults),
        (USERS, entities.user_defaults),
        (CLIENTS, entities.client_defaults),
        (IPS, entities.ip_defaults),
    ];
    let defaults = defaults.into_iter().filter(|(_, is_said)| *is_said);
    said.extend(defaults.map(|(kind, _)| (kind, Which::Default)));
    Ok(said)
}

fn the_only(said: Vec<(&'static str, Which)>) -> Result<(&'static str, Which), UsageError> {
    let kinds: Vec<_> = said.iter().map(|(kind, _)| *kind).collect();
    let mut before = kinds.iter().enumerate();
    let duplicate = before.find(|(index, kind)| kinds.iter().take(*index).any(|it| it == *kind));
    if let Some((_, kind)) = duplicate {
        return Err(UsageError::DuplicateType(kind));
    }
    if kinds.len() > 1 && !kinds.iter().all(|kind| [USERS, CLIENTS].contains(kind)) {
        return Err(UsageError::SeveralTypes);
    }
    said.into_iter().next().ok_or(UsageError::NoType)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(entity_type: &str, name: Option<&str>) -> Entities {
        Entities {
            entity_type: vec![entity_type.to_owned()],
            entity_name: name.map(str::to_owned),
            ..Entities::default()
        }
    }

    fn check(entities: &Entities, expected: ConfigResource) {
        assert_eq!(to_alter(entities).as_ref(), Ok(&expected));
        assert_eq!(to_describe(entities), Ok(Selection::One(expected)));
    }

    #[test]
    fn both_ways_to_name_an_entity_mean_the_same() {
        let t = || Some("t".to_owned());
        let one = || Some("1".to_owned());
        let short = Entities {
            topic: t(),
            ..Entities::default()
        };
        check(&short, ConfigResource::Topic("t".to_owned()));
        check(
            &typed("topics", Some("t")),
            ConfigResource::Topic("t".to_owned()),
        );
        let short = Entities {
            broker: one(),
            ..Entities::default()
        };
        check(&short, ConfigResource::Broker(1));
        check(&typed("brokers", Some("1")), ConfigResource::Broker(1));
        let short = Entities {
            broker_defaults: true,
            ..Entities::default()
        };
        check(&short, ConfigResource::BrokerDefaults);
        let long = Entities {
            entity_default: true,
            ..typed("brokers", None)
        };
        check(&long, ConfigResource::BrokerDefaults);
        check(
            &typed("broker-loggers", Some("1")),
            ConfigResource::BrokerLoggers(1),
        );
        check(
            &typed("client-metrics", Some("m")),
            ConfigResource::ClientMetrics("m".to_owned()),
        );
        check(
            &typed("groups", Some("g")),
            ConfigResource::Group("g".to_owned()),
        );
    }

    #[test]
    fn without_a_name_all_of_a_kind_are_described_and_none_is_changed() {
        let described = |kind| to_describe(&typed(kind, None));
        assert_eq!(described("topics"), Ok(Selection::EveryTopic));
        assert_eq!(described("brokers"), Ok(Selection::EveryBroker));
        assert_eq!(described("client-metrics"), Ok(Selection::EveryMetrics));
        assert_eq!(described("groups"), Ok(Selection::EveryGroup));
        let loggers = described("broker-loggers");
        assert!(matches!(loggers, Err(UsageError::NoName { .. })));
        for kind in ["topics", "brokers", "groups"] {
            let altered = to_alter(&typed(kind, None));
            assert!(altered.is_err());
        }
    }

    #[test]
    fn what_cannot_be_meant_is_told_as_kafkas_tool_does() {
        let told = |entities: &Entities| {
            let error = to_describe(entities).err();
            error.map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(
            told(&Entities::default()),
            "At least one entity type must be specified"
        );
        assert!(told(&typed("nonsense", None)).starts_with("Invalid entity type nonsense, "));
        let twice = Entities {
            topic: Some("t".to_owned()),
            ..typed("topics", None)
        };
        assert_eq!(told(&twice), "Duplicate entity type(s) specified: topics");
        let both = Entities {
            topic: Some("t".to_owned()),
            ..typed("brokers", None)
        };
        assert_eq!(
            told(&both),
            "Only 'users' and 'clients' entity types may be specified together"
        );
        assert_eq!(
            told(&typed("brokers", Some("x"))),
            "The entity name for brokers must be a valid integer broker id, but it is: x"
        );
        let default = Entities {
            entity_default: true,
            ..typed("topics", None)
        };
        assert_eq!(
            told(&default),
            "--entity-default must not be specified with --describe of topics"
        );
        let quota = Entities {
            user: Some("u".to_owned()),
            client: Some("c".to_owned()),
            ..Entities::default()
        };
        assert!(told(&quota).contains("entity type users is not supported"));
    }
}
