//! The partitions that live on this broker.
//!
//! In the order bytes flow:
//! - [`manager`]: finds a partition; makes the partitions be what the metadata says.
//! - [`partition`]: one partition: its queue, its one writer at a time, what it publishes.
//! - [`leader`]: pure arithmetic of acknowledgements and the high watermark.
//! - [`high_watermark`]: what is committed, and who waits for it.
//! - [`watcher`]: who is told that a partition changed.

pub(crate) mod high_watermark;
pub(crate) mod leader;
pub(crate) mod manager;
pub(crate) mod partition;
pub(crate) mod watcher;

pub(crate) use manager::{Manager, PartitionError};
pub(crate) use partition::Partition;
pub(crate) use watcher::{Watcher, WatcherKey};
