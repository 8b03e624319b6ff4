//! A bounded set of open files.
//!
//! A broker with thousands of partitions has far more files than descriptors. A [`CachedFile`] is
//! the right to use one file; its descriptor is opened when it is needed and closed again when the
//! cache is full and it has not been used for a while (the clock algorithm: one "used" bit per
//! file, so that a hit touches nothing shared).
//!
//! A handle that somebody still holds is never closed: a transfer under way keeps its file, and a
//! writer that holds its handle from the first unsynced write to the sync is certain to learn of a
//! failed write-back, which the kernel reports reliably only to descriptors that were open then.
//! If every handle is held, the cache exceeds its capacity rather than failing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::disk::{Disk, DiskFile, OpenMode};

/// The fewest handles a cache keeps, however low the descriptor limit.
const CAPACITY_MIN: usize = 64;

/// How many handles to keep when the process may have `descriptor_limit` descriptors: a quarter of
/// them. The rest is for connections, which cannot be closed and opened again as files can.
pub fn capacity_for(descriptor_limit: u64) -> usize {
    usize::try_from(descriptor_limit / 4)
        .unwrap_or(usize::MAX)
        .max(CAPACITY_MIN)
}

/// The open files of one process.
#[derive(Debug)]
pub struct FileCache {
    disk: Arc<dyn Disk>,
    capacity: usize,
    clock: Mutex<Clock>,
}

/// Every file that has a handle, and where the search for the next one to close goes on.
#[derive(Debug, Default)]
struct Clock {
    open: Vec<Weak<CachedFile>>,
    hand: usize,
}

impl FileCache {
    /// A cache that keeps about `capacity` files open.
    pub fn new(disk: Arc<dyn Disk>, capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            disk,
            capacity,
            clock: Mutex::default(),
        })
    }

    /// The file system the files are on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The file at `path`, not opened yet. The first handle is opened with `mode`; later ones
    /// neither create nor empty the file.
    pub fn file(self: &Arc<Self>, path: impl Into<PathBuf>, mode: OpenMode) -> Arc<CachedFile> {
        Arc::new(CachedFile {
            cache: Arc::clone(self),
            state: Mutex::new(State {
                path: path.into(),
                mode,
                handle: None,
            }),
            used: AtomicBool::new(false),
        })
    }

    /// As [`file`](Self::file), opened at once, so that an error shows now.
    pub fn open(
        self: &Arc<Self>,
        path: impl Into<PathBuf>,
        mode: OpenMode,
    ) -> io::Result<Arc<CachedFile>> {
        let file = self.file(path, mode);
        file.handle()?;
        Ok(file)
    }

    /// How many files have a handle now (some of them may have been dropped since).
    pub fn open_count(&self) -> usize {
        self.clock.lock().open.len()
    }

    fn opened(&self, file: &Arc<CachedFile>) {
        let mut clock = self.clock.lock();
        clock.make_room(self.capacity);
        clock.open.push(Arc::downgrade(file));
    }
}

impl Clock {
    /// Closes handles until fewer than `capacity` are open, or each was looked at twice: once to
    /// clear its "used" bit, once to find it unused.
    fn make_room(&mut self, capacity: usize) {
        let mut looks_left = 2 * self.open.len();
        while self.open.len() >= capacity && looks_left > 0 {
            looks_left -= 1;
            if self.hand >= self.open.len() {
                self.hand = 0;
            }
            let Some(file) = self.open.get(self.hand) else {
                break;
            };
            if file.upgrade().is_none_or(|file| file.close_if_idle()) {
                self.open.swap_remove(self.hand);
            } else {
                self.hand += 1;
            }
        }
    }
}

/// One file that may or may not be open at the moment.
#[derive(Debug)]
pub struct CachedFile {
    cache: Arc<FileCache>,
    state: Mutex<State>,
    /// Set by each use, cleared when the clock's hand passes.
    used: AtomicBool,
}

#[derive(Debug)]
struct State {
    path: PathBuf,
    mode: OpenMode,
    handle: Option<Arc<dyn DiskFile>>,
}

impl CachedFile {
    /// The open file. It stays open for as long as the returned value lives.
    pub fn handle(self: &Arc<Self>) -> io::Result<Arc<dyn DiskFile>> {
        self.used.store(true, Ordering::Relaxed);
        let mut state = self.state.lock();
        if let Some(handle) = &state.handle {
            return Ok(Arc::clone(handle));
        }
        let handle = self.cache.disk.open(&state.path, state.mode)?;
        if state.mode != OpenMode::Read {
            state.mode = OpenMode::Write;
        }
        state.handle = Some(Arc::clone(&handle));
        // This file's lock is held while the cache looks at others; it only ever tries theirs.
        self.cache.opened(self);
        Ok(handle)
    }

    /// The open file, if it is open at the moment. Never opens it, nor waits for one who does.
    pub fn handle_if_open(&self) -> Option<Arc<dyn DiskFile>> {
        self.used.store(true, Ordering::Relaxed);
        self.state.try_lock()?.handle.clone()
    }

    /// Where the file is.
    pub fn path(&self) -> PathBuf {
        self.state.lock().path.clone()
    }

    /// The file, or the directory it is in, was renamed; an open handle stays valid.
    pub fn moved_to(&self, path: &Path) {
        path.clone_into(&mut self.state.lock().path);
    }

    /// Renames the file. Whoever opens it meanwhile waits and opens it under its new name.
    pub(crate) fn rename_to(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        self.cache.disk.rename(&state.path, path)?;
        path.clone_into(&mut state.path);
        Ok(())
    }

    /// Closes the handle if nobody uses it; `true` if none is open any more.
    fn close_if_idle(&self) -> bool {
        if self.used.swap(false, Ordering::Relaxed) {
            return false;
        }
        let Some(mut state) = self.state.try_lock() else {
            return false;
        };
        if state
            .handle
            .as_ref()
            .is_some_and(|handle| Arc::strong_count(handle) > 1)
        {
            return false;
        }
        state.handle = None;
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::io::IoSlice;

    use tempfile::TempDir;

    use super::*;
    use crate::disk::RealDisk;

    fn cache(capacity: usize) -> (TempDir, Arc<FileCache>) {
        (
            TempDir::new().unwrap(),
            FileCache::new(Arc::new(RealDisk), capacity),
        )
    }

    fn is_open(file: &CachedFile) -> bool {
        file.state.lock().handle.is_some()
    }

    #[test]
    fn no_more_files_are_open_than_the_capacity() {
        let (dir, cache) = cache(4);
        let files: Vec<_> = (0..50)
            .map(|index| {
                cache
                    .open(dir.path().join(index.to_string()), OpenMode::Create)
                    .unwrap()
            })
            .collect();
        assert_eq!(files.iter().filter(|file| is_open(file)).count(), 4);
        assert_eq!(cache.open_count(), 4);
    }

    #[test]
    fn a_closed_file_opens_again_with_its_content() {
        let (dir, cache) = cache(1);
        let file = cache
            .open(dir.path().join("a"), OpenMode::CreateEmpty)
            .unwrap();
        file.handle()
            .unwrap()
            .write_all_at(&mut [IoSlice::new(b"kept")], 0)
            .unwrap();
        let _other = cache.open(dir.path().join("b"), OpenMode::Create).unwrap();
        assert!(!is_open(&file));
        assert_eq!(
            file.handle().unwrap().len().unwrap(),
            4,
            "it is not emptied again"
        );
    }

    #[test]
    fn a_handle_in_use_stays_open_even_beyond_the_capacity() {
        let (dir, cache) = cache(2);
        let files: Vec<_> = (0..4)
            .map(|index| cache.file(dir.path().join(index.to_string()), OpenMode::Create))
            .collect();
        let held: Vec<_> = files.iter().map(|file| file.handle().unwrap()).collect();
        assert!(files.iter().all(|file| is_open(file)));
        drop(held);
        let _one_more = cache
            .open(dir.path().join("more"), OpenMode::Create)
            .unwrap();
        assert!(cache.open_count() <= 2);
    }

    #[test]
    fn a_file_in_use_outlasts_idle_ones() {
        let (dir, cache) = cache(8);
        let busy = cache
            .open(dir.path().join("busy"), OpenMode::Create)
            .unwrap();
        for index in 0..100 {
            busy.handle().unwrap();
            drop(
                cache
                    .open(dir.path().join(index.to_string()), OpenMode::Create)
                    .unwrap(),
            );
            assert!(is_open(&busy), "closed after {index} others");
        }
    }

    #[test]
    fn a_renamed_file_is_found_at_its_new_place() {
        let (dir, cache) = cache(1);
        let (before, after) = (dir.path().join("before"), dir.path().join("after"));
        let file = cache.open(&before, OpenMode::Create).unwrap();
        fs::rename(&before, &after).unwrap();
        file.moved_to(&after);
        let _other = cache
            .open(dir.path().join("other"), OpenMode::Create)
            .unwrap();
        assert!(!is_open(&file));
        file.handle().unwrap();
        assert!(!before.exists());
    }

    #[test]
    fn many_threads_share_few_handles() {
        let (dir, cache) = cache(4);
        let files: Vec<_> = (0..16)
            .map(|index| cache.file(dir.path().join(index.to_string()), OpenMode::Create))
            .collect();
        std::thread::scope(|scope| {
            for thread in 0..8_usize {
                let files = &files;
                scope.spawn(move || {
                    for round in 0..500 {
                        let file = &files[(thread * 7 + round) % files.len()];
                        file.handle().unwrap().len().unwrap();
                    }
                });
            }
        });
        let _settle = cache
            .open(dir.path().join("settle"), OpenMode::Create)
            .unwrap();
        assert!(cache.open_count() <= 4);
    }
}
