//! OffsetFetch: read a group's positions.
//!
//! One group a request up to version 7, several from version 8 (KIP-709).

use crate::ErrorCode;
use crate::message::message;

message! {
    /// Which positions to read.
    pub struct OffsetFetchRequest for OffsetFetch, versions 1..=9, flexible 6.. {
        /// The group.
        pub group_id: String, in ..=7;
        /// The topics; null for all that have a position.
        pub topics: Option<Vec<OffsetFetchRequestTopic>>, in ..=7, null in 2..;
        /// The groups.
        pub groups: Vec<OffsetFetchRequestGroup>, in 8..;
        /// Whether to answer `UnstableOffsetCommit` where a position is part of an open
        /// transaction, instead of the position before it (KIP-447).
        pub require_stable: bool, in 7..;
    }

    /// Which positions to read of one group.
    pub struct OffsetFetchRequestGroup {
        /// The group.
        pub group_id: String;
        /// The member that asks, or null; only in the newer group protocol (KIP-848).
        pub member_id: Option<String>, in 9..;
        /// That member's epoch, or -1 (KIP-848).
        pub member_epoch: i32 = -1, in 9..;
        /// The topics; null for all that have a position.
        pub topics: Option<Vec<OffsetFetchRequestTopic>>;
    }

    /// Which positions to read in one topic.
    pub struct OffsetFetchRequestTopic {
        /// The topic's name.
        pub name: String;
        /// The partitions.
        pub partition_indexes: Vec<i32>;
    }

    /// The positions.
    pub struct OffsetFetchResponse for OffsetFetch, versions 1..=9, flexible 6.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32, in 3..;
        /// The topics.
        pub topics: Vec<OffsetFetchResponseTopic>, in ..=7;
        /// An error of the whole request. Version 1 repeats it at each partition instead.
        pub error_code: ErrorCode, in 2..=7;
        /// One entry for each group of the request.
        pub groups: Vec<OffsetFetchResponseGroup>, in 8..;
    }

    /// The positions of one group.
    pub struct OffsetFetchResponseGroup {
        /// The group.
        pub group_id: String;
        /// The topics.
        pub topics: Vec<OffsetFetchResponseTopic>;
        /// An error of the whole group.
        pub error_code: ErrorCode;
    }

    /// The positions in one topic.
    pub struct OffsetFetchResponseTopic {
        /// The topic's name.
        pub name: String;
        /// The partitions.
        pub partitions: Vec<OffsetFetchResponsePartition>;
    }

    /// The position in one partition.
    pub struct OffsetFetchResponsePartition {
        /// The partition.
        pub partition_index: i32;
        /// The offset of the next record to read, or -1 if there is no position.
        pub committed_offset: i64;
        /// The leader epoch of the last record read, or -1 (KIP-320).
        pub committed_leader_epoch: i32 = -1, in 5..;
        /// What the client kept with the position, or null.
        pub metadata: Option<String>;
        /// Whether the position could be read. Having none is not an error.
        pub error_code: ErrorCode;
    }
}
