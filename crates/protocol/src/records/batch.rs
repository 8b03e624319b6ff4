//! The record batch (magic 2): its 61-byte header, its checksum, and a view that copies nothing.
//!
//! Invariants: a [`BatchHeader`] that came out of [`BatchHeader::parse`] has a length that can hold
//! a header, a known codec, counts and deltas that are not negative, and offsets that cannot
//! overflow. A [`RecordBatch`] holds exactly the body that its header announces.
//! Parsing proves none of what the checksum or the records themselves say: see
//! [`RecordBatch::verify_crc`] and [`validate_records`](super::validate_records).
//!
//! ```text
//!  0  base offset             i64  assigned by the leader   \ not covered
//!  8  length                  i32  bytes after this field   | by the
//! 12  partition leader epoch  i32  assigned by the leader   | checksum
//! 16  magic                   i8   2                        |
//! 17  crc                     u32  CRC-32C of all below     /
//! 21  attributes              i16  see Attributes
//! 23  last offset delta       i32
//! 27  base timestamp          i64  ms, or the delete horizon
//! 35  max timestamp           i64  ms
//! 43  producer id             i64  -1 = none
//! 51  producer epoch          i16
//! 53  base sequence           i32
//! 57  record count            i32
//! 61  records, compressed as one block unless the codec is none
//! ```

use bytes::{Buf, BufMut, Bytes};

use super::compression::Compression;

/// Size of a batch header, from the base offset to the record count.
pub const HEADER_LEN: usize = 61;
/// Size of base offset and length: what a reader needs to find the next batch.
pub const LENGTH_PREFIX_LEN: usize = 12;
/// The only format version stored and served. Kafka dropped 0 and 1 in 4.0 (KIP-724).
pub const MAGIC: i8 = 2;
/// The producer id of a batch whose producer is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// The timestamp of a record that has none.
pub const NO_TIMESTAMP: i64 = -1;
/// The leader epoch of a batch that no leader has appended yet.
pub const NO_LEADER_EPOCH: i32 = -1;

/// Where in a batch the bytes begin that the checksum covers; they go on to its end.
pub const CRC_COVERS_FROM: usize = 21;

const MAGIC_AT: usize = 16;
/// Leaves room for the last offset delta of any batch, so that `last_offset() + 1` cannot overflow.
const BASE_OFFSET_MAX: i64 = i64::MAX - i32::MAX as i64 - 1;

/// Why bytes are not a batch, or not the batch they claim to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end before the batch does: the normal end of a record set that a fetch cut short,
    /// a torn write at the end of a segment, an error anywhere else.
    #[error("batch needs {needed} bytes and only {available} are there")]
    Incomplete {
        /// Bytes needed to get further, as far as that is known.
        needed: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// The message format before record batches (0 and 1, not supported), or one not yet invented.
    #[error("magic {magic} is not supported, only {MAGIC}")]
    UnsupportedMagic {
        /// The magic byte found.
        magic: i8,
    },
    /// The length is negative or leaves no room for the header.
    #[error("batch length {length} is too small for a header")]
    InvalidLength {
        /// The length found.
        length: i32,
    },
    /// The base offset is negative or so large that the next offset would overflow.
    #[error("base offset {base_offset} is out of range")]
    InvalidBaseOffset {
        /// The base offset found.
        base_offset: i64,
    },
    /// The last offset delta is negative.
    #[error("last offset delta {last_offset_delta} is negative")]
    InvalidLastOffsetDelta {
        /// The delta found.
        last_offset_delta: i32,
    },
    /// The count is negative, or larger than the offsets that the batch spans.
    #[error("record count {record_count} does not fit last offset delta {last_offset_delta}")]
    InvalidRecordCount {
        /// The count found.
        record_count: i32,
        /// The delta found.
        last_offset_delta: i32,
    },
    /// The attributes name a codec that does not exist.
    #[error("compression codec {codec} is unknown")]
    UnknownCompression {
        /// The codec number found, 5 to 7.
        codec: u8,
    },
    /// The checksum in the header is not that of the content.
    #[error("batch checksum is {computed:#010x} but its header says {stored:#010x}")]
    CrcMismatch {
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the content.
        computed: u32,
    },
}

/// Who set a batch's timestamps (`message.timestamp.type`, KIP-32).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer: each record has its own.
    #[default]
    CreateTime,
    /// The leader when it appended: the batch's max timestamp is that of every record.
    LogAppendTime,
}

/// The attribute bits of a batch. Unknown bits are kept as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes(i16);

impl Attributes {
    const COMPRESSION: i16 = 0b111;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// Takes the bits as they are on the wire.
    ///
    /// # Errors
    /// [`BatchError::UnknownCompression`] when they name a codec that does not exist.
    pub fn from_bits(bits: i16) -> Result<Self, BatchError> {
        let codec = (bits & Self::COMPRESSION) as u8;
        match Compression::from_code(codec) {
            Some(_) => Ok(Self(bits)),
            None => Err(BatchError::UnknownCompression { codec }),
        }
    }

    /// The bits as they are on the wire.
    pub fn bits(self) -> i16 {
        self.0
    }

    /// How the records are compressed.
    pub fn compression(self) -> Compression {
        Compression::from_code((self.0 & Self::COMPRESSION) as u8)
            .expect("every way to make attributes checks the codec")
    }

    /// Who set the timestamps.
    pub fn timestamp_type(self) -> TimestampType {
        if self.has(Self::LOG_APPEND_TIME) {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// Whether the batch belongs to a transaction (KIP-98).
    pub fn is_transactional(self) -> bool {
        self.has(Self::TRANSACTIONAL)
    }

    /// Whether the batch holds a control record instead of a client's data (KIP-98).
    pub fn is_control(self) -> bool {
        self.has(Self::CONTROL)
    }

    /// Whether the base timestamp is the time from which tombstones may go (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.has(Self::DELETE_HORIZON)
    }

    /// The same attributes with another codec.
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Self {
        Self((self.0 & !Self::COMPRESSION) | i16::from(compression.code()))
    }

    /// The same attributes with another timestamp type.
    #[must_use]
    pub fn with_timestamp_type(self, timestamp_type: TimestampType) -> Self {
        self.with(
            Self::LOG_APPEND_TIME,
            timestamp_type == TimestampType::LogAppendTime,
        )
    }

    /// The same attributes, inside or outside a transaction.
    #[must_use]
    pub fn with_transactional(self, transactional: bool) -> Self {
        self.with(Self::TRANSACTIONAL, transactional)
    }

    /// The same attributes for a control batch or for data.
    #[must_use]
    pub fn with_control(self, control: bool) -> Self {
        self.with(Self::CONTROL, control)
    }

    /// The same attributes, with or without a delete horizon in place of the base timestamp.
    #[must_use]
    pub fn with_delete_horizon(self, delete_horizon: bool) -> Self {
        self.with(Self::DELETE_HORIZON, delete_horizon)
    }

    fn has(self, bit: i16) -> bool {
        self.0 & bit != 0
    }

    fn with(self, bit: i16, set: bool) -> Self {
        Self(if set { self.0 | bit } else { self.0 & !bit })
    }
}

/// The header of a record batch, field by field. The magic is always [`MAGIC`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record, also after compaction has removed that record.
    pub base_offset: i64,
    /// Bytes that follow the length field: the rest of the header and the body.
    pub length: i32,
    /// Epoch of the leader that appended the batch, [`NO_LEADER_EPOCH`] from a producer.
    pub partition_leader_epoch: i32,
    /// CRC-32C from the attributes to the end of the body.
    pub crc: u32,
    /// Codec, timestamp type and kind of batch.
    pub attributes: Attributes,
    /// Offset of the last record minus the base offset.
    pub last_offset_delta: i32,
    /// Timestamp of the first record in ms, or the delete horizon if the attributes say so.
    pub base_timestamp: i64,
    /// The largest timestamp of all records in ms; that of every record with `LogAppendTime`.
    pub max_timestamp: i64,
    /// The idempotent producer's id, [`NO_PRODUCER_ID`] without one (KIP-98).
    pub producer_id: i64,
    /// The idempotent producer's epoch, -1 without one.
    pub producer_epoch: i16,
    /// The idempotent producer's sequence number of the first record, -1 without one.
    pub base_sequence: i32,
    /// How many records follow; compaction may leave fewer than the offsets span, even none.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`; the body need not be there.
    ///
    /// # Errors
    /// Any [`BatchError`] but a checksum mismatch.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        // The magic first: older formats have it in the same place and a shorter header.
        if let Some(&magic) = bytes.get(MAGIC_AT)
            && magic != MAGIC as u8
        {
            return Err(BatchError::UnsupportedMagic { magic: magic as i8 });
        }
        let Some(bytes) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(BatchError::Incomplete {
                needed: HEADER_LEN,
                available: bytes.len(),
            });
        };
        let header = Self::read(bytes)?;
        header.check()?;
        Ok(header)
    }

    /// Reads the fields as they are, for tools that look at damaged files: none of what
    /// [`parse`](Self::parse) promises holds, and neither length nor magic was looked at.
    ///
    /// # Errors
    /// [`BatchError::UnknownCompression`] and no other.
    pub fn read(bytes: &[u8; HEADER_LEN]) -> Result<Self, BatchError> {
        let mut fields = bytes.as_slice();
        let base_offset = fields.get_i64();
        let length = fields.get_i32();
        let partition_leader_epoch = fields.get_i32();
        let _magic = fields.get_i8();
        let crc = fields.get_u32();
        Ok(Self {
            base_offset,
            length,
            partition_leader_epoch,
            crc,
            attributes: Attributes::from_bits(fields.get_i16())?,
            last_offset_delta: fields.get_i32(),
            base_timestamp: fields.get_i64(),
            max_timestamp: fields.get_i64(),
            producer_id: fields.get_i64(),
            producer_epoch: fields.get_i16(),
            base_sequence: fields.get_i32(),
            record_count: fields.get_i32(),
        })
    }

    fn check(&self) -> Result<(), BatchError> {
        let &Self {
            base_offset,
            length,
            last_offset_delta,
            record_count,
            ..
        } = self;
        if length < (HEADER_LEN - LENGTH_PREFIX_LEN) as i32 {
            return Err(BatchError::InvalidLength { length });
        }
        if !(0..=BASE_OFFSET_MAX).contains(&base_offset) {
            return Err(BatchError::InvalidBaseOffset { base_offset });
        }
        if last_offset_delta < 0 {
            return Err(BatchError::InvalidLastOffsetDelta { last_offset_delta });
        }
        if record_count < 0 || i64::from(record_count) > i64::from(last_offset_delta) + 1 {
            return Err(BatchError::InvalidRecordCount {
                record_count,
                last_offset_delta,
            });
        }
        Ok(())
    }

    /// The header's bytes; `parse` gives back the same header.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut fields = bytes.as_mut_slice();
        fields.put_i64(self.base_offset);
        fields.put_i32(self.length);
        fields.put_i32(self.partition_leader_epoch);
        fields.put_i8(MAGIC);
        fields.put_u32(self.crc);
        fields.put_i16(self.attributes.bits());
        fields.put_i32(self.last_offset_delta);
        fields.put_i64(self.base_timestamp);
        fields.put_i64(self.max_timestamp);
        fields.put_i64(self.producer_id);
        fields.put_i16(self.producer_epoch);
        fields.put_i32(self.base_sequence);
        fields.put_i32(self.record_count);
        debug_assert!(fields.is_empty());
        bytes
    }

    /// Size of the whole batch in bytes, base offset and length included.
    pub fn total_len(&self) -> usize {
        self.length as usize + LENGTH_PREFIX_LEN
    }

    /// Size of the records as stored, in bytes.
    pub fn body_len(&self) -> usize {
        self.total_len() - HEADER_LEN
    }

    /// Offset of the last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// Offset at which the batch after this one starts.
    pub fn next_offset(&self) -> i64 {
        self.last_offset() + 1
    }

    /// Whether an idempotent producer sent the batch.
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// The idempotent producer's sequence number of the last record; they wrap after `i32::MAX`
    /// to 0. Meaningless without a producer id.
    pub fn last_sequence(&self) -> i32 {
        let sequence = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        if i64::from(i32::MAX) < sequence {
            (sequence - (1 << 31)) as i32
        } else {
            sequence as i32
        }
    }

    /// What the checksum has to be if `body` follows this header.
    pub fn checksum(&self, body: &[u8]) -> u32 {
        let bytes = self.encode();
        let (_, covered) = bytes.split_at(CRC_COVERS_FROM);
        crc32c::crc32c_append(crc32c::crc32c(covered), body)
    }
}

/// One batch: a parsed header, and a body that is still a slice of where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordBatch {
    header: BatchHeader,
    body: Bytes,
}

impl RecordBatch {
    /// Takes the batch at the start of `bytes`, which may hold more.
    ///
    /// # Errors
    /// Any [`BatchError`]. The checksum of a valid header is not looked at; that of an invalid one
    /// tells damage on the way, which is worth another try, from a batch that was built wrongly.
    pub fn parse(bytes: &Bytes) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(bytes).map_err(|error| damage(bytes).unwrap_or(error))?;
        let needed = header.total_len();
        if bytes.len() < needed {
            return Err(BatchError::Incomplete {
                needed,
                available: bytes.len(),
            });
        }
        Ok(Self {
            header,
            body: bytes.slice(HEADER_LEN..needed),
        })
    }

    /// Puts a header, apart from its checksum, and its body together.
    pub(super) fn seal(mut header: BatchHeader, body: Bytes) -> Self {
        debug_assert_eq!(header.body_len(), body.len());
        debug_assert_eq!(header.check(), Ok(()));
        header.crc = header.checksum(&body);
        Self { header, body }
    }

    /// The header, with every change made through this view.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The records as stored: compressed, if the header names a codec.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Compares the checksum with the content. Once on arrival is enough: the changes that this
    /// view makes keep it right.
    ///
    /// # Errors
    /// [`BatchError::CrcMismatch`] and no other.
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let stored = self.header.crc;
        let computed = self.header.checksum(&self.body);
        if stored == computed {
            Ok(())
        } else {
            Err(BatchError::CrcMismatch { stored, computed })
        }
    }

    /// Places the batch in a log. Neither field is covered by the checksum.
    pub fn assign(&mut self, base_offset: i64, leader_epoch: i32) {
        debug_assert!((0..=BASE_OFFSET_MAX).contains(&base_offset));
        self.header.base_offset = base_offset;
        self.header.partition_leader_epoch = leader_epoch;
    }

    /// Sets timestamp type and max timestamp, and the checksum if that changed anything: the
    /// append time for a topic with `LogAppendTime`, or the true maximum for a producer that got
    /// it wrong. The records stay as they are.
    pub fn set_max_timestamp(&mut self, timestamp_type: TimestampType, max_timestamp: i64) {
        let attributes = self.header.attributes.with_timestamp_type(timestamp_type);
        if self.header.attributes == attributes && self.header.max_timestamp == max_timestamp {
            return;
        }
        self.header.attributes = attributes;
        self.header.max_timestamp = max_timestamp;
        self.header.crc = self.header.checksum(&self.body);
    }

    /// Makes it a batch of that idempotent producer, and the checksum right for it.
    pub fn set_producer(&mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) {
        self.header.producer_id = producer_id;
        self.header.producer_epoch = producer_epoch;
        self.header.base_sequence = base_sequence;
        self.header.crc = self.header.checksum(&self.body);
    }

    /// Header and body in one piece of memory. Copies the body: for tests and small batches; the
    /// log writes [`BatchHeader::encode`] and [`body`](Self::body) as two slices.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.header.total_len());
        bytes.extend_from_slice(&self.header.encode());
        bytes.extend_from_slice(&self.body);
        bytes.into()
    }
}

/// The checksum error of a batch whose end can be found, whatever else its header says.
fn damage(bytes: &[u8]) -> Option<BatchError> {
    let mut fields = bytes.first_chunk::<HEADER_LEN>()?.as_slice();
    let (_base_offset, length, _leader_epoch) =
        (fields.get_i64(), fields.get_i32(), fields.get_i32());
    let (magic, stored) = (fields.get_i8(), fields.get_u32());
    let len = usize::try_from(length).ok()? + LENGTH_PREFIX_LEN;
    if magic != MAGIC || len < HEADER_LEN {
        return None;
    }
    let computed = crc32c::crc32c(bytes.get(CRC_COVERS_FROM..len)?);
    (stored != computed).then_some(BatchError::CrcMismatch { stored, computed })
}

/// Iterates over the batches of a record set; ends after the first error.
///
/// A record set from a fetch may stop in the middle of a batch: the last item is then
/// [`BatchError::Incomplete`].
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
}

impl Batches {
    /// Starts at the first batch of `record_set`.
    pub fn new(record_set: Bytes) -> Self {
        Self { rest: record_set }
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let batch = RecordBatch::parse(&self.rest);
        match &batch {
            Ok(batch) => self.rest.advance(batch.header.total_len()),
            Err(_) => self.rest.clear(),
        }
        Some(batch)
    }
}

impl std::iter::FusedIterator for Batches {}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
