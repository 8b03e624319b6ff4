//! A replicated log of opaque bytes with a durable form: the ground under the cluster's metadata.
//!
//! Today a quorum of one commits by itself; the files already carry all that a quorum of several
//! needs (epochs, votes with directory ids, memberships, snapshots). `docs/metadata-format.md`
//! draws them byte by byte.
//!
//! # Layout, in the order a proposal flows
//! - `driver`: the thread; groups waiting proposals, answers them
//! - `single_voter`: a new epoch per start; append, sync, apply, snapshot
//! - `log`: segments, vote, snapshots and purging as one durable whole
//! - `segment`, `entry`: a zero-filled file written in place; one frame in it
//! - `state_file`: vote, committed and purged log ids, in two slots written in turn
//! - `snapshot`, `membership`: what their bytes mean
//! - `new_file`: how each of these files comes to be
//! - [`disk`]: the only door to the file system
//! - `state_machine`: where committed entries go
//!
//! Deliberately absent: anything about topics or brokers, and the network.

#[cfg(test)]
mod crash_tests;
pub mod disk;
mod driver;
mod entry;
mod error;
#[cfg(test)]
mod fault_tests;
mod log;
mod membership;
mod new_file;
mod segment;
mod single_voter;
mod snapshot;
mod state_file;
mod state_machine;

pub use disk::RealDisk;
pub use driver::{ProposeError, Proposer, Quorum, QuorumHealth, QuorumView, StartError};
pub use entry::{Entry, EntryKind, LogId};
pub use error::LogError;
pub use log::{ENTRY_BYTES_MAX, QuorumLog, SEGMENT_BYTES};
pub use membership::{Membership, MembershipError};
pub use single_voter::{CommitError, OpenError, SingleVoter, VoterConfig};
pub use snapshot::{Snapshot, SnapshotMeta};
pub use state_file::{HardState, ReplicaKey, Vote};
pub use state_machine::{StateMachine, StateMachineError};
