//! Choosing the leaders of partitions anew (KIP-183, KIP-460).

use std::collections::{BTreeMap, BTreeSet};

use odradek_connection::Connection;
use odradek_protocol::{
    ErrorCode,
    messages::elect_leaders::{
        ElectLeadersRequest, ElectLeadersResponse, PREFERRED, TopicPartitions, UNCLEAN,
    },
};

use super::{
    Admin,
    offsets::{ByPartition, TopicPartition},
    outcomes,
};
use crate::{by_topic::by_topic, cluster::Target, error::Error};

/// The first version of ElectLeaders that knows any election but the preferred one (KIP-460).
const UNCLEAN_VERSION: i16 = 1;

/// Who is to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Election {
    /// The first replica of each partition, if it is in sync. No record is lost.
    Preferred,
    /// Any living replica of a partition without leader, even one that lacks records that were
    /// acknowledged: those are lost.
    Unclean,
}

impl Admin {
    /// Holds an election for each of these partitions. One that has the wanted leader already is
    /// [`ElectionNotNeeded`](ErrorCode::ElectionNotNeeded).
    pub async fn elect_leaders(
        &self,
        election: Election,
        partitions: &BTreeSet<TopicPartition>,
    ) -> ByPartition<Result<(), Error>> {
        let answer = self.ask_to_elect(election, Some(partitions)).await;
        outcomes(partitions, answer, |(topic, index)| {
            format!("{topic}-{index}")
        })
    }

    /// Holds an election for every partition of the cluster. The result lacks those that had the
    /// wanted leader already.
    pub async fn elect_all_leaders(
        &self,
        election: Election,
    ) -> Result<ByPartition<Result<(), Error>>, Error> {
        self.ask_to_elect(election, None).await
    }

    async fn ask_to_elect(
        &self,
        election: Election,
        partitions: Option<&BTreeSet<TopicPartition>>,
    ) -> Result<ByPartition<Result<(), Error>>, Error> {
        const WHAT: &str = "elect leaders";
        let request = ElectLeadersRequest {
            election_type: match election {
                Election::Preferred => PREFERRED,
                Election::Unclean => UNCLEAN,
            },
            topic_partitions: partitions.map(topics),
            timeout_ms: self.timeout_ms(),
        };
        let ask = |connection: &Connection| {
            let version = connection.version_of::<ElectLeadersRequest>()?;
            if election == Election::Unclean && version < UNCLEAN_VERSION {
                let message = "this broker is too old for unclean elections".to_owned();
                Error::check(WHAT, ErrorCode::UnsupportedVersion, Some(message))?;
            }
            Ok(request.clone())
        };
        self.ask(WHAT, Target::Controller, ask, |answer| {
            Error::check(WHAT, answer.error_code, None)?;
            Ok(read(answer))
        })
        .await
    }
}

fn topics(partitions: &BTreeSet<TopicPartition>) -> Vec<TopicPartitions> {
    let each = partitions.iter().map(|(topic, index)| (topic, *index));
    let topics = by_topic(each).map(|(topic, partitions)| TopicPartitions {
        topic: topic.clone(),
        partitions,
    });
    topics.collect()
}

fn read(answer: ElectLeadersResponse) -> BTreeMap<TopicPartition, Result<(), Error>> {
    let results = answer.replica_election_results.into_iter();
    let each = results.flat_map(|topic| {
        let name = topic.topic;
        topic.partition_result.into_iter().map(move |partition| {
            let index = partition.partition_id;
            let what = format!("{name}-{index}");
            let outcome = Error::check(what, partition.error_code, partition.error_message);
            ((name.clone(), index), outcome)
        })
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use odradek_protocol::messages::elect_leaders::{PartitionResult, ReplicaElectionResult};

    use super::*;

    #[test]
    fn partitions_are_asked_about_topic_by_topic() {
        let partitions = [("a", 1), ("b", 0), ("a", 0)].map(|(topic, it)| (topic.to_owned(), it));
        let asked: Vec<_> = topics(&partitions.into())
            .into_iter()
            .map(|topic| (topic.topic, topic.partitions))
            .collect();
        assert_eq!(
            asked,
            [("a".to_owned(), vec![0, 1]), ("b".to_owned(), vec![0])]
        );
    }

    #[test]
    fn every_partition_has_an_outcome_of_its_own() {
        let result = |partition_id, error_code| PartitionResult {
            partition_id,
            error_code,
            error_message: None,
        };
        let answer = ElectLeadersResponse {
            replica_election_results: vec![ReplicaElectionResult {
                topic: "t".to_owned(),
                partition_result: vec![
                    result(0, ErrorCode::None),
                    result(1, ErrorCode::ElectionNotNeeded),
                ],
            }],
            ..Default::default()
        };
        let codes: Vec<_> = read(answer)
            .into_values()
            .map(|outcome| outcome.err().and_then(|error| error.code()))
            .collect();
        assert_eq!(codes, [None, Some(ErrorCode::ElectionNotNeeded)]);
    }
}
