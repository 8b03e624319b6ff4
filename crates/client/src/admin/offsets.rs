//! Offsets of partitions: where they begin and end, and what lies at a time.

use std::{collections::BTreeMap, sync::Arc};

use odradek_protocol::{
    ErrorCode,
    messages::list_offsets::{
        EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsPartitionResponse,
        ListOffsetsRequest, ListOffsetsTopic, MAX_TIMESTAMP,
    },
};

use super::Admin;
use crate::{
    by_topic::by_topic,
    cluster::{
        Cluster, Target,
        image::{ClusterImage, Wanted},
    },
    error::Error,
};

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

type FoundOffsets = BTreeMap<TopicPartition, Result<FoundOffset, Error>>;

impl Admin {
    /// Finds an offset of each partition.
    pub async fn list_offsets(
        &self,
        wanted: &BTreeMap<TopicPartition, OffsetSpec>,
    ) -> FoundOffsets {
        list_offsets(&self.cluster, wanted).await
    }
}

/// Finds an offset of each partition, with one request to each leader. What fails for a passing
/// reason is asked again until `default.api.timeout.ms` is over.
pub(crate) async fn list_offsets(
    cluster: &Cluster,
    wanted: &BTreeMap<TopicPartition, OffsetSpec>,
) -> FoundOffsets {
    let mut found = FoundOffsets::new();
    let timeout = cluster.config().api_timeout;
    let what = "find offsets";
    // The outcome of each is in `found`; what is an error here is only the reason to go on.
    let found_so_far = parking_lot::Mutex::new(&mut found);
    let attempt = async || {
        let left: BTreeMap<_, _> = wanted
            .iter()
            .filter(|(partition, _)| is_open(found_so_far.lock().get(*partition)))
            .collect();
        let results = ask_leaders(cluster, &left).await;
        let mut found = found_so_far.lock();
        found.extend(results);
        let again = found.values().filter_map(|result| result.as_ref().err());
        match again.into_iter().find(|error| error.retriable()) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    };
    if let Err(error) = cluster.retrying(what, timeout, attempt).await {
        for partition in wanted.keys() {
            found
                .entry(partition.clone())
                .or_insert_with(|| Err(error.clone()));
        }
    }
    found
}

/// Whether a partition is to be asked about, or asked about again.
fn is_open(result: Option<&Result<FoundOffset, Error>>) -> bool {
    match result {
        None => true,
        Some(Ok(_)) => false,
        Some(Err(error)) => error.retriable(),
    }
}

/// Asks the leader of each partition once.
async fn ask_leaders(
    cluster: &Cluster,
    wanted: &BTreeMap<&TopicPartition, &OffsetSpec>,
) -> FoundOffsets {
    let mut found = FoundOffsets::new();
    let topics = wanted.keys().map(|(topic, _)| Arc::from(topic.as_str()));
    let known = cluster.image();
    let unknown = |(topic, partition): &&TopicPartition| {
        let known = known.partition(topic, *partition);
        known.is_none_or(|partition| partition.leader.is_none())
    };
    if wanted.keys().any(unknown)
        && let Err(error) = cluster.refresh(&Wanted::Named(topics.collect())).await
    {
        let failed = wanted.keys().map(|it| ((*it).clone(), Err(error.clone())));
        return failed.collect();
    }
    let image = cluster.image();
    let mut by_leader: BTreeMap<i32, Vec<(&TopicPartition, OffsetSpec)>> = BTreeMap::new();
    for (partition, spec) in wanted {
        let (topic, index) = partition;
        let Some(leader) = image.partition(topic, *index).and_then(|it| it.leader) else {
            let what = format!("{topic}-{index}");
            let refused = Error::check(what, why_no_leader(&image, topic, *index), None);
            found.extend(
                refused
                    .err()
                    .map(|error| ((*partition).clone(), Err(error))),
            );
            continue;
        };
        by_leader
            .entry(leader)
            .or_default()
            .push((partition, **spec));
    }
    for (leader, partitions) in by_leader {
        found.extend(ask_leader(cluster, leader, &partitions).await);
    }
    found
}

fn why_no_leader(image: &ClusterImage, topic: &str, index: i32) -> ErrorCode {
    match image.failed_topics.get(topic) {
        Some(code) => *code,
        None if image.partition(topic, index).is_some() => ErrorCode::LeaderNotAvailable,
        None => ErrorCode::UnknownTopicOrPartition,
    }
}

async fn ask_leader(
    cluster: &Cluster,
    leader: i32,
    partitions: &[(&TopicPartition, OffsetSpec)],
) -> FoundOffsets {
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
    let request = ListOffsetsRequest {
        topics: topics.collect(),
        timeout_ms: cluster.config().request_timeout.as_millis() as i32,
        ..Default::default()
    };
    let answer = async {
        let connection = cluster.connect(Target::Broker(leader)).await?;
        Ok::<_, Error>(connection.call(&request).await?)
    };
    let answered: BTreeMap<TopicPartition, ListOffsetsPartitionResponse> = match answer.await {
        Ok(answer) => answer
            .topics
            .into_iter()
            .flat_map(|topic| {
                let name = topic.name;
                let each = topic.partitions.into_iter();
                each.map(move |found| ((name.clone(), found.partition_index), found))
            })
            .collect(),
        Err(error) => {
            let failed = partitions.iter();
            return failed
                .map(|(it, _)| ((*it).clone(), Err(error.clone())))
                .collect();
        }
    };
    let each = partitions.iter().map(|(partition, _)| {
        let (topic, index) = partition;
        let what = format!("{topic}-{index}");
        let outcome = match answered.get(*partition) {
            Some(found) => read(what, found),
            None => Err(Error::Incomplete(what)),
        };
        if outcome.is_err() {
            cluster.forget_leaders(topic);
        }
        ((*partition).clone(), outcome)
    });
    each.collect()
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
            Self::Timestamp(ms) => ms,
        }
    }
}
