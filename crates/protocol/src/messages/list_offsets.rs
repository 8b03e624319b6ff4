//! ListOffsets: find offsets by timestamp, or the ends of a partition.

use crate::ErrorCode;
use crate::message::message;

/// In place of a timestamp: the end of the log, as far as the isolation level lets one see.
pub const LATEST_TIMESTAMP: i64 = -1;
/// In place of a timestamp: the first offset of the log.
pub const EARLIEST_TIMESTAMP: i64 = -2;
/// In place of a timestamp, from version 7: the record with the largest timestamp (KIP-734).
pub const MAX_TIMESTAMP: i64 = -3;
/// In place of a timestamp, from version 8: the first offset on the broker's own disk (KIP-405).
pub const EARLIEST_LOCAL_TIMESTAMP: i64 = -4;
/// In place of a timestamp, from version 9: the last offset in tiered storage (KIP-1005).
pub const LATEST_TIERED_TIMESTAMP: i64 = -5;

message! {
    /// Timestamps to look up.
    pub struct ListOffsetsRequest for ListOffsets, versions 1..=10, flexible 6.. {
        /// The broker id of a follower, or -1 from a consumer.
        pub replica_id: i32 = -1;
        /// 0 to see up to the high watermark, 1 only up to the last stable offset (KIP-98).
        pub isolation_level: i8, in 2..;
        /// The topics to look into.
        pub topics: Vec<ListOffsetsTopic>;
        /// How long to wait for tiered storage, in milliseconds (KIP-1075).
        pub timeout_ms: i32, in 10..;
    }

    /// Timestamps to look up in one topic.
    pub struct ListOffsetsTopic {
        /// The topic's name.
        pub name: String;
        /// The partitions to look into.
        pub partitions: Vec<ListOffsetsPartition>;
    }

    /// The timestamp to look up in one partition.
    pub struct ListOffsetsPartition {
        /// The partition.
        pub partition_index: i32;
        /// The leader epoch that the client knows, or -1 to have none checked (KIP-320).
        pub current_leader_epoch: i32 = -1, in 4..;
        /// Milliseconds since the epoch, or one of the constants of this module.
        pub timestamp: i64;
    }

    /// The offsets found.
    pub struct ListOffsetsResponse for ListOffsets, versions 1..=10, flexible 6.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32, in 2..;
        /// One entry for each topic of the request.
        pub topics: Vec<ListOffsetsTopicResponse>;
    }

    /// The offsets found in one topic.
    pub struct ListOffsetsTopicResponse {
        /// The topic's name.
        pub name: String;
        /// One entry for each partition of the request.
        pub partitions: Vec<ListOffsetsPartitionResponse>;
    }

    /// The offset found in one partition.
    pub struct ListOffsetsPartitionResponse {
        /// The partition.
        pub partition_index: i32;
        /// Whether the lookup was possible. Finding nothing is not an error.
        pub error_code: ErrorCode;
        /// The timestamp of the record found; -1 if none was found or an end was asked for.
        pub timestamp: i64 = -1;
        /// The first offset whose timestamp is not below the one asked for, or -1 if there is none.
        pub offset: i64 = -1;
        /// The leader epoch of that offset, or -1 if not known (KIP-320).
        pub leader_epoch: i32 = -1, in 4..;
    }
}
