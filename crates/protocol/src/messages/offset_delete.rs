//! OffsetDelete: delete single positions of a group (KIP-496). It never became flexible.

use crate::ErrorCode;
use crate::message::message;

message! {
    /// Positions to delete.
    pub struct OffsetDeleteRequest for OffsetDelete, versions 0..=0 {
        /// The group.
        pub group_id: String;
        /// The topics.
        pub topics: Vec<OffsetDeleteRequestTopic>;
    }

    /// Positions to delete in one topic.
    pub struct OffsetDeleteRequestTopic {
        /// The topic's name.
        pub name: String;
        /// The partitions.
        pub partitions: Vec<OffsetDeleteRequestPartition>;
    }

    /// The position to delete in one partition.
    pub struct OffsetDeleteRequestPartition {
        /// The partition.
        pub partition_index: i32;
    }

    /// What became of each position.
    pub struct OffsetDeleteResponse for OffsetDelete, versions 0..=0 {
        /// An error of the whole request.
        pub error_code: ErrorCode;
        /// How long the client should pause because of a quota, in milliseconds. Behind the error
        /// code, unlike everywhere else.
        pub throttle_time_ms: i32;
        /// One entry for each topic of the request.
        pub topics: Vec<OffsetDeleteResponseTopic>;
    }

    /// What became of the positions in one topic.
    pub struct OffsetDeleteResponseTopic {
        /// The topic's name.
        pub name: String;
        /// One entry for each partition of the request.
        pub partitions: Vec<OffsetDeleteResponsePartition>;
    }

    /// What became of one position.
    pub struct OffsetDeleteResponsePartition {
        /// The partition.
        pub partition_index: i32;
        /// Whether the position was deleted. `GroupSubscribedToTopic` if the group still reads it.
        pub error_code: ErrorCode;
    }
}
