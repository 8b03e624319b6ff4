//! The Odradek broker: sockets, requests, replicas.
//!
//! # Layout, in the order bytes flow
//!
//! - [`network`]: sockets: who may connect, requests in, answers out.
//! - [`api`]: the only match on the API key; one file per API.
//! - [`fetch`]: who follows which partitions, and long polls.
//! - [`replica`]: the partitions that live here: append, publish, commit.
//! - [`disk`]: the threads that may block.
//!
//! and beside the path:
//!
//! - [`clock`]: the time of day.
//! - [`error_chain`]: an error and its causes in one line.
//! - [`config`]: `server.properties` and flags, checked and typed.
//! - [`telemetry`]: metrics, log lines, health, the admin port.

mod api;
mod clock;
pub mod config;
mod disk;
mod error_chain;
mod fetch;
mod metadata;
mod network;
mod replica;
pub mod telemetry;
