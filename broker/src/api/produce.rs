//! Produce: check, enqueue at once, wait for what the client wants to be certain of, answer.
//!
//! [`start`] puts every record set into its partition's queue before it returns, so requests of one
//! connection are appended in the order in which they came while several are under way. Records
//! are slices of the request's frame from here down to the write.
//!
//! What does not reach a queue is refused on the spot; each partition succeeds or fails alone.
//! With `acks=0` there is no answer; an error then closes the connection, as in Kafka.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use odradek_metadata::topic_name;
use odradek_protocol::{
    ApiKey, ErrorCode,
    messages::produce::{
        BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, ProduceRequest,
        ProduceResponse, TopicProduceData, TopicProduceResponse,
    },
    records::{BatchHeader, Compression},
};
use odradek_storage::{
    append::{AppendRequest, Appended},
    error::AppendError as LogAppendError,
};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::{CloseConnection, context::RequestContext, error_code, leader_hint::LeaderHints};
use crate::{
    error_chain::ErrorChain,
    replica::{AppendError, AppendReply, Partition, PartitionError, RequiredAcks},
    telemetry::metrics::Metrics,
};

/// From this version on, topics go by id (KIP-516).
const TOPIC_IDS_FROM: i16 = 13;
/// From this version on, clients may send zstd (KIP-110).
const ZSTD_FROM: i16 = 7;

/// Enqueues the records and returns the future of the answer.
///
/// The future may be dropped: what was enqueued is appended all the same.
pub(super) fn start(
    ctx: RequestContext,
    request: ProduceRequest,
) -> impl Future<Output = Result<Option<ProduceResponse>, CloseConnection>> + Send {
    let acks = check_request(&request);
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = Instant::now() + timeout;
    let topics: Vec<StartedTopic> = request
        .topic_data
        .into_iter()
        .map(|topic| StartedTopic::start(&ctx, topic, acks))
        .collect();
    async move {
        let mut response = ProduceResponse::default();
        response.responses.reserve_exact(topics.len());
        for topic in topics {
            response
                .responses
                .push(topic.finish(&ctx, acks, deadline).await);
        }
        attend_to_errors(&ctx, &mut response);
        match acks {
            Ok(RequiredAcks::None) => first_error(&response).map(|()| None),
            _ => Ok(Some(response)),
        }
    }
}

/// What is refused for the request as a whole.
fn check_request(request: &ProduceRequest) -> Result<RequiredAcks, ErrorCode> {
    if let Some(transactional_id) = &request.transactional_id {
        tracing::debug!(
            transactional_id,
            "transactional produce refused: not supported yet"
        );
        return Err(error_code::TRANSACTIONS_NOT_SUPPORTED);
    }
    match request.acks {
        0 => Ok(RequiredAcks::None),
        1 => Ok(RequiredAcks::Leader),
        -1 => Ok(RequiredAcks::All),
        _ => Err(ErrorCode::InvalidRequiredAcks),
    }
}

/// Counts the errors of an answer, and says where the leader is to whom asked the wrong broker.
fn attend_to_errors(ctx: &RequestContext, response: &mut ProduceResponse) {
    let metrics = &ctx.services.metrics;
    let mut failed = false;
    let mut hints = None;
    for TopicProduceResponse {
        name,
        topic_id,
        partition_responses,
    } in &mut response.responses
    {
        for partition in partition_responses {
            let code = partition.error_code;
            if !code.is_error() {
                continue;
            }
            failed = true;
            metrics.error(ApiKey::Produce, code);
            if code == ErrorCode::NotLeaderOrFollower {
                let hints = hints.get_or_insert_with(|| LeaderHints::new(ctx));
                partition.current_leader = if TOPIC_IDS_FROM <= ctx.api_version {
                    hints.leader_by_id(*topic_id, partition.index)
                } else {
                    hints.leader(name, partition.index)
                };
            }
        }
    }
    if failed {
        metrics.produce_requests_failed.inc();
    }
    response.node_endpoints = hints.map(LeaderHints::into_endpoints).unwrap_or_default();
}

/// With `acks=0` an error has nowhere to go but into the connection's end.
fn first_error(response: &ProduceResponse) -> Result<(), CloseConnection> {
    let mut partitions = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses);
    match partitions.find(|partition| partition.error_code.is_error()) {
        None => Ok(()),
        Some(failed) => Err(CloseConnection::UnacknowledgedProduce {
            reason: failed
                .error_message
                .clone()
                .unwrap_or_else(|| failed.error_code.to_string()),
        }),
    }
}

/// A topic's part of a request under way.
struct StartedTopic {
    name: String,
    topic_id: Uuid,
    partitions: Vec<(i32, Result<Enqueued, Refusal>)>,
}

/// A record set that waits in its partition's queue.
struct Enqueued {
    partition: Arc<Partition>,
    reply: AppendReply,
    /// Length of the record set.
    bytes: u64,
}

/// Why records were not appended, or not acknowledged.
struct Refusal {
    code: ErrorCode,
    message: Option<String>,
    /// Place in the batch of the record to blame, if it is a single one.
    record: Option<i32>,
}

impl StartedTopic {
    fn start(
        ctx: &RequestContext,
        topic: TopicProduceData,
        acks: Result<RequiredAcks, ErrorCode>,
    ) -> Self {
        let TopicProduceData {
            name,
            topic_id,
            partition_data,
        } = topic;
        let replicas = &ctx.services.replicas;
        let partitions =
            partition_data
                .into_iter()
                .map(|PartitionProduceData { index, records }| {
                    let partition = if TOPIC_IDS_FROM <= ctx.api_version {
                        replicas.partition_by_id(topic_id, index)
                    } else {
                        replicas.partition(&name, index)
                    };
                    (
                        index,
                        enqueue(
                            ctx.api_version,
                            partition,
                            records.unwrap_or_default(),
                            acks,
                        ),
                    )
                });
        Self {
            partitions: partitions.collect(),
            name,
            topic_id,
        }
    }

    async fn finish(
        self,
        ctx: &RequestContext,
        acks: Result<RequiredAcks, ErrorCode>,
        deadline: Instant,
    ) -> TopicProduceResponse {
        let mut partition_responses = Vec::with_capacity(self.partitions.len());
        for (index, started) in self.partitions {
            let appended = match started {
                Ok(enqueued) => enqueued.finish(&ctx.services.metrics, acks, deadline).await,
                Err(refusal) => Err(refusal),
            };
            partition_responses.push(respond(index, appended));
        }
        TopicProduceResponse {
            name: self.name,
            topic_id: self.topic_id,
            partition_responses,
        }
    }
}

fn enqueue(
    api_version: i16,
    partition: Result<Arc<Partition>, PartitionError>,
    records: Bytes,
    acks: Result<RequiredAcks, ErrorCode>,
) -> Result<Enqueued, Refusal> {
    let acks = acks?;
    let partition = partition.map_err(error_code::of_partition)?;
    // What the broker itself remembers is not a client's to write.
    if topic_name::is_internal(partition.topic()) {
        return Err(ErrorCode::InvalidTopicException.into());
    }
    if api_version < ZSTD_FROM && is_zstd(&records) {
        return Err(ErrorCode::UnsupportedCompressionType.into());
    }
    let bytes = records.len() as u64;
    let reply = partition.enqueue_append(AppendRequest { records }, acks);
    Ok(Enqueued {
        partition,
        reply,
        bytes,
    })
}

/// Whether a batch that can be read at all says so; the log judges the others.
fn is_zstd(records: &Bytes) -> bool {
    BatchHeader::parse(records)
        .is_ok_and(|header| header.attributes.compression() == Compression::Zstd)
}

impl Enqueued {
    /// Waits until the records are where the client wants them to be.
    async fn finish(
        self,
        metrics: &Metrics,
        acks: Result<RequiredAcks, ErrorCode>,
        deadline: Instant,
    ) -> Result<Appended, Refusal> {
        // The sender vanishes only when the broker stops or the append panicked; a client finds
        // out where the partition is now.
        let appended = self
            .reply
            .await
            .map_err(|_| ErrorCode::NotLeaderOrFollower)??;
        if !appended.duplicate {
            metrics.bytes_in.inc_by(self.bytes);
            metrics
                .messages_in
                .inc_by(appended.last_offset.abs_diff(appended.base_offset) + 1);
        }
        if acks == Ok(RequiredAcks::All)
            && let Some(committed) = self.partition.committed(appended.last_offset + 1)
        {
            match timeout_at(deadline, committed).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(ErrorCode::NotLeaderOrFollower.into()),
                Err(_) => return Err(ErrorCode::RequestTimedOut.into()),
            }
        }
        Ok(appended)
    }
}

fn respond(index: i32, appended: Result<Appended, Refusal>) -> PartitionProduceResponse {
    match appended {
        Ok(appended) => PartitionProduceResponse {
            index,
            base_offset: appended.base_offset,
            log_append_time_ms: appended.log_append_time_ms.unwrap_or(-1),
            log_start_offset: appended.log_start_offset,
            ..Default::default()
        },
        Err(Refusal {
            code,
            message,
            record,
        }) => PartitionProduceResponse {
            index,
            error_code: code,
            base_offset: -1,
            record_errors: record
                .map(|batch_index| BatchIndexAndErrorMessage {
                    batch_index,
                    batch_index_error_message: message.clone(),
                })
                .into_iter()
                .collect(),
            error_message: message,
            ..Default::default()
        },
    }
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            message: None,
            record: None,
        }
    }
}

impl From<AppendError> for Refusal {
    fn from(error: AppendError) -> Self {
        let record = match &error {
            AppendError::Log(LogAppendError::InvalidRecord(cause)) => cause.record_index(),
            _ => None,
        };
        Self {
            code: error_code::of_append(&error),
            message: Some(ErrorChain(&error).to_string()),
            record,
        }
    }
}

#[cfg(test)]
mod tests {
    use odradek_protocol::records::{BatchBuilder, RecordError};

    use super::*;

    #[test]
    fn only_three_kinds_of_acknowledgement_exist_and_transactions_do_not() {
        for (acks, transactional_id, expected) in [
            (0, None, Ok(RequiredAcks::None)),
            (1, None, Ok(RequiredAcks::Leader)),
            (-1, None, Ok(RequiredAcks::All)),
            (2, None, Err(ErrorCode::InvalidRequiredAcks)),
            (
                -1,
                Some("t".to_owned()),
                Err(ErrorCode::TransactionalIdAuthorizationFailed),
            ),
        ] {
            let request = ProduceRequest {
                acks,
                transactional_id,
                ..Default::default()
            };
            assert_eq!(check_request(&request), expected, "acks={acks}");
        }
    }

    #[test]
    fn zstd_is_recognised_and_bytes_that_are_no_batch_are_left_to_the_log() {
        let batch = |codec| {
            BatchBuilder::new()
                .compression(codec)
                .record(0, None, None)
                .build()
        };
        assert!(is_zstd(&batch(Compression::Zstd).to_bytes()));
        assert!(!is_zstd(&batch(Compression::Lz4).to_bytes()));
        assert!(!is_zstd(&Bytes::from_static(b"no batch")));
    }

    #[test]
    fn a_refused_record_is_named_with_its_place_and_the_reason() {
        let error = AppendError::Log(LogAppendError::InvalidRecord(RecordError::MissingKey {
            index: 3,
        }));
        let response = respond(5, Err(error.into()));
        assert_eq!(
            (response.index, response.error_code),
            (5, ErrorCode::InvalidRecord)
        );
        assert_eq!((response.base_offset, response.log_start_offset), (-1, -1));
        let refused: Vec<_> = response
            .record_errors
            .iter()
            .map(|e| e.batch_index)
            .collect();
        assert_eq!(refused, [3]);
        let message = response.error_message.unwrap_or_default();
        assert!(message.contains("record 3 has no key"), "{message}");
    }

    #[test]
    fn an_error_without_an_answer_closes_the_connection_with_its_reason() {
        let partition = |result| TopicProduceResponse {
            partition_responses: vec![respond(0, result)],
            ..Default::default()
        };
        let appended = Appended {
            base_offset: 0,
            last_offset: 0,
            log_append_time_ms: None,
            log_start_offset: 0,
            duplicate: false,
        };
        let mut response = ProduceResponse {
            responses: vec![partition(Ok(appended))],
            ..Default::default()
        };
        assert!(first_error(&response).is_ok());
        response
            .responses
            .push(partition(Err(ErrorCode::KafkaStorageError.into())));
        let closed = first_error(&response).map_err(|error| error.to_string());
        assert!(closed.is_err_and(|reason| reason.contains("log directory failed")));
    }
}
