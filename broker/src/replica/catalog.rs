//! Which partitions are here, by topic name and by topic id.
//!
//! A plain table: it opens nothing and decides nothing. The manager changes it, requests look
//! things up.

use std::sync::Arc;

use hashbrown::HashMap;
use uuid::Uuid;

use super::{checkpoints::StoredOffsets, manager::PartitionError, partition::Partition};

/// All topics that the metadata knows, and what this broker has of each.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    by_name: HashMap<Arc<str>, Topic>,
    names: HashMap<Uuid, Arc<str>>,
}

#[derive(Debug)]
struct Topic {
    id: Uuid,
    /// By partition index.
    slots: Vec<Slot>,
}

/// What this broker has of one partition.
#[derive(Debug, Clone)]
pub(crate) enum Slot {
    /// It is served.
    Online(Arc<Partition>),
    /// It should be served, but its log cannot be opened.
    Offline(Arc<OfflinePartition>),
    /// Its replicas are elsewhere, or its log is just being opened.
    NotHere,
}

/// A partition whose log cannot be opened.
#[derive(Debug)]
pub(crate) struct OfflinePartition {
    /// Why, as a sentence for the person who has to look.
    pub(crate) reason: String,
    /// The disk was full: with room its log opens.
    pub(super) needs_space: bool,
    /// What the checkpoint files said of it, to be kept.
    pub(super) stored: StoredOffsets,
}

impl Catalog {
    /// The partition of that topic and index, if it is served.
    pub(super) fn partition(
        &self,
        topic: &str,
        index: i32,
    ) -> Result<Arc<Partition>, PartitionError> {
        let unknown = PartitionError::UnknownTopicOrPartition;
        let topic = self.by_name.get(topic).ok_or(unknown)?;
        let index = usize::try_from(index).map_err(|_| unknown)?;
        match topic.slots.get(index).ok_or(unknown)? {
            Slot::Online(partition) if partition.is_leader() => Ok(Arc::clone(partition)),
            Slot::Offline(_) => Err(PartitionError::StorageOffline),
            Slot::Online(_) | Slot::NotHere => Err(PartitionError::NotLeader),
        }
    }

    /// The partition of that topic and index, if its log is open.
    pub(super) fn open(&self, topic: &str, index: i32) -> Option<Arc<Partition>> {
        let slots = &self.by_name.get(topic)?.slots;
        match slots.get(usize::try_from(index).ok()?)? {
            Slot::Online(partition) => Some(Arc::clone(partition)),
            Slot::Offline(_) | Slot::NotHere => None,
        }
    }

    /// The partitions of that topic whose log cannot be opened.
    pub(super) fn offline_of(&self, topic: &str) -> Vec<i32> {
        let slots = self.by_name.get(topic).map(|topic| &topic.slots);
        let numbered = (0..).zip(slots.into_iter().flatten());
        let offline = numbered.filter(|(_, slot)| matches!(slot, Slot::Offline(_)));
        offline.map(|(index, _)| index).collect()
    }

    /// The name of the topic with that id.
    pub(super) fn name(&self, topic_id: Uuid) -> Option<&Arc<str>> {
        self.names.get(&topic_id)
    }

    /// What is here of every partition, with its topic's name and its index.
    pub(super) fn slots(&self) -> impl Iterator<Item = (&Arc<str>, i32, &Slot)> {
        self.by_name.iter().flat_map(|(name, topic)| {
            (0..)
                .zip(&topic.slots)
                .map(move |(index, slot)| (name, index, slot))
        })
    }

    /// Makes the topic known with `partitions` partitions; new ones are not here yet.
    pub(super) fn add_topic(&mut self, name: &Arc<str>, id: Uuid, partitions: usize) {
        self.names.insert(id, Arc::clone(name));
        let topic = self
            .by_name
            .entry(Arc::clone(name))
            .or_insert_with(|| Topic {
                id,
                slots: Vec::new(),
            });
        topic.slots.resize(partitions, Slot::NotHere);
    }

    /// Forgets the topic; returns what was here of it, with the index.
    pub(super) fn remove_topic(&mut self, name: &str) -> Vec<(i32, Slot)> {
        let Some(topic) = self.by_name.remove(name) else {
            return Vec::new();
        };
        self.names.remove(&topic.id);
        (0..).zip(topic.slots).collect()
    }

    /// Says what is here of one partition of a known topic.
    pub(super) fn set(&mut self, topic: &str, index: i32, slot: Slot) {
        let slots = self.by_name.get_mut(topic).map(|topic| &mut topic.slots);
        let index = usize::try_from(index).expect("partition indexes count from zero");
        *slots
            .and_then(|slots| slots.get_mut(index))
            .expect("the manager adds a topic before its partitions") = slot;
    }
}
