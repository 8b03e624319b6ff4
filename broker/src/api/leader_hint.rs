//! Where the leader is, beside the error that it is not here: saves the client a Metadata request
//! (KIP-951).

use std::{collections::BTreeMap, sync::Arc};

use odradek_metadata::{MetadataImage, TopicImage};
use odradek_protocol::messages::leader_hint::{LeaderIdAndEpoch, NodeEndpoint};
use uuid::Uuid;

use super::context::RequestContext;

/// The hints of one answer, and how to reach the brokers that they name.
#[derive(Debug)]
pub(super) struct LeaderHints<'a> {
    ctx: &'a RequestContext,
    image: Arc<MetadataImage>,
    endpoints: BTreeMap<i32, NodeEndpoint>,
}

impl<'a> LeaderHints<'a> {
    /// No hint yet. Takes the newest image: it is asked for because the client's is out of date.
    pub(super) fn new(ctx: &'a RequestContext) -> Self {
        Self {
            ctx,
            image: ctx.services.metadata.image(),
            endpoints: BTreeMap::new(),
        }
    }

    /// The leader of a partition; the default when nobody knows.
    pub(super) fn leader(&mut self, topic: &str, index: i32) -> LeaderIdAndEpoch {
        let image = Arc::clone(&self.image);
        self.leader_in(image.topic(topic), index)
    }

    /// The leader of a partition of the topic with that id; the default when nobody knows.
    pub(super) fn leader_by_id(&mut self, topic_id: Uuid, index: i32) -> LeaderIdAndEpoch {
        let image = Arc::clone(&self.image);
        self.leader_in(image.topic_by_id(topic_id), index)
    }

    fn leader_in(&mut self, topic: Option<&Arc<TopicImage>>, index: i32) -> LeaderIdAndEpoch {
        let Some(partition) = topic.and_then(|topic| topic.partition(index)) else {
            return LeaderIdAndEpoch::default();
        };
        let leader = self.image.brokers.get(&partition.leader);
        let endpoint = leader.and_then(|broker| broker.endpoint(&self.ctx.connection.listener));
        if let (Some(broker), Some(endpoint)) = (leader, endpoint) {
            self.endpoints
                .entry(broker.id)
                .or_insert_with(|| NodeEndpoint {
                    node_id: broker.id,
                    host: endpoint.host.to_string(),
                    port: i32::from(endpoint.port),
                    rack: broker.rack.as_deref().map(str::to_owned),
                });
        }
        LeaderIdAndEpoch {
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
        }
    }

    /// How to reach the leaders that were named.
    pub(super) fn into_endpoints(self) -> Vec<NodeEndpoint> {
        self.endpoints.into_values().collect()
    }
}
