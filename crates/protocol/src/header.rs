//! The headers in front of request and response bodies.
//!
//! The first four bytes of a request header name the API and version, which decide how the rest of
//! the header and the body are laid out.

use crate::ApiKey;
use crate::api_key::UnknownApiKey;
use crate::primitives::{DecodeError, Decoder, EncodeError, Encoder, Format};

/// The client id is never compact, not even in the flexible header (KIP-482), so that a broker can
/// read it whatever the version.
const CLIENT_ID_FORMAT: Format = Format {
    version: 1,
    flexible: false,
};

/// What precedes every request body (header versions 1 and 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// What is being asked.
    pub api_key: ApiKey,
    /// In which version; not yet checked against what is supported.
    pub api_version: i16,
    /// Chosen by the client and returned with the response.
    pub correlation_id: i32,
    /// How the client names itself, for logs and quotas.
    pub client_id: Option<String>,
}

/// Why a request header could not be read. All of these close the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The API is not one of ours, so not even the layout of the header is known.
    #[error(transparent)]
    UnknownApiKey(#[from] UnknownApiKey),
    /// The bytes are not a header.
    #[error("read request header")]
    Decode(#[from] DecodeError),
}

impl RequestHeader {
    /// Reads a header and leaves the decoder at the body.
    pub fn decode(decoder: &mut Decoder<'_>) -> Result<Self, HeaderError> {
        let api_key = ApiKey::try_from(decoder.read_i16()?)?;
        let api_version = decoder.read_i16()?;
        let correlation_id = decoder.read_i32()?;
        let client_id = decoder.read_nullable_string(CLIENT_ID_FORMAT)?;
        if 2 <= api_key.request_header_version(api_version) {
            decoder.skip_tagged_fields()?;
        }
        Ok(Self {
            api_key,
            api_version,
            correlation_id,
            client_id,
        })
    }

    /// Writes the header in the version that its API and version require.
    pub fn encode(&self, encoder: &mut Encoder) -> Result<(), EncodeError> {
        encoder.write_i16(self.api_key.number());
        encoder.write_i16(self.api_version);
        encoder.write_i32(self.correlation_id);
        encoder.write_nullable_string(self.client_id.as_deref(), CLIENT_ID_FORMAT)?;
        if 2 <= self.api_key.request_header_version(self.api_version) {
            encoder.write_no_tagged_fields();
        }
        Ok(())
    }
}

/// What precedes every response body (header versions 0 and 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseHeader {
    /// The correlation id of the request that is answered.
    pub correlation_id: i32,
}

impl ResponseHeader {
    /// Reads the header of a response to a request of this API and version.
    pub fn decode(
        decoder: &mut Decoder<'_>,
        api_key: ApiKey,
        api_version: i16,
    ) -> Result<Self, DecodeError> {
        let correlation_id = decoder.read_i32()?;
        if 1 <= api_key.response_header_version(api_version) {
            decoder.skip_tagged_fields()?;
        }
        Ok(Self { correlation_id })
    }

    /// Writes the header of a response to a request of this API and version.
    pub fn encode(&self, encoder: &mut Encoder, api_key: ApiKey, api_version: i16) {
        encoder.write_i32(self.correlation_id);
        if 1 <= api_key.response_header_version(api_version) {
            encoder.write_no_tagged_fields();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bytes::Bytes;

    fn header(api_key: ApiKey, api_version: i16) -> RequestHeader {
        RequestHeader {
            api_key,
            api_version,
            correlation_id: 7,
            client_id: Some("me".to_owned()),
        }
    }

    #[test]
    fn the_client_id_is_classic_in_the_flexible_header_too() {
        let mut encoder = Encoder::new();
        header(ApiKey::Metadata, 12).encode(&mut encoder).unwrap();
        assert_eq!(
            encoder.buffer(),
            [0, 3, 0, 12, 0, 0, 0, 7, 0, 2, b'm', b'e', 0]
        );
    }

    #[test]
    fn headers_survive_the_round_trip_in_both_versions() {
        for expected in [header(ApiKey::Fetch, 11), header(ApiKey::Fetch, 12)] {
            let mut encoder = Encoder::new();
            expected.encode(&mut encoder).unwrap();
            let frame = Bytes::from(encoder.into_parts().0);
            let mut decoder = Decoder::new(&frame);
            assert_eq!(RequestHeader::decode(&mut decoder), Ok(expected));
            decoder.expect_end().unwrap();
        }
    }

    #[test]
    fn the_header_of_an_unknown_api_versions_version_can_be_read() {
        let frame = Bytes::from_static(&[0, 18, 0, 99, 0, 0, 0, 1, 255, 255, 0]);
        let header = RequestHeader::decode(&mut Decoder::new(&frame)).unwrap();
        assert_eq!((header.api_version, header.client_id), (99, None));
    }

    #[test]
    fn an_unknown_api_key_is_told_apart_from_a_broken_header() {
        let unknown = Bytes::from_static(&[0, 99, 0, 0, 0, 0, 0, 1, 255, 255]);
        assert_eq!(
            RequestHeader::decode(&mut Decoder::new(&unknown)),
            Err(HeaderError::UnknownApiKey(UnknownApiKey(99)))
        );
        let cut = Bytes::from_static(&[0, 3, 0, 0, 0, 0]);
        assert!(matches!(
            RequestHeader::decode(&mut Decoder::new(&cut)),
            Err(HeaderError::Decode(DecodeError::Truncated {
                at: 4,
                needed: 4
            }))
        ));
    }
}
