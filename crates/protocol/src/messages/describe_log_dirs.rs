//! DescribeLogDirs: the log directories of a broker and what lies in them (KIP-113, KIP-827).

use crate::ErrorCode;
use crate::message::message;

message! {
    /// The partitions to describe.
    pub struct DescribeLogDirsRequest for DescribeLogDirs, versions 1..=4, flexible 2.. {
        /// The topics, or null for all.
        pub topics: Option<Vec<DescribableLogDirTopic>>;
    }

    /// The partitions to describe in one topic.
    pub struct DescribableLogDirTopic {
        /// The topic's name.
        pub topic: String;
        /// The partitions.
        pub partitions: Vec<i32>;
    }

    /// The log directories.
    pub struct DescribeLogDirsResponse for DescribeLogDirs, versions 1..=4, flexible 2.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// An error of the whole request.
        pub error_code: ErrorCode, in 3..;
        /// One entry for each log directory of the broker.
        pub results: Vec<DescribeLogDirsResult>;
    }

    /// One log directory.
    pub struct DescribeLogDirsResult {
        /// Whether it is in use. `KafkaStorageError` if it failed.
        pub error_code: ErrorCode;
        /// Its path.
        pub log_dir: String;
        /// The topics that have partitions in it.
        pub topics: Vec<DescribeLogDirsTopic>;
        /// The size of the file system it is on, in bytes, or -1 if that is not known.
        pub total_bytes: i64 = -1, in 4..;
        /// What is free of it, in bytes, or -1 if that is not known.
        pub usable_bytes: i64 = -1, in 4..;
    }

    /// The partitions of one topic in a log directory.
    pub struct DescribeLogDirsTopic {
        /// The topic's name.
        pub name: String;
        /// The partitions.
        pub partitions: Vec<DescribeLogDirsPartition>;
    }

    /// One partition in a log directory.
    pub struct DescribeLogDirsPartition {
        /// The partition.
        pub partition_index: i32;
        /// The size of its segments in bytes.
        pub partition_size: i64;
        /// How far its log end is behind the high watermark, or for a future replica, behind the
        /// log end of the current one.
        pub offset_lag: i64;
        /// Whether this is a copy on its way to another directory of the broker.
        pub is_future_key: bool;
    }
}
