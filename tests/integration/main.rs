//! The real broker, driven by librdkafka and by raw frames; one file per subject.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod admin;
mod bad_input;
mod client;
mod config;
mod connection;
mod crash;
mod durability;
mod fetch;
mod fetch_raw;
mod golden;
mod idempotence;
mod limits;
mod list_offsets;
mod offsets;
mod offsets_raw;
mod produce;
mod produce_raw;
mod recovery;
mod retention;
mod topics;
mod trace;
mod versions;
mod wire;
mod zero_copy;
