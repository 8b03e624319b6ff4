//! JoinGroup: who is let in, and what a member's coming causes.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    Effect, Effects, Group, GroupError, GroupState, MemberId, Now, RequestId, Settings, Storing,
    Timer, What, change, member, member::Member, ring, stored::record_of,
};

/// How long a new member's first JoinGroup may wait: it cannot send heartbeats before it is
/// answered, and whether it is still there cannot be seen otherwise. Kafka's number.
const NEW_MEMBER_TIMEOUT: Duration = Duration::from_mins(5);

/// A JoinGroup as the group sees it.
#[derive(Debug, Clone)]
pub(crate) struct JoinRequest {
    pub(crate) id: RequestId,
    /// Empty from whoever has none yet.
    pub(crate) member_id: String,
    /// The id that it gets if it needs one. Never given out before.
    pub(crate) new_member_id: MemberId,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) client_id: String,
    /// With a slash in front.
    pub(crate) client_host: String,
    pub(crate) session_timeout: Duration,
    pub(crate) rebalance_timeout: Duration,
    pub(crate) protocol_type: String,
    /// The preferred one first.
    pub(crate) protocols: Vec<Protocol>,
    /// Why it joins (KIP-800).
    pub(crate) reason: Option<String>,
    /// Whether a new dynamic member must come again with its id (KIP-394, from version 4).
    pub(crate) needs_member_id: bool,
    /// Whether a leader can be told not to assign (KIP-814, from version 9).
    pub(crate) can_skip_assignment: bool,
}

/// A protocol by which partitions are assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protocol {
    pub(crate) name: String,
    /// What the member says in it. Opaque.
    pub(crate) metadata: Bytes,
}

/// The answer to a JoinGroup.
pub(crate) type JoinAnswer = Result<Joined, JoinRefusal>;

/// The generation that a member is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) leader: MemberId,
    pub(crate) member_id: MemberId,
    /// The leader must not assign.
    pub(crate) skip_assignment: bool,
    /// Everybody, for the leader; nobody, for the others.
    pub(crate) members: Vec<JoinedMember>,
}

/// A member as the leader is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinedMember {
    pub(crate) member_id: MemberId,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) metadata: Bytes,
}

/// Why a member is not in a generation.
#[derive(Debug, Clone)]
pub(crate) struct JoinRefusal {
    pub(crate) error: GroupError,
    /// The id that the member should use; empty for none.
    pub(crate) member_id: MemberId,
}

/// A static member that came back under a new id while the group was stable.
#[derive(Debug)]
pub(crate) struct StaticReturn {
    request: RequestId,
    generation: i32,
    can_skip_assignment: bool,
    member_id: MemberId,
    /// The leader before, as clients are told that cannot skip the assignment: one who finds
    /// itself leader would assign, and the group be stuck with a leader that expects members.
    former_leader: Option<MemberId>,
    /// What it was before, in case this cannot be stored.
    former: Former,
}

#[derive(Debug)]
struct Former {
    id: MemberId,
    session_timeout: Duration,
    rebalance_timeout: Duration,
    protocols: Vec<Protocol>,
}

impl Settings {
    /// What can be said of a JoinGroup without knowing its group.
    pub(crate) fn check(&self, request: &JoinRequest) -> Result<(), JoinRefusal> {
        if self.session_timeout.contains(&request.session_timeout) {
            Ok(())
        } else {
            Err(refusal(
                GroupError::InvalidSessionTimeout,
                &request.member_id,
            ))
        }
    }
}

fn refusal(error: GroupError, member_id: &str) -> JoinRefusal {
    let member_id = member_id.into();
    JoinRefusal { error, member_id }
}

impl Group {
    /// A member joins, or joins again.
    pub(crate) fn join(&mut self, request: JoinRequest, now: Now, effects: &mut Effects) {
        let id = request.id;
        if let Err(refusal) = self.try_join(request, now, effects) {
            effects.push(Effect::Join(id, Err(refusal)));
        }
    }

    fn try_join(
        &mut self,
        mut request: JoinRequest,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), JoinRefusal> {
        member::drop_repetition(&mut request.protocols);
        let refused = |error| refusal(error, &request.member_id);
        if !self.has_room_for(&request.member_id) {
            self.turn_away(&request.member_id, now, effects);
            return Err(refusal(GroupError::Full, ""));
        }
        if !self.goes_together_with(&request) {
            return Err(refused(GroupError::InconsistentProtocol));
        }
        if request.member_id.is_empty() {
            return self.join_without_id(request, now, effects);
        }
        let invited =
            request.instance_id.is_none() && self.invited.contains_key(&*request.member_id);
        if invited {
            let id = MemberId::from(&*request.member_id);
            self.add(&id, request, now, effects);
            return Ok(());
        }
        self.check_member(&request.member_id, request.instance_id.as_deref())
            .map_err(refused)?;
        self.join_again(request, now, effects)
    }

    /// While the group prepares, those count that have joined, so that members above a lowered
    /// limit go as they come; afterwards all members do.
    fn has_room_for(&self, member_id: &str) -> bool {
        let max = self.settings.members_max;
        let member = self.roster.get(member_id);
        match self.state {
            GroupState::Empty => true,
            GroupState::PreparingRebalance => {
                member.is_some_and(|member| member.waiting_join.is_some())
                    || self.roster.joining() < max
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                member.is_some() || self.roster.len() < max
            }
        }
    }

    fn turn_away(&mut self, member_id: &str, now: Now, effects: &mut Effects) {
        let invited = self.invited.remove(member_id).is_some();
        let removed = self.remove(member_id, What::Left, "the group is full", effects);
        if invited || removed {
            self.complete_join_if_all_are_here(now, effects);
        }
    }

    fn goes_together_with(&self, request: &JoinRequest) -> bool {
        if self.state == GroupState::Empty {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        self.protocol_type() == Some(&request.protocol_type)
            && self.roster.all_know_one_of(&request.protocols)
    }

    fn join_without_id(
        &mut self,
        request: JoinRequest,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), JoinRefusal> {
        let id = Arc::clone(&request.new_member_id);
        let known_as = |instance_id: &Arc<str>| self.roster.by_instance(instance_id).cloned();
        match request.instance_id.as_ref().map(known_as) {
            None if request.needs_member_id => {
                let alarm = self.invited.entry(Arc::clone(&id)).or_default();
                let at = alarm.set(now.instant + request.session_timeout);
                ring(effects, Timer::Member(Arc::clone(&id)), at);
                return Err(refusal(GroupError::MemberIdRequired, &id));
            }
            None | Some(None) => self.add(&id, request, now, effects),
            Some(Some(former)) => self.return_static(&former, id, &request, now, effects),
        }
        Ok(())
    }

    /// A member that was not in the group before.
    fn add(&mut self, id: &MemberId, request: JoinRequest, now: Now, effects: &mut Effects) {
        if self.roster.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        if let Some(gathering) = &mut self.gathering {
            gathering.member_added = true;
        }
        self.invited.remove(id);
        self.leader.get_or_insert_with(|| Arc::clone(id));
        let (request_id, why) = (request.id, why(&request));
        let member = Member::new(Arc::clone(id), request);
        self.changes.push(change(What::Joined, &member, &why));
        self.roster.insert(member);
        self.roster.wait_join(id, request_id);
        self.expect_within(NEW_MEMBER_TIMEOUT, id, now, effects);
        self.rebalance_or_go_on(format!("member {id} joined"), now, effects);
    }

    /// A member that is in the group already.
    fn join_again(
        &mut self,
        request: JoinRequest,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), JoinRefusal> {
        let id = MemberId::from(&*request.member_id);
        let leads = self.is_leader(&id);
        let unchanged = self
            .roster
            .get(&id)
            .is_some_and(|member| member.knows_exactly(&request.protocols));
        match self.state {
            GroupState::PreparingRebalance => self.update(&id, request, now, effects),
            // Its first request may have been answered without the answer arriving.
            GroupState::CompletingRebalance if unchanged => {
                self.answer_join_now(&id, request.id, effects);
            }
            // A follower that wants nothing new. A leader wants a rebalance: it has seen something.
            GroupState::Stable if unchanged && !leads => {
                self.answer_join_now(&id, request.id, effects);
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                let reason = if unchanged {
                    format!("leader {id} joined again: {}", why(&request))
                } else {
                    format!("member {id} has new metadata: {}", why(&request))
                };
                if let Some(member) = self.roster.get(&id) {
                    self.changes
                        .push(change(What::Changed, member, &why(&request)));
                }
                self.update(&id, request, now, effects);
                self.rebalance_or_go_on(reason, now, effects);
            }
            // A member has no place in an empty group; it was checked to have one.
            GroupState::Empty => return Err(refusal(GroupError::UnknownMember, &id)),
        }
        Ok(())
    }

    /// Takes over what the member says now, and lets it wait for the next generation.
    fn update(&mut self, id: &MemberId, request: JoinRequest, now: Now, effects: &mut Effects) {
        if let Some(member) = self.roster.get_mut(id) {
            member.session_timeout = request.session_timeout;
            member.rebalance_timeout = request.rebalance_timeout;
            member.client_id = request.client_id;
            member.client_host = request.client_host;
        }
        self.roster.set_protocols(id, request.protocols);
        self.wait_join(id, request.id, effects);
        self.complete_join_if_all_are_here(now, effects);
    }

    /// The member's JoinGroup waits; one that waited already is given up: its client has forgotten
    /// it, or it would not have sent another.
    fn wait_join(&mut self, id: &str, request: RequestId, effects: &mut Effects) {
        if let Some(former) = self.roster.wait_join(id, request) {
            let given_up = refusal(GroupError::RebalanceInProgress, id);
            effects.push(Effect::Join(former, Err(given_up)));
        }
    }

    /// Tells a member the current generation.
    fn answer_join_now(&mut self, id: &MemberId, request: RequestId, effects: &mut Effects) {
        effects.push(Effect::Join(request, Ok(self.joined(id, false))));
    }

    /// The current generation as that member is told of it.
    pub(super) fn joined(&self, id: &MemberId, skip_assignment: bool) -> Joined {
        let protocol = self.protocol.clone().unwrap_or_default();
        let mut members = Vec::new();
        if self.is_leader(id) {
            members.extend(self.roster.iter().map(|member| JoinedMember {
                member_id: Arc::clone(&member.id),
                instance_id: member.instance_id.clone(),
                metadata: member.metadata(&protocol),
            }));
        }
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol,
            leader: self.leader.clone().unwrap_or_else(|| "".into()),
            member_id: Arc::clone(id),
            skip_assignment,
            members,
        }
    }

    /// A static member that has lost its member id, usually by a restart: it takes the place of its
    /// former self, which is fenced. In a stable group nothing else changes, if it still wants the
    /// same.
    fn return_static(
        &mut self,
        former: &MemberId,
        id: MemberId,
        request: &JoinRequest,
        now: Now,
        effects: &mut Effects,
    ) {
        let former_leader = self.leader.clone();
        let Some(former) = self.replace(former, &id, request, effects) else {
            return;
        };
        self.expect(&id, now, effects);
        self.wait_join(&id, request.id, effects);
        match self.state {
            GroupState::Stable if self.roster.elect_protocol() == self.protocol => {
                let back = Box::new(StaticReturn {
                    request: request.id,
                    generation: self.generation,
                    can_skip_assignment: request.can_skip_assignment,
                    member_id: id,
                    former_leader,
                    former,
                });
                let record = Box::new(record_of(self, None));
                effects.push(Effect::Store(record, Storing::StaticMember(back)));
            }
            // Until the leader has assigned, it may hold the former id in its hands.
            GroupState::Stable | GroupState::CompletingRebalance => {
                let why = format!("static member {id} came back: {}", why(request));
                self.prepare_rebalance(why, now, effects);
            }
            GroupState::PreparingRebalance | GroupState::Empty => {
                self.complete_join_if_all_are_here(now, effects);
            }
        }
    }

    /// Puts a static member in the place of its former self.
    fn replace(
        &mut self,
        former: &MemberId,
        id: &MemberId,
        request: &JoinRequest,
        effects: &mut Effects,
    ) -> Option<Former> {
        let removed = self.roster.remove(former)?;
        fence(&removed, effects);
        if self.is_leader(former) {
            self.leader = Some(Arc::clone(id));
        }
        let was = Former {
            id: Arc::clone(former),
            session_timeout: removed.session_timeout,
            rebalance_timeout: removed.rebalance_timeout,
            protocols: removed.protocols,
        };
        let mut member = Member::new(Arc::clone(id), request.clone());
        // Its session runs from now on, as its former self's did.
        member.is_new = false;
        member.assignment = removed.assignment;
        self.changes
            .push(change(What::Replaced, &member, &why(request)));
        self.roster.insert(member);
        Some(was)
    }

    /// The return of a static member is in the log, or could not be.
    pub(super) fn on_static_return_stored(
        &mut self,
        back: StaticReturn,
        outcome: Result<(), GroupError>,
        now: Now,
        effects: &mut Effects,
    ) {
        let id = &back.member_id;
        let waits = self
            .roster
            .get(id)
            .is_some_and(|member| member.waiting_join == Some(back.request));
        // It may have been replaced or removed, and so answered. And if a rebalance has begun, it
        // is answered with the next generation.
        if !waits || self.state != GroupState::Stable || self.generation != back.generation {
            return;
        }
        self.roster.take_join(id);
        let answer = match outcome {
            Ok(()) if back.can_skip_assignment => Ok(self.joined(id, self.is_leader(id))),
            Ok(()) => Ok(Joined {
                leader: back.former_leader.unwrap_or_else(|| "".into()),
                members: Vec::new(),
                ..self.joined(id, false)
            }),
            Err(error) => Err(refusal(error, "")),
        };
        if answer.is_err() {
            self.undo_return(id, back.former, now, effects);
        } else {
            let id = Arc::clone(id);
            self.expect(&id, now, effects);
        }
        effects.push(Effect::Join(back.request, answer));
    }

    /// Memory must not say what the log does not: the former self is back.
    fn undo_return(&mut self, id: &MemberId, former: Former, now: Now, effects: &mut Effects) {
        let Some(mut member) = self.roster.remove(id) else {
            return;
        };
        if self.is_leader(id) {
            self.leader = Some(Arc::clone(&former.id));
        }
        let id = Arc::clone(&former.id);
        member.id = former.id;
        member.session_timeout = former.session_timeout;
        member.rebalance_timeout = former.rebalance_timeout;
        member.protocols = former.protocols;
        member.session = super::Alarm::default();
        self.roster.insert(member);
        self.expect(&id, now, effects);
    }
}

/// What waits in the name of a former self is told that there is another.
fn fence(former: &Member, effects: &mut Effects) {
    if let Some(request) = former.waiting_join {
        let fenced = refusal(GroupError::FencedInstance, &former.id);
        effects.push(Effect::Join(request, Err(fenced)));
    }
    if let Some(request) = former.waiting_sync {
        effects.push(Effect::Sync(request, Err(GroupError::FencedInstance)));
    }
}

/// Why it joins, in its own words.
fn why(request: &JoinRequest) -> String {
    let reason = request
        .reason
        .as_deref()
        .filter(|reason| !reason.is_empty());
    reason.unwrap_or("no reason given").to_owned()
}
