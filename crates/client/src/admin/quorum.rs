//! The quorum that keeps the cluster's metadata: who votes, who leads, and how far each has come
//! (KIP-595, KIP-836, KIP-853).

use std::collections::BTreeMap;

use odradek_connection::Address;
use odradek_protocol::{
    Uuid,
    messages::describe_quorum::{
        DescribeQuorumRequest, DescribeQuorumResponse, METADATA_TOPIC, Node, PartitionRequest,
        PartitionResponse, ReplicaState, TopicRequest,
    },
};

use super::Admin;
use crate::{cluster::Target, error::Error};

/// The quorum, as its leader sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuorumDescription {
    /// The voter that leads, if one does.
    pub leader_id: Option<i32>,
    /// Counts elections.
    pub leader_epoch: i32,
    /// The first offset of the metadata log that is not committed.
    pub high_watermark: i64,
    /// Those who vote.
    pub voters: Vec<QuorumReplica>,
    /// Those who follow without a vote: brokers, as a rule.
    pub observers: Vec<QuorumReplica>,
    /// The controllers' listeners by node id, each with its name; none from brokers before Kafka
    /// 3.9.
    pub listeners: BTreeMap<i32, Vec<(String, Address)>>,
}

/// One replica of the metadata log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuorumReplica {
    /// `node.id`.
    pub node_id: i32,
    /// The id of its log directory; all zeros where the broker does not tell.
    pub directory_id: Uuid,
    /// Where its log ends, if the leader knows.
    pub log_end_offset: Option<i64>,
    /// When it last asked the leader for more, in ms since the Unix epoch, if the leader knows.
    pub last_fetch_timestamp: Option<i64>,
    /// When it last had all that the leader had, in ms since the Unix epoch, if the leader knows.
    pub last_caught_up_timestamp: Option<i64>,
}

impl Admin {
    /// The quorum that keeps the cluster's metadata.
    pub async fn describe_quorum(&self) -> Result<QuorumDescription, Error> {
        let request = DescribeQuorumRequest {
            topics: vec![TopicRequest {
                topic_name: METADATA_TOPIC.to_owned(),
                partitions: vec![PartitionRequest { partition_index: 0 }],
            }],
        };
        let ask = |_: &_| Ok(request.clone());
        self.ask("describe the metadata quorum", Target::Any, ask, read)
            .await
    }
}

fn read(answer: DescribeQuorumResponse) -> Result<QuorumDescription, Error> {
    let what = || "describe the metadata quorum";
    Error::check(what(), answer.error_code, answer.error_message)?;
    let mut partitions = answer.topics.into_iter().flat_map(|it| it.partitions);
    let Some(partition) = partitions.next() else {
        return Err(Error::Incomplete(METADATA_TOPIC.to_owned()));
    };
    let PartitionResponse {
        error_code,
        error_message,
        leader_id,
        leader_epoch,
        high_watermark,
        current_voters,
        observers,
        ..
    } = partition;
    Error::check(what(), error_code, error_message)?;
    Ok(QuorumDescription {
        leader_id: (0 <= leader_id).then_some(leader_id),
        leader_epoch,
        high_watermark,
        voters: current_voters.iter().map(replica).collect(),
        observers: observers.iter().map(replica).collect(),
        listeners: answer.nodes.into_iter().map(listeners).collect(),
    })
}

fn replica(state: &ReplicaState) -> QuorumReplica {
    let known = |number: i64| (0 <= number).then_some(number);
    QuorumReplica {
        node_id: state.replica_id,
        directory_id: state.replica_directory_id,
        log_end_offset: known(state.log_end_offset),
        last_fetch_timestamp: known(state.last_fetch_timestamp),
        last_caught_up_timestamp: known(state.last_caught_up_timestamp),
    }
}

fn listeners(node: Node) -> (i32, Vec<(String, Address)>) {
    let listeners = node.listeners.into_iter();
    let listeners = listeners.map(|it| (it.name, Address::new(it.host, it.port)));
    (node.node_id, listeners.collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use odradek_protocol::{ErrorCode, messages::describe_quorum::TopicResponse};

    use super::*;

    fn answer(partition: PartitionResponse) -> DescribeQuorumResponse {
        DescribeQuorumResponse {
            topics: vec![TopicResponse {
                topic_name: METADATA_TOPIC.to_owned(),
                partitions: vec![partition],
            }],
            ..Default::default()
        }
    }

    #[test]
    fn what_the_leader_does_not_know_is_absent() {
        let voter = ReplicaState {
            replica_id: 2,
            log_end_offset: -1,
            ..Default::default()
        };
        let partition = PartitionResponse {
            leader_id: -1,
            current_voters: vec![voter],
            ..Default::default()
        };
        let quorum = read(answer(partition)).unwrap();
        assert_eq!(quorum.leader_id, None);
        assert_eq!(quorum.voters[0].log_end_offset, None);
        assert_eq!(quorum.voters[0].last_fetch_timestamp, None);
    }

    #[test]
    fn the_error_of_the_partition_and_a_missing_one_are_errors() {
        let partition = PartitionResponse {
            error_code: ErrorCode::UnknownTopicOrPartition,
            ..Default::default()
        };
        let code = read(answer(partition)).unwrap_err().code();
        assert_eq!(code, Some(ErrorCode::UnknownTopicOrPartition));
        let missing = read(DescribeQuorumResponse::default()).unwrap_err();
        assert!(matches!(missing, Error::Incomplete(_)));
    }
}
