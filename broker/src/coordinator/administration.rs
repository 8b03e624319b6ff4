//! What operators ask: which groups there are, what one looks like, that one be deleted.

use std::sync::Arc;

use super::{
    Coordinator,
    group::{GroupError, GroupState, GroupView},
    shard::{Entry, group_record},
    state_log::StateLogError,
};

/// A group in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListedGroup {
    pub(crate) id: Arc<str>,
    /// Empty if it never had members.
    pub(crate) protocol_type: String,
    pub(crate) state: GroupState,
}

impl Coordinator {
    /// All groups. While some are still being loaded there is no list.
    pub(crate) fn list_groups(&self) -> Result<Vec<ListedGroup>, GroupError> {
        let mut groups = Vec::new();
        for shard in self.shards() {
            let state = match shard.active() {
                Ok(state) => state,
                // What is not here is in somebody else's list.
                Err(GroupError::NotCoordinator) => continue,
                Err(error) => return Err(error),
            };
            groups.extend(state.groups.values().map(|entry| ListedGroup {
                id: Arc::clone(entry.group.id()),
                protocol_type: entry.group.protocol_type().unwrap_or_default().to_owned(),
                state: entry.group.state(),
            }));
        }
        Ok(groups)
    }

    /// How many groups there are.
    pub(crate) fn group_count(&self) -> usize {
        let shards = self.shards().into_iter();
        shards
            .map(|shard| shard.active().map_or(0, |state| state.groups.len()))
            .sum()
    }

    /// What a group looks like now.
    pub(crate) fn describe_group(&self, group: &str) -> Result<GroupView, GroupError> {
        let shard = self.shard_of(group)?;
        let state = shard.active()?;
        let entry = state.groups.get(group).ok_or(GroupError::NotFound)?;
        Ok(entry.group.view())
    }

    /// Deletes a group that has no members, with its offsets. Resolves when the log knows it.
    pub(crate) async fn delete_group(&self, group: &str) -> Result<(), GroupError> {
        let shard = self.shard_of(group)?;
        let deleted = {
            let state = shard.active()?;
            let Entry {
                group: found,
                offsets,
            } = state.groups.get(group).ok_or(GroupError::NotFound)?;
            if found.state() != GroupState::Empty {
                return Err(GroupError::NotEmpty);
            }
            let mut records = offsets.tombstones(group).map_err(StateLogError::from)?;
            records.push(group_record(group, None).map_err(StateLogError::from)?);
            let doomed: Vec<(Arc<str>, i32)> = offsets
                .iter()
                .map(|(topic, partition, _)| (Arc::clone(topic), partition))
                .collect();
            let (deleting, id) = (Arc::clone(&shard), Arc::clone(found.id()));
            shard.log().append_then(records, move |appended| {
                if appended.is_ok() {
                    deleting.forget(&id, &doomed);
                }
            })
        };
        Ok(deleted.done().await?)
    }
}
