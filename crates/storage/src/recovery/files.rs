//! What is in a partition's directory when it is opened.

use std::{collections::BTreeMap, io, path::Path};

use crate::{
    disk::{Disk, EntryKind},
    error::IoError,
    segment::{
        CLEANED_SUFFIX, DELETED_SUFFIX, LOG_SUFFIX, OFFSET_INDEX_SUFFIX, SWAP_SUFFIX,
        TIME_INDEX_SUFFIX, base_offset_in, segment_path,
    },
};

/// Suffixes of files that a process left behind when it died while it made or removed them.
const LEFTOVER_SUFFIXES: [&str; 4] = [DELETED_SUFFIX, CLEANED_SUFFIX, SWAP_SUFFIX, ".tmp"];

/// The files of one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentFiles {
    pub(super) base_offset: i64,
    /// Length of the file with the batches.
    pub(super) size: u32,
    /// An index is missing.
    pub(super) lacks_index: bool,
}

/// Finds the segments in a directory, by ascending base offset; creates the directory if it is
/// missing. Removes what no segment needs.
pub(super) fn find_segments(disk: &dyn Disk, dir: &Path) -> Result<Vec<SegmentFiles>, IoError> {
    let entries = match disk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            disk.create_dir(dir).map_err(IoError::on("create", dir))?;
            return Ok(Vec::new());
        }
        entries => entries.map_err(IoError::on("list", dir))?,
    };
    let files = || {
        entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::File)
            .map(|it| it.name.as_str())
    };
    let mut segments = BTreeMap::new();
    for base_offset in files().filter_map(|name| base_offset_in(name, LOG_SUFFIX)) {
        segments.insert(base_offset, Indexes::default());
    }
    for name in files() {
        let offsets = base_offset_in(name, OFFSET_INDEX_SUFFIX);
        let times = base_offset_in(name, TIME_INDEX_SUFFIX);
        let index_of = offsets.or(times);
        if let Some(indexes) = index_of.and_then(|base_offset| segments.get_mut(&base_offset)) {
            indexes.offsets |= offsets.is_some();
            indexes.times |= times.is_some();
        } else if index_of.is_some()
            || LEFTOVER_SUFFIXES
                .iter()
                .any(|suffix| name.ends_with(suffix))
        {
            remove_leftover(disk, &dir.join(name));
        }
    }
    segments
        .into_iter()
        .map(|(base_offset, indexes)| measure(disk, dir, base_offset, indexes))
        .collect()
}

#[derive(Debug, Clone, Copy, Default)]
struct Indexes {
    offsets: bool,
    times: bool,
}

fn measure(
    disk: &dyn Disk,
    dir: &Path,
    base_offset: i64,
    indexes: Indexes,
) -> Result<SegmentFiles, IoError> {
    let path = segment_path(dir, base_offset, LOG_SUFFIX);
    let len = disk.stat(&path).map_err(IoError::on("look at", &path))?.len;
    let size = u32::try_from(len)
        .map_err(|_| IoError::on("open", &path)(io::ErrorKind::FileTooLarge.into()))?;
    let lacks_index = !indexes.offsets || !indexes.times;
    Ok(SegmentFiles {
        base_offset,
        size,
        lacks_index,
    })
}

/// A file too many costs space, and nothing else: failing to remove it is no reason to stop.
fn remove_leftover(disk: &dyn Disk, path: &Path) {
    if let Err(error) = disk.remove_file(path) {
        tracing::warn!(
            path = %path.display(),
            error = &error as &dyn std::error::Error,
            "cannot remove a leftover file"
        );
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::disk::RealDisk;

    #[test]
    fn segments_are_found_in_order_and_leftovers_go() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, len: usize| {
            std::fs::write(dir.path().join(name), vec![0; len]).unwrap();
        };
        write("00000000000000000500.log", 7);
        write("00000000000000000500.index", 8);
        write("00000000000000000500.timeindex", 12);
        write("00000000000000000000.log", 9);
        write("00000000000000000000.index", 16);
        write("00000000000000000200.index", 8);
        write("00000000000000000100.log.deleted", 8);
        write("leader-epoch-checkpoint.tmp", 8);
        write("leader-epoch-checkpoint", 8);
        write("00000000000000000500.snapshot", 8);

        let found = find_segments(&RealDisk, dir.path()).unwrap();
        let expected = [
            SegmentFiles {
                base_offset: 0,
                size: 9,
                lacks_index: true,
            },
            SegmentFiles {
                base_offset: 500,
                size: 7,
                lacks_index: false,
            },
        ];
        assert_eq!(found, expected);
        let mut names: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "00000000000000000000.index",
                "00000000000000000000.log",
                "00000000000000000500.index",
                "00000000000000000500.log",
                "00000000000000000500.snapshot",
                "00000000000000000500.timeindex",
                "leader-epoch-checkpoint",
            ]
        );
    }

    #[test]
    fn a_missing_directory_is_created() {
        let dir = tempfile::tempdir().unwrap();
        let partition = dir.path().join("topic-0");
        assert_eq!(find_segments(&RealDisk, &partition).unwrap(), []);
        assert!(partition.is_dir());
    }
}
