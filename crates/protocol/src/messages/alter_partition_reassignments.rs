//! AlterPartitionReassignments: move partitions to other brokers, or call that off (KIP-455).

use crate::ErrorCode;
use crate::message::message;

message! {
    /// Where partitions shall live.
    pub struct AlterPartitionReassignmentsRequest for AlterPartitionReassignments,
        versions 0..=1, flexible 0..
    {
        /// How long to wait until the moves have begun, in milliseconds.
        pub timeout_ms: i32 = 60_000;
        /// Whether a partition may get more or fewer replicas (KIP-860).
        pub allow_replication_factor_change: bool = true, in 1..;
        /// The topics.
        pub topics: Vec<ReassignableTopic>;
    }

    /// Where partitions of one topic shall live.
    pub struct ReassignableTopic {
        /// The topic's name.
        pub name: String;
        /// The partitions.
        pub partitions: Vec<ReassignablePartition>;
    }

    /// Where one partition shall live.
    pub struct ReassignablePartition {
        /// The partition.
        pub partition_index: i32;
        /// The brokers, preferred leader first, or null to call off a move under way.
        pub replicas: Option<Vec<i32>>;
    }

    /// Which moves have begun.
    pub struct AlterPartitionReassignmentsResponse for AlterPartitionReassignments,
        versions 0..=1, flexible 0..
    {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// What the request said; clients do not look at it.
        pub allow_replication_factor_change: bool = true, in 1..;
        /// Whether the request could be carried out at all.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>;
        /// One entry for each topic of the request.
        pub responses: Vec<ReassignableTopicResponse>;
    }

    /// What became of the partitions of one topic.
    pub struct ReassignableTopicResponse {
        /// The topic's name.
        pub name: String;
        /// One entry for each partition of the request.
        pub partitions: Vec<ReassignablePartitionResponse>;
    }

    /// What became of one partition.
    pub struct ReassignablePartitionResponse {
        /// The partition.
        pub partition_index: i32;
        /// Whether its move has begun, or was called off.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>;
    }
}
