//! A quorum of one: what is durable here is committed.
//!
//! Every start is an election this voter wins: a new epoch, recorded as a vote for itself, then a
//! blank entry of that epoch. The first start writes the membership before that, as entry 0. The
//! files are those of any voter, so that the cluster may grow later.
//!
//! Deliberately absent: threads (see `driver`), and what entries mean (see `state_machine`).

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use thiserror::Error;
use tracing::{info, warn};

use crate::{
    disk::Disk,
    entry::{Entry, EntryKind, LogId},
    error::LogError,
    log::{QuorumLog, SEGMENT_BYTES},
    membership::{Membership, MembershipError},
    snapshot::{Snapshot, SnapshotMeta},
    state_file::{ReplicaKey, Vote},
    state_machine::{StateMachine, StateMachineError},
};

/// A snapshot is taken after so many bytes of payload. Replaying them takes a fraction of a second.
const SNAPSHOT_AFTER_BYTES: usize = 8 << 20;

/// How a single voter is set up.
#[derive(Debug, Clone)]
pub struct VoterConfig {
    /// The log's own directory; created if it is not there, in a parent that is.
    pub directory: PathBuf,
    /// Who this voter is.
    pub key: ReplicaKey,
    /// Size of new segments.
    pub segment_bytes: usize,
    /// Payload bytes between snapshots.
    pub snapshot_after_bytes: usize,
}

impl VoterConfig {
    /// The usual sizes.
    pub const fn new(directory: PathBuf, key: ReplicaKey) -> Self {
        Self {
            directory,
            key,
            segment_bytes: SEGMENT_BYTES,
            snapshot_after_bytes: SNAPSHOT_AFTER_BYTES,
        }
    }
}

/// Why a voter cannot start.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The directory belongs to somebody else, or to a quorum of several.
    #[error(
        "the metadata log in {} belongs to the voters {found:?}, this is {expected:?}",
        directory.display()
    )]
    OtherMembers {
        /// The log's directory.
        directory: PathBuf,
        /// The last membership in the log.
        found: Box<Membership>,
        /// This voter.
        expected: ReplicaKey,
    },
    /// The membership was written by a later version.
    #[error("read the membership in entry {index}")]
    Membership {
        /// The entry.
        index: u64,
        /// What is wrong with it.
        source: MembershipError,
    },
    /// The state machine refuses what is in the log.
    #[error("apply entry {index}")]
    Refused {
        /// The entry, or the last one of the snapshot.
        index: u64,
        /// What the state machine said.
        source: StateMachineError,
    },
}

/// Why a proposal was not carried out to its end.
#[derive(Debug, Error)]
pub enum CommitError {
    /// Nothing was applied. Whether the entries are durable is unknown if the log is poisoned now.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The entry is committed and this voter cannot go on.
    #[error("apply entry {index}")]
    Refused {
        /// The entry.
        index: u64,
        /// What the state machine said.
        source: StateMachineError,
    },
}

/// The only voter, leading.
#[derive(Debug)]
pub struct SingleVoter<M> {
    log: QuorumLog,
    machine: M,
    key: ReplicaKey,
    epoch: u64,
    /// The last entry applied, of any kind.
    applied: LogId,
    /// The last membership entry: its id and payload.
    membership: (LogId, Bytes),
    snapshot_after_bytes: usize,
    bytes_since_snapshot: usize,
}

impl<M: StateMachine> SingleVoter<M> {
    /// Opens the log, wins the election, and applies everything to `machine`, which is empty.
    pub fn open(
        disk: Arc<dyn Disk>,
        config: &VoterConfig,
        mut machine: M,
    ) -> Result<Self, OpenError> {
        let mut log = QuorumLog::open(disk, &config.directory, config.segment_bytes)?;
        let (start, mut membership) = match log.read_snapshot()? {
            Some(Snapshot { meta, data }) => {
                let last = meta.last;
                machine
                    .restore(last, &data)
                    .map_err(|source| OpenError::Refused {
                        index: last.index,
                        source,
                    })?;
                (last.index + 1, meta.membership)
            }
            None => (0, None),
        };
        let found = log.read(start..log.next_index())?;
        for entry in found
            .iter()
            .filter(|entry| entry.kind == EntryKind::Membership)
        {
            membership = Some((entry.id, entry.payload.clone()));
        }
        if let Some((id, payload)) = &membership {
            check_only_member(*id, payload, config)?;
        }
        let epoch = log
            .state()
            .vote
            .epoch
            .max(log.last().map_or(0, |last| last.epoch))
            + 1;
        log.save_vote(Vote {
            epoch,
            voted_for: Some(config.key),
            committed: true,
        })?;
        let opening = opening_entries(&log, epoch, config.key, membership.is_none());
        log.append(&opening)?;
        let membership = membership.unwrap_or_else(|| {
            let first = opening
                .first()
                .expect("the first start writes the membership");
            (first.id, first.payload.clone())
        });
        let applied = log.last().expect("the opening entries were appended");
        let (snapshot_after_bytes, key) = (config.snapshot_after_bytes, config.key);
        let mut voter = Self {
            log,
            machine,
            key,
            epoch,
            applied,
            membership,
            snapshot_after_bytes,
            bytes_since_snapshot: 0,
        };
        voter
            .apply(&found)
            .map_err(|(index, source)| OpenError::Refused { index, source })?;
        voter.applied = applied;
        info!(
            epoch,
            entries = found.len(),
            next = voter.log.next_index(),
            "metadata log opened"
        );
        Ok(voter)
    }

    /// The epoch in which this voter leads.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The state machine.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// Why the log takes nothing any more; `None` while it does.
    pub fn log_failure(&self) -> Option<&str> {
        self.log.failure()
    }

    /// The last entry that was applied.
    pub const fn applied(&self) -> LogId {
        self.applied
    }

    /// Commits the payloads as consecutive entries with one sync, and applies them. Returns the
    /// id of the last one.
    pub fn commit(
        &mut self,
        payloads: impl IntoIterator<Item = Bytes>,
    ) -> Result<LogId, CommitError> {
        let first = self.log.next_index();
        let entries: Vec<_> = payloads
            .into_iter()
            .zip(first..)
            .map(|(payload, index)| Entry {
                id: LogId {
                    epoch: self.epoch,
                    leader: self.key.node_id,
                    index,
                },
                kind: EntryKind::Normal,
                payload,
            })
            .collect();
        self.log.append(&entries)?;
        self.apply(&entries)
            .map_err(|(index, source)| CommitError::Refused { index, source })?;
        Ok(self.applied)
    }

    /// Takes a snapshot when enough was applied since the last one, and purges the log before it.
    ///
    /// Failing is harmless: the log stays longer.
    pub fn snapshot_if_due(&mut self) {
        if self.bytes_since_snapshot < self.snapshot_after_bytes {
            return;
        }
        self.bytes_since_snapshot = 0;
        if let Err(error) = self.snapshot() {
            let error: &dyn std::error::Error = &error;
            warn!(
                error,
                "could not take a snapshot of the metadata; the log is kept instead"
            );
        }
    }

    /// Records where the log ends, so that the next start can tell damage from a torn tail.
    pub fn close(mut self) -> Result<(), LogError> {
        self.log.save_committed(self.applied)
    }

    fn snapshot(&mut self) -> Result<(), LogError> {
        self.log.save_committed(self.applied)?;
        let meta = SnapshotMeta {
            last: self.applied,
            membership: Some(self.membership.clone()),
        };
        self.log.save_snapshot(&Snapshot {
            meta,
            data: self.machine.snapshot(),
        })?;
        self.log.purge(self.applied)
    }

    fn apply(&mut self, entries: &[Entry]) -> Result<(), (u64, StateMachineError)> {
        for Entry { id, kind, payload } in entries {
            match kind {
                EntryKind::Normal => {
                    self.machine
                        .apply(*id, payload)
                        .map_err(|source| (id.index, source))?;
                    self.bytes_since_snapshot += payload.len();
                }
                EntryKind::Blank | EntryKind::Membership => {}
            }
            self.applied = *id;
        }
        Ok(())
    }
}

/// A start writes a blank entry of its epoch; the first one the membership before that.
fn opening_entries(log: &QuorumLog, epoch: u64, key: ReplicaKey, is_first: bool) -> Vec<Entry> {
    let membership = Bytes::from(Membership::single(key).encode());
    let contents = is_first.then_some((EntryKind::Membership, membership));
    contents
        .into_iter()
        .chain([(EntryKind::Blank, Bytes::new())])
        .zip(log.next_index()..)
        .map(|((kind, payload), index)| Entry {
            id: LogId {
                epoch,
                leader: key.node_id,
                index,
            },
            kind,
            payload,
        })
        .collect()
}

fn check_only_member(id: LogId, payload: &[u8], config: &VoterConfig) -> Result<(), OpenError> {
    let found = Membership::decode(payload).map_err(|source| OpenError::Membership {
        index: id.index,
        source,
    })?;
    if found.configs == Membership::single(config.key).configs {
        return Ok(());
    }
    Err(OpenError::OtherMembers {
        directory: config.directory.clone(),
        found: Box::new(found),
        expected: config.key,
    })
}

#[cfg(test)]
#[path = "single_voter_tests.rs"]
mod tests;
