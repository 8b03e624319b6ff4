//! One segment: a `.log` file of batches with its two indexes, as all readers share it.
//!
//! The file name is the base offset: no record in the segment is below it. The last segment of a
//! log is *active*: the writer appends to it through
//! [`SegmentWriter`](crate::segment_writer::SegmentWriter). The others are *sealed*: nothing but
//! truncation changes them.
//!
//! **Invariant:** the published size covers whole batches only, and is stored after their bytes
//! are in the file.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use odradek_protocol::records::BatchHeader;
use parking_lot::Mutex;

use crate::{
    disk::{Disk, DiskFile, OpenMode, temporary_path},
    error::{IoError, ReadError},
    file_cache::{CachedFile, FileCache},
    index::{
        offset::{OffsetEntry, OffsetIndex},
        time::{TimeEntry, TimeIndex},
    },
    positions::{BatchStart, SegmentPositions},
    scan::{BatchAt, BatchWalk},
};

/// Suffix of the file that holds the batches.
pub(crate) const LOG_SUFFIX: &str = ".log";
/// Suffix of the offset index.
pub(crate) const OFFSET_INDEX_SUFFIX: &str = ".index";
/// Suffix of the time index.
pub(crate) const TIME_INDEX_SUFFIX: &str = ".timeindex";
/// What is appended to the name of a file that will be removed.
pub(crate) const DELETED_SUFFIX: &str = ".deleted";
/// What is appended to the name of a file that compaction is writing.
pub(crate) const CLEANED_SUFFIX: &str = ".cleaned";
/// What is appended to the name of a file that is whole and will take the place of others.
pub(crate) const SWAP_SUFFIX: &str = ".swap";

/// The timestamp of a segment in which no record has one.
const NO_TIMESTAMP: i64 = -1;

/// The path of one of a segment's files.
pub(crate) fn segment_path(dir: &Path, base_offset: i64, suffix: &str) -> PathBuf {
    dir.join(format!("{base_offset:020}{suffix}"))
}

/// The base offset in the name of a segment's file; `None` if it is no such file.
pub(crate) fn base_offset_in(file_name: &str, suffix: &str) -> Option<i64> {
    let digits = file_name.strip_suffix(suffix)?;
    let is_offset = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
    if is_offset { digits.parse().ok() } else { None }
}

/// One segment of a log.
#[derive(Debug)]
pub(crate) struct Segment {
    base_offset: i64,
    log: Arc<CachedFile>,
    pub(crate) offset_index: OffsetIndex,
    pub(crate) time_index: TimeIndex,
    pub(crate) positions: Arc<SegmentPositions>,
    /// Bytes of the file that readers may look at.
    size: AtomicU32,
    /// Bytes of the file that are synced, as far as this process knows.
    synced_size: AtomicU32,
    /// The largest timestamp; `None` until the time index was asked.
    largest: Mutex<Option<TimeEntry>>,
    /// The handle of the log file while it has writes that are not synced: see
    /// [`file_cache`](crate::file_cache) for why it must stay open.
    unsynced: Mutex<Option<Arc<dyn DiskFile>>>,
    /// Nothing will be written any more, and all index entries are in their files.
    sealed: AtomicBool,
    indexes_synced: AtomicBool,
}

impl Segment {
    /// Creates the files of a new segment. Their names are durable after the next sync of `dir`.
    pub(crate) fn create(
        files: &Arc<FileCache>,
        dir: &Path,
        base_offset: i64,
    ) -> Result<Self, IoError> {
        Self::create_as(files, dir, base_offset, "")
    }

    /// As [`create`](Self::create), with `suffix` behind the names.
    pub(crate) fn create_as(
        files: &Arc<FileCache>,
        dir: &Path,
        base_offset: i64,
        suffix: &str,
    ) -> Result<Self, IoError> {
        let path = |kind| segment_path(dir, base_offset, &format!("{kind}{suffix}"));
        let offset_index = OffsetIndex::create(files, path(OFFSET_INDEX_SUFFIX), base_offset)?;
        let time_index = TimeIndex::create(files, path(TIME_INDEX_SUFFIX), base_offset)?;
        let log_path = path(LOG_SUFFIX);
        let log = files
            .open(&log_path, OpenMode::CreateEmpty)
            .map_err(IoError::on("create", &log_path))?;
        let largest = TimeEntry {
            timestamp: NO_TIMESTAMP,
            last_offset: base_offset,
        };
        Ok(Self {
            base_offset,
            log,
            offset_index,
            time_index,
            positions: SegmentPositions::new(BatchStart {
                relative_offset: 0,
                position: 0,
            }),
            size: AtomicU32::new(0),
            synced_size: AtomicU32::new(0),
            largest: Mutex::new(Some(largest)),
            unsynced: Mutex::new(None),
            sealed: AtomicBool::new(false),
            indexes_synced: AtomicBool::new(false),
        })
    }

    /// A segment whose files exist; none of them is opened before it is needed. `end_offset` is
    /// where the next segment starts, or the end of the log.
    pub(crate) fn existing(
        files: &Arc<FileCache>,
        dir: &Path,
        base_offset: i64,
        end_offset: i64,
        size: u32,
    ) -> Self {
        let path = |suffix| segment_path(dir, base_offset, suffix);
        let end = BatchStart {
            relative_offset: relative(end_offset, base_offset),
            position: size,
        };
        Self {
            base_offset,
            log: files.file(path(LOG_SUFFIX), OpenMode::Write),
            offset_index: OffsetIndex::existing(files, path(OFFSET_INDEX_SUFFIX), base_offset),
            time_index: TimeIndex::existing(files, path(TIME_INDEX_SUFFIX), base_offset),
            positions: SegmentPositions::new(end),
            size: AtomicU32::new(size),
            synced_size: AtomicU32::new(size),
            largest: Mutex::new(None),
            unsynced: Mutex::new(None),
            sealed: AtomicBool::new(false),
            indexes_synced: AtomicBool::new(false),
        }
    }

    /// A segment whose indexes are about to be built anew, under temporary names until
    /// [`install_indexes`](Self::install_indexes).
    pub(crate) fn without_indexes(
        files: &Arc<FileCache>,
        dir: &Path,
        base_offset: i64,
        size: u32,
    ) -> Result<Self, IoError> {
        let path = |suffix| temporary_path(&segment_path(dir, base_offset, suffix));
        let offset_index = OffsetIndex::create(files, path(OFFSET_INDEX_SUFFIX), base_offset)?;
        let time_index = TimeIndex::create(files, path(TIME_INDEX_SUFFIX), base_offset)?;
        let segment = Self::existing(files, dir, base_offset, base_offset, size);
        Ok(Self {
            offset_index,
            time_index,
            ..segment
        })
    }

    /// Gives indexes that were built anew their names, once their content is durable. A crash that
    /// loses a name leaves a segment that visibly lacks an index, so names need no sync.
    pub(crate) fn install_indexes(&self, disk: &dyn Disk, dir: &Path) -> Result<(), IoError> {
        self.offset_index.file.sync()?;
        self.time_index.file.sync()?;
        let files = [
            (self.offset_index.file.file(), OFFSET_INDEX_SUFFIX),
            (self.time_index.file.file(), TIME_INDEX_SUFFIX),
        ];
        for (file, suffix) in files {
            let (from, to) = (file.path(), segment_path(dir, self.base_offset, suffix));
            disk.rename(&from, &to)
                .map_err(IoError::on("rename", &from))?;
            file.moved_to(&to);
        }
        Ok(())
    }

    /// The lowest offset that the segment may hold.
    pub(crate) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// Whether the offsets of a batch can be in this segment, so far as the indexes can count.
    pub(crate) fn can_hold(&self, batch: &BatchHeader) -> bool {
        let offsets = batch.last_offset() - self.base_offset;
        self.base_offset <= batch.base_offset && offsets <= i64::from(i32::MAX)
    }

    /// An offset as indexes and positions count it: relative to the base offset.
    pub(crate) fn relative(&self, offset: i64) -> u32 {
        relative(offset, self.base_offset)
    }

    /// The file that holds the batches.
    pub(crate) fn log(&self) -> &Arc<CachedFile> {
        &self.log
    }

    /// Bytes of whole batches in the file.
    pub(crate) fn size(&self) -> u32 {
        self.size.load(Ordering::Acquire)
    }

    /// The file now holds whole batches up to `size`.
    pub(crate) fn publish_size(&self, size: u32) {
        self.size.store(size, Ordering::Release);
    }

    /// Bytes that were written since the last sync.
    pub(crate) fn unsynced_bytes(&self) -> u64 {
        u64::from(
            self.size()
                .saturating_sub(self.synced_size.load(Ordering::Relaxed)),
        )
    }

    /// What lies behind `position` may not be durable.
    pub(crate) fn distrust_from(&self, position: u32) {
        self.synced_size.fetch_min(position, Ordering::Relaxed);
    }

    /// An open file for I/O on the batches.
    pub(crate) fn handle(&self) -> Result<Arc<dyn DiskFile>, IoError> {
        self.log
            .handle()
            .map_err(|source| self.error("open", source))
    }

    /// Adds the log file's path to a system error.
    pub(crate) fn error(&self, action: &'static str, source: io::Error) -> IoError {
        IoError {
            action,
            path: self.log.path(),
            source,
        }
    }

    /// The first batch that reaches `offset`. Reads the index and headers. `None` if every batch
    /// ends below it.
    pub(crate) fn find_batch(&self, offset: i64) -> Result<Option<BatchAt>, ReadError> {
        let mut walk = self.walk_to(offset)?;
        while let Some(batch) = walk.next_batch()? {
            if offset <= batch.header.last_offset() {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// Walks from the last batch that the index knows to end at or below `offset`.
    pub(crate) fn walk_to(&self, offset: i64) -> Result<BatchWalk, ReadError> {
        self.walk_from(self.offset_index.at_or_below_offset(offset)?, 0)
    }

    /// Walks from the batch that an index entry points to, or from `otherwise` if there is none or
    /// the index is damaged: it may slow a search down, but never hide a record.
    pub(crate) fn walk_from(
        &self,
        entry: Option<OffsetEntry>,
        otherwise: u32,
    ) -> Result<BatchWalk, ReadError> {
        let size = self.size();
        if let Some(entry) = entry {
            let mut walk = BatchWalk::headers(&self.log, entry.position, size)?;
            if let Ok(Some(batch)) = walk.next_batch()
                && batch.header.last_offset() == entry.last_offset
            {
                walk.back_to(&batch);
                return Ok(walk);
            }
            tracing::warn!(
                index = %self.offset_index.file.file().path().display(),
                "the index is damaged, searching without it"
            );
        }
        BatchWalk::headers(&self.log, otherwise, size)
    }

    /// The largest timestamp and the last offset of the batch that has it; -1 if no record has a
    /// timestamp. Reads the time index if this was not asked before.
    pub(crate) fn largest_timestamp(&self) -> Result<TimeEntry, IoError> {
        let mut largest = self.largest.lock();
        if let Some(known) = *largest {
            return Ok(known);
        }
        let last = self.time_index.last()?;
        let none = TimeEntry {
            timestamp: NO_TIMESTAMP,
            last_offset: self.base_offset,
        };
        Ok(*largest.insert(last.unwrap_or(none)))
    }

    /// The largest timestamp is known from elsewhere; `None`: no record has one.
    pub(crate) fn set_largest_timestamp(&self, largest: Option<TimeEntry>) {
        let none = TimeEntry {
            timestamp: NO_TIMESTAMP,
            last_offset: self.base_offset,
        };
        *self.largest.lock() = Some(largest.unwrap_or(none));
    }

    /// The largest timestamp in the first batch, in ms; `None` if there is none.
    pub(crate) fn first_timestamp(&self) -> Result<Option<i64>, ReadError> {
        let mut walk = BatchWalk::headers(&self.log, 0, self.size())?;
        let first = walk.next_batch()?.map(|batch| batch.header.max_timestamp);
        Ok(first.filter(|timestamp| NO_TIMESTAMP < *timestamp))
    }

    /// The time that retention goes by, in ms: the largest timestamp, or when the file was last
    /// written if no record has one.
    pub(crate) fn newest_ms(&self, disk: &dyn Disk) -> Result<i64, IoError> {
        let largest = self.largest_timestamp()?.timestamp;
        if NO_TIMESTAMP < largest {
            return Ok(largest);
        }
        let path = self.log.path();
        disk.stat(&path)
            .map(|stat| stat.modified_ms)
            .map_err(IoError::on("look at", &path))
    }

    /// Keeps the file open until it is synced. Called after a write was published.
    pub(crate) fn hold_unsynced(&self, handle: Arc<dyn DiskFile>) {
        self.unsynced.lock().get_or_insert(handle);
    }

    /// Nothing will be written any more.
    pub(crate) fn seal(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    /// Whether nothing will be written any more.
    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    /// A sealed segment again takes writes, because what followed it was truncated.
    pub(crate) fn unseal(&self) {
        self.sealed.store(false, Ordering::Release);
        self.indexes_synced.store(false, Ordering::Release);
    }

    /// The segment was sealed and synced by an earlier process.
    pub(crate) fn mark_synced(&self) {
        self.seal();
        self.indexes_synced.store(true, Ordering::Release);
    }

    /// Whether syncing would do nothing: sealed, and the indexes synced after that.
    pub(crate) fn is_synced_for_good(&self) -> bool {
        self.indexes_synced.load(Ordering::Acquire)
    }

    /// Makes the published batches durable, and with them the indexes of a sealed segment. Those
    /// of the active one can be rebuilt from its batches; syncing them each time would cost more.
    pub(crate) fn sync(&self) -> Result<(), IoError> {
        let sealed = self.is_sealed();
        let size = self.size();
        let held = self.unsynced.lock().clone();
        let handle = held.map_or_else(|| self.handle(), Ok)?;
        handle
            .sync_data()
            .map_err(|source| self.error("sync", source))?;
        self.synced_size.store(size, Ordering::Relaxed);
        {
            let mut unsynced = self.unsynced.lock();
            // The writer publishes first and holds then: what it publishes from here on is held
            // by itself until it comes to this lock.
            if self.size() == size {
                *unsynced = None;
            }
        }
        if sealed {
            self.time_index.file.sync()?;
            self.offset_index.file.sync()?;
            self.indexes_synced.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Gives the files new names that end in `.deleted`. Open handles stay valid. The batches go
    /// first: an index without a segment is removed at the next start. After a failure this can be
    /// called again.
    pub(crate) fn mark_deleted(&self) -> Result<Vec<PathBuf>, IoError> {
        let mut renamed = Vec::new();
        for file in self.files() {
            let from = file.path();
            if !ends_with(&from, DELETED_SUFFIX) {
                match file.rename_to(&with_suffix(&from, DELETED_SUFFIX)) {
                    Ok(()) => {}
                    // A missing index is not missed.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(IoError::on("rename", &from)(error)),
                }
            }
            renamed.push(file.path());
        }
        Ok(renamed)
    }

    /// Gives the files whose names end in `from` names that end in `to` instead. The batches come
    /// last: where they are, the indexes are. After a failure this can be called again.
    pub(crate) fn change_suffix(&self, from: &str, to: &str) -> Result<(), IoError> {
        for file in self.files().into_iter().rev() {
            let path = file.path();
            if let Some(stem) = path.to_str().and_then(|path| path.strip_suffix(from)) {
                let renamed = PathBuf::from(format!("{stem}{to}"));
                file.rename_to(&renamed)
                    .map_err(IoError::on("rename", &path))?;
            }
        }
        Ok(())
    }

    /// The file with the batches, then the indexes.
    fn files(&self) -> [&Arc<CachedFile>; 3] {
        [
            &self.log,
            self.offset_index.file.file(),
            self.time_index.file.file(),
        ]
    }

    /// Removes files that never became part of a log, as far as that works.
    pub(crate) fn discard(&self, disk: &dyn Disk) {
        for file in self.files() {
            let path = file.path();
            if let Err(error) = disk.remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(
                    path = %path.display(),
                    error = &error as &dyn std::error::Error,
                    "cannot remove a file; the next start will"
                );
            }
        }
    }

    /// The directory of the log was renamed.
    pub(crate) fn moved_to(&self, dir: &Path) {
        for file in self.files() {
            if let Some(name) = file.path().file_name() {
                file.moved_to(&dir.join(name));
            }
        }
    }
}

fn ends_with(path: &Path, suffix: &str) -> bool {
    path.as_os_str()
        .as_encoded_bytes()
        .ends_with(suffix.as_bytes())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn relative(offset: i64, base_offset: i64) -> u32 {
    u32::try_from(offset.saturating_sub(base_offset).max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_the_base_offset_with_twenty_digits() {
        let path = segment_path(Path::new("/logs/t-0"), 368_769, LOG_SUFFIX);
        assert_eq!(path, Path::new("/logs/t-0/00000000000000368769.log"));
    }

    #[test]
    fn only_twenty_digits_and_the_suffix_name_a_segment_file() {
        assert_eq!(
            base_offset_in("00000000000000368769.log", LOG_SUFFIX),
            Some(368_769)
        );
        for other in [
            "00000000000000368769.index",
            "368769.log",
            "+0000000000000368769.log",
            "00000000000000368769.log.deleted",
            "99999999999999999999.log",
        ] {
            assert_eq!(base_offset_in(other, LOG_SUFFIX), None, "{other}");
        }
    }
}
