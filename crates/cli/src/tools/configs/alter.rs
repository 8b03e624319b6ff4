//! `--alter`: sets keys, and gives others back their defaults.

use std::collections::BTreeMap;

use odradek_client::{
    Admin, Error,
    admin::configs::{ConfigChange, ConfigDetail, ConfigResource},
};

use super::{
    Failure, Options,
    describe::named,
    entity::{UsageError, to_alter},
};
use crate::output;

/// Keys with what becomes of them.
type Changes = BTreeMap<String, ConfigChange>;

pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let resource = to_alter(&options.entities)?;
    let changes = changes(options)?;
    let admin = options.admin();
    check(&admin, &resource, &changes).await?;
    let wanted = [(resource.clone(), changes)].into();
    for result in admin.alter_configs(&wanted).await.into_values() {
        result?;
    }
    output::line(&match &resource {
        ConfigResource::BrokerDefaults => {
            "Completed updating default config for brokers in the cluster.".to_owned()
        }
        resource => format!("Completed updating config for {}.", named(resource)),
    });
    Ok(())
}

/// What would otherwise be waited for in vain, or done without effect.
async fn check(admin: &Admin, resource: &ConfigResource, changes: &Changes) -> Result<(), Failure> {
    if let ConfigResource::Broker(id) | ConfigResource::BrokerLoggers(id) = resource
        && !admin.describe_cluster().await?.brokers.contains_key(id)
    {
        return Err(Failure::NoSuchBroker(*id));
    }
    if let ConfigResource::BrokerLoggers(_) = resource {
        let resources = std::slice::from_ref(resource);
        let described = admin.describe_configs(resources, ConfigDetail::default());
        let loggers: Result<Vec<_>, Error> = described.await.into_values().collect();
        let loggers: Vec<_> = loggers?.into_iter().flatten().map(|it| it.name).collect();
        let unknown = changes.keys().filter(|name| !loggers.contains(*name));
        let unknown: Vec<_> = unknown.map(String::as_str).collect();
        if !unknown.is_empty() {
            return Err(Failure::NoSuchLogger(unknown.join(",")));
        }
    }
    Ok(())
}

fn changes(options: &Options) -> Result<Changes, Failure> {
    let added = match (&options.add_config, &options.add_config_file) {
        (Some(_), Some(_)) => return Err(UsageError::TwoAdditions.into()),
        (Some(text), None) => added(text)?,
        (None, Some(file)) => file.0.iter().cloned().collect(),
        (None, None) if options.delete_config.is_none() => return Err(UsageError::NoChange.into()),
        (None, None) => BTreeMap::new(),
    };
    let mut changes: Changes = added
        .into_iter()
        .map(|(key, value)| (key, ConfigChange::Set(value)))
        .collect();
    let deleted = options.delete_config.as_deref().unwrap_or_default();
    for key in deleted
        .split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty())
    {
        if let Some(ConfigChange::Set(_)) = changes.insert(key.to_owned(), ConfigChange::Delete) {
            return Err(Failure::DuplicateKeys);
        }
    }
    Ok(changes)
}

/// Reads `k1=v1,k2=[v1,v2]`; of a key that comes twice the last value counts.
fn added(text: &str) -> Result<BTreeMap<String, String>, UsageError> {
    let pairs = outside_brackets(text);
    let pairs = pairs
        .into_iter()
        .map(str::trim)
        .filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let (key, value) = pair.split_once('=').ok_or(UsageError::NotKeyValue)?;
        let value = value.replace(['[', ']'], "");
        Ok((key.trim().to_owned(), value.trim().to_owned()))
    });
    pairs.collect()
}

/// The parts between those commas that stand in no brackets.
fn outside_brackets(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = text.split(|character| {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected = expected
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        assert_eq!(added(text), Ok(expected.collect()), "{text}");
    }

    #[test]
    fn values_with_commas_stand_in_brackets() {
        check("a=1,b=2", &[("a", "1"), ("b", "2")]);
        check(
            "cleanup.policy=[compact,delete], b = 2 ",
            &[("b", "2"), ("cleanup.policy", "compact,delete")],
        );
        check("a=[]", &[("a", "")]);
        check("a=", &[("a", "")]);
        check(",a=1,,", &[("a", "1")]);
        check("a=1,a=2", &[("a", "2")]);
        check("a=[open,b=2", &[("a", "open,b=2")]);
        check("listeners=x://h:1]", &[("listeners", "x://h:1")]);
    }

    #[test]
    fn what_has_no_value_is_a_mistake() {
        assert_eq!(added("a"), Err(UsageError::NotKeyValue));
        assert_eq!(
            added("cleanup.policy=compact,delete"),
            Err(UsageError::NotKeyValue)
        );
    }
}
