//! Reading a segment from one end to the other, batch by batch, whole and verified.
//!
//! A few large reads instead of two small ones per batch. Nothing is believed: a batch whose
//! checksum is wrong, or whose offsets are not above those before it, is an error, and no record of
//! it is copied.

use std::sync::Arc;

use bytes::Bytes;
use odradek_protocol::records::{BatchError, RecordBatch};

use crate::{
    disk::DiskFile,
    error::{IoError, ReadError},
    segment::Segment,
};

/// What is read at once, unless a batch is larger.
const CHUNK_BYTES: usize = 512 << 10;

/// The batches of a segment, from a position on.
pub(super) struct BatchReader<'a> {
    segment: &'a Segment,
    file: Arc<dyn DiskFile>,
    /// Where in the file `ahead` begins: always where a batch does.
    position: u32,
    end: u32,
    ahead: Bytes,
    next_offset: i64,
}

impl<'a> BatchReader<'a> {
    /// Reads from `position`, where a batch must start, to the segment's end.
    pub(super) fn new(segment: &'a Segment, position: u32) -> Result<Self, IoError> {
        Ok(Self {
            file: segment.handle()?,
            position,
            end: segment.size(),
            ahead: Bytes::new(),
            next_offset: segment.base_offset(),
            segment,
        })
    }

    /// The next batch; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, ReadError> {
        let mut wanted = CHUNK_BYTES;
        while self.position < self.end {
            match RecordBatch::parse(&self.ahead) {
                Ok(batch) => {
                    let len = batch.header().total_len();
                    batch.verify_crc().map_err(|error| self.corrupt(error))?;
                    // The checksum does not cover the base offset.
                    let base_offset = batch.header().base_offset;
                    if base_offset < self.next_offset || !self.segment.can_hold(batch.header()) {
                        return Err(self.corrupt(BatchError::InvalidBaseOffset { base_offset }));
                    }
                    self.next_offset = batch.header().next_offset();
                    self.ahead = self.ahead.slice(len..);
                    self.position += len as u32;
                    return Ok(Some(batch));
                }
                Err(BatchError::Incomplete { needed, .. }) if self.can_read_on(needed) => {
                    wanted = wanted.max(needed);
                    self.read(wanted)?;
                }
                Err(error) => return Err(self.corrupt(error)),
            }
        }
        Ok(None)
    }

    fn can_read_on(&self, needed: usize) -> bool {
        let left = (self.end - self.position) as usize;
        self.ahead.len() < left && needed <= left
    }

    fn read(&mut self, wanted: usize) -> Result<(), IoError> {
        let left = (self.end - self.position) as usize;
        let mut chunk = vec![0; wanted.min(left)];
        self.file
            .read_exact_at(&mut chunk, u64::from(self.position))
            .map_err(|source| self.segment.error("read", source))?;
        self.ahead = chunk.into();
        Ok(())
    }

    fn corrupt(&self, source: BatchError) -> ReadError {
        ReadError::Corrupt {
            path: self.segment.log().path(),
            position: u64::from(self.position),
            source,
        }
    }
}
