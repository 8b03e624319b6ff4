//! What requests about configuration name: topics and brokers, by a number and a name.

use odradek_metadata::{ConfigResource, ResourceKind, decide::Refusal};
use odradek_protocol::ErrorCode;

/// Kafka's number for the loggers of a broker.
const BROKER_LOGGER: i8 = 8;

/// Kafka's number for a subscription to metrics of clients.
const CLIENT_METRICS: i8 = 16;

/// Kafka's number for a group.
const GROUP: i8 = 32;

/// The resource that this broker can speak of under that type and name. `node_id` is its own.
pub(super) fn resolve(
    node_id: i32,
    resource_type: i8,
    name: &str,
) -> Result<ConfigResource, Refusal> {
    let refuse = |message| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    match ResourceKind::from_code(resource_type) {
        Some(ResourceKind::Topic) => Ok(ConfigResource::topic(name)),
        Some(ResourceKind::Broker) if name.is_empty() => Ok(ConfigResource::all_brokers()),
        Some(ResourceKind::Broker) => match name.parse::<i32>() {
            Ok(id) if id == node_id => Ok(ConfigResource::broker(id)),
            Ok(id) => refuse(format!(
                "Unexpected broker id, expected {node_id} or an empty string, but received {id}."
            )),
            Err(_) => refuse(format!("Broker id must be an integer, but it is: {name}.")),
        },
        None if resource_type == BROKER_LOGGER => refuse(
            "The levels of single loggers cannot be seen or changed here; the broker's flag \
             --log-filter sets them."
                .to_owned(),
        ),
        None if resource_type == CLIENT_METRICS => {
            refuse("This broker takes no metrics from clients.".to_owned())
        }
        None if resource_type == GROUP => {
            let message = "Groups have no configuration of their own here; the broker's group.* \
                           keys hold for all of them.";
            refuse(message.to_owned())
        }
        None => refuse(format!("Unknown resource type {resource_type}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_speaks_of_topics_of_itself_and_of_all_brokers() {
        for (resource_type, name, expected) in [
            (2, "t", Some(ConfigResource::topic("t"))),
            (4, "", Some(ConfigResource::all_brokers())),
            (4, "7", Some(ConfigResource::broker(7))),
            (4, "8", None),
            (4, "seven", None),
            (8, "7", None),
            (16, "m", None),
            (32, "g", None),
            (3, "t", None),
        ] {
            let found = resolve(7, resource_type, name);
            assert_eq!(found.ok(), expected, "{resource_type} {name}");
        }
    }
}
