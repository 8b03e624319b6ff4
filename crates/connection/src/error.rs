//! What can go wrong on a connection, and whether asking again may help.

use std::{io, sync::Arc, time::Duration};

use odradek_protocol::{
    ApiKey, DecodeError, EncodeError, ErrorCode, VersionRange, frame::FrameError,
};

use crate::address::Address;

/// Why there is no connection to a broker.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name does not resolve.
    #[error("resolve {address}: {source}")]
    Resolve {
        /// The address.
        address: Address,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address of the name takes connections.
    #[error("connect to {address}: {source}")]
    Dial {
        /// The address.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// It took too long.
    #[error("no connection to {address} within {after:?}")]
    TimedOut {
        /// The address.
        address: Address,
        /// The time allowed.
        after: Duration,
    },
    /// Whoever listens there does not answer as a Kafka broker does.
    #[error("{address} did not answer as a Kafka broker: {reason}")]
    Handshake {
        /// The address.
        address: Address,
        /// What it did instead.
        reason: Lost,
    },
}

/// Why a connection is of no use any more.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Lost {
    /// The broker closed it, as it does with what it cannot understand, or when it stops.
    #[error("the broker closed the connection")]
    ClosedByPeer,
    /// The network failed.
    #[error("{0}")]
    Io(#[source] Arc<io::Error>),
    /// An answer did not come in time; what comes later could not be told apart.
    #[error("no answer to {api} within {after:?}")]
    TimedOut {
        /// What was asked.
        api: ApiKey,
        /// The time allowed.
        after: Duration,
    },
    /// A frame of an impossible length.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// An answer cannot be read.
    #[error("read an answer: {0}")]
    Decode(#[from] DecodeError),
    /// An answer to something that was not asked.
    #[error("an answer to request {found}, where {expected:?} was next")]
    Correlation {
        /// The id that is next, if any is.
        expected: Option<i32>,
        /// The id in the answer.
        found: i32,
    },
    /// The broker will not say what it serves.
    #[error("it refused to say what it serves: {0}")]
    Refused(ErrorCode),
    /// This side closed it.
    #[error("it was closed here")]
    ClosedHere,
}

/// Why a request has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The connection was lost. Whether the request was carried out is unknown.
    #[error("connection to {address} lost: {reason}")]
    Lost {
        /// Where it led.
        address: Address,
        /// Why.
        reason: Lost,
    },
    /// The broker does not speak any version of it that we do.
    #[error("{address} does not serve {api} in a version of {ours}")]
    Unserved {
        /// The broker.
        address: Address,
        /// The API.
        api: ApiKey,
        /// The versions spoken here.
        ours: VersionRange,
    },
    /// The request cannot be written in the version that both speak.
    #[error("write a {api} request: {source}")]
    Encode {
        /// The API.
        api: ApiKey,
        /// Why.
        source: EncodeError,
    },
}

impl CallError {
    /// Whether a new connection may do better.
    pub const fn retriable(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}
