//! IncrementalAlterConfigs: change single keys of topics and brokers (KIP-339).
//!
//! Resource types are those of [`describe_configs`](super::describe_configs).

use crate::ErrorCode;
use crate::message::message;

message! {
    /// Changes to the configuration of each resource.
    pub struct IncrementalAlterConfigsRequest for IncrementalAlterConfigs,
        versions 0..=1, flexible 1..
    {
        /// The resources. Each succeeds or fails by itself.
        pub resources: Vec<AlterConfigsResource>;
        /// Only check, change nothing.
        pub validate_only: bool;
    }

    /// What changes for a resource.
    pub struct AlterConfigsResource {
        /// What kind of resource it is.
        pub resource_type: i8;
        /// The topic's name, or the broker id in decimal, or empty for all brokers' defaults.
        pub resource_name: String;
        /// The changes, which take effect together or not at all.
        pub configs: Vec<AlterableConfig>;
    }

    /// A change to one key.
    pub struct AlterableConfig {
        /// The key.
        pub name: String;
        /// 0 set, 1 delete, 2 append to a list, 3 subtract from a list.
        pub config_operation: i8;
        /// What to set, append or subtract; null to delete.
        pub value: Option<String>;
    }

    /// What became of each resource.
    pub struct IncrementalAlterConfigsResponse for IncrementalAlterConfigs,
        versions 0..=1, flexible 1..
    {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// One entry for each resource of the request.
        pub responses: Vec<AlterConfigsResourceResponse>;
    }

    /// What became of one resource.
    pub struct AlterConfigsResourceResponse {
        /// Whether it was changed.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>;
        /// What kind of resource it is.
        pub resource_type: i8;
        /// Its name, as in the request.
        pub resource_name: String;
    }
}
