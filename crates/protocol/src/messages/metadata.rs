//! Metadata: brokers, topics, partitions and their leaders.
//!
//! In version 0 an empty list of topics means all of them; from version 1 null does, and an empty
//! list means none.

use crate::ErrorCode;
use crate::message::message;
use uuid::Uuid;

message! {
    /// Which topics to describe.
    pub struct MetadataRequest for Metadata, versions 0..=13, flexible 9.. {
        /// The topics to describe. Null means all; in version 0 an empty list does.
        pub topics: Option<Vec<MetadataRequestTopic>>, null in 1..;
        /// Whether a topic that does not exist may be created. True before version 4.
        pub allow_auto_topic_creation: bool = true, in 4..;
        /// Whether to say what the client may do with the cluster (KIP-430).
        pub include_cluster_authorized_operations: bool, in 8..=10;
        /// Whether to say what the client may do with each topic (KIP-430).
        pub include_topic_authorized_operations: bool, in 8..;
    }

    /// One topic to describe, by name or by id.
    pub struct MetadataRequestTopic {
        /// The topic's id, or all zeros to look it up by name (KIP-516).
        pub topic_id: Uuid, in 10..;
        /// The topic's name, or null to look it up by id.
        pub name: Option<String>, null in 10..;
    }

    /// The cluster as this broker knows it.
    pub struct MetadataResponse for Metadata, versions 0..=13, flexible 9.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32, in 3..;
        /// The brokers that are alive.
        pub brokers: Vec<MetadataResponseBroker>;
        /// The cluster id, or null if it is not known.
        pub cluster_id: Option<String>, in 2..;
        /// The broker id to which admin requests go, or -1.
        pub controller_id: i32 = -1, in 1..;
        /// The topics.
        pub topics: Vec<MetadataResponseTopic>;
        /// What the client may do with the cluster, one bit for each operation; `i32::MIN` if it
        /// did not ask.
        pub cluster_authorized_operations: i32 = i32::MIN, in 8..=10;
        /// An error of the whole request: `RebootstrapRequired` sends the client back to its
        /// bootstrap servers (KIP-1102).
        pub error_code: ErrorCode, in 13..;
    }

    /// One broker.
    pub struct MetadataResponseBroker {
        /// The broker id.
        pub node_id: i32;
        /// The advertised host name of the listener on which the client asked.
        pub host: String;
        /// The advertised port of that listener.
        pub port: i32;
        /// The broker's rack, or null if it has none.
        pub rack: Option<String>, in 1..;
    }

    /// One topic.
    pub struct MetadataResponseTopic {
        /// Whether the topic could be described.
        pub error_code: ErrorCode;
        /// The topic's name, or null if it was asked for by an unknown id.
        pub name: Option<String>, null in 12..;
        /// The topic's id (KIP-516).
        pub topic_id: Uuid, in 10..;
        /// Whether it is one of the broker's own topics, such as `__consumer_offsets`.
        pub is_internal: bool, in 1..;
        /// The partitions.
        pub partitions: Vec<MetadataResponsePartition>;
        /// What the client may do with the topic, one bit for each operation; `i32::MIN` if it did
        /// not ask.
        pub topic_authorized_operations: i32 = i32::MIN, in 8..;
    }

    /// One partition.
    pub struct MetadataResponsePartition {
        /// `LeaderNotAvailable` if there is no leader, `ListenerNotFound` if it has no listener
        /// of the name on which the client asked.
        pub error_code: ErrorCode;
        /// The partition.
        pub partition_index: i32;
        /// The leader's broker id, or -1 if there is none.
        pub leader_id: i32;
        /// The leader epoch, or -1 if not known (KIP-320).
        pub leader_epoch: i32 = -1, in 7..;
        /// All replicas, the preferred leader first.
        pub replica_nodes: Vec<i32>;
        /// The replicas in sync.
        pub isr_nodes: Vec<i32>;
        /// The replicas that are offline.
        pub offline_replicas: Vec<i32>, in 5..;
    }
}
