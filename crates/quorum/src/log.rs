//! `QuorumLog`: entries, vote, snapshots and purging of one voter, durable when a call returns.
//!
//! Holds the ordered segments, the state file and the newest snapshot's name. Invariants:
//! `purged < first readable <= next index`; a purged entry is contained in a durable snapshot;
//! every entry that [`QuorumLog::append`] returned for, or that `open` found, is durable.
//!
//! After a failed write or sync nothing is known about the file, so the log refuses everything
//! until the process opens it anew; it never tries the sync again. A full disk is not that case:
//! it shows when a new segment is made, before anything depends on it. Small entries then go into
//! the reserve at the end of the old segment, and larger ones may be tried again later.
//!
//! Deliberately absent: what entries mean, who may append, threads.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use tracing::warn;

use crate::{
    disk::Disk,
    entry::{Entry, LogId},
    error::{IoContext as _, LogError},
    new_file,
    segment::{self, HEADER_LEN, ScanEnd, Segment, SegmentHeader},
    snapshot::{self, Snapshot},
    state_file::{HardState, StateFile, Vote},
};

/// Largest payload of one entry: the records of one decision, such as a topic with all its
/// partitions.
pub const ENTRY_BYTES_MAX: usize = 32 << 20;

/// Size of a segment unless one batch needs more. Filling it with zeros takes a few milliseconds,
/// once per so many bytes of metadata.
pub const SEGMENT_BYTES: usize = 1 << 20;

/// The part of a segment kept in reserve, see [`QuorumLog::make_room`]: 64 KiB, which is enough
/// for some hundred restarts.
const RESERVE_FRACTION: u64 = 16;

/// The durable log of one voter.
#[derive(Debug)]
pub struct QuorumLog {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    segment_bytes: usize,
    state: StateFile,
    /// By base; the last one takes appends. Only what no later segment overrides is read.
    segments: Vec<Segment>,
    /// File names of snapshots, newest last.
    snapshots: Vec<String>,
    /// Sequence of the next segment.
    next_sequence: u64,
    /// The first write or sync that failed.
    poisoned: Option<Poison>,
}

/// A write or sync that failed.
#[derive(Debug)]
struct Poison {
    path: PathBuf,
    reason: String,
}

impl QuorumLog {
    /// Opens the log in `directory`, or begins one there; creates the directory if needed.
    ///
    /// `segment_bytes` is the size of new segments, normally [`SEGMENT_BYTES`].
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        segment_bytes: usize,
    ) -> Result<Self, LogError> {
        disk.create_dir(directory)
            .context("create directory", directory)?;
        let names = disk.list(directory).context("list", directory)?;
        new_file::remove_leftovers(&*disk, directory, &names)?;
        let mut segments = segment::in_listing(&names)
            .map(|name| Segment::open(&*disk, directory, name))
            .collect::<Result<Vec<_>, _>>()?;
        segments.sort_by_key(|segment| segment.header.sequence);
        let state = if StateFile::is_in(&names) {
            StateFile::open(&*disk, directory)?
        } else if segments.is_empty() {
            // The directory itself may be new.
            if let Some(parent) = directory.parent() {
                disk.sync_dir(parent).context("sync directory", parent)?;
            }
            StateFile::create(&*disk, directory)?
        } else {
            let what = "the file quorum-state".into();
            return Err(LogError::Missing {
                directory: directory.to_owned(),
                what,
            });
        };
        let next_sequence = segments
            .last()
            .map_or(0, |segment| segment.header.sequence + 1);
        let mut log = Self {
            disk,
            directory: directory.to_owned(),
            segment_bytes,
            state,
            segments,
            snapshots: snapshot::in_listing(&names),
            next_sequence,
            poisoned: None,
        };
        log.check_snapshot_covers_purge()?;
        log.drop_dead_segments()?;
        log.scan_segments()?;
        log.begin_where_nothing_is()?;
        Ok(log)
    }

    /// Why the log refuses everything since a write or sync failed; `None` while it does not.
    pub fn failure(&self) -> Option<&str> {
        self.poisoned.as_ref().map(|poison| poison.reason.as_str())
    }

    /// Vote, committed and purged log ids; durable.
    pub const fn state(&self) -> &HardState {
        self.state.get()
    }

    /// The last entry of the log, or the last one purged.
    pub fn last(&self) -> Option<LogId> {
        self.active().last()
    }

    /// Index of the next entry.
    pub fn next_index(&self) -> u64 {
        self.active().next_index()
    }

    /// Index of the first entry that can be read.
    pub fn first_index(&self) -> u64 {
        self.state().purged.map_or(0, |purged| purged.index + 1)
    }

    /// Appends entries that follow the last one without a hole; durable on return.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), LogError> {
        self.check_usable()?;
        if let Some(entry) = entries
            .iter()
            .find(|entry| ENTRY_BYTES_MAX < entry.payload.len())
        {
            let bytes = entry.payload.len();
            return Err(LogError::EntryTooLarge {
                bytes,
                limit: ENTRY_BYTES_MAX,
            });
        }
        self.make_room(entries.iter().map(Entry::padded_len).sum())?;
        let active = self.segments.last_mut().expect("an open log has a segment");
        let result = active.append(entries).and_then(|()| active.sync());
        let path = active.path().to_owned();
        self.poison_on_error(path, result)
    }

    /// Reads the entries of `range`, all of which must be in the log.
    pub fn read(&self, range: Range<u64>) -> Result<Vec<Entry>, LogError> {
        assert!(
            self.first_index() <= range.start && range.end <= self.next_index(),
            "the range {range:?} is not in the log"
        );
        let mut entries = Vec::new();
        let ends = self.segments.iter().skip(1).map(|next| next.header.base);
        for (segment, end) in self.segments.iter().zip(ends.chain([self.next_index()])) {
            let (first, end) = (range.start.max(segment.header.base), range.end.min(end));
            if first < end {
                entries.append(&mut segment.read(first, end)?);
            }
        }
        Ok(entries)
    }

    /// Forgets every entry after `index`, which is in the log; durable on return.
    ///
    /// A follower does this when the leader's log differs from its own. The entries must not be
    /// committed.
    pub fn truncate_after(&mut self, index: u64) -> Result<(), LogError> {
        self.check_usable()?;
        assert!(
            self.state()
                .committed
                .is_none_or(|committed| committed.index <= index),
            "a committed entry is never truncated"
        );
        if self.next_index() <= index + 1 {
            return Ok(());
        }
        let last = match self.state().purged {
            Some(purged) if purged.index == index => Some(purged),
            _ => self.read(index..index + 1)?.pop().map(|entry| entry.id),
        };
        self.begin_segment(index + 1, last, 0)
    }

    /// Replaces the vote; durable on return.
    pub fn save_vote(&mut self, vote: Vote) -> Result<(), LogError> {
        self.save_state(HardState {
            vote,
            ..*self.state()
        })
    }

    /// Notes that `id` and everything before it is committed; durable on return.
    ///
    /// Not needed for safety. It lets a restart apply entries without asking anybody, and lets
    /// `open` tell damage from a torn tail at the very end of the log.
    pub fn save_committed(&mut self, id: LogId) -> Result<(), LogError> {
        assert!(
            id.index < self.next_index(),
            "only an entry of this log is committed"
        );
        if self.state().committed == Some(id) {
            return Ok(());
        }
        self.save_state(HardState {
            committed: Some(id),
            ..*self.state()
        })
    }

    /// Writes a snapshot; durable on return.
    pub fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), LogError> {
        self.check_usable()?;
        let name = snapshot::file_name(snapshot.meta.last);
        new_file::prepare(
            &*self.disk,
            &self.directory,
            &name,
            &snapshot::encode(snapshot),
        )?;
        self.publish(&name)?;
        self.snapshots.retain(|other| *other != name);
        self.snapshots.push(name);
        self.snapshots.sort();
        Ok(())
    }

    /// Reads the newest snapshot.
    pub fn read_snapshot(&self) -> Result<Option<Snapshot>, LogError> {
        let newest = self.snapshots.last();
        newest
            .map(|name| snapshot::read(&*self.disk, &self.directory, name))
            .transpose()
    }

    /// Drops entries up to and including `id`, which the newest snapshot contains, and the
    /// snapshots before that one. An `id` beyond the log makes the log begin after it.
    pub fn purge(&mut self, id: LogId) -> Result<(), LogError> {
        self.check_usable()?;
        if self
            .state()
            .purged
            .is_some_and(|purged| id.index <= purged.index)
        {
            return Ok(());
        }
        self.save_state(HardState {
            purged: Some(id),
            ..*self.state()
        })?;
        self.check_snapshot_covers_purge()?;
        self.begin_where_nothing_is()?;
        self.drop_dead_segments()?;
        let older = self.snapshots.len().saturating_sub(1);
        for name in self.snapshots.drain(..older) {
            let path = self.directory.join(name);
            self.disk.remove(&path).context("remove", &path)?;
        }
        Ok(())
    }

    fn active(&self) -> &Segment {
        self.segments.last().expect("an open log has a segment")
    }

    /// Makes the active segment one that has room for `needed` bytes.
    ///
    /// The end of a segment is kept in reserve for the day when the disk is full: entries of a
    /// restart, and small changes, still fit then.
    fn make_room(&mut self, needed: usize) -> Result<(), LogError> {
        let (room, needed_bytes) = (self.active().room(), needed as u64);
        if needed_bytes + self.reserve_bytes() <= room {
            return Ok(());
        }
        let begun = self.begin_segment(self.next_index(), self.last(), needed);
        match begun {
            Err(error) if self.poisoned.is_none() && needed_bytes <= room => {
                let error: &dyn std::error::Error = &error;
                warn!(
                    error,
                    room, "no new segment for the metadata log; its reserve is used"
                );
                Ok(())
            }
            begun => begun,
        }
    }

    const fn reserve_bytes(&self) -> u64 {
        self.segment_bytes as u64 / RESERVE_FRACTION
    }

    fn check_usable(&self) -> Result<(), LogError> {
        match &self.poisoned {
            Some(poison) => Err(LogError::Poisoned {
                path: poison.path.clone(),
            }),
            None => Ok(()),
        }
    }

    fn poison_on_error<T>(
        &mut self,
        path: PathBuf,
        result: Result<T, LogError>,
    ) -> Result<T, LogError> {
        if let Err(error) = &result {
            let reason = match error {
                LogError::Io { source, .. } => format!("{error}: {source}"),
                error => error.to_string(),
            };
            self.poisoned = Some(Poison { path, reason });
        }
        result
    }

    fn publish(&mut self, name: &str) -> Result<(), LogError> {
        let result = new_file::publish(&*self.disk, &self.directory, name);
        self.poison_on_error(self.directory.join(name), result)
    }

    fn save_state(&mut self, state: HardState) -> Result<(), LogError> {
        self.check_usable()?;
        let result = self.state.save(state);
        let path = self.state.path().to_owned();
        self.poison_on_error(path, result)
    }

    /// Adds an empty segment that overrides everything from `base` on.
    fn begin_segment(
        &mut self,
        base: u64,
        previous: Option<LogId>,
        room: usize,
    ) -> Result<(), LogError> {
        let header = SegmentHeader {
            sequence: self.next_sequence,
            base,
            previous,
        };
        let file_len = self.segment_bytes.max(HEADER_LEN + room);
        let segment = Segment::prepare(&*self.disk, &self.directory, header, file_len)?;
        self.publish(&header.file_name())?;
        self.segments.push(segment);
        self.next_sequence += 1;
        self.drop_dead_segments()
    }

    /// Removes the files of segments that a later one overrides wholly or that lie before the
    /// first index. The names need no sync: a file that comes back is removed again by `open`.
    fn drop_dead_segments(&mut self) -> Result<(), LogError> {
        let first = self.first_index();
        // The smallest base of a later segment, by sequence.
        let mut ends = BTreeMap::new();
        let mut end = u64::MAX;
        for segment in self.segments.iter().rev() {
            ends.insert(segment.header.sequence, end);
            end = end.min(segment.header.base);
        }
        for segment in self.segments.extract_if(.., |segment| {
            let end = ends
                .get(&segment.header.sequence)
                .copied()
                .unwrap_or(u64::MAX);
            end <= segment.header.base || end <= first
        }) {
            self.disk
                .remove(segment.path())
                .context("remove", segment.path())?;
        }
        Ok(())
    }

    /// Finds the entries of every segment, and makes the last segment's durable.
    fn scan_segments(&mut self) -> Result<(), LogError> {
        let durable = self
            .state()
            .committed
            .map_or(0, |committed| committed.index + 1);
        let ends: Vec<_> = self
            .segments
            .iter()
            .skip(1)
            .map(|next| next.header.base)
            .collect();
        let mut ends = ends
            .into_iter()
            .map(ScanEnd::At)
            .chain([ScanEnd::Open { durable }]);
        let mut previous: Option<LogId> = None;
        for segment in &mut self.segments {
            let end = ends.next().expect("one end for each segment");
            if previous.is_some() && segment.header.previous != previous {
                return Err(LogError::Corrupt {
                    path: segment.path().to_owned(),
                    position: 0,
                    what: "the entry before the first is not the last of the segment before".into(),
                });
            }
            let torn = segment.scan(end)?;
            if torn > 0 {
                let (path, entry) = (segment.path().display(), segment.next_index());
                warn!(%path, entry, bytes = torn, "dropped an entry that a crash left unfinished");
            }
            previous = segment.last();
        }
        if let Some(last) = self.segments.last() {
            // What a killed process wrote may be in the page cache only. It is about to be acted
            // on, so it must be durable first.
            last.sync()?;
        }
        self.check_first_segment()
    }

    fn check_first_segment(&self) -> Result<(), LogError> {
        let HardState {
            vote,
            committed,
            purged,
        } = self.state();
        let missing = match self.segments.first() {
            None => committed.is_some() || purged.is_some() || *vote != Vote::default(),
            Some(segment) => self.first_index() < segment.header.base,
        };
        if missing {
            let what = format!("the segment that holds entry {}", self.first_index());
            return Err(LogError::Missing {
                directory: self.directory.clone(),
                what,
            });
        }
        Ok(())
    }

    /// Makes a segment when there is none, or when everything there is was purged and more.
    fn begin_where_nothing_is(&mut self) -> Result<(), LogError> {
        let base = self.first_index();
        if self
            .segments
            .last()
            .is_none_or(|segment| segment.next_index() < base)
        {
            self.begin_segment(base, self.state().purged, 0)?;
        }
        Ok(())
    }

    /// What was purged must be in a snapshot; otherwise the state machine cannot be rebuilt.
    fn check_snapshot_covers_purge(&self) -> Result<(), LogError> {
        let Some(purged) = self.state().purged else {
            return Ok(());
        };
        let newest = match self.snapshots.last() {
            Some(name) => Some(
                snapshot::read(&*self.disk, &self.directory, name)?
                    .meta
                    .last
                    .index,
            ),
            None => None,
        };
        if newest.is_none_or(|newest| newest < purged.index) {
            let what = format!("a snapshot that contains the purged entry {}", purged.index);
            return Err(LogError::Missing {
                directory: self.directory.clone(),
                what,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
