//! OffsetForLeaderEpoch: where a leader epoch ends in the leader's log.
//!
//! By this a follower finds out how much to truncate (KIP-101), and a consumer whether the log was
//! truncated below its position (KIP-320).

use crate::ErrorCode;
use crate::message::message;

message! {
    /// Epochs to look up.
    pub struct OffsetForLeaderEpochRequest
        for OffsetForLeaderEpoch, versions 2..=4, flexible 4.. {
        /// The broker id of a follower, or -1 from a consumer. Before version 3 it is unknown
        /// who asks, which reads as -2.
        pub replica_id: i32 = -2, in 3..;
        /// The topics to look into.
        pub topics: Vec<OffsetForLeaderTopic>;
    }

    /// Epochs to look up in one topic.
    pub struct OffsetForLeaderTopic {
        /// The topic's name.
        pub topic: String;
        /// The partitions to look into.
        pub partitions: Vec<OffsetForLeaderPartition>;
    }

    /// The epoch to look up in one partition.
    pub struct OffsetForLeaderPartition {
        /// The partition.
        pub partition: i32;
        /// The leader epoch that the client knows, or -1 to have none checked. Older than the
        /// broker's is `FencedLeaderEpoch`, newer `UnknownLeaderEpoch`.
        pub current_leader_epoch: i32 = -1;
        /// The epoch to look up.
        pub leader_epoch: i32;
    }

    /// The ends of the epochs.
    pub struct OffsetForLeaderEpochResponse
        for OffsetForLeaderEpoch, versions 2..=4, flexible 4.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// One entry for each topic of the request.
        pub topics: Vec<OffsetForLeaderTopicResult>;
    }

    /// The ends of the epochs in one topic.
    pub struct OffsetForLeaderTopicResult {
        /// The topic's name.
        pub topic: String;
        /// One entry for each partition of the request.
        pub partitions: Vec<EpochEndOffset>;
    }

    /// The end of the epoch in one partition.
    pub struct EpochEndOffset {
        /// Whether the lookup was possible.
        pub error_code: ErrorCode;
        /// The partition.
        pub partition: i32;
        /// The largest epoch in the log that is not above the one asked for, or -1.
        pub leader_epoch: i32 = -1;
        /// The offset after that epoch's last record, or -1.
        pub end_offset: i64 = -1;
    }
}
