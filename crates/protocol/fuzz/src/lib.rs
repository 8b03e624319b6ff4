//! What has to hold for any bytes: see [`checks`]. One target each in `fuzz_targets/`.
//!
//! ```text
//! cargo xtask fuzz --seconds 60                                all targets, as CI does
//! cargo +nightly fuzz run record_batch -- -max_total_time=20   one, with the address sanitizer
//! RUSTC_BOOTSTRAP=1 cargo fuzz run -s none record_batch        one, with the pinned compiler
//! ```
//! The last two from `crates/protocol`. `cargo test` runs the same checks on mutants of valid
//! input, without cargo-fuzz: `tests/mutation.rs` of the protocol crate.
//!
//! `corpus/TARGET/seed-*` are in version control, what runs add to them is not.

pub mod checks;
