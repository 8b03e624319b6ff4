//! Runs the single voter on its own thread, so that a commit never waits behind other work and
//! other work never waits for a commit's sync.
//!
//! Proposals arrive through a bounded queue. The thread takes whatever is waiting, commits it with
//! one sync, applies it in order and then answers each proposer.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, warn};

use crate::{
    disk::Disk,
    entry::LogId,
    log::ENTRY_BYTES_MAX,
    single_voter::{CommitError, OpenError, SingleVoter, VoterConfig},
    state_file::ReplicaKey,
    state_machine::StateMachine,
};

/// Proposals that may wait. A proposer beyond that waits for its place.
const QUEUE_PROPOSALS_MAX: usize = 256;

/// Payload bytes after which a group takes no further proposal.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// Why the voter's thread could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The log or the state machine refuses.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The system has no thread for it.
    #[error("start the quorum's thread")]
    Thread(#[source] io::Error),
}

/// Why a proposal failed.
#[derive(Debug, Clone, Error)]
pub enum ProposeError {
    /// An entry is above [`ENTRY_BYTES_MAX`]. Nothing was written.
    #[error("an entry of {bytes} bytes is above the limit of {limit}")]
    TooLarge {
        /// Its payload's size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The log could not take it, or the state machine refused it.
    #[error("commit a change of the metadata")]
    Commit(#[source] Arc<CommitError>),
    /// The voter has stopped. Whether the proposal was committed is unknown.
    #[error("the metadata quorum has stopped")]
    Stopped,
}

#[derive(Debug)]
struct Proposal {
    payloads: Vec<Bytes>,
    reply: oneshot::Sender<Result<LogId, ProposeError>>,
}

/// Whether the voter can still commit. Clones are the same health.
#[derive(Debug, Clone, Default)]
pub struct QuorumHealth {
    failure: Arc<OnceLock<String>>,
}

/// Who leads the quorum, and how far its log has come. Clones look at the same log.
#[derive(Debug, Clone)]
pub struct QuorumView {
    leader: ReplicaKey,
    epoch: u64,
    log_end: Arc<AtomicU64>,
}

/// The running voter.
#[derive(Debug)]
pub struct Quorum {
    proposer: Proposer,
    health: QuorumHealth,
    view: QuorumView,
    thread: JoinHandle<()>,
}

/// A handle for proposing; clones share the queue. The voter runs until the last one is gone.
#[derive(Debug, Clone)]
pub struct Proposer {
    queue: mpsc::Sender<Proposal>,
    epoch: u64,
}

impl Quorum {
    /// Opens the voter on the calling thread, which blocks for a few milliseconds, and starts its
    /// own thread. When this returns, `machine` has seen everything in the log.
    pub fn start(
        disk: Arc<dyn Disk>,
        config: &VoterConfig,
        machine: impl StateMachine,
    ) -> Result<Self, StartError> {
        let voter = SingleVoter::open(disk, config, machine)?;
        let (queue, proposals) = mpsc::channel(QUEUE_PROPOSALS_MAX);
        let proposer = Proposer {
            queue,
            epoch: voter.epoch(),
        };
        let health = QuorumHealth::default();
        let reported = health.clone();
        let view = QuorumView {
            leader: config.key,
            epoch: voter.epoch(),
            log_end: Arc::new(AtomicU64::new(voter.applied().index + 1)),
        };
        let watched = view.clone();
        let thread = thread::Builder::new()
            .name("quorum".into())
            .spawn(move || run(voter, proposals, &reported, &watched))
            .map_err(StartError::Thread)?;
        Ok(Self {
            proposer,
            health,
            view,
            thread,
        })
    }

    /// Whether the voter can still commit; keeps nothing running.
    pub const fn health(&self) -> &QuorumHealth {
        &self.health
    }

    /// Who leads, and how far the log has come; keeps nothing running.
    pub const fn view(&self) -> &QuorumView {
        &self.view
    }

    /// A handle for proposing.
    pub const fn proposer(&self) -> &Proposer {
        &self.proposer
    }

    /// Waits until every clone of the proposer is gone, what they proposed is committed, and the
    /// log is closed. Blocks.
    pub fn join(self) {
        drop(self.proposer);
        if self.thread.join().is_err() {
            error!("the quorum's thread panicked");
        }
    }
}

impl QuorumHealth {
    /// Why nothing is committed any more, if so. A new start may cure it.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    fn look_at<M>(&self, voter: &SingleVoter<M>)
    where
        M: StateMachine,
    {
        if let Some(reason) = voter.log_failure() {
            self.fail(reason);
        }
    }

    fn fail(&self, reason: impl Into<String>) {
        // A second reason is a consequence of the first.
        let _ = self.failure.set(reason.into());
    }
}

impl QuorumView {
    /// The voter that leads: with a quorum of one, that one.
    pub const fn leader(&self) -> ReplicaKey {
        self.leader
    }

    /// The epoch in which it leads.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Index of the first entry that is not there yet. All before it are committed: with one voter
    /// nothing is ever in between.
    pub fn log_end(&self) -> u64 {
        self.log_end.load(Ordering::Relaxed)
    }
}

/// Reports the end of the voter's thread by a panic.
struct PanicReport<'a>(&'a QuorumHealth);

impl Drop for PanicReport<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail("the quorum's thread panicked");
        }
    }
}

impl Proposer {
    /// The epoch in which this voter leads.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Commits the payloads, one entry each, in their order and without others between them, and
    /// applies them. Returns the id of the last one.
    ///
    /// Not undone by cancellation: once queued, the proposal is carried out.
    pub async fn propose(&self, payloads: Vec<Bytes>) -> Result<LogId, ProposeError> {
        if let Some(bytes) = payloads
            .iter()
            .map(Bytes::len)
            .find(|len| ENTRY_BYTES_MAX < *len)
        {
            return Err(ProposeError::TooLarge {
                bytes,
                limit: ENTRY_BYTES_MAX,
            });
        }
        let (reply, answer) = oneshot::channel();
        let proposal = Proposal { payloads, reply };
        self.queue
            .send(proposal)
            .await
            .map_err(|_| ProposeError::Stopped)?;
        answer.await.map_err(|_| ProposeError::Stopped)?
    }
}

/// The thread: until nobody can propose any more, or the state machine refuses an entry.
fn run<M: StateMachine>(
    mut voter: SingleVoter<M>,
    mut proposals: mpsc::Receiver<Proposal>,
    health: &QuorumHealth,
    view: &QuorumView,
) {
    let _report = PanicReport(health);
    while let Some(first) = proposals.blocking_recv() {
        let group = take_group(first, &mut proposals);
        if let Err(cause) = commit_group(&mut voter, group, health, view) {
            health.fail(format!("a committed entry cannot be applied: {cause}"));
            let cause: &dyn std::error::Error = &*cause;
            error!(
                cause,
                "the metadata quorum stops: a committed entry cannot be applied"
            );
            return;
        }
        voter.snapshot_if_due();
        health.look_at(&voter);
    }
    if let Err(cause) = voter.close() {
        let cause: &dyn std::error::Error = &cause;
        warn!(
            cause,
            "the metadata log was not closed cleanly; the next start checks its end"
        );
    }
}

/// Everything that is waiting, up to a bound.
fn take_group(first: Proposal, proposals: &mut mpsc::Receiver<Proposal>) -> Vec<Proposal> {
    let mut bytes: usize = first.payloads.iter().map(Bytes::len).sum();
    let mut group = vec![first];
    while bytes < GROUP_BYTES_MAX
        && let Ok(next) = proposals.try_recv()
    {
        bytes += next.payloads.iter().map(Bytes::len).sum::<usize>();
        group.push(next);
    }
    group
}

/// Commits a group and answers its proposers; fails only if the voter cannot go on.
fn commit_group<M: StateMachine>(
    voter: &mut SingleVoter<M>,
    group: Vec<Proposal>,
    health: &QuorumHealth,
    view: &QuorumView,
) -> Result<(), Arc<CommitError>> {
    let payloads = group
        .iter()
        .flat_map(|proposal| proposal.payloads.iter().cloned());
    match voter.commit(payloads) {
        Ok(last) => {
            view.log_end.store(last.index + 1, Ordering::Relaxed);
            let entries: usize = group.iter().map(|proposal| proposal.payloads.len()).sum();
            let mut index = last.index - entries as u64;
            for Proposal { payloads, reply } in group {
                index += payloads.len() as u64;
                // A proposer that went away no longer wants to know.
                let _ = reply.send(Ok(LogId { index, ..last }));
            }
            Ok(())
        }
        Err(cause) => {
            // Before anybody is answered, who may then look.
            health.look_at(voter);
            let fatal = matches!(cause, CommitError::Refused { .. });
            let cause = Arc::new(cause);
            for Proposal { reply, .. } in group {
                let _ = reply.send(Err(ProposeError::Commit(Arc::clone(&cause))));
            }
            if fatal { Err(cause) } else { Ok(()) }
        }
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
