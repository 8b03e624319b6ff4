//! ApiVersions: which APIs and versions this broker serves.
//!
//! **Invariant:** what is listed here is what is served: [`is_served`] guards the dispatch with the
//! same table that the client is told.

use odradek_protocol::{
    ApiKey, ErrorCode, VersionRange,
    api_key::PRODUCE_ADVERTISED_VERSION_MIN,
    messages::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse},
};

use super::context::RequestContext;

/// The APIs served, in every version that the codec speaks.
pub(crate) const SERVED: &[ApiKey] = &[
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::SyncGroup,
    ApiKey::DescribeGroups,
    ApiKey::ListGroups,
    ApiKey::ApiVersions,
    ApiKey::CreateTopics,
    ApiKey::DeleteTopics,
    ApiKey::DeleteRecords,
    ApiKey::InitProducerId,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::DescribeConfigs,
    ApiKey::AlterConfigs,
    ApiKey::DescribeLogDirs,
    ApiKey::CreatePartitions,
    ApiKey::DeleteGroups,
    ApiKey::ElectLeaders,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ListPartitionReassignments,
    ApiKey::OffsetDelete,
    ApiKey::DescribeQuorum,
    ApiKey::DescribeCluster,
    ApiKey::DescribeProducers,
    ApiKey::ListConfigResources,
    ApiKey::DescribeTopicPartitions,
];

/// Whether a request of this API and version is served.
pub(super) fn is_served(key: ApiKey, version: i16) -> bool {
    let VersionRange { min, max } = key.supported();
    SERVED.contains(&key) && (min..=max).contains(&version)
}

/// Answers what is served.
pub(crate) async fn handle(
    ctx: &RequestContext,
    request: ApiVersionsRequest,
) -> ApiVersionsResponse {
    let names = [
        &request.client_software_name,
        &request.client_software_version,
    ];
    if 3 <= ctx.api_version && !names.iter().all(|name| is_software_name(name)) {
        return ApiVersionsResponse {
            error_code: ErrorCode::InvalidRequest,
            ..Default::default()
        };
    }
    ApiVersionsResponse {
        api_keys: SERVED.iter().copied().map(advertised).collect(),
        ..Default::default()
    }
}

/// The answer, in version 0, to a request in a version that we do not know (KIP-511).
pub(super) fn unsupported_version() -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion,
        api_keys: vec![advertised(ApiKey::ApiVersions)],
        ..Default::default()
    }
}

fn advertised(key: ApiKey) -> ApiVersion {
    let VersionRange { min, max } = key.supported();
    let min_version = if key == ApiKey::Produce {
        PRODUCE_ADVERTISED_VERSION_MIN
    } else {
        min
    };
    ApiVersion {
        api_key: key.number(),
        min_version,
        max_version: max,
    }
}

/// Letters, digits, dots and hyphens, the latter two not at the ends (KIP-511).
fn is_software_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    bytes
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(byte))
        && ends
            .iter()
            .all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
}
