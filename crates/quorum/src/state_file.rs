//! The few facts a voter must never forget: its vote, what is committed, what was purged.
//!
//! The file `quorum-state` has two slots, 4096 bytes apart, written in turn and in place, so that a
//! vote waits for no journal. A slot is 128 bytes within one disk sector: after a crash it is the
//! old one or the new one. A slot that is neither zero nor valid is therefore damage, and the voter
//! refuses to start rather than forget a vote.
//! ```text
//!  offset  size
//!       0     8  "ODRQSTA1"
//!       8     8  sequence; the valid slot with the higher one counts
//!      16     8  epoch of the vote
//!      24     1  flags: 1 voted for somebody, 2 vote is committed, 4 committed, 8 purged
//!      25     3  zero
//!      28     4  node id voted for
//!      32    16  directory id voted for
//!      48    24  committed log id: epoch, index, leader (4), zero (4)
//!      72    24  purged log id
//!      96    28  zero
//!     124     4  crc32c of the 124 bytes before
//! ```

use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::{
    disk::{Disk, DiskFile},
    entry::LogId,
    error::{IoContext as _, LogError},
    new_file,
};

const FILE_NAME: &str = "quorum-state";
const MAGIC: [u8; 8] = *b"ODRQSTA1";
const SLOT_LEN: usize = 128;
const SLOT_DISTANCE: usize = 4096;

/// A voter: the id that operators know and the directory that makes it this voter and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaKey {
    /// `node.id`.
    pub node_id: i32,
    /// `directory.id` of the log directory: a wiped disk is a new voter (KIP-853).
    pub directory_id: Uuid,
}

/// The vote of this voter in its latest epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vote {
    /// The latest epoch this voter knows of.
    pub epoch: u64,
    /// Whom it voted for in that epoch.
    pub voted_for: Option<ReplicaKey>,
    /// Whether a majority granted the same vote, so that `voted_for` leads.
    pub committed: bool,
}

/// What the state file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HardState {
    /// The latest vote.
    pub vote: Vote,
    /// An entry known to be committed; later ones may be too. Saved lazily.
    pub committed: Option<LogId>,
    /// The last entry that was purged: what it did is in the snapshot.
    pub purged: Option<LogId>,
}

/// The open state file.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    sequence: u64,
    state: HardState,
}

impl StateFile {
    /// Whether `names`, the listing of a directory, has a state file.
    pub(crate) fn is_in(names: &[String]) -> bool {
        names.iter().any(|name| name == FILE_NAME)
    }

    /// Creates the file with an empty state; durable on return.
    pub(crate) fn create(disk: &dyn Disk, directory: &Path) -> Result<Self, LogError> {
        let mut bytes = vec![0; SLOT_DISTANCE + SLOT_LEN];
        let (sequence, state) = (0, HardState::default());
        bytes[..SLOT_LEN].copy_from_slice(&encode_slot(sequence, &state));
        let file = new_file::prepare(disk, directory, FILE_NAME, &bytes)?;
        new_file::publish(disk, directory, FILE_NAME)?;
        let path = directory.join(FILE_NAME);
        Ok(Self {
            path,
            file,
            sequence,
            state,
        })
    }

    /// Opens the file and finds its latest state.
    pub(crate) fn open(disk: &dyn Disk, directory: &Path) -> Result<Self, LogError> {
        let path = directory.join(FILE_NAME);
        let file = disk.open(&path).context("open", &path)?;
        let bytes = file.read_all().context("read", &path)?;
        let mut slots = Vec::new();
        for position in [0, SLOT_DISTANCE] {
            let slot = bytes.get(position..position + SLOT_LEN).unwrap_or_default();
            if slot.iter().all(|byte| *byte == 0) {
                continue;
            }
            slots.push(decode_slot(slot).ok_or_else(|| LogError::Corrupt {
                path: path.clone(),
                position: position as u64,
                what: "this slot may have held the latest vote".into(),
            })?);
        }
        let Some((sequence, state)) = slots.into_iter().max_by_key(|(sequence, _)| *sequence)
        else {
            let what = "both slots are empty".into();
            return Err(LogError::Corrupt {
                path,
                position: 0,
                what,
            });
        };
        Ok(Self {
            path,
            file,
            sequence,
            state,
        })
    }

    /// The latest state; durable.
    pub(crate) const fn get(&self) -> &HardState {
        &self.state
    }

    /// The file, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the state; durable on return. After an error the file must not be used again.
    pub(crate) fn save(&mut self, state: HardState) -> Result<(), LogError> {
        let sequence = self.sequence + 1;
        // The slot that holds the current state is never the one written.
        let position = (sequence % 2) * SLOT_DISTANCE as u64;
        self.file
            .write_at(position, &encode_slot(sequence, &state))
            .context("write", &self.path)?;
        self.file.sync_data().context("sync", &self.path)?;
        self.sequence = sequence;
        self.state = state;
        Ok(())
    }
}

const VOTED: u8 = 1;
const VOTE_COMMITTED: u8 = 2;
const COMMITTED: u8 = 4;
const PURGED: u8 = 8;

fn encode_slot(sequence: u64, state: &HardState) -> [u8; SLOT_LEN] {
    let HardState {
        vote,
        committed,
        purged,
    } = state;
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let flags = flag(vote.voted_for.is_some(), VOTED)
        | flag(vote.committed, VOTE_COMMITTED)
        | flag(committed.is_some(), COMMITTED)
        | flag(purged.is_some(), PURGED);
    let mut slot = [0; SLOT_LEN];
    slot[..8].copy_from_slice(&MAGIC);
    slot[8..16].copy_from_slice(&sequence.to_be_bytes());
    slot[16..24].copy_from_slice(&vote.epoch.to_be_bytes());
    slot[24] = flags;
    if let Some(key) = vote.voted_for {
        slot[28..32].copy_from_slice(&key.node_id.to_be_bytes());
        slot[32..48].copy_from_slice(key.directory_id.as_bytes());
    }
    if let Some(id) = committed {
        slot[48..72].copy_from_slice(&id.to_bytes());
    }
    if let Some(id) = purged {
        slot[72..96].copy_from_slice(&id.to_bytes());
    }
    let crc = crc32c::crc32c(&slot[..124]);
    slot[124..].copy_from_slice(&crc.to_be_bytes());
    slot
}

fn decode_slot(slot: &[u8]) -> Option<(u64, HardState)> {
    let crc = u32::from_be_bytes(slot.get(124..SLOT_LEN)?.try_into().ok()?);
    if slot.get(..8)? != MAGIC || crc32c::crc32c(slot.get(..124)?) != crc {
        return None;
    }
    let sequence = u64::from_be_bytes(slot.get(8..16)?.try_into().ok()?);
    let epoch = u64::from_be_bytes(slot.get(16..24)?.try_into().ok()?);
    let flags = *slot.get(24)?;
    let key = ReplicaKey {
        node_id: i32::from_be_bytes(slot.get(28..32)?.try_into().ok()?),
        directory_id: Uuid::from_bytes(slot.get(32..48)?.try_into().ok()?),
    };
    let committed = LogId::from_bytes(slot.get(48..72)?.try_into().ok()?);
    let purged = LogId::from_bytes(slot.get(72..96)?.try_into().ok()?);
    let when = |bit: u8| flags & bit != 0;
    let state = HardState {
        vote: Vote {
            epoch,
            voted_for: when(VOTED).then_some(key),
            committed: when(VOTE_COMMITTED),
        },
        committed: when(COMMITTED).then_some(committed),
        purged: when(PURGED).then_some(purged),
    };
    Some((sequence, state))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::disk::memory::MemoryDisk;

    fn state(epoch: u64) -> HardState {
        let key = ReplicaKey {
            node_id: 4,
            directory_id: Uuid::from_u128(9),
        };
        let id = LogId {
            epoch,
            leader: 4,
            index: 17,
        };
        HardState {
            vote: Vote {
                epoch,
                voted_for: Some(key),
                committed: epoch.is_multiple_of(2),
            },
            committed: Some(id),
            purged: (epoch > 3).then_some(id),
        }
    }

    fn open(disk: &MemoryDisk) -> Result<StateFile, LogError> {
        StateFile::open(disk, Path::new("/q"))
    }

    fn file_with_saves(epochs: u64) -> MemoryDisk {
        let disk = MemoryDisk::with_directory("/q");
        let mut file = StateFile::create(&disk, Path::new("/q")).unwrap();
        assert_eq!(*open(&disk).unwrap().get(), HardState::default());
        for epoch in 1..=epochs {
            file.save(state(epoch)).unwrap();
            assert_eq!(*open(&disk).unwrap().get(), state(epoch));
        }
        disk
    }

    #[test]
    fn the_last_saved_state_is_read_back() {
        file_with_saves(6);
    }

    #[test]
    fn a_damaged_slot_is_refused_because_it_may_hold_the_vote() {
        for position in [0, SLOT_DISTANCE] {
            let disk = file_with_saves(3);
            disk.flip_bit(Path::new("/q/quorum-state"), position as u64 + 20, 1);
            let error = open(&disk).unwrap_err();
            assert!(
                matches!(error, LogError::Corrupt { position: at, .. } if at == position as u64)
            );
        }
    }
}
