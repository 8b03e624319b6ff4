//! What a request handler may use, and who asks.
//!
//! **Invariant:** handlers reach the rest of the broker through [`Services`] and nothing else;
//! there are no globals.

use std::{fmt, net::SocketAddr, sync::Arc};

use crate::{
    clock::Clock, config::Config, coordinator::Coordinator, disk::DiskPool, fetch::SessionCache,
    metadata::MetadataHandle, replica::Manager, telemetry::metrics::Metrics,
};

/// The parts of the broker that handlers use. One per broker, shared by all connections.
#[derive(Debug)]
pub(crate) struct Services {
    /// As configured at start.
    pub(crate) config: Arc<Config>,
    /// The partitions that live here.
    pub(crate) replicas: Arc<Manager>,
    /// The cluster's metadata, and ways to change it.
    pub(crate) metadata: MetadataHandle,
    /// Consumer groups.
    pub(crate) coordinator: Arc<Coordinator>,
    /// Incremental fetch sessions.
    pub(crate) fetch_sessions: SessionCache,
    /// Where blocking lookups run.
    pub(crate) disk: Arc<DiskPool>,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// The wall clock.
    pub(crate) clock: Clock,
}

/// One request as its handler sees it.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    pub(crate) services: Arc<Services>,
    /// The connection that asked.
    pub(crate) connection: Arc<ConnectionInfo>,
    /// The request's version; inside the range that the broker advertises.
    pub(crate) api_version: i16,
    /// What the client calls itself, if it does.
    pub(crate) client_id: Option<String>,
}

/// What stays the same from one request of a connection to the next.
#[derive(Debug)]
pub(crate) struct ConnectionInfo {
    /// Unique among the connections of this process, in the order of acceptance.
    pub(crate) id: u64,
    pub(crate) peer: SocketAddr,
    /// Name of the listener that accepted it, as in `listeners`; decides which advertised address
    /// the client is told.
    pub(crate) listener: Arc<str>,
    /// Who the client is.
    pub(crate) principal: Principal,
}

/// An identity that authorisation would judge. Without authentication everybody is anonymous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Principal {
    /// Kafka's `User:ANONYMOUS`.
    Anonymous,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("User:ANONYMOUS"),
        }
    }
}
