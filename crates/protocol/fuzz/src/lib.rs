//! What has to hold for any bytes. `cargo test` runs the same checks on mutated samples, see
//! `tests/mutation.rs` of the protocol crate.

pub mod checks;
