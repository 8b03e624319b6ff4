//! The groups of one partition of `__consumer_offsets`, behind one lock.
//!
//! **Invariants:**
//! - What is appended to the state log is enqueued under the lock, so the log has the order of
//!   memory.
//! - The lock is never held across an `.await`.

use std::sync::Arc;

use hashbrown::HashMap;
use odradek_protocol::ErrorCode;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::{
    group::{Effects, Group, Now},
    offsets::{CommittedOffset, GroupOffsets},
    records::GroupValue,
    state_log::StateLog,
};
use crate::clock::Clock;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Shard {
    /// Its number in `__consumer_offsets`.
    partition: i32,
    log: StateLog,
    clock: Clock,
    state: Mutex<ShardState>,
}

/// What the lock protects.
#[derive(Debug)]
pub(crate) struct ShardState {
    phase: Phase,
    /// The groups by their names.
    pub(crate) groups: HashMap<Arc<str>, Entry>,
}

/// A group with all that is known of it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) group: Group,
    /// How far it has read.
    pub(crate) offsets: GroupOffsets,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The log is being replayed.
    Loading,
    /// Requests are served.
    Active,
    /// The log could not be replayed, or is not here any more.
    Gone,
}

impl Shard {
    /// A shard that waits for its log to be replayed.
    pub(crate) fn new(partition: i32, log: StateLog, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            partition,
            log,
            clock,
            state: Mutex::new(ShardState {
                phase: Phase::Loading,
                groups: HashMap::new(),
            }),
        })
    }

    /// Its number in `__consumer_offsets`.
    pub(crate) fn partition(&self) -> i32 {
        self.partition
    }

    /// Where its changes are written.
    pub(crate) fn log(&self) -> &StateLog {
        &self.log
    }

    /// The time, on both clocks.
    pub(crate) fn now(&self) -> Now {
        Now {
            instant: Instant::now(),
            wall_ms: self.clock.now_ms(),
        }
    }

    /// The groups, once the log was replayed.
    pub(crate) fn active(&self) -> Result<MutexGuard<'_, ShardState>, ErrorCode> {
        let state = self.state.lock();
        match state.phase {
            Phase::Active => Ok(state),
            Phase::Loading => Err(ErrorCode::CoordinatorLoadInProgress),
            Phase::Gone => Err(ErrorCode::NotCoordinator),
        }
    }

    /// The groups while the log is being replayed.
    pub(crate) fn loading(&self) -> MutexGuard<'_, ShardState> {
        self.state.lock()
    }

    /// Carries out what follows from an event. Called under the lock, with `state` from it.
    pub(crate) fn carry_out(self: &Arc<Self>, _state: &mut ShardState, _effects: Effects) {}

    /// The log was replayed: from now on requests are served, and members must show themselves.
    pub(crate) fn loaded(self: &Arc<Self>) {
        self.state.lock().phase = Phase::Active;
    }

    /// The log could not be replayed, or is not here any more: whoever waits is told so.
    pub(crate) fn gone(self: &Arc<Self>) {
        self.state.lock().phase = Phase::Gone;
    }
}

impl ShardState {
    /// A group as its record says; without a value it is gone, unless it has offsets.
    pub(crate) fn restore_group(&mut self, _id: &str, _value: Option<GroupValue>, _now: Now) {}

    /// Whether the log is still being replayed.
    pub(crate) fn is_loading(&self) -> bool {
        self.phase == Phase::Loading
    }

    /// A position as its record says; without a value it is gone.
    pub(crate) fn restore_offset(
        &mut self,
        group: &str,
        topic: &Arc<str>,
        partition: i32,
        value: Option<CommittedOffset>,
        now: Now,
    ) {
        match value {
            Some(committed) => {
                let entry = self.get_or_create(group, now);
                entry.offsets.set(topic, partition, committed);
            }
            None => {
                if let Some(entry) = self.groups.get_mut(group) {
                    entry.offsets.remove(topic, partition);
                }
            }
        }
    }

    /// The group of that name, made now if there is none.
    pub(crate) fn get_or_create(&mut self, id: &str, now: Now) -> &mut Entry {
        let id: Arc<str> = id.into();
        self.groups.entry(Arc::clone(&id)).or_insert_with(|| Entry {
            group: Group::new(id, now),
            offsets: GroupOffsets::default(),
        })
    }
}
