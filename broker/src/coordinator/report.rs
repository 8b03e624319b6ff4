//! The document behind `/v1/groups/{id}`: a group as people want to see it. Fields are only ever
//! added.
//!
//! Everything is gathered when somebody asks. Of a large group the first members and positions are
//! shown, and how many there are.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use odradek_protocol::{DecodeError, Decoder, Format, Wire};
use serde::Serialize;

use super::{
    Coordinator,
    group::{CONSUMER, GroupError, MemberView},
    history::Rebalance,
    lag::PartitionLag,
};

/// Members and positions in one document.
const SHOWN_MAX: usize = 1000;

/// The whole document.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct GroupReport {
    /// Its name.
    id: String,
    /// `Empty`, `PreparingRebalance`, `CompletingRebalance` or `Stable`.
    state: &'static str,
    /// Since when, in milliseconds since 1970, if that is known.
    state_since_ms: Option<i64>,
    /// `consumer`, `connect` or whatever its members said; empty if it never had any.
    protocol_type: String,
    /// How often it has rebalanced; 0 for never.
    generation: i32,
    /// What partitions are assigned by; empty unless it is stable.
    protocol: String,
    /// The member that assigns.
    leader: Option<Arc<str>>,
    /// How many members there are.
    members_total: usize,
    /// The first of them.
    members: Vec<MemberReport>,
    /// How many positions are committed.
    offsets_total: usize,
    /// The first of them.
    offsets: Vec<OffsetReport>,
    /// The newest rebalances since the broker started, newest first.
    rebalances: Vec<Arc<Rebalance>>,
}

/// One member.
#[derive(Debug, Clone, Serialize)]
struct MemberReport {
    member_id: Arc<str>,
    instance_id: Option<Arc<str>>,
    client_id: String,
    client_host: String,
    session_timeout_ms: u64,
    rebalance_timeout_ms: u64,
    /// The partitions by topic; `null` where they cannot be read, or there are none to be read.
    assignment: Option<BTreeMap<String, Vec<i32>>>,
}

/// One committed position.
#[derive(Debug, Clone, Serialize)]
struct OffsetReport {
    topic: Arc<str>,
    partition: i32,
    /// The offset of the next record that the group will read.
    committed: i64,
    /// The offset behind the last record that it could read; `null` if that is not known here.
    end: Option<i64>,
    /// How many records it has not read; `null` if that is not known here.
    lag: Option<i64>,
}

impl Coordinator {
    /// What there is to tell of a group.
    pub(crate) fn report(&self, group: &str) -> Result<GroupReport, GroupError> {
        let view = self.describe_group(group)?;
        let offsets = self.lag_of(group)?;
        let is_of_consumers = view.protocol_type == CONSUMER;
        let members = view.members.iter().take(SHOWN_MAX);
        Ok(GroupReport {
            id: group.to_owned(),
            state: view.state.name(),
            state_since_ms: view.since_ms,
            generation: view.generation,
            leader: view.leader.clone(),
            members_total: view.members.len(),
            members: members
                .map(|member| MemberReport::new(member, is_of_consumers))
                .collect(),
            offsets_total: offsets.len(),
            offsets: offsets
                .into_iter()
                .take(SHOWN_MAX)
                .map(Into::into)
                .collect(),
            rebalances: self.shared.history.lock().of(group),
            protocol_type: view.protocol_type,
            protocol: view.protocol,
        })
    }
}

impl MemberReport {
    fn new(member: &MemberView, is_consumer: bool) -> Self {
        let assignment = is_consumer.then(|| partitions(&member.assignment).ok());
        Self {
            member_id: Arc::clone(&member.member_id),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            session_timeout_ms: member.session_timeout.as_millis() as u64,
            rebalance_timeout_ms: member.rebalance_timeout.as_millis() as u64,
            assignment: assignment.flatten(),
        }
    }
}

impl From<PartitionLag> for OffsetReport {
    fn from(lag: PartitionLag) -> Self {
        Self {
            lag: lag.records(),
            topic: lag.topic,
            partition: lag.partition,
            committed: lag.committed,
            end: lag.end,
        }
    }
}

/// A consumer's assignment begins with its version and the partitions by topic; what newer versions
/// append is not needed.
fn partitions(assignment: &Bytes) -> Result<BTreeMap<String, Vec<i32>>, DecodeError> {
    let format = Format {
        version: 0,
        flexible: false,
    };
    let mut decoder = Decoder::new(assignment);
    let _version = decoder.read_i16()?;
    let mut topics = BTreeMap::new();
    for _ in 0..decoder.read_i32()?.max(0) {
        let topic = String::decode(&mut decoder, format)?;
        topics.insert(topic, Vec::<i32>::decode(&mut decoder, format)?);
    }
    Ok(topics)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_assignment_is_read_and_what_is_none_is_not_mistaken_for_one() {
        let assigned =
            b"\0\x01\0\0\0\x02\0\x01b\0\0\0\x01\0\0\0\x07\0\x01a\0\0\0\0\xff\xff\xff\xff";
        let topics = partitions(&Bytes::from_static(assigned)).unwrap();
        let expected = [("a".to_owned(), vec![]), ("b".to_owned(), vec![7])];
        assert_eq!(topics, BTreeMap::from(expected));
        for malformed in [
            &b""[..],
            b"\0",
            b"\0\0\x7f\xff\xff\xff",
            b"\0\0\0\0\0\x01\0\x05a",
        ] {
            assert!(
                partitions(&Bytes::from_static(malformed)).is_err(),
                "{malformed:?}"
            );
        }
    }
}
