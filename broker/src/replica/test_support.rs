//! A broker's partitions on a file system in memory, for the tests of this module and of the APIs.

use std::{
    io::{self, IoSlice},
    os::fd::BorrowedFd,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use odradek_metadata::{
    MetadataImage,
    decide::{
        create_partitions::{Growth, create_partitions},
        create_topics::{NewTopic, TopicRules, create_topics},
    },
    records::{ConfigRecord, Record, RegisterBrokerRecord, RemoveTopicRecord},
};
use odradek_protocol::records::BatchBuilder;
use odradek_storage::{
    append::AppendRequest,
    disk::{
        DirEntry, Disk, DiskFile, FileLock, FileStat, OpenMode, PageCacheIdentity, Space,
        memory::MemoryDisk,
    },
    file_cache::FileCache,
    log::LogContext,
    log_dir::{DirExpectation, LogDir},
    positions::PositionBudget,
    producer_state::ProducerLimits,
};
use parking_lot::{Condvar, Mutex};
use prometheus_client::registry::Registry;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::{AppendReply, Logs, Manager, Partition, RequiredAcks, apply::StoredByPartition};
use crate::{
    clock::Clock, config::Config, disk::DiskPool, metadata::publisher::ActedIndex,
    telemetry::metrics::Metrics,
};

pub(crate) const NODE_ID: i32 = 1;
const FILES_MAX: usize = 100;

/// Partitions, the metadata that they follow, and the disk below them.
pub(crate) struct TestBroker {
    pub(crate) disk: ProbedDisk,
    pub(crate) manager: Arc<Manager>,
    pub(crate) pool: Arc<DiskPool>,
    pub(crate) now_ms: Arc<AtomicI64>,
    pub(crate) image: Arc<MetadataImage>,
}

impl TestBroker {
    /// A broker without topics on an empty disk.
    pub(crate) async fn new() -> Self {
        Self::start(ProbedDisk::default(), Arc::new(registered()), "").await
    }

    /// A broker on this disk that finds `image`, with these lines in its configuration.
    pub(crate) async fn start(disk: ProbedDisk, image: Arc<MetadataImage>, config: &str) -> Self {
        Self::try_start(disk, image, config).await.unwrap()
    }

    /// The same on a disk that may fail meanwhile.
    pub(crate) async fn try_start(
        disk: ProbedDisk,
        image: Arc<MetadataImage>,
        config: &str,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let path = Path::new("/data");
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let expected = DirExpectation {
            node_id: NODE_ID,
            cluster_id: None,
            new_cluster_id: "test".to_owned(),
            new_directory_id: Uuid::new_v4(),
        };
        let dir = Arc::new(LogDir::open(shared, path, &expected)?);
        let context = LogContext {
            files: FileCache::new(Arc::clone(dir.disk()), FILES_MAX),
            positions: Arc::new(PositionBudget::new(1 << 20)),
            producers: ProducerLimits {
                expiration_ms: 86_400_000,
                producers_max: 1000,
            },
            health: Arc::clone(dir.health()),
        };
        let pool = DiskPool::start(4.try_into().unwrap()).unwrap();
        pool.start_cleaning(1).unwrap();
        let now_ms = Arc::new(AtomicI64::new(1_000_000));
        let manager = Manager::new(
            Arc::new(Config::for_test(path, config)),
            Logs { dir, context },
            Arc::clone(&pool),
            Clock::Manual(Arc::clone(&now_ms)),
            Arc::new(Metrics::new(&mut Registry::default(), [])),
            ActedIndex::new(),
        );
        manager.load(&image).await?;
        Ok(Self {
            disk,
            manager,
            pool,
            now_ms,
            image,
        })
    }

    /// Stops in order, and starts again on the same disk.
    pub(crate) async fn restart(self) -> Self {
        self.has_ended_running().await;
        self.manager.stop().await;
        self.start_again().await
    }

    /// Starts again on the same disk, as after the death of the process.
    pub(crate) async fn crash(self) -> Self {
        self.has_ended_running().await;
        self.start_again().await
    }

    /// Follows the metadata, flushes and keeps house, until the returned guard is dropped.
    pub(crate) fn run(&self) -> Running {
        let (images, watch) = watch::channel(Arc::clone(&self.image));
        let stop = CancellationToken::new();
        tokio::spawn(Arc::clone(&self.manager).run(watch, stop.clone()));
        Running {
            _images: images,
            _stop: stop.drop_guard(),
        }
    }

    /// Waits for what [`run`](Self::run) started: it ends some time after its guard is dropped,
    /// and holds the lock of the directory until then.
    async fn has_ended_running(&self) {
        until(|| Arc::strong_count(&self.manager) == 1).await;
    }

    async fn start_again(self) -> Self {
        let Self {
            disk,
            manager,
            pool,
            image,
            ..
        } = self;
        pool.stop();
        drop(manager);
        Self::start(disk, image, "").await
    }

    /// Creates a topic and waits until its partitions are there.
    pub(crate) async fn create(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let topic = NewTopic {
            name: name.to_owned(),
            partitions,
            replication_factor: 1,
            configs: configs
                .iter()
                .map(|(k, v)| ((*k).into(), Some((*v).into())))
                .collect(),
            ..Default::default()
        };
        let rules = TopicRules {
            default_partitions: 1,
            default_replication_factor: 1,
            schema: &crate::config::schema::Schema,
        };
        let created = create_topics(&self.image, &[topic], rules, Uuid::new_v4).remove(0);
        self.commit(created.unwrap().records).await;
    }

    /// Lets a topic grow and waits until its new partitions are there.
    pub(crate) async fn grow(&mut self, name: &str, partitions: i32) {
        let growth = Growth {
            topic: name.to_owned(),
            partitions,
            assignments: None,
        };
        let records = create_partitions(&self.image, &[growth]).remove(0);
        self.commit(records.unwrap()).await;
    }

    /// Deletes a topic and waits until its partitions are gone.
    pub(crate) async fn delete(&mut self, name: &str) {
        let topic_id = self.image.topic(name).unwrap().id;
        self.commit(vec![RemoveTopicRecord { topic_id }.into()])
            .await;
    }

    /// Sets a topic's configuration and waits until it is in force.
    pub(crate) async fn configure(&mut self, topic: &str, key: &str, value: &str) {
        let record = ConfigRecord {
            resource_type: 2,
            resource_name: topic.to_owned(),
            key: key.to_owned(),
            value: Some(value.to_owned()),
        };
        self.commit(vec![record.into()]).await;
    }

    async fn commit(&mut self, records: Vec<Record>) {
        let mut image = MetadataImage::clone(&self.image);
        image.applied_index += 1;
        let index = image.applied_index;
        for record in records {
            image.apply(record, index).unwrap();
        }
        self.image = Arc::new(image);
        let _ = self
            .manager
            .apply(&self.image, &StoredByPartition::new())
            .await;
    }

    /// A partition that is served.
    pub(crate) fn partition(&self, topic: &str, index: i32) -> Arc<Partition> {
        self.manager.partition(topic, index).unwrap()
    }

    /// Names in the log directory, sorted.
    pub(crate) fn directories(&self) -> Vec<String> {
        let entries = self.disk.list(Path::new("/data")).unwrap();
        let mut names: Vec<_> = entries
            .into_iter()
            .filter(|entry| entry.kind == odradek_storage::disk::EntryKind::Directory)
            .map(|entry| entry.name)
            .collect();
        names.sort();
        names
    }
}

/// Stops what [`TestBroker::run`] started when it is dropped.
pub(crate) struct Running {
    _images: watch::Sender<Arc<MetadataImage>>,
    _stop: DropGuard,
}

/// Waits for a condition.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "the condition did not come true in time"
        );
        sleep(Duration::from_millis(1)).await;
    }
}

fn registered() -> MetadataImage {
    let mut image = MetadataImage::default();
    let broker = RegisterBrokerRecord {
        broker_id: NODE_ID,
        ..Default::default()
    };
    image.apply(broker.into(), 1).unwrap();
    image.applied_index = 1;
    image
}

/// A batch with one record for each value.
pub(crate) fn records(values: &[&str]) -> Bytes {
    let batch = values.iter().fold(BatchBuilder::new(), |batch, value| {
        batch.record(1_000_000, None, Some(value.as_bytes()))
    });
    batch.build().to_bytes()
}

/// A batch of one record of an idempotent producer.
pub(crate) fn idempotent_records(producer_id: i64, sequence: i32, value: &str) -> Bytes {
    BatchBuilder::new()
        .producer(producer_id, 0, sequence)
        .record(1_000_000, None, Some(value.as_bytes()))
        .build()
        .to_bytes()
}

/// Enqueues records with `acks=all`.
pub(crate) fn enqueue(partition: &Arc<Partition>, records: Bytes) -> AppendReply {
    partition.enqueue_append(AppendRequest { records }, RequiredAcks::All)
}

/// A disk in memory that counts the syncs of segments, holds them up, and fails writes.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProbedDisk {
    pub(crate) memory: MemoryDisk,
    probe: Arc<Probe>,
}

#[derive(Debug, Default)]
struct Probe {
    segment_syncs: AtomicUsize,
    space_looks: AtomicUsize,
    /// Syncs of directories wait while this is set.
    directories_held: Mutex<bool>,
    /// Syncs of segments wait while this is set.
    held: Mutex<bool>,
    released: Condvar,
    waiting: AtomicUsize,
    /// Writes to segments panic while this is set.
    panicking: AtomicBool,
    /// Syncs of segments fail while this is set.
    failing: AtomicBool,
}

impl ProbedDisk {
    /// One that has this below it.
    pub(crate) fn over(memory: MemoryDisk) -> Self {
        let probe = Arc::default();
        Self { memory, probe }
    }

    /// How often a segment's file was synced.
    pub(crate) fn segment_syncs(&self) -> usize {
        self.probe.segment_syncs.load(Ordering::SeqCst)
    }

    /// How often the file system was asked how full it is.
    pub(crate) fn space_looks(&self) -> usize {
        self.probe.space_looks.load(Ordering::SeqCst)
    }

    /// How many syncs wait.
    pub(crate) fn waiting_syncs(&self) -> usize {
        self.probe.waiting.load(Ordering::SeqCst)
    }

    /// Makes writes to segments panic, as a bug in the log engine would.
    pub(crate) fn panic_on_write(&self, panicking: bool) {
        self.probe.panicking.store(panicking, Ordering::SeqCst);
    }

    /// Makes syncs of segments fail.
    pub(crate) fn fail_syncs(&self) {
        self.probe.failing.store(true, Ordering::SeqCst);
    }

    /// Makes syncs of directories wait, or lets them go on: a flush begins with them.
    pub(crate) fn hold_directory_syncs(&self, held: bool) {
        *self.probe.directories_held.lock() = held;
        self.probe.released.notify_all();
    }

    /// Makes syncs of segments wait, or lets them go on.
    pub(crate) fn hold_syncs(&self, held: bool) {
        *self.probe.held.lock() = held;
        self.probe.released.notify_all();
    }
}

#[derive(Debug)]
struct ProbedFile {
    file: Arc<dyn DiskFile>,
    probe: Arc<Probe>,
    is_segment: bool,
}

impl DiskFile for ProbedFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_all_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        let panicking = self.is_segment && self.probe.panicking.load(Ordering::SeqCst);
        assert!(!panicking, "as the test wants");
        self.file.write_all_at(parts, position)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.is_segment {
            let mut held = self.probe.held.lock();
            self.probe.waiting.fetch_add(1, Ordering::SeqCst);
            while *held {
                self.probe.released.wait(&mut held);
            }
            self.probe.waiting.fetch_sub(1, Ordering::SeqCst);
            self.probe.segment_syncs.fetch_add(1, Ordering::SeqCst);
            if self.probe.failing.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::Other.into());
            }
        }
        self.file.sync_data()
    }

    fn preallocate(&self, position: u64, len: u64) -> io::Result<()> {
        self.file.preallocate(position, len)
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.fd()
    }
}

impl Disk for ProbedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(ProbedFile {
            file: self.memory.open(path, mode)?,
            probe: Arc::clone(&self.probe),
            is_segment: path.extension().is_some_and(|extension| extension == "log"),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.memory.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.memory.remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.memory.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.memory.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut held = self.probe.directories_held.lock();
        self.probe.waiting.fetch_add(1, Ordering::SeqCst);
        while *held {
            self.probe.released.wait(&mut held);
        }
        self.probe.waiting.fetch_sub(1, Ordering::SeqCst);
        drop(held);
        self.memory.sync_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.memory.list(path)
    }

    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        self.memory.stat(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        self.memory.lock(path)
    }

    fn page_cache_identity(&self, dir: &Path) -> io::Result<PageCacheIdentity> {
        self.memory.page_cache_identity(dir)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.probe.space_looks.fetch_add(1, Ordering::SeqCst);
        self.memory.space(dir)
    }
}
