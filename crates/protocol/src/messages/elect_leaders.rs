//! ElectLeaders: choose the leaders of partitions anew (KIP-183, KIP-460).
//!
//! Election types: 0 preferred, 1 unclean.

use crate::ErrorCode;
use crate::message::message;

/// The first replica of a partition shall lead it again, if it is in sync.
pub const PREFERRED: i8 = 0;
/// Any living replica shall lead a partition that has no leader, even one that lacks records.
pub const UNCLEAN: i8 = 1;

message! {
    /// The partitions that shall get a leader.
    pub struct ElectLeadersRequest for ElectLeaders, versions 0..=2, flexible 2.. {
        /// [`PREFERRED`] or [`UNCLEAN`]; before version 1 always the former.
        pub election_type: i8, in 1..;
        /// The partitions, or null for all of the cluster.
        pub topic_partitions: Option<Vec<TopicPartitions>>;
        /// How long to wait until the elections are over, in milliseconds.
        pub timeout_ms: i32 = 60_000;
    }

    /// Partitions of one topic.
    pub struct TopicPartitions {
        /// The topic's name.
        pub topic: String;
        /// The partitions.
        pub partitions: Vec<i32>;
    }

    /// What became of each partition.
    pub struct ElectLeadersResponse for ElectLeaders, versions 0..=2, flexible 2.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// Whether elections could be held at all.
        pub error_code: ErrorCode, in 1..;
        /// One entry for each topic of the request, or for all topics with an election.
        pub replica_election_results: Vec<ReplicaElectionResult>;
    }

    /// What became of the partitions of one topic.
    pub struct ReplicaElectionResult {
        /// The topic's name.
        pub topic: String;
        /// The partitions.
        pub partition_result: Vec<PartitionResult>;
    }

    /// What became of one partition.
    pub struct PartitionResult {
        /// The partition.
        pub partition_id: i32;
        /// Whether it has the wanted leader now.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>;
    }
}
