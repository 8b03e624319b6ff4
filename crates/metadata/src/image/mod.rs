//! `MetadataImage`: what the committed records add up to, as one immutable value.
//!
//! Cloning an image is cheap and two versions share everything that did not change: an in-sync
//! replica that leaves one partition copies that topic's entry, not the cluster. Readers hold an
//! `Arc<MetadataImage>` and never see half of a change.
//!
//! Invariants: every topic is found by name and by id, and both ways lead to the same entry; a
//! topic's partitions are numbered 0..n without holes; every config belongs to a resource that
//! exists or to a broker id that may register later.
//!
//! Deliberately absent: how a change is decided (`decide`), how records become bytes (`records`).

mod apply;
mod brokers;
mod configs;
mod topics;

use std::sync::Arc;

use imbl::OrdMap;
use uuid::Uuid;

pub use apply::ApplyError;
pub(crate) use apply::config_record;
pub use brokers::{BrokerImage, Endpoint};
pub use configs::{ConfigMap, ConfigResource, ConfigsImage, ResourceKind};
pub use topics::{PartitionImage, TopicImage, TopicsImage};

/// A consistent view of the whole cluster's metadata, as of one log position.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetadataImage {
    /// Index of the last entry of the metadata log that this image contains; 0 before the first,
    /// because entry 0 is never one with records.
    pub applied_index: u64,
    /// Epoch of the controller that wrote that entry; Kafka's controller epoch.
    pub applied_epoch: u64,
    /// The cluster's id, 22 characters of URL-safe base64; absent only before the first start.
    pub cluster_id: Option<Arc<str>>,
    /// Finalized feature levels by feature name (KIP-584), such as `metadata.version`.
    pub features: OrdMap<Arc<str>, i16>,
    /// Registered brokers by id.
    pub brokers: OrdMap<i32, Arc<BrokerImage>>,
    /// Topics and their partitions.
    pub topics: TopicsImage,
    /// Explicitly set configs; defaults are not here.
    pub configs: ConfigsImage,
    /// The first producer id that no broker was given yet.
    pub next_producer_id: i64,
}

impl MetadataImage {
    /// The topic of that name.
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.by_name(name)
    }

    /// The topic with that id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.topics.by_id(id)
    }
}
