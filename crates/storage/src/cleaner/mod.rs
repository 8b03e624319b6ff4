//! Compaction: of every key the last record stays (KIP-58, KIP-534).
//!
//! [`LogCleaner::cleanable`] tells what there is to do, [`LogCleaner::clean`] does it, beside the
//! writer and the readers of the log: it reads sealed segments, writes new ones, and exchanges
//! them. In the order bytes flow:
//! - [`plan`]: what may be cleaned, and which segments become one
//! - `batches`: reading a segment from one end to the other
//! - `offset_map`: the last offset of every key, in bounded memory
//! - `filter`: what becomes of a batch
//! - `output`: the new segment
//! - `swap`: its way into the log
//!
//! **Invariants:**
//! - Offsets, timestamps, leader epochs and the order of records never change.
//! - A sealed segment still ends where the next one begins: its last batch stays, without records
//!   if need be. Recovery can therefore go on to take a hole between segments for a loss.
//! - The last batch of every producer that is remembered stays, without records if need be.
//! - Nothing at or above the last stable offset is touched, nor the active segment.
//!
//! When to clean which log, how fast, and what to do after a failure, is the caller's business.

mod batches;
mod filter;
mod offset_map;
mod output;
pub mod plan;
pub(crate) mod swap;

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use self::{
    batches::BatchReader,
    filter::{Fate, Filter},
    offset_map::OffsetMap,
    output::Output,
    plan::{Cleanable, Portion, Standing, groups},
    swap::{finish_swap, swap},
};
use crate::{
    config::LogConfig,
    error::{LogError, ReadError},
    flush::LogFlusher,
    retention::PendingDeletion,
    segment::Segment,
    segments::Segments,
    state::LogState,
};

pub use filter::UnreadableRecords;

/// Why a log was not cleaned, or not wholly. What was not cleaned is as it was.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// Told to stop, or the log was closed, truncated or deleted meanwhile.
    #[error("stopped")]
    Stopped,
    /// A segment cannot be read.
    #[error("read a segment to be cleaned")]
    Read(#[from] ReadError),
    /// The records of a batch cannot be read, although its checksum is right.
    #[error("read the records at offset {offset} in {}", path.display())]
    Records {
        /// The segment's file.
        path: PathBuf,
        /// Base offset of the batch.
        offset: i64,
        /// What is wrong with them.
        source: UnreadableRecords,
    },
    /// The memory for keys cannot hold those of a single batch.
    #[error(
        "the batch at offset {offset} has {records} records, more than log.cleaner.dedupe.buffer.size \
         has room for"
    )]
    BatchTooLarge {
        /// Base offset of the batch.
        offset: i64,
        /// Its records.
        records: i32,
    },
    /// The log cannot be changed.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What one pass may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CleanLimits {
    /// Memory for the keys of the dirty part, in bytes; with more keys than fit, a pass cleans as
    /// far as they do.
    pub map_bytes: usize,
    /// The part of that memory that is filled at most, from 0 to 1.
    pub map_load_factor: f64,
}

/// Who cleans.
pub trait Supervisor {
    /// So many more bytes were read or written. Returns whether to go on; may take its time.
    fn may_go_on(&mut self, bytes: u64) -> bool;

    /// These files are not part of the log any more. Called even if the pass fails later.
    fn remove_later(&mut self, files: PendingDeletion);
}

/// What one pass did.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cleaned {
    /// Up to here the log is clean: the caller's checkpoint for the next pass.
    pub cleaned_to: i64,
    /// Bytes of the segments that were read.
    pub bytes_before: u64,
    /// Bytes of what took their place.
    pub bytes_after: u64,
    /// How full the memory for keys was, from 0 to 1.
    pub map_utilization: f64,
}

/// Compacts one log. Cheap to clone; one pass at a time.
#[derive(Debug, Clone)]
pub struct LogCleaner {
    state: Arc<LogState>,
}

impl LogCleaner {
    pub(crate) fn new(state: Arc<LogState>) -> Self {
        Self { state }
    }

    /// What may be cleaned now. Reads little: time indexes, and where there is a maximal lag the
    /// first header of each dirty segment.
    pub fn cleanable(
        &self,
        config: &LogConfig,
        standing: Standing,
    ) -> Result<Cleanable, CleanError> {
        let state = &*self.state;
        let log_start_offset = state.log_start_offset();
        let segments = state.segments();
        let disk = state.disk();
        Ok(plan::cleanable(
            &segments,
            log_start_offset,
            config,
            standing,
            disk,
        )?)
    }

    /// Cleans what [`cleanable`](Self::cleanable) found, or a part of it.
    pub fn clean(
        &self,
        cleanable: &Cleanable,
        config: &LogConfig,
        limits: CleanLimits,
        now_ms: i64,
        supervisor: &mut dyn Supervisor,
    ) -> Result<Cleaned, CleanError> {
        let state = &*self.state;
        let _cleaning = state.begin_cleaning().ok_or(CleanError::Stopped)?;
        let mut pass = Pass {
            state,
            config,
            now_ms,
            supervisor,
            cleaned: Cleaned::default(),
        };
        pass.finish_earlier_swap()?;
        // Producers of which batches go have to be known without them.
        LogFlusher::new(Arc::clone(&self.state)).flush(now_ms)?;
        let segments = Arc::clone(&*state.segments());
        let (last_offsets, mapped_to) = pass.map_keys(&segments, cleanable, limits)?;
        let mut filter = Filter {
            last_offsets: &last_offsets,
            mapped_to,
            producers: state.producers.lock().last_batch_offsets(),
            now_ms,
            delete_retention_ms: config.delete_retention_ms,
            open_transactions: HashSet::new(),
        };
        let sources = pass.sources(&segments, mapped_to)?;
        for group in groups(&sources.portions, config) {
            let group_segments = sources.segments.get(group).unwrap_or_default();
            pass.clean_group(group_segments, &segments, &mut filter)?;
        }
        pass.cleaned.cleaned_to = mapped_to;
        pass.cleaned.map_utilization = last_offsets.utilization();
        Ok(pass.cleaned)
    }
}

/// One pass under way.
struct Pass<'a> {
    state: &'a LogState,
    config: &'a LogConfig,
    now_ms: i64,
    supervisor: &'a mut dyn Supervisor,
    cleaned: Cleaned,
}

/// The segments that a pass goes through.
struct Sources {
    segments: Vec<Arc<Segment>>,
    portions: Vec<Portion>,
}

impl Pass<'_> {
    fn finish_earlier_swap(&mut self) -> Result<(), LogError> {
        let deleted = finish_swap(self.state, &mut self.state.flushing.lock())?;
        self.remove_later(deleted, 0);
        Ok(())
    }

    fn remove_later(&mut self, paths: Vec<PathBuf>, bytes: u64) {
        if !paths.is_empty() {
            let delay_ms = self.config.file_delete_delay_ms;
            self.supervisor.remove_later(PendingDeletion {
                due_ms: self.now_ms.saturating_add_unsigned(delay_ms),
                paths,
                bytes,
            });
        }
    }

    fn go_on(&mut self, bytes: usize) -> Result<(), CleanError> {
        if self.supervisor.may_go_on(bytes as u64) && !self.state.must_stop_cleaning() {
            Ok(())
        } else {
            Err(CleanError::Stopped)
        }
    }

    /// Collects the last offset of each key in the dirty part, as far as the memory reaches.
    /// Returns where that is: always at the end of a batch.
    fn map_keys(
        &mut self,
        segments: &Segments,
        cleanable: &Cleanable,
        limits: CleanLimits,
    ) -> Result<(OffsetMap, i64), CleanError> {
        let dirty = cleanable.dirty_from..cleanable.dirty_to;
        let first = segments.index_of(dirty.start).unwrap_or(0);
        let dirty_segments = || {
            let from_first = segments.iter().skip(first);
            from_first.take_while(|segment| segment.base_offset() < dirty.end)
        };
        let mut keys = 0;
        for segment in dirty_segments() {
            keys += count_records(segment, dirty.start)?;
        }
        let CleanLimits {
            map_bytes,
            map_load_factor,
        } = limits;
        let mut map = OffsetMap::new(keys, map_bytes, map_load_factor);
        let mut mapped_to = dirty.start;
        for segment in dirty_segments() {
            let from = segment.walk_to(dirty.start)?.position();
            let mut batches = BatchReader::new(segment, from).map_err(ReadError::Io)?;
            while let Some(batch) = batches.next()? {
                self.go_on(batch.header().total_len())?;
                let header = batch.header();
                if header.next_offset() <= dirty.start {
                    continue;
                }
                if map.room() < header.record_count as usize {
                    let nothing_fits = mapped_to == dirty.start;
                    return if nothing_fits {
                        Err(CleanError::BatchTooLarge {
                            offset: header.base_offset,
                            records: header.record_count,
                        })
                    } else {
                        Ok((map, mapped_to))
                    };
                }
                filter::map_keys(&batch, dirty.start, &mut map)
                    .map_err(unreadable(segment, header.base_offset))?;
                mapped_to = header.next_offset();
            }
        }
        Ok((map, dirty.end.max(mapped_to)))
    }

    /// The segments with records below `mapped_to`.
    fn sources(&self, segments: &Segments, mapped_to: i64) -> Result<Sources, CleanError> {
        let log_start_offset = self.state.log_start_offset();
        let mut sources = Sources {
            segments: Vec::new(),
            portions: Vec::new(),
        };
        for (index, segment) in segments.iter().enumerate() {
            let end_offset = segments.end_offset(index, i64::MAX);
            if mapped_to <= segment.base_offset() {
                break;
            }
            // Retention will take it.
            if end_offset <= log_start_offset {
                continue;
            }
            assert!(segment.is_sealed(), "only sealed segments are cleaned");
            let (offsets, times) = (&segment.offset_index.file, &segment.time_index.file);
            sources.portions.push(Portion {
                base_offset: segment.base_offset(),
                end_offset,
                log_bytes: u64::from(segment.size()),
                offset_index_bytes: offsets.len_bytes().map_err(LogError::Io)?,
                time_index_bytes: times.len_bytes().map_err(LogError::Io)?,
            });
            sources.segments.push(Arc::clone(segment));
        }
        Ok(sources)
    }

    /// Writes what stays of neighbouring segments into one, and puts that into their place.
    fn clean_group(
        &mut self,
        group: &[Arc<Segment>],
        segments: &Segments,
        filter: &mut Filter<'_>,
    ) -> Result<(), CleanError> {
        let Some(first) = group.first() else {
            return Ok(());
        };
        let after = segments.index_of(first.base_offset()).unwrap_or(0) + group.len() - 1;
        let end_offset = segments.end_offset(after, i64::MAX);
        let mut output =
            Output::create(self.state, first.base_offset(), self.now_ms).map_err(LogError::Io)?;
        let written = self.write_group(group, end_offset, filter, &mut output);
        let new = Arc::clone(output.segment());
        let size: u64 = group.iter().map(|segment| u64::from(segment.size())).sum();
        self.cleaned.bytes_before += size;
        let is_needed = matches!(written, Ok(true));
        if !is_needed {
            new.discard(self.state.disk());
            written?;
            self.cleaned.bytes_after += size;
            return Ok(());
        }
        self.cleaned.bytes_after += u64::from(new.size());
        let deleted = swap(self.state, group, &new, end_offset)?;
        self.remove_later(deleted, size);
        Ok(())
    }

    /// Writes the segment, durably. Returns whether there is a reason to use it: something went, or
    /// two segments become one.
    fn write_group(
        &mut self,
        group: &[Arc<Segment>],
        end_offset: i64,
        filter: &mut Filter<'_>,
        output: &mut Output,
    ) -> Result<bool, CleanError> {
        let mut is_needed = 1 < group.len();
        for segment in group {
            let mut batches = BatchReader::new(segment, 0).map_err(ReadError::Io)?;
            while let Some(batch) = batches.next()? {
                self.go_on(batch.header().total_len())?;
                let header = batch.header();
                let ends_segment = header.next_offset() == end_offset;
                let fate = filter
                    .apply(&batch, ends_segment)
                    .map_err(unreadable(segment, header.base_offset))?;
                is_needed |= !matches!(fate, Fate::Keep);
                let written = match fate {
                    Fate::Keep => batch,
                    Fate::Replace(other) => other,
                    Fate::Drop => continue,
                };
                self.go_on(written.header().total_len())?;
                output.push(&written, self.config).map_err(LogError::Io)?;
            }
        }
        if is_needed {
            output.finish(self.state, end_offset)?;
        }
        Ok(is_needed)
    }
}

/// How many records a segment has from `offset` on, by its headers; a few more if a batch reaches
/// across.
fn count_records(segment: &Segment, offset: i64) -> Result<u64, ReadError> {
    let mut walk = segment.walk_to(offset)?;
    let mut records = 0;
    while let Some(batch) = walk.next_batch()? {
        if offset < batch.header.next_offset() {
            records += u64::from(batch.header.record_count.unsigned_abs());
        }
    }
    Ok(records)
}

fn unreadable(segment: &Segment, offset: i64) -> impl FnOnce(UnreadableRecords) -> CleanError {
    let path = segment.log().path();
    move |source| CleanError::Records {
        path,
        offset,
        source,
    }
}

#[cfg(test)]
#[path = "cleaner_tests.rs"]
mod tests;
