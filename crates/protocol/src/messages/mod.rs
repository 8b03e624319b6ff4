//! The requests and responses, one file per API.
//!
//! Field names are Kafka's. [`leader_hint`] holds what several APIs share.

pub mod leader_hint;

pub mod api_versions;
pub mod create_topics;
pub mod delete_topics;
pub mod describe_cluster;
pub mod describe_configs;
pub mod fetch;
pub mod init_producer_id;
pub mod list_offsets;
pub mod metadata;
pub mod offset_for_leader_epoch;
pub mod produce;
