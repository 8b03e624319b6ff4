//! The log engine: one directory of segment files for each partition, in Kafka's own formats.
//! Synchronous: every call may block, except those of [`read::LogView`] that say otherwise.
//!
//! In the order bytes flow:
//! - [`append`], `group`: what may enter a log, and as what; one write for a group of requests
//! - [`log`]: one partition's writer, with `truncate` and [`retention`]
//! - `segments`, `segment`, `segment_writer`, `preallocation`, `index`: the files it consists of
//! - `state`: what writer, readers and flusher share
//! - [`flush`]: from the page cache to the disk
//! - [`read`], [`timestamps`]: offsets and times to ranges of files
//! - [`positions`]: batch positions in memory, so that reading fresh records reads no file
//! - [`cleaner`]: of every key the last record stays
//! - [`recovery`], `scan`, `replay`: opening a log after a clean stop or a crash
//! - [`leader_epoch`], [`producer_state`]: what a log knows of its leaders and its producers
//! - [`checkpoint`], [`log_dir`]: small files, and the directory that holds all logs
//! - [`disk`], [`file_cache`]: the only door to the file system
//! - [`config`], [`error`]
//!
//! **Invariant:** `log start offset <= last stable offset <= high watermark <= log end offset`.
//! Start and end live here; the two between belong to the broker, which must keep the order.

pub mod append;
pub mod checkpoint;
pub mod cleaner;
pub mod config;
pub mod disk;
pub mod error;
pub mod file_cache;
pub mod flush;
pub mod index;
pub mod leader_epoch;
pub mod log;
pub mod log_dir;
pub mod positions;
pub mod producer_state;
pub mod read;
pub mod recovery;
pub mod retention;
pub mod timestamps;

mod group;
mod preallocation;
mod replay;
mod scan;
mod segment;
mod segment_writer;
mod segments;
mod state;
mod truncate;

pub use odradek_protocol::uuid_text;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod test_support;
