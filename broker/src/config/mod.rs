//! Configuration: from `server.properties` and `--override` flags to a checked, typed [`Config`].
//!
//! In the order a value passes:
//!
//! - [`raw`]: the text as written, with file and line.
//! - [`table`]: the one table of keys, from which checks and documentation come.
//! - [`check`]: each key by itself; collects problems and warnings.
//! - [`load`]: the whole: reads the file, applies the rules between keys, fills [`Config`].
//! - [`listeners`]: the rules that tie the listener keys together.
//! - [`topic`]: topic keys, their fallbacks, the typed settings of a log.
//! - [`schema`]: what clients may set while the broker runs.
//! - [`dynamic`]: what they have set, over what the broker started with.
//! - [`document`]: writes `docs/configuration.md` from the table.
//!
//! **Invariant:** nothing is opened, bound or created before the whole configuration was checked,
//! and the rest of the broker sees only [`Config`], never text.

pub mod check;
pub mod document;
pub(crate) mod dynamic;
pub mod listeners;
mod load;
pub mod raw;
pub(crate) mod schema;
pub mod table;
pub mod topic;

pub use load::load;

use std::{ffi::OsString, path::PathBuf, time::Duration};

use check::{Settings, Warning};
use listeners::{Address, Listeners};
use odradek_protocol::records::Compression;
use topic::TopicDefaults;

/// The configuration of one broker, as of one moment; see [`dynamic`].
#[derive(Debug, Clone)]
pub struct Config {
    /// `node.id`.
    pub node_id: i32,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Where clients reach the broker.
    pub listeners: Listeners,
    /// `admin.listener`; `None` when switched off.
    pub admin_listener: Option<Address>,
    /// Sockets, threads and memory in flight.
    pub network: Network,
    /// How topics come and go.
    pub topics: Topics,
    /// What a topic gets that overrides nothing.
    pub topic_defaults: TopicDefaults,
    /// The data folder and the work done on it in the background.
    pub storage: Storage,
    /// Limits of fetches.
    pub fetch: Fetch,
    /// Consumer groups.
    pub groups: Groups,
    /// Committed offsets and the topic they are kept in.
    pub offsets: Offsets,
    /// Every key with its value and origin, for `DescribeConfigs`.
    pub settings: Settings,
}

/// Sockets, threads and memory in flight.
#[derive(Debug, Clone)]
pub struct Network {
    /// `num.network.threads`: threads of the data runtime.
    pub worker_threads: usize,
    /// `num.io.threads`: threads that may block on the disk.
    pub disk_threads: usize,
    /// `socket.request.max.bytes`.
    pub request_bytes_max: usize,
    /// `queued.max.request.bytes`: bytes of requests in memory, over all connections; `None` for
    /// no bound.
    pub request_bytes_budget: Option<usize>,
    /// `socket.send.buffer.bytes`; `None` leaves it to the kernel.
    pub send_buffer_bytes: Option<u32>,
    /// `socket.receive.buffer.bytes`; `None` leaves it to the kernel.
    pub receive_buffer_bytes: Option<u32>,
    /// `socket.listen.backlog.size`.
    pub listen_backlog: u32,
    /// `max.connections`.
    pub connections_max: usize,
    /// `max.connections.per.ip`.
    pub connections_per_ip_max: usize,
    /// `connections.max.idle.ms`; `None` for never.
    pub idle_timeout: Option<Duration>,
    /// `socket.stall.timeout.ms`.
    pub stall_timeout: Duration,
}

/// How topics come and go.
#[derive(Debug, Clone)]
pub struct Topics {
    /// `auto.create.topics.enable`.
    pub auto_create: bool,
    /// `delete.topic.enable`.
    pub delete: bool,
    /// `max.request.partition.size.limit`.
    pub described_partitions_max: usize,
    /// `num.partitions`.
    pub partitions: i32,
    /// `default.replication.factor`.
    pub replication_factor: i16,
}

/// The data folder and the work done on it in the background.
#[derive(Debug, Clone)]
pub struct Storage {
    /// `log.dirs`.
    pub directory: PathBuf,
    /// `storage.min.free.bytes`; `None`: what fits the disk.
    pub min_free_bytes: Option<u64>,
    /// `num.recovery.threads.per.data.dir`.
    pub recovery_threads: usize,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
    /// `log.recovery.flush.interval.ms`.
    pub flush_interval: Duration,
    /// `log.recovery.flush.bytes`.
    pub flush_bytes: u64,
    /// `log.flush.start.offset.checkpoint.interval.ms`.
    pub log_start_checkpoint_interval: Duration,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub high_watermark_checkpoint_interval: Duration,
    /// `producer.id.expiration.ms`.
    pub producer_expiration: Duration,
    /// Compaction.
    pub cleaner: Cleaner,
}

/// Compaction.
#[derive(Debug, Clone)]
pub struct Cleaner {
    /// `log.cleaner.threads`; 0 without `log.cleaner.enable`.
    pub threads: usize,
    /// `log.cleaner.backoff.ms`.
    pub backoff: Duration,
    /// `log.cleaner.dedupe.buffer.size`, over all threads.
    pub map_bytes: usize,
    /// `log.cleaner.io.buffer.load.factor`.
    pub map_load_factor: f64,
    /// `log.cleaner.io.max.bytes.per.second`, over all threads.
    pub bytes_per_second_max: f64,
}

/// Limits of fetches.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// `fetch.max.bytes`.
    pub response_bytes_max: i32,
    /// `max.incremental.fetch.session.cache.slots`.
    pub sessions_max: usize,
}

/// Consumer groups.
#[derive(Debug, Clone)]
pub struct Groups {
    /// `group.min.session.timeout.ms`.
    pub session_timeout_min: Duration,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_max: Duration,
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay: Duration,
    /// `group.max.size`.
    pub members_max: usize,
}

/// Committed offsets and the topic they are kept in.
#[derive(Debug, Clone)]
pub struct Offsets {
    /// `offsets.topic.num.partitions`.
    pub topic_partitions: i32,
    /// `offsets.topic.replication.factor`.
    pub topic_replication_factor: i16,
    /// `offsets.topic.segment.bytes`.
    pub topic_segment_bytes: u32,
    /// `offsets.topic.compression.codec`.
    pub compression: Compression,
    /// `offset.metadata.max.bytes`, which Kafka counts in UTF-16 units.
    pub metadata_len_max: usize,
    /// `offsets.commit.timeout.ms`.
    pub commit_timeout: Duration,
    /// `offsets.load.buffer.size`.
    pub load_bytes: u32,
    /// `offsets.retention.minutes`.
    pub retention: Duration,
    /// `offsets.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
}

/// A configuration that can be started, with what its author should be told.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Written keys without effect, and the like. To be logged once.
    pub warnings: Vec<Warning>,
}

/// What the process's surroundings contribute to defaults.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// `$XDG_DATA_HOME`.
    pub data_home: Option<OsString>,
    /// `$HOME`.
    pub home: Option<OsString>,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_this_process() -> Self {
        Self {
            data_home: std::env::var_os("XDG_DATA_HOME"),
            home: std::env::var_os("HOME"),
        }
    }

    /// The data folder of a broker that was not told one. A relative `$XDG_DATA_HOME` is ignored,
    /// as its specification demands.
    fn data_folder(&self) -> Option<PathBuf> {
        let data_home = self
            .data_home
            .as_ref()
            .map(PathBuf::from)
            .filter(|p| p.is_absolute());
        let home = || Some(PathBuf::from(self.home.as_ref()?).join(".local/share"));
        let folder = data_home
            .or_else(home)
            .filter(|folder| folder.is_absolute())?;
        Some(folder.join("odradek"))
    }
}

impl Config {
    /// The configuration that these lines give, as a file would, with the data in `directory`. For
    /// tests of other parts.
    #[cfg(test)]
    pub(crate) fn for_test(directory: &std::path::Path, text: &str) -> Self {
        let mut entries = raw::parse_properties("test", text).expect("the test's own text");
        entries.extend(raw::parse_override(&format!(
            "log.dirs={}",
            directory.display()
        )));
        let loaded = load::build(entries, Vec::new(), &Surroundings::default());
        loaded.expect("the test's own text").config
    }
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
