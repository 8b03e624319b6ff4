//! What is sent, and what comes back.

use std::sync::Arc;

use bytes::Bytes;

/// A record to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProducerRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition, instead of the partitioner's choice.
    pub partition: Option<i32>,
    /// The key: records with the same key go to the same partition.
    pub key: Option<Bytes>,
    /// The value; without one the record is a tombstone.
    pub value: Option<Bytes>,
    /// Headers, in order; keys may repeat.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// In ms since the Unix epoch; the time of the send if absent.
    pub timestamp_ms: Option<i64>,
}

impl ProducerRecord {
    /// A record with that value and no key.
    pub fn new(topic: impl Into<Arc<str>>, value: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            value: Some(value.into()),
            ..Self::default()
        }
    }

    /// The same with that key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The same for that partition.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// The same with one header more.
    #[must_use]
    pub fn header(mut self, key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.push((key.into(), Some(value.into())));
        self
    }

    /// An upper bound of what it takes in a batch.
    pub(crate) fn bytes_max(&self) -> usize {
        let field = |field: &Option<Bytes>| FIELD_LENGTH_MAX + field.as_ref().map_or(0, Bytes::len);
        let header =
            |(key, value): &(String, Option<Bytes>)| FIELD_LENGTH_MAX + key.len() + field(value);
        let headers: usize = self.headers.iter().map(header).sum();
        RECORD_OVERHEAD_MAX + field(&self.key) + field(&self.value) + headers
    }
}

/// The longest a length of up to 2 GiB can be.
const FIELD_LENGTH_MAX: usize = 5;

/// Length, attributes, timestamp, offset and number of headers.
const RECORD_OVERHEAD_MAX: usize = 5 + 1 + 10 + 5 + 5;

/// Where a record went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Its offset; unknown with `acks=0`, and when a repetition was recognised too late to tell.
    pub offset: Option<i64>,
    /// Its timestamp, in ms since the Unix epoch: its own, or the broker's where the topic says so.
    pub timestamp_ms: i64,
}
