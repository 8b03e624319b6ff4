//! Offset requests as the wire shows them.

use std::collections::BTreeMap;

use odradek_protocol::{
    ErrorCode,
    messages::{
        find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse},
        offset_commit::{
            OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
            OffsetCommitResponse,
        },
        offset_delete::{
            OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
            OffsetDeleteResponse,
        },
        offset_fetch::{
            OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic,
            OffsetFetchResponse, OffsetFetchResponseTopic,
        },
    },
};
use odradek_tests::wait;

use crate::wire::Wire;

/// The newest version of OffsetCommit, and of OffsetFetch.
const VERSION: i16 = 9;

/// A position to commit.
#[derive(Debug, Clone)]
pub(crate) struct Position {
    topic: String,
    partition: i32,
    offset: i64,
    leader_epoch: i32,
    metadata: Option<String>,
}

impl Position {
    pub(crate) fn at(topic: &str, partition: i32, offset: i64) -> Self {
        Self {
            topic: topic.to_owned(),
            partition,
            offset,
            leader_epoch: -1,
            metadata: None,
        }
    }

    pub(crate) fn epoch(mut self, leader_epoch: i32) -> Self {
        self.leader_epoch = leader_epoch;
        self
    }

    pub(crate) fn metadata(mut self, metadata: &str) -> Self {
        self.metadata = Some(metadata.to_owned());
        self
    }
}

/// A committed position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: String,
    pub(crate) error: ErrorCode,
}

impl Committed {
    pub(crate) fn at(offset: i64) -> Self {
        Self {
            offset,
            leader_epoch: -1,
            metadata: String::new(),
            error: ErrorCode::None,
        }
    }

    /// There is no position.
    pub(crate) fn none() -> Self {
        Self::at(-1)
    }
}

/// The positions of a group, or why they are not told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offsets {
    error: ErrorCode,
    positions: BTreeMap<(String, i32), Committed>,
}

impl Offsets {
    pub(crate) fn of(positions: &[(&str, i32, Committed)]) -> Self {
        let positions = positions.iter();
        Self {
            error: ErrorCode::None,
            positions: positions
                .map(|(topic, partition, committed)| {
                    (((*topic).to_owned(), *partition), committed.clone())
                })
                .collect(),
        }
    }
}

/// Makes the broker a coordinator.
pub(crate) fn find_coordinator(wire: &mut Wire, group: &str) {
    let request = FindCoordinatorRequest {
        key: group.to_owned(),
        ..Default::default()
    };
    wait::until("there is a coordinator", || {
        let answer: FindCoordinatorResponse = wire.call(2, &request);
        (answer.error_code == ErrorCode::None).then_some(())
    });
}

/// Whether no partition is being loaded any more.
pub(crate) fn is_loaded(wire: &mut Wire) -> bool {
    // Among so many groups, each of the 50 partitions has some.
    let groups: Vec<_> = (0..100).map(|index| format!("group-{index:03}")).collect();
    let wanted: Vec<_> = groups.iter().map(|group| (&**group, None)).collect();
    let offsets = fetch_groups(wire, VERSION, &wanted);
    offsets
        .iter()
        .all(|offsets| offsets.error == ErrorCode::None)
}

/// A commit from outside any generation.
pub(crate) fn commit_request(group: &str, positions: &[Position]) -> OffsetCommitRequest {
    let topics = positions.iter().map(|position| OffsetCommitRequestTopic {
        name: position.topic.clone(),
        partitions: vec![OffsetCommitRequestPartition {
            partition_index: position.partition,
            committed_offset: position.offset,
            committed_leader_epoch: position.leader_epoch,
            committed_metadata: position.metadata.clone(),
        }],
    });
    OffsetCommitRequest {
        group_id: group.to_owned(),
        topics: topics.collect(),
        ..Default::default()
    }
}

/// Commits from outside any generation. One code for each position.
pub(crate) fn commit(wire: &mut Wire, group: &str, positions: &[Position]) -> Vec<ErrorCode> {
    commit_codes(&wire.call(VERSION, &commit_request(group, positions)))
}

/// Commits from outside, for so many milliseconds.
pub(crate) fn commit_for(
    wire: &mut Wire,
    group: &str,
    retention_time_ms: i64,
    positions: &[Position],
) -> Vec<ErrorCode> {
    let request = OffsetCommitRequest {
        retention_time_ms,
        ..commit_request(group, positions)
    };
    commit_codes(&wire.call(2, &request))
}

/// Commits as a member.
pub(crate) fn commit_as(
    wire: &mut Wire,
    group: &str,
    member: &str,
    generation: i32,
    positions: &[Position],
) -> Vec<ErrorCode> {
    let request = OffsetCommitRequest {
        member_id: member.to_owned(),
        generation_id_or_member_epoch: generation,
        ..commit_request(group, positions)
    };
    commit_codes(&wire.call(VERSION, &request))
}

pub(crate) fn commit_codes(answer: &OffsetCommitResponse) -> Vec<ErrorCode> {
    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| partition.error_code).collect()
}

/// The positions in these partitions.
pub(crate) fn fetch(wire: &mut Wire, group: &str, wanted: &[(&str, i32)]) -> Offsets {
    fetch_groups(wire, VERSION, &[(group, Some(wanted.to_vec()))]).remove(0)
}

/// Every position that there is, asked for in an older version.
pub(crate) fn fetch_all(wire: &mut Wire, group: &str) -> Offsets {
    let request = OffsetFetchRequest {
        group_id: group.to_owned(),
        topics: None,
        ..Default::default()
    };
    let answer: OffsetFetchResponse = wire.call(5, &request);
    offsets(answer.error_code, &answer.topics)
}

/// A group, and the partitions that are asked for; `None` for all that have a position.
pub(crate) type Wanted<'a> = (&'a str, Option<Vec<(&'a str, i32)>>);

/// The positions of several groups.
pub(crate) fn fetch_groups(wire: &mut Wire, version: i16, wanted: &[Wanted<'_>]) -> Vec<Offsets> {
    let groups = wanted
        .iter()
        .map(|(group, wanted)| OffsetFetchRequestGroup {
            group_id: (*group).to_owned(),
            topics: wanted.as_ref().map(|wanted| {
                let topics = wanted
                    .iter()
                    .map(|(topic, partition)| OffsetFetchRequestTopic {
                        name: (*topic).to_owned(),
                        partition_indexes: vec![*partition],
                    });
                topics.collect()
            }),
            ..Default::default()
        });
    let request = OffsetFetchRequest {
        groups: groups.collect(),
        require_stable: true,
        ..Default::default()
    };
    let answer: OffsetFetchResponse = wire.call(version, &request);
    let answered: Vec<_> = answer.groups.iter().map(|group| &*group.group_id).collect();
    let asked: Vec<_> = wanted.iter().map(|(group, _)| *group).collect();
    assert_eq!(answered, asked);
    let groups = answer.groups.iter();
    groups
        .map(|group| offsets(group.error_code, &group.topics))
        .collect()
}

fn offsets(error: ErrorCode, topics: &[OffsetFetchResponseTopic]) -> Offsets {
    let mut positions = BTreeMap::new();
    for topic in topics {
        for partition in &topic.partitions {
            let committed = Committed {
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: partition.metadata.clone().unwrap(),
                error: partition.error_code,
            };
            positions.insert((topic.name.clone(), partition.partition_index), committed);
        }
    }
    Offsets { error, positions }
}

/// Deletes positions. One code for each, or one for the group.
pub(crate) fn delete(
    wire: &mut Wire,
    group: &str,
    positions: &[(&str, i32)],
) -> Result<Vec<ErrorCode>, ErrorCode> {
    let topics = positions
        .iter()
        .map(|(topic, partition)| OffsetDeleteRequestTopic {
            name: (*topic).to_owned(),
            partitions: vec![OffsetDeleteRequestPartition {
                partition_index: *partition,
            }],
        });
    let request = OffsetDeleteRequest {
        group_id: group.to_owned(),
        topics: topics.collect(),
    };
    let answer: OffsetDeleteResponse = wire.call(0, &request);
    match answer.error_code {
        ErrorCode::None => {
            let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
            Ok(partitions.map(|partition| partition.error_code).collect())
        }
        error => Err(error),
    }
}
