//! What this broker says of itself when it starts.

use odradek_metadata::records::{BrokerEndpoint, RegisterBrokerRecord};
use uuid::Uuid;

use crate::config::{Config, listeners::Address};

/// Kafka's number of the PLAINTEXT security protocol, the only one there is yet.
const PLAINTEXT: i16 = 0;

/// The registration of a broker that serves from now on.
///
/// `advertised` names each listener with what clients are told to dial; `directory_id` is that of
/// its log directory.
pub(crate) fn of_this_broker<'a>(
    config: &Config,
    advertised: impl IntoIterator<Item = (&'a str, Address)>,
    directory_id: Uuid,
    incarnation_id: Uuid,
) -> RegisterBrokerRecord {
    let endpoints = advertised
        .into_iter()
        .map(|(listener, address)| BrokerEndpoint {
            listener: listener.to_owned(),
            host: address.host,
            port: address.port,
            security_protocol: PLAINTEXT,
        });
    RegisterBrokerRecord {
        broker_id: config.node_id,
        incarnation_id,
        endpoints: endpoints.collect(),
        directories: vec![directory_id],
        rack: config.rack.clone(),
        fenced: false,
        ..RegisterBrokerRecord::default()
    }
}
