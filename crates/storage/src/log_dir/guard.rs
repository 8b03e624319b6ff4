//! The file system of a log directory: the real one, and a rule.
//!
//! **Invariant:** after a failed sync the directory is offline, wherever in the code the sync was.
//! The kernel forgets that the pages were never written, so a second sync would succeed and mean
//! nothing. For the same reason the next process must not trust the page cache: the sign by which
//! it would is removed.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::DirHealth;
use crate::disk::{
    DirEntry, Disk, DiskFile, FileLock, FileStat, OpenMode, PageCacheIdentity, Space,
};
use crate::error::is_out_of_descriptors;

/// A file system whose failed syncs take a log directory offline.
#[derive(Debug)]
pub(super) struct GuardedDisk {
    guard: Arc<Guard>,
}

#[derive(Debug)]
struct Guard {
    disk: Arc<dyn Disk>,
    health: Arc<DirHealth>,
    /// Where it is written that the page cache can be trusted.
    boot_identity: PathBuf,
}

impl GuardedDisk {
    pub(super) fn new(disk: Arc<dyn Disk>, health: Arc<DirHealth>, boot_identity: PathBuf) -> Self {
        let guard = Guard {
            disk,
            health,
            boot_identity,
        };
        Self {
            guard: Arc::new(guard),
        }
    }
}

impl Guard {
    /// Looks at what became of a sync.
    fn judge(&self, path: &Path, synced: io::Result<()>) -> io::Result<()> {
        synced.inspect_err(|error| {
            // Without a descriptor nothing was tried, and nothing is lost.
            if !is_out_of_descriptors(error) {
                self.health
                    .poison(format!("sync {}: {error}", path.display()));
                // The next process must not take what it reads for what is on the disk. If this
                // fails too, nothing better is left to do.
                let _ = self.disk.remove_file(&self.boot_identity);
            }
        })
    }
}

impl Disk for GuardedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.guard.disk.open(path, mode)?;
        let (guard, path) = (Arc::clone(&self.guard), path.to_owned());
        Ok(Arc::new(GuardedFile { file, guard, path }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.guard.disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.guard.disk.remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.guard.disk.create_dir(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.guard.disk.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.guard.judge(path, self.guard.disk.sync_dir(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.guard.disk.list(path)
    }

    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        self.guard.disk.stat(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        self.guard.disk.lock(path)
    }

    fn page_cache_identity(&self, dir: &Path) -> io::Result<PageCacheIdentity> {
        self.guard.disk.page_cache_identity(dir)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.guard.disk.space(dir)
    }
}

#[derive(Debug)]
struct GuardedFile {
    file: Arc<dyn DiskFile>,
    guard: Arc<Guard>,
    /// As it was opened; renames since are not known here.
    path: PathBuf,
}

impl DiskFile for GuardedFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_all_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        self.file.write_all_at(parts, position)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.guard.judge(&self.path, self.file.sync_data())
    }

    fn preallocate(&self, position: u64, len: u64) -> io::Result<()> {
        self.file.preallocate(position, len)
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.fd()
    }
}
