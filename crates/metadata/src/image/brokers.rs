//! Registered brokers: who they are and where clients reach them.

use std::sync::Arc;

use uuid::Uuid;

/// One broker as it last registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerImage {
    /// `node.id`.
    pub id: i32,
    /// Drawn anew at each start of the process: tells a restart from a second broker with one id.
    pub incarnation_id: Uuid,
    /// Log index of the registration record; later RPCs of this incarnation carry it (KIP-903).
    pub broker_epoch: u64,
    /// One per listener, in the order of `advertised.listeners`.
    pub endpoints: Vec<Endpoint>,
    /// Ids of its log directories (KIP-858).
    pub directories: Vec<Uuid>,
    /// `broker.rack`.
    pub rack: Option<Arc<str>>,
    /// A fenced broker is known but leads nothing and is not offered to clients.
    pub fenced: bool,
}

impl BrokerImage {
    /// The endpoint advertised for `listener`.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|endpoint| &*endpoint.listener == listener)
    }
}

/// Where one listener of a broker is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Listener name, upper case as configured, such as `PLAINTEXT`.
    pub listener: Arc<str>,
    /// Name or address as advertised; resolved by whoever dials it, at every dial.
    pub host: Arc<str>,
    /// TCP port.
    pub port: u16,
    /// Kafka's number of the security protocol: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}
