//! What is read.

use std::sync::Arc;

use bytes::Bytes;

use crate::admin::{group_offsets::CommittedOffset, offsets::TopicPartition};

pub use odradek_protocol::records::TimestampType;

/// A record as it lies in a partition. Key, value and headers share the memory in which they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The leader epoch in which it was written; -1 if it is not known.
    pub leader_epoch: i32,
    /// In ms since the Unix epoch; -1 if there is none.
    pub timestamp_ms: i64,
    /// Whose clock that was: the producer's, or the broker's where the topic says so.
    pub timestamp_type: TimestampType,
    /// The key, if it has one.
    pub key: Option<Bytes>,
    /// The value; a tombstone has none.
    pub value: Option<Bytes>,
    /// Headers, in the producer's order; keys may repeat, and may be any bytes.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl ConsumerRecord {
    /// What is to be committed once it was processed: its partition, and the offset after it.
    pub fn position_after(&self) -> (TopicPartition, CommittedOffset) {
        let committed = CommittedOffset {
            offset: self.offset + 1,
            leader_epoch: (0 <= self.leader_epoch).then_some(self.leader_epoch),
            metadata: String::new(),
        };
        ((self.topic.to_string(), self.partition), committed)
    }
}
