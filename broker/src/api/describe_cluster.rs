//! DescribeCluster: the brokers and the id of the cluster (KIP-700).

use odradek_metadata::MetadataImage;
use odradek_protocol::{
    ErrorCode,
    messages::describe_cluster::{
        DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
    },
};

use super::{authorized_operations, context::RequestContext};

/// Kafka's numbers for kinds of endpoints (KIP-919).
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Describes the cluster as seen from the listener that the request came in by.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let (image, node_id) = (ctx.services.metadata.image(), ctx.services.config.node_id);
    respond(&image, node_id, &ctx.connection.listener, &request)
}

fn respond(
    image: &MetadataImage,
    node_id: i32,
    listener: &str,
    request: &DescribeClusterRequest,
) -> DescribeClusterResponse {
    if request.endpoint_type != BROKERS {
        return wrong_endpoint(request.endpoint_type);
    }
    let brokers = image.brokers.values().filter_map(|broker| {
        let endpoint = broker.endpoint(listener)?;
        Some(DescribeClusterBroker {
            broker_id: broker.id,
            host: endpoint.host.to_string(),
            port: endpoint.port.into(),
            rack: broker.rack.as_deref().map(str::to_owned),
            is_fenced: broker.fenced,
        })
    });
    let cluster_authorized_operations = if request.include_cluster_authorized_operations {
        authorized_operations::OF_CLUSTER
    } else {
        authorized_operations::NOT_ASKED
    };
    DescribeClusterResponse {
        cluster_id: image.cluster_id.as_deref().unwrap_or_default().to_owned(),
        controller_id: node_id,
        brokers: brokers
            .filter(|broker| request.include_fenced_brokers || !broker.is_fenced)
            .collect(),
        cluster_authorized_operations,
        ..Default::default()
    }
}

fn wrong_endpoint(endpoint_type: i8) -> DescribeClusterResponse {
    let (error_code, message) = if endpoint_type == CONTROLLERS {
        let message = "The request was sent to a broker, but asks for the controllers.";
        (ErrorCode::MismatchedEndpointType, message.to_owned())
    } else {
        let message = format!("Unsupported endpoint type {endpoint_type}.");
        (ErrorCode::UnsupportedEndpointType, message)
    };
    DescribeClusterResponse {
        error_code,
        error_message: Some(message),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use odradek_metadata::records::{BrokerEndpoint, ClusterIdRecord, RegisterBrokerRecord};

    use super::*;

    fn image() -> MetadataImage {
        let mut image = MetadataImage::default();
        let cluster_id = "cluster".to_owned();
        image
            .apply(ClusterIdRecord { cluster_id }.into(), 1)
            .unwrap();
        for (broker_id, listener, fenced) in [(1, "A", false), (2, "A", true), (3, "B", false)] {
            let host = format!("host-{broker_id}");
            let listener = listener.to_owned();
            let endpoint = BrokerEndpoint {
                listener,
                host,
                port: 9092,
                security_protocol: 0,
            };
            let endpoints = vec![endpoint];
            let broker = RegisterBrokerRecord {
                broker_id,
                endpoints,
                fenced,
                ..Default::default()
            };
            image.apply(broker.into(), 1).unwrap();
        }
        image
    }

    fn ids(request: &DescribeClusterRequest) -> Vec<i32> {
        let response = respond(&image(), 1, "A", request);
        assert_eq!(
            (&*response.cluster_id, response.controller_id),
            ("cluster", 1)
        );
        response
            .brokers
            .iter()
            .map(|broker| broker.broker_id)
            .collect()
    }

    #[test]
    fn brokers_are_those_with_the_listener_and_fenced_ones_only_when_asked() {
        let request = DescribeClusterRequest::default();
        assert_eq!(ids(&request), [1]);
        let request = DescribeClusterRequest {
            include_fenced_brokers: true,
            ..request
        };
        assert_eq!(ids(&request), [1, 2]);
    }

    #[test]
    fn other_endpoints_are_refused_by_kind() {
        for (endpoint_type, code) in [
            (CONTROLLERS, ErrorCode::MismatchedEndpointType),
            (9, ErrorCode::UnsupportedEndpointType),
        ] {
            let request = DescribeClusterRequest {
                endpoint_type,
                ..Default::default()
            };
            assert_eq!(respond(&image(), 1, "A", &request).error_code, code);
        }
    }
}
