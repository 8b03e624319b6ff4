//! The groups of one partition of `__consumer_offsets`, behind one lock.
//!
//! The place where the pure state machine of [`group`](super::group) meets the world: an event goes
//! in under the lock, and what follows from it is carried out before the lock is given up.
//!
//! **Invariants:**
//! - What is appended to the state log is enqueued under the lock, so the log has the order of
//!   memory.
//! - The lock is never held across an `.await`.
//! - Whoever waits for an answer gets one: from its group, or by the shard's end.

use std::sync::Arc;

use hashbrown::HashMap;
use odradek_protocol::{
    EncodeError,
    group_records::{GroupValue, StateKey},
};
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::oneshot, time::Instant};

use super::{
    group::{
        Effect, Effects, Group, GroupError, GroupState, JoinAnswer, Now, RequestId, Settings,
        Storing, SyncAnswer, Timer,
    },
    history::{History, Rebalance},
    offsets::{CommittedOffset, GroupOffsets},
    state_log::{StateLog, StateLogError, StateRecord},
    timers::Timers,
};
use crate::{clock::Clock, error_chain::ErrorChain, telemetry::metrics::Metrics};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Shard {
    /// Its number in `__consumer_offsets`.
    partition: i32,
    log: StateLog,
    shared: Arc<Shared>,
    state: Mutex<ShardState>,
}

/// What all shards of a coordinator share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Arc<Settings>,
    pub(crate) timers: Timers,
    pub(crate) history: Mutex<History>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
}

/// What the lock protects.
#[derive(Debug)]
pub(crate) struct ShardState {
    phase: Phase,
    /// The groups by their names.
    pub(crate) groups: HashMap<Arc<str>, Entry>,
    waiting: Waiting,
    settings: Arc<Settings>,
}

/// Requests whose answers are somebody else's doing.
#[derive(Debug, Default)]
struct Waiting {
    joins: HashMap<RequestId, oneshot::Sender<JoinAnswer>>,
    syncs: HashMap<RequestId, oneshot::Sender<SyncAnswer>>,
    next: u64,
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
    pub(crate) fn new(partition: i32, log: StateLog, shared: &Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            partition,
            log,
            shared: Arc::clone(shared),
            state: Mutex::new(ShardState {
                phase: Phase::Loading,
                groups: HashMap::new(),
                waiting: Waiting::default(),
                settings: Arc::clone(&shared.settings),
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
            wall_ms: self.shared.clock.now_ms(),
        }
    }

    /// The groups, once the log was replayed.
    pub(crate) fn active(&self) -> Result<MutexGuard<'_, ShardState>, GroupError> {
        let state = self.state.lock();
        match state.phase {
            Phase::Active => Ok(state),
            Phase::Loading => Err(GroupError::Loading),
            Phase::Gone => Err(GroupError::NotCoordinator),
        }
    }

    /// The groups, in whatever phase: for those that bring what the log has.
    pub(crate) fn state(&self) -> MutexGuard<'_, ShardState> {
        self.state.lock()
    }

    /// Lets something happen to a group, and carries out what follows. `None` if there is no such
    /// group.
    pub(crate) fn on_group<T>(
        self: &Arc<Self>,
        state: &mut ShardState,
        id: &str,
        event: impl FnOnce(&mut Group, Now, &mut Effects) -> T,
    ) -> Option<T> {
        let Entry { group, offsets } = state.groups.get_mut(id)?;
        let mut effects = Effects::new();
        let outcome = event(group, self.now(), &mut effects);
        let (id, is_blank) = (Arc::clone(group.id()), group.is_blank());
        if is_blank && offsets.is_empty() {
            state.groups.remove(&id);
        }
        self.carry_out(state, &id, effects);
        Some(outcome)
    }

    /// Carries out what follows from an event. Called under the lock, with `state` from it.
    fn carry_out(self: &Arc<Self>, state: &mut ShardState, group: &Arc<str>, effects: Effects) {
        for effect in effects {
            match effect {
                // Whoever asked may have gone meanwhile; it will find out by asking again.
                Effect::Join(request, answer) => {
                    if let Some(waiting) = state.waiting.joins.remove(&request) {
                        let _ = waiting.send(answer);
                    }
                }
                Effect::Sync(request, answer) => {
                    if let Some(waiting) = state.waiting.syncs.remove(&request) {
                        let _ = waiting.send(answer);
                    }
                }
                Effect::Ring(timer, at) => self.shared.timers.ring_at(at, self, group, timer),
                Effect::Store(value, storing) => self.store(state, group, &value, storing),
                Effect::Rebalanced(rebalance) => self.remember(group, *rebalance),
            }
        }
    }

    /// Appends a group's record, and tells the group what came of it.
    fn store(
        self: &Arc<Self>,
        state: &mut ShardState,
        group: &Arc<str>,
        value: &GroupValue,
        storing: Storing,
    ) {
        let record = match group_record(group, Some(value)) {
            Ok(record) => record,
            Err(error) => return self.stored(state, group, storing, Err(error.into())),
        };
        let (shard, id) = (Arc::clone(self), Arc::clone(group));
        let appended = self.log.append_then(vec![record], move |appended| {
            let outcome = appended.as_ref().map(|_| ()).map_err(Clone::clone);
            shard.stored(&mut shard.state(), &id, storing, outcome);
        });
        // The group hears of it whether or not anybody waits, so nobody does.
        drop(appended);
    }

    fn stored(
        self: &Arc<Self>,
        state: &mut ShardState,
        group: &Arc<str>,
        storing: Storing,
        outcome: Result<(), StateLogError>,
    ) {
        if let Err(error) = &outcome {
            tracing::warn!(group = &**group, error = %ErrorChain(error), "a group was not stored");
        }
        let outcome = outcome.map_err(GroupError::NotStored);
        self.on_group(state, group, |group, now, effects| {
            group.on_stored(storing, outcome, now, effects);
        });
    }

    fn remember(&self, group: &Arc<str>, rebalance: Rebalance) {
        tracing::info!(group = &**group, "{rebalance}");
        self.shared.metrics.group_rebalances.inc();
        self.shared.history.lock().push(group, rebalance);
    }

    /// The log knows that a group and these offsets of it are gone. Somebody may have come back
    /// meanwhile.
    pub(super) fn forget(&self, group: &Arc<str>, offsets: &[(Arc<str>, i32)]) {
        let mut state = self.state();
        let Some(entry) = state.groups.get_mut(group) else {
            return;
        };
        for (topic, partition) in offsets {
            entry.offsets.remove(topic, *partition);
        }
        if entry.group.state() == GroupState::Empty && entry.offsets.is_empty() {
            state.groups.remove(group);
            self.shared.history.lock().forget(group);
        }
    }

    /// Somebody ordered this ring.
    pub(super) fn on_ring(self: &Arc<Self>, group: &str, timer: &Timer) {
        if let Ok(mut state) = self.active() {
            self.on_group(&mut state, group, |group, now, effects| {
                group.on_ring(timer, now, effects);
            });
        }
    }

    /// The log was replayed: from now on requests are served, and members must show themselves.
    pub(crate) fn loaded(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if state.phase != Phase::Loading {
            return;
        }
        state.phase = Phase::Active;
        let ids: Vec<_> = state.groups.keys().cloned().collect();
        for id in ids {
            self.on_group(&mut state, &id, Group::resume);
        }
    }

    /// The log could not be replayed, or is not here any more: whoever waits is told so.
    pub(crate) fn gone(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Gone;
        state.groups.clear();
        // The answer to a lost sender is that the coordinator is not here.
        state.waiting = Waiting::default();
    }
}

/// A group's record; a tombstone without a value.
pub(super) fn group_record(
    group: &str,
    value: Option<&GroupValue>,
) -> Result<StateRecord, EncodeError> {
    Ok(StateRecord {
        key: StateKey::group(group).encode()?,
        value: value.map(GroupValue::encode).transpose()?,
    })
}

impl ShardState {
    /// A place in the queue for a JoinGroup.
    pub(super) fn wait_for_join(&mut self) -> (RequestId, oneshot::Receiver<JoinAnswer>) {
        let (sender, receiver) = oneshot::channel();
        let id = self.waiting.next_id();
        self.waiting.joins.insert(id, sender);
        (id, receiver)
    }

    /// A place in the queue for a SyncGroup.
    pub(super) fn wait_for_sync(&mut self) -> (RequestId, oneshot::Receiver<SyncAnswer>) {
        let (sender, receiver) = oneshot::channel();
        let id = self.waiting.next_id();
        self.waiting.syncs.insert(id, sender);
        (id, receiver)
    }

    /// Whether the log is still being replayed.
    pub(crate) fn is_loading(&self) -> bool {
        self.phase == Phase::Loading
    }

    /// A group as its record says; without a value it is gone, unless it has offsets.
    pub(crate) fn restore_group(&mut self, id: &str, value: Option<GroupValue>, now: Now) {
        let settings = Arc::clone(&self.settings);
        match value {
            Some(value) => {
                let entry = self.get_or_create(id, now);
                let id = Arc::clone(entry.group.id());
                entry.group = Group::restore(id, value, &settings, now);
            }
            None => {
                if let Some(entry) = self.groups.get_mut(id) {
                    let id = Arc::clone(entry.group.id());
                    entry.group = Group::new(Arc::clone(&id), &settings, now);
                    if entry.offsets.is_empty() {
                        self.groups.remove(&id);
                    }
                }
            }
        }
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
                    if entry.offsets.is_empty() && entry.group.is_blank() {
                        self.groups.remove(group);
                    }
                }
            }
        }
    }

    /// The group of that name, made now if there is none.
    pub(crate) fn get_or_create(&mut self, id: &str, now: Now) -> &mut Entry {
        if !self.groups.contains_key(id) {
            let id: Arc<str> = id.into();
            let entry = Entry {
                group: Group::new(Arc::clone(&id), &self.settings, now),
                offsets: GroupOffsets::default(),
            };
            self.groups.insert(id, entry);
        }
        self.groups
            .get_mut(id)
            .expect("it was made if it was not there")
    }
}

impl Waiting {
    fn next_id(&mut self) -> RequestId {
        self.next += 1;
        RequestId(self.next)
    }
}
