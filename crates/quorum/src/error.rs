//! What can go wrong with the log. Each error names the file, and the position where there is one.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// A failed operation on the log, its state file or its snapshots.
#[derive(Debug, Error)]
pub enum LogError {
    /// The operating system refused.
    #[error("{action} {}", path.display())]
    Io {
        /// The verb, such as "write".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Bytes that were once durable are not what was written. Nothing was changed.
    #[error("{} is damaged at position {position}: {what}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Byte position in it.
        position: u64,
        /// What is wrong there.
        what: String,
    },
    /// The directory was written by a later version of this program.
    #[error("{} was written by a later version: {what}", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// What is unknown.
        what: String,
    },
    /// A file that the others refer to is not there.
    #[error("{} lacks {what}", directory.display())]
    Missing {
        /// The log's directory.
        directory: PathBuf,
        /// What should be in it.
        what: String,
    },
    /// A write or sync failed before; what is on disk since then is unknown until a restart.
    #[error("the metadata log is offline since a write or sync of {} failed", path.display())]
    Poisoned {
        /// The file whose write or sync failed.
        path: PathBuf,
    },
    /// An entry above the limit.
    #[error("an entry of {bytes} bytes is above the limit of {limit}")]
    EntryTooLarge {
        /// Its payload's size.
        bytes: usize,
        /// [`crate::ENTRY_BYTES_MAX`].
        limit: usize,
    },
}

/// Names the verb and the file of a failed call.
pub(crate) trait IoContext<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, LogError>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn context(self, action: &'static str, path: &Path) -> Result<T, LogError> {
        self.map_err(|source| LogError::Io {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
