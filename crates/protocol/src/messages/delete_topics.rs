//! DeleteTopics: delete topics by name, or from version 6 also by id.

use crate::ErrorCode;
use crate::message::message;
use uuid::Uuid;

message! {
    /// Topics to delete. Each succeeds or fails by itself.
    pub struct DeleteTopicsRequest for DeleteTopics, versions 1..=6, flexible 4.. {
        /// The topics, by name or by id.
        pub topics: Vec<DeleteTopicState>, in 6..;
        /// The topics, by name.
        pub topic_names: Vec<String>, in ..=5;
        /// How long to wait until the topics are gone, in milliseconds.
        pub timeout_ms: i32;
    }

    /// A topic to delete: either the name or the id is given.
    pub struct DeleteTopicState {
        /// The topic's name, or null to go by the id.
        pub name: Option<String>;
        /// The topic's id, or all zeros to go by the name (KIP-516).
        pub topic_id: Uuid;
    }

    /// What became of each topic.
    pub struct DeleteTopicsResponse for DeleteTopics, versions 1..=6, flexible 4.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// One entry for each topic of the request.
        pub responses: Vec<DeletableTopicResult>;
    }

    /// What became of one topic.
    pub struct DeletableTopicResult {
        /// The topic's name; null if it was asked for by an unknown id.
        pub name: Option<String>, null in 6..;
        /// The topic's id (KIP-516).
        pub topic_id: Uuid, in 6..;
        /// Whether the topic was deleted.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>, in 5..;
    }
}
