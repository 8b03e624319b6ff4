//! The segment that a cleaning writes, under names that a crash leaves nothing of.

use std::{
    io::{self, IoSlice},
    sync::Arc,
};

use odradek_protocol::records::RecordBatch;

use crate::{
    config::LogConfig,
    disk::DiskFile,
    error::{IoError, LogError},
    positions::BatchStart,
    scan::BatchAt,
    segment::{CLEANED_SUFFIX, Segment},
    segment_writer::SegmentWriter,
    state::LogState,
};

/// Batches are collected until there are so many bytes, and then written at once.
const WRITE_BYTES: usize = 512 << 10;

/// A segment being written, its files with `.cleaned` behind their names.
pub(super) struct Output {
    segment: Arc<Segment>,
    writer: SegmentWriter,
    /// Kept open until it is synced, so that a failed write-back is learned of.
    file: Arc<dyn DiskFile>,
    /// What is not written yet.
    buffer: Vec<u8>,
    written: u64,
}

impl Output {
    /// Creates the files.
    pub(super) fn create(state: &LogState, base_offset: i64, now_ms: i64) -> Result<Self, IoError> {
        let files = &state.context.files;
        let segment = Segment::create_as(files, state.dir(), base_offset, CLEANED_SUFFIX)?;
        let segment = Arc::new(segment);
        Ok(Self {
            writer: SegmentWriter::new(Arc::clone(&segment), now_ms, None)?,
            file: segment.handle()?,
            buffer: Vec::new(),
            written: 0,
            segment,
        })
    }

    /// Adds a batch behind those before it.
    pub(super) fn push(&mut self, batch: &RecordBatch, config: &LogConfig) -> Result<(), IoError> {
        let header = *batch.header();
        let position = self.written + self.buffer.len() as u64;
        let end = position + header.total_len() as u64;
        // Where recompression made batches larger than they were.
        if u64::from(i32::MAX.unsigned_abs()) < end {
            let too_large = io::ErrorKind::FileTooLarge;
            return Err(self.segment.error("append to", too_large.into()));
        }
        self.buffer.extend_from_slice(&header.encode());
        self.buffer.extend_from_slice(batch.body());
        let position = position as u32;
        self.writer.reindex(&BatchAt { position, header }, config);
        if WRITE_BYTES <= self.buffer.len() {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), IoError> {
        if !self.buffer.is_empty() {
            self.file
                .write_all_at(&mut [IoSlice::new(&self.buffer)], self.written)
                .map_err(|source| self.segment.error("append to", source))?;
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Completes the files of a segment that ends at `end_offset`, and makes their content durable.
    pub(super) fn finish(&mut self, state: &LogState, end_offset: i64) -> Result<(), LogError> {
        self.write()?;
        let size = self.written as u32;
        let segment = &self.segment;
        segment.publish_size(size);
        segment.positions.truncate(BatchStart {
            relative_offset: segment.relative(end_offset),
            position: size,
        });
        self.writer.complete_files()?;
        segment.seal();
        // All three: a sealed segment's indexes are believed.
        segment.sync().map_err(|error| state.poison(error))
    }

    /// The segment itself.
    pub(super) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }
}
