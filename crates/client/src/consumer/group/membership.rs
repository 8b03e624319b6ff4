//! Being a member of a group of the classic protocol: what happens goes in with its time, what is
//! to be done comes out. Pure.
//!
//! ```text
//!  Out -> Preparing -> Joining -> Syncing -> Settling -> Stable
//!            ^            ^-- Pausing --'                   |
//!            '----------------- rebalance, or lost ---------'
//! ```
//!
//! In `Preparing` and `Settling` it is the poll's turn: partitions are given up and taken by
//! whoever processes their records, never behind its back.
//!
//! **Invariants:**
//! - Nothing is joined before the poll has said what it gave up and what it still reads.
//! - While the poll is awaited heartbeats go on, and so does the time in which it must come.
//! - An answer to a question that was overtaken by another changes nothing.

use std::{collections::BTreeSet, time::Duration};

use odradek_protocol::{
    ErrorCode,
    consumer_protocol::Assignment,
    messages::{join_group::JoinGroupResponse, sync_group::SyncGroupResponse},
};
use tokio::time::Instant;

use super::events::{
    Done, Effect, Event, Identity, Join, NO_GENERATION, Notice, Previous, Sync, Terms,
};
use crate::{admin::offsets::TopicPartition, error::Error};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In no group, and on the way to none.
    Out,
    /// The poll gives up partitions.
    Preparing { lost: bool },
    /// Joins after a pause.
    Pausing { until: Instant },
    /// Joins.
    Joining,
    /// Waits for the assignment, or as the leader makes it.
    Syncing,
    /// The poll takes the assignment.
    Settling,
    /// A member.
    Stable,
    /// The poll tells an error. After a final one the consumer can only be closed.
    Failed { is_final: bool },
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Membership {
    terms: Terms,
    random: fastrand::Rng,
    state: State,
    identity: Identity,
    /// What is subscribed to, and what the last join said of it.
    topics: Option<BTreeSet<String>>,
    joined_topics: BTreeSet<String>,
    owned: BTreeSet<TopicPartition>,
    previous: Previous,
    leads: bool,
    /// To be joined again as soon as the poll has taken the assignment.
    is_overtaken: bool,
    attempt: u64,
    /// Attempts that failed since the last that did not.
    failures: u32,
    polled_at: Option<Instant>,
    heartbeat_at: Instant,
    is_heartbeat_sent: bool,
    notice: Option<Notice>,
    /// Counts notices.
    number: u64,
}

impl Membership {
    pub(crate) fn new(terms: Terms, random: fastrand::Rng, now: Instant) -> Self {
        Self {
            terms,
            random,
            state: State::Out,
            identity: Identity::unknown(),
            topics: None,
            joined_topics: BTreeSet::new(),
            owned: BTreeSet::new(),
            previous: Previous {
                partitions: BTreeSet::new(),
                generation: NO_GENERATION,
            },
            leads: false,
            is_overtaken: false,
            attempt: 0,
            failures: 0,
            polled_at: None,
            heartbeat_at: now,
            is_heartbeat_sent: false,
            notice: None,
            number: 0,
        }
    }

    /// By what the coordinator knows it now.
    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether it waits for a poll to begin with.
    pub(crate) fn awaits_poll(&self) -> bool {
        self.state == State::Out
    }

    /// Whether it shares the partitions out.
    pub(crate) const fn leads(&self) -> bool {
        self.leads
    }

    /// What the poll is to do, and the number by which it says that it has done it.
    pub(crate) const fn notice(&self) -> (u64, Option<&Notice>) {
        (self.number, self.notice.as_ref())
    }

    /// When a [`Tick`](Event::Tick) is due, if time changes anything.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        match self.state {
            State::Pausing { until } => Some(until),
            _ if !self.is_alive() => None,
            _ => {
                let heartbeat_at = (!self.is_heartbeat_sent).then_some(self.heartbeat_at);
                [heartbeat_at, self.poll_missed_at()]
                    .into_iter()
                    .flatten()
                    .min()
            }
        }
    }

    /// Takes in what happened, and says what to do.
    pub(crate) fn handle(&mut self, event: Event, now: Instant) -> Option<Effect> {
        match event {
            Event::Topics(topics) => {
                self.subscribe(topics);
                None
            }
            Event::Unsubscribed => self.unsubscribe(),
            Event::Polled => {
                self.polled_at = Some(now);
                if self.state == State::Out {
                    self.begin();
                }
                None
            }
            Event::Done { number, done } if number == self.number => self.done(done),
            Event::Joined { attempt, answer }
                if self.state == State::Joining && attempt == self.attempt =>
            {
                self.joined(answer, now)
            }
            Event::Synced { attempt, answer }
                if self.state == State::Syncing && attempt == self.attempt =>
            {
                self.synced(answer, now)
            }
            Event::Heard { of, answer } => {
                if of == self.identity && self.is_alive() {
                    self.heard(answer, now);
                }
                None
            }
            Event::Doubted => {
                self.heartbeat_at = now;
                None
            }
            Event::OutOfDate => {
                self.join_again();
                None
            }
            Event::Tick => self.tick(now),
            Event::Done { .. } | Event::Joined { .. } | Event::Synced { .. } => None,
        }
    }

    fn subscribe(&mut self, topics: BTreeSet<String>) {
        self.topics = Some(topics);
        if self.state == State::Out && self.polled_at.is_some() {
            self.begin();
        } else if self.topics.as_ref() != Some(&self.joined_topics) {
            self.join_again();
        }
    }

    fn unsubscribe(&mut self) -> Option<Effect> {
        self.topics = None;
        self.polled_at = None;
        let left = self.leave("the consumer has unsubscribed");
        self.owned.clear();
        self.enter(State::Out, None);
        left
    }

    /// Leaves the group, if there is something to be left.
    fn leave(&mut self, reason: &'static str) -> Option<Effect> {
        let identity = std::mem::replace(&mut self.identity, Identity::unknown());
        self.leads = false;
        self.attempt += 1;
        let is_known = !identity.member_id.is_empty() && !self.terms.is_static;
        is_known.then_some(Effect::Leave { identity, reason })
    }

    fn begin(&mut self) {
        if self.topics.is_some() {
            self.prepare(false);
        }
    }

    /// Asks the poll to give up what has to be given up.
    fn prepare(&mut self, lost: bool) {
        let topics = self.topics.clone().unwrap_or_default();
        self.enter(
            State::Preparing { lost },
            Some(Notice::Prepare { lost, topics }),
        );
    }

    /// Once nothing else is under way.
    fn join_again(&mut self) {
        match self.state {
            State::Stable => self.prepare(false),
            State::Settling => self.is_overtaken = true,
            // A join is coming anyway, or nothing is to be joined.
            State::Out
            | State::Preparing { .. }
            | State::Pausing { .. }
            | State::Joining
            | State::Syncing
            | State::Failed { .. } => {}
        }
    }

    fn enter(&mut self, state: State, notice: Option<Notice>) {
        self.state = state;
        self.notice = notice;
        self.number += 1;
    }

    fn done(&mut self, done: Done) -> Option<Effect> {
        match (self.state, done) {
            (State::Preparing { .. }, Done::Prepared { owned }) => {
                self.owned = owned;
                Some(self.join())
            }
            (State::Settling, Done::Taken) => {
                // What it gave up can only be given to others in the next rebalance.
                let gave_up = !self.owned.is_subset(&self.previous.partitions);
                self.owned.clone_from(&self.previous.partitions);
                self.enter(State::Stable, None);
                let has_changed = self.topics.as_ref() != Some(&self.joined_topics);
                if gave_up || has_changed || self.is_overtaken {
                    self.prepare(false);
                }
                None
            }
            (State::Failed { is_final: false }, Done::Told) => {
                self.enter(State::Out, None);
                // Another poll may have more luck.
                self.polled_at = None;
                None
            }
            (State::Failed { is_final: true }, Done::Told) => {
                // Every poll tells it again.
                self.number += 1;
                None
            }
            _ => None,
        }
    }

    fn join(&mut self) -> Effect {
        self.attempt += 1;
        self.is_overtaken = false;
        self.joined_topics = self.topics.clone().unwrap_or_default();
        self.enter(State::Joining, None);
        Effect::Join(Join {
            attempt: self.attempt,
            identity: self.identity.clone(),
            topics: self.joined_topics.clone(),
            owned: self.owned.clone(),
            previous: self.previous.clone(),
        })
    }

    fn joined(&mut self, answer: Result<JoinGroupResponse, Error>, now: Instant) -> Option<Effect> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.join_failed(error, now),
        };
        if answer.error_code == ErrorCode::MemberIdRequired {
            self.identity.member_id = answer.member_id;
            return Some(self.join());
        }
        if let Err(error) = Error::check(self.what("join"), answer.error_code, None) {
            return self.join_failed(error, now);
        }
        self.leads = answer.leader == answer.member_id;
        self.identity = Identity {
            member_id: answer.member_id,
            generation: answer.generation_id,
        };
        self.enter(State::Syncing, None);
        Some(Effect::Sync(Sync {
            attempt: self.attempt,
            identity: self.identity.clone(),
            protocol: answer.protocol_name.unwrap_or_default(),
            members: self.leads.then_some(answer.members),
            skip_assignment: answer.skip_assignment,
        }))
    }

    fn synced(&mut self, answer: Result<SyncGroupResponse, Error>, now: Instant) -> Option<Effect> {
        let assignment = answer.and_then(|answer| {
            Error::check(self.what("sync"), answer.error_code, None)?;
            let unreadable = |error| Error::Incomplete(format!("the assignment: {error}"));
            Assignment::decode(&answer.assignment).map_err(unreadable)
        });
        match assignment {
            Ok(assignment) => {
                self.failures = 0;
                self.heartbeat_at = now + self.terms.heartbeat_interval;
                self.is_heartbeat_sent = false;
                let partitions = assignment.assigned_partitions.into_iter();
                let each = partitions.flat_map(|topic| {
                    let indexes = topic.partitions.into_iter();
                    indexes.map(move |index| (topic.topic.clone(), index))
                });
                self.previous = Previous {
                    partitions: each.collect(),
                    generation: self.identity.generation,
                };
                let assigned = Notice::Assigned(self.previous.partitions.clone());
                self.enter(State::Settling, Some(assigned));
                None
            }
            // The next rebalance has begun before the assignment came.
            Err(error) if error.code() == Some(ErrorCode::RebalanceInProgress) => Some(self.join()),
            Err(error) => self.join_failed(error, now),
        }
    }

    /// A join or its sync has failed.
    fn join_failed(&mut self, error: Error, now: Instant) -> Option<Effect> {
        match error.code() {
            Some(ErrorCode::UnknownMemberId) => self.identity = Identity::unknown(),
            Some(ErrorCode::IllegalGeneration) => self.identity.generation = NO_GENERATION,
            Some(ErrorCode::RebalanceInProgress) => {}
            _ if error.retriable() => {}
            _ => {
                self.fail(error);
                return None;
            }
        }
        tracing::debug!(group = %self.terms.group_id, %error, "could not join");
        if self.identity.generation == NO_GENERATION && !self.owned.is_empty() {
            self.prepare(true);
            return None;
        }
        let until = now + self.pause();
        self.enter(State::Pausing { until }, None);
        None
    }

    fn pause(&mut self) -> Duration {
        self.failures += 1;
        self.terms.backoff.after(self.failures, self.random.f64())
    }

    fn heard(&mut self, answer: Result<(), Error>, now: Instant) {
        self.is_heartbeat_sent = false;
        let Err(error) = answer else {
            self.failures = 0;
            self.heartbeat_at = now + self.terms.heartbeat_interval;
            return;
        };
        match error.code() {
            Some(ErrorCode::RebalanceInProgress) => {
                self.heartbeat_at = now + self.terms.heartbeat_interval;
                self.join_again();
            }
            Some(ErrorCode::UnknownMemberId) => {
                self.identity = Identity::unknown();
                self.lose();
            }
            Some(ErrorCode::IllegalGeneration) => {
                self.identity.generation = NO_GENERATION;
                self.lose();
            }
            _ if error.retriable() => self.heartbeat_at = now + self.pause(),
            _ => self.fail(error),
        }
    }

    /// The group has gone on without this member.
    fn lose(&mut self) {
        tracing::info!(group = %self.terms.group_id, "the group has gone on without this member");
        self.leads = false;
        self.prepare(true);
    }

    fn fail(&mut self, error: Error) {
        let is_final = error.code() == Some(ErrorCode::FencedInstanceId);
        if is_final {
            self.identity = Identity::unknown();
        }
        self.leads = false;
        let notice = Notice::Failed { error, is_final };
        self.enter(State::Failed { is_final }, Some(notice));
    }

    fn tick(&mut self, now: Instant) -> Option<Effect> {
        if let State::Pausing { until } = self.state {
            return (until <= now).then(|| self.join());
        }
        if !self.is_alive() {
            return None;
        }
        if self.poll_missed_at().is_some_and(|missed| missed <= now) {
            tracing::warn!(
                group = %self.terms.group_id,
                "no poll within max.poll.interval.ms: leaving the group"
            );
            let left = self.leave("no poll within max.poll.interval.ms");
            self.prepare(true);
            return left;
        }
        if self.heartbeat_at <= now && !self.is_heartbeat_sent {
            self.is_heartbeat_sent = true;
            return Some(Effect::Heartbeat(self.identity.clone()));
        }
        None
    }

    /// Whether the coordinator expects heartbeats.
    fn is_alive(&self) -> bool {
        let is_between_joins = matches!(
            self.state,
            State::Preparing { .. } | State::Settling | State::Stable
        );
        is_between_joins && self.identity.generation != NO_GENERATION
    }

    fn poll_missed_at(&self) -> Option<Instant> {
        self.polled_at
            .map(|polled_at| polled_at + self.terms.max_poll_interval)
    }

    fn what(&self, verb: &str) -> String {
        format!("{verb} group {}", self.terms.group_id)
    }
}

#[cfg(test)]
#[path = "membership_tests.rs"]
mod tests;
