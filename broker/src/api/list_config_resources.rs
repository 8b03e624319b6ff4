//! ListConfigResources: what this broker can describe the configuration of (KIP-1142).
//!
//! Of clients' metrics and of groups it keeps no configuration, and of its loggers none that could
//! be described: of those there is nothing to list.

use odradek_metadata::{MetadataImage, ResourceKind};
use odradek_protocol::{
    ErrorCode,
    messages::list_config_resources::{
        ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
    },
};

use super::context::RequestContext;

/// Kafka's numbers of kinds of which there is nothing here: loggers, client metrics, groups.
const EMPTY_KINDS: [i8; 3] = [8, 16, 32];

/// The first version that asks for anything but client metrics.
const KINDS_VERSION: i16 = 1;

/// Lists what the request asks for, or nothing if it asks for a kind that is not known.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    if ctx.api_version < KINDS_VERSION {
        return ListConfigResourcesResponse::default();
    }
    let services = &ctx.services;
    let image = services.metadata.image();
    let listed = list(&image, services.config.node_id, &request.resource_types);
    match listed {
        Some(config_resources) => ListConfigResourcesResponse {
            config_resources,
            ..Default::default()
        },
        None => ListConfigResourcesResponse {
            error_code: ErrorCode::UnsupportedVersion,
            ..Default::default()
        },
    }
}

fn list(image: &MetadataImage, node_id: i32, kinds: &[i8]) -> Option<Vec<ConfigResource>> {
    let is_known =
        |kind: &i8| ResourceKind::from_code(*kind).is_some() || EMPTY_KINDS.contains(kind);
    if !kinds.iter().all(is_known) {
        return None;
    }
    let resource = |kind: ResourceKind, resource_name: String| ConfigResource {
        resource_name,
        resource_type: kind.code(),
    };
    let is_wanted = |kind: ResourceKind| kinds.is_empty() || kinds.contains(&kind.code());
    let mut listed = Vec::new();
    if is_wanted(ResourceKind::Topic) {
        let topics = image.topics.iter();
        listed.extend(topics.map(|topic| resource(ResourceKind::Topic, topic.name.to_string())));
    }
    if is_wanted(ResourceKind::Broker) {
        listed.push(resource(ResourceKind::Broker, node_id.to_string()));
    }
    Some(listed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use odradek_metadata::records::TopicRecord;
    use uuid::Uuid;

    use super::*;

    fn listed(kinds: &[i8]) -> Option<Vec<(i8, String)>> {
        let mut image = MetadataImage::default();
        let topic = TopicRecord {
            name: "t".to_owned(),
            topic_id: Uuid::from_u128(1),
        };
        image.apply(topic.into(), 1).unwrap();
        let resources = list(&image, 7, kinds)?.into_iter();
        let each = resources.map(|resource| (resource.resource_type, resource.resource_name));
        Some(each.collect())
    }

    #[test]
    fn topics_and_this_broker_are_listed_and_of_other_kinds_nothing() {
        let topic = (2, "t".to_owned());
        let broker = (4, "7".to_owned());
        assert_eq!(listed(&[]), Some(vec![topic.clone(), broker.clone()]));
        assert_eq!(listed(&[2]), Some(vec![topic]));
        assert_eq!(listed(&[4, 16]), Some(vec![broker]));
        assert_eq!(listed(&[8, 16, 32]), Some(Vec::new()));
    }

    #[test]
    fn a_kind_that_is_not_known_is_refused() {
        assert_eq!(listed(&[2, 3]), None);
        assert_eq!(listed(&[0]), None);
    }
}
