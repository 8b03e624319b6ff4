//! ListConfigResources: what has a configuration, by its kind (KIP-1142; version 0 KIP-1000).
//!
//! Resource types are those of [`describe_configs`](super::describe_configs).

use crate::ErrorCode;
use crate::message::message;

message! {
    /// The kinds to list.
    pub struct ListConfigResourcesRequest for ListConfigResources, versions 0..=1, flexible 0.. {
        /// The resource types; empty for all. Version 0 asks for client metrics alone.
        pub resource_types: Vec<i8>, in 1..;
    }

    /// The resources.
    pub struct ListConfigResourcesResponse for ListConfigResources, versions 0..=1, flexible 0.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// Whether they could be listed. `UnsupportedVersion` if a type is not known.
        pub error_code: ErrorCode;
        /// The resources.
        pub config_resources: Vec<ConfigResource>;
    }

    /// One resource.
    pub struct ConfigResource {
        /// Its name: as in a request to describe it.
        pub resource_name: String;
        /// What kind of resource it is. Version 0 means client metrics, 16.
        pub resource_type: i8 = 16, in 1..;
    }
}
