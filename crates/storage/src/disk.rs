//! The only door to the file system.
//!
//! Everything the log engine does to files goes through [`Disk`] and [`DiskFile`], so that a test
//! can record each operation, lose what was never synced, tear the last write, and start again.
//! The traits therefore promise no more than POSIX does:
//!
//! - a write is durable only after [`DiskFile::sync_data`] on that file returned;
//! - a created, renamed or removed name is durable only after [`Disk::sync_dir`] on its directory;
//! - a rename replaces its target in one step;
//! - a failed sync says that earlier writes may be lost for good: it is never retried.
//!
//! All calls block. They belong on a thread that may block, never on an async runtime's worker.

mod real;

#[cfg(feature = "test-util")]
pub mod memory;

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use real::RealDisk;

/// How [`Disk::open`] treats the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, for reading only.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// For reading and writing; created empty if it is missing.
    Create,
    /// For reading and writing; created if it is missing, emptied if it is not.
    CreateEmpty,
}

/// What kind of thing a name refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
}

/// One name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name alone, without its directory. Names that are not UTF-8 are never listed: we make
    /// none.
    pub name: String,
    /// File or directory.
    pub kind: EntryKind,
}

/// What [`Disk::stat`] knows about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStat {
    /// File or directory.
    pub kind: EntryKind,
    /// Bytes in the file, without space preallocated behind its end.
    pub len: u64,
    /// Last modification, in milliseconds since the Unix epoch.
    pub modified_ms: i64,
}

/// Names the page cache through which a directory is written.
///
/// Two equal values, read at different times, say that every write made in between is still there,
/// synced or not: neither the kernel nor the mounted file system was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageCacheIdentity {
    /// The kernel's boot id: a new one at each boot.
    pub boot_id: String,
    /// The mounted file system: device number and file system id.
    pub mount: String,
}

/// How much room a file system has, as it says itself. It may be wrong in either direction: a
/// quota can end earlier, and freed space can appear late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that a process without privileges may still write.
    pub free_bytes: u64,
    /// Bytes of the whole file system.
    pub total_bytes: u64,
}

/// A file system.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// Renames a file or a directory; a file that bears the new name already is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name. Handles that are open keep working.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Creates a directory; its parent must exist.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable: what was created, renamed or removed there.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Lists a directory, in no particular order.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// Looks a name up; an absent one is [`io::ErrorKind::NotFound`].
    fn stat(&self, path: &Path) -> io::Result<FileStat>;

    /// Takes an exclusive lock on a file, which is created if missing. `None` says that somebody
    /// else holds it. The lock lasts until the value is dropped or the process ends.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>>;

    /// The identity of the page cache behind `dir`.
    fn page_cache_identity(&self, dir: &Path) -> io::Result<PageCacheIdentity>;

    /// The room on the file system that `dir` is on. One cheap call to the kernel.
    fn space(&self, dir: &Path) -> io::Result<Space>;
}

/// A lock that is released when it is dropped.
pub trait FileLock: fmt::Debug + Send + Sync {}

/// An open file. Positions and lengths are bytes.
#[expect(
    clippy::len_without_is_empty,
    reason = "nobody asks whether a file is empty"
)]
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Reads at `position` until `buffer` is full or the file ends; returns the bytes read.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// Writes all `parts`, one behind the other, from `position` on. A failure may leave any
    /// prefix of them in the file.
    fn write_all_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()>;

    /// The file's length.
    fn len(&self) -> io::Result<u64>;

    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes everything written so far, and the length, durable.
    fn sync_data(&self) -> io::Result<()>;

    /// Asks for disk blocks for `len` bytes from `position`, without changing the file's length.
    /// A file system that cannot do this is no error: preallocation only saves time.
    fn preallocate(&self, position: u64, len: u64) -> io::Result<()>;

    /// The kernel's descriptor, for `sendfile`; `None` where no kernel file stands behind it.
    fn fd(&self) -> Option<BorrowedFd<'_>>;

    /// Fills `buffer` from `position`; a file that ends before is
    /// [`io::ErrorKind::UnexpectedEof`].
    fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        let wanted = buffer.len();
        if self.read_at(buffer, position)? < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// Reads a small file whole.
pub fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    let len = file.len()?;
    let mut content = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?];
    let read = file.read_at(&mut content, 0)?;
    content.truncate(read);
    Ok(content)
}

/// Writes a small file so that a crash leaves either the old content or the new, never a mixture,
/// and makes the new one durable.
pub fn write_file_atomically(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    replace_file(disk, path, content)?;
    disk.sync_dir(path.parent().unwrap_or_else(|| Path::new("/")))
}

/// As [`write_file_atomically`], but the new content is durable only once the directory is synced:
/// until then a crash may bring the old one back. It is a temporary file beside the old one,
/// synced, and then renamed over it.
pub fn replace_file(disk: &dyn Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = temporary_path(path);
    let file = disk.open(&temporary, OpenMode::CreateEmpty)?;
    file.write_all_at(&mut [IoSlice::new(content)], 0)?;
    file.sync_data()?;
    disk.rename(&temporary, path)
}

/// Where [`replace_file`] prepares the new content of `path`. A crash may leave this file
/// behind; the next write replaces it.
pub fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Removes a directory and the files in it. The removal is durable once the caller has synced the
/// parent.
pub fn remove_dir_all(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    for entry in disk.list(path)? {
        let child = path.join(&entry.name);
        match entry.kind {
            EntryKind::File => disk.remove_file(&child)?,
            EntryKind::Directory => remove_dir_all(disk, &child)?,
        }
    }
    disk.remove_dir(path)
}

/// Whether a name exists.
pub fn exists(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    match disk.stat(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "disk/real_tests.rs"]
mod real_tests;
