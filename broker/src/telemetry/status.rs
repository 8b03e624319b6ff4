//! The document behind `/v1/broker`: what this broker is and how it is doing, for people and for
//! the operator. Fields are only ever added.

use serde::Serialize;

/// The whole document.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BrokerStatus {
    /// The version of the software.
    pub(crate) version: &'static str,
    /// `node.id`.
    pub(crate) node_id: i32,
    /// The cluster it belongs to.
    pub(crate) cluster_id: String,
    /// The identity of its data folder, as in its meta.properties; a wiped disk has another one.
    pub(crate) directory_id: String,
    /// Where the data is.
    pub(crate) directory: String,
    /// The stage of its life, as `/readyz` tells it.
    pub(crate) stage: String,
    /// Milliseconds since the process began to serve.
    pub(crate) uptime_ms: u64,
    /// Where clients reach it.
    pub(crate) listeners: Vec<ListenerStatus>,
    /// Partitions with a replica here.
    pub(crate) partitions: usize,
    /// Those that cannot serve, each with the reason.
    pub(crate) offline_partitions: Vec<OfflinePartition>,
    /// Those whose log could not be compacted when that was last tried; it will be tried again.
    pub(crate) uncleanable_partitions: Vec<UncleanablePartition>,
    /// What the start had to repair; absent until it is through.
    pub(crate) recovery: Option<RecoveryReport>,
    /// The disk below.
    pub(crate) storage: StorageStatus,
    /// Why no metadata can be changed any more until a new start, if so.
    pub(crate) metadata_log_failure: Option<String>,
}

/// The disk of the data folder.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StorageStatus {
    /// Bytes that may still be written.
    pub(crate) free_bytes: u64,
    /// `storage.min.free.bytes`, or what it is by default on this disk.
    pub(crate) reserve_bytes: u64,
    /// Whether produces are refused because less than that is free.
    pub(crate) produces_refused: bool,
    /// Why nothing is written any more until a new start, if so: a sync failed.
    pub(crate) failure: Option<String>,
}

/// One listener.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ListenerStatus {
    /// Its name.
    pub(crate) name: String,
    /// The address that was bound.
    pub(crate) bound: String,
    /// The address that clients are told.
    pub(crate) advertised: String,
}

/// A partition that cannot serve.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OfflinePartition {
    /// Its topic.
    pub(crate) topic: String,
    /// Its number.
    pub(crate) partition: i32,
    /// Why, naming file and position where there is one.
    pub(crate) reason: String,
}

/// A partition whose log cannot be compacted.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct UncleanablePartition {
    /// Its topic.
    pub(crate) topic: String,
    /// Its number.
    pub(crate) partition: i32,
    /// Why, naming file and position where there is one.
    pub(crate) reason: String,
    /// Attempts that failed, one after the other.
    pub(crate) attempts: u32,
}

/// What the start found and repaired.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RecoveryReport {
    /// How the previous process ended.
    pub(crate) previous_stop: String,
    /// Partitions opened.
    pub(crate) partitions: usize,
    /// Bytes of log read to find the end of what is whole.
    pub(crate) bytes_scanned: u64,
    /// Bytes cut off because they were not whole.
    pub(crate) bytes_truncated: u64,
    /// Milliseconds it took.
    pub(crate) duration_ms: u64,
}
