//! Forgetting positions: because somebody asks for it, or because their topic is gone.
//!
//! A topic's positions go with the topic: were it created again, its readers would start somewhere
//! in the middle. The broker may die in between, so positions of topics that do not exist are
//! looked for after each start as well.

use std::sync::Arc;

use odradek_metadata::MetadataImage;
use odradek_protocol::EncodeError;

use super::{CommittedOffset, tombstone};
use crate::{
    coordinator::{
        Coordinator,
        group::{CONSUMER, GroupError, GroupState},
        shard::{Shard, ShardState},
        state_log::{Appending, StateLogError, StateRecord},
    },
    metadata::MetadataHandle,
};

/// Tombstones in one batch: with keys of a usual length they fill a part of what a batch may hold.
pub(crate) const TOMBSTONES_MAX: usize = 1000;

/// Groups looked at under one lock.
pub(crate) const GROUPS_AT_ONCE: usize = 256;

/// Why a single position was not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeletionError {
    /// There is no such topic, or it has no such partition.
    #[error("unknown topic or partition")]
    UnknownTopicOrPartition,
    /// A member of the group reads the topic.
    #[error("the group is subscribed to the topic")]
    Subscribed,
}

/// Where a position is: topic and partition.
pub(crate) type Place = (Arc<str>, i32);

impl Coordinator {
    /// Deletes positions and resolves when the log knows it. One that does not exist is deleted
    /// already.
    pub(crate) async fn delete_offsets(
        &self,
        group: &str,
        positions: Vec<(String, i32)>,
    ) -> Result<Vec<Result<(), DeletionError>>, GroupError> {
        if group.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        let shard = self.shard_of(group)?;
        let (outcomes, deleted) = {
            let state = shard.active()?;
            let Some(entry) = state.groups.get(group) else {
                return Err(GroupError::NotFound);
            };
            // Of other groups nobody here can tell what their members read.
            if entry.group.state() != GroupState::Empty
                && entry.group.protocol_type() != Some(CONSUMER)
            {
                return Err(GroupError::NotEmpty);
            }
            let image = self.metadata.image();
            let mut doomed = Vec::new();
            let outcomes = positions.iter().map(|(topic, partition)| {
                let known = image
                    .topic(topic)
                    .filter(|topic| topic.partition(*partition).is_some())
                    .ok_or(DeletionError::UnknownTopicOrPartition)?;
                if entry.group.is_subscribed_to(topic) {
                    return Err(DeletionError::Subscribed);
                }
                if entry.offsets.is_known(topic, *partition) {
                    doomed.push((Arc::clone(&known.name), *partition));
                }
                Ok(())
            });
            let outcomes = outcomes.collect();
            let tombstones = tombstones(group, &doomed).map_err(StateLogError::from)?;
            (outcomes, append(&shard, group, doomed, tombstones))
        };
        if let Some(deleted) = deleted {
            deleted.done().await?;
        }
        Ok(outcomes)
    }

    /// Forgets the positions in topics that do not exist any more, in all shards that are loaded.
    pub(crate) async fn forget_deleted_topics(&self) {
        for shard in self.shards() {
            forget_orphans(&shard, &self.metadata);
            // Other tasks of this thread get their turn.
            tokio::task::yield_now().await;
        }
    }
}

/// Forgets the positions of one shard in topics that do not exist any more. A topic that was
/// created again under its name is another one.
pub(crate) fn forget_orphans(shard: &Arc<Shard>, metadata: &MetadataHandle) {
    let groups: Vec<_> = match shard.active() {
        Ok(state) => state.groups.keys().cloned().collect(),
        // Loading looks for them when it is done.
        Err(_) => return,
    };
    for groups in groups.chunks(GROUPS_AT_ONCE) {
        let Ok(state) = shard.active() else {
            return;
        };
        // Under the lock, so it knows the topic of every position.
        let image = metadata.image();
        for group in groups {
            let orphans = select(&state, group, |topic, committed| {
                is_orphan(&image, topic, committed)
            });
            for orphans in orphans.chunks(TOMBSTONES_MAX) {
                // What cannot be encoded was never written.
                let Ok(tombstones) = tombstones(group, orphans) else {
                    continue;
                };
                // If the log does not take it, the next start tries again.
                drop(append(shard, group, orphans.to_vec(), tombstones));
            }
        }
    }
}

fn is_orphan(image: &MetadataImage, topic: &str, committed: &CommittedOffset) -> bool {
    // Kafka did not always write down the topic's id.
    let is_of = |id| committed.topic_id.is_nil() || committed.topic_id == id;
    image.topic(topic).is_none_or(|topic| !is_of(topic.id))
}

/// The committed positions of a group for which `condition` holds. One that is being replaced is
/// left alone.
pub(crate) fn select(
    state: &ShardState,
    group: &str,
    condition: impl Fn(&str, &CommittedOffset) -> bool,
) -> Vec<Place> {
    let Some(entry) = state.groups.get(group) else {
        return Vec::new();
    };
    let selected = entry
        .offsets
        .iter()
        .filter(|(topic, partition, committed)| {
            condition(topic, committed) && !entry.offsets.is_in_flight(topic, *partition)
        });
    selected
        .map(|(topic, partition, _)| (Arc::clone(topic), partition))
        .collect()
}

/// The records that delete these positions.
pub(crate) fn tombstones(
    group: &str,
    positions: &[Place],
) -> Result<Vec<StateRecord>, EncodeError> {
    let tombstones = positions
        .iter()
        .map(|(topic, partition)| tombstone(group, topic, *partition));
    tombstones.collect()
}

/// Appends tombstones, and forgets the positions once the log has them. Called under the lock.
fn append(
    shard: &Arc<Shard>,
    group: &str,
    positions: Vec<Place>,
    tombstones: Vec<StateRecord>,
) -> Option<Appending> {
    if tombstones.is_empty() {
        return None;
    }
    let (forgetting, group) = (Arc::clone(shard), group.to_owned());
    Some(shard.log().append_then(tombstones, move |appended| {
        if appended.is_ok()
            && let Some(entry) = forgetting.state().groups.get_mut(&*group)
        {
            for (topic, partition) in &positions {
                entry.offsets.remove(topic, *partition);
            }
        }
    }))
}
