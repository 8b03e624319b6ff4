//! DescribeTopicPartitions: topics page by page, for clusters whose partitions do not fit into one
//! answer (KIP-966). Java's admin client describes topics with it.
//!
//! Topics come in the order of their names. A page ends when it has as many partitions as the
//! client and `max.request.partition.size.limit` allow, and says where the next one begins. Pages
//! are of the images of their moments: topics may come and go between two of them.

use std::collections::BTreeSet;

use odradek_metadata::{TopicImage, topic_name};
use odradek_protocol::{
    ErrorCode,
    messages::describe_topic_partitions::{
        Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
        DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
    },
};
use uuid::Uuid;

use super::{
    authorized_operations,
    context::RequestContext,
    reachability::{Reachability, SeenPartition},
};

/// Describes one page as seen from the listener that the request came in by.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let services = &ctx.services;
    let seen_by = Reachability {
        image: &services.metadata.image(),
        listener: &ctx.connection.listener,
        node_id: services.config.node_id,
        offline_here: &|topic| services.replicas.offline_of(topic),
    };
    respond(
        &seen_by,
        &request,
        services.config.topics.described_partitions_max,
    )
}

fn respond(
    seen_by: &Reachability<'_>,
    request: &DescribeTopicPartitionsRequest,
    partitions_max: usize,
) -> DescribeTopicPartitionsResponse {
    let named: BTreeSet<&str> = request.topics.iter().map(|topic| &*topic.name).collect();
    let cursor = request.cursor.as_ref();
    if cursor.is_some_and(|cursor| !is_valid(cursor, &named)) {
        let topics = named
            .into_iter()
            .map(|name| refused(name, ErrorCode::InvalidRequest));
        return DescribeTopicPartitionsResponse {
            topics: topics.collect(),
            ..Default::default()
        };
    }
    let from = cursor.map_or("", |cursor| &*cursor.topic_name);
    let names: Box<dyn Iterator<Item = &str>> = if named.is_empty() {
        Box::new(seen_by.image.topics.names().map(|name| &**name))
    } else {
        Box::new(named.into_iter())
    };
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let mut page = Page {
        seen_by,
        topics: Vec::new(),
        room: limit.min(partitions_max).max(1),
    };
    let mut next_cursor = None;
    for name in names.skip_while(|name| *name < from) {
        let first = cursor.filter(|cursor| cursor.topic_name == name);
        let first = first.map_or(0, |cursor| cursor.partition_index);
        next_cursor = page.add(name, usize::try_from(first).unwrap_or(0));
        if next_cursor.is_some() {
            break;
        }
    }
    DescribeTopicPartitionsResponse {
        topics: page.topics,
        next_cursor,
        ..Default::default()
    }
}

/// Whether a page can begin there. Among all topics, its topic may have gone since the last page.
fn is_valid(cursor: &Cursor, named: &BTreeSet<&str>) -> bool {
    let is_asked_for = named.is_empty() || named.contains(&*cursor.topic_name);
    is_asked_for && 0 <= cursor.partition_index
}

/// A page as it fills.
struct Page<'a> {
    seen_by: &'a Reachability<'a>,
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
    /// How many partitions still fit.
    room: usize,
}

impl Page<'_> {
    /// Adds a topic from its partition `first` on. Returns where the next page has to begin, if
    /// not all of it fits.
    fn add(&mut self, name: &str, first: usize) -> Option<Cursor> {
        let cursor = |partition: usize| {
            let partition_index = i32::try_from(partition).expect("partitions are numbered by i32");
            Some(Cursor {
                topic_name: name.to_owned(),
                partition_index,
            })
        };
        if self.room == 0 {
            return cursor(first);
        }
        let Some(topic) = self.seen_by.image.topic(name) else {
            self.topics.push(refused(name, of_missing(name)));
            return None;
        };
        let partitions: Vec<_> = self
            .seen_by
            .partitions(topic, first, self.room)
            .map(described)
            .collect();
        self.room -= partitions.len();
        let end = first + partitions.len();
        self.topics.push(found(topic, partitions));
        if end < topic.partitions.len() {
            cursor(end)
        } else {
            None
        }
    }
}

fn found(
    topic: &TopicImage,
    partitions: Vec<DescribeTopicPartitionsResponsePartition>,
) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::None,
        name: Some(topic.name.to_string()),
        topic_id: topic.id,
        is_internal: topic.is_internal(),
        partitions,
        topic_authorized_operations: authorized_operations::OF_TOPIC,
    }
}

fn of_missing(name: &str) -> ErrorCode {
    match topic_name::check(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    }
}

fn refused(name: &str, error_code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code,
        name: Some(name.to_owned()),
        topic_id: Uuid::nil(),
        is_internal: topic_name::is_internal(name),
        partitions: Vec::new(),
        topic_authorized_operations: if error_code == ErrorCode::InvalidRequest {
            authorized_operations::NOT_ASKED
        } else {
            authorized_operations::OF_TOPIC
        },
    }
}

fn described(seen: SeenPartition<'_>) -> DescribeTopicPartitionsResponsePartition {
    DescribeTopicPartitionsResponsePartition {
        error_code: seen.error_code,
        partition_index: seen.index,
        leader_id: seen.leader_id,
        leader_epoch: seen.image.leader_epoch,
        replica_nodes: seen.image.replicas.clone(),
        isr_nodes: seen.image.isr.clone(),
        // Nobody outside the in-sync replicas is ever eligible here.
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        offline_replicas: seen.offline_replicas,
    }
}

#[cfg(test)]
#[path = "describe_topic_partitions_tests.rs"]
mod tests;
