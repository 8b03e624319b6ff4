//! DescribeProducers: what a partition remembers of those who write to it (KIP-664).

use crate::ErrorCode;
use crate::message::message;

message! {
    /// The partitions to describe.
    pub struct DescribeProducersRequest for DescribeProducers, versions 0..=0, flexible 0.. {
        /// The topics.
        pub topics: Vec<TopicRequest>;
    }

    /// The partitions to describe in one topic.
    pub struct TopicRequest {
        /// The topic's name.
        pub name: String;
        /// The partitions.
        pub partition_indexes: Vec<i32>;
    }

    /// The producers of each partition.
    pub struct DescribeProducersResponse for DescribeProducers, versions 0..=0, flexible 0.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// One entry for each topic of the request.
        pub topics: Vec<TopicResponse>;
    }

    /// The producers of one topic.
    pub struct TopicResponse {
        /// The topic's name.
        pub name: String;
        /// One entry for each partition of the request.
        pub partitions: Vec<PartitionResponse>;
    }

    /// The producers of one partition.
    pub struct PartitionResponse {
        /// The partition.
        pub partition_index: i32;
        /// Whether it could be described.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>;
        /// The producers that are remembered.
        pub active_producers: Vec<ProducerState>;
    }

    /// One producer.
    pub struct ProducerState {
        /// Its id.
        pub producer_id: i64;
        /// Its newest epoch.
        pub producer_epoch: i32;
        /// The sequence number of its last record, or -1 if it wrote none in this epoch.
        pub last_sequence: i32 = -1;
        /// The timestamp of its last batch, in milliseconds since the Unix epoch, or -1.
        pub last_timestamp: i64 = -1;
        /// The epoch of the coordinator that ended its last transaction, or -1.
        pub coordinator_epoch: i32;
        /// Where its open transaction began, or -1 if none is open.
        pub current_txn_start_offset: i64 = -1;
    }
}
