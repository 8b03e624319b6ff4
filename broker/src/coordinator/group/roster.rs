//! The members of a group, and what is counted about them.
//!
//! **Invariants:** every count is what counting the members would give; an instance id names one
//! member at most. Counts are kept because a group of ten thousand members asks for them on each
//! request.

use std::{
    collections::{BTreeMap, btree_map},
    sync::Arc,
    time::Duration,
};

use hashbrown::HashMap;

use super::{MemberId, Protocol, RequestId, member::Member};

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: BTreeMap<MemberId, Member>,
    by_instance: HashMap<Arc<str>, MemberId>,
    /// How many members know each protocol; no zeros.
    support: BTreeMap<String, usize>,
    /// Members whose JoinGroup waits.
    joining: usize,
    /// Members that have not asked for their assignment yet.
    unsynced: usize,
}

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members in the order of their ids.
    pub(super) fn iter(&self) -> btree_map::Values<'_, MemberId, Member> {
        self.members.values()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    /// The member, except for what is counted: that has methods of its own.
    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members.get_mut(id)
    }

    /// Who has that instance id.
    pub(super) fn by_instance(&self, instance_id: &str) -> Option<&MemberId> {
        self.by_instance.get(instance_id)
    }

    /// How many JoinGroups wait.
    pub(super) fn joining(&self) -> usize {
        self.joining
    }

    /// Whether everybody who was told of the generation has asked for its assignment.
    pub(super) fn all_synced(&self) -> bool {
        self.unsynced == 0
    }

    /// The longest rebalance timeout of any member.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        let timeouts = self.members.values().map(|member| member.rebalance_timeout);
        timeouts.max().unwrap_or_default()
    }

    /// The ids of the members of which that is true.
    pub(super) fn ids_where(&self, is_true: impl Fn(&Member) -> bool) -> Vec<MemberId> {
        let found = self.members.values().filter(|member| is_true(member));
        found.map(|member| Arc::clone(&member.id)).collect()
    }

    /// Adds a member that waits for nothing yet.
    pub(super) fn insert(&mut self, member: Member) {
        debug_assert!(member.waiting_join.is_none() && !member.must_sync);
        for protocol in &member.protocols {
            *self.support.entry(protocol.name.clone()).or_default() += 1;
        }
        if let Some(instance_id) = &member.instance_id {
            let id = Arc::clone(&member.id);
            let former = self.by_instance.insert(Arc::clone(instance_id), id);
            debug_assert!(former.is_none(), "an instance id names one member");
        }
        let former = self.members.insert(Arc::clone(&member.id), member);
        debug_assert!(former.is_none(), "member ids are not given out twice");
    }

    /// Takes a member out. What it waits for is in what is returned, to be answered.
    pub(super) fn remove(&mut self, id: &str) -> Option<Member> {
        let mut member = self.members.remove(id)?;
        self.uncount_protocols(&member.protocols);
        self.joining -= usize::from(member.waiting_join.is_some());
        self.unsynced -= usize::from(std::mem::take(&mut member.must_sync));
        if let Some(instance_id) = &member.instance_id {
            self.by_instance.remove(instance_id);
        }
        Some(member)
    }

    /// Gives a member other protocols.
    pub(super) fn set_protocols(&mut self, id: &str, protocols: Vec<Protocol>) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let former = std::mem::replace(&mut member.protocols, protocols);
        for protocol in &member.protocols {
            *self.support.entry(protocol.name.clone()).or_default() += 1;
        }
        self.uncount_protocols(&former);
    }

    fn uncount_protocols(&mut self, protocols: &[Protocol]) {
        for protocol in protocols {
            if let Some(count) = self.support.get_mut(&protocol.name) {
                *count -= 1;
                if *count == 0 {
                    self.support.remove(&protocol.name);
                }
            }
        }
    }

    /// The member's JoinGroup waits from now on. Returns the one that waited before.
    pub(super) fn wait_join(&mut self, id: &str, request: RequestId) -> Option<RequestId> {
        let member = self.members.get_mut(id)?;
        let former = member.waiting_join.replace(request);
        self.joining += usize::from(former.is_none());
        former
    }

    /// The member's JoinGroup is about to be answered.
    pub(super) fn take_join(&mut self, id: &str) -> Option<RequestId> {
        let request = self.members.get_mut(id)?.waiting_join.take();
        self.joining -= usize::from(request.is_some());
        request
    }

    /// Whether the member has yet to ask for its assignment.
    pub(super) fn set_must_sync(&mut self, id: &str, must_sync: bool) {
        if let Some(member) = self.members.get_mut(id) {
            self.unsynced -= usize::from(member.must_sync);
            self.unsynced += usize::from(must_sync);
            member.must_sync = must_sync;
        }
    }

    /// Whether all members know one of these protocols.
    pub(super) fn all_know_one_of(&self, protocols: &[Protocol]) -> bool {
        let mut names = protocols.iter().map(|protocol| &*protocol.name);
        names.any(|name| self.all_know(name))
    }

    fn all_know(&self, protocol: &str) -> bool {
        self.support.get(protocol).copied().unwrap_or(0) == self.members.len()
    }

    /// The protocol that most members prefer among those that all know; of equals the first by
    /// name. `None` if there is no such protocol.
    pub(super) fn elect_protocol(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let mut names = member.protocols.iter().map(|protocol| &*protocol.name);
            if let Some(preferred) = names.find(|name| self.all_know(name)) {
                *votes.entry(preferred).or_default() += 1;
            }
        }
        // The last of equals is taken, so the names go backwards.
        let elected = votes.into_iter().rev().max_by_key(|(_, votes)| *votes);
        elected.map(|(name, _)| name.to_owned())
    }

    /// Counts everything again, for tests.
    #[cfg(test)]
    pub(super) fn assert_counts(&self) {
        let count = |is_true: fn(&Member) -> bool| {
            self.members
                .values()
                .filter(|member| is_true(member))
                .count()
        };
        assert_eq!(self.joining, count(|member| member.waiting_join.is_some()));
        assert_eq!(self.unsynced, count(|member| member.must_sync));
        let mut support: BTreeMap<String, usize> = BTreeMap::new();
        for protocol in self.members.values().flat_map(|member| &member.protocols) {
            *support.entry(protocol.name.clone()).or_default() += 1;
        }
        assert_eq!(self.support, support);
        let named = self.members.values().filter_map(|member| {
            let instance_id = member.instance_id.clone()?;
            Some((instance_id, Arc::clone(&member.id)))
        });
        assert_eq!(self.by_instance, named.collect());
    }
}
