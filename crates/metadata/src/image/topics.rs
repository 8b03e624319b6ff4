//! Topics by name and by id, and the state of their partitions.

use std::sync::Arc;

use imbl::{OrdMap, Vector};
use uuid::Uuid;

/// All topics.
///
/// The entry lives under the id; the name leads to the id. A change of one partition therefore
/// copies one path of the id tree and leaves the names alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TopicsImage {
    topics: OrdMap<Uuid, Arc<TopicImage>>,
    ids: OrdMap<Arc<str>, Uuid>,
}

impl TopicsImage {
    /// The topic of that name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.ids.get(name).and_then(|id| self.topics.get(id))
    }

    /// The topic with that id.
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.topics.get(&id)
    }

    /// All topics in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.ids.values().filter_map(|id| self.topics.get(id))
    }

    /// All topic names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.ids.keys()
    }

    /// How many topics there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no topic.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(crate) fn insert(&mut self, topic: TopicImage) {
        self.ids.insert(Arc::clone(&topic.name), topic.id);
        self.topics.insert(topic.id, Arc::new(topic));
    }

    pub(crate) fn remove(&mut self, id: Uuid) -> Option<Arc<TopicImage>> {
        let topic = self.topics.remove(&id)?;
        self.ids.remove(&topic.name);
        Some(topic)
    }

    /// The entry of a topic, for change; copied first when an older image still shares it.
    pub(crate) fn get_mut(&mut self, id: Uuid) -> Option<&mut TopicImage> {
        self.topics.get_mut(&id).map(Arc::make_mut)
    }

    /// What differs from `older`: calls `visit(before, after)` once per topic that was created
    /// (`before` absent), deleted (`after` absent) or changed. Shared subtrees are not walked.
    pub fn diff<'a>(
        &'a self,
        older: &'a Self,
        mut visit: impl FnMut(Option<&'a Arc<TopicImage>>, Option<&'a Arc<TopicImage>>),
    ) {
        use imbl::ordmap::DiffItem;
        for item in older.topics.diff(&self.topics) {
            match item {
                DiffItem::Add(_, after) => visit(None, Some(after)),
                DiffItem::Remove(_, before) => visit(Some(before), None),
                DiffItem::Update {
                    old: (_, before),
                    new: (_, after),
                } => {
                    visit(Some(before), Some(after));
                }
            }
        }
    }
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicImage {
    /// Its name, unique at any one time.
    pub name: Arc<str>,
    /// Its id, never used again after the topic is deleted (KIP-516).
    pub id: Uuid,
    /// Partition 0 first, no holes.
    pub partitions: Vector<PartitionImage>,
}

impl TopicImage {
    /// The partition with that index.
    pub fn partition(&self, index: i32) -> Option<&PartitionImage> {
        usize::try_from(index)
            .ok()
            .and_then(|index| self.partitions.get(index))
    }

    /// Whether the name marks a topic of the broker's own, hidden from `*` subscriptions.
    pub fn is_internal(&self) -> bool {
        crate::topic_name::is_internal(&self.name)
    }
}

/// The state of one partition, as the controller decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionImage {
    /// Assigned brokers, preferred leader first.
    pub replicas: Vec<i32>,
    /// Log directory of each replica, in the order of `replicas` (KIP-858).
    pub directories: Vec<Uuid>,
    /// The members of `replicas` that are in sync.
    pub isr: Vec<i32>,
    /// The leader; -1 when no eligible replica is alive.
    pub leader: i32,
    /// Goes up by one with each change of leader.
    pub leader_epoch: i32,
    /// Goes up by one with each change of this state.
    pub partition_epoch: i32,
}
