//! CreateTopics: create topics, or check whether they could be created.

use crate::ErrorCode;
use crate::message::message;
use uuid::Uuid;

message! {
    /// Topics to create. Each succeeds or fails by itself.
    pub struct CreateTopicsRequest for CreateTopics, versions 2..=7, flexible 5.. {
        /// The topics.
        pub topics: Vec<CreatableTopic>;
        /// How long to wait until the topics exist, in milliseconds.
        pub timeout_ms: i32 = 60_000;
        /// Only check, create nothing.
        pub validate_only: bool;
    }

    /// A topic to create.
    pub struct CreatableTopic {
        /// The topic's name.
        pub name: String;
        /// The number of partitions; -1 for the broker's default (KIP-464) or with `assignments`.
        pub num_partitions: i32;
        /// The number of replicas; -1 for the broker's default (KIP-464) or with `assignments`.
        pub replication_factor: i16;
        /// Where to place each partition; empty to let the broker decide.
        pub assignments: Vec<CreatableReplicaAssignment>;
        /// The topic's own configuration.
        pub configs: Vec<CreatableTopicConfig>;
    }

    /// Where to place one partition.
    pub struct CreatableReplicaAssignment {
        /// The partition.
        pub partition_index: i32;
        /// The brokers, the preferred leader first.
        pub broker_ids: Vec<i32>;
    }

    /// One configuration of a topic to create.
    pub struct CreatableTopicConfig {
        /// The key, such as `retention.ms`.
        pub name: String;
        /// The value; null is not a valid one, but can be sent.
        pub value: Option<String>;
    }

    /// What became of each topic.
    pub struct CreateTopicsResponse for CreateTopics, versions 2..=7, flexible 5.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// One entry for each topic of the request.
        pub topics: Vec<CreatableTopicResult>;
    }

    /// What became of one topic.
    pub struct CreatableTopicResult {
        /// The topic's name.
        pub name: String;
        /// The topic's id (KIP-516).
        pub topic_id: Uuid, in 7..;
        /// Whether the topic was created.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>;
        /// Why `configs` is null: the client may create the topic, but not see its configuration.
        pub topic_config_error_code: ErrorCode, tag 0 in 5..;
        /// The number of partitions, or -1 after an error (KIP-525).
        pub num_partitions: i32 = -1, in 5..;
        /// The number of replicas, or -1 after an error (KIP-525).
        pub replication_factor: i16 = -1, in 5..;
        /// The effective configuration, or null (KIP-525).
        pub configs: Option<Vec<CreatableTopicConfigs>>, in 5..;
    }

    /// One effective configuration of a created topic.
    pub struct CreatableTopicConfigs {
        /// The key.
        pub name: String;
        /// The value, or null if it is sensitive or not set.
        pub value: Option<String>;
        /// Whether it cannot be changed.
        pub read_only: bool;
        /// Where the value comes from; the numbers are those of
        /// [`crate::messages::describe_configs`].
        pub config_source: i8 = -1;
        /// Whether the value is secret.
        pub is_sensitive: bool;
    }
}
