//! DeleteRecords: moves the starts of logs.
//!
//! All partitions of a request are one job on the disk pool, with one durable checkpoint for all of
//! them. With one replica of each partition there is nobody else to wait for, so the request's
//! timeout has no meaning yet.

use std::sync::Arc;

use odradek_metadata::topic_name;
use odradek_protocol::{
    ErrorCode,
    messages::delete_records::{
        DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest,
        DeleteRecordsResponse, DeleteRecordsTopicResult, TO_HIGH_WATERMARK,
    },
};

use super::{context::RequestContext, error_code};
use crate::replica::{DeleteBelow, DeleteRecordsError, Partition};

/// A partition whose records may be deleted, and up to where.
type Deletion = (Arc<Partition>, DeleteBelow);

/// Deletes records, and answers every partition of the request in its order.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let mut deletions = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut prepared = Vec::with_capacity(topic.partitions.len());
        for asked in topic.partitions {
            let deletion = prepare(ctx, &topic.name, &asked);
            let admitted = deletion.map(|deletion| deletions.push(deletion));
            prepared.push((asked.partition_index, admitted));
        }
        topics.push((topic.name, prepared));
    }
    let replicas = Arc::clone(&ctx.services.replicas);
    let delete = move || replicas.delete_records(&deletions);
    // The pool loses a job only when the broker stops.
    let outcomes = ctx.services.disk.run(delete).await.unwrap_or_default();
    let mut outcomes = outcomes.into_iter();
    let mut outcome_of = |admitted: Result<(), ErrorCode>| {
        admitted?;
        let outcome = outcomes.next().unwrap_or(Err(DeleteRecordsError::Closed));
        outcome.map_err(|error| error_code::of_delete_records(&error))
    };
    let topics = topics
        .into_iter()
        .map(|(name, prepared)| DeleteRecordsTopicResult {
            name,
            partitions: prepared
                .into_iter()
                .map(|(index, admitted)| result(index, outcome_of(admitted)))
                .collect(),
        });
    DeleteRecordsResponse {
        topics: topics.collect(),
        ..Default::default()
    }
}

fn prepare(
    ctx: &RequestContext,
    topic: &str,
    asked: &DeleteRecordsPartition,
) -> Result<Deletion, ErrorCode> {
    let partition = ctx
        .services
        .replicas
        .partition(topic, asked.partition_index)
        .map_err(error_code::of_partition)?;
    // What the broker itself remembers is not a client's to delete.
    if topic_name::is_internal(topic) {
        return Err(ErrorCode::InvalidTopicException);
    }
    let below = match asked.offset {
        TO_HIGH_WATERMARK => DeleteBelow::HighWatermark,
        offset => DeleteBelow::Offset(offset),
    };
    Ok((partition, below))
}

fn result(partition_index: i32, outcome: Result<i64, ErrorCode>) -> DeleteRecordsPartitionResult {
    let (low_watermark, error_code) = match outcome {
        Ok(log_start) => (log_start, ErrorCode::None),
        Err(code) => (-1, code),
    };
    DeleteRecordsPartitionResult {
        partition_index,
        low_watermark,
        error_code,
    }
}
