//! A request whose header was read: what it is, and whether we serve it at all.

use bytes::Bytes;
use odradek_protocol::{ApiKey, Decoder, Message, RequestHeader};

use super::{CloseConnection, api_versions};

/// Requests other than Produce may be no longer than this, whatever `socket.request.max.bytes`.
///
/// They become structures of many times their size, so a hostile one of 100 MB would cost far more
/// than the memory budget knows of. A fetch of fifty thousand partitions fits.
const STRUCTURED_REQUEST_BYTES_MAX: usize = 2 * 1024 * 1024;

/// SyncGroup may be longer: a leader brings everybody's assignment at once, which are bytes and not
/// structures.
const SYNC_GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The structures of one request may take no more than this. For a Produce, whose length is mostly
/// records, which are not copied, that is far less than its length would allow.
const STRUCTURE_BYTES_MAX: usize =
    STRUCTURED_REQUEST_BYTES_MAX * Decoder::ELEMENT_BYTES_PER_FRAME_BYTE;

/// Requests up to this length cost less than the connection that brings them.
const SMALL_REQUEST_BYTES: usize = 4 * 1024;

/// How long a request of the API with this number may be, in bytes.
pub(crate) fn request_bytes_max(api_key: i16, configured_max: usize) -> usize {
    if api_key == ApiKey::Produce.number() {
        configured_max
    } else if api_key == ApiKey::SyncGroup.number() {
        configured_max.min(SYNC_GROUP_BYTES_MAX)
    } else {
        configured_max.min(STRUCTURED_REQUEST_BYTES_MAX)
    }
}

/// A request that may be started. See [`Request::parse`].
#[derive(Debug)]
pub(crate) struct Request {
    pub(super) header: RequestHeader,
    /// Everything behind the header.
    body: Bytes,
}

/// How a request goes together with others of its connection, and with a peer that has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Several may be under way; what they do is done whether or not the peer hears of it.
    Produce,
    /// Changes nothing and may wait for long: pointless once nobody listens.
    Fetch,
    /// JoinGroup and SyncGroup: hands itself over to the group at once, and then waits for other
    /// clients, perhaps for minutes. Pointless to wait for once nobody listens.
    Membership,
    /// Everything else.
    Other,
}

impl Request {
    /// Reads the header. An API or a version that is not advertised closes the connection, as Kafka
    /// does; only ApiVersions is answered in any version.
    pub(crate) fn parse(frame: &Bytes) -> Result<Self, CloseConnection> {
        let mut decoder = Decoder::new(frame);
        let header = RequestHeader::decode(&mut decoder)?;
        let (key, version) = (header.api_key, header.api_version);
        if key != ApiKey::ApiVersions && !api_versions::is_served(key, version) {
            return Err(CloseConnection::VersionNotServed { key, version });
        }
        let body = frame.slice(decoder.position()..);
        Ok(Self { header, body })
    }

    /// What is asked.
    pub(crate) fn api_key(&self) -> ApiKey {
        self.header.api_key
    }

    /// How the request goes together with others.
    pub(crate) fn kind(&self) -> Kind {
        match self.header.api_key {
            ApiKey::Produce => Kind::Produce,
            ApiKey::Fetch => Kind::Fetch,
            ApiKey::JoinGroup | ApiKey::SyncGroup => Kind::Membership,
            _ => Kind::Other,
        }
    }

    /// Its length in bytes, as long as it is under way.
    pub(crate) fn bytes(&self) -> usize {
        self.body.len()
    }

    /// Memory that its structures may take while it is under way. A Produce is mostly records,
    /// which are counted where they arrived, and a Fetch or JoinGroup forgets its request before it
    /// waits.
    pub(crate) fn structure_bytes(&self) -> usize {
        if self.kind() == Kind::Other && SMALL_REQUEST_BYTES < self.bytes() {
            self.bytes() * Decoder::ELEMENT_BYTES_PER_FRAME_BYTE
        } else {
            0
        }
    }

    /// Reads the body. Bytes behind its end are ignored, as Kafka does.
    pub(super) fn decode_body<R: Message>(&self) -> Result<R, CloseConnection> {
        let (key, version) = (self.header.api_key, self.header.api_version);
        let decoder = Decoder::new(&self.body);
        Message::decode(
            &mut decoder.with_element_bytes_max(STRUCTURE_BYTES_MAX),
            version,
        )
        .map_err(|source| CloseConnection::Body {
            key,
            version,
            source,
        })
    }
}
