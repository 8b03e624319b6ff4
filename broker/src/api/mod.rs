//! From a request's bytes to its answer: the only match on the API key.
//!
//! - [`context`]: what a handler may use, and who asks.
//! - [`request`]: a request whose header was read.
//! - [`api_versions`]: what is served; every client's first question.
//! - [`error_code`]: every internal error as Kafka's number.
//!
//! and one file per API with its handler. Handlers know neither sockets nor encodings. Their shape:
//!
//! ```text
//! pub(crate) async fn handle(ctx: &RequestContext, request: XRequest) -> XResponse
//! ```
//!
//! Two differ. Fetch returns the file ranges beside its response, in the order of the response's
//! gaps. Produce puts its records into the partitions' queues before it returns a future, so that
//! several produces of one connection are under way together and still append in order.
//!
//! A handler is cancelled by dropping its future: when the client has gone, or when the broker
//! stops. So whatever must run to its end is handed to another owner before the first `.await`.

mod alter_configs;
mod alter_partition_reassignments;
mod api_versions;
mod authorized_operations;
mod config_resource;
pub(crate) mod context;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod effective_config;
mod elect_leaders;
pub(crate) mod error_code;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leader_hint;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod reachability;
mod request;
mod sync_group;

use std::{pin::Pin, sync::Arc};

use odradek_protocol::{
    ApiKey, DecodeError, EncodeError, Message,
    frame::{self, EncodedFrame},
    header::HeaderError,
};
use odradek_storage::read::LogSlice;

pub(crate) use api_versions::SERVED;
use context::{ConnectionInfo, RequestContext, Services};
pub(crate) use request::{Kind, Request, request_bytes_max};

/// The answer to one request, once it is there; `None` for a request that wants none.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Outcome> + Send>>;

type Outcome = Result<Option<EncodedResponse>, CloseConnection>;

/// A response as it goes to the socket.
#[derive(Debug)]
pub(crate) struct EncodedResponse {
    /// The frame with its gaps.
    pub(crate) frame: EncodedFrame,
    /// What goes into the gaps, in their order. Several ranges may fill one gap.
    pub(crate) ranges: Vec<LogSlice>,
}

/// There is no answer that could tell the client what is wrong: its connection is closed instead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CloseConnection {
    /// The header cannot be read, or names an API that we do not know.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// An API or a version that is not advertised.
    #[error("{key} version {version} is not served")]
    VersionNotServed { key: ApiKey, version: i16 },
    /// The body cannot be read.
    #[error("read {key} version {version}: {source}")]
    Body {
        key: ApiKey,
        version: i16,
        source: DecodeError,
    },
    /// A produce with acks=0 failed; there is no answer to put the error into.
    #[error("a produce with acks=0 failed: {reason}")]
    UnacknowledgedProduce { reason: String },
    /// A mistake of ours.
    #[error("encode the answer to {key}: {source}")]
    Encode { key: ApiKey, source: EncodeError },
}

/// Starts a request and returns the future of its answer. What has to happen in the order of
/// requests has happened when this returns.
pub(crate) fn start(
    services: &Arc<Services>,
    connection: &Arc<ConnectionInfo>,
    request: &Request,
) -> Result<Answer, CloseConnection> {
    let key = request.header.api_key;
    let reply = Reply {
        key,
        version: request.header.api_version,
        correlation_id: request.header.correlation_id,
    };
    let ctx = RequestContext {
        services: Arc::clone(services),
        connection: Arc::clone(connection),
        api_version: request.header.api_version,
        client_id: request.header.client_id.clone(),
    };
    tracing::debug!(
        connection = connection.id,
        principal = %connection.principal,
        client_id = ctx.client_id,
        version = ctx.api_version,
        "{key} request"
    );
    macro_rules! answer {
        ($handle:path) => {{
            let body = request.decode_body()?;
            Box::pin(async move { reply.with(&$handle(&ctx, body).await) })
        }};
    }
    Ok(match key {
        ApiKey::ApiVersions if !api_versions::is_served(key, reply.version) => {
            let reply = Reply {
                version: 0,
                ..reply
            };
            Box::pin(async move { reply.with(&api_versions::unsupported_version()) })
        }
        ApiKey::ApiVersions => answer!(api_versions::handle),
        ApiKey::Produce => {
            let answer = produce::start(ctx, request.decode_body()?);
            Box::pin(async move {
                match answer.await? {
                    Some(response) => reply.with(&response),
                    None => Ok(None),
                }
            })
        }
        ApiKey::ListOffsets => answer!(list_offsets::handle),
        ApiKey::OffsetForLeaderEpoch => answer!(offset_for_leader_epoch::handle),
        ApiKey::InitProducerId => answer!(init_producer_id::handle),
        ApiKey::Fetch => {
            let body = request.decode_body()?;
            Box::pin(async move {
                let (response, ranges) = fetch::handle(&ctx, body).await;
                reply.with_ranges(&response, ranges)
            })
        }
        ApiKey::Metadata => answer!(metadata::handle),
        ApiKey::OffsetCommit => answer!(offset_commit::handle),
        ApiKey::OffsetDelete => answer!(offset_delete::handle),
        ApiKey::OffsetFetch => answer!(offset_fetch::handle),
        ApiKey::CreatePartitions => answer!(create_partitions::handle),
        ApiKey::CreateTopics => answer!(create_topics::handle),
        ApiKey::DeleteRecords => answer!(delete_records::handle),
        ApiKey::DeleteTopics => answer!(delete_topics::handle),
        ApiKey::DescribeCluster => answer!(describe_cluster::handle),
        ApiKey::DescribeConfigs => answer!(describe_configs::handle),
        ApiKey::AlterConfigs => answer!(alter_configs::handle),
        ApiKey::IncrementalAlterConfigs => answer!(incremental_alter_configs::handle),
        ApiKey::DescribeLogDirs => answer!(describe_log_dirs::handle),
        ApiKey::DescribeProducers => answer!(describe_producers::handle),
        ApiKey::DescribeQuorum => answer!(describe_quorum::handle),
        ApiKey::ElectLeaders => answer!(elect_leaders::handle),
        ApiKey::AlterPartitionReassignments => answer!(alter_partition_reassignments::handle),
        ApiKey::ListPartitionReassignments => answer!(list_partition_reassignments::handle),
        ApiKey::ListConfigResources => answer!(list_config_resources::handle),
        ApiKey::DescribeTopicPartitions => answer!(describe_topic_partitions::handle),
        ApiKey::FindCoordinator => answer!(find_coordinator::handle),
        ApiKey::JoinGroup => answer!(join_group::handle),
        ApiKey::SyncGroup => answer!(sync_group::handle),
        ApiKey::Heartbeat => answer!(heartbeat::handle),
        ApiKey::LeaveGroup => answer!(leave_group::handle),
        ApiKey::DescribeGroups => answer!(describe_groups::handle),
        ApiKey::ListGroups => answer!(list_groups::handle),
        ApiKey::DeleteGroups => answer!(delete_groups::handle),
        // For clients of other brokers; whoever asks us was refused when the header was read.
        ApiKey::ConsumerGroupDescribe => {
            let version = reply.version;
            return Err(CloseConnection::VersionNotServed { key, version });
        }
    })
}

/// How to encode the answer to one request.
#[derive(Debug, Clone, Copy)]
struct Reply {
    key: ApiKey,
    version: i16,
    correlation_id: i32,
}

impl Reply {
    fn with<R: Message>(self, response: &R) -> Outcome {
        self.with_ranges(response, Vec::new())
    }

    fn with_ranges<R: Message>(self, response: &R, ranges: Vec<LogSlice>) -> Outcome {
        let frame = frame::encode_response(self.correlation_id, self.version, response).map_err(
            |source| CloseConnection::Encode {
                key: self.key,
                source,
            },
        )?;
        Ok(Some(EncodedResponse { frame, ranges }))
    }
}
