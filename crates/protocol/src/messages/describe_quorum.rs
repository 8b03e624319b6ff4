//! DescribeQuorum: the voters of the metadata log, and how far each has come (KIP-595, KIP-836,
//! KIP-853).
//!
//! The one partition to ask about is number 0 of [`METADATA_TOPIC`].

use crate::message::message;
use crate::{ErrorCode, Uuid};

/// The name by which requests mean the metadata log.
pub const METADATA_TOPIC: &str = "__cluster_metadata";

message! {
    /// The partitions to describe.
    pub struct DescribeQuorumRequest for DescribeQuorum, versions 0..=2, flexible 0.. {
        /// The topics.
        pub topics: Vec<TopicRequest>;
    }

    /// Partitions of one topic.
    pub struct TopicRequest {
        /// The topic's name.
        pub topic_name: String;
        /// The partitions.
        pub partitions: Vec<PartitionRequest>;
    }

    /// One partition to describe.
    pub struct PartitionRequest {
        /// The partition.
        pub partition_index: i32;
    }

    /// The quorums.
    pub struct DescribeQuorumResponse for DescribeQuorum, versions 0..=2, flexible 0.. {
        /// Whether the request could be answered at all.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>, in 2..;
        /// One entry for each topic of the request.
        pub topics: Vec<TopicResponse>;
        /// Where the voters listen (KIP-853).
        pub nodes: Vec<Node>, in 2..;
    }

    /// The quorums of one topic.
    pub struct TopicResponse {
        /// The topic's name.
        pub topic_name: String;
        /// One entry for each partition of the request.
        pub partitions: Vec<PartitionResponse>;
    }

    /// The quorum of one partition.
    pub struct PartitionResponse {
        /// The partition.
        pub partition_index: i32;
        /// Whether it could be described.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>, in 2..;
        /// The voter that leads, or -1.
        pub leader_id: i32;
        /// The newest epoch known.
        pub leader_epoch: i32;
        /// The first offset that is not committed.
        pub high_watermark: i64;
        /// Who votes.
        pub current_voters: Vec<ReplicaState>;
        /// Who follows without a vote.
        pub observers: Vec<ReplicaState>;
    }

    /// How far one replica has come, as the leader sees it.
    pub struct ReplicaState {
        /// The node id.
        pub replica_id: i32;
        /// The id of its log directory, or zero (KIP-853).
        pub replica_directory_id: Uuid, in 2..;
        /// Where its log ends, or -1 if the leader does not know.
        pub log_end_offset: i64;
        /// When it last asked the leader, in ms since the Unix epoch, or -1 (KIP-836).
        pub last_fetch_timestamp: i64 = -1, in 1..;
        /// When it last had all that the leader had, in ms since the Unix epoch, or -1 (KIP-836).
        pub last_caught_up_timestamp: i64 = -1, in 1..;
    }

    /// Where one voter listens.
    pub struct Node {
        /// The node id.
        pub node_id: i32;
        /// Its listeners for controllers.
        pub listeners: Vec<Listener>;
    }

    /// One listener.
    pub struct Listener {
        /// Its name.
        pub name: String;
        /// Its host name.
        pub host: String;
        /// Its port.
        pub port: u16;
    }
}
