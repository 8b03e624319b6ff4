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
//! - [`broker`]: builds every part, starts and stops them in order.
//! - [`preflight`]: ports and directory, looked at before anything is changed.
//! - [`shutdown`]: the signals that ask the broker to stop.
//! - [`clock`]: the time of day.
//! - [`descriptors`]: how many files and connections the process may have.
//! - [`error_chain`]: an error and its causes in one line.
//! - [`config`]: `server.properties` and flags, checked and typed.
//! - [`telemetry`]: metrics, log lines, health, the admin port.
//! - [`observation`]: what the admin port shows, gathered from the parts.

mod api;
pub mod broker;
mod clock;
pub mod config;
mod coordinator;
mod descriptors;
mod disk;
mod error_chain;
mod fetch;
mod metadata;
mod network;
mod observation;
mod preflight;
mod replica;
mod shutdown;
pub mod telemetry;
