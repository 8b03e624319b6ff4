//! Metadata: the brokers, and for topics who leads which partition.
//!
//! The first question of every client about a topic, and the one that creates it where that is
//! configured. Kafka answers such a first question with `UnknownTopicOrPartition` and lets the
//! client ask again; here the answer waits for the new topic, which takes milliseconds.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use odradek_metadata::{TopicImage, decide::create_topics::NewTopic, topic_name};
use odradek_protocol::{
    ErrorCode,
    messages::metadata::{
        MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
        MetadataResponsePartition, MetadataResponseTopic,
    },
};
use uuid::Uuid;

use super::{
    authorized_operations,
    context::{RequestContext, Services},
    create_topics,
    reachability::{Reachability, SeenPartition},
};

/// The first version in which topics may be named by id, and names may be null.
const TOPIC_IDS_VERSION: i16 = 12;

/// The first version that knows `ListenerNotFound`.
const LISTENER_NOT_FOUND_VERSION: i16 = 6;

/// How long an answer waits for a topic that it creates. Beyond it the client asks again.
const AUTO_CREATION_WAIT: Duration = Duration::from_secs(5);

/// Describes the cluster as seen from the listener that the request came in by.
pub(super) async fn handle(ctx: &RequestContext, request: MetadataRequest) -> MetadataResponse {
    let services = &ctx.services;
    let wanted = wanted(&request, ctx.api_version);
    let may_create = request.allow_auto_topic_creation && services.config.topics.auto_create;
    let errors = match &wanted {
        Wanted::Some { names, .. } if may_create => create_missing(services, names).await,
        _ => BTreeMap::new(),
    };
    let view = View {
        seen_by: Reachability {
            image: &services.metadata.image(),
            listener: &ctx.connection.listener,
            node_id: services.config.node_id,
            offline_here: &|topic| services.replicas.offline_of(topic),
        },
        version: ctx.api_version,
        with_topic_operations: request.include_topic_authorized_operations,
    };
    let topics = match wanted {
        Wanted::All => view.all_topics(),
        Wanted::Some { names, ids } => view.topics(names, ids, &errors),
        Wanted::Malformed(topics) => {
            let topics = topics.iter().map(refused).collect();
            return MetadataResponse {
                topics,
                ..Default::default()
            };
        }
    };
    view.response(topics, request.include_cluster_authorized_operations)
}

/// Which topics a request asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// Each once, in a fixed order.
    Some {
        names: BTreeSet<String>,
        ids: BTreeSet<Uuid>,
    },
    /// It names topics in a way that its version does not know.
    Malformed(Vec<MetadataRequestTopic>),
}

fn wanted(request: &MetadataRequest, version: i16) -> Wanted {
    let topics = match &request.topics {
        None => return Wanted::All,
        Some(topics) if version == 0 && topics.is_empty() => return Wanted::All,
        Some(topics) => topics,
    };
    let by_id = |topic: &MetadataRequestTopic| topic.name.is_none() || !topic.topic_id.is_nil();
    if version < TOPIC_IDS_VERSION && topics.iter().any(by_id) {
        return Wanted::Malformed(topics.clone());
    }
    let (mut names, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for topic in topics {
        match &topic.name {
            _ if !topic.topic_id.is_nil() => {
                ids.insert(topic.topic_id);
            }
            Some(name) => {
                names.insert(name.clone());
            }
            None => {
                ids.insert(Uuid::nil());
            }
        }
    }
    Wanted::Some { names, ids }
}

/// Tries to create the topics that are not there; returns what to tell the client of those that
/// cannot be.
async fn create_missing(
    services: &Services,
    names: &BTreeSet<String>,
) -> BTreeMap<String, ErrorCode> {
    let image = services.metadata.image();
    // The broker's own topics need their own settings; whoever needs them creates them.
    let is_missing = |name: &&String| !topic_name::is_internal(name) && image.topic(name).is_none();
    let names: Vec<_> = names.iter().filter(is_missing).cloned().collect();
    if names.is_empty() {
        return BTreeMap::new();
    }
    let topics = names.iter().map(|name| NewTopic {
        name: name.clone(),
        partitions: -1,
        replication_factor: -1,
        ..NewTopic::default()
    });
    let settings = create_topics::settings(&services.config);
    let created = services
        .metadata
        .create_topics(topics.collect(), settings, AUTO_CREATION_WAIT)
        .await;
    // Without an answer from the controller the topic is unknown for now; the client asks again.
    let outcomes = created.unwrap_or_default();
    let errors = names
        .into_iter()
        .zip(outcomes)
        .filter_map(|(name, outcome)| match outcome {
            Ok(topic) => {
                tracing::info!(topic = name, id = %topic.id, "topic created on demand");
                None
            }
            Err(refusal) => {
                tracing::debug!(topic = name, reason = %refusal, "topic not created on demand");
                Some((name, refusal.code))
            }
        });
    errors.collect()
}

/// The image as one request sees it.
struct View<'a> {
    seen_by: Reachability<'a>,
    version: i16,
    with_topic_operations: bool,
}

impl View<'_> {
    fn response(
        &self,
        topics: Vec<MetadataResponseTopic>,
        with_cluster_operations: bool,
    ) -> MetadataResponse {
        let unfenced = self
            .seen_by
            .image
            .brokers
            .values()
            .filter(|broker| !broker.fenced);
        let brokers = unfenced.filter_map(|broker| {
            let endpoint = broker.endpoint(self.seen_by.listener)?;
            Some(MetadataResponseBroker {
                node_id: broker.id,
                host: endpoint.host.to_string(),
                port: endpoint.port.into(),
                rack: broker.rack.as_deref().map(str::to_owned),
            })
        });
        let cluster_authorized_operations = if with_cluster_operations {
            authorized_operations::OF_CLUSTER
        } else {
            authorized_operations::NOT_ASKED
        };
        MetadataResponse {
            brokers: brokers.collect(),
            cluster_id: self.seen_by.image.cluster_id.as_deref().map(str::to_owned),
            controller_id: self.seen_by.node_id,
            topics,
            cluster_authorized_operations,
            ..Default::default()
        }
    }

    fn all_topics(&self) -> Vec<MetadataResponseTopic> {
        self.seen_by
            .image
            .topics
            .iter()
            .map(|topic| self.topic(topic))
            .collect()
    }

    /// The topics asked for. `errors` says more of those that are not there.
    fn topics(
        &self,
        names: BTreeSet<String>,
        ids: BTreeSet<Uuid>,
        errors: &BTreeMap<String, ErrorCode>,
    ) -> Vec<MetadataResponseTopic> {
        let by_name = names
            .into_iter()
            .map(|name| match self.seen_by.image.topic(&name) {
                Some(topic) => self.topic(topic),
                None => unknown_name(errors.get(&name).copied(), name),
            });
        let by_id = ids
            .into_iter()
            .map(|id| match self.seen_by.image.topic_by_id(id) {
                Some(topic) => self.topic(topic),
                None => MetadataResponseTopic {
                    error_code: ErrorCode::UnknownTopicId,
                    topic_id: id,
                    ..Default::default()
                },
            });
        by_name.chain(by_id).collect()
    }

    fn topic(&self, topic: &TopicImage) -> MetadataResponseTopic {
        let partitions = self.seen_by.partitions(topic, 0, topic.partitions.len());
        MetadataResponseTopic {
            error_code: ErrorCode::None,
            name: Some(topic.name.to_string()),
            topic_id: topic.id,
            is_internal: topic.is_internal(),
            partitions: partitions.map(|seen| self.partition(seen)).collect(),
            topic_authorized_operations: if self.with_topic_operations {
                authorized_operations::OF_TOPIC
            } else {
                authorized_operations::NOT_ASKED
            },
        }
    }

    fn partition(&self, seen: SeenPartition<'_>) -> MetadataResponsePartition {
        let error_code = match seen.error_code {
            ErrorCode::ListenerNotFound if self.version < LISTENER_NOT_FOUND_VERSION => {
                ErrorCode::LeaderNotAvailable
            }
            code => code,
        };
        MetadataResponsePartition {
            error_code,
            partition_index: seen.index,
            leader_id: seen.leader_id,
            leader_epoch: seen.image.leader_epoch,
            replica_nodes: seen.image.replicas.clone(),
            isr_nodes: seen.image.isr.clone(),
            offline_replicas: seen.offline_replicas,
        }
    }
}

/// A topic that is not there, with the error of its creation where that was tried.
fn unknown_name(error: Option<ErrorCode>, name: String) -> MetadataResponseTopic {
    let error_code = match error {
        // Somebody else created it meanwhile, and it is gone again.
        Some(ErrorCode::TopicAlreadyExists) => ErrorCode::UnknownTopicOrPartition,
        Some(error) => error,
        None if topic_name::check(&name).is_err() => ErrorCode::InvalidTopicException,
        None => ErrorCode::UnknownTopicOrPartition,
    };
    MetadataResponseTopic {
        error_code,
        is_internal: topic_name::is_internal(&name),
        name: Some(name),
        ..Default::default()
    }
}

/// A topic of a malformed request.
fn refused(topic: &MetadataRequestTopic) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: ErrorCode::InvalidRequest,
        // These versions have no null for it.
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        ..Default::default()
    }
}

#[cfg(test)]
#[path = "metadata_tests.rs"]
mod tests;
