//! The poll's part in a rebalance: it gives partitions up and takes new ones, between the records
//! that it hands out.
//!
//! **Invariants:**
//! - Nothing of a partition is handed out after it was given up, and nothing of a new one before
//!   the listener has heard of it.
//! - With auto commit, what was handed out is committed before its partition is given up.
//! - A poll that is cancelled leaves everything so that the next one goes on with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::time::{Instant, timeout_at};

use super::{
    Consumer,
    assignment::{Start, Whereabouts, place},
    group::{
        Group,
        assignor::is_cooperative,
        committer::{Offsets, PendingCommit},
        events::{Done, NO_GENERATION, Notice},
        listener::RebalanceListener,
    },
};
use crate::{
    admin::{group_offsets::CommittedOffset, offsets::TopicPartition},
    error::Error,
};

/// The listener, for whoever calls it next.
pub(crate) type SharedListener = Arc<tokio::sync::Mutex<Box<dyn RebalanceListener>>>;

/// A commit that has to be answered before partitions are given up.
#[derive(Debug)]
pub(crate) struct LastCommit {
    /// The notice for which it is made.
    number: u64,
    pending: PendingCommit,
}

enum Heard {
    Assigned,
    Revoked,
    Lost,
}

impl Consumer {
    /// Does what the membership wants. False if there is no time left for it.
    pub(super) async fn attend_group(&mut self, deadline: Instant) -> Result<bool, Error> {
        let Some(group) = self.group.clone() else {
            return Ok(true);
        };
        loop {
            if let Some(error) = group.link.take_error() {
                return Err(error);
            }
            let Some((number, notice)) = group.link.notice() else {
                return Ok(true);
            };
            let done = match notice {
                Notice::Prepare { lost: true, .. } => Some(self.lose().await),
                Notice::Prepare {
                    lost: false,
                    topics,
                } => self.prepare(&group, number, &topics, deadline).await,
                Notice::Assigned(assigned) => self.take(&group, number, assigned, deadline).await,
                Notice::Failed { error, is_final } => {
                    if is_final {
                        self.lose().await;
                    }
                    group.link.done(number, Done::Told);
                    return Err(error);
                }
            };
            match done {
                Some(done) => group.link.done(number, done),
                None => return Ok(false),
            }
        }
    }

    /// The group has gone on without this consumer.
    async fn lose(&mut self) -> Done {
        self.call_listener(Heard::Lost, self.told.clone()).await;
        self.told.clear();
        self.read_only(&BTreeSet::new());
        Done::Prepared {
            owned: BTreeSet::new(),
        }
    }

    /// Gives up what cannot be read during the rebalance: everything, or cooperatively only what
    /// is not subscribed to any more.
    async fn prepare(
        &mut self,
        group: &Group,
        number: u64,
        topics: &BTreeSet<String>,
        deadline: Instant,
    ) -> Option<Done> {
        let owned = self.owned();
        let is_cooperative = is_cooperative(&self.config.assignors);
        let kept = owned
            .iter()
            .filter(|(topic, _)| is_cooperative && topics.contains(topic))
            .cloned()
            .collect();
        // Whatever stays is committed too: its position is in danger should this member be lost.
        self.commit_last(group, number, &owned, deadline).await?;
        self.give_up(&kept).await;
        Some(Done::Prepared { owned: kept })
    }

    /// Reads what was assigned, and no longer what was not.
    async fn take(
        &mut self,
        group: &Group,
        number: u64,
        assigned: BTreeSet<TopicPartition>,
        deadline: Instant,
    ) -> Option<Done> {
        let owned = self.owned();
        let given_up: BTreeSet<_> = owned.difference(&assigned).cloned().collect();
        if !given_up.is_empty() {
            self.commit_last(group, number, &given_up, deadline).await?;
            let kept = owned.intersection(&assigned).cloned().collect();
            self.give_up(&kept).await;
        }
        self.read_only(&assigned);
        let new: BTreeSet<_> = assigned.difference(&self.told).cloned().collect();
        self.call_listener(Heard::Assigned, new).await;
        self.told.clone_from(&assigned);
        tracing::info!(group = group.coordinator.group_id(), partitions = ?assigned, "assigned");
        Some(Done::Taken)
    }

    /// Tells the listener what is given up, then reads it no more.
    async fn give_up(&mut self, kept: &BTreeSet<TopicPartition>) {
        let gone = self.told.difference(kept).cloned().collect::<BTreeSet<_>>();
        if !gone.is_empty() {
            self.call_listener(Heard::Revoked, gone).await;
            self.told.retain(|partition| kept.contains(partition));
        }
        self.read_only(kept);
    }

    /// Commits what was handed out of partitions that may be given up, if auto commit is on.
    /// Nothing if there is no time left for it: the next poll goes on.
    async fn commit_last(
        &mut self,
        group: &Group,
        number: u64,
        partitions: &BTreeSet<TopicPartition>,
        deadline: Instant,
    ) -> Option<()> {
        if !self.config.auto_commit {
            return Some(());
        }
        let is_begun = self
            .last_commit
            .as_ref()
            .is_some_and(|it| it.number == number);
        if !is_begun {
            let offsets = self.positions_to_commit(|partition| partitions.contains(partition));
            let pending = group.commits.begin(offsets);
            self.last_commit = Some(LastCommit { number, pending });
        }
        let last = self.last_commit.as_mut()?;
        let outcome = timeout_at(deadline, last.pending.wait()).await.ok()?;
        if let Err(error) = outcome {
            tracing::warn!(
                %error,
                "positions were not committed before a rebalance: some records will be read again"
            );
        }
        self.last_commit = None;
        Some(())
    }

    /// Before the consumer reads nothing any more by its own decision.
    pub(super) async fn give_up_all(&mut self, deadline: Instant) {
        if let Some(group) = self.group.clone() {
            let owned = self.owned();
            let was_member = group.link.is_subscribed();
            if was_member && group.link.identity().generation == NO_GENERATION {
                self.lose().await;
            } else {
                // No notice has this number.
                let _ = self.commit_last(&group, u64::MAX, &owned, deadline).await;
                self.give_up(&BTreeSet::new()).await;
            }
        }
        self.last_commit = None;
        self.read_only(&BTreeSet::new());
    }

    /// Reads these partitions and no others; new ones from where the group has committed.
    fn read_only(&self, partitions: &BTreeSet<TopicPartition>) {
        let each = partitions.iter().map(|(topic, partition)| {
            let start = Whereabouts::Unknown(Start::Committed);
            (place(topic, *partition), start)
        });
        self.shared.assignment.lock().assign(each);
        self.shared.wanted.notify_one();
    }

    fn owned(&self) -> BTreeSet<TopicPartition> {
        self.assignment().into_iter().collect()
    }

    async fn call_listener(&self, heard: Heard, partitions: BTreeSet<TopicPartition>) {
        let listener = self.listener.lock().clone();
        let Some(listener) = listener else {
            return;
        };
        let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
        let mut listener = listener.lock().await;
        match heard {
            Heard::Assigned => listener.assigned(self, &partitions).await,
            Heard::Revoked => listener.revoked(self, &partitions).await,
            Heard::Lost if partitions.is_empty() => {}
            Heard::Lost => listener.lost(self, &partitions).await,
        }
    }

    /// The positions of what was handed out, of the partitions that are wanted.
    pub(super) fn positions_to_commit(
        &self,
        is_wanted: impl Fn(&TopicPartition) -> bool,
    ) -> Offsets {
        let assignment = self.shared.assignment.lock();
        let mut offsets = BTreeMap::new();
        for (place, _) in assignment.iter() {
            let partition = (place.0.to_string(), place.1);
            if let Some(position) = assignment.position(place)
                && is_wanted(&partition)
            {
                let committed = CommittedOffset {
                    offset: position.offset,
                    leader_epoch: (0 <= position.leader_epoch).then_some(position.leader_epoch),
                    metadata: String::new(),
                };
                offsets.insert(partition, committed);
            }
        }
        offsets
    }
}
