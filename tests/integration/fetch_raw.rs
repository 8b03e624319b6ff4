//! Fetch as the wire shows it: exactly what was asked, and exactly what came.

use odradek_protocol::{
    ErrorCode, Records, Uuid,
    messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData},
    records::{Batches, RecordBatch},
};

use crate::wire::Wire;

/// The newest version: topics by id, sessions.
pub(crate) const VERSION: i16 = 17;

/// Up to 1 MiB of a partition.
pub(crate) fn asked(partition: i32, fetch_offset: i64) -> FetchPartition {
    FetchPartition {
        partition,
        fetch_offset,
        partition_max_bytes: 1 << 20,
        ..Default::default()
    }
}

/// A request without a session that waits for nothing.
pub(crate) fn request(topic_id: Uuid, partitions: Vec<FetchPartition>) -> FetchRequest {
    let topics = if partitions.is_empty() {
        Vec::new()
    } else {
        vec![FetchTopic {
            topic_id,
            partitions,
            ..Default::default()
        }]
    };
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        topics,
        ..Default::default()
    }
}

/// What is there at an offset of a partition at this moment.
pub(crate) fn fetch(wire: &mut Wire, topic_id: Uuid, partition: i32, offset: i64) -> PartitionData {
    let asked = request(topic_id, vec![asked(partition, offset)]);
    let response: FetchResponse = wire.call(VERSION, &asked);
    only_partition(&response).clone()
}

/// The answer for the only partition of a request.
pub(crate) fn only_partition(response: &FetchResponse) -> &PartitionData {
    assert_eq!(response.error_code, ErrorCode::None);
    &response.responses[0].partitions[0]
}

/// The whole batches in an answer.
pub(crate) fn batches(partition: &PartitionData) -> Vec<RecordBatch> {
    let Records::Inline(records) = &partition.records else {
        return Vec::new();
    };
    Batches::new(records.clone()).map(Result::unwrap).collect()
}
