//! Swaps of segments that a crash interrupted: finished before anything else looks at the
//! directory.
//!
//! A `.log.swap` is whole, and takes the place of every segment that begins within its offsets; see
//! [`cleaner::swap`](crate::cleaner::swap). What compaction had not come so far with is a leftover.

use std::{collections::BTreeSet, io, path::Path, sync::Arc};

use crate::{
    disk::{Disk, OpenMode},
    error::{IoError, OpenError},
    file_cache::FileCache,
    scan::BatchWalk,
    segment::{
        LOG_SUFFIX, OFFSET_INDEX_SUFFIX, SWAP_SUFFIX, TIME_INDEX_SUFFIX, base_offset_in,
        segment_path,
    },
};

/// Finishes the swaps in a partition's directory, which need not exist.
pub(super) fn finish_swaps(files: &Arc<FileCache>, dir: &Path) -> Result<(), OpenError> {
    let disk = files.disk().as_ref();
    let entries = match disk.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(IoError::on("list", dir))?,
    };
    let swapped = format!("{LOG_SUFFIX}{SWAP_SUFFIX}");
    let base_offsets = |suffix: &str| -> BTreeSet<i64> {
        let names = entries.iter().map(|entry| entry.name.as_str());
        names
            .filter_map(|name| base_offset_in(name, suffix))
            .collect()
    };
    let segments = base_offsets(LOG_SUFFIX);
    for base_offset in base_offsets(&swapped) {
        let end_offset = end_of(
            files,
            &segment_path(dir, base_offset, &swapped),
            base_offset,
        )?;
        tracing::info!(
            dir = %dir.display(),
            base_offset,
            end_offset,
            "finishing a compaction that was interrupted"
        );
        // Of the new segment's own names too: nobody can tell an old index from a new one there.
        let mut old: BTreeSet<i64> = segments.range(base_offset..end_offset).copied().collect();
        old.insert(base_offset);
        for old in old {
            for suffix in [LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX] {
                remove_if_there(disk, &segment_path(dir, old, suffix))?;
            }
        }
        // No old segment may come back beside the new one, nor an old index.
        disk.sync_dir(dir).map_err(IoError::on("sync", dir))?;
        for suffix in [OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, LOG_SUFFIX] {
            let to = segment_path(dir, base_offset, suffix);
            let from = segment_path(dir, base_offset, &format!("{suffix}{SWAP_SUFFIX}"));
            match disk.rename(&from, &to) {
                // It had its name already, or never got that far: it is built anew.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                renamed => renamed.map_err(IoError::on("rename", &from))?,
            }
        }
    }
    Ok(())
}

/// Where the segment in that file ends.
fn end_of(files: &Arc<FileCache>, path: &Path, base_offset: i64) -> Result<i64, OpenError> {
    let len = files
        .disk()
        .stat(path)
        .map_err(IoError::on("look at", path))?;
    let size = u32::try_from(len.len)
        .map_err(|_| IoError::on("open", path)(io::ErrorKind::FileTooLarge.into()))?;
    let file = files.file(path, OpenMode::Read);
    let mut walk = BatchWalk::headers(&file, 0, size)?;
    let mut end_offset = base_offset;
    while let Some(batch) = walk.next_batch()? {
        end_offset = batch.header.next_offset();
    }
    Ok(end_offset)
}

fn remove_if_there(disk: &dyn Disk, path: &Path) -> Result<(), IoError> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(IoError::on("remove", path)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "swaps_tests.rs"]
mod tests;
