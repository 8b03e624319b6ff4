//! ListPartitionReassignments: which partitions are on their way to other brokers (KIP-455).

use crate::ErrorCode;
use crate::message::message;

message! {
    /// The partitions to ask about.
    pub struct ListPartitionReassignmentsRequest for ListPartitionReassignments,
        versions 0..=0, flexible 0..
    {
        /// How long the answer may take, in milliseconds.
        pub timeout_ms: i32 = 60_000;
        /// The topics, or null for all of the cluster.
        pub topics: Option<Vec<ListPartitionReassignmentsTopics>>;
    }

    /// Partitions of one topic.
    pub struct ListPartitionReassignmentsTopics {
        /// The topic's name.
        pub name: String;
        /// The partitions.
        pub partition_indexes: Vec<i32>;
    }

    /// The moves under way.
    pub struct ListPartitionReassignmentsResponse for ListPartitionReassignments,
        versions 0..=0, flexible 0..
    {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// Whether they could be listed.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>;
        /// Topics with a partition that is moving.
        pub topics: Vec<OngoingTopicReassignment>;
    }

    /// The moves in one topic.
    pub struct OngoingTopicReassignment {
        /// The topic's name.
        pub name: String;
        /// The partitions that are moving.
        pub partitions: Vec<OngoingPartitionReassignment>;
    }

    /// One move.
    pub struct OngoingPartitionReassignment {
        /// The partition.
        pub partition_index: i32;
        /// The brokers that have it now, those to come and those to go included.
        pub replicas: Vec<i32>;
        /// The brokers it moves to.
        pub adding_replicas: Vec<i32>;
        /// The brokers it moves away from.
        pub removing_replicas: Vec<i32>;
    }
}
