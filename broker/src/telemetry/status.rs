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
    /// What the start had to repair; absent until it is through.
    pub(crate) recovery: Option<RecoveryReport>,
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
