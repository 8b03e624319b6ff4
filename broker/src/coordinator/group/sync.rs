//! SyncGroup: the leader's assignment, stored and handed out.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

use super::{
    Effect, Effects, Group, GroupError, GroupState, MemberId, Now, RequestId, Storing,
    stored::record_of,
};
use crate::coordinator::history::Outcome;

/// A SyncGroup as the group sees it.
#[derive(Debug, Clone)]
pub(crate) struct SyncRequest {
    pub(crate) id: RequestId,
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) generation: i32,
    /// What the member takes the group for, if it says so (KIP-559).
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    /// From the leader: who gets what.
    pub(crate) assignments: Vec<(String, Bytes)>,
}

/// The answer to a SyncGroup.
pub(crate) type SyncAnswer = Result<Synced, GroupError>;

/// A member's assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    /// As the leader wrote it; empty if it forgot the member.
    pub(crate) assignment: Bytes,
}

impl Group {
    /// A member asks for its assignment; the leader brings everybody's.
    pub(crate) fn sync(&mut self, request: SyncRequest, now: Now, effects: &mut Effects) {
        if let Err(error) = self.check_sync(&request) {
            effects.push(Effect::Sync(request.id, Err(error)));
            return;
        }
        let id = MemberId::from(&*request.member_id);
        self.has_synced(&id);
        if self.state == GroupState::Stable {
            self.answer_sync(&id, request.id, effects);
            self.expect(&id, now, effects);
            return;
        }
        if let Some(member) = self.roster.get_mut(&id)
            && let Some(former) = member.waiting_sync.replace(request.id)
        {
            // Its client has forgotten it, or it would not have sent another.
            effects.push(Effect::Sync(former, Err(GroupError::RebalanceInProgress)));
        }
        if self.is_leader(&id) {
            self.store_assignments(request.assignments, effects);
        }
    }

    fn check_sync(&self, request: &SyncRequest) -> Result<(), GroupError> {
        let differs = |said: &Option<String>, is: &Option<String>| {
            said.is_some() && is.is_some() && said != is
        };
        self.check_member(&request.member_id, request.instance_id.as_deref())?;
        if request.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol, &self.protocol)
        {
            return Err(GroupError::InconsistentProtocol);
        }
        match self.state {
            GroupState::Empty => Err(GroupError::UnknownMember),
            GroupState::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
        }
    }

    fn store_assignments(&mut self, assignments: Vec<(String, Bytes)>, effects: &mut Effects) {
        // Of strangers nothing is kept.
        let assignments: BTreeMap<MemberId, Bytes> = assignments
            .into_iter()
            .filter_map(|(id, assignment)| {
                let member = self.roster.get(&id)?;
                Some((Arc::clone(&member.id), assignment))
            })
            .collect();
        let record = Box::new(record_of(self, Some(&assignments)));
        let storing = Storing::Assignment {
            generation: self.generation,
            assignments,
        };
        effects.push(Effect::Store(record, storing));
    }

    /// The assignments of a generation are in the log, or could not be.
    pub(super) fn on_assignment_stored(
        &mut self,
        generation: i32,
        mut assignments: BTreeMap<MemberId, Bytes>,
        outcome: Result<(), GroupError>,
        now: Now,
        effects: &mut Effects,
    ) {
        // Something else may have happened meanwhile, and whoever waited was told so.
        if self.state != GroupState::CompletingRebalance || self.generation != generation {
            return;
        }
        if let Err(error) = outcome {
            self.answer_all_syncs(&Err(error), now, effects);
            self.prepare_rebalance("the assignment was not stored".to_owned(), now, effects);
            return;
        }
        for id in self.roster.ids_where(|_| true) {
            if let Some(member) = self.roster.get_mut(&id) {
                member.assignment = assignments.remove(&id).unwrap_or_default();
            }
        }
        self.set_state(GroupState::Stable, now);
        self.answer_all_syncs(&Ok(()), now, effects);
        self.finish_record(Outcome::Stable, now, effects);
    }

    /// Answers every SyncGroup that waits, with the member's assignment or the error.
    pub(super) fn answer_all_syncs(
        &mut self,
        outcome: &Result<(), GroupError>,
        now: Now,
        effects: &mut Effects,
    ) {
        for id in self
            .roster
            .ids_where(|member| member.waiting_sync.is_some())
        {
            let member = self.roster.get_mut(&id);
            let Some(request) = member.and_then(|member| member.waiting_sync.take()) else {
                continue;
            };
            match outcome {
                Ok(()) => self.answer_sync(&id, request, effects),
                Err(error) => effects.push(Effect::Sync(request, Err(error.clone()))),
            }
            self.expect(&id, now, effects);
        }
    }

    fn answer_sync(&self, id: &str, request: RequestId, effects: &mut Effects) {
        let assignment = self.roster.get(id).map(|member| member.assignment.clone());
        let synced = Synced {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: self.protocol.clone().unwrap_or_default(),
            assignment: assignment.unwrap_or_default(),
        };
        effects.push(Effect::Sync(request, Ok(synced)));
    }
}
