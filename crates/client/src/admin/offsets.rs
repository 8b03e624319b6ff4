//! Offsets of partitions: where they begin and end, and what lies at a time.

use std::collections::BTreeMap;

use odradek_protocol::messages::list_offsets::{
    EARLIEST_LOCAL_TIMESTAMP, EARLIEST_TIMESTAMP, LATEST_TIERED_TIMESTAMP, LATEST_TIMESTAMP,
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic, MAX_TIMESTAMP,
};

use super::{Admin, leaders::Question};
use crate::{by_topic::by_topic, cluster::Cluster, error::Error};

/// Which offset of a partition is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first that can be read.
    Earliest,
    /// The one that the next record gets.
    Latest,
    /// That of the record with the highest timestamp (KIP-734).
    MaxTimestamp,
    /// The first on the broker's own disk, where older ones may have gone to tiered storage
    /// (KIP-405).
    EarliestLocal,
    /// The last in tiered storage (KIP-1005); absent where there is none.
    LatestTiered,
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

/// The result for each partition.
pub type ByPartition<T> = BTreeMap<TopicPartition, T>;

type FoundOffsets = ByPartition<Result<FoundOffset, Error>>;

impl Admin {
    /// Finds an offset of each partition.
    pub async fn list_offsets(&self, wanted: &ByPartition<OffsetSpec>) -> FoundOffsets {
        list_offsets(&self.cluster, wanted).await
    }
}

/// Finds an offset of each partition, with one request to each leader. What fails for a passing
/// reason is asked again until `default.api.timeout.ms` is over.
pub(crate) async fn list_offsets(
    cluster: &Cluster,
    wanted: &ByPartition<OffsetSpec>,
) -> FoundOffsets {
    let timeout_ms = cluster.config().request_timeout.as_millis();
    let timeout_ms = timeout_ms.try_into().unwrap_or(i32::MAX);
    let question = Question {
        what: "find offsets",
        wanted,
        ask: |partitions: &[(&TopicPartition, &OffsetSpec)]| request(partitions, timeout_ms),
        read: found,
    };
    question.put(cluster).await
}

fn request(partitions: &[(&TopicPartition, &OffsetSpec)], timeout_ms: i32) -> ListOffsetsRequest {
    let each = partitions.iter().map(|((topic, partition), spec)| {
        let wanted = ListOffsetsPartition {
            partition_index: *partition,
            timestamp: spec.timestamp(),
            ..Default::default()
        };
        (topic.as_str(), wanted)
    });
    let topics = by_topic(each).map(|(name, partitions)| ListOffsetsTopic {
        name: name.to_owned(),
        partitions,
    });
    ListOffsetsRequest {
        topics: topics.collect(),
        timeout_ms,
        ..Default::default()
    }
}

fn found(answer: ListOffsetsResponse) -> FoundOffsets {
    let topics = answer.topics.into_iter().flat_map(|topic| {
        let name = topic.name;
        topic.partitions.into_iter().map(move |found| {
            let index = found.partition_index;
            let outcome = read(format!("{name}-{index}"), &found);
            ((name.clone(), index), outcome)
        })
    });
    topics.collect()
}

fn read(what: String, found: &ListOffsetsPartitionResponse) -> Result<FoundOffset, Error> {
    Error::check(what, found.error_code, None)?;
    Ok(FoundOffset {
        offset: (0 <= found.offset).then_some(found.offset),
        timestamp: (0 <= found.timestamp).then_some(found.timestamp),
        leader_epoch: (0 <= found.leader_epoch).then_some(found.leader_epoch),
    })
}

impl OffsetSpec {
    /// What stands for it on the wire.
    const fn timestamp(self) -> i64 {
        match self {
            Self::Earliest => EARLIEST_TIMESTAMP,
            Self::Latest => LATEST_TIMESTAMP,
            Self::MaxTimestamp => MAX_TIMESTAMP,
            Self::EarliestLocal => EARLIEST_LOCAL_TIMESTAMP,
            Self::LatestTiered => LATEST_TIERED_TIMESTAMP,
            Self::Timestamp(ms) => ms,
        }
    }
}
