//! Walking over the batches in a segment's file, header by header.
//!
//! A walk over headers reads little more than the headers. A verifying walk reads everything and
//! compares checksums. Both hold at most one window of the file in memory, whatever the size of a
//! batch, and believe nothing: a batch that does not end inside the file is an error.

use std::{io, sync::Arc};

use odradek_protocol::records::{BatchError, BatchHeader, HEADER_LEN, batch::NO_TIMESTAMP};

use crate::{
    disk::DiskFile,
    error::{IoError, ReadError},
    file_cache::CachedFile,
};

/// What a verifying walk reads at once.
const WINDOW_BYTES: usize = 256 << 10;

/// What a header walk reads at first; more and more while batches stay small.
const SMALL_WINDOW_BYTES: usize = 4 << 10;

/// The most that a header walk reads at once.
const LARGE_WINDOW_BYTES: usize = 64 << 10;

/// Where in a batch the part begins that its checksum covers.
const CRC_COVERS_FROM: u64 = 21;

/// A batch in a segment's file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchAt {
    /// Where it starts, in bytes.
    pub(crate) position: u32,
    /// Its header.
    pub(crate) header: BatchHeader,
}

impl BatchAt {
    /// Where it ends, in bytes.
    pub(crate) fn end_position(&self) -> u32 {
        self.position + self.header.total_len() as u32
    }

    /// The largest timestamp of its records in ms; -1 if there are none, or none has one. What the
    /// header of a batch without records says is about records that compaction has removed.
    pub(crate) fn max_timestamp(&self) -> i64 {
        match self.header.record_count {
            0 => NO_TIMESTAMP,
            _ => self.header.max_timestamp,
        }
    }
}

/// Walks from batch to batch.
#[derive(Debug)]
pub(crate) struct BatchWalk {
    cached: Arc<CachedFile>,
    file: Arc<dyn DiskFile>,
    position: u64,
    end: u64,
    /// Batches from here on are verified.
    verify_from: u64,
    window: Vec<u8>,
    window_start: u64,
    /// What a header that is not in the window makes the walk read.
    header_window: usize,
}

impl BatchWalk {
    /// Reads headers from `position`, where a batch must start, up to `end`.
    pub(crate) fn headers(
        file: &Arc<CachedFile>,
        position: u32,
        end: u32,
    ) -> Result<Self, ReadError> {
        Self::verified_from(file, position, end, end)
    }

    /// As [`headers`](Self::headers), and compares the checksum with the content for every batch
    /// that starts at or behind `verify_from`.
    pub(crate) fn verified_from(
        cached: &Arc<CachedFile>,
        position: u32,
        end: u32,
        verify_from: u32,
    ) -> Result<Self, ReadError> {
        let file = cached.handle().map_err(|source| io_error(cached, source))?;
        Ok(Self {
            cached: Arc::clone(cached),
            file,
            position: u64::from(position),
            end: u64::from(end),
            verify_from: u64::from(verify_from),
            window: Vec::new(),
            window_start: 0,
            header_window: SMALL_WINDOW_BYTES,
        })
    }

    /// Where the next batch starts: after an error, where the bad one does.
    pub(crate) fn position(&self) -> u32 {
        self.position as u32
    }

    /// Lets the walk go on with a batch that it has just passed.
    pub(crate) fn back_to(&mut self, batch: &BatchAt) {
        self.position = u64::from(batch.position);
    }

    /// The next batch; `None` at the end. After an error the walk stays where it is.
    pub(crate) fn next_batch(&mut self) -> Result<Option<BatchAt>, ReadError> {
        let left = self.end - self.position.min(self.end);
        if left == 0 {
            return Ok(None);
        }
        let header = self.header(left as usize)?;
        let len = header.total_len();
        if left < len as u64 {
            let error = BatchError::Incomplete {
                needed: len,
                available: left as usize,
            };
            return Err(self.corrupt(error));
        }
        if self.verify_from <= self.position {
            self.verify_crc(&header)?;
        }
        let position = self.position();
        self.position += len as u64;
        // Close batches are read many at once, far ones without what lies between them.
        self.header_window = if len < SMALL_WINDOW_BYTES {
            (2 * self.header_window).clamp(SMALL_WINDOW_BYTES, LARGE_WINDOW_BYTES)
        } else {
            HEADER_LEN
        };
        Ok(Some(BatchAt { position, header }))
    }

    fn header(&mut self, left: usize) -> Result<BatchHeader, ReadError> {
        let read_ahead = if self.verify_from <= self.position {
            WINDOW_BYTES
        } else {
            self.header_window
        };
        let bytes = self.bytes_at(self.position, HEADER_LEN.min(left), read_ahead)?;
        let parsed = BatchHeader::parse(bytes.get(..left).unwrap_or(bytes));
        parsed.map_err(|error| self.corrupt(error))
    }

    fn verify_crc(&mut self, header: &BatchHeader) -> Result<(), ReadError> {
        let end = self.position + header.total_len() as u64;
        let mut at = self.position + CRC_COVERS_FROM;
        let mut computed = 0;
        while at < end {
            let bytes = self.bytes_at(at, 1, WINDOW_BYTES)?;
            let piece = bytes.get(..(end - at) as usize).unwrap_or(bytes);
            if piece.is_empty() {
                let available = (at - self.position) as usize;
                let needed = header.total_len();
                return Err(self.corrupt(BatchError::Incomplete { needed, available }));
            }
            computed = crc32c::crc32c_append(computed, piece);
            at += piece.len() as u64;
        }
        if computed == header.crc {
            Ok(())
        } else {
            Err(self.corrupt(BatchError::CrcMismatch {
                stored: header.crc,
                computed,
            }))
        }
    }

    /// The bytes in the window from `position` on: at least `wanted`, unless the file ends before.
    /// If they are not there, moves the window and reads `read_ahead` bytes.
    fn bytes_at(
        &mut self,
        position: u64,
        wanted: usize,
        read_ahead: usize,
    ) -> Result<&[u8], ReadError> {
        let window_end = self.window_start + self.window.len() as u64;
        let inside = self.window_start <= position && position + wanted as u64 <= window_end;
        if !inside {
            let left = usize::try_from(self.end.saturating_sub(position)).unwrap_or(usize::MAX);
            self.window.resize(read_ahead.max(wanted).min(left), 0);
            let read = self
                .file
                .read_at(&mut self.window, position)
                .map_err(|source| io_error(&self.cached, source))?;
            self.window.truncate(read);
            self.window_start = position;
        }
        let skip = (position - self.window_start) as usize;
        Ok(self.window.get(skip..).unwrap_or_default())
    }

    fn corrupt(&self, source: BatchError) -> ReadError {
        ReadError::Corrupt {
            path: self.cached.path(),
            position: self.position,
            source,
        }
    }
}

fn io_error(file: &CachedFile, source: io::Error) -> ReadError {
    ReadError::Io(IoError {
        action: "read",
        path: file.path(),
        source,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use odradek_protocol::records::BatchBuilder;

    use super::*;
    use crate::{
        disk::{OpenMode, RealDisk},
        file_cache::FileCache,
    };

    fn file_of(bytes: &[u8]) -> (tempfile::TempDir, Arc<CachedFile>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("batches.log");
        std::fs::write(&path, bytes).unwrap();
        let files = FileCache::new(Arc::new(RealDisk), 8);
        (dir, files.file(path, OpenMode::Read))
    }

    /// Batches with values of these sizes, one record each, at offsets 0, 1, 2, …
    fn batches(value_sizes: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (offset, size) in value_sizes.iter().enumerate() {
            let batch = BatchBuilder::new()
                .base_offset(offset as i64)
                .record(0, None, Some(&vec![b'x'; *size]))
                .build();
            bytes.extend(batch.to_bytes());
        }
        bytes
    }

    fn offsets(walk: &mut BatchWalk) -> Result<Vec<i64>, ReadError> {
        let mut offsets = Vec::new();
        while let Some(batch) = walk.next_batch()? {
            offsets.push(batch.header.base_offset);
        }
        Ok(offsets)
    }

    #[test]
    fn both_walks_visit_every_batch_whatever_its_size() {
        let sizes = [10, 5_000, 20, 30, 300_000, 1, 4_000, 4_096, 600_000, 2];
        let bytes = batches(&sizes);
        let (_dir, file) = file_of(&bytes);
        let all: Vec<i64> = (0..sizes.len() as i64).collect();
        let end = bytes.len() as u32;
        assert_eq!(
            offsets(&mut BatchWalk::headers(&file, 0, end).unwrap()).unwrap(),
            all
        );
        assert_eq!(
            offsets(&mut BatchWalk::verified_from(&file, 0, end, 0).unwrap()).unwrap(),
            all
        );
    }

    #[test]
    fn a_walk_stops_at_a_torn_batch_and_says_where() {
        let bytes = batches(&[100, 100, 100]);
        let third = bytes.len() / 3 * 2;
        for len in [
            third + 1,
            third + HEADER_LEN - 1,
            third + HEADER_LEN,
            bytes.len() - 1,
        ] {
            let (_dir, file) = file_of(&bytes[..len]);
            let mut walk = BatchWalk::headers(&file, 0, len as u32).unwrap();
            let error = offsets(&mut walk).unwrap_err();
            assert!(matches!(
                error,
                ReadError::Corrupt { position, source: BatchError::Incomplete { .. }, .. }
                    if position == third as u64
            ));
            assert_eq!(walk.position() as usize, third);
        }
    }

    #[test]
    fn only_the_verifying_walk_notices_a_flipped_bit_in_a_body() {
        let mut bytes = batches(&[100, 400_000, 100]);
        let flipped = bytes.len() - 1000;
        bytes[flipped] ^= 1;
        let (_dir, file) = file_of(&bytes);
        let end = bytes.len() as u32;
        assert_eq!(
            offsets(&mut BatchWalk::headers(&file, 0, end).unwrap()).unwrap(),
            [0, 1, 2]
        );
        let error = offsets(&mut BatchWalk::verified_from(&file, 0, end, 0).unwrap()).unwrap_err();
        assert!(matches!(
            error,
            ReadError::Corrupt {
                source: BatchError::CrcMismatch { .. },
                ..
            }
        ));
    }

    #[test]
    fn zeros_behind_the_last_batch_are_no_batch() {
        let mut bytes = batches(&[100]);
        bytes.extend([0; 200]);
        let (_dir, file) = file_of(&bytes);
        let mut walk = BatchWalk::verified_from(&file, 0, bytes.len() as u32, 0).unwrap();
        assert!(offsets(&mut walk).is_err());
    }
}
