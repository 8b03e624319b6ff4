//! The partitions that live on this broker.
//!
//! In the order a record passes them:
//! - [`manager`]: all partitions; finds one for a request.
//! - [`catalog`]: the table in which it finds them.
//! - [`partition`]: one partition: its one writer at a time, what it publishes.
//! - [`append_queue`]: the appends that wait for that writer.
//! - [`leader`]: pure arithmetic of acknowledgements and the high watermark.
//! - [`high_watermark`]: what is committed, and who waits for it.
//! - [`watcher`]: who is told that a partition changed.
//!
//! and in the background:
//! - [`apply`]: from one metadata image to the next: create, delete, reconfigure.
//! - [`space`]: the reserve on the disk, and who may append when little is left.
//! - [`local_log`]: the directory of one log: open, delete, set aside.
//! - [`upkeep`]: what happens to one partition besides appends and reads.
//! - [`record_deletion`]: the log start moves because a client asked for it.
//! - [`flusher`], [`checkpoints`]: bound what a crash leaves to recover.
//! - [`cleaner`]: which log is compacted next, how fast, and what failed.
//! - [`housekeeping`]: retention, and files whose deletion was put off.

mod append_queue;
mod apply;
mod catalog;
mod checkpoints;
mod cleaner;
#[cfg(test)]
mod fault_tests;
mod flusher;
mod high_watermark;
mod housekeeping;
mod leader;
mod local_log;
mod manager;
mod partition;
mod record_deletion;
mod space;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod test_support;
mod upkeep;
mod watcher;

pub(crate) use append_queue::{AppendError, AppendReply};
pub(crate) use leader::RequiredAcks;
pub(crate) use local_log::Logs;
pub(crate) use manager::{Manager, PartitionError};
pub(crate) use partition::Partition;
pub(crate) use record_deletion::{DeleteBelow, DeleteRecordsError};
pub(crate) use space::SpaceReport;
pub(crate) use watcher::{Watcher, WatcherKey};
