//! Fetch: check, look at what changed, wait if that is not enough, answer with file ranges.
//!
//! A consumer and a follower are served by the same path; they differ in how far they may read.
//! There are no followers yet, so whoever claims to be one is told that it is none.

use std::{sync::Arc, time::Duration};

use odradek_protocol::{
    ApiKey, ErrorCode, Records,
    messages::fetch::{
        EpochEndOffset, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse,
        PartitionData,
    },
};
use odradek_storage::read::LogSlice;
use tokio::time::{Instant, timeout_at};

use super::{context::RequestContext, error_code};
use crate::{
    fetch::{
        pass::{Limits, Looked, Pass},
        reading::{Isolation, Reading},
        session::Opened,
        subscription::{PartitionKey, TopicKey, Wanted},
    },
    replica::Partition,
    telemetry::metrics::Metrics,
};

/// From this version on, topics go by id (KIP-516).
const TOPIC_IDS_FROM: i16 = 13;

/// Answers a fetch. The slices fill the gaps of the response, in their order.
///
/// Cancellation safe: what was not told the client is kept for its session's next request.
pub(crate) async fn handle(
    ctx: &RequestContext,
    request: FetchRequest,
) -> (FetchResponse, Vec<LogSlice>) {
    let by_topic_id = TOPIC_IDS_FROM <= ctx.api_version;
    let opened = ctx.services.fetch_sessions.open(
        request.session_id,
        request.session_epoch,
        by_topic_id,
        ctx.services.clock.now_ms(),
    );
    let Opened {
        session,
        incremental,
    } = match opened {
        Ok(opened) => opened,
        Err(error_code) => {
            return (
                FetchResponse {
                    error_code,
                    ..Default::default()
                },
                Vec::new(),
            );
        }
    };
    let claims_replica = 0 <= request.replica_id || 0 <= request.replica_state.replica_id;
    let resolve = |key: &PartitionKey| {
        if claims_replica {
            return Err(ErrorCode::NotLeaderOrFollower);
        }
        find(ctx, key)
    };
    let deadline = Instant::now() + wait_max(&request);
    let followed = {
        let mut subscription = session.subscription.lock();
        for topic in &request.forgotten_topics_data {
            let name = topic_key(by_topic_id, &topic.topic, topic.topic_id);
            for &index in &topic.partitions {
                subscription.forget(&PartitionKey {
                    topic: name.clone(),
                    index,
                });
            }
        }
        for topic in &request.topics {
            let name = topic_key(by_topic_id, &topic.topic, topic.topic_id);
            for (index, wanted) in wanted(topic) {
                subscription.want(
                    PartitionKey {
                        topic: name.clone(),
                        index,
                    },
                    wanted,
                );
            }
        }
        subscription.len()
    };
    let kept = ctx.services.fetch_sessions.keep(&session, followed);
    let session_id = if kept { session.id } else { 0 };
    let limits = limits(ctx, &request);
    // It may be large, and the wait long.
    drop(request);
    let mut pass = Pass::new(Arc::clone(&session), limits);
    let pool = &ctx.services.disk;
    pass.look(&resolve, pool).await;
    let waiting = ctx.services.fetch_sessions.wait();
    while 0 < followed && !pass.is_enough() {
        if timeout_at(deadline, session.interest.marked())
            .await
            .is_err()
        {
            break;
        }
        pass.look(&resolve, pool).await;
    }
    drop(waiting);
    let looked = pass.answer(incremental);
    let (response, slices) = respond(session_id, looked, limits.isolation);
    count(&ctx.services.metrics, &response, &slices);
    (response, slices)
}

fn count(metrics: &Metrics, response: &FetchResponse, slices: &[LogSlice]) {
    let bytes = slices.iter().map(|slice| u64::from(slice.len)).sum();
    metrics.bytes_out.inc_by(bytes);
    let topics = response.responses.iter();
    let codes = topics.flat_map(|topic| topic.partitions.iter().map(|found| found.error_code));
    let mut failed = false;
    for code in codes.filter(|code| code.is_error()) {
        metrics.error(ApiKey::Fetch, code);
        failed = true;
    }
    if failed {
        metrics.fetch_requests_failed.inc();
    }
}

fn find(ctx: &RequestContext, key: &PartitionKey) -> Result<Arc<Partition>, ErrorCode> {
    let replicas = &ctx.services.replicas;
    let found = match &key.topic {
        TopicKey::Name(name) => replicas.partition(name, key.index),
        TopicKey::Id(id) => replicas.partition_by_id(*id, key.index),
    };
    found.map_err(error_code::of_partition)
}

fn topic_key(by_topic_id: bool, name: &str, id: uuid::Uuid) -> TopicKey {
    if by_topic_id {
        TopicKey::Id(id)
    } else {
        TopicKey::Name(name.into())
    }
}

fn wanted(topic: &FetchTopic) -> impl Iterator<Item = (i32, Wanted)> {
    topic.partitions.iter().map(|asked| {
        let wanted = Wanted {
            fetch_offset: asked.fetch_offset,
            max_bytes: u32::try_from(asked.partition_max_bytes).unwrap_or(0),
            current_leader_epoch: asked.current_leader_epoch,
            last_fetched_epoch: asked.last_fetched_epoch,
        };
        (asked.partition, wanted)
    })
}

fn wait_max(request: &FetchRequest) -> Duration {
    Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0))
}

fn limits(ctx: &RequestContext, request: &FetchRequest) -> Limits {
    let configured = ctx.services.config.fetch.response_bytes_max;
    let bytes_max = u32::try_from(request.max_bytes.min(configured)).unwrap_or(0);
    Limits {
        bytes_min: u32::try_from(request.min_bytes).unwrap_or(0).min(bytes_max),
        bytes_max,
        isolation: match request.isolation_level {
            1 => Isolation::ReadCommitted,
            _ => Isolation::ReadUncommitted,
        },
    }
}

fn respond(
    session_id: i32,
    looked: Vec<Looked>,
    isolation: Isolation,
) -> (FetchResponse, Vec<LogSlice>) {
    let mut slices = Vec::new();
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    let mut current: Option<TopicKey> = None;
    for Looked { candidate, reading } in looked {
        let topic = &candidate.key.topic;
        if current.as_ref() != Some(topic) {
            responses.push(topic_response(topic));
            current = Some(topic.clone());
        }
        let partition = partition_data(candidate.key.index, &reading, isolation);
        slices.extend(reading.slice);
        if let Some(response) = responses.last_mut() {
            response.partitions.push(partition);
        }
    }
    (
        FetchResponse {
            session_id,
            responses,
            ..Default::default()
        },
        slices,
    )
}

fn topic_response(topic: &TopicKey) -> FetchableTopicResponse {
    match topic {
        TopicKey::Name(name) => FetchableTopicResponse {
            topic: name.to_string(),
            ..Default::default()
        },
        TopicKey::Id(topic_id) => FetchableTopicResponse {
            topic_id: *topic_id,
            ..Default::default()
        },
    }
}

fn partition_data(index: i32, reading: &Reading, isolation: Isolation) -> PartitionData {
    let diverging_epoch = reading
        .diverging
        .map_or_else(EpochEndOffset::default, |end| EpochEndOffset {
            epoch: end.epoch,
            end_offset: end.end_offset,
        });
    PartitionData {
        partition_index: index,
        error_code: reading.error,
        high_watermark: reading.high_watermark,
        last_stable_offset: reading.last_stable,
        log_start_offset: reading.log_start,
        diverging_epoch,
        // No transaction can have been aborted while there are none.
        aborted_transactions: (isolation == Isolation::ReadCommitted).then(Vec::new),
        records: reading
            .slice
            .as_ref()
            .map_or(Records::Empty, |slice| Records::Gap(slice.len)),
        ..Default::default()
    }
}
