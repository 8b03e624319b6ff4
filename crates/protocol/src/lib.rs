//! Kafka's wire protocol: bytes to types and back, without any I/O.
//!
//! Nothing here panics or allocates out of proportion, whatever the bytes; see [`Decoder`].
//!
//! Map, in the order bytes flow:
//! - [`frame`]: the length in front of every request and response
//! - [`primitives`]: numbers, strings, arrays, tagged fields
//! - [`header`]: which API, which version, whose request
//! - [`api_key`]: the APIs and versions we speak
//! - [`messages`]: one file per API, declared with the macro of [`mod@message`]
//! - [`request`]: which response answers which request
//! - [`error_code`]: the numbered errors inside responses
//! - [`uuid_text`]: how ids are written for people
//! - [`consumer_protocol`]: what consumers of a group tell each other
//! - [`group_records`]: what their coordinator remembers, as records of a topic
//! - [`records`]: record batches, the unit of produce, storage, replication and fetch
//!
//! This crate says what *can* be read and written; what a broker advertises and how it answers is
//! decided in the broker.

pub mod api_key;
pub mod consumer_protocol;
pub mod error_code;
pub mod frame;
pub mod group_records;
pub mod header;
pub mod message;
pub mod messages;
pub mod primitives;
pub mod records;
pub mod request;
pub mod uuid_text;

pub use api_key::ApiKey;
pub use error_code::ErrorCode;
pub use header::{RequestHeader, ResponseHeader};
pub use message::Message;
pub use primitives::{
    DecodeError, Decoder, EncodeError, Encoder, Format, Gap, Records, VersionRange, Wire,
};
pub use uuid::Uuid;
