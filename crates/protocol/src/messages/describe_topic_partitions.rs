//! DescribeTopicPartitions: topics in pages (KIP-966). It never had another than version 0.

use crate::ErrorCode;
use crate::message::message;
use crate::primitives::{DecodeError, Decoder, EncodeError, Encoder, Format, Wire};
use uuid::Uuid;

message! {
    /// The topics to describe, and where to go on.
    pub struct DescribeTopicPartitionsRequest
    for DescribeTopicPartitions, versions 0..=0, flexible 0.. {
        /// The topics, or none for all.
        pub topics: Vec<TopicRequest>;
        /// The most partitions that the client wants in one answer.
        pub response_partition_limit: i32 = 2000;
        /// Where to begin, or null to begin at the first topic.
        pub cursor: Option<Cursor>;
    }

    /// One topic to describe.
    pub struct TopicRequest {
        /// The topic's name.
        pub name: String;
    }

    /// The first partition of a page.
    pub struct Cursor {
        /// The topic's name.
        pub topic_name: String;
        /// The partition.
        pub partition_index: i32;
    }

    /// One page.
    pub struct DescribeTopicPartitionsResponse
    for DescribeTopicPartitions, versions 0..=0, flexible 0.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// The topics of this page, in the order of their names.
        pub topics: Vec<DescribeTopicPartitionsResponseTopic>;
        /// Where the next page begins, or null if this is the last one.
        pub next_cursor: Option<Cursor>;
    }

    /// One topic.
    pub struct DescribeTopicPartitionsResponseTopic {
        /// Whether it could be described.
        pub error_code: ErrorCode;
        /// The topic's name.
        pub name: Option<String>;
        /// The topic's id (KIP-516).
        pub topic_id: Uuid;
        /// Whether it belongs to the broker itself.
        pub is_internal: bool;
        /// Those of its partitions that are on this page.
        pub partitions: Vec<DescribeTopicPartitionsResponsePartition>;
        /// A bit for each operation that the client may do with it (KIP-430).
        pub topic_authorized_operations: i32 = i32::MIN;
    }

    /// One partition.
    pub struct DescribeTopicPartitionsResponsePartition {
        /// Whether it can be reached.
        pub error_code: ErrorCode;
        /// The partition.
        pub partition_index: i32;
        /// The broker that leads it, or -1.
        pub leader_id: i32;
        /// The leader epoch (KIP-320).
        pub leader_epoch: i32 = -1;
        /// The brokers that have a replica.
        pub replica_nodes: Vec<i32>;
        /// The replicas in sync.
        pub isr_nodes: Vec<i32>;
        /// Replicas out of sync that may lead all the same, or null.
        pub eligible_leader_replicas: Option<Vec<i32>>;
        /// The last ones that were such, or null.
        pub last_known_elr: Option<Vec<i32>>;
        /// The replicas that are down.
        pub offline_replicas: Vec<i32>;
    }
}

/// A nullable structure begins with a byte of its own: negative for null. No other API has one.
impl Wire for Option<Cursor> {
    fn decode(decoder: &mut Decoder<'_>, format: Format) -> Result<Self, DecodeError> {
        let presence = <i8 as Wire>::decode(decoder, format)?;
        if presence < 0 {
            return Ok(None);
        }
        Wire::decode(decoder, format).map(Some)
    }

    fn encode(&self, encoder: &mut Encoder, format: Format) -> Result<(), EncodeError> {
        match self {
            None => (-1_i8).encode(encoder, format),
            Some(cursor) => {
                1_i8.encode(encoder, format)?;
                Wire::encode(cursor, encoder, format)
            }
        }
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }
}
