//! Replicas that may lead without being in sync (KIP-966).

use std::collections::BTreeMap;

use odradek_connection::CallError;
use odradek_protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicRequest,
};

use super::Admin;
use crate::{cluster::Target, error::Error};

/// Who may lead a partition once nobody in sync is left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EligibleLeaders {
    /// Replicas that have everything that was committed, by the ids of their brokers.
    pub eligible: Vec<i32>,
    /// Those that were the last to be so, once there is none.
    pub last_known: Vec<i32>,
}

/// For each partition of each topic.
pub type EligibleByTopic = BTreeMap<String, BTreeMap<i32, EligibleLeaders>>;

impl Admin {
    /// The eligible leaders of every partition of these topics, asked for in pages of so many
    /// partitions at most. Topics that do not exist are left out. `None` from brokers that do not
    /// tell (those before Kafka 3.7).
    pub async fn eligible_leaders(
        &self,
        topics: &[String],
        partitions_max: i32,
    ) -> Result<Option<EligibleByTopic>, Error> {
        let mut all = EligibleByTopic::new();
        // A request without topics would ask for all of them.
        if topics.is_empty() {
            return Ok(Some(all));
        }
        let mut named: Vec<_> = topics.iter().map(String::as_str).collect();
        named.sort_unstable();
        let topics = named.into_iter().map(|name| TopicRequest {
            name: name.to_owned(),
        });
        let mut request = DescribeTopicPartitionsRequest {
            topics: topics.collect(),
            response_partition_limit: partitions_max,
            cursor: None,
        };
        loop {
            let page = self.ask(
                "describe partitions",
                Target::Any,
                |_| Ok(request.clone()),
                Ok,
            );
            let page = match page.await {
                Ok(page) => page,
                Err(Error::Call(CallError::Unserved { .. })) => return Ok(None),
                Err(error) => return Err(error),
            };
            let Some(next) = collect(page, &mut all) else {
                return Ok(Some(all));
            };
            if request.cursor.as_ref() == Some(&next) {
                return Err(Error::Incomplete(format!(
                    "partitions behind {}",
                    next.topic_name
                )));
            }
            request.cursor = Some(next);
        }
    }
}

/// Adds what a page tells, and says where the next one begins.
fn collect(page: DescribeTopicPartitionsResponse, all: &mut EligibleByTopic) -> Option<Cursor> {
    for topic in page.topics {
        let Some(name) = topic.name.filter(|_| !topic.error_code.is_error()) else {
            continue;
        };
        let partitions = topic.partitions.into_iter().map(|partition| {
            let eligible = EligibleLeaders {
                eligible: partition.eligible_leader_replicas.unwrap_or_default(),
                last_known: partition.last_known_elr.unwrap_or_default(),
            };
            (partition.partition_index, eligible)
        });
        all.entry(name).or_default().extend(partitions);
    }
    page.next_cursor
}
