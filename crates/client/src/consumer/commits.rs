//! What a consumer commits: positions of what it has processed.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{
    Consumer,
    group::{
        Group,
        committer::{Offsets, PendingCommit},
        offsets,
    },
    record::ConsumerRecord,
};
use crate::{
    admin::{group_offsets::CommittedOffset, offsets::TopicPartition},
    consumer::config::IsolationLevel,
    error::Error,
};

/// What polls commit by themselves.
#[derive(Debug)]
pub(crate) struct AutoCommit {
    due_at: Instant,
    /// What was committed last, so that the same is not committed again and again.
    committed: Offsets,
    under_way: Option<(Offsets, PendingCommit)>,
}

impl AutoCommit {
    pub(crate) fn new(due_at: Instant) -> Self {
        Self {
            due_at,
            committed: Offsets::new(),
            under_way: None,
        }
    }

    /// Whether the next may begin. What has failed is tried again with it.
    fn is_free(&mut self) -> bool {
        let Some((offsets, mut pending)) = self.under_way.take() else {
            return true;
        };
        match pending.outcome() {
            None => {
                self.under_way = Some((offsets, pending));
                return false;
            }
            Some(Ok(())) => self.committed = offsets,
            Some(Err(error)) => tracing::warn!(%error, "positions were not committed"),
        }
        true
    }
}

impl Consumer {
    /// Commits the positions of everything that polls have handed out.
    ///
    /// [`Error::Rebalancing`] asks to poll and to commit again what is still assigned;
    /// [`Error::NotAMember`] says that it is too late.
    pub async fn commit(&self) -> Result<(), Error> {
        let group = self.group()?;
        let offsets = self.positions_to_commit(|_| true);
        group.commits.commit(offsets).await
    }

    /// Commits these positions: of each partition the offset of the next record that is wanted.
    pub async fn commit_offsets(
        &self,
        offsets: &BTreeMap<TopicPartition, CommittedOffset>,
    ) -> Result<(), Error> {
        self.group()?.commits.commit(offsets.clone()).await
    }

    /// Commits that this record was processed, and with it all before it in its partition.
    pub async fn commit_record(&self, record: &ConsumerRecord) -> Result<(), Error> {
        let offsets = BTreeMap::from([record.position_after()]);
        self.group()?.commits.commit(offsets).await
    }

    /// As [`commit`](Self::commit) without waiting; the outcome may be waited for, or left alone.
    /// Commits are made in the order in which they were asked for.
    pub fn commit_in_background(&self) -> PendingCommit {
        self.commit_offsets_in_background(self.positions_to_commit(|_| true))
    }

    /// As [`commit_offsets`](Self::commit_offsets) without waiting.
    pub fn commit_offsets_in_background(
        &self,
        offsets: BTreeMap<TopicPartition, CommittedOffset>,
    ) -> PendingCommit {
        match self.group() {
            Ok(group) => group.commits.begin(offsets),
            Err(error) => PendingCommit::known(Err(error)),
        }
    }

    /// What the group has committed of these partitions; of those that are absent nothing.
    pub async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, Error> {
        let require_stable = self.config.isolation == IsolationLevel::ReadCommitted;
        offsets::fetch(&self.group()?.coordinator, partitions, require_stable).await
    }

    /// Commits what the polls before this one handed out, if that is due.
    pub(super) fn auto_commit(&mut self, now: Instant) {
        if !self.config.auto_commit || now < self.auto_commit.due_at {
            return;
        }
        let Some(group) = self.group.clone() else {
            return;
        };
        self.auto_commit.due_at = now + self.config.auto_commit_interval;
        let offsets = self.positions_to_commit(|_| true);
        if self.auto_commit.is_free() && offsets != self.auto_commit.committed {
            let pending = group.commits.begin(offsets.clone());
            self.auto_commit.under_way = Some((offsets, pending));
        }
    }

    pub(super) fn group(&self) -> Result<&Group, Error> {
        self.group.as_deref().ok_or(Error::NoGroup)
    }
}
