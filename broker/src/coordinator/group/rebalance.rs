//! From one generation to the next, and the time limits of that.
//!
//! Preparing ends when everybody has joined, or when the longest rebalance timeout of any member is
//! over: who has not come by then is out. In a group that was empty it lasts
//! `group.initial.rebalance.delay.ms`, and longer while members keep coming.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Effect, Effects, Group, GroupError, GroupState, MemberId, Now, Storing, Subscriptions, Timer,
    What, alarm::Ring, ring, stored::record_of,
};
use crate::coordinator::history::{Outcome, Rebalance};

/// The first members of an empty group gather, so that they need not rebalance once for each.
#[derive(Debug)]
pub(super) struct Gathering {
    /// What the delay may still be extended by.
    remaining: Duration,
    /// The delay under way.
    delay: Duration,
    /// Somebody has come since it began.
    pub(super) member_added: bool,
}

/// The rebalance under way, for its record.
#[derive(Debug)]
pub(super) struct Rebalancing {
    reason: String,
    began: Now,
    /// When everybody had joined.
    joined: Option<Instant>,
}

impl Group {
    /// Begins a rebalance where none is under way, or looks whether the one under way can go on.
    pub(super) fn rebalance_or_go_on(&mut self, reason: String, now: Now, effects: &mut Effects) {
        if self.state == GroupState::PreparingRebalance {
            self.complete_join_if_all_are_here(now, effects);
        } else {
            self.prepare_rebalance(reason, now, effects);
        }
    }

    /// Begins a rebalance. Members learn of it from the answers to their heartbeats.
    pub(super) fn prepare_rebalance(&mut self, reason: String, now: Now, effects: &mut Effects) {
        debug_assert!(self.state != GroupState::PreparingRebalance);
        if self.state == GroupState::CompletingRebalance {
            self.answer_all_syncs(&Err(GroupError::RebalanceInProgress), now, effects);
            self.finish_record(Outcome::Interrupted, now, effects);
        }
        self.rebalancing = Some(Rebalancing {
            reason,
            began: now,
            joined: None,
        });
        self.phase_alarm.clear();
        let was_empty = self.state == GroupState::Empty;
        self.set_state(GroupState::PreparingRebalance, now);
        if was_empty {
            let delay = self.settings.initial_rebalance_delay;
            self.gathering = Some(Gathering {
                remaining: self.roster.rebalance_timeout().saturating_sub(delay),
                delay,
                member_added: false,
            });
            self.ring_phase_in(delay, now, effects);
        } else if self.all_are_here() {
            self.complete_join(now, effects);
        } else {
            self.ring_phase_in(self.roster.rebalance_timeout(), now, effects);
        }
    }

    /// Whether all members have joined, and nobody is about to come who was given an id.
    fn all_are_here(&self) -> bool {
        self.roster.joining() == self.roster.len() && self.invited.is_empty()
    }

    /// Goes on when there is nobody left to wait for. Members that gather wait for their time.
    pub(super) fn complete_join_if_all_are_here(&mut self, now: Now, effects: &mut Effects) {
        if self.state == GroupState::PreparingRebalance
            && self.gathering.is_none()
            && self.all_are_here()
        {
            self.complete_join(now, effects);
        }
    }

    fn ring_phase_in(&mut self, delay: Duration, now: Now, effects: &mut Effects) {
        let at = self.phase_alarm.set(now.instant + delay);
        ring(effects, Timer::Phase, at);
    }

    pub(super) fn on_phase_ring(&mut self, now: Now, effects: &mut Effects) {
        match self.phase_alarm.rang(now.instant) {
            Ring::Idle => {}
            Ring::Later(at) => effects.push(Effect::Ring(Timer::Phase, at)),
            Ring::Due => match self.state {
                GroupState::PreparingRebalance => self.join_time_is_over(now, effects),
                GroupState::CompletingRebalance | GroupState::Stable => {
                    self.sync_time_is_over(now, effects);
                }
                GroupState::Empty => {}
            },
        }
    }

    fn join_time_is_over(&mut self, now: Now, effects: &mut Effects) {
        if let Some(gathering) = &mut self.gathering
            && gathering.member_added
            && !gathering.remaining.is_zero()
        {
            let delay = self
                .settings
                .initial_rebalance_delay
                .min(gathering.remaining);
            gathering.remaining = gathering.remaining.saturating_sub(gathering.delay);
            gathering.delay = delay;
            gathering.member_added = false;
            self.ring_phase_in(delay, now, effects);
            return;
        }
        self.complete_join(now, effects);
    }

    /// Nobody is waited for any more: the next generation begins.
    fn complete_join(&mut self, now: Now, effects: &mut Effects) {
        self.phase_alarm.clear();
        self.remove_absent(effects);
        if !self.roster.is_empty() && !self.has_leader_here() {
            // Only static members, none of which has come yet. They keep their places until their
            // sessions end.
            self.ring_phase_in(self.roster.rebalance_timeout(), now, effects);
            return;
        }
        self.gathering = None;
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if let Some(rebalancing) = &mut self.rebalancing {
            rebalancing.joined = Some(now.instant);
        }
        if self.roster.is_empty() {
            self.become_empty(now, effects);
        } else {
            self.begin_generation(now, effects);
        }
    }

    /// Dynamic members that have not joined in time are out. Static ones may: that is their point.
    fn remove_absent(&mut self, effects: &mut Effects) {
        let absent = self
            .roster
            .ids_where(|member| member.waiting_join.is_none() && member.instance_id.is_none());
        for id in absent {
            let why = "did not join again within the rebalance timeout";
            self.remove(&id, What::Died, why, effects);
        }
    }

    /// Makes somebody leader who has joined, if that is nobody. False if nobody has joined.
    fn has_leader_here(&mut self) -> bool {
        let leader = self.leader.as_deref().and_then(|id| self.roster.get(id));
        if leader.is_some_and(|leader| leader.waiting_join.is_some()) {
            return true;
        }
        let mut members = self.roster.iter();
        let Some(here) = members.find(|member| member.waiting_join.is_some()) else {
            return false;
        };
        self.leader = Some(Arc::clone(&here.id));
        true
    }

    fn become_empty(&mut self, now: Now, effects: &mut Effects) {
        self.leader = None;
        self.protocol = None;
        self.subscriptions = Subscriptions::none();
        self.set_state(GroupState::Empty, now);
        self.finish_record(Outcome::Empty, now, effects);
        let record = Box::new(record_of(self, None));
        effects.push(Effect::Store(record, Storing::Emptiness));
    }

    fn begin_generation(&mut self, now: Now, effects: &mut Effects) {
        self.protocol = self.roster.elect_protocol();
        self.subscriptions = self.find_subscriptions();
        self.set_state(GroupState::CompletingRebalance, now);
        for id in self.roster.ids_where(|_| true) {
            self.roster.set_must_sync(&id, true);
            if let Some(request) = self.roster.take_join(&id) {
                effects.push(Effect::Join(request, Ok(self.joined(&id, false))));
            }
            if let Some(member) = self.roster.get_mut(&id) {
                member.is_new = false;
            }
            self.expect(&id, now, effects);
        }
        self.ring_phase_in(self.roster.rebalance_timeout(), now, effects);
    }

    /// What the members subscribe to, if they are consumers.
    pub(super) fn find_subscriptions(&self) -> Subscriptions {
        match &self.protocol {
            _ if self.protocol_type() != Some(super::CONSUMER) => Subscriptions::Unknown,
            Some(protocol) => {
                Subscriptions::of(self.roster.iter().map(|member| member.metadata(protocol)))
            }
            None if self.roster.is_empty() => Subscriptions::none(),
            None => Subscriptions::Unknown,
        }
    }

    /// Members that were told of the generation and never asked for their assignment are out.
    fn sync_time_is_over(&mut self, now: Now, effects: &mut Effects) {
        let silent = self.roster.ids_where(|member| member.must_sync);
        if silent.is_empty() {
            return;
        }
        for id in &silent {
            let why = "did not ask for its assignment within the rebalance timeout";
            self.remove(id, What::Died, why, effects);
        }
        let reason = format!("{} members did not sync in time", silent.len());
        self.prepare_rebalance(reason, now, effects);
    }

    /// Once everybody has asked for its assignment there is no time limit any more.
    pub(super) fn has_synced(&mut self, id: &MemberId) {
        self.roster.set_must_sync(id, false);
        let waits_for_syncs = matches!(
            self.state,
            GroupState::CompletingRebalance | GroupState::Stable
        );
        if waits_for_syncs && self.roster.all_synced() {
            self.phase_alarm.clear();
        }
    }

    /// Completes the record of the rebalance under way.
    pub(super) fn finish_record(&mut self, outcome: Outcome, now: Now, effects: &mut Effects) {
        let Some(rebalancing) = self.rebalancing.take() else {
            return;
        };
        let Rebalancing {
            mut reason,
            began,
            joined,
        } = rebalancing;
        crate::coordinator::history::cut(&mut reason);
        let joined = joined.unwrap_or(now.instant);
        effects.push(Effect::Rebalanced(Box::new(Rebalance {
            began_ms: began.wall_ms,
            reason,
            changes: std::mem::take(&mut self.changes),
            outcome,
            generation: self.generation,
            members: self.roster.len(),
            leader: self.leader.clone(),
            protocol: self.protocol.clone(),
            joining_ms: (joined - began.instant).as_millis() as u64,
            assigning_ms: (now.instant - joined).as_millis() as u64,
        })));
    }
}
