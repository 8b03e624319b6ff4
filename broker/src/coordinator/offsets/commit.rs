//! Committing positions: from a request to the log, and from there into memory.
//!
//! Everything is decided under the shard's lock, in one step with the enqueueing of the records:
//! the group cannot change between the check and the append, nor the topics. The positions become
//! visible when the log has them, whether or not the client still waits.

use std::sync::Arc;

use odradek_protocol::{EncodeError, group_records::StateKey};

use super::{CommittedOffset, tombstone};
use crate::{
    coordinator::{
        Coordinator,
        group::{Claim, GroupError},
        shard::{Shard, ShardState},
        state_log::{Appending, StateLogError, StateRecord},
    },
    metadata::MetadataHandle,
};

/// What a client wants to be remembered.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) group: String,
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    /// Negative from whoever is no member.
    pub(crate) generation: i32,
    /// How long to keep the positions, in ms, from clients that decide that themselves.
    pub(crate) retention_ms: Option<i64>,
    pub(crate) positions: Vec<NewPosition>,
}

/// A position as a client sends it.
#[derive(Debug)]
pub(crate) struct NewPosition {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// The leader epoch of the last record read, or -1.
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: Option<String>,
}

/// Why a position was not stored.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum PositionError {
    /// There is no such topic, or it has no such partition.
    #[error("unknown topic or partition")]
    UnknownTopicOrPartition,
    /// Longer than `offset.metadata.max.bytes`.
    #[error("the metadata is too long")]
    MetadataTooLarge,
    /// The group refuses the whole commit, or the log does. An error of the log can also mean that
    /// the position is stored later.
    #[error(transparent)]
    Group(#[from] GroupError),
}

/// What became of each position of a commit, in their order.
pub(crate) type Outcomes = Vec<Result<(), PositionError>>;

/// A position on its way to the log.
struct Pending {
    topic: Arc<str>,
    partition: i32,
    committed: CommittedOffset,
}

impl Coordinator {
    /// Stores positions and resolves when the log has them.
    pub(crate) async fn commit_offsets(&self, commit: Commit) -> Outcomes {
        let mut outcomes = Vec::with_capacity(commit.positions.len());
        let stored = match self.enqueue(commit, &mut outcomes) {
            Ok(Some(stored)) => stored.done().await.map_err(GroupError::from),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = stored {
            // As in Kafka, whose group knows nothing of positions in topics that do not exist.
            let others = outcomes
                .iter_mut()
                .filter(|outcome| !matches!(outcome, Err(PositionError::UnknownTopicOrPartition)));
            others.for_each(|outcome| *outcome = Err(error.clone().into()));
        }
        outcomes
    }

    /// Puts what may be stored into the log's queue. `None` if that is nothing.
    fn enqueue(
        &self,
        commit: Commit,
        outcomes: &mut Outcomes,
    ) -> Result<Option<Appending>, GroupError> {
        let shard = self.shard_of(&commit.group);
        let state = shard.as_ref().map_err(Clone::clone);
        let state = state.and_then(|shard| shard.active());
        // Under the lock: whoever forgets the positions of a deleted topic comes after us.
        let pending = self.check(&commit, outcomes);
        let is_unknown = |outcome| matches!(outcome, &Err(PositionError::UnknownTopicOrPartition));
        if outcomes.iter().all(is_unknown) {
            return Ok(None);
        }
        let mut state = state?;
        let shard = shard.clone()?;
        validate(&shard, &mut state, &commit)?;
        if pending.is_empty() {
            return Ok(None);
        }
        let records = records(&commit.group, &pending).map_err(StateLogError::from)?;
        let offsets = &mut state.get_or_create(&commit.group, shard.now()).offsets;
        for position in &pending {
            offsets.begin_commit(&position.topic, position.partition);
        }
        let (ended, metadata) = (Arc::clone(&shard), self.metadata.clone());
        let stored = shard.log().append_then(records, move |appended| {
            end(&ended, &metadata, &commit.group, pending, appended.is_ok());
        });
        Ok(Some(stored))
    }

    /// Judges each position by itself.
    fn check(&self, commit: &Commit, outcomes: &mut Outcomes) -> Vec<Pending> {
        let image = self.metadata.image();
        let now_ms = self.clock.now_ms();
        let mut pending = Vec::with_capacity(commit.positions.len());
        outcomes.extend(commit.positions.iter().map(|position| {
            let topic = image
                .topic(&position.topic)
                .filter(|topic| topic.partition(position.partition).is_some())
                .ok_or(PositionError::UnknownTopicOrPartition)?;
            let metadata = position.metadata.as_deref().unwrap_or_default();
            // Kafka counts what Java calls characters.
            if self.config.offsets.metadata_len_max < metadata.encode_utf16().count() {
                return Err(PositionError::MetadataTooLarge);
            }
            let expire_timestamp_ms = commit
                .retention_ms
                .map(|retention_ms| now_ms.saturating_add(retention_ms));
            pending.push(Pending {
                topic: Arc::clone(&topic.name),
                partition: position.partition,
                committed: CommittedOffset {
                    offset: position.offset,
                    leader_epoch: position.leader_epoch,
                    metadata: metadata.into(),
                    commit_timestamp_ms: now_ms,
                    expire_timestamp_ms,
                    topic_id: topic.id,
                },
            });
            Ok(())
        }));
        pending
    }
}

/// Whether the group lets the client commit. A group that does not exist lets those who are not
/// members of any.
fn validate(shard: &Arc<Shard>, state: &mut ShardState, commit: &Commit) -> Result<(), GroupError> {
    let claim = Claim {
        member_id: &commit.member_id,
        instance_id: commit.instance_id.as_deref(),
        generation: commit.generation,
    };
    let valid = shard.on_group(state, &commit.group, |group, now, effects| {
        group.validate_commit(claim, now, effects)
    });
    valid.unwrap_or(if commit.generation < 0 {
        Ok(())
    } else {
        Err(GroupError::IllegalGeneration)
    })
}

fn records(group: &str, pending: &[Pending]) -> Result<Vec<StateRecord>, EncodeError> {
    let records = pending.iter().map(|position| {
        let key = StateKey::offset(group, &position.topic, position.partition);
        Ok(StateRecord {
            key: key.encode()?,
            value: Some(position.committed.to_value().encode()?),
        })
    });
    records.collect()
}

/// The log has the positions, or refused them.
fn end(
    shard: &Shard,
    metadata: &MetadataHandle,
    group: &str,
    pending: Vec<Pending>,
    is_stored: bool,
) {
    let mut state = shard.state();
    if !is_stored && !state.groups.contains_key(group) {
        return;
    }
    let offsets = &mut state.get_or_create(group, shard.now()).offsets;
    let image = metadata.image();
    let mut orphans = Vec::new();
    for position in pending {
        let Pending {
            topic,
            partition,
            committed,
        } = position;
        // The topic may have been deleted while the commit was on its way.
        let is_orphan = is_stored && image.topic_by_id(committed.topic_id).is_none();
        let committed = (is_stored && !is_orphan).then_some(committed);
        offsets.end_commit(&topic, partition, committed);
        // A later commit, to a new topic of the name, replaces it.
        if is_orphan && !offsets.is_in_flight(&topic, partition) {
            orphans.extend(tombstone(group, &topic, partition));
        }
    }
    if !orphans.is_empty() {
        // If it fails, the next start forgets them.
        drop(shard.log().append(orphans));
    }
}
