//! The positions of one group: what is committed, and what is on its way to the log.
//!
//! Pure: no clock, no log. A commit is begun when its record is enqueued and ended when the log has
//! it or refused it; in between a reader sees what was committed before, and whoever deletes the
//! group's positions deletes the coming one as well.
//!
//! In the order a position lives:
//! - [`commit`]: from a request to the log and into memory
//! - [`delete`]: because somebody asks, or because the topic is gone
//! - [`expiration`]: because nobody has used it for long
//!
//! Sorted vectors rather than maps: most groups have a few positions, there may be 100 000 groups,
//! and a commit replaces what is there.

pub(crate) mod commit;
pub(crate) mod delete;
pub(crate) mod expiration;

use std::sync::Arc;

use odradek_protocol::{
    EncodeError,
    group_records::{OffsetValue, StateKey},
};
use uuid::Uuid;

use super::state_log::StateRecord;

/// A committed position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    /// The offset of the next record to read.
    pub(crate) offset: i64,
    /// The leader epoch of the last record read, or -1 (KIP-320).
    pub(crate) leader_epoch: i32,
    /// What the client keeps with the position; empty if it keeps nothing.
    pub(crate) metadata: Box<str>,
    /// When it was committed, in ms since the Unix epoch.
    pub(crate) commit_timestamp_ms: i64,
    /// When it expires whatever its group does, if a client from before KIP-211 said so.
    pub(crate) expire_timestamp_ms: Option<i64>,
    /// The id of its topic, or zero if whoever wrote it did not know.
    pub(crate) topic_id: Uuid,
}

/// The positions of one group. See the module's documentation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupOffsets {
    /// Sorted by name.
    topics: Vec<TopicOffsets>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct TopicOffsets {
    topic: Arc<str>,
    /// Sorted by partition; never empty.
    partitions: Vec<PartitionOffset>,
}

/// **Invariant:** something is committed or in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PartitionOffset {
    partition: i32,
    /// Commits on their way to the log.
    in_flight: u32,
    committed: Option<CommittedOffset>,
}

impl GroupOffsets {
    /// The committed position in a partition.
    pub(crate) fn get(&self, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.lookup(topic, partition)?.committed.as_ref()
    }

    /// Every committed position, by topic and partition in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, i32, &CommittedOffset)> {
        self.topics.iter().flat_map(|topic| {
            topic.partitions.iter().filter_map(|entry| {
                let committed = entry.committed.as_ref()?;
                Some((&topic.topic, entry.partition, committed))
            })
        })
    }

    /// How many partitions have a position, or get one.
    pub(crate) fn entries(&self) -> usize {
        self.topics.iter().map(|topic| topic.partitions.len()).sum()
    }

    /// Whether there is no position, nor one on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Whether a commit in this partition is on its way to the log.
    pub(crate) fn is_in_flight(&self, topic: &str, partition: i32) -> bool {
        self.lookup(topic, partition)
            .is_some_and(|entry| 0 < entry.in_flight)
    }

    /// Whether there is a position in this partition, or one on its way.
    pub(crate) fn is_known(&self, topic: &str, partition: i32) -> bool {
        self.lookup(topic, partition).is_some()
    }

    /// A commit is on its way to the log. [`end_commit`](Self::end_commit) has to follow.
    pub(crate) fn begin_commit(&mut self, topic: &Arc<str>, partition: i32) {
        self.entry(topic, partition).in_flight += 1;
    }

    /// A commit reached the log, or did not (`None`).
    pub(crate) fn end_commit(
        &mut self,
        topic: &Arc<str>,
        partition: i32,
        committed: Option<CommittedOffset>,
    ) {
        let entry = self.entry(topic, partition);
        entry.in_flight = entry.in_flight.saturating_sub(1);
        if committed.is_some() {
            entry.committed = committed;
        }
        self.tidy(topic, partition);
    }

    /// A position that the log has: while it is replayed, there is nothing in flight.
    pub(crate) fn set(&mut self, topic: &Arc<str>, partition: i32, committed: CommittedOffset) {
        self.entry(topic, partition).committed = Some(committed);
    }

    /// Forgets a committed position, and says whether there was one.
    pub(crate) fn remove(&mut self, topic: &str, partition: i32) -> bool {
        let Ok(at) = self.find(topic) else {
            return false;
        };
        let Some(found) = self.topics.get_mut(at) else {
            return false;
        };
        let Ok(at) = found.find(partition) else {
            return false;
        };
        let removed = found
            .partitions
            .get_mut(at)
            .and_then(|entry| entry.committed.take());
        self.tidy(topic, partition);
        removed.is_some()
    }

    /// The tombstones that delete every position, those in flight included.
    pub(crate) fn tombstones(&self, group: &str) -> Result<Vec<StateRecord>, EncodeError> {
        let keys = self.topics.iter().flat_map(|topic| {
            let partitions = topic.partitions.iter();
            partitions.map(|entry| (&*topic.topic, entry.partition))
        });
        keys.map(|(topic, partition)| tombstone(group, topic, partition))
            .collect()
    }

    fn lookup(&self, topic: &str, partition: i32) -> Option<&PartitionOffset> {
        let topic = self.topics.get(self.find(topic).ok()?)?;
        topic.partitions.get(topic.find(partition).ok()?)
    }

    fn find(&self, topic: &str) -> Result<usize, usize> {
        self.topics
            .binary_search_by(|other| (*other.topic).cmp(topic))
    }

    /// The entry of a partition, made if there is none.
    fn entry(&mut self, topic: &Arc<str>, partition: i32) -> &mut PartitionOffset {
        let at = self.find(topic).unwrap_or_else(|at| {
            if self.topics.is_empty() {
                // Most groups read one topic.
                self.topics.reserve_exact(1);
            }
            self.topics.insert(
                at,
                TopicOffsets {
                    topic: Arc::clone(topic),
                    partitions: Vec::with_capacity(1),
                },
            );
            at
        });
        let partitions = &mut self.topics[at].partitions;
        let at = partitions
            .binary_search_by_key(&partition, |entry| entry.partition)
            .unwrap_or_else(|at| {
                partitions.insert(
                    at,
                    PartitionOffset {
                        partition,
                        in_flight: 0,
                        committed: None,
                    },
                );
                at
            });
        &mut partitions[at]
    }

    /// Removes an entry that holds nothing any more.
    fn tidy(&mut self, topic: &str, partition: i32) {
        let Ok(topic_at) = self.find(topic) else {
            return;
        };
        let topic = &mut self.topics[topic_at];
        if let Ok(at) = topic.find(partition)
            && topic.partitions[at].is_void()
        {
            topic.partitions.remove(at);
            if topic.partitions.is_empty() {
                self.topics.remove(topic_at);
            }
        }
    }
}

impl TopicOffsets {
    fn find(&self, partition: i32) -> Result<usize, usize> {
        self.partitions
            .binary_search_by_key(&partition, |entry| entry.partition)
    }
}

impl PartitionOffset {
    fn is_void(&self) -> bool {
        self.in_flight == 0 && self.committed.is_none()
    }
}

impl CommittedOffset {
    /// As it is written.
    pub(crate) fn to_value(&self) -> OffsetValue {
        OffsetValue {
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            metadata: self.metadata.to_string(),
            commit_timestamp_ms: self.commit_timestamp_ms,
            expire_timestamp_ms: self.expire_timestamp_ms.unwrap_or(-1),
            topic_id: self.topic_id,
        }
    }
}

impl From<OffsetValue> for CommittedOffset {
    fn from(value: OffsetValue) -> Self {
        Self {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata.into_boxed_str(),
            commit_timestamp_ms: value.commit_timestamp_ms,
            expire_timestamp_ms: (0 <= value.expire_timestamp_ms)
                .then_some(value.expire_timestamp_ms),
            topic_id: value.topic_id,
        }
    }
}

/// The record by which the log forgets a position.
pub(crate) fn tombstone(
    group: &str,
    topic: &str,
    partition: i32,
) -> Result<StateRecord, EncodeError> {
    Ok(StateRecord {
        key: StateKey::offset(group, topic, partition).encode()?,
        value: None,
    })
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
