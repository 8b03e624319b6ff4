//! Commits one after the other, so that an older one never overwrites a newer one.
//!
//! **Invariant:** one commit is under way at a time, and commits leave in the order in which they
//! were asked for.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::{mpsc, oneshot};

use super::{coordinator::CoordinatorLink, events::NO_GENERATION, link::Link, offsets};
use crate::{
    admin::{group_offsets::CommittedOffset, offsets::TopicPartition},
    error::Error,
};

/// Commits that wait while another is under way. Who asks for more without waiting is told so.
const WAITING_MAX: usize = 32;

/// A position for each partition.
pub(crate) type Offsets = BTreeMap<TopicPartition, CommittedOffset>;

/// Takes commits. Clones share the order.
#[derive(Debug, Clone)]
pub(crate) struct Commits {
    queue: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct Job {
    offsets: Offsets,
    outcome: oneshot::Sender<Result<(), Error>>,
}

/// A commit on its way. It goes on whether somebody waits for it or not.
#[derive(Debug)]
pub struct PendingCommit {
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Known(Result<(), Error>),
    Awaited(oneshot::Receiver<Result<(), Error>>),
}

impl PendingCommit {
    /// Waits until it is known whether it was committed. Cancellation safe.
    pub async fn wait(&mut self) -> Result<(), Error> {
        if let Outcome::Awaited(outcome) = &mut self.outcome {
            let outcome = outcome.await.unwrap_or(Err(Error::Closed));
            self.outcome = Outcome::Known(outcome);
        }
        match &self.outcome {
            Outcome::Known(outcome) => outcome.clone(),
            Outcome::Awaited(_) => Err(Error::Unanswered),
        }
    }

    /// How it went, once that is known.
    pub(crate) fn outcome(&mut self) -> Option<&Result<(), Error>> {
        if let Outcome::Awaited(outcome) = &mut self.outcome {
            let outcome = match outcome.try_recv() {
                Ok(outcome) => outcome,
                Err(oneshot::error::TryRecvError::Empty) => return None,
                Err(oneshot::error::TryRecvError::Closed) => Err(Error::Closed),
            };
            self.outcome = Outcome::Known(outcome);
        }
        match &self.outcome {
            Outcome::Known(outcome) => Some(outcome),
            Outcome::Awaited(_) => None,
        }
    }

    pub(crate) const fn known(outcome: Result<(), Error>) -> Self {
        Self {
            outcome: Outcome::Known(outcome),
        }
    }
}

impl Commits {
    /// Queues a commit, behind those before it.
    pub(crate) async fn commit(&self, offsets: Offsets) -> Result<(), Error> {
        if offsets.is_empty() {
            return Ok(());
        }
        let (outcome, awaited) = oneshot::channel();
        let job = Job { offsets, outcome };
        self.queue.send(job).await.map_err(|_| Error::Closed)?;
        awaited.await.unwrap_or(Err(Error::Closed))
    }

    /// The same without waiting, not even for room in the queue.
    pub(crate) fn begin(&self, offsets: Offsets) -> PendingCommit {
        if offsets.is_empty() {
            return PendingCommit::known(Ok(()));
        }
        let (outcome, awaited) = oneshot::channel();
        match self.queue.try_send(Job { offsets, outcome }) {
            Ok(()) => PendingCommit {
                outcome: Outcome::Awaited(awaited),
            },
            Err(mpsc::error::TrySendError::Full(_)) => {
                PendingCommit::known(Err(Error::CommitsWaiting(WAITING_MAX)))
            }
            Err(mpsc::error::TrySendError::Closed(_)) => PendingCommit::known(Err(Error::Closed)),
        }
    }
}

/// Makes the commits.
#[derive(Debug)]
pub(crate) struct Committer {
    coordinator: Arc<CoordinatorLink>,
    link: Arc<Link>,
    instance_id: Option<String>,
    queue: mpsc::Receiver<Job>,
}

impl Committer {
    pub(crate) fn new(
        coordinator: Arc<CoordinatorLink>,
        link: Arc<Link>,
        instance_id: Option<String>,
    ) -> (Commits, Self) {
        let (sender, queue) = mpsc::channel(WAITING_MAX);
        let committer = Self {
            coordinator,
            link,
            instance_id,
            queue,
        };
        (Commits { queue: sender }, committer)
    }

    /// Commits until nobody can ask for more.
    pub(crate) async fn run(mut self) {
        while let Some(job) = self.queue.recv().await {
            let outcome = self.commit(&job.offsets).await;
            if let Err(error) = &outcome {
                tracing::debug!(group = self.coordinator.group_id(), %error, "commit failed");
            }
            // Nobody may be waiting.
            let _ = job.outcome.send(outcome);
        }
    }

    async fn commit(&self, offsets: &Offsets) -> Result<(), Error> {
        let cluster = self.coordinator.cluster();
        let timeout = cluster.config().api_timeout;
        // What will not change is the outcome of an attempt that is not repeated.
        let attempt = async || match self.attempt(offsets).await {
            Err(error) if offsets::may_succeed_later(&error) => Err(error),
            outcome => Ok(outcome),
        };
        cluster.retrying("commit", timeout, attempt).await?
    }

    async fn attempt(&self, offsets: &Offsets) -> Result<(), Error> {
        let identity = self.link.identity();
        let is_member = self.link.is_subscribed();
        if is_member && identity.generation == NO_GENERATION {
            let group = self.coordinator.group_id().to_owned();
            return Err(Error::NotAMember { group });
        }
        let instance_id = self.instance_id.as_deref().filter(|_| is_member);
        let outcome = offsets::commit(&self.coordinator, &identity, instance_id, offsets).await;
        if is_member && outcome.as_ref().is_err_and(|error| !error.retriable()) {
            self.link.doubt();
        }
        outcome
    }
}
