//! DescribeConfigs: the effective configuration of topics and brokers.
//!
//! Resource types: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
//!
//! Sources of a value: 1 set for the topic, 2 set for this broker at run time, 3 set for all
//! brokers at run time, 4 from the broker's configuration file, 5 default, 6 broker logger,
//! 7 client metrics, 8 group; -1 and 0 unknown.
//!
//! Types of a value: 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class,
//! 9 password; 0 unknown.

use crate::ErrorCode;
use crate::message::message;

message! {
    /// Resources to describe.
    pub struct DescribeConfigsRequest for DescribeConfigs, versions 1..=4, flexible 4.. {
        /// The resources.
        pub resources: Vec<DescribeConfigsResource>;
        /// Whether to list every place that sets a value, not only the one that counts (KIP-226).
        pub include_synonyms: bool;
        /// Whether to explain each key (KIP-569).
        pub include_documentation: bool, in 3..;
    }

    /// A resource to describe.
    pub struct DescribeConfigsResource {
        /// What kind of resource it is.
        pub resource_type: i8;
        /// The topic's name, or the broker id in decimal, or empty for all brokers' defaults.
        pub resource_name: String;
        /// The keys wanted; null for all. Kafka takes an empty list for all, too.
        pub configuration_keys: Option<Vec<String>>;
    }

    /// The configurations.
    pub struct DescribeConfigsResponse for DescribeConfigs, versions 1..=4, flexible 4.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// One entry for each resource of the request.
        pub results: Vec<DescribeConfigsResult>;
    }

    /// The configuration of one resource.
    pub struct DescribeConfigsResult {
        /// Whether the resource could be described.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>;
        /// What kind of resource it is.
        pub resource_type: i8;
        /// Its name, as in the request.
        pub resource_name: String;
        /// One entry for each key.
        pub configs: Vec<DescribeConfigsResourceResult>;
    }

    /// The effective value of one key.
    pub struct DescribeConfigsResourceResult {
        /// The key.
        pub name: String;
        /// The value, or null if it is sensitive or not set.
        pub value: Option<String>;
        /// Whether it cannot be changed.
        pub read_only: bool;
        /// Where the value comes from.
        pub config_source: i8 = -1;
        /// Whether the value is secret.
        pub is_sensitive: bool;
        /// All places that set a value, the one that counts first.
        pub synonyms: Vec<DescribeConfigsSynonym>;
        /// The type of the value (KIP-569).
        pub config_type: i8, in 3..;
        /// What the key means, or null (KIP-569).
        pub documentation: Option<String>, in 3..;
    }

    /// One place that sets a value.
    pub struct DescribeConfigsSynonym {
        /// The key at that place, which may differ: a topic's `retention.ms` follows the broker's
        /// `log.retention.ms`.
        pub name: String;
        /// The value there, or null if it is sensitive or not set.
        pub value: Option<String>;
        /// Which place it is.
        pub source: i8;
    }
}
