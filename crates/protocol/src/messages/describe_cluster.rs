//! DescribeCluster: the brokers, the controller and the id of the cluster (KIP-700).
//!
//! Endpoint types: 1 brokers, 2 controllers (KIP-919).

use crate::ErrorCode;
use crate::message::message;

message! {
    /// What to tell of the cluster.
    pub struct DescribeClusterRequest for DescribeCluster, versions 0..=2, flexible 0.. {
        /// Whether to say what the client may do with the cluster (KIP-430).
        pub include_cluster_authorized_operations: bool;
        /// Which endpoints to describe.
        pub endpoint_type: i8 = 1, in 1..;
        /// Whether to list fenced brokers too (KIP-1073).
        pub include_fenced_brokers: bool, in 2..;
    }

    /// The cluster as this broker knows it.
    pub struct DescribeClusterResponse for DescribeCluster, versions 0..=2, flexible 0.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// Whether the cluster could be described.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>;
        /// Which endpoints are described.
        pub endpoint_type: i8 = 1, in 1..;
        /// The cluster id.
        pub cluster_id: String;
        /// The broker id to which admin requests go, or -1.
        pub controller_id: i32 = -1;
        /// The brokers.
        pub brokers: Vec<DescribeClusterBroker>;
        /// What the client may do with the cluster, one bit for each operation; `i32::MIN` if it
        /// did not ask.
        pub cluster_authorized_operations: i32 = i32::MIN;
    }

    /// One broker.
    pub struct DescribeClusterBroker {
        /// The broker id.
        pub broker_id: i32;
        /// The advertised host name of the listener on which the client asked.
        pub host: String;
        /// The advertised port of that listener.
        pub port: i32;
        /// The broker's rack, or null if it has none.
        pub rack: Option<String>;
        /// Whether the broker is fenced: registered, but not serving (KIP-1073).
        pub is_fenced: bool, in 2..;
    }
}
