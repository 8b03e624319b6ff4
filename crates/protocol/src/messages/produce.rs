//! Produce: append record sets to partitions.
//!
//! A request with `acks` 0 has no response at all; an error then can only close the connection.
//! Versions 0 to 2 carry older record formats and are gone (KIP-896), but a broker still advertises
//! from 0; see [`crate::api_key::PRODUCE_ADVERTISED_VERSION_MIN`].

use crate::ErrorCode;
use crate::message::message;
use crate::messages::leader_hint::{LeaderIdAndEpoch, NodeEndpoint};
use bytes::Bytes;
use uuid::Uuid;

message! {
    /// Record sets for any number of partitions.
    pub struct ProduceRequest for Produce, versions 3..=13, flexible 9.. {
        /// The producer's transactional id, or null if it writes outside transactions (KIP-98).
        pub transactional_id: Option<String>;
        /// How many replicas must have the records before the answer: 0 none (and no answer),
        /// 1 the leader, -1 all in-sync replicas.
        pub acks: i16;
        /// How long to wait for the replicas, in milliseconds.
        pub timeout_ms: i32;
        /// The topics to append to.
        pub topic_data: Vec<TopicProduceData>;
    }

    /// Record sets for one topic.
    pub struct TopicProduceData {
        /// The topic's name.
        pub name: String, in ..=12;
        /// The topic's id (KIP-516).
        pub topic_id: Uuid, in 13..;
        /// The partitions to append to.
        pub partition_data: Vec<PartitionProduceData>;
    }

    /// The record set for one partition.
    pub struct PartitionProduceData {
        /// The partition.
        pub index: i32;
        /// Record batches, as a slice of the request's frame. Kafka expects exactly one batch.
        pub records: Option<Bytes>;
    }

    /// What became of each partition's record set.
    pub struct ProduceResponse for Produce, versions 3..=13, flexible 9.. {
        /// One entry for each topic of the request.
        pub responses: Vec<TopicProduceResponse>;
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// How to reach the leaders named in this response (KIP-951).
        pub node_endpoints: Vec<NodeEndpoint>, tag 0 in 10..;
    }

    /// What became of one topic's record sets.
    pub struct TopicProduceResponse {
        /// The topic's name.
        pub name: String, in ..=12;
        /// The topic's id (KIP-516).
        pub topic_id: Uuid, in 13..;
        /// One entry for each partition of the request.
        pub partition_responses: Vec<PartitionProduceResponse>;
    }

    /// What became of one partition's record set.
    pub struct PartitionProduceResponse {
        /// The partition.
        pub index: i32;
        /// Whether the records are in the log. After `NotEnoughReplicasAfterAppend` they are.
        pub error_code: ErrorCode;
        /// The offset of the first record, or -1 after an error.
        pub base_offset: i64;
        /// When the broker appended the records, in milliseconds since the epoch, or -1 if the
        /// topic keeps the producer's timestamps.
        pub log_append_time_ms: i64 = -1;
        /// The first offset of the log, or -1 if not known.
        pub log_start_offset: i64 = -1, in 5..;
        /// The records that caused the set to be refused (KIP-467).
        pub record_errors: Vec<BatchIndexAndErrorMessage>, in 8..;
        /// Why the set was refused, or null (KIP-467).
        pub error_message: Option<String>, in 8..;
        /// The current leader, if this broker is not (KIP-951).
        pub current_leader: LeaderIdAndEpoch, tag 0 in 10..;
    }

    /// One refused record.
    pub struct BatchIndexAndErrorMessage {
        /// The record's place in its batch, from 0.
        pub batch_index: i32;
        /// Why it was refused, or null.
        pub batch_index_error_message: Option<String>;
    }
}
