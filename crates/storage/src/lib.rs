//! Placeholder.

pub mod checkpoint;
pub mod disk;
pub mod file_cache;
pub mod leader_epoch;
pub mod log_dir;
pub mod producer_state;
