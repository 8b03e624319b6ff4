//! The only door from this crate to the file system, narrow enough to be replaced by a recording.
//!
//! The metadata log needs nine verbs. They block; the caller is the quorum's own thread.
//! What the code may rely on after a power loss is exactly this: bytes written to a file before a
//! `sync_data` that returned, and names changed in a directory before a `sync_dir` that returned.
//! Everything else may be there in part, in any order, torn at 512 bytes.

#[cfg(test)]
pub(crate) mod memory;
mod real;

use std::{fmt::Debug, io, path::Path};

pub use real::RealDisk;

/// Directories and names.
pub trait Disk: Debug + Send + Sync {
    /// Creates `path`; an existing directory is not an error. Its parent must exist.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// The names of the files in `directory`, in no particular order.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;
    /// Opens an empty file for reading and writing, in place of one that may be there.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name in the same directory, in place of the file that had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in `directory` durable.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;
}

/// One open file.
pub trait DiskFile: Debug + Send {
    /// The file's bytes from its start to its end.
    fn read_all(&self) -> io::Result<Vec<u8>>;
    /// Fills `buffer` from `position`; a file that ends sooner is an error.
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `position`, growing the file where needed.
    fn write_at(&self, position: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes the file's bytes, and its length as far as reading them needs it, durable.
    fn sync_data(&self) -> io::Result<()>;
}
