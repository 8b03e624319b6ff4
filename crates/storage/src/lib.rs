//! The log engine: one directory of segment files for each partition, in Kafka's own formats.
//! Synchronous: every call may block, except those of [`read::LogView`] that say otherwise.
//!
//! In the order bytes flow:
//! - [`append`]: what may enter a log, and as what
//! - [`log`]: one partition's writer: append, roll, flush, truncate
//! - [`read`]: the read side, shared: offsets to ranges of files
//! - [`positions`]: batch positions in memory, so that reading fresh records reads no file
//! - [`recovery`]: opening a log after a clean stop or a crash
//! - [`retention`]: which segments may go
//! - [`leader_epoch`], [`producer_state`]: what a log knows of its leaders and its producers
//! - [`checkpoint`], [`log_dir`]: small files, and the directory that holds all logs
//! - [`disk`], [`file_cache`]: the only door to the file system
//! - [`config`], [`error`]
//!
//! **Invariant:** `log start offset <= last stable offset <= high watermark <= log end offset`.
//! Start and end live here; the two between belong to the broker, which must keep the order.

pub mod append;
pub mod checkpoint;
pub mod config;
pub mod disk;
pub mod error;
pub mod file_cache;
pub mod leader_epoch;
pub mod log;
pub mod log_dir;
pub mod positions;
pub mod producer_state;
pub mod read;
pub mod recovery;
pub mod retention;
pub mod uuid_text;
