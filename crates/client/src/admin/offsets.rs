//! Offsets of partitions: where they begin and end, and what lies at a time.

use std::collections::BTreeMap;

use odradek_protocol::messages::list_offsets::{
    EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsRequest,
    ListOffsetsTopic, MAX_TIMESTAMP,
};

use super::Admin;
use crate::{cluster::Target, error::Error};

/// Which offset of a partition is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first that can be read.
    Earliest,
    /// The one that the next record gets.
    Latest,
    /// That of the record with the highest timestamp (KIP-734).
    MaxTimestamp,
    /// The first whose timestamp is this or later, in ms since the Unix epoch.
    Timestamp(i64),
}

/// An offset that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundOffset {
    /// The offset; absent when no record is that late.
    pub offset: Option<i64>,
    /// The record's timestamp, where one was asked for.
    pub timestamp: Option<i64>,
    /// The leader epoch in which it was written, where the broker tells.
    pub leader_epoch: Option<i32>,
}

/// A partition by its topic's name and its number.
pub type TopicPartition = (String, i32);

impl Admin {
    /// Finds an offset of each partition.
    pub async fn list_offsets(
        &self,
        wanted: &BTreeMap<TopicPartition, OffsetSpec>,
    ) -> Result<BTreeMap<TopicPartition, Result<FoundOffset, Error>>, Error> {
        let mut found = BTreeMap::new();
        for (partition, spec) in wanted {
            found.insert(partition.clone(), self.list_offset(partition, *spec).await);
        }
        Ok(found)
    }

    /// Finds one offset of one partition.
    async fn list_offset(
        &self,
        (topic, partition): &TopicPartition,
        spec: OffsetSpec,
    ) -> Result<FoundOffset, Error> {
        let what = format!("{topic}-{partition}");
        let request = ListOffsetsRequest {
            topics: vec![ListOffsetsTopic {
                name: topic.clone(),
                partitions: vec![ListOffsetsPartition {
                    partition_index: *partition,
                    timestamp: spec.timestamp(),
                    ..Default::default()
                }],
            }],
            timeout_ms: self.timeout_ms(),
            ..Default::default()
        };
        let read = |answer: odradek_protocol::messages::list_offsets::ListOffsetsResponse| {
            let mut partitions = answer.topics.into_iter().flat_map(|topic| topic.partitions);
            let found = partitions.next().unwrap_or_default();
            let checked = Error::check(&what, found.error_code, None);
            checked.inspect_err(|_| self.cluster.forget_leaders(topic))?;
            Ok(FoundOffset {
                offset: (0 <= found.offset).then_some(found.offset),
                timestamp: (0 <= found.timestamp).then_some(found.timestamp),
                leader_epoch: (0 <= found.leader_epoch).then_some(found.leader_epoch),
            })
        };
        let target = Target::Leader(topic, *partition);
        self.ask(&what, target, |_| Ok(request.clone()), read).await
    }
}

impl OffsetSpec {
    /// What stands for it on the wire.
    const fn timestamp(self) -> i64 {
        match self {
            Self::Earliest => EARLIEST_TIMESTAMP,
            Self::Latest => LATEST_TIMESTAMP,
            Self::MaxTimestamp => MAX_TIMESTAMP,
            Self::Timestamp(ms) => ms,
        }
    }
}
