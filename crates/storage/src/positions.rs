//! Batch positions kept in memory, so that reading what was written lately reads no file.
//!
//! Of each segment that this process appends to, [`SegmentPositions`] knows where every one of the
//! last batches starts, and before those one batch in every 64 KiB. A slice of the log that starts
//! and ends at known positions holds whole batches, exactly from the wanted offset on, and nobody
//! had to look. A consumer that starts at a known position ends at one, and so stays on known
//! positions for as long as it keeps up.
//!
//! **Invariants:**
//! - Between two neighbouring known positions there is either a single batch or at most
//!   [`SPARSE_BYTES`]: a larger distance is the exact length of the batch.
//! - The memory of all positions in the process is bounded by a [`PositionBudget`]. When it is
//!   used up, the oldest knowledge anywhere is forgotten, and reads there ask the disk.
//!
//! Nothing here touches a file, and no lock is held longer than a search in memory takes.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};

/// Every batch start is known for this many batches at the end of an active segment.
const RECENT_BATCHES: usize = 256;

/// Before those, one batch start is known for each stretch of this many bytes.
const SPARSE_BYTES: u32 = 64 << 10;

/// Sparse positions are allocated and forgotten in chunks of this many: 2 KiB, 16 MiB of log.
const CHUNK_POSITIONS: usize = 256;

/// Ends of slices that were handed out and are remembered, as reading goes on there.
const SERVED_ENDS: usize = 16;

/// What the process appended last is surely in the page cache, up to this many bytes.
const HOT_BYTES: u64 = 64 << 20;

/// How exactly that is known.
const HOT_MARK_BYTES: u32 = 1 << 20;

/// Bounds the memory of all known positions of a process, and counts what it appends.
#[derive(Debug)]
pub struct PositionBudget {
    chunks_max: usize,
    /// The owner of each chunk, oldest chunk first. Some may be gone already.
    chunks: Mutex<VecDeque<Weak<SegmentPositions>>>,
    /// Bytes appended to all logs since the process started.
    appended: AtomicU64,
}

impl PositionBudget {
    /// At most about this many bytes for all logs together; 1 MiB knows about 8 GiB of log.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            chunks_max: (bytes_max / (CHUNK_POSITIONS * size_of::<BatchStart>())).max(1),
            chunks: Mutex::default(),
            appended: AtomicU64::new(0),
        }
    }

    /// Accounts for a new chunk of `owner`, at the cost of the oldest one if there are too many.
    fn charge(&self, owner: &Arc<SegmentPositions>) {
        let oldest = {
            let mut chunks = self.chunks.lock();
            chunks.push_back(Arc::downgrade(owner));
            if self.chunks_max < chunks.len() {
                chunks.pop_front()
            } else {
                None
            }
        };
        if let Some(oldest) = oldest.and_then(|owner| owner.upgrade()) {
            oldest.forget_oldest_chunk();
        }
    }
}

/// Where a batch starts, or where the last one ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchStart {
    /// The batch's base offset minus the segment's.
    pub(crate) relative_offset: u32,
    /// Bytes from the start of the segment's file.
    pub(crate) position: u32,
}

/// What a reader wants of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// The first offset, relative to the segment's base offset.
    pub(crate) relative_offset: u32,
    /// Batches must end at or below this offset, relative to the segment's base offset.
    pub(crate) upper_relative_offset: u32,
    /// The most bytes.
    pub(crate) max_bytes: u32,
    /// The first batch may be larger.
    pub(crate) at_least_one: bool,
}

/// What memory tells about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Whole batches from `start` to `end`.
    Range {
        /// The wanted batch.
        start: BatchStart,
        /// The batch after the last one.
        end: BatchStart,
        /// It was appended so recently that it is surely in the page cache.
        hot: bool,
    },
    /// No batch below the upper offset, or none that fits.
    Nothing,
    /// The wanted offset or the end of its batch is not known.
    Unknown,
}

/// Known positions of one segment. Written by the log's writer, read by everybody.
#[derive(Debug)]
pub(crate) struct SegmentPositions {
    known: RwLock<Known>,
    served: Mutex<VecDeque<BatchStart>>,
}

#[derive(Debug)]
struct Known {
    /// Ascending within and across chunks.
    sparse: VecDeque<Vec<BatchStart>>,
    /// The last batches without gaps, above everything in `sparse`.
    recent: VecDeque<BatchStart>,
    /// Where the segment ends.
    end: BatchStart,
    hot_marks: VecDeque<HotMark>,
}

/// The state of the process-wide count of appended bytes when a position was written.
#[derive(Debug)]
struct HotMark {
    position: u32,
    appended: u64,
}

impl SegmentPositions {
    /// Knows nothing but where the segment ends.
    pub(crate) fn new(end: BatchStart) -> Arc<Self> {
        Arc::new(Self {
            known: RwLock::new(Known {
                sparse: VecDeque::new(),
                recent: VecDeque::new(),
                end,
                hot_marks: VecDeque::new(),
            }),
            served: Mutex::default(),
        })
    }

    /// Where the segment ends.
    #[cfg(test)]
    pub(crate) fn end(&self) -> BatchStart {
        self.known.read().end
    }

    /// Batches were written at `starts`, which begin where the segment ended, up to `end`.
    pub(crate) fn append(
        self: &Arc<Self>,
        budget: &PositionBudget,
        starts: impl IntoIterator<Item = BatchStart>,
        end: BatchStart,
    ) {
        let mut known = self.known.write();
        let bytes = u64::from(end.position - known.end.position);
        let appended = budget.appended.fetch_add(bytes, Ordering::Relaxed);
        known.mark_hot(appended);
        let mut new_chunks = 0;
        for start in starts {
            known.recent.push_back(start);
            if RECENT_BATCHES < known.recent.len() {
                new_chunks += known.thin_out_oldest_recent();
            }
        }
        known.end = end;
        drop(known);
        for _ in 0..new_chunks {
            budget.charge(self);
        }
    }

    /// Nothing will be appended any more: a sparse knowledge of everything will do.
    pub(crate) fn seal(self: &Arc<Self>, budget: &PositionBudget) {
        let mut known = self.known.write();
        let mut new_chunks = 0;
        while !known.recent.is_empty() {
            new_chunks += known.thin_out_oldest_recent();
        }
        known.recent.shrink_to_fit();
        drop(known);
        for _ in 0..new_chunks {
            budget.charge(self);
        }
    }

    /// The segment was cut and now ends at `end`, which is where a batch started.
    pub(crate) fn truncate(&self, end: BatchStart) {
        let mut known = self.known.write();
        let stays = |start: &BatchStart| start.position < end.position;
        for chunk in &mut known.sparse {
            chunk.retain(stays);
        }
        known.sparse.retain(|chunk| !chunk.is_empty());
        known.recent.retain(stays);
        known.hot_marks.retain(|mark| mark.position < end.position);
        known.end = end;
        self.served.lock().clear();
    }

    /// Finds whole batches from the wanted offset on.
    pub(crate) fn find(&self, budget: &PositionBudget, wanted: &Wanted) -> Found {
        let found = {
            let known = self.known.read();
            let start = known
                .exactly(wanted.relative_offset)
                .or_else(|| self.was_served(wanted));
            match start {
                Some(start) if wanted.upper_relative_offset <= start.relative_offset => {
                    // The reader will come back here when there is more.
                    self.remember_served(start);
                    Found::Nothing
                }
                Some(start) => known.range_from(start, wanted, budget),
                None => Found::Unknown,
            }
        };
        if let Found::Range { end, .. } = found {
            self.remember_served(end);
        }
        found
    }

    /// A read that asked the disk ended here, and will go on here.
    pub(crate) fn remember_served(&self, end: BatchStart) {
        let mut served = self.served.lock();
        if served.contains(&end) {
            return;
        }
        if served.len() == SERVED_ENDS {
            served.pop_front();
        }
        served.push_back(end);
    }

    /// Where an earlier read ended, if the wanted one starts there.
    pub(crate) fn was_served(&self, wanted: &Wanted) -> Option<BatchStart> {
        let served = self.served.lock();
        served
            .iter()
            .find(|end| end.relative_offset == wanted.relative_offset)
            .copied()
    }

    fn forget_oldest_chunk(&self) {
        self.known.write().sparse.pop_front();
    }
}

impl Known {
    /// Moves the oldest recent start to the sparse ones, or drops it if they do well without.
    /// Returns the number of chunks that became necessary.
    fn thin_out_oldest_recent(&mut self) -> usize {
        let Some(start) = self.recent.pop_front() else {
            return 0;
        };
        let next = self.recent.front().unwrap_or(&self.end);
        let last_sparse = self.sparse.back().and_then(|chunk| chunk.last());
        if last_sparse.is_some_and(|last| next.position - last.position <= SPARSE_BYTES) {
            return 0;
        }
        let has_room = |chunk: &Vec<_>| chunk.len() < CHUNK_POSITIONS;
        let begins_chunk = !self.sparse.back().is_some_and(has_room);
        if begins_chunk {
            self.sparse.push_back(Vec::with_capacity(CHUNK_POSITIONS));
        }
        if let Some(chunk) = self.sparse.back_mut() {
            chunk.push(start);
        }
        usize::from(begins_chunk)
    }

    /// Remembers how much the process had appended when this segment ended where it ends now.
    fn mark_hot(&mut self, appended: u64) {
        let position = self.end.position;
        let due = self
            .hot_marks
            .back()
            .is_none_or(|last| HOT_MARK_BYTES <= position.saturating_sub(last.position));
        if due {
            self.hot_marks.push_back(HotMark { position, appended });
        }
        while self
            .hot_marks
            .front()
            .is_some_and(|mark| mark.appended + HOT_BYTES < appended)
        {
            self.hot_marks.pop_front();
        }
    }

    fn is_hot(&self, position: u32, budget: &PositionBudget) -> bool {
        let appended = budget.appended.load(Ordering::Relaxed);
        let cold_marks = self
            .hot_marks
            .partition_point(|mark| mark.appended + HOT_BYTES < appended);
        self.hot_marks
            .get(cold_marks)
            .is_some_and(|mark| mark.position <= position)
    }

    /// The known batch that starts at this very offset.
    fn exactly(&self, relative_offset: u32) -> Option<BatchStart> {
        self.last_such_that(|start| start.relative_offset <= relative_offset)
            .filter(|start| start.relative_offset == relative_offset)
    }

    /// The last known position, the end included, for which `holds`; it must hold for all up to
    /// some point, and for none from there on.
    fn last_such_that(&self, holds: impl Fn(&BatchStart) -> bool) -> Option<BatchStart> {
        if holds(&self.end) {
            return Some(self.end);
        }
        if let Some(last) = self.recent.partition_point(&holds).checked_sub(1) {
            return self.recent.get(last).copied();
        }
        let chunk = self
            .sparse
            .partition_point(|chunk| chunk.first().is_some_and(&holds));
        let chunk = self.sparse.get(chunk.checked_sub(1)?)?;
        chunk
            .get(chunk.partition_point(holds).checked_sub(1)?)
            .copied()
    }

    /// The first known position above `position`.
    fn first_above(&self, position: u32) -> BatchStart {
        let below = |start: &BatchStart| start.position <= position;
        if let Some(last) = self.sparse.back().and_then(|chunk| chunk.last())
            && position < last.position
        {
            let chunk = self
                .sparse
                .partition_point(|chunk| chunk.last().is_some_and(below));
            let chunk = self.sparse.get(chunk).map_or(&[][..], Vec::as_slice);
            return chunk
                .get(chunk.partition_point(below))
                .copied()
                .unwrap_or(*last);
        }
        self.recent
            .get(self.recent.partition_point(below))
            .copied()
            .unwrap_or(self.end)
    }

    fn range_from(&self, start: BatchStart, wanted: &Wanted, budget: &PositionBudget) -> Found {
        let hot = self.is_hot(start.position, budget);
        let position_max = start.position.saturating_add(wanted.max_bytes);
        let end = self.last_such_that(|end| {
            end.position <= position_max && end.relative_offset <= wanted.upper_relative_offset
        });
        if let Some(end) = end.filter(|end| start.position < end.position) {
            return Found::Range { start, end, hot };
        }
        // Not even the first batch fits, as far as positions are known.
        let next = self.first_above(start.position);
        let exact = self
            .recent
            .front()
            .is_some_and(|first| first.position <= start.position)
            || SPARSE_BYTES < next.position - start.position
                && self.exactly(start.relative_offset).is_some();
        if !exact {
            Found::Unknown
        } else if wanted.upper_relative_offset < next.relative_offset || !wanted.at_least_one {
            Found::Nothing
        } else {
            Found::Range {
                start,
                end: next,
                hot,
            }
        }
    }
}

#[cfg(test)]
#[path = "positions_tests.rs"]
mod tests;
