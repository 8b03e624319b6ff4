//! The requests and responses, one file per API, in the order of their numbers.
//!
//! Field names are Kafka's. [`leader_hint`] holds what several APIs share.

pub mod api_versions;
pub mod fetch;
pub mod leader_hint;
pub mod metadata;
pub mod produce;
