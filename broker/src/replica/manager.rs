//! Which partitions live here: finds one, and makes them be what the metadata says.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::RwLock;
use uuid::Uuid;

use super::partition::Partition;

/// All partitions of this broker.
#[derive(Debug, Default)]
pub(crate) struct Manager {
    topics: RwLock<Topics>,
}

/// Why a partition cannot be served here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PartitionError {
    /// No such topic, or no partition of that number.
    #[error("unknown topic or partition")]
    UnknownTopicOrPartition,
    /// No topic has that id.
    #[error("unknown topic id")]
    UnknownTopicId,
    /// Another broker leads it, or this one does not do so yet.
    #[error("not the partition's leader")]
    NotLeader,
    /// Its log cannot be used; the reason is on the admin port.
    #[error("the partition's log is offline")]
    StorageOffline,
}

#[derive(Debug, Default)]
struct Topics {
    by_name: HashMap<Arc<str>, Topic>,
    names: HashMap<Uuid, Arc<str>>,
}

#[derive(Debug)]
struct Topic {
    /// By index.
    partitions: Vec<Result<Arc<Partition>, PartitionError>>,
}

impl Manager {
    /// The partition of that topic and number, if it is served here.
    pub(crate) fn partition(
        &self,
        topic: &str,
        index: i32,
    ) -> Result<Arc<Partition>, PartitionError> {
        self.topics.read().partition(topic, index)
    }

    /// The partition of the topic with that id, if it is served here.
    pub(crate) fn partition_by_id(
        &self,
        topic_id: Uuid,
        index: i32,
    ) -> Result<Arc<Partition>, PartitionError> {
        let topics = self.topics.read();
        let name = topics
            .names
            .get(&topic_id)
            .ok_or(PartitionError::UnknownTopicId)?;
        topics.partition(name, index)
    }
}

impl Topics {
    fn partition(&self, topic: &str, index: i32) -> Result<Arc<Partition>, PartitionError> {
        let unknown = PartitionError::UnknownTopicOrPartition;
        let topic = self.by_name.get(topic).ok_or(unknown)?;
        let index = usize::try_from(index).map_err(|_| unknown)?;
        topic.partitions.get(index).cloned().ok_or(unknown)?
    }
}
