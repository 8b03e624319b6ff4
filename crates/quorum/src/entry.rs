//! One log entry, and the frame it has on disk.
//!
//! ```text
//!  offset  size
//!       0     4  length of the frame without padding, 48 + payload; 0 means: nothing here yet
//!       4     4  crc32c of every other byte of the frame
//!       8     4  crc of the frame before; of the segment header for the first: a chain
//!      12     1  kind: 1 blank, 2 normal, 3 membership
//!      13     3  zero
//!      16     8  index
//!      24     8  epoch
//!      32     4  id of the node that led this epoch
//!      36     4  zero
//!      40     8  durable: entries below this index were synced before this one was written
//!      48     n  payload, then zeros up to a multiple of 8
//! ```
//! Integers are big-endian. The chain keeps a frame that an interrupted clean-up left behind from
//! being read as the successor of a new one. `durable` is what tells a torn tail, which is normal
//! after a crash, from damage to bytes that were once safe.

use bytes::Bytes;

/// Bytes of a frame before its payload.
pub(crate) const FRAME_HEADER_LEN: usize = 48;

/// Frames begin at multiples of this.
const FRAME_ALIGN: usize = 8;

/// Identity of a log entry: two logs that agree on it agree on everything up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// Epoch of the leader that created the entry (Raft's term).
    pub epoch: u64,
    /// Node id of that leader; -1 where there was none.
    pub leader: i32,
    /// Position in the log, from 0 without holes.
    pub index: u64,
}

impl LogId {
    /// Epoch, index, leader, and four zero bytes: the form it has in every file.
    pub(crate) fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.index.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.leader.to_be_bytes());
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub(crate) fn from_bytes(bytes: &[u8; 24]) -> Self {
        let [epoch, index, leader] = [0, 8, 16]
            .map(|at| u64::from_be_bytes(std::array::from_fn(|offset| bytes[at + offset])));
        Self {
            epoch,
            index,
            leader: (leader >> 32) as i32,
        }
    }
}

/// What an entry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A leader's first word in its epoch; no payload.
    Blank,
    /// Opaque bytes for the state machine.
    Normal,
    /// A [`crate::Membership`].
    Membership,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its identity.
    pub id: LogId,
    /// What it is for.
    pub kind: EntryKind,
    /// Its bytes; the log does not look inside.
    pub payload: Bytes,
}

/// A frame read back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) entry: Entry,
    /// Bytes to the next frame.
    pub(crate) padded_len: usize,
    pub(crate) crc: u32,
    pub(crate) previous_crc: u32,
    pub(crate) durable: u64,
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameError {
    /// Length or checksum are wrong: never written, torn, or damaged.
    Invalid,
    /// The checksum holds but the kind is unknown: written by a later version.
    UnknownKind(u8),
}

impl EntryKind {
    /// The persisted number; never change one.
    const fn code(self) -> u8 {
        match self {
            Self::Blank => 1,
            Self::Normal => 2,
            Self::Membership => 3,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Blank),
            2 => Some(Self::Normal),
            3 => Some(Self::Membership),
            _ => None,
        }
    }
}

impl Entry {
    /// Bytes this entry takes in a segment.
    pub(crate) fn padded_len(&self) -> usize {
        padded(FRAME_HEADER_LEN + self.payload.len())
    }

    /// Appends the frame to `out` and returns its checksum, the next frame's `previous_crc`.
    pub(crate) fn encode(&self, previous_crc: u32, durable: u64, out: &mut Vec<u8>) -> u32 {
        let mut frame = Vec::with_capacity(self.padded_len());
        let length = FRAME_HEADER_LEN + self.payload.len();
        frame.extend(
            u32::try_from(length)
                .expect("the log bounds payloads")
                .to_be_bytes(),
        );
        frame.extend([0; 4]);
        frame.extend(previous_crc.to_be_bytes());
        frame.extend([self.kind.code(), 0, 0, 0]);
        frame.extend(self.id.index.to_be_bytes());
        frame.extend(self.id.epoch.to_be_bytes());
        frame.extend(self.id.leader.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(durable.to_be_bytes());
        frame.extend_from_slice(&self.payload);
        let crc = checksum(&frame);
        frame[4..8].copy_from_slice(&crc.to_be_bytes());
        frame.resize(padded(length), 0);
        out.append(&mut frame);
        crc
    }
}

impl Frame {
    /// Reads the frame at the start of `bytes`, checking it against itself only.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let length = u32_at(bytes, 0).ok_or(FrameError::Invalid)? as usize;
        if length < FRAME_HEADER_LEN {
            return Err(FrameError::Invalid);
        }
        let frame = bytes.get(..length).ok_or(FrameError::Invalid)?;
        let crc = u32_at(frame, 4).ok_or(FrameError::Invalid)?;
        if checksum(frame) != crc {
            return Err(FrameError::Invalid);
        }
        Self::decode_checked(frame, crc).ok_or(FrameError::Invalid)?
    }

    /// The fields of a frame whose checksum holds; `None` only if it is shorter than its header.
    fn decode_checked(frame: &[u8], crc: u32) -> Option<Result<Self, FrameError>> {
        let code = *frame.get(12)?;
        let Some(kind) = EntryKind::from_code(code) else {
            return Some(Err(FrameError::UnknownKind(code)));
        };
        let id = LogId {
            index: u64_at(frame, 16)?,
            epoch: u64_at(frame, 24)?,
            leader: i32::from_be_bytes(frame.get(32..36)?.try_into().ok()?),
        };
        let payload = Bytes::copy_from_slice(frame.get(FRAME_HEADER_LEN..)?);
        Some(Ok(Self {
            entry: Entry { id, kind, payload },
            padded_len: padded(frame.len()),
            crc,
            previous_crc: u32_at(frame, 8)?,
            durable: u64_at(frame, 40)?,
        }))
    }
}

/// The checksum of a frame: all of it but the checksum field itself.
fn checksum(frame: &[u8]) -> u32 {
    let (before, after) = (
        frame.get(..4).unwrap_or_default(),
        frame.get(8..).unwrap_or_default(),
    );
    crc32c::crc32c_append(crc32c::crc32c(before), after)
}

const fn padded(length: usize) -> usize {
    length.next_multiple_of(FRAME_ALIGN)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Whether some frame in `bytes` says that the entry `index` was once durable.
///
/// Used where the frame of `index` should be and is not. Frames lie at multiples of 8.
pub(crate) fn claims_durable(bytes: &[u8], index: u64) -> bool {
    (0..bytes.len()).step_by(FRAME_ALIGN).any(|at| {
        let rest = bytes.get(at..).unwrap_or_default();
        Frame::decode(rest).is_ok_and(|frame| index < frame.durable)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn entry(index: u64, payload: &[u8]) -> Entry {
        Entry {
            id: LogId {
                epoch: 7,
                leader: 3,
                index,
            },
            kind: EntryKind::Normal,
            payload: Bytes::copy_from_slice(payload),
        }
    }

    #[test]
    fn a_frame_read_back_is_the_frame_written() {
        for payload in [&b""[..], b"x", b"12345678", b"123456789"] {
            let mut bytes = Vec::new();
            let crc = entry(41, payload).encode(99, 40, &mut bytes);
            assert_eq!(bytes.len() % FRAME_ALIGN, 0);
            let frame = Frame::decode(&bytes).unwrap();
            assert_eq!(frame.entry, entry(41, payload));
            assert_eq!(
                (frame.crc, frame.previous_crc, frame.durable),
                (crc, 99, 40)
            );
            assert_eq!(frame.padded_len, bytes.len());
        }
    }

    #[test]
    fn every_flipped_bit_of_a_frame_is_noticed() {
        let mut bytes = Vec::new();
        entry(1, b"payload!").encode(0, 1, &mut bytes);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                Frame::decode(&damaged),
                Err(FrameError::Invalid),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn a_kind_from_the_future_is_named_not_dropped() {
        let mut bytes = Vec::new();
        entry(1, b"").encode(0, 1, &mut bytes);
        bytes[12] = 9;
        let crc = checksum(&bytes);
        bytes[4..8].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(Frame::decode(&bytes), Err(FrameError::UnknownKind(9)));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Frame::decode(&bytes);
            let _ = claims_durable(&bytes, 0);
        }
    }
}
