//! Sparse indexes of a segment: sorted files of fixed-size entries.
//!
//! - [`offset`]: offset to position in the segment's file
//! - [`time`]: timestamp to offset
//! - [`transaction`]: which transactions were aborted
//!
//! Entries are looked up by `pread` and binary search, never mapped: maps are limited in number,
//! and a sparse one kills the process on a full disk. An index is derived from its segment and may
//! lack entries, which costs time and nothing else: a lookup finds an entry at or before what was
//! asked for, and the caller walks on from there. That is why a failed index write fails no
//! append, and why entries may wait in memory ([`IndexWriter`]) behind the records they point to.
//! Only the last entry of a sealed segment's time index must be there: it alone tells, after a
//! restart, how new the segment is. A segment is sealed when all entries are in their files.
//!
//! **Invariant:** an entry is written after the records it points to, so that after the death of
//! the process the entries in the file can be relied upon.

pub mod offset;
pub mod time;
pub mod transaction;

use std::{
    io::IoSlice,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::{
    disk::OpenMode,
    error::IoError,
    file_cache::{CachedFile, FileCache},
};

/// Entries that the binary search reads at once when no more are left.
const BLOCK_ENTRIES: u32 = 256;

/// The count of a file that was not looked at yet.
const UNKNOWN: u32 = u32::MAX;

/// A file of entries, `LEN` bytes each.
#[derive(Debug)]
pub(crate) struct IndexFile<const LEN: usize> {
    file: Arc<CachedFile>,
    /// Entries in the file; stored after they were written.
    entries: AtomicU32,
}

impl<const LEN: usize> IndexFile<LEN> {
    /// A new file; one that exists already is emptied.
    pub(crate) fn create(files: &Arc<FileCache>, path: PathBuf) -> Result<Self, IoError> {
        match files.open(&path, OpenMode::CreateEmpty) {
            Ok(file) => Ok(Self {
                file,
                entries: AtomicU32::new(0),
            }),
            Err(source) => Err(IoError {
                action: "create",
                path,
                source,
            }),
        }
    }

    /// A file that exists. It is not opened before it is needed.
    pub(crate) fn existing(files: &Arc<FileCache>, path: PathBuf) -> Self {
        Self {
            file: files.file(path, OpenMode::Write),
            entries: AtomicU32::new(UNKNOWN),
        }
    }

    /// The file itself, to rename it.
    pub(crate) fn file(&self) -> &Arc<CachedFile> {
        &self.file
    }

    /// How many entries are in the file. A torn one at the end does not count.
    pub(crate) fn entries(&self) -> Result<u32, IoError> {
        let known = self.entries.load(Ordering::Acquire);
        if known != UNKNOWN {
            return Ok(known);
        }
        let len = self
            .file
            .handle()
            .and_then(|handle| handle.len())
            .map_err(|source| self.error("measure", source))?;
        let entries = u32::try_from(len / LEN as u64).unwrap_or(UNKNOWN - 1);
        self.entries.store(entries, Ordering::Release);
        Ok(entries)
    }

    /// Bytes of all entries in the file.
    pub(crate) fn len_bytes(&self) -> Result<u64, IoError> {
        Ok(u64::from(self.entries()?) * LEN as u64)
    }

    /// The entry with that number, counted from 0; it must exist.
    pub(crate) fn entry(&self, number: u32) -> Result<[u8; LEN], IoError> {
        let mut entry = [0; LEN];
        self.read(&mut entry, number)?;
        Ok(entry)
    }

    /// The last entry, if there is any.
    pub(crate) fn last(&self) -> Result<Option<[u8; LEN]>, IoError> {
        self.entries()?
            .checked_sub(1)
            .map(|last| self.entry(last))
            .transpose()
    }

    /// The last of the leading entries for which `belongs` holds. It must hold for all entries up
    /// to some point, and for none from there on.
    pub(crate) fn last_while(
        &self,
        belongs: impl Fn(&[u8; LEN]) -> bool,
    ) -> Result<Option<[u8; LEN]>, IoError> {
        let mut low = 0;
        let mut high = self.entries()?;
        while high - low > BLOCK_ENTRIES {
            let middle = low + (high - low) / 2;
            if belongs(&self.entry(middle)?) {
                low = middle;
            } else {
                high = middle;
            }
        }
        let mut block = vec![0; (high - low) as usize * LEN];
        self.read(&mut block, low)?;
        let (entries, _) = block.as_chunks::<LEN>();
        let count = entries.partition_point(belongs);
        Ok(count
            .checked_sub(1)
            .and_then(|last| entries.get(last))
            .copied())
    }

    /// All entries. For recovery: an index is at most a few MiB.
    pub(crate) fn read_all(&self) -> Result<Vec<[u8; LEN]>, IoError> {
        let mut entries = vec![[0; LEN]; self.entries()? as usize];
        self.read(entries.as_flattened_mut(), 0)?;
        Ok(entries)
    }

    /// Cuts the file to its first `entries` entries, or fewer if it has fewer.
    pub(crate) fn truncate(&self, entries: u32) -> Result<(), IoError> {
        let entries = entries.min(self.entries()?);
        self.entries.store(entries, Ordering::Release);
        let len = u64::from(entries) * LEN as u64;
        self.file
            .handle()
            .and_then(|handle| {
                if handle.len()? == len {
                    Ok(())
                } else {
                    handle.set_len(len)
                }
            })
            .map_err(|source| self.error("cut", source))
    }

    /// Makes the entries in the file durable.
    pub(crate) fn sync(&self) -> Result<(), IoError> {
        self.file
            .handle()
            .and_then(|handle| handle.sync_data())
            .map_err(|source| self.error("sync", source))
    }

    fn append(&self, new: &[[u8; LEN]]) -> Result<(), IoError> {
        let entries = self.entries()?;
        self.file
            .handle()
            .and_then(|handle| {
                let mut parts = [IoSlice::new(new.as_flattened())];
                handle.write_all_at(&mut parts, u64::from(entries) * LEN as u64)
            })
            .map_err(|source| self.error("append to", source))?;
        self.entries
            .store(entries + new.len() as u32, Ordering::Release);
        Ok(())
    }

    fn read(&self, buffer: &mut [u8], first_entry: u32) -> Result<(), IoError> {
        if buffer.is_empty() {
            return Ok(());
        }
        self.file
            .handle()
            .and_then(|handle| handle.read_exact_at(buffer, u64::from(first_entry) * LEN as u64))
            .map_err(|source| self.error("read", source))
    }

    fn error(&self, action: &'static str, source: std::io::Error) -> IoError {
        IoError {
            action,
            path: self.file.path(),
            source,
        }
    }
}

/// The entries of an active segment that are not in the file yet.
#[derive(Debug)]
pub(crate) struct IndexWriter<const LEN: usize> {
    pending: Vec<[u8; LEN]>,
    total: u32,
}

impl<const LEN: usize> IndexWriter<LEN> {
    /// Goes on behind the entries that are in the file.
    pub(crate) fn behind(index: &IndexFile<LEN>) -> Result<Self, IoError> {
        Ok(Self {
            pending: Vec::new(),
            total: index.entries()?,
        })
    }

    /// Adds an entry, which must be above all earlier ones.
    pub(crate) fn push(&mut self, entry: [u8; LEN]) {
        self.pending.push(entry);
        self.total += 1;
    }

    /// How many entries there are, in the file and waiting.
    pub(crate) fn total(&self) -> u32 {
        self.total
    }

    /// Appends what waits to the file. After a failure it goes on waiting.
    pub(crate) fn write_to(&mut self, index: &IndexFile<LEN>) -> Result<(), IoError> {
        if !self.pending.is_empty() {
            index.append(&self.pending)?;
            self.pending.clear();
        }
        Ok(())
    }
}
