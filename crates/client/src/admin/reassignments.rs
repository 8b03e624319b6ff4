//! Moving partitions to other brokers (KIP-455). A move goes on in the cluster after the call:
//! [`Admin::list_reassignments`] tells which have not come to their end.

use std::collections::{BTreeMap, BTreeSet};

use odradek_protocol::messages::{
    alter_partition_reassignments::{
        AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
        ReassignablePartition, ReassignableTopic,
    },
    list_partition_reassignments::{
        ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
        ListPartitionReassignmentsTopics,
    },
};

use super::{
    Admin,
    offsets::{ByPartition, TopicPartition},
    outcomes,
};
use crate::{by_topic::by_topic, cluster::Target, error::Error};

/// What is to become of a partition's replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reassignment {
    /// They shall be on these brokers, preferred leader first.
    To(Vec<i32>),
    /// A move under way shall be called off: the replicas stay where they were before it.
    Cancel,
}

/// A move under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OngoingReassignment {
    /// All brokers that have the partition now, also those that it moves to or away from.
    pub replicas: Vec<i32>,
    /// Those of them that it moves to.
    pub adding: Vec<i32>,
    /// Those of them that it moves away from.
    pub removing: Vec<i32>,
}

impl OngoingReassignment {
    /// The brokers that have the partition when the move is done, preferred leader first.
    pub fn target(&self) -> Vec<i32> {
        let replicas = self.replicas.iter().copied();
        replicas.filter(|id| !self.removing.contains(id)).collect()
    }
}

impl Admin {
    /// Begins to move partitions, or calls it off. Calling off what does not move is
    /// [`NoReassignmentInProgress`](odradek_protocol::ErrorCode::NoReassignmentInProgress).
    pub async fn alter_reassignments(
        &self,
        reassignments: &ByPartition<Reassignment>,
    ) -> ByPartition<Result<(), Error>> {
        const WHAT: &str = "reassign partitions";
        let request = AlterPartitionReassignmentsRequest {
            timeout_ms: self.timeout_ms(),
            topics: reassignable(reassignments),
            ..Default::default()
        };
        let answer = self.ask(
            WHAT,
            Target::Controller,
            |_| Ok(request.clone()),
            |answer| {
                Error::check(WHAT, answer.error_code, answer.error_message.clone())?;
                Ok(altered(answer))
            },
        );
        outcomes(reassignments.keys(), answer.await, |(topic, index)| {
            format!("{topic}-{index}")
        })
    }

    /// The moves under way: of these partitions, or of all. Partitions that do not exist do not
    /// move either.
    pub async fn list_reassignments(
        &self,
        partitions: Option<&BTreeSet<TopicPartition>>,
    ) -> Result<ByPartition<OngoingReassignment>, Error> {
        const WHAT: &str = "list reassignments";
        let request = ListPartitionReassignmentsRequest {
            timeout_ms: self.timeout_ms(),
            topics: partitions.map(listed),
        };
        self.ask(
            WHAT,
            Target::Controller,
            |_| Ok(request.clone()),
            |answer| {
                Error::check(WHAT, answer.error_code, answer.error_message.clone())?;
                Ok(ongoing(answer))
            },
        )
        .await
    }
}

fn reassignable(reassignments: &ByPartition<Reassignment>) -> Vec<ReassignableTopic> {
    let each = reassignments.iter().map(|((topic, index), reassignment)| {
        let replicas = match reassignment {
            Reassignment::To(brokers) => Some(brokers.clone()),
            Reassignment::Cancel => None,
        };
        let partition = ReassignablePartition {
            partition_index: *index,
            replicas,
        };
        (topic, partition)
    });
    let topics = by_topic(each).map(|(name, partitions)| ReassignableTopic {
        name: name.clone(),
        partitions,
    });
    topics.collect()
}

fn altered(
    answer: AlterPartitionReassignmentsResponse,
) -> BTreeMap<TopicPartition, Result<(), Error>> {
    let each = answer.responses.into_iter().flat_map(|topic| {
        let name = topic.name;
        topic.partitions.into_iter().map(move |partition| {
            let index = partition.partition_index;
            let what = format!("{name}-{index}");
            let outcome = Error::check(what, partition.error_code, partition.error_message);
            ((name.clone(), index), outcome)
        })
    });
    each.collect()
}

fn listed(partitions: &BTreeSet<TopicPartition>) -> Vec<ListPartitionReassignmentsTopics> {
    let each = partitions.iter().map(|(topic, index)| (topic, *index));
    let topics = by_topic(each).map(
        |(name, partition_indexes)| ListPartitionReassignmentsTopics {
            name: name.clone(),
            partition_indexes,
        },
    );
    topics.collect()
}

fn ongoing(answer: ListPartitionReassignmentsResponse) -> ByPartition<OngoingReassignment> {
    let each = answer.topics.into_iter().flat_map(|topic| {
        let name = topic.name;
        topic.partitions.into_iter().map(move |partition| {
            let ongoing = OngoingReassignment {
                replicas: partition.replicas,
                adding: partition.adding_replicas,
                removing: partition.removing_replicas,
            };
            ((name.clone(), partition.partition_index), ongoing)
        })
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_that_is_called_off_has_no_replicas() {
        let partition = |index| ("t".to_owned(), index);
        let reassignments = [
            (partition(0), Reassignment::To(vec![2, 1])),
            (partition(1), Reassignment::Cancel),
        ];
        let topics = reassignable(&reassignments.into());
        let partitions = topics.iter().flat_map(|topic| &topic.partitions);
        let asked: Vec<_> = partitions.map(|it| it.replicas.clone()).collect();
        assert_eq!(asked, [Some(vec![2, 1]), None]);
    }

    #[test]
    fn a_move_ends_on_those_that_are_not_going() {
        let ongoing = OngoingReassignment {
            replicas: vec![3, 1, 2],
            adding: vec![3],
            removing: vec![2],
        };
        assert_eq!(ongoing.target(), [3, 1]);
    }
}
