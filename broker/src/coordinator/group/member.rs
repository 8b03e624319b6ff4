//! One member of a group.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hashbrown::HashSet;

use super::{JoinRequest, MemberId, Protocol, RequestId, alarm::Alarm};

/// A member: who it is, what it knows, what it waits for.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: MemberId,
    /// Its lasting name, if it is a static member (KIP-345).
    pub(super) instance_id: Option<Arc<str>>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    /// What it can be assigned by, the preferred one first; no name twice.
    pub(super) protocols: Vec<Protocol>,
    /// What the leader of the last complete generation gave it.
    pub(super) assignment: Bytes,
    /// It has not been in a generation yet, so it does not know its id and cannot send heartbeats.
    pub(super) is_new: bool,
    /// Rings when it has not been heard of for too long.
    pub(super) session: Alarm,
    /// Its JoinGroup that waits. Changed by the roster alone, which counts them.
    pub(super) waiting_join: Option<RequestId>,
    /// Its SyncGroup that waits.
    pub(super) waiting_sync: Option<RequestId>,
    /// It has been told of the generation and has not asked for its assignment yet. Changed by the
    /// roster alone, which counts them.
    pub(super) must_sync: bool,
}

impl Member {
    /// A member that has just come, not waiting for anything.
    pub(super) fn new(id: MemberId, request: JoinRequest) -> Self {
        Self {
            id,
            instance_id: request.instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            session_timeout: request.session_timeout,
            rebalance_timeout: request.rebalance_timeout,
            protocols: request.protocols,
            assignment: Bytes::new(),
            is_new: true,
            session: Alarm::default(),
            waiting_join: None,
            waiting_sync: None,
            must_sync: false,
        }
    }

    /// Its metadata in that protocol; empty if it does not know it.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let known = self.protocols.iter().find(|known| known.name == protocol);
        known
            .map(|known| known.metadata.clone())
            .unwrap_or_default()
    }

    /// Whether it knows exactly these protocols, with the same metadata and preference.
    pub(super) fn knows_exactly(&self, protocols: &[Protocol]) -> bool {
        self.protocols == protocols
    }

    /// Whether it is no sign of death when nothing is heard of it: its request waits here.
    pub(super) fn is_kept_waiting(&self) -> bool {
        !self.is_new && (self.waiting_join.is_some() || self.waiting_sync.is_some())
    }
}

/// Keeps the first of each name.
pub(super) fn drop_repetition(protocols: &mut Vec<Protocol>) {
    let mut names = HashSet::new();
    protocols.retain(|protocol| names.insert(protocol.name.clone()));
}
