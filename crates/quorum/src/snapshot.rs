//! Snapshots: the state machine's bytes as of one entry, so that the log before it can go.
//!
//! A snapshot is a file of its own, `INDEX-EPOCH.snapshot`, complete and durable before it gets
//! that name. Only then may the log be purged.
//! ```text
//!  offset  size
//!       0     8  "ODRQSNP1"
//!       8    24  id of the last entry contained: epoch, index, leader (4), zero (4)
//!      32     1  1 if a membership follows, else 0
//!      33     7  zero
//!      40    24  id of the entry that set the membership
//!      64     8  length m of the membership
//!      72     8  length n of the data
//!      80   m+n  membership, data
//!           4    crc32c of everything before
//! ```

use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::{
    disk::Disk,
    entry::LogId,
    error::{IoContext as _, LogError},
};

const MAGIC: [u8; 8] = *b"ODRQSNP1";
const HEADER_LEN: usize = 80;
const SUFFIX: &str = ".snapshot";

/// What a snapshot contains, without its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// The last entry whose effect is in the data.
    pub last: LogId,
    /// The last membership entry up to there: its id and payload.
    pub membership: Option<(LogId, Bytes)>,
}

/// A snapshot of the state machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What it contains.
    pub meta: SnapshotMeta,
    /// The state machine's bytes.
    pub data: Bytes,
}

/// The file name of the snapshot that ends with `last`; such names sort by index.
pub(crate) fn file_name(last: LogId) -> String {
    format!("{:020}-{:020}{SUFFIX}", last.index, last.epoch)
}

/// The names in a directory listing that are snapshots, newest last.
pub(crate) fn in_listing(names: &[String]) -> Vec<String> {
    let mut found: Vec<_> = names
        .iter()
        .filter(|name| name.ends_with(SUFFIX))
        .cloned()
        .collect();
    found.sort();
    found
}

/// Reads the snapshot of that file name.
pub(crate) fn read(disk: &dyn Disk, directory: &Path, name: &str) -> Result<Snapshot, LogError> {
    let path: PathBuf = directory.join(name);
    let bytes = disk
        .open(&path)
        .context("open", &path)?
        .read_all()
        .context("read", &path)?;
    decode(&bytes).ok_or_else(|| LogError::Corrupt {
        path,
        position: 0,
        what: "the snapshot does not match its checksum".into(),
    })
}

/// The bytes of the snapshot's file.
pub(crate) fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let Snapshot { meta, data } = snapshot;
    let (membership_id, membership) = match &meta.membership {
        Some((id, payload)) => (id.to_bytes(), payload.clone()),
        None => ([0; 24], Bytes::new()),
    };
    let mut out = Vec::with_capacity(HEADER_LEN + membership.len() + data.len() + 4);
    out.extend(MAGIC);
    out.extend(meta.last.to_bytes());
    out.extend([u8::from(meta.membership.is_some()), 0, 0, 0, 0, 0, 0, 0]);
    out.extend(membership_id);
    out.extend((membership.len() as u64).to_be_bytes());
    out.extend((data.len() as u64).to_be_bytes());
    out.extend_from_slice(&membership);
    out.extend_from_slice(data);
    let crc = crc32c::crc32c(&out);
    out.extend(crc.to_be_bytes());
    out
}

fn decode(bytes: &[u8]) -> Option<Snapshot> {
    let (content, crc) = bytes.split_last_chunk::<4>()?;
    if content.get(..8)? != MAGIC || crc32c::crc32c(content) != u32::from_be_bytes(*crc) {
        return None;
    }
    let length_at = |at: usize| -> Option<usize> {
        let length = u64::from_be_bytes(content.get(at..at + 8)?.try_into().ok()?);
        usize::try_from(length).ok()
    };
    let body = content.get(HEADER_LEN..)?;
    let (membership, data) = body.split_at_checked(length_at(64)?)?;
    if data.len() != length_at(72)? {
        return None;
    }
    let membership = if *content.get(32)? == 0 {
        None
    } else {
        let id = LogId::from_bytes(content.get(40..64)?.try_into().ok()?);
        Some((id, Bytes::copy_from_slice(membership)))
    };
    let last = LogId::from_bytes(content.get(8..32)?.try_into().ok()?);
    Some(Snapshot {
        meta: SnapshotMeta { last, membership },
        data: Bytes::copy_from_slice(data),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{disk::memory::MemoryDisk, new_file};

    fn snapshot(index: u64) -> Snapshot {
        let id = |index| LogId {
            epoch: 2,
            leader: 1,
            index,
        };
        let membership = (index > 1).then(|| (id(0), Bytes::from_static(b"voters")));
        let meta = SnapshotMeta {
            last: id(index),
            membership,
        };
        Snapshot {
            meta,
            data: Bytes::from_static(b"the state machine's bytes"),
        }
    }

    #[test]
    fn a_snapshot_read_back_is_the_one_written() {
        let disk = MemoryDisk::with_directory("/q");
        for index in [1, 17] {
            let (directory, name) = (Path::new("/q"), file_name(snapshot(index).meta.last));
            new_file::prepare(&disk, directory, &name, &encode(&snapshot(index))).unwrap();
            new_file::publish(&disk, directory, &name).unwrap();
            assert_eq!(
                read(&disk, Path::new("/q"), &name).unwrap(),
                snapshot(index)
            );
        }
    }

    #[test]
    fn a_damaged_or_cut_snapshot_is_refused() {
        let bytes = encode(&snapshot(17));
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None);
        }
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged), None);
        }
    }
}
