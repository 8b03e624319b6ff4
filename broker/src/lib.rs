//! The Odradek broker: sockets, requests, replicas.
//!
//! # Layout, in the order bytes flow
//!
//! - [`api`]: the only match on the API key; one file per API.
//!
//! and beside the path:
//!
//! - [`clock`]: the time of day.

mod api;
mod clock;
