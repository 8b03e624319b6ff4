//! The APIs that change and describe configuration. IncrementalAlterConfigs was asked by
//! `kafka-configs`; the requests of AlterConfigs, which no client of Kafka 4 sends any more, and of
//! DescribeConfigs, for one key, were written by hand and answered by the broker.

use crate::{check_request, check_response};
use odradek_protocol::ErrorCode;
use odradek_protocol::messages::{
    alter_configs, describe_configs as describe, incremental_alter_configs as incremental,
};

const TOPIC: i8 = 2;
const SET: i8 = 0;
const DELETE: i8 = 1;

fn change(name: &str, config_operation: i8, value: Option<&str>) -> incremental::AlterableConfig {
    incremental::AlterableConfig {
        name: name.to_owned(),
        config_operation,
        value: value.map(str::to_owned),
    }
}

fn changes(
    configs: Vec<incremental::AlterableConfig>,
) -> incremental::IncrementalAlterConfigsRequest {
    incremental::IncrementalAlterConfigsRequest {
        resources: vec![incremental::AlterConfigsResource {
            resource_type: TOPIC,
            resource_name: "orders".to_owned(),
            configs,
        }],
        validate_only: false,
    }
}

fn changed(
    error_code: ErrorCode,
    error_message: Option<&str>,
) -> incremental::IncrementalAlterConfigsResponse {
    incremental::IncrementalAlterConfigsResponse {
        throttle_time_ms: 0,
        responses: vec![incremental::AlterConfigsResourceResponse {
            error_code,
            error_message: error_message.map(str::to_owned),
            resource_type: TOPIC,
            resource_name: "orders".to_owned(),
        }],
    }
}

#[test]
fn incremental_alter_configs_1() {
    check_request(
        1,
        3,
        &[
            "00000052 002c 0001 00000003 0006 676f6c64656e 00",
            "02 02 07 6f7264657273 03",
            "0f 636c65616e75702e706f6c696379 00 0f 636f6d706163742c64656c657465 00",
            "0d 726574656e74696f6e2e6d73 00 05 31303030 00 00 00 00",
        ],
        &changes(vec![
            change("cleanup.policy", SET, Some("compact,delete")),
            change("retention.ms", SET, Some("1000")),
        ]),
    );
    check_request(
        1,
        3,
        &[
            "00000030 002c 0001 00000003 0006 676f6c64656e 00",
            "02 02 07 6f7264657273 02",
            "0f 636c65616e75702e706f6c696379 01 01 00 00 00 00",
        ],
        &changes(vec![change("cleanup.policy", DELETE, Some(""))]),
    );
    check_response(
        1,
        3,
        &["00000017 00000003 00 00000000 02 0000 00 02 07 6f7264657273 00 00"],
        &changed(ErrorCode::None, None),
    );
    let sentence = "Invalid value x for configuration retention.ms: Not a number of type LONG";
    check_response(
        1,
        3,
        &[
            "00000060 00000003 00 00000000 02 0028",
            "4a 496e76616c69642076616c7565207820666f7220636f6e66696775726174696f6e20",
            "726574656e74696f6e2e6d733a204e6f742061206e756d626572206f662074797065204c4f4e47",
            "02 07 6f7264657273 00 00",
        ],
        &changed(ErrorCode::InvalidConfig, Some(sentence)),
    );
}

#[test]
fn alter_configs_2() {
    let resource = |name: &str, configs: &[(&str, &str)]| alter_configs::AlterConfigsResource {
        resource_type: TOPIC,
        resource_name: name.to_owned(),
        configs: configs
            .iter()
            .map(|&(name, value)| alter_configs::AlterableConfig {
                name: name.to_owned(),
                value: Some(value.to_owned()),
            })
            .collect(),
    };
    check_request(
        2,
        5,
        &[
            "0000003b 0021 0002 00000005 0006 676f6c64656e 00",
            "03 02 07 6f7264657273 02 0d 726574656e74696f6e2e6d73 05 31303030 00 00",
            "02 07 6e6f626f6479 01 00 00 00",
        ],
        &alter_configs::AlterConfigsRequest {
            resources: vec![
                resource("orders", &[("retention.ms", "1000")]),
                resource("nobody", &[]),
            ],
            validate_only: false,
        },
    );
    let outcome = |name: &str, error_code, message: Option<&str>| {
        alter_configs::AlterConfigsResourceResponse {
            error_code,
            error_message: message.map(str::to_owned),
            resource_type: TOPIC,
            resource_name: name.to_owned(),
        }
    };
    let sentence = "The topic 'nobody' does not exist.";
    check_response(
        2,
        5,
        &[
            "00000045 00000005 00 00000000 03 0000 00 02 07 6f7264657273 00",
            "0003 23 54686520746f70696320276e6f626f64792720646f6573206e6f742065786973742e",
            "02 07 6e6f626f6479 00 00",
        ],
        &alter_configs::AlterConfigsResponse {
            throttle_time_ms: 0,
            responses: vec![
                outcome("orders", ErrorCode::None, None),
                outcome("nobody", ErrorCode::UnknownTopicOrPartition, Some(sentence)),
            ],
        },
    );
}

#[test]
fn describe_configs_4() {
    check_request(
        4,
        6,
        &[
            "0000002c 0020 0004 00000006 0006 676f6c64656e 00",
            "02 02 07 6f7264657273 02 0d 726574656e74696f6e2e6d73 00 01 00 00",
        ],
        &describe::DescribeConfigsRequest {
            resources: vec![describe::DescribeConfigsResource {
                resource_type: TOPIC,
                resource_name: "orders".to_owned(),
                configuration_keys: Some(vec!["retention.ms".to_owned()]),
            }],
            include_synonyms: true,
            include_documentation: false,
        },
    );
    check_response(
        4,
        6,
        &[
            "00000045 00000006 00 00000000 02 0000 01 02 07 6f7264657273 02",
            "0d 726574656e74696f6e2e6d73 05 31303030 00 01 00",
            "02 0d 726574656e74696f6e2e6d73 05 31303030 01 00 05 00 00 00 00",
        ],
        &describe::DescribeConfigsResponse {
            throttle_time_ms: 0,
            results: vec![describe::DescribeConfigsResult {
                error_code: ErrorCode::None,
                error_message: Some(String::new()),
                resource_type: TOPIC,
                resource_name: "orders".to_owned(),
                configs: vec![describe::DescribeConfigsResourceResult {
                    name: "retention.ms".to_owned(),
                    value: Some("1000".to_owned()),
                    read_only: false,
                    config_source: 1,
                    is_sensitive: false,
                    synonyms: vec![describe::DescribeConfigsSynonym {
                        name: "retention.ms".to_owned(),
                        value: Some("1000".to_owned()),
                        source: 1,
                    }],
                    config_type: 5,
                    documentation: None,
                }],
            }],
        },
    );
}
