//! The real broker, driven by librdkafka and by raw frames; one file per subject.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod bad_input;
mod client;
mod crash;
mod fetch;
mod produce;
mod produce_raw;
mod wire;
