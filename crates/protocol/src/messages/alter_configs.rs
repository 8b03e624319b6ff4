//! AlterConfigs: replace everything that is configured for topics and brokers.
//!
//! Kept for older clients: whoever wants to change one key must know all others. Its successor is
//! [`incremental_alter_configs`](super::incremental_alter_configs). Resource types are those of
//! [`describe_configs`](super::describe_configs).

use crate::ErrorCode;
use crate::message::message;

message! {
    /// The whole configuration of each resource.
    pub struct AlterConfigsRequest for AlterConfigs, versions 0..=2, flexible 2.. {
        /// The resources. Each succeeds or fails by itself.
        pub resources: Vec<AlterConfigsResource>;
        /// Only check, change nothing.
        pub validate_only: bool;
    }

    /// What a resource shall have.
    pub struct AlterConfigsResource {
        /// What kind of resource it is.
        pub resource_type: i8;
        /// The topic's name, or the broker id in decimal, or empty for all brokers' defaults.
        pub resource_name: String;
        /// All its keys; those not named are removed.
        pub configs: Vec<AlterableConfig>;
    }

    /// One key with its value.
    pub struct AlterableConfig {
        /// The key.
        pub name: String;
        /// The value; null is not a valid one, but can be sent.
        pub value: Option<String>;
    }

    /// What became of each resource.
    pub struct AlterConfigsResponse for AlterConfigs, versions 0..=2, flexible 2.. {
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
