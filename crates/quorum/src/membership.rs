//! Who belongs to the quorum, as the payload of a membership entry.
//!
//! ```text
//!  version (1) = 1
//!  configs: count (1); each: voters: count (2); each: node id (4), directory id (16)
//!  nodes:   count (2); each: node id (4), directory id (16), length (4), description
//! ```
//! One config is the normal case; two are a change on its way, when a majority of both must agree.
//! `nodes` lists voters and learners with an opaque description of where each is reached.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use thiserror::Error;
use uuid::Uuid;

use crate::state_file::ReplicaKey;

const VERSION: u8 = 1;

/// The voters and learners of the quorum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Membership {
    /// One set of voters, or two during a change.
    pub configs: Vec<BTreeSet<ReplicaKey>>,
    /// Every voter and learner, with bytes that say how to reach it; empty where nobody asks.
    pub nodes: BTreeMap<ReplicaKey, Bytes>,
}

/// A membership payload that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MembershipError {
    /// Written by a later version.
    #[error("membership version {0} is unknown, this program knows {VERSION}")]
    UnknownVersion(u8),
    /// Shorter than its counts say, or longer.
    #[error("the membership's counts do not match its length")]
    Malformed,
}

impl Membership {
    /// A quorum of one.
    pub fn single(voter: ReplicaKey) -> Self {
        Self {
            configs: vec![BTreeSet::from([voter])],
            nodes: BTreeMap::from([(voter, Bytes::new())]),
        }
    }

    /// The payload of a membership entry.
    pub fn encode(&self) -> Vec<u8> {
        let count = |len: usize| u16::try_from(len).expect("a quorum has a few dozen members");
        let mut out = vec![VERSION];
        out.push(u8::try_from(self.configs.len()).expect("one config, or two during a change"));
        for voters in &self.configs {
            out.extend(count(voters.len()).to_be_bytes());
            for voter in voters {
                encode_key(voter, &mut out);
            }
        }
        out.extend(count(self.nodes.len()).to_be_bytes());
        for (key, description) in &self.nodes {
            encode_key(key, &mut out);
            let length = u32::try_from(description.len()).expect("a description is a few bytes");
            out.extend(length.to_be_bytes());
            out.extend_from_slice(description);
        }
        out
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, MembershipError> {
        let (version, rest) = bytes.split_first().ok_or(MembershipError::Malformed)?;
        if *version != VERSION {
            return Err(MembershipError::UnknownVersion(*version));
        }
        let mut rest = rest;
        let membership = Self::decode_body(&mut rest).ok_or(MembershipError::Malformed)?;
        if rest.is_empty() {
            Ok(membership)
        } else {
            Err(MembershipError::Malformed)
        }
    }

    fn decode_body(rest: &mut &[u8]) -> Option<Self> {
        let mut membership = Self::default();
        for _ in 0..u8::from_be_bytes(take(rest)?) {
            let voters = (0..u16::from_be_bytes(take(rest)?))
                .map(|_| decode_key(rest))
                .collect::<Option<BTreeSet<_>>>()?;
            membership.configs.push(voters);
        }
        for _ in 0..u16::from_be_bytes(take(rest)?) {
            let key = decode_key(rest)?;
            let length = u32::from_be_bytes(take(rest)?) as usize;
            let description = rest.split_off(..length)?;
            membership
                .nodes
                .insert(key, Bytes::copy_from_slice(description));
        }
        Some(membership)
    }
}

fn encode_key(key: &ReplicaKey, out: &mut Vec<u8>) {
    out.extend(key.node_id.to_be_bytes());
    out.extend(key.directory_id.as_bytes());
}

fn decode_key(rest: &mut &[u8]) -> Option<ReplicaKey> {
    let node_id = i32::from_be_bytes(take(rest)?);
    let directory_id = Uuid::from_bytes(take(rest)?);
    Some(ReplicaKey {
        node_id,
        directory_id,
    })
}

/// The next `N` bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn key(node_id: i32) -> ReplicaKey {
        ReplicaKey {
            node_id,
            directory_id: Uuid::from_u128(node_id.unsigned_abs().into()),
        }
    }

    #[test]
    fn a_joint_membership_is_read_back() {
        let membership = Membership {
            configs: vec![
                BTreeSet::from([key(1)]),
                BTreeSet::from([key(1), key(2), key(3)]),
            ],
            nodes: (1..=4)
                .map(|id| (key(id), Bytes::from(format!("host-{id}:9093"))))
                .collect(),
        };
        assert_eq!(Membership::decode(&membership.encode()), Ok(membership));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let mut bytes = Membership::single(key(1)).encode();
        bytes.push(0);
        assert_eq!(Membership::decode(&bytes), Err(MembershipError::Malformed));
        bytes[0] = 2;
        assert_eq!(
            Membership::decode(&bytes),
            Err(MembershipError::UnknownVersion(2))
        );
        assert_eq!(Membership::decode(&[]), Err(MembershipError::Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_without_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 1..80),
        ) {
            bytes[0] = VERSION;
            let _ = Membership::decode(&bytes);
        }
    }
}
