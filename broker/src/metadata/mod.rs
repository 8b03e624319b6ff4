//! Cluster metadata on this broker.
//!
//! - [`publisher`]: committed records -> image -> watch; how far the broker has acted on it.

pub(crate) mod publisher;
