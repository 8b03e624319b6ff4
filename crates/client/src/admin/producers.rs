//! What partitions remember of those who write to them (KIP-664).

use odradek_protocol::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, ProducerState, TopicRequest,
};

use super::{
    Admin,
    leaders::Question,
    offsets::{ByPartition, TopicPartition},
};
use crate::{by_topic::by_topic, error::Error};

/// A producer, as a partition remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id.
    pub id: i64,
    /// Its newest epoch.
    pub epoch: i32,
    /// The sequence number of its last record; absent if it wrote none in this epoch.
    pub last_sequence: Option<i32>,
    /// The timestamp of its last batch, in ms since the Unix epoch; absent if it wrote none.
    pub last_timestamp: Option<i64>,
    /// The epoch of the coordinator that ended its last transaction, if one was ended.
    pub coordinator_epoch: Option<i32>,
    /// The offset at which its open transaction began, if one is open.
    pub transaction_start: Option<i64>,
}

impl Admin {
    /// The producers that each partition remembers: those that are idempotent or transactional,
    /// for as long as the broker keeps them (`producer.id.expiration.ms`).
    pub async fn describe_producers(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> ByPartition<Result<Vec<ActiveProducer>, Error>> {
        let wanted = partitions.into_iter().map(|partition| (partition, ()));
        let question = Question {
            what: "describe producers",
            wanted: &wanted.collect(),
            ask: request,
            read,
        };
        question.put(&self.cluster).await
    }
}

fn request(partitions: &[(&TopicPartition, &())]) -> DescribeProducersRequest {
    let each = partitions.iter();
    let each = each.map(|((topic, index), ())| (topic.as_str(), *index));
    let topics = by_topic(each).map(|(name, partition_indexes)| TopicRequest {
        name: name.to_owned(),
        partition_indexes,
    });
    DescribeProducersRequest {
        topics: topics.collect(),
    }
}

fn read(answer: DescribeProducersResponse) -> ByPartition<Result<Vec<ActiveProducer>, Error>> {
    let topics = answer.topics.into_iter().flat_map(|topic| {
        let name = topic.name;
        topic.partitions.into_iter().map(move |partition| {
            let index = partition.partition_index;
            let what = format!("{name}-{index}");
            let outcome = Error::check(what, partition.error_code, partition.error_message);
            let producers = partition.active_producers.iter().map(producer);
            ((name.clone(), index), outcome.map(|()| producers.collect()))
        })
    });
    topics.collect()
}

fn producer(state: &ProducerState) -> ActiveProducer {
    ActiveProducer {
        id: state.producer_id,
        epoch: state.producer_epoch,
        last_sequence: (0 <= state.last_sequence).then_some(state.last_sequence),
        last_timestamp: (0 <= state.last_timestamp).then_some(state.last_timestamp),
        coordinator_epoch: (0 <= state.coordinator_epoch).then_some(state.coordinator_epoch),
        transaction_start: (0 <= state.current_txn_start_offset)
            .then_some(state.current_txn_start_offset),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_absent_and_not_minus_one() {
        let described = producer(&ProducerState {
            producer_id: 4,
            producer_epoch: 1,
            last_sequence: -1,
            last_timestamp: -1,
            coordinator_epoch: -1,
            current_txn_start_offset: -1,
        });
        let expected = ActiveProducer {
            id: 4,
            epoch: 1,
            last_sequence: None,
            last_timestamp: None,
            coordinator_epoch: None,
            transaction_start: None,
        };
        assert_eq!(described, expected);
    }
}
