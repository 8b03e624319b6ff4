//! The handshake: which versions of which API a broker serves (KIP-35, KIP-511).

use std::collections::BTreeMap;

use odradek_protocol::{
    ApiKey, Decoder, ErrorCode, Message, RequestHeader, ResponseHeader, VersionRange, frame,
    messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse},
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::{error::Lost, frames::FrameReader};

/// How this library calls itself.
const SOFTWARE_NAME: &str = "odradek";

/// What a broker serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServedVersions {
    by_api: BTreeMap<i16, VersionRange>,
}

impl ServedVersions {
    /// The highest version of the API that lies in both ranges.
    pub fn highest_common(&self, api: ApiKey, ours: VersionRange) -> Option<i16> {
        let theirs = self.by_api.get(&api.number())?;
        let highest = theirs.max.min(ours.max);
        (theirs.min.max(ours.min) <= highest).then_some(highest)
    }

    /// Every API by its number, also those we do not speak, with the versions served.
    pub fn iter(&self) -> impl Iterator<Item = (i16, VersionRange)> {
        self.by_api.iter().map(|(api, versions)| (*api, *versions))
    }
}

impl FromIterator<(i16, VersionRange)> for ServedVersions {
    fn from_iter<I: IntoIterator<Item = (i16, VersionRange)>>(served: I) -> Self {
        Self {
            by_api: served.into_iter().collect(),
        }
    }
}

/// Asks a broker what it serves; the first thing on every connection.
///
/// A broker that does not know our version of the question says which it knows, in the layout of
/// version 0, and is asked again.
pub(crate) async fn negotiate<S>(
    reader: &mut FrameReader<S>,
    client_id: &str,
) -> Result<ServedVersions, Lost>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let ours = ApiVersionsRequest::VERSIONS;
    let first = ask(reader, client_id, ours.max).await?;
    if first.error_code != ErrorCode::UnsupportedVersion {
        return served(&first);
    }
    let known = served(&ApiVersionsResponse {
        error_code: ErrorCode::None,
        ..first
    })?;
    let version = known.highest_common(ApiKey::ApiVersions, ours);
    served(&ask(reader, client_id, version.unwrap_or(0)).await?)
}

async fn ask<S>(
    reader: &mut FrameReader<S>,
    client_id: &str,
    version: i16,
) -> Result<ApiVersionsResponse, Lost>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let header = RequestHeader {
        api_key: ApiKey::ApiVersions,
        api_version: version,
        correlation_id: i32::from(version),
        client_id: Some(client_id.to_owned()),
    };
    let request = ApiVersionsRequest {
        client_software_name: SOFTWARE_NAME.to_owned(),
        client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let question = frame::encode_request(&header, &request)
        .expect("two short names can be written in every version");
    reader.stream_mut().write_all(&question.bytes).await?;
    let answer = reader.next().await?;
    let mut decoder = Decoder::new(&answer);
    let found = ResponseHeader::decode(&mut decoder, ApiKey::ApiVersions, version)?.correlation_id;
    if found != header.correlation_id {
        return Err(Lost::Correlation {
            expected: Some(header.correlation_id),
            found,
        });
    }
    // An answer that begins with this error has the layout of version 0.
    let mut ahead = Decoder::new(&answer);
    ResponseHeader::decode(&mut ahead, ApiKey::ApiVersions, version)?;
    let layout = match ErrorCode::from(ahead.read_i16()?) {
        ErrorCode::UnsupportedVersion => 0,
        _ => version,
    };
    Ok(Message::decode(&mut decoder, layout)?)
}

fn served(response: &ApiVersionsResponse) -> Result<ServedVersions, Lost> {
    if response.error_code.is_error() {
        return Err(Lost::Refused(response.error_code));
    }
    let each = response.api_keys.iter();
    Ok(each
        .map(|api| {
            let versions = VersionRange {
                min: api.min_version,
                max: api.max_version,
            };
            (api.api_key, versions)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(min: i16, max: i16) -> ServedVersions {
        [(ApiKey::Fetch.number(), VersionRange { min, max })]
            .into_iter()
            .collect()
    }

    #[test]
    fn the_highest_version_of_both_is_spoken() {
        let ours = VersionRange { min: 4, max: 17 };
        let common = |min, max| served(min, max).highest_common(ApiKey::Fetch, ours);
        assert_eq!(common(0, 11), Some(11));
        assert_eq!(common(0, 99), Some(17));
        assert_eq!(common(0, 3), None);
        assert_eq!(common(18, 20), None);
        assert_eq!(served(0, 9).highest_common(ApiKey::Produce, ours), None);
    }
}
