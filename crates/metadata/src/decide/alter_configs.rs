//! AlterConfigs and IncrementalAlterConfigs: the configuration of topics and brokers changes, each
//! resource by itself and wholly or not at all.
//!
//! Which keys there are and which values they take is the broker's table of keys, which comes in as
//! a [`ConfigSchema`]; what operations do to stored values, and which resources there are, is here.
//! A change that changes nothing has no records.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use odradek_protocol::ErrorCode;

use super::Refusal;
use crate::{
    image::{ConfigMap, ConfigResource, MetadataImage, ResourceKind, config_record},
    records::Record,
    topic_name,
};

/// The longest value in bytes, as in Kafka.
pub const VALUE_BYTES_MAX: usize = i16::MAX as usize;

/// What may be configured.
pub trait ConfigSchema {
    /// Whether values of this key are lists, so that they can be appended to.
    fn is_list(&self, kind: ResourceKind, key: &str) -> bool;

    /// What a list begins with that nobody has set.
    fn default_list(&self, kind: ResourceKind, key: &str) -> &str;

    /// The value in the form in which it is stored, or why the resource cannot have it.
    fn check(&self, resource: &ConfigResource, key: &str, value: &str) -> Result<String, Refusal>;

    /// Whether these values, each of which is legal by itself, may stand together.
    fn check_together(&self, resource: &ConfigResource, configs: &ConfigMap)
    -> Result<(), Refusal>;
}

/// How one resource is to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alteration {
    /// What changes.
    pub resource: ConfigResource,
    /// How.
    pub changes: Changes,
}

/// The changes of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// These keys and no others, with their values; a null value is an error.
    Replace(Vec<(String, Option<String>)>),
    /// These operations; all other keys stay as they are.
    Each(Vec<(String, Operation)>),
}

/// What happens to one key. A null value is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// It gets this value.
    Set(Option<String>),
    /// It has no value of its own any more.
    Delete,
    /// These elements are added to its list, so far as they are not in it.
    Append(Option<String>),
    /// These elements are taken out of its list.
    Subtract(Option<String>),
}

/// Decides for each resource, in order. The records of all successes belong into one batch.
///
/// A resource that is named more than once does not change: the request may mean either.
pub fn alter_configs(
    image: &MetadataImage,
    alterations: &[Alteration],
    schema: &dyn ConfigSchema,
) -> Vec<Result<Vec<Record>, Refusal>> {
    let mut asked = HashMap::new();
    for alteration in alterations {
        *asked.entry(&alteration.resource).or_insert(0) += 1;
    }
    alterations
        .iter()
        .map(|Alteration { resource, changes }| {
            if asked.get(resource).is_some_and(|times| 1 < *times) {
                return Err(invalid("Each resource must appear at most once."));
            }
            check_exists(image, resource)?;
            let before = image.configs.of(resource);
            let after = match changes {
                Changes::Replace(configs) => replaced(resource, configs, schema)?,
                Changes::Each(operations) => changed(resource, &before, operations, schema)?,
            };
            schema.check_together(resource, &after)?;
            Ok(records_between(resource, &before, &after))
        })
        .collect()
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, message)
}

fn null_value(key: &str) -> Refusal {
    invalid(format!("Null value not supported for {key}."))
}

/// A broker may be configured before it registers for the first time.
fn check_exists(image: &MetadataImage, resource: &ConfigResource) -> Result<(), Refusal> {
    let name = &*resource.name;
    match resource.kind {
        ResourceKind::Topic if name.is_empty() => Err(invalid(
            "There are no defaults of all topics; those of all brokers take their place.",
        )),
        ResourceKind::Topic => {
            topic_name::check(name).map_err(|error| {
                Refusal::new(ErrorCode::InvalidTopicException, error.to_string())
            })?;
            if image.topic(name).is_none() {
                let message = format!("The topic '{name}' does not exist.");
                return Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, message));
            }
            Ok(())
        }
        ResourceKind::Broker => Ok(()),
    }
}

fn check_once<'a>(keys: impl Iterator<Item = &'a String>) -> Result<(), Refusal> {
    let mut seen = HashSet::new();
    for key in keys {
        if !seen.insert(key) {
            return Err(invalid(format!("The key {key} appears more than once.")));
        }
    }
    Ok(())
}

fn replaced(
    resource: &ConfigResource,
    configs: &[(String, Option<String>)],
    schema: &dyn ConfigSchema,
) -> Result<ConfigMap, Refusal> {
    check_once(configs.iter().map(|(key, _)| key))?;
    configs
        .iter()
        .map(|(key, value)| {
            let value = value.as_deref().ok_or_else(|| null_value(key))?;
            let value = check_value(resource, key, value, schema)?;
            Ok((Arc::<str>::from(key.as_str()), Arc::<str>::from(value)))
        })
        .collect()
}

fn changed(
    resource: &ConfigResource,
    before: &ConfigMap,
    operations: &[(String, Operation)],
    schema: &dyn ConfigSchema,
) -> Result<ConfigMap, Refusal> {
    check_once(operations.iter().map(|(key, _)| key))?;
    let mut after = before.clone();
    for (key, operation) in operations {
        let value = match operation {
            Operation::Delete => {
                after.remove(key.as_str());
                continue;
            }
            Operation::Set(value) => value.clone().ok_or_else(|| null_value(key))?,
            Operation::Append(value) => {
                let mut list = list_of(resource, before, key, schema)?;
                for element in split(value.as_deref().ok_or_else(|| null_value(key))?) {
                    if !list.contains(&element) {
                        list.push(element);
                    }
                }
                list.join(",")
            }
            Operation::Subtract(value) => {
                let mut list = list_of(resource, before, key, schema)?;
                let gone: Vec<_> =
                    split(value.as_deref().ok_or_else(|| null_value(key))?).collect();
                list.retain(|element| !gone.contains(element));
                list.join(",")
            }
        };
        let value = check_value(resource, key, &value, schema)?;
        after.insert(key.as_str().into(), value.into());
    }
    Ok(after)
}

/// The list that an operation begins with: the resource's own, or the default.
fn list_of<'a>(
    resource: &ConfigResource,
    before: &'a ConfigMap,
    key: &str,
    schema: &'a dyn ConfigSchema,
) -> Result<Vec<&'a str>, Refusal> {
    if !schema.is_list(resource.kind, key) {
        let message = format!("Nothing can be appended to {key} or subtracted: it is no list.");
        return Err(Refusal::new(ErrorCode::InvalidConfig, message));
    }
    let list = match before.get(key) {
        Some(own) => own,
        None => schema.default_list(resource.kind, key),
    };
    Ok(split(list).collect())
}

fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|element| !element.is_empty())
}

pub(super) fn check_value(
    resource: &ConfigResource,
    key: &str,
    value: &str,
    schema: &dyn ConfigSchema,
) -> Result<String, Refusal> {
    if VALUE_BYTES_MAX < value.len() {
        let message = format!(
            "The value of {key} has {} bytes; at most {VALUE_BYTES_MAX} are possible.",
            value.len()
        );
        return Err(Refusal::new(ErrorCode::InvalidConfig, message));
    }
    schema.check(resource, key, value)
}

fn records_between(
    resource: &ConfigResource,
    before: &ConfigMap,
    after: &ConfigMap,
) -> Vec<Record> {
    let removed = before.keys().filter(|key| !after.contains_key(*key));
    let removed = removed.map(|key| (key, None));
    let set = after
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(*value))
        .map(|(key, value)| (key, Some(value)));
    let changes: BTreeMap<_, _> = removed.chain(set).collect();
    changes
        .into_iter()
        .map(|(key, value)| config_record(resource, key, value.map(|value| &**value)).into())
        .collect()
}

#[cfg(test)]
#[path = "alter_configs_tests.rs"]
mod tests;
