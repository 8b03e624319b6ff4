//! DeleteRecords: delete the records of a partition below an offset (KIP-107).

use crate::ErrorCode;
use crate::message::message;

/// In place of an offset: the high watermark, so that all committed records go.
pub const TO_HIGH_WATERMARK: i64 = -1;

message! {
    /// Offsets below which records are to go.
    pub struct DeleteRecordsRequest for DeleteRecords, versions 0..=2, flexible 2.. {
        /// The topics.
        pub topics: Vec<DeleteRecordsTopic>;
        /// How long to wait until every replica has done so, in milliseconds.
        pub timeout_ms: i32;
    }

    /// Offsets in one topic.
    pub struct DeleteRecordsTopic {
        /// The topic's name.
        pub name: String;
        /// The partitions.
        pub partitions: Vec<DeleteRecordsPartition>;
    }

    /// The offset in one partition.
    pub struct DeleteRecordsPartition {
        /// The partition.
        pub partition_index: i32;
        /// The first offset to stay, or [`TO_HIGH_WATERMARK`].
        pub offset: i64;
    }

    /// What became of each partition.
    pub struct DeleteRecordsResponse for DeleteRecords, versions 0..=2, flexible 2.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// One entry for each topic of the request.
        pub topics: Vec<DeleteRecordsTopicResult>;
    }

    /// What became of the partitions of one topic.
    pub struct DeleteRecordsTopicResult {
        /// The topic's name.
        pub name: String;
        /// One entry for each partition of the request.
        pub partitions: Vec<DeleteRecordsPartitionResult>;
    }

    /// What became of one partition.
    pub struct DeleteRecordsPartitionResult {
        /// The partition.
        pub partition_index: i32;
        /// The lowest log start offset of its replicas, or -1 after an error.
        pub low_watermark: i64;
        /// Whether the records are gone.
        pub error_code: ErrorCode;
    }
}
