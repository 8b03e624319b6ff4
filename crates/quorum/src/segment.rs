//! One segment of the log: a file written once with zeros, synced, then filled in place.
//!
//! Because its blocks exist before the first entry, writing an entry changes no file system
//! metadata: `fdatasync` writes those blocks and waits for no journal and no other file.
//!
//! The file name is `SEQUENCE-BASE.log`. Sequences only go up. A segment overrides every earlier
//! one from its base index on; that is how the log is truncated without changing a byte in place.
//! ```text
//!  offset  size
//!       0     8  "ODRQSEG1"
//!       8     8  sequence
//!      16     8  base: index of the first entry
//!      24    24  id of the entry before the base: epoch, index, leader (4), zero (4)
//!      48     1  1 if there is an entry before the base, else 0
//!      49    11  zero
//!      60     4  crc32c of the 60 bytes before
//!      64        frames (see `entry`), then zeros to the end
//! ```

use std::path::{Path, PathBuf};

use crate::{
    disk::{Disk, DiskFile},
    entry::{Entry, Frame, FrameError, LogId, claims_durable},
    error::{IoContext as _, LogError},
    new_file,
};

const MAGIC: [u8; 8] = *b"ODRQSEG1";
pub(crate) const HEADER_LEN: usize = 64;
const SUFFIX: &str = ".log";

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) sequence: u64,
    /// Index of the first entry.
    pub(crate) base: u64,
    /// The entry before it; none when the log begins here.
    pub(crate) previous: Option<LogId>,
}

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    pub(crate) header: SegmentHeader,
    /// Position of each entry, from the base on; the first one past the last is `end`.
    positions: Vec<u64>,
    /// Where the next frame goes.
    end: u64,
    /// Length of the file: frames never go beyond.
    file_len: u64,
    /// Checksum that the next frame must name as the one before it.
    chain: u32,
    /// The last entry, or the one before the base.
    last: Option<LogId>,
}

/// Up to where a scan must find entries, and what to make of an end before that.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ScanEnd {
    /// A later segment begins at this index: every entry before it was durable.
    At(u64),
    /// The last segment: it ends where its frames end. Entries below `durable` were committed.
    Open { durable: u64 },
}

impl SegmentHeader {
    pub(crate) fn file_name(&self) -> String {
        format!("{:020}-{:020}{SUFFIX}", self.sequence, self.base)
    }

    fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.base.to_be_bytes());
        if let Some(previous) = self.previous {
            bytes[24..48].copy_from_slice(&previous.to_bytes());
            bytes[48] = 1;
        }
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// The header at the start of `bytes`, and its checksum.
    fn decode(bytes: &[u8]) -> Option<(Self, u32)> {
        let header: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        let crc = u32::from_be_bytes(header[60..].try_into().ok()?);
        if header[..8] != MAGIC || crc32c::crc32c(&header[..60]) != crc {
            return None;
        }
        let sequence = u64::from_be_bytes(header[8..16].try_into().ok()?);
        let base = u64::from_be_bytes(header[16..24].try_into().ok()?);
        let previous = LogId::from_bytes(header[24..48].try_into().ok()?);
        let previous = (header[48] == 1).then_some(previous);
        Some((
            Self {
                sequence,
                base,
                previous,
            },
            crc,
        ))
    }
}

/// The names in a directory listing that are segments.
pub(crate) fn in_listing(names: &[String]) -> impl Iterator<Item = &String> {
    names.iter().filter(|name| name.ends_with(SUFFIX))
}

impl Segment {
    /// Prepares a segment of `file_len` bytes, all but its header zero. It exists once
    /// [`new_file::publish`] has given it the name of its header.
    pub(crate) fn prepare(
        disk: &dyn Disk,
        directory: &Path,
        header: SegmentHeader,
        file_len: usize,
    ) -> Result<Self, LogError> {
        let name = header.file_name();
        let mut bytes = vec![0; file_len];
        bytes[..HEADER_LEN].copy_from_slice(&header.encode());
        let file = new_file::prepare(disk, directory, &name, &bytes)?;
        let (_, chain) = SegmentHeader::decode(&bytes).expect("just encoded");
        let path = directory.join(name);
        let empty = Self::empty(path, file, header, chain);
        Ok(Self {
            file_len: file_len as u64,
            ..empty
        })
    }

    /// Opens a segment and reads its header; [`Self::scan`] finds its entries.
    pub(crate) fn open(disk: &dyn Disk, directory: &Path, name: &str) -> Result<Self, LogError> {
        let path = directory.join(name);
        let file = disk.open(&path).context("open", &path)?;
        let mut bytes = [0; HEADER_LEN];
        file.read_at(0, &mut bytes).context("read", &path)?;
        let decoded = SegmentHeader::decode(&bytes);
        let Some((header, chain)) = decoded.filter(|(header, _)| header.file_name() == name) else {
            let what = "the header does not match its checksum or the file's name".into();
            return Err(LogError::Corrupt {
                path,
                position: 0,
                what,
            });
        };
        Ok(Self::empty(path, file, header, chain))
    }

    /// A segment whose entries are not known yet.
    fn empty(path: PathBuf, file: Box<dyn DiskFile>, header: SegmentHeader, chain: u32) -> Self {
        Self {
            path,
            file,
            header,
            positions: Vec::new(),
            end: HEADER_LEN as u64,
            file_len: HEADER_LEN as u64,
            chain,
            last: header.previous,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The last entry, or the one before the base.
    pub(crate) const fn last(&self) -> Option<LogId> {
        self.last
    }

    /// Index that the next entry would have here.
    pub(crate) fn next_index(&self) -> u64 {
        self.header.base + self.positions.len() as u64
    }

    /// Bytes that can still be written.
    pub(crate) const fn room(&self) -> u64 {
        self.file_len - self.end
    }

    /// Finds the segment's entries. Returns how many bytes of a torn tail were overwritten with
    /// zeros; the caller must [`Self::sync`] before it relies on anything found here.
    pub(crate) fn scan(&mut self, until: ScanEnd) -> Result<usize, LogError> {
        let bytes = self.file.read_all().context("read", &self.path)?;
        self.file_len = bytes.len() as u64;
        loop {
            if matches!(until, ScanEnd::At(index) if index <= self.next_index()) {
                return Ok(0);
            }
            let rest = bytes.get(self.end as usize..).unwrap_or_default();
            match Frame::decode(rest) {
                Ok(frame) if self.is_next(&frame) => self.accept(&frame),
                Err(FrameError::UnknownKind(kind)) => {
                    let what = format!("an entry of kind {kind} at position {}", self.end);
                    return Err(LogError::TooNew {
                        path: self.path.clone(),
                        what,
                    });
                }
                Ok(_) | Err(FrameError::Invalid) => return self.end_of_frames(rest, until),
            }
        }
    }

    /// No frame follows: decides between the end, a torn tail and damage.
    fn end_of_frames(&self, rest: &[u8], until: ScanEnd) -> Result<usize, LogError> {
        let index = self.next_index();
        let torn = rest
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let was_durable = match until {
            ScanEnd::At(_) => true,
            ScanEnd::Open { durable } => {
                let written = rest.get(..torn).unwrap_or_default();
                index < durable || claims_durable(written, index)
            }
        };
        if was_durable {
            return Err(LogError::Corrupt {
                path: self.path.clone(),
                position: self.end,
                what: format!("entry {index} was durable and cannot be read"),
            });
        }
        if torn > 0 {
            self.file
                .write_at(self.end, &vec![0; torn])
                .context("write", &self.path)?;
        }
        Ok(torn)
    }

    fn is_next(&self, frame: &Frame) -> bool {
        frame.previous_crc == self.chain
            && frame.entry.id.index == self.next_index()
            && self
                .last
                .is_none_or(|last| last.epoch <= frame.entry.id.epoch)
    }

    fn accept(&mut self, frame: &Frame) {
        self.positions.push(self.end);
        self.end += frame.padded_len as u64;
        self.chain = frame.crc;
        self.last = Some(frame.entry.id);
    }

    /// Writes `entries` after the last one; not durable until [`Self::sync`] returns.
    ///
    /// They fit (see [`Self::room`]), follow the last entry without a hole, and everything before
    /// them is durable.
    pub(crate) fn append(&mut self, entries: &[Entry]) -> Result<(), LogError> {
        let durable = self.next_index();
        let (start, mut end, mut chain) = (self.end, self.end, self.chain);
        let mut bytes = Vec::with_capacity(entries.iter().map(Entry::padded_len).sum());
        let mut positions = Vec::with_capacity(entries.len());
        for entry in entries {
            assert_eq!(
                entry.id.index,
                durable + positions.len() as u64,
                "entries have no holes"
            );
            positions.push(end);
            chain = entry.encode(chain, durable, &mut bytes);
            end = start + bytes.len() as u64;
        }
        assert!(
            end <= self.file_len,
            "frames stay inside the zero-filled space"
        );
        self.file
            .write_at(start, &bytes)
            .context("write", &self.path)?;
        self.positions.append(&mut positions);
        self.end = end;
        self.chain = chain;
        self.last = entries.last().map(|entry| entry.id).or(self.last);
        Ok(())
    }

    /// Makes everything written to this segment durable.
    pub(crate) fn sync(&self) -> Result<(), LogError> {
        self.file.sync_data().context("sync", &self.path)
    }

    /// Reads the entries from `first` to before `end`; both must be in this segment.
    pub(crate) fn read(&self, first: u64, end: u64) -> Result<Vec<Entry>, LogError> {
        assert!(
            self.header.base <= first && end <= self.next_index(),
            "the caller checks bounds"
        );
        let position_of = |index: u64| {
            self.positions
                .get((index - self.header.base) as usize)
                .copied()
                .unwrap_or(self.end)
        };
        let (from, to) = (position_of(first), position_of(end));
        let mut bytes = vec![0; (to - from) as usize];
        self.file
            .read_at(from, &mut bytes)
            .context("read", &self.path)?;
        let mut entries = Vec::with_capacity((end - first) as usize);
        for index in first..end {
            let start = position_of(index) - from;
            let frame = bytes.get(start as usize..).map(Frame::decode);
            let Some(Ok(Frame { entry, .. })) = frame.filter(|frame| {
                frame
                    .as_ref()
                    .is_ok_and(|frame| frame.entry.id.index == index)
            }) else {
                return Err(LogError::Corrupt {
                    path: self.path.clone(),
                    position: from + start,
                    what: format!("entry {index} was durable and cannot be read"),
                });
            };
            entries.push(entry);
        }
        Ok(entries)
    }
}
