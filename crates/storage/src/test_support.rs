//! What the tests of the log engine share: a log in a temporary directory, batches, and reading
//! everything back.

use std::{
    io::{self, IoSlice},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use odradek_protocol::records::{BatchBuilder, BatchRecords, Batches};

use crate::{
    append::{AppendContext, AppendOrigin, AppendRequest, Appended},
    config::LogConfig,
    disk::{
        DirEntry, Disk, DiskFile, FileLock, FileStat, OpenMode, PageCacheIdentity, RealDisk, Space,
    },
    error::{AppendError, OpenError},
    file_cache::FileCache,
    log::{Log, LogContext, OpenOptions},
    log_dir::{DirHealth, PreviousStop},
    positions::PositionBudget,
    producer_state::ProducerLimits,
    read::{Located, LogSlice, LogView, ReadRequest},
    recovery::Recovery,
};

/// The time at which tests begin.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

/// Where a test's log lives, and how it is opened.
pub(crate) struct Place {
    pub(crate) root: tempfile::TempDir,
    pub(crate) config: LogConfig,
    pub(crate) disk: Arc<dyn Disk>,
}

impl Place {
    pub(crate) fn new(config: LogConfig) -> Self {
        let root = tempfile::tempdir().unwrap();
        Self {
            root,
            config,
            disk: Arc::new(RealDisk),
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("topic-0")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn file_names(&self, suffix: &str) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.dir())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(suffix))
            .collect();
        names.sort();
        names
    }

    pub(crate) fn context(&self) -> LogContext {
        LogContext {
            files: FileCache::new(Arc::clone(&self.disk), 64),
            positions: Arc::new(PositionBudget::new(1 << 20)),
            producers: ProducerLimits::default(),
            health: Arc::new(DirHealth::default()),
        }
    }

    pub(crate) fn try_open(
        &self,
        previous_stop: PreviousStop,
        recovery_point: i64,
    ) -> Result<(Log, Recovery), OpenError> {
        let options = OpenOptions {
            dir: self.dir(),
            config: self.config.clone(),
            recovery_point,
            log_start_offset: 0,
            previous_stop,
            now_ms: NOW_MS,
        };
        Log::open(&self.context(), options)
    }

    /// Opens the log as after a clean stop (or for the first time).
    pub(crate) fn open(&self) -> Log {
        self.try_open(PreviousStop::Clean, 0).unwrap().0
    }
}

/// The defaults, with segments small enough to roll in a test.
pub(crate) fn small_segments() -> LogConfig {
    LogConfig {
        segment_bytes: 10_000,
        index_interval_bytes: 500,
        ..LogConfig::default()
    }
}

/// A batch as a client sends it: `count` records with values that start with `first` and count up.
pub(crate) fn batch(first: usize, count: usize, value_size: usize) -> BatchBuilder {
    (first..first + count).fold(BatchBuilder::new(), |builder, number| {
        let digits = number.to_string();
        let value = "0".repeat(value_size.saturating_sub(digits.len())) + &digits;
        builder.record(NOW_MS + number as i64, None, Some(value.as_bytes()))
    })
}

pub(crate) fn request(builder: BatchBuilder) -> AppendRequest {
    AppendRequest {
        records: builder.build().to_bytes(),
    }
}

pub(crate) fn from_client() -> AppendContext {
    AppendContext {
        origin: AppendOrigin::Client,
        leader_epoch: 3,
        now_ms: NOW_MS,
    }
}

pub(crate) fn try_append(log: &mut Log, builder: BatchBuilder) -> Result<Appended, AppendError> {
    let mut outcome = log.append_group(&[request(builder)], from_client());
    outcome.results.pop().unwrap()
}

pub(crate) fn append(log: &mut Log, builder: BatchBuilder) -> Appended {
    try_append(log, builder).unwrap()
}

/// Appends batches of one record until the log ends at `end`; the value of each record is its
/// offset.
pub(crate) fn fill_to(log: &mut Log, end: i64, value_size: usize) {
    for offset in log.view().log_end_offset()..end {
        append(log, batch(offset as usize, 1, value_size));
    }
}

pub(crate) fn read(view: &LogView, request: &ReadRequest) -> Located {
    match view.locate(request) {
        Located::NeedsDisk => view.locate_on_disk(request).unwrap(),
        located => located,
    }
}

pub(crate) fn bytes_of(slice: &LogSlice) -> Bytes {
    let mut bytes = vec![0; slice.len as usize];
    slice
        .file
        .read_exact_at(&mut bytes, slice.position)
        .unwrap();
    bytes.into()
}

/// Every record from `offset` on: offset and value.
pub(crate) fn read_from(view: &LogView, offset: i64) -> Vec<(i64, Bytes)> {
    let mut records = Vec::new();
    let mut next = offset;
    loop {
        let request = ReadRequest {
            offset: next,
            upper_offset: i64::MAX,
            max_bytes: 4_000,
            at_least_one: true,
        };
        match read(view, &request) {
            Located::Slice(slice) => {
                for batch in Batches::new(bytes_of(&slice)) {
                    let batch = batch.unwrap();
                    batch.verify_crc().unwrap();
                    for record in &BatchRecords::read(&batch).unwrap() {
                        let record = record.unwrap();
                        if offset <= record.offset {
                            let value = Bytes::copy_from_slice(record.value.unwrap());
                            records.push((record.offset, value));
                        }
                    }
                    next = batch.header().next_offset();
                }
                assert!(slice.end_offset.is_none_or(|end| next <= end));
            }
            Located::Empty => return records,
            other => panic!("offset {next}: {other:?}"),
        }
    }
}

/// Checks that the log holds the records that [`fill_to`] wrote, and no others.
pub(crate) fn assert_filled(view: &LogView, from: i64, to: i64) {
    let records = read_from(view, from);
    let offsets: Vec<i64> = records.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, (from..to).collect::<Vec<_>>());
    for (offset, value) in records {
        let number: i64 = std::str::from_utf8(&value).unwrap().parse().unwrap();
        assert_eq!(number, offset);
    }
    assert_eq!(view.log_end_offset(), to);
}

/// A disk that is full for some of the operations that would need space.
#[derive(Debug)]
pub(crate) struct FullDisk {
    disk: Arc<dyn Disk>,
    count: Arc<AtomicUsize>,
    full: Range<usize>,
}

impl FullDisk {
    /// The operations in `full`, counted from 0, find no space.
    pub(crate) fn new(disk: Arc<dyn Disk>, full: Range<usize>) -> Self {
        Self {
            disk,
            count: Arc::default(),
            full,
        }
    }

    /// How many operations wanted space.
    pub(crate) fn operations(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

fn take_space(count: &AtomicUsize, full: &Range<usize>) -> io::Result<()> {
    let operation = count.fetch_add(1, Ordering::Relaxed);
    if full.contains(&operation) {
        Err(io::ErrorKind::StorageFull.into())
    } else {
        Ok(())
    }
}

impl Disk for FullDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let creates = matches!(mode, OpenMode::Create | OpenMode::CreateEmpty);
        if creates && self.disk.stat(path).is_err() {
            take_space(&self.count, &self.full)?;
        }
        let file = self.disk.open(path, mode)?;
        let (count, full) = (Arc::clone(&self.count), self.full.clone());
        Ok(Arc::new(FullFile { file, count, full }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.list(path)
    }
    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        self.disk.stat(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        self.disk.lock(path)
    }
    fn page_cache_identity(&self, dir: &Path) -> io::Result<PageCacheIdentity> {
        self.disk.page_cache_identity(dir)
    }
    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.disk.space(dir)
    }
}

#[derive(Debug)]
struct FullFile {
    file: Arc<dyn DiskFile>,
    count: Arc<AtomicUsize>,
    full: Range<usize>,
}

impl DiskFile for FullFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }
    fn write_all_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        let Err(full) = take_space(&self.count, &self.full) else {
            return self.file.write_all_at(parts, position);
        };
        // Some of it still found room.
        let half = parts.len().div_ceil(2);
        self.file.write_all_at(&mut parts[..half], position)?;
        Err(full)
    }
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn preallocate(&self, position: u64, len: u64) -> io::Result<()> {
        take_space(&self.count, &self.full)?;
        self.file.preallocate(position, len)
    }
    fn fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.file.fd()
    }
}
