//! A disk in memory that records every operation, to ask: what if the power had failed here?
//!
//! Two views exist at once. The live one is what the running process sees, as with a page cache.
//! The recording keeps each change apart, and knows which of them some later sync made durable.
//! [`Recording::crash_images`] builds the disks that a power loss after any prefix could leave:
//! everything durable, plus any choice of the rest, with writes torn at 512 bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use super::{Disk, DiskFile};

const SECTOR: usize = 512;

/// Up to this many changes that no sync covered, every combination is tried.
const COMBINED_MAX: usize = 6;

type Inode = usize;

/// One recorded operation.
#[derive(Debug, Clone)]
enum Operation {
    CreateDir(PathBuf),
    /// A new, empty file under a name.
    Create(PathBuf, Inode),
    /// A directory entry names an inode: a rename moves that file, whatever else had the name.
    Rename(PathBuf, PathBuf, Inode),
    Remove(PathBuf, Inode),
    Write(Inode, usize, Arc<[u8]>),
    SyncFile(Inode),
    SyncDir(PathBuf),
}

/// The bytes and names on a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Image {
    directories: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, Inode>,
    files: BTreeMap<Inode, Vec<u8>>,
}

#[derive(Debug, Default)]
struct State {
    initial: Image,
    live: Image,
    operations: Vec<Operation>,
    /// Syncs with this label are lies: they return and do nothing.
    skipped_sync: Option<String>,
    labels: BTreeSet<String>,
    /// Operations until one fails, and every later one of its kind.
    fail_writes_after: Option<usize>,
    /// Changes and syncs left before one fails, once, and how.
    fault: Fault,
    /// The same for what changes nothing: opening, reading, listing.
    look_fault: Fault,
    /// Whether files can no longer grow.
    full: bool,
}

/// Operations left before one fails, once, and how.
#[derive(Debug, Default)]
struct Fault(Option<(usize, io::ErrorKind)>);

impl Fault {
    /// Counts an operation.
    fn operation(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Some((0, error)) => {
                let error = *error;
                self.0 = None;
                Err(error.into())
            }
            Some((left, _)) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// A disk; clones share it.
#[derive(Clone, Default)]
pub(crate) struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryDisk")
    }
}

/// What was done to a disk, for asking about crashes.
#[derive(Debug, Clone)]
pub(crate) struct Recording {
    initial: Image,
    operations: Vec<Operation>,
}

impl MemoryDisk {
    /// A disk with one empty directory, and nothing recorded.
    pub(crate) fn with_directory(path: &str) -> Self {
        let mut image = Image::default();
        image.directories.insert(PathBuf::from(path));
        Self::from_image(image)
    }

    /// A disk that holds `image`, and nothing recorded.
    pub(crate) fn from_image(image: Image) -> Self {
        let state = State {
            initial: image.clone(),
            live: image,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Makes every sync with that label a lie from now on.
    ///
    /// Labels are `write KIND` for a sync of a file after a write, `open KIND` for one before any,
    /// `name KIND` for a directory after a name changed in it; KIND is the end of the file's name.
    pub(crate) fn skip_syncs(&self, label: &str) {
        self.state().skipped_sync = Some(label.to_owned());
    }

    /// The labels of all syncs so far.
    pub(crate) fn sync_labels(&self) -> BTreeSet<String> {
        self.state().labels.clone()
    }

    /// Lets `count` more writes and syncs of files succeed, then fails them all.
    pub(crate) fn fail_writes_after(&self, count: usize) {
        self.state().fail_writes_after = Some(count);
    }

    /// Lets `count` more operations that change or sync something succeed; the one after them fails
    /// with `error`, once. A write that fails leaves half of its sectors.
    pub(crate) fn fail_one_after(&self, count: usize, error: io::ErrorKind) {
        self.state().fault = Fault(Some((count, error)));
    }

    /// Lets `count` more operations that change nothing succeed; the one after them fails with
    /// `error`, once.
    pub(crate) fn fail_one_look_after(&self, count: usize, error: io::ErrorKind) {
        self.state().look_fault = Fault(Some((count, error)));
    }

    /// Whether the failure asked for is still to come.
    pub(crate) fn fault_pending(&self) -> bool {
        let state = self.state();
        state.fault.0.is_some() || state.look_fault.0.is_some()
    }

    /// Lets no file grow any more; what has its blocks can still be written in place.
    pub(crate) fn fill(&self) {
        self.state().full = true;
    }

    /// Lets writes succeed again.
    pub(crate) fn heal(&self) {
        let mut state = self.state();
        state.fail_writes_after = None;
        state.fault = Fault::default();
        state.look_fault = Fault::default();
        state.full = false;
    }

    /// Operations recorded so far.
    pub(crate) fn operation_count(&self) -> usize {
        self.state().operations.len()
    }

    /// What the running process sees now.
    pub(crate) fn image(&self) -> Image {
        self.state().live.clone()
    }

    /// All that was done so far.
    pub(crate) fn recording(&self) -> Recording {
        let state = self.state();
        Recording {
            initial: state.initial.clone(),
            operations: state.operations.clone(),
        }
    }

    /// Damages one byte of a file.
    pub(crate) fn flip_bit(&self, path: &Path, position: u64, mask: u8) {
        let mut state = self.state();
        let inode = state.live.names[path];
        let file = state
            .live
            .files
            .get_mut(&inode)
            .expect("a named file has bytes");
        file[position as usize] ^= mask;
    }

    fn file(&self, inode: Inode) -> Box<dyn DiskFile> {
        Box::new(MemoryFile {
            disk: self.clone(),
            inode,
            written: Mutex::new(false),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl State {
    fn record(&mut self, operation: Operation) {
        self.live.apply(&operation);
        self.operations.push(operation);
    }

    fn sync(&mut self, label: String, operation: Operation) {
        let skipped = self.skipped_sync.as_ref() == Some(&label);
        self.labels.insert(label);
        if !skipped {
            self.record(operation);
        }
    }

    fn take_write(&mut self) -> io::Result<()> {
        match &mut self.fail_writes_after {
            Some(0) => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn inode(&self, path: &Path) -> io::Result<Inode> {
        self.live
            .names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The end of a file's name: what kind of file it is.
fn kind(path: &Path) -> String {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    name.find('.')
        .map_or_else(|| name.clone(), |dot| name[dot..].to_owned())
}

impl Disk for MemoryDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.live.directories.contains(path) {
            state.fault.operation()?;
            state.record(Operation::CreateDir(path.to_owned()));
        }
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.look_fault.operation()?;
        let here = state
            .live
            .names
            .keys()
            .filter(|path| path.parent() == Some(directory));
        Ok(here
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.fault.operation()?;
        let inode = state
            .live
            .files
            .keys()
            .next_back()
            .map_or(0, |last| last + 1);
        state.record(Operation::Create(path.to_owned(), inode));
        Ok(self.file(inode))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        let inode = state.inode(path)?;
        state.look_fault.operation()?;
        Ok(self.file(inode))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.inode(from)?;
        state.fault.operation()?;
        state.record(Operation::Rename(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.inode(path)?;
        state.fault.operation()?;
        state.record(Operation::Remove(path.to_owned(), inode));
        Ok(())
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state();
        let last = state
            .operations
            .iter()
            .rev()
            .find_map(|operation| match operation {
                Operation::CreateDir(path) | Operation::Rename(_, path, _) => Some(kind(path)),
                _ => None,
            });
        state.fault.operation()?;
        let label = format!("name {}", last.unwrap_or_default());
        state.sync(label, Operation::SyncDir(directory.to_owned()));
        Ok(())
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    inode: Inode,
    /// Whether this handle was written through.
    written: Mutex<bool>,
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryFile({})", self.inode)
    }
}

impl DiskFile for MemoryFile {
    fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut state = self.disk.state();
        state.look_fault.operation()?;
        let bytes = state.live.files.get(&self.inode);
        Ok(bytes.cloned().unwrap_or_default())
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = self.read_all()?;
        let from = bytes.get(position as usize..position as usize + buffer.len());
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.take_write()?;
        let length = state.live.files.get(&self.inode).map_or(0, Vec::len);
        if state.full && length < position as usize + bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let result = state.fault.operation();
        let written = if result.is_ok() {
            bytes.len()
        } else {
            // Half of it, but whole sectors.
            let end = position as usize + bytes.len() / 2;
            (end - end % SECTOR).saturating_sub(position as usize)
        };
        state.record(Operation::Write(
            self.inode,
            position as usize,
            bytes[..written].into(),
        ));
        *self.written.lock().expect("no holder of this lock panics") = true;
        result
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.take_write()?;
        state.fault.operation()?;
        let name = state
            .live
            .names
            .iter()
            .find(|(_, inode)| **inode == self.inode);
        let kind = name.map(|(path, _)| kind(path)).unwrap_or_default();
        let written = *self.written.lock().expect("no holder of this lock panics");
        let label = format!("{} {kind}", if written { "write" } else { "open" });
        state.sync(label, Operation::SyncFile(self.inode));
        Ok(())
    }
}

impl Image {
    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::CreateDir(path) => {
                self.directories.insert(path.clone());
            }
            Operation::Create(path, inode) => {
                self.names.insert(path.clone(), *inode);
                self.files.entry(*inode).or_default();
            }
            Operation::Rename(from, to, inode) => {
                self.unlink(from, *inode);
                self.names.insert(to.clone(), *inode);
            }
            Operation::Remove(path, inode) => self.unlink(path, *inode),
            Operation::Write(inode, position, bytes) => {
                let file = self.files.entry(*inode).or_default();
                let end = position + bytes.len();
                file.resize(file.len().max(end), 0);
                file[*position..end].copy_from_slice(bytes);
            }
            Operation::SyncFile(_) | Operation::SyncDir(_) => {}
        }
    }

    fn unlink(&mut self, path: &Path, inode: Inode) {
        if self.names.get(path) == Some(&inode) {
            self.names.remove(path);
        }
    }

    /// Files whose directory was lost cannot be reached.
    fn drop_unreachable(&mut self) {
        let Self {
            directories, names, ..
        } = self;
        names.retain(|path, _| {
            path.parent()
                .is_some_and(|parent| directories.contains(parent))
        });
    }
}

impl Recording {
    /// Every disk that a power loss after the first `prefix` operations could leave, by this
    /// model. Calls `check` with each, and what was dropped, for messages.
    pub(crate) fn crash_images(&self, prefix: usize, mut check: impl FnMut(Image, &str)) {
        let operations = &self.operations[..prefix];
        let pending: Vec<usize> = (0..prefix)
            .filter(|at| is_change(&operations[*at]) && !self.durable(*at, prefix))
            .collect();
        let mut try_without = |dropped: &[usize], what: &str| {
            check(self.image_without(prefix, dropped), what);
        };
        try_without(&[], "nothing dropped");
        try_without(&pending, "all unsynced changes dropped");
        if pending.len() <= COMBINED_MAX {
            for choice in 1..(1_usize << pending.len()).saturating_sub(1) {
                let dropped: Vec<_> = (0..pending.len())
                    .filter(|bit| choice & (1 << bit) != 0)
                    .map(|bit| pending[bit])
                    .collect();
                try_without(&dropped, &format!("dropped {dropped:?}"));
            }
        } else {
            for (at, first) in pending.iter().enumerate() {
                try_without(&[*first], &format!("dropped {first}"));
                let others: Vec<_> = pending
                    .iter()
                    .copied()
                    .filter(|other| other != first)
                    .collect();
                try_without(&others, &format!("only {first} kept"));
                for second in &pending[at + 1..] {
                    try_without(&[*first, *second], &format!("dropped {first} and {second}"));
                }
            }
        }
        for at in pending {
            self.torn_images(prefix, at, &mut check);
        }
    }

    /// The write at `at` reaches the disk in part: a prefix, a suffix, or all but one sector.
    fn torn_images(&self, prefix: usize, at: usize, check: &mut impl FnMut(Image, &str)) {
        let Operation::Write(inode, position, bytes) = &self.operations[at] else {
            return;
        };
        let first_cut = position.next_multiple_of(SECTOR) - position;
        let cuts: Vec<usize> = (first_cut..bytes.len()).step_by(SECTOR).collect();
        let mut keep = |ranges: &[(usize, usize)], what: String| {
            let mut image = self.image_without(prefix, &[at]);
            for (from, to) in ranges.iter().filter(|(from, to)| from < to) {
                let part = bytes[*from..*to].into();
                image.apply(&Operation::Write(*inode, position + from, part));
            }
            check(image, &what);
        };
        for (nth, cut) in cuts.iter().copied().filter(|cut| 0 < *cut).enumerate() {
            keep(&[(0, cut)], format!("write {at} torn: first {cut} bytes"));
            keep(
                &[(cut, bytes.len())],
                format!("write {at} torn: without first {cut} bytes"),
            );
            let next = cuts.get(nth + 1).copied().unwrap_or(bytes.len());
            keep(
                &[(0, cut), (next, bytes.len())],
                format!("write {at} torn: hole at {cut}"),
            );
        }
    }

    fn image_without(&self, prefix: usize, dropped: &[usize]) -> Image {
        let mut image = self.initial.clone();
        for (at, operation) in self.operations[..prefix].iter().enumerate() {
            if !dropped.contains(&at) {
                image.apply(operation);
            }
        }
        image.drop_unreachable();
        image
    }

    /// Whether a sync between the change `at` and `prefix` covers it.
    fn durable(&self, at: usize, prefix: usize) -> bool {
        let parent = |path: &Path| path.parent().map(Path::to_owned);
        let covered_by = |operation: &Operation| match (&self.operations[at], operation) {
            (Operation::Write(inode, ..), Operation::SyncFile(synced)) => inode == synced,
            (
                Operation::CreateDir(path)
                | Operation::Create(path, _)
                | Operation::Rename(_, path, _)
                | Operation::Remove(path, _),
                Operation::SyncDir(directory),
            ) => parent(path).as_ref() == Some(directory),
            _ => false,
        };
        self.operations[at + 1..prefix].iter().any(covered_by)
    }
}

const fn is_change(operation: &Operation) -> bool {
    !matches!(operation, Operation::SyncFile(_) | Operation::SyncDir(_))
}
