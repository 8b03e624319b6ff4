//! Configuration as the wire shows it: what is asked for, and what exactly is answered.

use odradek_protocol::{
    ErrorCode,
    messages::{
        describe_configs::{
            DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
            DescribeConfigsResponse,
        },
        incremental_alter_configs::{
            AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
            IncrementalAlterConfigsResponse,
        },
    },
};
use odradek_tests::broker::Broker;

use crate::wire::Wire;

/// Kinds of resources.
pub(crate) const TOPIC: i8 = 2;
pub(crate) const BROKER: i8 = 4;

/// The name that stands for all brokers.
pub(crate) const ALL_BROKERS: &str = "";

/// Where a value comes from.
pub(crate) const SET_FOR_TOPIC: i8 = 1;
pub(crate) const SET_FOR_BROKER: i8 = 2;
pub(crate) const SET_FOR_ALL_BROKERS: i8 = 3;
pub(crate) const FROM_FILE: i8 = 4;
pub(crate) const DEFAULT: i8 = 5;

/// Operations on a key.
pub(crate) const SET: i8 = 0;
pub(crate) const DELETE: i8 = 1;
pub(crate) const APPEND: i8 = 2;
pub(crate) const SUBTRACT: i8 = 3;

/// Changes to one resource; each is a key, an operation and a value.
pub(crate) fn changes(
    resource_type: i8,
    name: &str,
    operations: &[(&str, i8, Option<&str>)],
) -> AlterConfigsResource {
    let configs = operations.iter();
    let configs = configs.map(|&(name, config_operation, value)| AlterableConfig {
        name: name.to_owned(),
        config_operation,
        value: value.map(str::to_owned),
    });
    AlterConfigsResource {
        resource_type,
        resource_name: name.to_owned(),
        configs: configs.collect(),
    }
}

/// Asks for changes; the code and the sentence for each resource.
pub(crate) fn alter(
    broker: &Broker,
    resources: Vec<AlterConfigsResource>,
    validate_only: bool,
) -> Vec<(ErrorCode, String)> {
    let asked: Vec<_> = resources
        .iter()
        .map(|resource| (resource.resource_type, resource.resource_name.clone()))
        .collect();
    let request = IncrementalAlterConfigsRequest {
        resources,
        validate_only,
    };
    let response: IncrementalAlterConfigsResponse = Wire::connect(broker).call(1, &request);
    let answered: Vec<_> = response
        .responses
        .iter()
        .map(|one| (one.resource_type, one.resource_name.clone()))
        .collect();
    assert_eq!(answered, asked);
    response
        .responses
        .into_iter()
        .map(|one| (one.error_code, one.error_message.unwrap_or_default()))
        .collect()
}

/// Sets one key, which must succeed.
#[track_caller]
pub(crate) fn set(broker: &Broker, resource_type: i8, name: &str, key: &str, value: &str) {
    let change = changes(resource_type, name, &[(key, SET, Some(value))]);
    assert_eq!(alter(broker, vec![change], false), [accepted()]);
}

/// Deletes one key, which must succeed.
#[track_caller]
pub(crate) fn delete(broker: &Broker, resource_type: i8, name: &str, key: &str) {
    let change = changes(resource_type, name, &[(key, DELETE, None)]);
    assert_eq!(alter(broker, vec![change], false), [accepted()]);
}

/// The outcome of a change that was made.
pub(crate) fn accepted() -> (ErrorCode, String) {
    (ErrorCode::None, String::new())
}

/// Everything that is configured for a resource.
pub(crate) fn describe(
    broker: &Broker,
    resource_type: i8,
    name: &str,
) -> Vec<DescribeConfigsResourceResult> {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type,
            resource_name: name.to_owned(),
            configuration_keys: None,
        }],
        include_synonyms: true,
        include_documentation: true,
    };
    let mut response: DescribeConfigsResponse = Wire::connect(broker).call(4, &request);
    let result = response.results.remove(0);
    assert_eq!(result.error_code, ErrorCode::None, "{result:?}");
    result.configs
}

/// One key of a resource.
pub(crate) fn described(
    broker: &Broker,
    resource_type: i8,
    name: &str,
    key: &str,
) -> DescribeConfigsResourceResult {
    let configs = describe(broker, resource_type, name);
    configs.into_iter().find(|found| found.name == key).unwrap()
}

/// Value and source of one key.
pub(crate) fn value(broker: &Broker, resource_type: i8, name: &str, key: &str) -> (String, i8) {
    let found = described(broker, resource_type, name, key);
    (found.value.unwrap_or_default(), found.config_source)
}
