//! Cluster metadata without IO: what is recorded, what the records add up to, what a request does.
//!
//! # Layout, in the order a change flows
//! - [`decide`]: request + image -> records, or a Kafka error with a sentence
//! - [`records`]: the facts that are committed, and their bytes
//! - [`image`]: the committed state as one immutable value that shares structure with the next
//! - [`delta`]: what differs between two images
//!
//! and beside them [`topic_name`]: which names are legal, and which belong to the broker itself.
//!
//! Deliberately absent: files, sockets, clocks and randomness. `odradek-quorum` makes the bytes
//! durable; the broker wires the two.

pub mod decide;
pub mod delta;
pub mod image;
pub mod records;
pub mod topic_name;

pub use delta::{Delta, TopicChange};
pub use image::{
    ApplyError, BrokerImage, ConfigMap, ConfigResource, ConfigsImage, Endpoint, MetadataImage,
    PartitionImage, ResourceKind, TopicImage,
};
