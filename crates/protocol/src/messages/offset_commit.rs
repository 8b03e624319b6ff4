//! OffsetCommit: store a group's positions.

use crate::ErrorCode;
use crate::message::message;

message! {
    /// Positions to store.
    pub struct OffsetCommitRequest for OffsetCommit, versions 2..=9, flexible 8.. {
        /// The group.
        pub group_id: String;
        /// The member's generation, or its epoch in the newer protocol (KIP-848); -1 from a
        /// consumer that assigns partitions to itself.
        pub generation_id_or_member_epoch: i32 = -1;
        /// The member id, or empty from a consumer that assigns partitions to itself.
        pub member_id: String;
        /// The static member's lasting name, or null (KIP-345).
        pub group_instance_id: Option<String>, in 7..;
        /// How long to keep the positions, in milliseconds, or -1 for the broker's setting. Gone
        /// since positions live as long as their group (KIP-211).
        pub retention_time_ms: i64 = -1, in ..=4;
        /// The topics.
        pub topics: Vec<OffsetCommitRequestTopic>;
    }

    /// Positions in one topic.
    pub struct OffsetCommitRequestTopic {
        /// The topic's name.
        pub name: String;
        /// The partitions.
        pub partitions: Vec<OffsetCommitRequestPartition>;
    }

    /// The position in one partition.
    pub struct OffsetCommitRequestPartition {
        /// The partition.
        pub partition_index: i32;
        /// The offset of the next record to read.
        pub committed_offset: i64;
        /// The leader epoch of the last record read, or -1 (KIP-320).
        pub committed_leader_epoch: i32 = -1, in 6..;
        /// Whatever the client wants to keep with the position, or null.
        pub committed_metadata: Option<String>;
    }

    /// What was stored.
    pub struct OffsetCommitResponse for OffsetCommit, versions 2..=9, flexible 8.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32, in 3..;
        /// One entry for each topic of the request.
        pub topics: Vec<OffsetCommitResponseTopic>;
    }

    /// What was stored of one topic.
    pub struct OffsetCommitResponseTopic {
        /// The topic's name.
        pub name: String;
        /// One entry for each partition of the request.
        pub partitions: Vec<OffsetCommitResponsePartition>;
    }

    /// Whether one position was stored.
    pub struct OffsetCommitResponsePartition {
        /// The partition.
        pub partition_index: i32;
        /// Whether the position was stored.
        pub error_code: ErrorCode;
    }
}
