//! CreatePartitions: add partitions to topics, or check whether they could be added.

use crate::ErrorCode;
use crate::message::message;

message! {
    /// Topics that are to grow. Each succeeds or fails by itself.
    pub struct CreatePartitionsRequest for CreatePartitions, versions 0..=3, flexible 2.. {
        /// The topics.
        pub topics: Vec<CreatePartitionsTopic>;
        /// How long to wait until the partitions exist, in milliseconds.
        pub timeout_ms: i32;
        /// Only check, add nothing.
        pub validate_only: bool;
    }

    /// A topic that is to grow.
    pub struct CreatePartitionsTopic {
        /// The topic's name.
        pub name: String;
        /// The number of partitions that it is to have in the end.
        pub count: i32;
        /// Where to place each new partition, in the order of their numbers; null to let the broker
        /// decide.
        pub assignments: Option<Vec<CreatePartitionsAssignment>>;
    }

    /// Where to place one new partition.
    pub struct CreatePartitionsAssignment {
        /// The brokers, the preferred leader first.
        pub broker_ids: Vec<i32>;
    }

    /// What became of each topic.
    pub struct CreatePartitionsResponse for CreatePartitions, versions 0..=3, flexible 2.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// One entry for each topic of the request.
        pub results: Vec<CreatePartitionsTopicResult>;
    }

    /// What became of one topic.
    pub struct CreatePartitionsTopicResult {
        /// The topic's name.
        pub name: String;
        /// Whether it grew.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>;
    }
}
