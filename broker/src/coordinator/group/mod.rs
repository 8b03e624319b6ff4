//! One group: the classic protocol as a pure state machine.
//!
//! ```text
//!             first join                  all joined, or time is up
//!   Empty ----------------> Preparing --------------------------> Completing
//!     ^                     Rebalance <--------------------------  Rebalance
//!     |                     |   ^  ^    somebody comes or goes         |
//!     +---------------------+   |  +---------- Stable <----------------+
//!        everybody has gone     somebody comes or goes    the leader has assigned
//! ```
//!
//! An event goes in (a request, a timer, an append that ended) with the time at which it happened,
//! and [`Effects`] come out: what to answer whom, what to append, when to ring. Nothing here reads
//! a clock, does I/O, takes a lock or draws a random number.

use std::{collections::BTreeMap, sync::Arc};

use odradek_protocol::ErrorCode;
use tokio::time::Instant;

/// When something happened, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// For deadlines and durations.
    pub(crate) instant: Instant,
    /// For what is stored or shown: milliseconds since 1970.
    pub(crate) wall_ms: i64,
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

/// What has to follow from an event, in this order.
#[derive(Debug, Default)]
pub(crate) struct Effects {}

/// Who commits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committer<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
    /// Negative from whoever is no member.
    pub(crate) generation: i32,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Group {
    id: Arc<str>,
    state: GroupState,
    /// Since when it is in that state, in milliseconds since 1970; not known from old records.
    since_ms: Option<i64>,
    protocol_type: Option<String>,
    members: BTreeMap<Arc<str>, ()>,
}

impl Group {
    /// A group without members, generations or offsets.
    pub(crate) fn new(id: Arc<str>, now: Now) -> Self {
        Self {
            id,
            state: GroupState::Empty,
            since_ms: Some(now.wall_ms),
            protocol_type: None,
            members: BTreeMap::new(),
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

    /// Whether offsets may be committed by whoever that is. A member that commits is alive.
    pub(crate) fn validate_commit(
        &mut self,
        _committer: Committer<'_>,
        _now: Now,
        _effects: &mut Effects,
    ) -> Result<(), ErrorCode> {
        Ok(())
    }

    /// Whether a member may be subscribed to the topic, so that its offsets must stay.
    pub(crate) fn is_subscribed_to(&self, _topic: &str) -> bool {
        !self.members.is_empty()
    }

    /// From when on the age of its offsets counts.
    pub(crate) fn offsets_age(&self) -> OffsetsAge {
        match (&self.protocol_type, self.state) {
            (None, _) => OffsetsAge::SinceCommit,
            (Some(_), GroupState::Empty) => self
                .since_ms
                .map_or(OffsetsAge::SinceCommit, OffsetsAge::SinceEmpty),
            _ => OffsetsAge::Never,
        }
    }
}
