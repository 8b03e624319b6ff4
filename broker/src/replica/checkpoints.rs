//! The checkpoint files of the log directory: recovery points, high watermarks, log starts, and how
//! far compaction has come.
//!
//! **Invariant:** once the deletion of a partition is reported done, the files no longer speak of
//! it: a topic created again under the same name must not inherit the old one's offsets. Therefore
//! offsets are collected under the lock under which they are written.
//!
//! **Invariant:** the entries of a partition that could not be opened stay as they were. Without
//! its recovery point, lost data would look like a torn tail at the next start.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use odradek_storage::{
    checkpoint::Offsets,
    log_dir::{LogDir, LogDirError, TopicPartition},
};
use parking_lot::{Mutex, RwLock};

use super::{
    catalog::{Catalog, Slot},
    partition::Partition,
};

/// What the files say of one partition; zero where they say nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StoredOffsets {
    pub(super) recovery_point: i64,
    pub(super) high_watermark: i64,
    pub(super) log_start: i64,
    pub(super) cleaned_to: i64,
}

/// Reads the files.
pub(super) fn read(
    log_dir: &LogDir,
) -> Result<BTreeMap<TopicPartition, StoredOffsets>, LogDirError> {
    let mut stored = BTreeMap::<_, StoredOffsets>::new();
    for (partition, offset) in log_dir.recovery_points()? {
        stored.entry(partition).or_default().recovery_point = offset;
    }
    for (partition, offset) in log_dir.high_watermarks()? {
        stored.entry(partition).or_default().high_watermark = offset;
    }
    for (partition, offset) in log_dir.log_start_offsets()? {
        stored.entry(partition).or_default().log_start = offset;
    }
    for (partition, offset) in log_dir.cleaned_offsets()? {
        stored.entry(partition).or_default().cleaned_to = offset;
    }
    Ok(stored)
}

/// Writes the files, one writer at a time; a file that would not change is not written. Every call
/// blocks.
#[derive(Debug, Default)]
pub(super) struct CheckpointWriter {
    written: Mutex<Written>,
    /// A partition was deleted, and the files could not be written since.
    speaks_of_deleted: AtomicBool,
}

/// What this process wrote last; nothing yet, whatever the files hold.
#[derive(Debug, Default)]
struct Written {
    recovery_points: Option<Offsets>,
    high_watermarks: Option<Offsets>,
    log_starts: Option<Offsets>,
    cleaned: Option<Offsets>,
}

impl CheckpointWriter {
    /// Writes all files after partitions were deleted. If that fails, no log may be created
    /// ([`speaks_of_deleted`](Self::speaks_of_deleted)) until it succeeds.
    pub(super) fn forget_deleted(
        &self,
        log_dir: &LogDir,
        catalog: &RwLock<Catalog>,
    ) -> Result<(), LogDirError> {
        self.speaks_of_deleted.store(true, Ordering::Release);
        self.write_all(log_dir, catalog)?;
        self.speaks_of_deleted.store(false, Ordering::Release);
        Ok(())
    }

    /// At the start: replaces the files by what `stored` says, which is what they said of the logs
    /// that are still there.
    pub(super) fn keep_only(
        &self,
        log_dir: &LogDir,
        stored: &BTreeMap<TopicPartition, StoredOffsets>,
    ) -> Result<(), LogDirError> {
        self.speaks_of_deleted.store(true, Ordering::Release);
        let each = |offset: fn(&StoredOffsets) -> i64| {
            let offsets = stored
                .iter()
                .map(|(partition, stored)| (partition.clone(), offset(stored)));
            offsets
                .filter(|(_, offset)| 0 < *offset)
                .collect::<Offsets>()
        };
        log_dir.write_recovery_points(&each(|stored| stored.recovery_point))?;
        log_dir.write_high_watermarks(&each(|stored| stored.high_watermark))?;
        log_dir.write_log_start_offsets(&each(|stored| stored.log_start))?;
        log_dir.write_cleaned_offsets(&each(|stored| stored.cleaned_to))?;
        self.speaks_of_deleted.store(false, Ordering::Release);
        Ok(())
    }

    /// Whether the files may still speak of a deleted partition. Its recovery point and its log
    /// start would be taken for those of a partition created under the same name.
    pub(super) fn speaks_of_deleted(&self) -> bool {
        self.speaks_of_deleted.load(Ordering::Acquire)
    }

    /// Writes all files.
    pub(super) fn write_all(
        &self,
        log_dir: &LogDir,
        catalog: &RwLock<Catalog>,
    ) -> Result<(), LogDirError> {
        self.write_recovery_points(log_dir, catalog)?;
        self.write_high_watermarks(log_dir, catalog)?;
        self.write_log_starts(log_dir, catalog)?;
        self.write_cleaned(log_dir, catalog)
    }

    /// Below these offsets everything is on the disk.
    pub(super) fn write_recovery_points(
        &self,
        log_dir: &LogDir,
        catalog: &RwLock<Catalog>,
    ) -> Result<(), LogDirError> {
        let mut written = self.written.lock();
        let offsets = collect(
            catalog,
            |partition| partition.view().recovery_point(),
            |stored| stored.recovery_point,
        );
        replace(&mut written.recovery_points, offsets, |new| {
            log_dir.write_recovery_points(new)
        })
    }

    /// Below these offsets everything is committed.
    pub(super) fn write_high_watermarks(
        &self,
        log_dir: &LogDir,
        catalog: &RwLock<Catalog>,
    ) -> Result<(), LogDirError> {
        let mut written = self.written.lock();
        let offsets = collect(catalog, Partition::high_watermark, |stored| {
            stored.high_watermark
        });
        replace(&mut written.high_watermarks, offsets, |new| {
            log_dir.write_high_watermarks(new)
        })
    }

    /// Below these offsets everything was deleted.
    pub(super) fn write_log_starts(
        &self,
        log_dir: &LogDir,
        catalog: &RwLock<Catalog>,
    ) -> Result<(), LogDirError> {
        let mut written = self.written.lock();
        let offsets = collect(catalog, Partition::log_start, |stored| stored.log_start);
        replace(&mut written.log_starts, offsets, |new| {
            log_dir.write_log_start_offsets(new)
        })
    }

    /// Below these offsets everything is compacted.
    pub(super) fn write_cleaned(
        &self,
        log_dir: &LogDir,
        catalog: &RwLock<Catalog>,
    ) -> Result<(), LogDirError> {
        let mut written = self.written.lock();
        let offsets = collect(
            catalog,
            |partition| partition.cleaning.cleaned_to(),
            |stored| stored.cleaned_to,
        );
        replace(&mut written.cleaned, offsets, |new| {
            log_dir.write_cleaned_offsets(new)
        })
    }
}

/// One offset of each partition here, except those that are zero: that is what no entry means.
fn collect(
    catalog: &RwLock<Catalog>,
    online: impl Fn(&Partition) -> i64,
    offline: impl Fn(&StoredOffsets) -> i64,
) -> Offsets {
    let mut offsets = Offsets::new();
    for (topic, index, slot) in catalog.read().slots() {
        let offset = match slot {
            Slot::Online(partition) => online(partition),
            Slot::Offline(partition) => offline(&partition.stored),
            Slot::NotHere => 0,
        };
        if 0 < offset {
            offsets.insert(TopicPartition::new(&**topic, index), offset);
        }
    }
    offsets
}

/// Writes `new` unless it is what was written last.
fn replace(
    last: &mut Option<Offsets>,
    new: Offsets,
    write: impl FnOnce(&Offsets) -> Result<(), LogDirError>,
) -> Result<(), LogDirError> {
    if last.as_ref() != Some(&new) {
        // Should this fail, nobody knows what the file says: it is written again in any case.
        *last = None;
        write(&new)?;
        *last = Some(new);
    }
    Ok(())
}
