//! A group under test, with a clock of its own, a log that takes what it is given when told, and
//! everybody's answers.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use odradek_protocol::group_records::GroupValue;
use tokio::time::Instant;

use super::{
    Claim, Effect, Effects, Group, GroupError, JoinAnswer, JoinRequest, Leaver, Now, Protocol,
    Rebalance, RequestId, Settings, Storing, SyncAnswer, SyncRequest, Timer,
};

pub(super) const SESSION: Duration = Duration::from_secs(10);
pub(super) const REBALANCE: Duration = Duration::from_mins(1);
pub(super) const DELAY: Duration = Duration::from_secs(3);

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct World {
    pub(super) group: Group,
    began: Instant,
    pub(super) now: Now,
    /// In the order of their times, then of their coming.
    rings: BTreeMap<(Instant, u64), Timer>,
    /// Records on their way to the log.
    pub(super) storing: VecDeque<(GroupValue, Storing)>,
    /// What the log has.
    pub(super) stored: Vec<GroupValue>,
    /// Whether records are stored at once.
    pub(super) log_is_fast: bool,
    pub(super) joins: BTreeMap<RequestId, JoinAnswer>,
    pub(super) syncs: BTreeMap<RequestId, SyncAnswer>,
    pub(super) rebalances: Vec<Rebalance>,
    next: u64,
}

pub(super) fn settings() -> Settings {
    Settings {
        session_timeout: Duration::from_secs(6)..=Duration::from_mins(30),
        members_max: usize::MAX,
        initial_rebalance_delay: DELAY,
    }
}

/// A dynamic consumer's first JoinGroup as version 9 has it.
pub(super) fn request() -> JoinRequest {
    JoinRequest {
        id: RequestId(0),
        member_id: String::new(),
        new_member_id: "".into(),
        instance_id: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: "consumer".to_owned(),
        protocols: protocols(&["range", "roundrobin"]),
        reason: None,
        needs_member_id: true,
        can_skip_assignment: true,
    }
}

pub(super) fn protocols(names: &[&str]) -> Vec<Protocol> {
    let protocols = names.iter().map(|name| Protocol {
        name: (*name).to_owned(),
        metadata: Bytes::copy_from_slice(name.as_bytes()),
    });
    protocols.collect()
}

pub(super) fn static_request(instance_id: &str) -> JoinRequest {
    JoinRequest {
        instance_id: Some(instance_id.into()),
        ..request()
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(settings())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let began = Instant::now();
        let now = Now {
            instant: began,
            wall_ms: 1_000_000,
        };
        Self {
            group: Group::new("group".into(), &Arc::new(settings), now),
            began,
            now,
            rings: BTreeMap::new(),
            storing: VecDeque::new(),
            stored: Vec::new(),
            log_is_fast: true,
            joins: BTreeMap::new(),
            syncs: BTreeMap::new(),
            rebalances: Vec::new(),
            next: 0,
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Lets something happen, and carries out what follows.
    fn let_happen<T>(&mut self, event: impl FnOnce(&mut Group, Now, &mut Effects) -> T) -> T {
        let mut effects = Effects::new();
        let outcome = event(&mut self.group, self.now, &mut effects);
        for effect in effects {
            match effect {
                Effect::Join(id, answer) => {
                    let former = self.joins.insert(id, answer);
                    assert!(former.is_none(), "{id:?} is answered twice");
                }
                Effect::Sync(id, answer) => {
                    let former = self.syncs.insert(id, answer);
                    assert!(former.is_none(), "{id:?} is answered twice");
                }
                Effect::Store(value, storing) => self.storing.push_back((*value, storing)),
                Effect::Ring(timer, at) => {
                    let number = self.number();
                    self.rings.insert((at, number), timer);
                }
                Effect::Rebalanced(rebalance) => self.rebalances.push(*rebalance),
            }
        }
        // It looks at every member.
        if self.group.roster.len() < 100 {
            self.group.roster.assert_counts();
        }
        if self.log_is_fast {
            self.store_next(Ok(()));
        }
        outcome
    }

    /// The oldest record on its way to the log arrives there, or does not. False if there is none.
    pub(super) fn store_next(&mut self, outcome: Result<(), GroupError>) -> bool {
        let Some((value, storing)) = self.storing.pop_front() else {
            return false;
        };
        if outcome.is_ok() {
            self.stored.push(value);
        }
        self.let_happen(|group, now, effects| group.on_stored(storing, outcome, now, effects));
        true
    }

    pub(super) fn join(&mut self, mut request: JoinRequest) -> RequestId {
        let number = self.number();
        request.id = RequestId(number);
        request.new_member_id = format!("member-{number}").into();
        self.let_happen(|group, now, effects| group.join(request, now, effects));
        RequestId(number)
    }

    pub(super) fn sync(&mut self, member: &str, assignments: &[(&str, &str)]) -> RequestId {
        let generation = self.group.generation;
        self.sync_with(member, generation, assignments)
    }

    pub(super) fn sync_with(
        &mut self,
        member: &str,
        generation: i32,
        assignments: &[(&str, &str)],
    ) -> RequestId {
        let id = RequestId(self.number());
        let request = SyncRequest {
            id,
            member_id: member.to_owned(),
            instance_id: None,
            generation,
            protocol_type: None,
            protocol: None,
            assignments: assignments
                .iter()
                .map(|(id, what)| ((*id).to_owned(), Bytes::copy_from_slice(what.as_bytes())))
                .collect(),
        };
        self.sync_request(request)
    }

    pub(super) fn sync_request(&mut self, request: SyncRequest) -> RequestId {
        let id = request.id;
        self.let_happen(|group, now, effects| group.sync(request, now, effects));
        id
    }

    pub(super) fn heartbeat(&mut self, member: &str) -> Result<(), GroupError> {
        let generation = self.group.generation;
        self.heartbeat_with(member, None, generation)
    }

    pub(super) fn heartbeat_with(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), GroupError> {
        let claim = Claim {
            member_id,
            instance_id,
            generation,
        };
        self.let_happen(|group, now, effects| group.heartbeat(claim, now, effects))
    }

    pub(super) fn commit(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), GroupError> {
        let claim = Claim {
            member_id,
            instance_id,
            generation,
        };
        self.let_happen(|group, now, effects| group.validate_commit(claim, now, effects))
    }

    pub(super) fn leave(&mut self, member_id: &str, instance_id: Option<&str>) -> bool {
        let leaver = Leaver {
            member_id,
            instance_id,
            reason: None,
        };
        let left = self.let_happen(|group, now, effects| group.leave(&[leaver], now, effects));
        left.iter().all(Result::is_ok)
    }

    /// Time passes, and what is due rings.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now.instant + time;
        while let Some((&key, _)) = self.rings.first_key_value()
            && key.0 <= until
        {
            let timer = self.rings.remove(&key).unwrap();
            self.set_time(key.0.max(self.now.instant));
            self.let_happen(|group, now, effects| group.on_ring(&timer, now, effects));
        }
        self.set_time(until);
    }

    fn set_time(&mut self, instant: Instant) {
        self.now.instant = instant;
        self.now.wall_ms = 1_000_000 + (instant - self.began).as_millis() as i64;
    }

    /// How many rings are under way.
    pub(super) fn rings(&self) -> usize {
        self.rings.len()
    }

    /// The broker dies and comes back: what the log has last is what there is.
    pub(super) fn restart(&mut self) {
        let settings = Arc::clone(&self.group.settings);
        let id = Arc::clone(&self.group.id);
        self.rings.clear();
        self.storing.clear();
        self.group = match self.stored.last().cloned() {
            Some(value) => Group::restore(id, value, &settings, self.now),
            None => Group::new(id, &settings, self.now),
        };
        self.let_happen(Group::resume);
    }

    // In words.

    /// The id that a new dynamic member is given.
    pub(super) fn invite(&mut self) -> String {
        let id = self.join(request());
        let refusal = self.joins.remove(&id).unwrap().unwrap_err();
        assert!(matches!(refusal.error, GroupError::MemberIdRequired));
        refusal.member_id.to_string()
    }

    /// Joins with an id that was given out, or again.
    pub(super) fn join_as(&mut self, member_id: &str) -> RequestId {
        self.join(JoinRequest {
            member_id: member_id.to_owned(),
            ..request()
        })
    }

    /// The members, all new, of a group that is stable with them. The first is the leader.
    pub(super) fn stable(&mut self, count: usize) -> Vec<String> {
        let members: Vec<_> = (0..count).map(|_| self.invite()).collect();
        for member in &members {
            self.join_as(member);
        }
        self.gather();
        self.settle();
        members
    }

    /// The initial delay of a new group passes, however often it is extended.
    pub(super) fn gather(&mut self) {
        while self.group.gathering.is_some() {
            self.pass(DELAY);
        }
    }

    /// Everybody syncs; the leader gives each its own name as assignment.
    pub(super) fn settle(&mut self) {
        let leader = self.group.leader.clone().unwrap();
        let ids = self.group.roster.ids_where(|_| true);
        for id in ids.iter().filter(|id| **id != leader) {
            self.sync(id, &[]);
        }
        let assignments: Vec<_> = ids.iter().map(|id| (&**id, &**id)).collect();
        self.sync(&leader, &assignments);
    }

    pub(super) fn join_answer(&self, id: RequestId) -> &super::Joined {
        self.joins.get(&id).expect("answered").as_ref().unwrap()
    }

    pub(super) fn join_error(&self, id: RequestId) -> &GroupError {
        &self
            .joins
            .get(&id)
            .expect("answered")
            .as_ref()
            .unwrap_err()
            .error
    }

    pub(super) fn sync_error(&self, id: RequestId) -> &GroupError {
        self.syncs.get(&id).expect("answered").as_ref().unwrap_err()
    }

    pub(super) fn assignment(&self, id: RequestId) -> &[u8] {
        &self
            .syncs
            .get(&id)
            .expect("answered")
            .as_ref()
            .unwrap()
            .assignment
    }
}
