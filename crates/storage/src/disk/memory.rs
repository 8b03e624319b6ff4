//! A file system in memory that remembers how it got there, for tests of what a crash leaves.
//!
//! Every change and every sync is recorded. [`MemoryDisk::history`] hands the record out, and
//! [`crash`] turns it into the file systems that a crash at any point could have left: POSIX
//! promises nothing about changes that were not synced, so each of them may be there or not,
//! whatever became of the others.
//!
//! [`MemoryDisk::fail`] makes a chosen operation fail. A write that fails leaves half of its bytes;
//! after a sync that failed, no later sync makes the lost changes durable.

pub mod crash;
mod image;

use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use self::crash::{Event, History};
use self::image::{Change, Image, Node, NodeId};
use super::{
    DirEntry, Disk, DiskFile, EntryKind, FileLock, FileStat, OpenMode, PageCacheIdentity, Space,
};

/// A file system in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// What a process sees.
    live: Image,
    /// Where the record begins: all of it durable.
    initial: Image,
    events: Vec<Event>,
    /// Events at the beginning that an earlier process left unsynced.
    inherited: usize,
    locked: BTreeSet<NodeId>,
    boot: u64,
    /// Bytes that all files together may have; without it there is no end.
    total_bytes: Option<u64>,
    /// Changes and syncs left before the one that fails, and how.
    fault: Option<(usize, io::ErrorKind)>,
    /// Looks left before the one that fails, and how.
    look_fault: Option<(usize, io::ErrorKind)>,
    /// Tells which place in the code syncs.
    sync_caller: Option<fn() -> String>,
}

impl Default for MemoryDisk {
    fn default() -> Self {
        Self::from_image(Image::default(), 0)
    }
}

impl MemoryDisk {
    /// An empty file system.
    pub fn new() -> Self {
        Self::default()
    }

    fn from_image(image: Image, boot: u64) -> Self {
        let state = State {
            live: image.clone(),
            initial: image,
            events: Vec::new(),
            inherited: 0,
            locked: BTreeSet::new(),
            boot,
            total_bytes: None,
            fault: None,
            look_fault: None,
            sync_caller: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// How many changes and syncs are recorded: a point in the history.
    pub fn event_count(&self) -> usize {
        self.state.lock().events.len()
    }

    /// Everything recorded so far.
    pub fn history(&self) -> History {
        let state = self.state.lock();
        History {
            initial: state.initial.clone(),
            events: state.events.clone(),
            inherited: state.inherited,
            boot: state.boot,
        }
    }

    /// Has every sync from now on recorded with the place in the code that wants it, as `caller`
    /// finds out.
    pub fn record_sync_callers(&self, caller: fn() -> String) {
        self.state.lock().sync_caller = Some(caller);
    }

    /// From now on all files together have room for so many bytes. What a write cannot find room
    /// for it leaves out, and fails.
    pub fn set_total_bytes(&self, bytes: u64) {
        self.state.lock().total_bytes = Some(bytes);
    }

    /// Lets `operations` more operations that change or sync something succeed; the one after them
    /// fails with `error`, once.
    pub fn fail(&self, operations: usize, error: io::ErrorKind) {
        self.state.lock().fault = Some((operations, error));
    }

    /// Lets `looks` more operations that change nothing succeed (opening, reading, listing, asking
    /// for a length, for room, for what a path is); the one after them fails with `error`, once.
    pub fn fail_look(&self, looks: usize, error: io::ErrorKind) {
        self.state.lock().look_fault = Some((looks, error));
    }

    /// Whether a failure asked for is still to come.
    pub fn fault_pending(&self) -> bool {
        let state = self.state.lock();
        state.fault.is_some() || state.look_fault.is_some()
    }

    /// How many syncs failed since the record began.
    pub fn failed_syncs(&self) -> usize {
        let state = self.state.lock();
        let failed = |event: &&Event| matches!(event, Event::FailedSync { .. });
        state.events.iter().filter(failed).count()
    }

    /// Flips the bits of `mask` in one byte of a file, behind everybody's back.
    pub fn corrupt(&self, path: &Path, position: u64, mask: u8) -> io::Result<()> {
        let mut state = self.state.lock();
        let file = state.live.resolve(path)?;
        let index = usize::try_from(position).map_err(|_| io::ErrorKind::InvalidInput)?;
        let byte = *state
            .live
            .file(file)?
            .get(index)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let data: Arc<[u8]> = Arc::new([byte ^ mask]);
        let site = "corruption".to_owned();
        state.change(Change::Write {
            file,
            position,
            data,
        });
        state.events.push(Event::Sync { node: file, site });
        Ok(())
    }
}

impl State {
    /// Bytes that files may still grow by.
    fn free_bytes(&self) -> u64 {
        let left = |total: u64| total.saturating_sub(self.live.used_bytes());
        self.total_bytes.map_or(u64::MAX, left)
    }

    /// How many of `len` bytes at `position` find room.
    fn room_for(&self, file: NodeId, position: u64, len: u64) -> io::Result<u64> {
        let end = position.saturating_add(len);
        let grows_by = end.saturating_sub(self.live.file(file)?.len() as u64);
        Ok(len - grows_by.saturating_sub(self.free_bytes()).min(len))
    }

    /// Counts a change or a sync, which may be made to fail.
    fn operation(&mut self) -> io::Result<()> {
        count_down(&mut self.fault)
    }

    /// Counts an operation that changes nothing, which may be made to fail.
    fn look(&mut self) -> io::Result<()> {
        count_down(&mut self.look_fault)
    }

    fn change(&mut self, change: Change) {
        self.live.apply(&change);
        self.events.push(Event::Change(change));
    }

    fn sync(&mut self, node: NodeId, path: &Path) -> io::Result<()> {
        let failed = self.operation();
        self.events.push(match failed {
            Ok(()) => {
                let mut site = crash::site(&self.events, node, path);
                if let Some(caller) = self.sync_caller {
                    site = format!("{site} ({})", caller());
                }
                Event::Sync { node, site }
            }
            Err(_) => Event::FailedSync { node },
        });
        failed
    }

    /// The directory that holds the last name of `path`, and that name.
    fn parent(&self, path: &Path) -> io::Result<(NodeId, String)> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.live.resolve(parent)?, name))
    }

    fn create(&mut self, path: &Path, kind: EntryKind) -> io::Result<NodeId> {
        let (dir, name) = self.parent(path)?;
        self.live.directory(dir)?;
        self.operation()?;
        let node = self.live.unused_node();
        self.change(Change::Create {
            dir,
            name,
            node,
            kind,
        });
        Ok(node)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (dir, name) = self.parent(path)?;
        self.operation()?;
        self.change(Change::Remove { dir, name });
        Ok(())
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        state.look()?;
        let node = match state.live.resolve(path) {
            Ok(node) => {
                if mode == OpenMode::CreateEmpty && !state.live.file(node)?.is_empty() {
                    state.operation()?;
                    state.change(Change::SetLen { file: node, len: 0 });
                }
                node
            }
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && matches!(mode, OpenMode::Create | OpenMode::CreateEmpty) =>
            {
                state.create(path, EntryKind::File)?
            }
            Err(error) => return Err(error),
        };
        state.live.file(node)?;
        let file = MemoryFile {
            state: Arc::clone(&self.state),
            node,
            path: path.to_owned(),
            writable: mode != OpenMode::Read,
        };
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        let node = state.live.resolve(from)?;
        let (dir, from) = state.parent(from)?;
        let (to_dir, to) = state.parent(to)?;
        assert_eq!(dir, to_dir, "a rename across directories is not modelled");
        let target = state.live.directory(dir)?.get(&to).copied();
        if let Some(Node::Directory(entries)) = target.and_then(|node| state.live.node(node))
            && !entries.is_empty()
        {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.operation()?;
        state.change(Change::Rename {
            dir,
            from,
            to,
            node,
        });
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        let node = state.live.resolve(path)?;
        state.live.file(node)?;
        state.remove(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        match state.live.resolve(path) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                state.create(path, EntryKind::Directory).map(drop)
            }
            Err(error) => Err(error),
        }
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        let node = state.live.resolve(path)?;
        if !state.live.directory(node)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        let node = state.live.resolve(path)?;
        state.live.directory(node)?;
        state.sync(node, path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut state = self.state.lock();
        state.look()?;
        let entries = state.live.directory(state.live.resolve(path)?)?;
        let entry = |(name, node): (&String, &NodeId)| {
            let kind = state.live.node(*node)?.kind();
            Some(DirEntry {
                name: name.clone(),
                kind,
            })
        };
        Ok(entries.iter().filter_map(entry).collect())
    }

    fn stat(&self, path: &Path) -> io::Result<FileStat> {
        let mut state = self.state.lock();
        state.look()?;
        let node = state.live.resolve(path)?;
        let node = state.live.node(node).ok_or(io::ErrorKind::NotFound)?;
        Ok(FileStat {
            kind: node.kind(),
            len: node.len(),
            modified_ms: 0,
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn FileLock>>> {
        drop(self.open(path, OpenMode::Create)?);
        let mut state = self.state.lock();
        let node = state.live.resolve(path)?;
        let taken = state.locked.insert(node);
        let state = Arc::clone(&self.state);
        Ok(taken.then(|| Box::new(MemoryLock { state, node }) as Box<dyn FileLock>))
    }

    fn page_cache_identity(&self, _dir: &Path) -> io::Result<PageCacheIdentity> {
        let mut state = self.state.lock();
        state.look()?;
        let boot_id = format!("boot {}", state.boot);
        Ok(PageCacheIdentity {
            boot_id,
            mount: "memory".to_owned(),
        })
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        let mut state = self.state.lock();
        state.look()?;
        Ok(Space {
            free_bytes: state.free_bytes(),
            total_bytes: state.total_bytes.unwrap_or(u64::MAX),
        })
    }
}

fn count_down(fault: &mut Option<(usize, io::ErrorKind)>) -> io::Result<()> {
    match fault {
        Some((0, error)) => {
            let error = *error;
            *fault = None;
            Err(error.into())
        }
        Some((left, _)) => {
            *left -= 1;
            Ok(())
        }
        None => Ok(()),
    }
}

#[derive(Debug)]
struct MemoryLock {
    state: Arc<Mutex<State>>,
    node: NodeId,
}

impl FileLock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.state.lock().locked.remove(&self.node);
    }
}

#[derive(Debug)]
struct MemoryFile {
    state: Arc<Mutex<State>>,
    node: NodeId,
    /// As it was opened: names the place of a sync.
    path: PathBuf,
    writable: bool,
}

impl MemoryFile {
    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            Ok(())
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }

    fn write(&self, data: &[u8], position: u64) {
        let data = Arc::from(data);
        self.state.lock().change(Change::Write {
            file: self.node,
            position,
            data,
        });
    }
}

impl DiskFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut state = self.state.lock();
        state.look()?;
        let content = state.live.file(self.node)?;
        let from = usize::try_from(position).unwrap_or(usize::MAX);
        let available = content.get(from..).unwrap_or_default();
        let len = available.len().min(buffer.len());
        buffer[..len].copy_from_slice(&available[..len]);
        Ok(len)
    }

    fn write_all_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        self.check_writable()?;
        let data = parts
            .iter()
            .map(|part| &part[..])
            .collect::<Vec<_>>()
            .concat();
        if data.is_empty() {
            return Ok(());
        }
        let (mut result, room) = {
            let mut state = self.state.lock();
            let room = state.room_for(self.node, position, data.len() as u64)?;
            (state.operation(), room as usize)
        };
        let mut written = data.len();
        if result.is_err() {
            written /= 2;
        }
        if room < written {
            written = room;
            result = Err(io::ErrorKind::StorageFull.into());
        }
        if written > 0 {
            self.write(&data[..written], position);
        }
        result
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.state.lock();
        state.look()?;
        Ok(state.live.file(self.node)?.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut state = self.state.lock();
        state.operation()?;
        state.change(Change::SetLen {
            file: self.node,
            len,
        });
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state.lock().sync(self.node, &self.path)
    }

    fn preallocate(&self, _position: u64, _len: u64) -> io::Result<()> {
        self.check_writable()?;
        self.state.lock().operation()
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

#[cfg(test)]
#[path = "memory/tests.rs"]
mod tests;
