//! Produce as the wire shows it: what a client library would never send.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use odradek_protocol::{
    ErrorCode, Uuid,
    messages::produce::{
        PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse,
        TopicProduceData,
    },
    records::BatchBuilder,
};

use crate::wire::Wire;

/// The newest version: topics by id.
pub(crate) const VERSION: i16 = 13;

/// A request for one partition with acks=all.
pub(crate) fn request(topic_id: Uuid, partition: i32, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData {
        index: partition,
        records: Some(records),
    };
    let topic = TopicProduceData {
        topic_id,
        partition_data: vec![data],
        ..Default::default()
    };
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![topic],
        ..Default::default()
    }
}

/// Produces to one partition; the base offset, or what is said against it.
pub(crate) fn produce(
    wire: &mut Wire,
    topic_id: Uuid,
    partition: i32,
    records: Bytes,
) -> Result<i64, PartitionProduceResponse> {
    let answer: ProduceResponse = wire.call(VERSION, &request(topic_id, partition, records));
    let partition = answer.responses[0].partition_responses[0].clone();
    match partition.error_code {
        ErrorCode::None => Ok(partition.base_offset),
        _ => Err(partition),
    }
}

/// A batch of `count` records of so many bytes each.
pub(crate) fn batch_of(count: usize, value_bytes: usize) -> Bytes {
    batch_at(now_ms(), count, value_bytes)
}

/// The same with this timestamp.
pub(crate) fn batch_at(timestamp: i64, count: usize, value_bytes: usize) -> Bytes {
    let value = vec![b'x'; value_bytes];
    (0..count)
        .fold(BatchBuilder::new(), |batch, _| {
            batch.record(timestamp, None, Some(&value))
        })
        .build()
        .to_bytes()
}

/// The clock of this machine, as records carry it.
#[expect(
    clippy::disallowed_methods,
    reason = "a test is a client, with a clock of its own"
)]
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}
