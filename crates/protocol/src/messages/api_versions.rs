//! ApiVersions: which APIs and versions the broker serves. Usually a client's first request.
//!
//! A client may ask in a version the broker does not know. It then gets
//! [`ErrorCode::UnsupportedVersion`] in the layout of version 0, with the broker's own range for
//! this API inside, and asks again (KIP-511). The response header never has tagged fields.

use crate::ErrorCode;
use crate::message::message;

message! {
    /// Who is asking.
    pub struct ApiVersionsRequest for ApiVersions, versions 0..=4, flexible 3.. {
        /// The name of the client library (KIP-511).
        pub client_software_name: String, in 3..;
        /// Its version.
        pub client_software_version: String, in 3..;
    }

    /// What the broker serves.
    pub struct ApiVersionsResponse for ApiVersions, versions 0..=4, flexible 3.. {
        /// [`ErrorCode::UnsupportedVersion`] if the request's version is not known.
        pub error_code: ErrorCode;
        /// The APIs served.
        pub api_keys: Vec<ApiVersion>;
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32, in 1..;
        /// The features this broker could work with (KIP-584).
        pub supported_features: Vec<SupportedFeatureKey>, tag 0 in 3..;
        /// Counts changes of the finalized features; -1 if they are not known.
        pub finalized_features_epoch: i64 = -1, tag 1 in 3..;
        /// The features the whole cluster has agreed to use (KIP-584).
        pub finalized_features: Vec<FinalizedFeatureKey>, tag 2 in 3..;
        /// Whether a migration from ZooKeeper could begin. Always false here (KIP-866).
        pub zk_migration_ready: bool, tag 3 in 3..;
    }

    /// One API.
    pub struct ApiVersion {
        /// Its number. A plain number: the peer may serve APIs that we do not know.
        pub api_key: i16;
        /// The lowest version served.
        pub min_version: i16;
        /// The highest version served.
        pub max_version: i16;
    }

    /// A feature this broker could work with.
    pub struct SupportedFeatureKey {
        /// The feature's name.
        pub name: String;
        /// The lowest level supported. Version 4 allows 0 here; before, it must be left out.
        pub min_version: i16;
        /// The highest level supported.
        pub max_version: i16;
    }

    /// A feature the cluster has agreed to use.
    pub struct FinalizedFeatureKey {
        /// The feature's name.
        pub name: String;
        /// The highest level in use.
        pub max_version_level: i16;
        /// The lowest level in use.
        pub min_version_level: i16;
    }
}
