//! One group: the classic protocol as a pure state machine.
//!
//! ```text
//!             first join                  all joined, or time is up
//!   Empty ----------------> Preparing --------------------------> Completing
//!     ^                     Rebalance <--------------------------  Rebalance
//!     |                     |      ^    somebody comes or goes          |
//!     +---------------------+      +----------- Stable <----------------+
//!        everybody has gone     somebody comes or goes    the leader has assigned
//! ```
//!
//! An event goes in (a request, a ring, an append that ended) with the time at which it happened,
//! and [`Effects`] come out: what to answer whom, what to append, when to ring. Nothing here reads
//! a clock, does I/O, takes a lock or draws a random number.
//!
//! - [`join`]: JoinGroup: who is let in, and what a member's coming causes.
//! - [`rebalance`]: from one generation to the next, and its time limits.
//! - [`sync`]: SyncGroup: the leader's assignment, stored and handed out.
//! - [`presence`]: heartbeats, commits, leaving, dying.
//! - [`stored`]: the group as its record in `__consumer_offsets`.
//! - [`view`]: the group as others see it.
//! - [`roster`], [`member`], [`subscriptions`], [`alarm`]: what it consists of.
//!
//! **Invariants:**
//! - Every request that waits is answered: at the latest when a time limit of the group is over.
//! - A member has one JoinGroup waiting at most, and one SyncGroup; a later one takes the place of
//!   the earlier, which is answered.
//! - While the group is stable, every member's assignment is that of the current generation, and
//!   it is in the log.

mod alarm;
pub(crate) mod error;
mod join;
mod member;
mod presence;
mod rebalance;
mod roster;
#[cfg(test)]
mod simulation;
mod stored;
mod subscriptions;
mod sync;
#[cfg(test)]
mod test_support;
mod view;

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc, time::Duration};

use bytes::Bytes;
use odradek_protocol::group_records::GroupValue;
use tokio::time::Instant;

use super::history::{Change, Changes, Rebalance, What};
use alarm::Alarm;
use member::Member;
use roster::Roster;
use subscriptions::Subscriptions;

pub(crate) use error::GroupError;
pub(crate) use join::{JoinAnswer, JoinRefusal, JoinRequest, Joined, JoinedMember, Protocol};
pub(crate) use presence::{Claim, Leaver};
pub(crate) use subscriptions::CONSUMER;
pub(crate) use sync::{SyncAnswer, SyncRequest};
pub(crate) use view::{GroupView, MemberView};

/// The id by which the coordinator knows a member.
pub(crate) type MemberId = Arc<str>;

/// When something happened, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// For deadlines and durations.
    pub(crate) instant: Instant,
    /// For what is stored or shown: milliseconds since 1970.
    pub(crate) wall_ms: i64,
}

/// What the configuration says of groups.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `group.min.session.timeout.ms` and `group.max.session.timeout.ms`.
    pub(crate) session_timeout: RangeInclusive<Duration>,
    /// `group.max.size`.
    pub(crate) members_max: usize,
    /// `group.initial.rebalance.delay.ms`.
    pub(crate) initial_rebalance_delay: Duration,
}

/// Where a group is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum GroupState {
    /// No members; perhaps committed offsets.
    Empty,
    /// Waits for its members to join the next generation.
    PreparingRebalance,
    /// Everybody has joined; the leader assigns.
    CompletingRebalance,
    /// Everybody has its assignment.
    Stable,
}

/// A request that waits for its answer. Unique as long as it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequestId(pub(crate) u64);

/// What rings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A member was not heard of for a time.
    Member(MemberId),
    /// The time for joining, or for syncing, may be over.
    Phase,
}

/// What has to follow from an event, in this order.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Answer a JoinGroup.
    Join(RequestId, JoinAnswer),
    /// Answer a SyncGroup.
    Sync(RequestId, SyncAnswer),
    /// Append the group's record, and call [`Group::on_stored`] with what came of it.
    Store(Box<GroupValue>, Storing),
    /// Call [`Group::on_ring`] at that time.
    Ring(Timer, Instant),
    /// Tell people.
    Rebalanced(Box<Rebalance>),
}

/// See [`Effect`].
pub(crate) type Effects = Vec<Effect>;

/// What waits for the group's record to be in the log.
#[derive(Debug)]
pub(crate) enum Storing {
    /// Nothing.
    Emptiness,
    /// A generation becomes stable with these assignments.
    Assignment {
        generation: i32,
        assignments: BTreeMap<MemberId, Bytes>,
    },
    /// A static member has come back and needs no rebalance.
    StaticMember(Box<join::StaticReturn>),
}

/// From when on the age of a committed offset counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OffsetsAge {
    /// From when the group became empty, in milliseconds since 1970.
    SinceEmpty(i64),
    /// From when the offset was committed, unless a member is subscribed to its topic.
    SinceCommit,
    /// Offsets do not age: the group is in use.
    Never,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Group {
    id: Arc<str>,
    settings: Arc<Settings>,
    state: GroupState,
    /// Since when it is in that state, in milliseconds since 1970; not known from old records.
    since_ms: Option<i64>,
    /// Goes up by one with each rebalance. 0 before the first.
    generation: i32,
    /// What the first member said; members of another type are not let in.
    protocol_type: Option<String>,
    /// What the members of this generation are assigned by.
    protocol: Option<String>,
    leader: Option<MemberId>,
    roster: Roster,
    /// Ids that were given out and not come back with yet (KIP-394).
    invited: BTreeMap<MemberId, Alarm>,
    /// When joining, or syncing, has taken too long.
    phase_alarm: Alarm,
    /// While the first members of an empty group gather.
    gathering: Option<rebalance::Gathering>,
    subscriptions: Subscriptions,
    /// Who came and went since the last generation.
    changes: Changes,
    /// The rebalance under way.
    rebalancing: Option<rebalance::Rebalancing>,
}

impl Group {
    /// A group without members, generations or offsets.
    pub(crate) fn new(id: Arc<str>, settings: &Arc<Settings>, now: Now) -> Self {
        Self {
            id,
            settings: Arc::clone(settings),
            state: GroupState::Empty,
            since_ms: Some(now.wall_ms),
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            roster: Roster::default(),
            invited: BTreeMap::new(),
            phase_alarm: Alarm::default(),
            gathering: None,
            subscriptions: Subscriptions::none(),
            changes: Changes::default(),
            rebalancing: None,
        }
    }

    /// Its name.
    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Where it is in its life.
    pub(crate) fn state(&self) -> GroupState {
        self.state
    }

    /// `consumer`, `connect` or whatever its members said; `None` if it never had any.
    pub(crate) fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    /// Whether its members are consumers, whose subscriptions can be read.
    pub(crate) fn is_of_consumers(&self) -> bool {
        self.protocol_type() == Some(CONSUMER)
    }

    /// Whether nothing would be lost with it: no members, nobody invited, nothing in the log.
    pub(crate) fn is_blank(&self) -> bool {
        self.state == GroupState::Empty
            && self.generation == 0
            && self.protocol_type.is_none()
            && self.invited.is_empty()
    }

    /// Whether nobody is in it, nor about to come.
    pub(crate) fn is_deserted(&self) -> bool {
        self.state == GroupState::Empty && self.invited.is_empty()
    }

    /// Whether a member may be subscribed to the topic, so that its offsets must stay.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.is_of_consumers() && self.subscriptions.may_contain(topic)
    }

    /// From when on the age of its offsets counts.
    pub(crate) fn offsets_age(&self) -> OffsetsAge {
        match (&self.protocol_type, self.state) {
            (None, _) => OffsetsAge::SinceCommit,
            (Some(_), GroupState::Empty) => self
                .since_ms
                .map_or(OffsetsAge::SinceCommit, OffsetsAge::SinceEmpty),
            (Some(kind), GroupState::Stable)
                if kind == CONSUMER && self.subscriptions != Subscriptions::Unknown =>
            {
                OffsetsAge::SinceCommit
            }
            _ => OffsetsAge::Never,
        }
    }

    /// A ring that was ordered by [`Effect::Ring`]. One that comes too late or too often does no
    /// harm.
    pub(crate) fn on_ring(&mut self, timer: &Timer, now: Now, effects: &mut Effects) {
        match timer {
            Timer::Member(id) => self.on_member_ring(id, now, effects),
            Timer::Phase => self.on_phase_ring(now, effects),
        }
    }

    /// Whether that is the leader.
    fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    fn set_state(&mut self, state: GroupState, now: Now) {
        self.state = state;
        self.since_ms = Some(now.wall_ms);
    }
}

impl GroupState {
    /// Kafka's word for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// What a member did, for the record of the next rebalance.
fn change(what: What, member: &Member, why: &str) -> Change {
    Change {
        what,
        member_id: Arc::clone(&member.id),
        instance_id: member.instance_id.clone(),
        client_host: member.client_host.clone(),
        why: why.to_owned(),
    }
}

/// Orders a ring if the alarm needs one.
fn ring(effects: &mut Effects, timer: Timer, at: Option<Instant>) {
    if let Some(at) = at {
        effects.push(Effect::Ring(timer, at));
    }
}

#[cfg(test)]
mod tests;
