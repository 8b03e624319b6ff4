//! One log directory: whose it is, how it was left, whether it can still be trusted.
//!
//! ```text
//! LOG_DIR/.lock                               held while a process uses the directory
//!         meta.properties                     cluster, broker, this directory
//!         .kafka_cleanshutdown                present only between a clean stop and the next open
//!         .boot-identity                      kernel and mount that the last writer wrote through
//!         recovery-point-offset-checkpoint    below these offsets everything is synced
//!         replication-offset-checkpoint       high watermarks
//!         log-start-offset-checkpoint         log starts moved inside a segment
//!         TOPIC-PARTITION/                    one log
//!         TOPIC-PARTITION.UNIQUE-delete/      a deleted log, being removed
//!         TOPIC-PARTITION.UNIQUE-stray/       a log the cluster does not know
//! ```
//!
//! **Invariant:** a clean stop is believed once. [`LogDir::open`] removes the marker durably before
//! anything is written, and [`LogDir::mark_clean`] puts it back after everything is synced.
//!
//! **Invariant:** `.boot-identity` names the present kernel only after recovery is complete
//! ([`LogDir::mark_recovered`]). A process that dies while it recovers from a power loss
//! leaves the old identity, so the next one recovers from the power loss again.

mod guard;

use std::fmt;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use thiserror::Error;
use uuid::Uuid;

use self::guard::GuardedDisk;
use crate::checkpoint::{self, CheckpointError, Offsets};
use crate::disk::{self, Disk, EntryKind, FileLock, OpenMode, PageCacheIdentity};

/// The name of the file that a process locks while it uses a log directory.
pub const LOCK_FILE: &str = ".lock";
const IDENTITY_FILE: &str = "meta.properties";
const CLEAN_STOP_FILE: &str = ".kafka_cleanshutdown";
const BOOT_IDENTITY_FILE: &str = ".boot-identity";
const RECOVERY_POINTS_FILE: &str = "recovery-point-offset-checkpoint";
const HIGH_WATERMARKS_FILE: &str = "replication-offset-checkpoint";
const LOG_STARTS_FILE: &str = "log-start-offset-checkpoint";
const CLEANED_FILE: &str = "cleaner-offset-checkpoint";

const DELETED_SUFFIX: &str = "-delete";
const STRAY_SUFFIX: &str = "-stray";
/// The longest file name Linux takes.
const NAME_LEN_MAX: usize = 255;

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition's number, at least 0.
    pub partition: i32,
}

impl TopicPartition {
    /// The partition of that name and number.
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }

    /// The partition whose log has its directory under this name; `None` for any other name.
    pub fn from_dir_name(name: &str) -> Option<Self> {
        let (topic, number) = name.rsplit_once('-')?;
        let partition = number.parse().ok()?;
        let found = Self::new(topic, partition);
        (!topic.is_empty() && found.to_string() == name).then_some(found)
    }

    /// The name the log's directory gets before it is removed: never used before, so that the
    /// topic can be created again at once.
    pub fn deleted_dir_name(&self, unique: Uuid) -> String {
        self.retired_dir_name(unique, DELETED_SUFFIX)
    }

    /// The name the log's directory gets when the cluster does not know the partition.
    pub fn stray_dir_name(&self, unique: Uuid) -> String {
        self.retired_dir_name(unique, STRAY_SUFFIX)
    }

    fn retired_dir_name(&self, unique: Uuid, suffix: &str) -> String {
        let tail = format!("-{}.{}{suffix}", self.partition, unique.simple());
        let room = NAME_LEN_MAX - tail.len();
        let head = self.topic.get(..room).unwrap_or(&self.topic);
        format!("{head}{tail}")
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// How the process that used the directory before this one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviousStop {
    /// There was none: the directory is new.
    Never,
    /// Everything was synced.
    Clean,
    /// The process died, but the page cache lived: every completed write is still there.
    ProcessDied,
    /// The machine went down or the file system was mounted anew: what was not synced may be gone.
    PageCacheLost,
}

impl fmt::Display for PreviousStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "never",
            Self::Clean => "clean",
            Self::ProcessDied => "process-died",
            Self::PageCacheLost => "page-cache-lost",
        })
    }
}

/// Whom a log directory belongs to: `meta.properties`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirIdentity {
    /// The cluster.
    pub cluster_id: String,
    /// The broker, at least 0.
    pub node_id: i32,
    /// This directory: a wiped disk comes back with another one.
    pub directory_id: Uuid,
}

/// What the opener expects of a directory, and what to write into a new one.
#[derive(Debug, Clone)]
pub struct DirExpectation {
    /// The broker's id.
    pub node_id: i32,
    /// The cluster's id if it is known; otherwise the directory's own is accepted.
    pub cluster_id: Option<String>,
    /// The cluster id for a new directory when none is expected.
    pub new_cluster_id: String,
    /// The directory id for a new directory.
    pub new_directory_id: Uuid,
}

/// A log directory that cannot be used.
#[derive(Debug, Error)]
pub enum LogDirError {
    /// The file system refused.
    #[error("{action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error(
        "log directory {} is in use by another process: stop that one, or set log.dirs to another \
         directory", path.display()
    )]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// There are logs in it, but nothing says whose.
    #[error(
        "log directory {} contains logs but no {IDENTITY_FILE}: restore that file, or set log.dirs \
         to an empty directory", path.display()
    )]
    Unidentified {
        /// The directory.
        path: PathBuf,
    },
    /// It belongs to another cluster.
    #[error(
        "log directory {} belongs to cluster {found}, but this broker is to join {expected}: set \
         log.dirs to this cluster's directory or to an empty one", path.display()
    )]
    OtherCluster {
        /// The directory.
        path: PathBuf,
        /// The cluster in `meta.properties`.
        found: String,
        /// The cluster expected.
        expected: String,
    },
    /// It belongs to another broker.
    #[error(
        "log directory {} belongs to broker {found}, but node.id is {expected}: set node.id to \
         {found}, or log.dirs to another directory", path.display()
    )]
    OtherBroker {
        /// The directory.
        path: PathBuf,
        /// The broker in `meta.properties`.
        found: i32,
        /// The broker expected.
        expected: i32,
    },
    /// A checkpoint file cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Whether a log directory can still be trusted, and has room to waste; shared by everything that
/// uses it.
///
/// After a failed sync nobody knows what is on the disk: the directory goes offline for as long as
/// the process lives, and the sync is never tried again. [`LogDir::disk`] sees to it.
#[derive(Debug)]
pub struct DirHealth {
    offline: OnceLock<String>,
    spare_bytes: AtomicU64,
}

impl Default for DirHealth {
    /// Trusted, with all the room in the world.
    fn default() -> Self {
        Self {
            offline: OnceLock::new(),
            spare_bytes: AtomicU64::new(u64::MAX),
        }
    }
}

impl DirHealth {
    /// The disk can spare so many bytes: appends may ask for some of it in advance.
    pub fn set_spare_bytes(&self, bytes: u64) {
        self.spare_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that the disk can spare, as far as anybody has looked.
    pub fn spare_bytes(&self) -> u64 {
        self.spare_bytes.load(Ordering::Relaxed)
    }

    /// Takes the directory offline for good. Only the first reason is kept.
    pub fn poison(&self, reason: impl Into<String>) {
        // A second reason is a consequence of the first.
        let _ = self.offline.set(reason.into());
    }

    /// Why the directory is offline, if it is.
    pub fn offline(&self) -> Option<&str> {
        self.offline.get().map(String::as_str)
    }
}

/// A directory inside a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionDir {
    /// A partition's log.
    Live(TopicPartition),
    /// The name of what is left of a deleted log: remove it.
    Deleted(String),
    /// The name of a log that the cluster does not know: kept until a person looks.
    Stray(String),
}

impl PartitionDir {
    /// `None` for a name that no log has, such as `lost+found`.
    fn from_name(name: String) -> Option<Self> {
        if name.ends_with(DELETED_SUFFIX) {
            Some(Self::Deleted(name))
        } else if name.ends_with(STRAY_SUFFIX) {
            Some(Self::Stray(name))
        } else {
            TopicPartition::from_dir_name(&name).map(Self::Live)
        }
    }
}

/// A log directory that this process owns until the value is dropped.
#[derive(Debug)]
pub struct LogDir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    identity: DirIdentity,
    previous_stop: PreviousStop,
    health: Arc<DirHealth>,
    _lock: Box<dyn FileLock>,
}

impl LogDir {
    /// Locks the directory, checks whom it belongs to, and finds out how it was left. Creates it if
    /// it is missing.
    pub fn open(
        disk: Arc<dyn Disk>,
        path: &Path,
        expected: &DirExpectation,
    ) -> Result<Self, LogDirError> {
        let health = Arc::<DirHealth>::default();
        let boot_identity = path.join(BOOT_IDENTITY_FILE);
        let disk: Arc<dyn Disk> =
            Arc::new(GuardedDisk::new(disk, Arc::clone(&health), boot_identity));
        create_dirs(&*disk, path)?;
        let lock_path = path.join(LOCK_FILE);
        let lock = disk
            .lock(&lock_path)
            .map_err(io_error("take the lock", &lock_path))?
            .ok_or_else(|| LogDirError::Locked {
                path: path.to_owned(),
            })?;
        let identity_path = path.join(IDENTITY_FILE);
        let (identity, previous_stop) =
            if let Some(identity) = checkpoint::read_identity(&*disk, &identity_path)? {
                check_identity(path, &identity, expected)?;
                (identity, previous_stop(&*disk, path)?)
            } else {
                let identity = adopt(&*disk, path, expected)?;
                checkpoint::write_identity(&*disk, &identity_path, &identity)?;
                (identity, PreviousStop::Never)
            };
        believe_clean_stop_once(&*disk, path)?;
        let path = path.to_owned();
        Ok(Self {
            disk,
            path,
            identity,
            previous_stop,
            health,
            _lock: lock,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file system it is on. A sync through it that fails takes the directory offline.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Whom it belongs to.
    pub fn identity(&self) -> &DirIdentity {
        &self.identity
    }

    /// How it was left.
    pub fn previous_stop(&self) -> PreviousStop {
        self.previous_stop
    }

    /// Whether it can still be trusted.
    pub fn health(&self) -> &Arc<DirHealth> {
        &self.health
    }

    /// The directory of a partition's log.
    pub fn partition_path(&self, partition: &TopicPartition) -> PathBuf {
        self.path.join(partition.to_string())
    }

    /// The logs in it, live or not, in no particular order. Other directories are left alone.
    pub fn partitions(&self) -> Result<Vec<PartitionDir>, LogDirError> {
        partition_dirs(&*self.disk, &self.path)
    }

    /// Every log is recovered: from now on the death of the process alone is recognised as such.
    pub fn mark_recovered(&self) -> Result<(), LogDirError> {
        let path = self.path.join(BOOT_IDENTITY_FILE);
        // It says so already. Written anew on a full disk, it would lose what it says.
        if self.previous_stop == PreviousStop::ProcessDied {
            return Ok(());
        }
        let current = current_boot_identity(&*self.disk, &self.path)?;
        // Not synced: after a power loss the kernel has another identity, whatever is in the file.
        overwrite(&*self.disk, &path, current.as_bytes()).map_err(io_error("write", &path))
    }

    /// Every log is synced and closed: the next open finds a clean stop.
    pub fn mark_clean(&self) -> Result<(), LogDirError> {
        let path = self.path.join(CLEAN_STOP_FILE);
        // Kafka's version 0 of the file; a broker epoch comes with the cluster. Only the name is
        // synced: it alone is the sign.
        overwrite(&*self.disk, &path, br#"{"version":0,"brokerEpoch":-1}"#)
            .and_then(|()| self.disk.sync_dir(&self.path))
            .map_err(io_error("write", &path))
    }

    /// Offsets below which everything is synced.
    pub fn recovery_points(&self) -> Result<Offsets, LogDirError> {
        self.read_offsets(RECOVERY_POINTS_FILE)
    }

    /// Replaces the recovery points durably. The logs must be synced up to them already.
    pub fn write_recovery_points(&self, offsets: &Offsets) -> Result<(), LogDirError> {
        self.write_offsets(RECOVERY_POINTS_FILE, offsets)
    }

    /// Log start offsets, where deletion of records moved them inside a segment.
    pub fn log_start_offsets(&self) -> Result<Offsets, LogDirError> {
        self.read_offsets(LOG_STARTS_FILE)
    }

    /// Replaces the log start offsets durably.
    pub fn write_log_start_offsets(&self, offsets: &Offsets) -> Result<(), LogDirError> {
        self.write_offsets(LOG_STARTS_FILE, offsets)
    }

    /// High watermarks.
    pub fn high_watermarks(&self) -> Result<Offsets, LogDirError> {
        self.read_offsets(HIGH_WATERMARKS_FILE)
    }

    /// Replaces the high watermarks durably.
    pub fn write_high_watermarks(&self, offsets: &Offsets) -> Result<(), LogDirError> {
        self.write_offsets(HIGH_WATERMARKS_FILE, offsets)
    }

    /// Offsets up to which compaction has come.
    pub fn cleaned_offsets(&self) -> Result<Offsets, LogDirError> {
        self.read_offsets(CLEANED_FILE)
    }

    /// Replaces the offsets up to which compaction has come durably.
    pub fn write_cleaned_offsets(&self, offsets: &Offsets) -> Result<(), LogDirError> {
        self.write_offsets(CLEANED_FILE, offsets)
    }

    fn read_offsets(&self, file: &str) -> Result<Offsets, LogDirError> {
        Ok(checkpoint::read_offsets(
            &*self.disk,
            &self.path.join(file),
        )?)
    }

    fn write_offsets(&self, file: &str, offsets: &Offsets) -> Result<(), LogDirError> {
        Ok(checkpoint::write_offsets(
            &*self.disk,
            &self.path.join(file),
            offsets,
        )?)
    }
}

fn check_identity(
    path: &Path,
    found: &DirIdentity,
    expected: &DirExpectation,
) -> Result<(), LogDirError> {
    let path = path.to_owned();
    if let Some(cluster_id) = &expected.cluster_id
        && *cluster_id != found.cluster_id
    {
        let (found, expected) = (found.cluster_id.clone(), cluster_id.clone());
        return Err(LogDirError::OtherCluster {
            path,
            found,
            expected,
        });
    }
    if found.node_id != expected.node_id {
        let (found, expected) = (found.node_id, expected.node_id);
        return Err(LogDirError::OtherBroker {
            path,
            found,
            expected,
        });
    }
    Ok(())
}

/// The identity for a directory that has none yet, and so must have no logs either.
fn adopt(
    disk: &dyn Disk,
    path: &Path,
    expected: &DirExpectation,
) -> Result<DirIdentity, LogDirError> {
    if !partition_dirs(disk, path)?.is_empty() {
        return Err(LogDirError::Unidentified {
            path: path.to_owned(),
        });
    }
    let cluster_id = expected
        .cluster_id
        .as_ref()
        .unwrap_or(&expected.new_cluster_id)
        .clone();
    let (node_id, directory_id) = (expected.node_id, expected.new_directory_id);
    Ok(DirIdentity {
        cluster_id,
        node_id,
        directory_id,
    })
}

fn previous_stop(disk: &dyn Disk, path: &Path) -> Result<PreviousStop, LogDirError> {
    let clean_stop_path = path.join(CLEAN_STOP_FILE);
    if disk::exists(disk, &clean_stop_path).map_err(io_error("look for", &clean_stop_path))? {
        return Ok(PreviousStop::Clean);
    }
    let boot_path = path.join(BOOT_IDENTITY_FILE);
    match disk::read_file(disk, &boot_path) {
        Ok(before) if before == current_boot_identity(disk, path)?.as_bytes() => {
            Ok(PreviousStop::ProcessDied)
        }
        Ok(_) => Ok(PreviousStop::PageCacheLost),
        // Died before its first recovery was complete.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(PreviousStop::PageCacheLost),
        Err(source) => Err(io_error("read", &boot_path)(source)),
    }
}

fn overwrite(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let file = disk.open(path, OpenMode::CreateEmpty)?;
    file.write_all_at(&mut [IoSlice::new(content)], 0)
}

fn believe_clean_stop_once(disk: &dyn Disk, path: &Path) -> Result<(), LogDirError> {
    let marker = path.join(CLEAN_STOP_FILE);
    match disk.remove_file(&marker) {
        Ok(()) => disk.sync_dir(path).map_err(io_error("sync", path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(io_error("remove", &marker)(source)),
    }
}

fn current_boot_identity(disk: &dyn Disk, path: &Path) -> Result<String, LogDirError> {
    let PageCacheIdentity { boot_id, mount } = disk
        .page_cache_identity(path)
        .map_err(io_error("identify the mount of", path))?;
    Ok(format!("version=0\nboot.id={boot_id}\nmount={mount}\n"))
}

fn partition_dirs(disk: &dyn Disk, path: &Path) -> Result<Vec<PartitionDir>, LogDirError> {
    let entries = disk.list(path).map_err(io_error("list", path))?;
    let dirs = entries
        .into_iter()
        .filter(|entry| entry.kind == EntryKind::Directory);
    Ok(dirs
        .filter_map(|dir| PartitionDir::from_name(dir.name))
        .collect())
}

/// Creates a directory and those above it, each name durable before the next is made.
fn create_dirs(disk: &dyn Disk, path: &Path) -> Result<(), LogDirError> {
    if disk::exists(disk, path).map_err(io_error("look for", path))? {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_dirs(disk, parent)?;
    disk.create_dir(path)
        .and_then(|()| disk.sync_dir(parent))
        .map_err(io_error("create log directory", path))
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogDirError {
    let path = path.to_owned();
    move |source| LogDirError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
#[path = "log_dir_tests.rs"]
mod tests;
