//! Which segments may go, and removing their files later.

use std::{path::PathBuf, sync::Arc};

use crate::{disk::Disk, error::IoError};

/// Files that no longer belong to the log, still on disk under a name ending in `.deleted` so that
/// reads under way can finish. The caller waits until `due_ms` and then calls [`remove`].
///
/// Dropping this value leaves the files to the next start, which removes them.
///
/// [`remove`]: PendingDeletion::remove
#[derive(Debug)]
#[must_use]
pub struct PendingDeletion {
    /// When the files may be removed, in ms since the Unix epoch.
    pub due_ms: i64,
    /// The renamed files, and the renamed directory if the whole log was deleted.
    pub paths: Vec<PathBuf>,
    /// Bytes that will be free then.
    pub bytes: u64,
}

impl PendingDeletion {
    /// Removes the files now. Blocks.
    pub fn remove(self, disk: &Arc<dyn Disk>) -> Result<(), IoError> {
        let _ = disk;
        todo!()
    }
}
