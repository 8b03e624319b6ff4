//! The `.index` file: where in a segment's file an offset is.
//!
//! ```text
//! 0  relative offset  i32  last offset of a batch, minus the segment's base offset
//! 4  position         i32  where that batch starts in the segment's file
//! ```
//!
//! Big endian; both ascend strictly. A batch gets an entry when more than `index.interval.bytes`
//! were appended since the last one.

use std::{path::PathBuf, sync::Arc};

use super::{IndexFile, IndexWriter};
use crate::{error::IoError, file_cache::FileCache};

/// Size of an entry.
pub(crate) const ENTRY_LEN: usize = 8;

/// The entries that are not in the file yet.
pub(crate) type OffsetIndexWriter = IndexWriter<ENTRY_LEN>;

/// A batch that the index points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetEntry {
    /// The batch's last offset.
    pub last_offset: i64,
    /// Where the batch starts in the segment's file, in bytes.
    pub position: u32,
}

impl OffsetEntry {
    /// Size of an entry in bytes.
    pub const LEN: usize = ENTRY_LEN;

    /// Reads an entry of the segment with that base offset.
    pub fn decode(bytes: [u8; ENTRY_LEN], base_offset: i64) -> Self {
        let entry = u64::from_be_bytes(bytes);
        let relative = (entry >> 32) as i32;
        Self {
            last_offset: base_offset.saturating_add(i64::from(relative)),
            position: entry as u32,
        }
    }
}

/// The offset index of one segment.
#[derive(Debug)]
pub(crate) struct OffsetIndex {
    base_offset: i64,
    pub(crate) file: IndexFile<ENTRY_LEN>,
}

impl OffsetIndex {
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

    /// The last entry whose batch does not reach beyond `offset`: that offset's batch starts there
    /// or later.
    pub(crate) fn at_or_below_offset(&self, offset: i64) -> Result<Option<OffsetEntry>, IoError> {
        let found = self
            .file
            .last_while(|entry| self.decode(*entry).last_offset <= offset)?;
        Ok(found.map(|entry| self.decode(entry)))
    }

    /// The last entry whose batch starts at or before `position`.
    pub(crate) fn at_or_below_position(
        &self,
        position: u32,
    ) -> Result<Option<OffsetEntry>, IoError> {
        let found = self
            .file
            .last_while(|entry| self.decode(*entry).position <= position)?;
        Ok(found.map(|entry| self.decode(entry)))
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Result<Option<OffsetEntry>, IoError> {
        Ok(self.file.last()?.map(|entry| self.decode(entry)))
    }

    /// The last entry before the first that cannot be right, after cutting the file there: entries
    /// ascend, and point to batches below `end_offset` and inside a file of `size` bytes.
    pub(crate) fn cut_to_valid(
        &self,
        end_offset: i64,
        size: u32,
    ) -> Result<Option<OffsetEntry>, IoError> {
        let mut last: Option<OffsetEntry> = None;
        let mut valid = 0;
        for entry in self.file.read_all()? {
            let entry = self.decode(entry);
            // The first batch of a segment has no entry: zeros are what a crash left of one.
            let (offset, position) = last.map_or((self.base_offset, 0), |last| {
                (last.last_offset, last.position)
            });
            let ascends = offset < entry.last_offset && position < entry.position;
            if !ascends || end_offset <= entry.last_offset || size <= entry.position {
                break;
            }
            last = Some(entry);
            valid += 1;
        }
        self.file.truncate(valid)?;
        Ok(last)
    }

    /// The bytes of an entry. Its offset must be at most `i32::MAX` above the base offset.
    pub(crate) fn encode(&self, entry: OffsetEntry) -> [u8; ENTRY_LEN] {
        let relative = (entry.last_offset - self.base_offset) as u64;
        debug_assert!(i32::try_from(relative).is_ok());
        ((relative << 32) | u64::from(entry.position)).to_be_bytes()
    }

    fn decode(&self, bytes: [u8; ENTRY_LEN]) -> OffsetEntry {
        OffsetEntry::decode(bytes, self.base_offset)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    const BASE: i64 = 1000;

    fn entry(last_offset: i64, position: u32) -> OffsetEntry {
        OffsetEntry {
            last_offset,
            position,
        }
    }

    fn index_of(dir: &tempfile::TempDir, entries: &[OffsetEntry]) -> OffsetIndex {
        let files = FileCache::new(Arc::new(RealDisk), 8);
        let index = OffsetIndex::create(&files, dir.path().join("test.index"), BASE).unwrap();
        let mut writer = OffsetIndexWriter::behind(&index.file).unwrap();
        for entry in entries {
            writer.push(index.encode(*entry));
        }
        writer.write_to(&index.file).unwrap();
        index
    }

    #[test]
    fn an_entry_is_eight_bytes_big_endian() {
        let dir = tempfile::tempdir().unwrap();
        let index = index_of(&dir, &[]);
        assert_eq!(
            index.encode(entry(BASE + 258, 0x0a0b_0c0d)),
            [0, 0, 1, 2, 10, 11, 12, 13]
        );
    }

    #[test]
    fn a_lookup_finds_the_last_entry_at_or_below_among_many() {
        let dir = tempfile::tempdir().unwrap();
        // More than two blocks of the search.
        let entries: Vec<_> = (0..1000)
            .map(|n| entry(BASE + 9 + 10 * n, 100 * n as u32))
            .collect();
        let index = index_of(&dir, &entries);
        let by_offset = |offset| index.at_or_below_offset(offset).unwrap();
        assert_eq!(by_offset(BASE + 8), None);
        assert_eq!(by_offset(BASE + 9), Some(entries[0]));
        assert_eq!(by_offset(BASE + 5008), Some(entries[499]));
        assert_eq!(by_offset(BASE + 5009), Some(entries[500]));
        assert_eq!(by_offset(i64::MAX), Some(entries[999]));
        let by_position = |position| index.at_or_below_position(position).unwrap();
        assert_eq!(by_position(0), Some(entries[0]));
        assert_eq!(by_position(4_199), Some(entries[41]));
        assert_eq!(by_position(4_200), Some(entries[42]));
    }

    #[test]
    fn an_empty_index_finds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let index = index_of(&dir, &[]);
        assert_eq!(index.at_or_below_offset(i64::MAX).unwrap(), None);
        assert_eq!(index.last().unwrap(), None);
    }

    #[test]
    fn entries_are_cut_from_the_first_one_that_cannot_be_right() {
        let check = |bad: OffsetEntry| {
            let dir = tempfile::tempdir().unwrap();
            let good = [entry(BASE + 5, 100), entry(BASE + 10, 200)];
            let index = index_of(&dir, &[good[0], good[1], bad, entry(BASE + 50, 900)]);
            assert_eq!(index.cut_to_valid(BASE + 60, 1000).unwrap(), Some(good[1]));
            assert_eq!(index.file.entries().unwrap(), 2);
        };
        check(entry(BASE, 0));
        check(entry(BASE + 10, 300));
        check(entry(BASE + 20, 200));
        check(entry(BASE + 60, 300));
        check(entry(BASE + 20, 1000));
    }

    #[test]
    fn a_torn_entry_at_the_end_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("torn.index");
        std::fs::write(&path, [0, 0, 0, 7, 0, 0, 0, 64, 0, 0, 1]).unwrap();
        let files = FileCache::new(Arc::new(RealDisk), 8);
        let index = OffsetIndex::existing(&files, path, BASE);
        assert_eq!(index.last().unwrap(), Some(entry(BASE + 7, 64)));
        assert_eq!(index.file.entries().unwrap(), 1);
    }
}
