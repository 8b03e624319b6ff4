//! The `.timeindex` file: from which offset on records of a time may be.
//!
//! ```text
//! 0  timestamp        i64  the largest one up to and including that batch, ms
//! 8  relative offset  i32  last offset of the batch that has it, minus the segment's base offset
//! ```
//!
//! Big endian; timestamps ascend strictly. An entry says: a record with a larger timestamp comes
//! after that offset. One is added with each entry of the offset index, if the largest timestamp
//! has grown since, and one when the segment is rolled or closed.

use std::{path::PathBuf, sync::Arc};

use super::{IndexFile, IndexWriter};
use crate::{error::IoError, file_cache::FileCache};

/// Size of an entry.
pub(crate) const ENTRY_LEN: usize = 12;

/// The entries that are not in the file yet.
pub(crate) type TimeIndexWriter = IndexWriter<ENTRY_LEN>;

/// The largest timestamp up to some point of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeEntry {
    /// The timestamp, in ms.
    pub timestamp: i64,
    /// The last offset of the batch that has it.
    pub last_offset: i64,
}

impl TimeEntry {
    /// Size of an entry in bytes.
    pub const LEN: usize = ENTRY_LEN;

    /// Reads an entry of the segment with that base offset.
    pub fn decode(bytes: [u8; ENTRY_LEN], base_offset: i64) -> Self {
        let [t0, t1, t2, t3, t4, t5, t6, t7, relative @ ..] = bytes;
        let relative = i32::from_be_bytes(relative);
        Self {
            timestamp: i64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
            last_offset: base_offset.saturating_add(i64::from(relative)),
        }
    }
}

/// The time index of one segment.
#[derive(Debug)]
pub(crate) struct TimeIndex {
    base_offset: i64,
    pub(crate) file: IndexFile<ENTRY_LEN>,
}

impl TimeIndex {
    /// An empty index in a new file.
    pub(crate) fn create(
        files: &Arc<FileCache>,
        path: PathBuf,
        base_offset: i64,
    ) -> Result<Self, IoError> {
        Ok(Self {
            base_offset,
            file: IndexFile::create(files, path)?,
        })
    }

    /// The index in a file that exists.
    pub(crate) fn existing(files: &Arc<FileCache>, path: PathBuf, base_offset: i64) -> Self {
        Self {
            base_offset,
            file: IndexFile::existing(files, path),
        }
    }

    /// The last entry whose timestamp is below `timestamp`: records with that timestamp or a later
    /// one come after the entry's offset.
    pub(crate) fn below(&self, timestamp: i64) -> Result<Option<TimeEntry>, IoError> {
        let found = self
            .file
            .last_while(|entry| self.decode(*entry).timestamp < timestamp)?;
        Ok(found.map(|entry| self.decode(entry)))
    }

    /// The last entry: the largest timestamp of a segment that is not written to any more.
    pub(crate) fn last(&self) -> Result<Option<TimeEntry>, IoError> {
        Ok(self.file.last()?.map(|entry| self.decode(entry)))
    }

    /// The last entry before the first that cannot be right, after cutting the file there:
    /// timestamps ascend, offsets do not descend and are below `end_offset`.
    pub(crate) fn cut_to_valid(&self, end_offset: i64) -> Result<Option<TimeEntry>, IoError> {
        let mut last: Option<TimeEntry> = None;
        let mut valid = 0;
        for entry in self.file.read_all()? {
            let entry = self.decode(entry);
            let ascends = last.map_or(self.base_offset <= entry.last_offset, |last| {
                last.timestamp < entry.timestamp && last.last_offset <= entry.last_offset
            });
            if !ascends || end_offset <= entry.last_offset || entry.timestamp < 0 {
                break;
            }
            last = Some(entry);
            valid += 1;
        }
        self.file.truncate(valid)?;
        Ok(last)
    }

    /// The bytes of an entry. Its offset must be at most `i32::MAX` above the base offset.
    pub(crate) fn encode(&self, entry: TimeEntry) -> [u8; ENTRY_LEN] {
        let relative = (entry.last_offset - self.base_offset) as u128;
        debug_assert!(i32::try_from(relative).is_ok());
        let [_, _, _, _, bytes @ ..] = (((entry.timestamp as u128) << 32) | relative).to_be_bytes();
        bytes
    }

    fn decode(&self, bytes: [u8; ENTRY_LEN]) -> TimeEntry {
        TimeEntry::decode(bytes, self.base_offset)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    const BASE: i64 = 1000;

    fn entry(timestamp: i64, last_offset: i64) -> TimeEntry {
        TimeEntry {
            timestamp,
            last_offset,
        }
    }

    fn index_of(dir: &tempfile::TempDir, entries: &[TimeEntry]) -> TimeIndex {
        let files = FileCache::new(Arc::new(RealDisk), 8);
        let index = TimeIndex::create(&files, dir.path().join("test.timeindex"), BASE).unwrap();
        let mut writer = TimeIndexWriter::behind(&index.file).unwrap();
        for entry in entries {
            writer.push(index.encode(*entry));
        }
        writer.write_to(&index.file).unwrap();
        index
    }

    #[test]
    fn an_entry_is_twelve_bytes_big_endian() {
        let dir = tempfile::tempdir().unwrap();
        let index = index_of(&dir, &[]);
        let bytes = index.encode(entry(0x0102_0304_0506_0708, BASE + 0x0a0b_0c0d));
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13]);
        assert_eq!(
            index.decode(bytes),
            entry(0x0102_0304_0506_0708, BASE + 0x0a0b_0c0d)
        );
    }

    #[test]
    fn a_lookup_finds_the_last_entry_below_the_timestamp() {
        let dir = tempfile::tempdir().unwrap();
        let entries = [entry(10, BASE), entry(20, BASE + 4), entry(30, BASE + 9)];
        let index = index_of(&dir, &entries);
        assert_eq!(index.below(10).unwrap(), None);
        assert_eq!(index.below(11).unwrap(), Some(entries[0]));
        assert_eq!(index.below(30).unwrap(), Some(entries[1]));
        assert_eq!(index.below(i64::MAX).unwrap(), Some(entries[2]));
        assert_eq!(index.last().unwrap(), Some(entries[2]));
    }

    #[test]
    fn entries_are_cut_from_the_first_one_that_cannot_be_right() {
        let check = |bad: TimeEntry| {
            let dir = tempfile::tempdir().unwrap();
            let index = index_of(&dir, &[entry(10, BASE + 5), bad, entry(90, BASE + 50)]);
            assert_eq!(
                index.cut_to_valid(BASE + 60).unwrap(),
                Some(entry(10, BASE + 5))
            );
            assert_eq!(index.file.entries().unwrap(), 1);
        };
        check(entry(0, BASE));
        check(entry(10, BASE + 6));
        check(entry(20, BASE + 4));
        check(entry(20, BASE + 60));
    }
}
