//! Who is there: heartbeats, commits, leaving, dying.

use std::{sync::Arc, time::Duration};

use super::{
    Effect, Effects, Group, GroupError, GroupState, JoinRefusal, MemberId, Now, Timer, What,
    alarm::Ring, change, ring,
};

/// Who somebody claims to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
    /// Negative from whoever commits without being a member.
    pub(crate) generation: i32,
}

/// Who is to leave, by its own wish or an operator's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaver<'a> {
    /// Empty to go by the instance id.
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
    /// Why (KIP-800).
    pub(crate) reason: Option<&'a str>,
}

impl Group {
    /// Whether such a member is in the group.
    pub(super) fn check_member(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), GroupError> {
        if let Some(instance_id) = instance_id {
            let known = self.roster.by_instance(instance_id);
            let known = known.ok_or(GroupError::UnknownMember)?;
            if **known != *member_id {
                return Err(GroupError::FencedInstance);
            }
        }
        match self.roster.get(member_id) {
            Some(_) => Ok(()),
            None => Err(GroupError::UnknownMember),
        }
    }

    /// A member is alive, and learns when it must join again.
    pub(crate) fn heartbeat(
        &mut self,
        claim: Claim<'_>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), GroupError> {
        self.check_member(claim.member_id, claim.instance_id)?;
        if claim.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        self.expect(claim.member_id, now, effects);
        match self.state {
            GroupState::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// Whether offsets may be committed by whoever that is. A member that commits is alive.
    pub(crate) fn validate_commit(
        &mut self,
        claim: Claim<'_>,
        now: Now,
        effects: &mut Effects,
    ) -> Result<(), GroupError> {
        let Claim {
            member_id,
            instance_id,
            generation,
        } = claim;
        let is_empty = self.state == GroupState::Empty;
        // From an operator, or a consumer that assigns itself: nobody else may be using the group.
        if generation < 0 && is_empty {
            return Ok(());
        }
        if generation < 0 && member_id.is_empty() && instance_id.is_none() {
            return Err(GroupError::UnknownMember);
        }
        self.check_member(member_id, instance_id)?;
        if generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        // It has joined, so it has no partitions of this generation yet, and none of the last.
        if self.state == GroupState::CompletingRebalance {
            return Err(GroupError::RebalanceInProgress);
        }
        self.expect(member_id, now, effects);
        Ok(())
    }

    /// Members leave. One answer for each.
    pub(crate) fn leave(
        &mut self,
        leavers: &[Leaver<'_>],
        now: Now,
        effects: &mut Effects,
    ) -> Vec<Result<(), GroupError>> {
        let left: Vec<_> = leavers
            .iter()
            .map(|leaver| self.leave_one(*leaver, effects))
            .collect();
        let count = left.iter().filter(|left| left.is_ok()).count();
        if 0 < count {
            self.after_departure(format!("{count} members left"), now, effects);
        }
        left
    }

    fn leave_one(&mut self, leaver: Leaver<'_>, effects: &mut Effects) -> Result<(), GroupError> {
        let Leaver {
            member_id,
            instance_id,
            reason,
        } = leaver;
        if self.invited.remove(member_id).is_some() {
            return Ok(());
        }
        // An operator removes a static member by its lasting name alone.
        let id = if member_id.is_empty() {
            let known = instance_id.and_then(|id| self.roster.by_instance(id));
            known.cloned().ok_or(GroupError::UnknownMember)?
        } else {
            self.check_member(member_id, instance_id)?;
            member_id.into()
        };
        let why = reason.filter(|reason| !reason.is_empty());
        self.remove(&id, What::Left, why.unwrap_or("no reason given"), effects);
        Ok(())
    }

    /// Takes a member out. What waits in its name is answered. False if there is no such member.
    pub(super) fn remove(
        &mut self,
        id: &str,
        what: What,
        why: &str,
        effects: &mut Effects,
    ) -> bool {
        let Some(member) = self.roster.remove(id) else {
            return false;
        };
        if let Some(request) = member.waiting_join {
            let gone = JoinRefusal {
                error: GroupError::UnknownMember,
                member_id: "".into(),
            };
            effects.push(Effect::Join(request, Err(gone)));
        }
        if let Some(request) = member.waiting_sync {
            effects.push(Effect::Sync(request, Err(GroupError::UnknownMember)));
        }
        if self.is_leader(id) {
            let next = self.roster.iter().next();
            self.leader = next.map(|member| Arc::clone(&member.id));
        }
        self.changes.push(change(what, &member, why));
        true
    }

    /// Somebody has gone: the others share the partitions anew.
    fn after_departure(&mut self, reason: String, now: Now, effects: &mut Effects) {
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance => {
                self.prepare_rebalance(reason, now, effects);
            }
            GroupState::PreparingRebalance => self.complete_join_if_all_are_here(now, effects),
            GroupState::Empty => {}
        }
    }

    /// The member was heard of: its session begins anew.
    pub(super) fn expect(&mut self, id: &str, now: Now, effects: &mut Effects) {
        if let Some(member) = self.roster.get(id) {
            self.expect_within(member.session_timeout, id, now, effects);
        }
    }

    pub(super) fn expect_within(
        &mut self,
        timeout: Duration,
        id: &str,
        now: Now,
        effects: &mut Effects,
    ) {
        if let Some(member) = self.roster.get_mut(id) {
            let at = member.session.set(now.instant + timeout);
            ring(effects, Timer::Member(Arc::clone(&member.id)), at);
        }
    }

    pub(super) fn on_member_ring(&mut self, id: &MemberId, now: Now, effects: &mut Effects) {
        let invited = self.invited.get_mut(id);
        let session = self.roster.get_mut(id).map(|member| &mut member.session);
        let Some(alarm) = invited.or(session) else {
            return;
        };
        match alarm.rang(now.instant) {
            Ring::Idle => {}
            Ring::Later(at) => effects.push(Effect::Ring(Timer::Member(Arc::clone(id)), at)),
            Ring::Due => self.session_is_over(id, now, effects),
        }
    }

    fn session_is_over(&mut self, id: &MemberId, now: Now, effects: &mut Effects) {
        if self.invited.remove(id).is_some() {
            self.complete_join_if_all_are_here(now, effects);
            return;
        }
        let Some(member) = self.roster.get(id) else {
            return;
        };
        // Its session goes on when its request is answered.
        if member.is_kept_waiting() {
            return;
        }
        let why = if member.is_new {
            "its first JoinGroup waited for too long".to_owned()
        } else {
            format!("no heartbeat for {} ms", member.session_timeout.as_millis())
        };
        self.remove(id, What::Died, &why, effects);
        self.after_departure(format!("member {id} died: {why}"), now, effects);
    }
}
