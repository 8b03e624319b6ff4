//! How far ahead of an active segment's end disk space is asked for.
//!
//! Blocks that are there already make appends 1.5 to 2 times cheaper. Asking for much at once would
//! waste space in every idle partition, so the step starts at nothing and grows with the rate: it
//! doubles when it lasted less than a second, and shrinks when it lasted long. The file's length
//! does not change, and what was not used is given back when the segment is sealed or closed.
//!
//! Space is wasted only where there is plenty: a step takes at most one part in [`SPARE_PARTS`] of
//! what the disk can spare, so that on a small or nearly full disk nothing is preallocated.

/// The smallest step; below this rate per second nothing is preallocated.
const STEP_MIN: u64 = 1 << 20;
/// The largest step: the space that a busy partition may waste.
const STEP_MAX: u64 = 32 << 20;
/// A step that lasted less than this was too small.
const SHORT_MS: i64 = 1000;
/// A step that lasted more than this was too large.
const LONG_MS: i64 = 4000;

/// One step takes at most so small a part of the space that the disk can spare.
const SPARE_PARTS: u64 = 16;

/// The state of one active segment's preallocation. Positions are bytes in its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preallocation {
    /// When the end of the file passes this, the next step is decided.
    step_end: u64,
    /// The present step; 0 while the rate is low and only observed.
    step: u64,
    step_began_ms: i64,
    /// Space was asked for up to here.
    allocated_end: u64,
}

/// Space to ask the file system for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) position: u64,
    pub(crate) len: u64,
}

impl Preallocation {
    /// Begins to observe a file of that size. `inherited` is the preallocation of the segment
    /// before, whose rate is the best guess.
    pub(crate) fn new(size: u64, now_ms: i64, inherited: Option<&Self>) -> Self {
        let step = inherited.map_or(0, |before| before.step);
        // With a step to go on with, the first write already asks for space.
        let step_end = if step == 0 { size + STEP_MIN } else { size };
        Self {
            step_end,
            step,
            step_began_ms: now_ms,
            allocated_end: size,
        }
    }

    /// A write will make the file end at `end`, and the segment will never be larger than
    /// `size_max`. The disk can spare `spare_bytes`. Returns what to preallocate first, if
    /// anything.
    pub(crate) fn before_write(
        &mut self,
        end: u64,
        size_max: u64,
        spare_bytes: u64,
        now_ms: i64,
    ) -> Option<Stretch> {
        if end <= self.step_end {
            return None;
        }
        let lasted_ms = now_ms - self.step_began_ms;
        self.step = if lasted_ms < SHORT_MS {
            (2 * self.step).clamp(STEP_MIN, STEP_MAX)
        } else if lasted_ms <= LONG_MS {
            self.step
        } else {
            // Too small to be worth it.
            if self.step <= STEP_MIN {
                0
            } else {
                self.step / 2
            }
        };
        if spare_bytes / SPARE_PARTS < self.step {
            self.step = 0;
        }
        self.step_began_ms = now_ms;
        self.step_end = end + self.step.max(STEP_MIN);
        let position = self.allocated_end.max(end);
        let allocate_to = (end + self.step).min(size_max.max(end));
        if self.step == 0 || allocate_to <= position {
            return None;
        }
        // The write itself fills what lies between the old end and `end`.
        self.allocated_end = allocate_to;
        Some(Stretch {
            position,
            len: allocate_to - position,
        })
    }

    /// Whether blocks behind a file of that size may have to be given back.
    pub(crate) fn reaches_beyond(&self, size: u64) -> bool {
        size < self.allocated_end
    }

    /// The file was cut to `size`, which gave back everything behind.
    pub(crate) fn cut_to(&mut self, size: u64) {
        self.allocated_end = size;
        self.step_end = self.step_end.min(size + STEP_MIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const SEGMENT: u64 = 1 << 30;

    /// Writes `bytes` per call, `interval_ms` apart; returns what was preallocated in the end and
    /// how often.
    fn write(bytes: u64, interval_ms: i64, times: u64) -> (u64, usize) {
        let mut preallocation = Preallocation::new(0, 0, None);
        let mut calls = 0;
        let mut end = 0;
        for n in 0..times {
            end += bytes;
            let now_ms = n as i64 * interval_ms;
            if let Some(stretch) = preallocation.before_write(end, SEGMENT, u64::MAX, now_ms) {
                assert!(
                    end <= stretch.position,
                    "only space that is not written now"
                );
                calls += 1;
            }
        }
        (preallocation.allocated_end.saturating_sub(end), calls)
    }

    #[test]
    fn a_slow_partition_preallocates_nothing() {
        assert_eq!(write(10_000, 1000, 1000), (0, 0));
    }

    #[test]
    fn a_fast_partition_preallocates_large_steps_seldom() {
        let (ahead, calls) = write(MIB, 5, 900);
        assert!(ahead <= STEP_MAX);
        assert!(calls < 900 / 20, "{calls} calls");
    }

    #[test]
    fn nothing_is_preallocated_beyond_the_largest_segment() {
        let mut preallocation = Preallocation::new(0, 0, None);
        let size_max = 5 * MIB;
        for end in 1..=5 {
            if let Some(stretch) = preallocation.before_write(end * MIB, size_max, u64::MAX, 0) {
                assert!(stretch.position + stretch.len <= size_max);
            }
        }
    }

    #[test]
    fn the_next_segment_goes_on_with_the_step_of_the_one_before() {
        let mut first = Preallocation::new(0, 0, None);
        for end in 1..100 {
            first.before_write(end * MIB, SEGMENT, u64::MAX, 0);
        }
        let mut second = Preallocation::new(0, 0, Some(&first));
        let stretch = second.before_write(MIB, SEGMENT, u64::MAX, 0);
        assert_eq!(
            stretch,
            Some(Stretch {
                position: MIB,
                len: STEP_MAX
            })
        );
    }

    #[test]
    fn a_disk_without_much_to_spare_is_left_alone() {
        let mut preallocation = Preallocation::new(0, 0, None);
        for end in 1..100 {
            let spare_bytes = SPARE_PARTS * STEP_MIN - 1;
            let stretch = preallocation.before_write(end * MIB, SEGMENT, spare_bytes, 0);
            assert_eq!(stretch, None);
        }
        let stretch = preallocation.before_write(100 * MIB, SEGMENT, SPARE_PARTS * STEP_MIN, 0);
        assert!(stretch.is_some_and(|stretch| stretch.len == STEP_MIN));
    }

    #[test]
    fn a_cut_file_has_nothing_preallocated() {
        let mut preallocation = Preallocation::new(0, 0, None);
        for end in 1..10 {
            preallocation.before_write(end * MIB, SEGMENT, u64::MAX, 0);
        }
        assert!(preallocation.reaches_beyond(9 * MIB));
        preallocation.cut_to(MIB);
        assert!(!preallocation.reaches_beyond(MIB));
    }
}
