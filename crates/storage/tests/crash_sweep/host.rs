//! The log engine, put together and driven as the broker does it, for one-partition topics.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use odradek_storage::checkpoint::{Offsets, PartitionMetadata};
use odradek_storage::config::LogConfig;
use odradek_storage::disk::Disk;
use odradek_storage::disk::memory::MemoryDisk;
use odradek_storage::file_cache::FileCache;
use odradek_storage::log::{Log, LogContext, OpenOptions};
use odradek_storage::log_dir::{DirExpectation, LogDir, PartitionDir, TopicPartition};
use odradek_storage::positions::PositionBudget;
use odradek_storage::producer_state::ProducerLimits;
use uuid::Uuid;

/// The topics that exist, by name, with their ids: what the broker's metadata says.
pub(crate) type Topics = BTreeMap<String, Uuid>;

/// Whatever went wrong, in words.
pub(crate) type Problem = String;

/// Later than every workload, in milliseconds.
pub(crate) const LATER_MS: i64 = 1_000_000;

/// Where every log is.
pub(crate) fn log_dir_path() -> &'static Path {
    Path::new("/data")
}

/// Small enough that a few batches fill a segment and have index entries.
pub(crate) fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 4096,
        index_interval_bytes: 512,
        file_delete_delay_ms: 0,
        retention_ms: None,
        ..LogConfig::default()
    }
}

/// The topic whose log is compacted.
pub(crate) const COMPACTED: &str = "state";

/// The configuration of a topic.
pub(crate) fn config_of(topic: &str) -> LogConfig {
    let cleanup_compact = topic == COMPACTED;
    LogConfig {
        cleanup_compact,
        cleanup_delete: !cleanup_compact,
        ..config()
    }
}

/// Takes the directory, which gets the id `new_id` if it is new.
pub(crate) fn open_dir(disk: &MemoryDisk, new_id: Uuid) -> Result<LogDir, Problem> {
    let expectation = DirExpectation {
        node_id: 1,
        cluster_id: None,
        new_cluster_id: "cluster".to_owned(),
        new_directory_id: new_id,
    };
    LogDir::open(Arc::new(disk.clone()), log_dir_path(), &expectation)
        .map_err(|error| format!("open the log directory: {error:?}"))
}

/// The id of the topic that a partition's directory belongs to.
pub(crate) fn topic_id(
    disk: &dyn Disk,
    partition: &TopicPartition,
) -> Result<Option<Uuid>, Problem> {
    PartitionMetadata::read(disk, &log_dir_path().join(partition.to_string()))
        .map(|found| found.map(|metadata| metadata.topic_id))
        .map_err(|error| format!("read partition metadata: {error:?}"))
}

/// One broker's storage.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) dir: LogDir,
    context: LogContext,
    pub(crate) logs: BTreeMap<String, Log>,
    log_starts: Offsets,
    pub(crate) now_ms: i64,
}

impl Host {
    /// Opens every topic that exists, tidies up, and declares the directory recovered.
    pub(crate) fn open(dir: LogDir, topics: &Topics, now_ms: i64) -> Result<Self, Problem> {
        let disk = Arc::clone(dir.disk());
        let context = LogContext {
            files: FileCache::new(disk, 100),
            positions: Arc::new(PositionBudget::new(1 << 20)),
            producers: ProducerLimits::default(),
            health: Arc::clone(dir.health()),
        };
        let read = |error| format!("read a checkpoint: {error:?}");
        let recovery_points = dir.recovery_points().map_err(read)?;
        let log_starts = dir.log_start_offsets().map_err(read)?;
        let mut host = Self {
            dir,
            context,
            logs: BTreeMap::new(),
            log_starts,
            now_ms,
        };
        host.tidy(topics)?;
        for (topic, id) in topics {
            host.open_log(topic, *id, &recovery_points)?;
        }
        host.checkpoint()?;
        host.dir
            .mark_recovered()
            .map_err(|error| format!("mark recovered: {error:?}"))?;
        Ok(host)
    }

    /// Removes what is left of deleted logs and sets aside those that no topic owns.
    fn tidy(&mut self, topics: &Topics) -> Result<(), Problem> {
        let disk = Arc::clone(self.dir.disk());
        let found = self
            .dir
            .partitions()
            .map_err(|error| format!("list: {error:?}"))?;
        for found in found {
            let result = match found {
                PartitionDir::Deleted(name) => {
                    odradek_storage::disk::remove_dir_all(&*disk, &self.dir.path().join(name))
                }
                PartitionDir::Live(partition) if !self.is_known(topics, &partition)? => {
                    self.set_aside(&partition)
                }
                PartitionDir::Live(_) | PartitionDir::Stray(_) => Ok(()),
            };
            result.map_err(|error| format!("tidy up: {error:?}"))?;
        }
        Ok(())
    }

    fn is_known(&self, topics: &Topics, partition: &TopicPartition) -> Result<bool, Problem> {
        let found = topic_id(&**self.dir.disk(), partition)?;
        let expected = topics.get(&partition.topic);
        Ok(expected.is_some_and(|expected| found.is_none_or(|found| found == *expected)))
    }

    fn set_aside(&self, partition: &TopicPartition) -> std::io::Result<()> {
        let disk = self.dir.disk();
        let to = self
            .dir
            .path()
            .join(partition.stray_dir_name(Uuid::from_u128(99)));
        disk.rename(&self.dir.partition_path(partition), &to)?;
        disk.sync_dir(self.dir.path())
    }

    fn open_log(
        &mut self,
        topic: &str,
        id: Uuid,
        recovery_points: &Offsets,
    ) -> Result<(), Problem> {
        let partition = TopicPartition::new(topic, 0);
        let path = self.dir.partition_path(&partition);
        let known = topic_id(&**self.dir.disk(), &partition)?;
        let stored = |offsets: &Offsets| {
            known
                .and_then(|_| offsets.get(&partition))
                .copied()
                .unwrap_or_default()
        };
        let options = OpenOptions {
            dir: path.clone(),
            config: config_of(topic),
            recovery_point: stored(recovery_points),
            log_start_offset: stored(&self.log_starts),
            previous_stop: self.dir.previous_stop(),
            now_ms: self.now_ms,
        };
        let (log, _recovery) = Log::open(&self.context, options)
            .map_err(|error| format!("open the log of {topic}: {error:?}"))?;
        if known.is_none() {
            PartitionMetadata { topic_id: id }
                .write(&**self.dir.disk(), &path)
                .map_err(|error| format!("write partition metadata: {error:?}"))?;
        }
        self.logs.insert(topic.to_owned(), log);
        Ok(())
    }

    /// Creates a topic's log.
    pub(crate) fn create(&mut self, topic: &str, id: Uuid) -> Result<(), Problem> {
        self.open_log(topic, id, &Offsets::new())
    }

    /// Deletes a topic's log: first its checkpoint entries, which a later topic of that name must
    /// not inherit, then its directory's name, then its files.
    pub(crate) fn delete(&mut self, topic: &str, unique: Uuid) -> Result<(), Problem> {
        let log = self
            .logs
            .remove(topic)
            .expect("the workload knows its topics");
        self.checkpoint()?;
        self.write_log_starts()?;
        let deletion = log
            .delete(unique, self.now_ms)
            .map_err(|error| format!("delete the log of {topic}: {error:?}"))?;
        deletion
            .remove(self.dir.disk())
            .map_err(|error| format!("remove the files of {topic}: {error:?}"))
    }

    /// Truncates a topic's log, having lowered its recovery point first.
    pub(crate) fn truncate(&mut self, topic: &str, end_offset: i64) -> Result<(), Problem> {
        let mut points = self.recovery_points();
        let point = points.entry(TopicPartition::new(topic, 0)).or_default();
        *point = end_offset.min(*point);
        self.write_recovery_points(&points)?;
        let log = self
            .logs
            .get_mut(topic)
            .expect("the workload knows its topics");
        log.truncate_to(end_offset, self.now_ms)
            .map_err(|error| format!("truncate {topic}: {error:?}"))
    }

    /// Writes every log's recovery point.
    pub(crate) fn checkpoint(&self) -> Result<(), Problem> {
        self.write_recovery_points(&self.recovery_points())
    }

    fn recovery_points(&self) -> Offsets {
        let logs = self.logs.iter();
        logs.map(|(topic, log)| (TopicPartition::new(topic, 0), log.view().recovery_point()))
            .filter(|(_, point)| *point > 0)
            .collect()
    }

    fn write_recovery_points(&self, points: &Offsets) -> Result<(), Problem> {
        self.dir
            .write_recovery_points(points)
            .map_err(|error| format!("write recovery points: {error:?}"))
    }

    /// Writes every log's start.
    pub(crate) fn write_log_starts(&mut self) -> Result<(), Problem> {
        let logs = self.logs.iter();
        self.log_starts = logs
            .map(|(topic, log)| (TopicPartition::new(topic, 0), log.view().log_start_offset()))
            .filter(|(_, start)| *start > 0)
            .collect();
        self.dir
            .write_log_start_offsets(&self.log_starts)
            .map_err(|error| format!("write log starts: {error:?}"))
    }

    /// Closes every log and marks the stop as clean.
    pub(crate) fn stop(mut self) -> Result<(), Problem> {
        let mut points = Offsets::new();
        for (topic, log) in std::mem::take(&mut self.logs) {
            let start = log.view().log_start_offset();
            let point = log
                .close_clean(self.now_ms)
                .map_err(|error| format!("close the log of {topic}: {error:?}"))?;
            let partition = TopicPartition::new(topic, 0);
            points.insert(partition.clone(), point);
            self.log_starts.insert(partition, start);
        }
        let stop = || {
            self.dir.write_recovery_points(&points)?;
            self.dir.write_log_start_offsets(&self.log_starts)?;
            self.dir.mark_clean()
        };
        stop().map_err(|error| format!("stop: {error:?}"))
    }
}
