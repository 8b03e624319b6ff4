//! From a recorded history to the file systems that a crash could have left.
//!
//! At each point of the history some changes are durable, because a sync covers them, and the rest
//! are *unsynced*. A power loss keeps any subset of the unsynced ones, and a write may be kept in
//! part. The death of the process alone keeps them all, and tears at most the write under way.

use std::collections::BTreeSet;
use std::path::Path;

use super::MemoryDisk;
use super::image::{Change, Image, NodeId};

/// Disks write in units of this many bytes: a write is torn only at its multiples.
pub const SECTOR_BYTES: u64 = 512;

/// What a sync with nothing to do is said to be for.
const NOTHING: &str = ": nothing";

#[derive(Debug, Clone)]
pub(super) enum Event {
    Change(Change),
    Sync { node: NodeId, site: String },
    FailedSync { node: NodeId },
}

/// What happened to a file system, in order.
#[derive(Debug, Clone)]
pub struct History {
    pub(super) initial: Image,
    pub(super) events: Vec<Event>,
    /// So many events were left by an earlier process.
    pub(super) inherited: usize,
    pub(super) boot: u64,
}

impl History {
    /// Every place the code syncs from, told apart by the kind of file and by what had changed.
    /// Syncs with nothing to do are left out.
    pub fn sync_sites(&self) -> BTreeSet<String> {
        let site = |event: &Event| match event {
            Event::Sync { site, .. } if !site.contains(NOTHING) => Some(site.clone()),
            _ => None,
        };
        self.events.iter().filter_map(site).collect()
    }

    /// How many events came before the first sync from a place whose name contains `part`.
    pub fn events_before_sync(&self, part: &str) -> Option<usize> {
        let wanted =
            |event: &Event| matches!(event, Event::Sync { site, .. } if site.contains(part));
        self.events.iter().position(wanted)
    }

    /// Visits every point of the history, from its beginning to after the last event. Syncs at
    /// the place `ignored_site` are without effect, as if the code lacked them.
    pub fn for_each_point(&self, ignored_site: Option<&str>, mut visit: impl FnMut(&CrashPoint)) {
        let mut point = CrashPoint {
            events: 0,
            boot: self.boot,
            durable: self.initial.clone(),
            durable_version: 0,
            unsynced: Vec::new(),
        };
        if self.inherited == 0 {
            visit(&point);
        }
        for (index, event) in self.events.iter().enumerate() {
            point.events = index + 1;
            match event {
                Event::Change(change) => {
                    let change = change.clone();
                    point.unsynced.push(Unsynced {
                        id: index,
                        lost: false,
                        change,
                    });
                }
                Event::Sync { site, .. } if ignored_site == Some(site) => {}
                Event::Sync { node, .. } => point.sync(*node),
                Event::FailedSync { node } => {
                    let of_node = |it: &&mut Unsynced| it.change.synced_by() == *node;
                    point
                        .unsynced
                        .iter_mut()
                        .filter(of_node)
                        .for_each(|it| it.lost = true);
                }
            }
            if self.inherited <= point.events {
                visit(&point);
            }
        }
    }
}

/// A change that no sync covers yet.
#[derive(Debug, Clone)]
struct Unsynced {
    /// Its place in the history.
    id: usize,
    /// A sync of it failed: no later one makes it durable.
    lost: bool,
    change: Change,
}

/// A point in a history at which the machine or the process may stop.
#[derive(Debug)]
pub struct CrashPoint {
    events: usize,
    boot: u64,
    durable: Image,
    durable_version: usize,
    unsynced: Vec<Unsynced>,
}

/// What a power loss leaves of one unsynced change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kept {
    /// All of it.
    Whole,
    /// Nothing.
    Nothing,
    /// The length of the file, but zeros in place of what was written.
    LengthOnly,
    /// The sectors before the n-th sector boundary inside the write.
    SectorsBefore(u64),
    /// The sectors from the n-th sector boundary inside the write on.
    SectorsFrom(u64),
}

impl CrashPoint {
    /// How many events of the history have happened.
    pub fn events(&self) -> usize {
        self.events
    }

    /// How many changes are not durable.
    pub fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// Changes whenever something became durable: with [`unsynced_id`](Self::unsynced_id) it tells
    /// equal states apart from different ones.
    pub fn durable_version(&self) -> usize {
        self.durable_version
    }

    /// The place of an unsynced change in the history.
    pub fn unsynced_id(&self, index: usize) -> usize {
        self.unsynced[index].id
    }

    /// The number of sector boundaries inside an unsynced change: where it can tear.
    pub fn tears(&self, index: usize) -> u64 {
        match &self.unsynced[index].change {
            Change::Write { position, data, .. } => {
                let end = position + data.len() as u64;
                end.div_ceil(SECTOR_BYTES) - position / SECTOR_BYTES - 1
            }
            _ => 0,
        }
    }

    /// Whether an unsynced change writes bytes (rather than a length or a name).
    pub fn is_write(&self, index: usize) -> bool {
        matches!(self.unsynced[index].change, Change::Write { .. })
    }

    /// The file system after a power loss here, by the fate of each unsynced change.
    pub fn after_power_loss(&self, mut kept: impl FnMut(usize) -> Kept) -> MemoryDisk {
        let mut image = self.durable.clone();
        for (index, unsynced) in self.unsynced.iter().enumerate() {
            keep(&mut image, &unsynced.change, kept(index));
        }
        MemoryDisk::from_image(image, self.boot + 1)
    }

    /// The file system after the death of the process here: what was not synced is there, and still
    /// not synced. If the last event was a write and `written` is given, only that many bytes of it
    /// were done.
    pub fn after_process_death(&self, written: Option<usize>) -> MemoryDisk {
        let disk = MemoryDisk::from_image(self.durable.clone(), self.boot);
        for unsynced in &self.unsynced {
            let mut change = unsynced.change.clone();
            if let (Change::Write { data, .. }, Some(written)) = (&mut change, written)
                && unsynced.id + 1 == self.events
            {
                *data = data.get(..written).unwrap_or(data).into();
            }
            disk.state.lock().change(change);
        }
        disk.state.lock().inherited = self.unsynced.len();
        disk
    }

    /// The bytes of the last event, if it was a write.
    pub fn last_write_len(&self) -> Option<usize> {
        match self.unsynced.last() {
            Some(Unsynced {
                id,
                change: Change::Write { data, .. },
                ..
            }) if id + 1 == self.events => Some(data.len()),
            _ => None,
        }
    }

    fn sync(&mut self, node: NodeId) {
        let before = self.unsynced.len();
        let durable = &mut self.durable;
        self.unsynced.retain(|it| {
            let covered = it.change.synced_by() == node && !it.lost;
            if covered {
                durable.apply(&it.change);
            }
            !covered
        });
        if self.unsynced.len() < before {
            self.durable_version = self.events;
        }
    }
}

fn keep(image: &mut Image, change: &Change, kept: Kept) {
    let Change::Write {
        file,
        position,
        data,
    } = change
    else {
        if kept == Kept::Whole {
            image.apply(change);
        }
        return;
    };
    let boundary = |nth: u64| {
        let at = (position / SECTOR_BYTES + 1 + nth) * SECTOR_BYTES - position;
        usize::try_from(at).map_or(data.len(), |at| at.min(data.len()))
    };
    match kept {
        Kept::Whole => image.write(*file, *position, data),
        Kept::Nothing => {}
        Kept::LengthOnly => image.write(*file, *position, &vec![0; data.len()]),
        Kept::SectorsBefore(nth) => image.write(*file, *position, &data[..boundary(nth)]),
        Kept::SectorsFrom(nth) => {
            let from = boundary(nth);
            image.write(*file, position + from as u64, &data[from..]);
        }
    }
}

/// Names the place of a sync of `node` by what it syncs: the kind of file, and the last change that
/// was not synced yet, which is what the code wants to be durable.
pub(super) fn site(events: &[Event], node: NodeId, path: &Path) -> String {
    let unsynced = events.iter().rev().find_map(|event| match event {
        Event::Sync { node: synced, .. } if *synced == node => Some(None),
        Event::Change(change) if change.synced_by() == node => Some(Some(describe(change))),
        _ => None,
    });
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or("/");
    let change = unsynced.flatten().map(|change| format!(": {change}"));
    format!("{}{}", kind(name), change.as_deref().unwrap_or(NOTHING))
}

fn describe(change: &Change) -> String {
    match change {
        Change::Write { .. } => "write".to_owned(),
        Change::SetLen { .. } => "set length".to_owned(),
        Change::Create { name, .. } => format!("create {}", kind(name)),
        Change::Rename { to, .. } => format!("rename to {}", kind(to)),
        Change::Remove { name, .. } => format!("remove {}", kind(name)),
    }
}

/// A name without what differs between files of one kind: offsets, topics, partitions and UUIDs.
fn kind(name: &str) -> String {
    if let Some((topic, rest)) = name.rsplit_once('-')
        && !topic.is_empty()
    {
        if rest.bytes().all(|byte| byte.is_ascii_digit()) {
            return "TOPIC-N".to_owned();
        }
        if rest == "delete" || rest == "stray" {
            return format!("TOPIC-N.*-{rest}");
        }
    }
    match name.split_once('.') {
        Some((offset, suffix)) if offset.len() == 20 => format!("*.{suffix}"),
        _ => name.to_owned(),
    }
}
