//! What a membership hears, and what it wants: of the coordinator, and of the poll.

use std::{collections::BTreeSet, time::Duration};

use odradek_protocol::messages::{
    join_group::{JoinGroupResponse, JoinGroupResponseMember},
    sync_group::SyncGroupResponse,
};

use crate::{admin::offsets::TopicPartition, cluster::backoff::Backoff, error::Error};

/// The generation of who is in none.
pub(crate) const NO_GENERATION: i32 = -1;

/// What a membership depends on and never changes.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// For messages.
    pub(crate) group_id: String,
    /// A static member does not leave by itself.
    pub(crate) is_static: bool,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) max_poll_interval: Duration,
    pub(crate) backoff: Backoff,
}

/// By what the coordinator knows a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Empty before the coordinator gave one.
    pub(crate) member_id: String,
    /// [`NO_GENERATION`] while it is in none.
    pub(crate) generation: i32,
}

/// What a member was assigned last, for assignors that change as little as possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Previous {
    pub(crate) partitions: BTreeSet<TopicPartition>,
    /// In which generation that was; [`NO_GENERATION`] before the first.
    pub(crate) generation: i32,
}

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// These topics are subscribed to.
    Topics(BTreeSet<String>),
    /// No topics are subscribed to any more, and nothing is read.
    Unsubscribed,
    /// The consumer polls.
    Polled,
    /// The poll has done what the notice of that number wanted.
    Done { number: u64, done: Done },
    Joined {
        attempt: u64,
        answer: Result<JoinGroupResponse, Error>,
    },
    Synced {
        attempt: u64,
        answer: Result<SyncGroupResponse, Error>,
    },
    /// A heartbeat of who was known by `of` was answered.
    Heard {
        of: Identity,
        answer: Result<(), Error>,
    },
    /// A commit was refused: the next heartbeat will tell why.
    Doubted,
    /// What this member, as the leader, has shared out is not what there is any more.
    OutOfDate,
    /// Time has passed.
    Tick,
}

/// What the poll has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    /// It has given up what it had to; this is still read.
    Prepared { owned: BTreeSet<TopicPartition> },
    /// It reads what was assigned, and nothing else.
    Taken,
    /// It has told the error to its caller.
    Told,
}

/// What the poll is to do.
#[derive(Debug, Clone)]
pub(crate) enum Notice {
    /// Give up what has to be given up before a rebalance, or if `lost` everything.
    Prepare {
        lost: bool,
        topics: BTreeSet<String>,
    },
    /// Read these and no others.
    Assigned(BTreeSet<TopicPartition>),
    /// Tell this error; after a final one nothing is this consumer's any more.
    Failed { error: Error, is_final: bool },
}

/// A question to join, as that member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Join {
    /// Comes back with the answer.
    pub(crate) attempt: u64,
    pub(crate) identity: Identity,
    /// What it subscribes to.
    pub(crate) topics: BTreeSet<String>,
    /// What it still reads.
    pub(crate) owned: BTreeSet<TopicPartition>,
    pub(crate) previous: Previous,
}

/// A question for the assignment; the leader answers it itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sync {
    /// Comes back with the answer.
    pub(crate) attempt: u64,
    pub(crate) identity: Identity,
    /// The way of sharing that the coordinator chose.
    pub(crate) protocol: String,
    /// For the leader: who is in the group.
    pub(crate) members: Option<Vec<JoinGroupResponseMember>>,
    /// Whether the leader leaves the assignment as it was (KIP-814).
    pub(crate) skip_assignment: bool,
}

/// Something to be done at the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Join(Join),
    Sync(Sync),
    Heartbeat(Identity),
    Leave {
        identity: Identity,
        reason: &'static str,
    },
}

impl Identity {
    /// Of who is not known to the coordinator.
    pub(crate) const fn unknown() -> Self {
        Self {
            member_id: String::new(),
            generation: NO_GENERATION,
        }
    }
}
