//! What of a log may be cleaned, whether that is worth it, and in which portions.
//!
//! The *clean* part of a log has been compacted up to some offset, the *dirty* part behind it has
//! not. What may be cleaned ends where the first segment does not lie wholly below the last stable
//! offset, is active, or has records too young (`min.compaction.lag.ms`).

use std::ops::Range;

use crate::{
    config::LogConfig, disk::Disk, error::ReadError, segment::Segment, segments::Segments,
};

/// What there is to clean.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cleanable {
    /// Where the dirty part begins.
    pub dirty_from: i64,
    /// Where it ends, as far as it may be cleaned: at the start of a segment.
    pub dirty_to: i64,
    /// Bytes of segments before the dirty part.
    pub clean_bytes: u64,
    /// Bytes of segments with records in the dirty part.
    pub dirty_bytes: u64,
    /// A record has waited longer than `max.compaction.lag.ms`.
    pub is_overdue: bool,
}

impl Cleanable {
    /// The part of the cleanable bytes that is dirty, from 0 to 1.
    pub fn dirty_ratio(&self) -> f64 {
        if self.dirty_bytes == 0 {
            return 0.0;
        }
        self.dirty_bytes as f64 / (self.clean_bytes + self.dirty_bytes) as f64
    }

    /// Whether cleaning is due: enough of the log is dirty, or something of it for too long.
    pub fn is_due(&self, config: &LogConfig) -> bool {
        let is_dirty_enough = config.min_cleanable_dirty_ratio < self.dirty_ratio();
        0 < self.dirty_bytes && (is_dirty_enough || self.is_overdue)
    }
}

/// Where a log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Cleaned up to here, by the cleaner's own checkpoint. An offset outside the log counts as
    /// none.
    pub cleaned_to: i64,
    /// The last stable offset: nothing at or above it is touched.
    pub last_stable_offset: i64,
    /// The time now, in ms since the Unix epoch.
    pub now_ms: i64,
}

/// Finds out what may be cleaned of a log that starts at `log_start_offset`.
pub(super) fn cleanable(
    segments: &Segments,
    log_start_offset: i64,
    config: &LogConfig,
    standing: Standing,
    disk: &dyn Disk,
) -> Result<Cleanable, ReadError> {
    let active_from = segments.active().base_offset();
    let is_known = (log_start_offset..=active_from).contains(&standing.cleaned_to);
    let dirty_from = if is_known {
        standing.cleaned_to
    } else {
        log_start_offset
    };
    let mut cleanable = Cleanable {
        dirty_from,
        dirty_to: dirty_from,
        clean_bytes: 0,
        dirty_bytes: 0,
        is_overdue: false,
    };
    for (index, segment) in segments.iter().enumerate() {
        let end_offset = segments.end_offset(index, i64::MAX);
        if active_from < end_offset || standing.last_stable_offset < end_offset {
            break;
        }
        if end_offset <= log_start_offset {
            continue;
        }
        let size = u64::from(segment.size());
        if end_offset <= dirty_from {
            cleanable.clean_bytes += size;
            continue;
        }
        let newest_ms = segment.newest_ms(disk)?;
        if is_within(newest_ms, config.min_compaction_lag_ms, standing.now_ms) {
            break;
        }
        cleanable.dirty_bytes += size;
        cleanable.dirty_to = end_offset;
        cleanable.is_overdue |= is_overdue(segment, config, standing.now_ms)?;
    }
    Ok(cleanable)
}

/// Whether less than `lag_ms` have passed since `then_ms`.
fn is_within(then_ms: i64, lag_ms: u64, now_ms: i64) -> bool {
    0 < lag_ms && now_ms < then_ms.saturating_add_unsigned(lag_ms)
}

fn is_overdue(segment: &Segment, config: &LogConfig, now_ms: i64) -> Result<bool, ReadError> {
    let lag_ms = config.max_compaction_lag_ms;
    if i64::try_from(lag_ms).is_ok_and(|lag_ms| lag_ms < i64::MAX)
        && let Some(oldest_ms) = segment.first_timestamp()?
    {
        return Ok(!is_within(oldest_ms, lag_ms, now_ms));
    }
    Ok(false)
}

/// A segment, as far as its neighbours have to know before they become one with it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portion {
    pub(super) base_offset: i64,
    pub(super) end_offset: i64,
    pub(super) log_bytes: u64,
    pub(super) offset_index_bytes: u64,
    pub(super) time_index_bytes: u64,
}

/// Divides neighbouring segments into groups, each of which fits into one segment even if none of
/// its records goes.
pub(super) fn groups(portions: &[Portion], config: &LogConfig) -> Vec<Range<usize>> {
    let index_bytes_max = u64::from(config.segment_index_bytes);
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut sum: Option<Portion> = None;
    for (index, next) in portions.iter().enumerate() {
        let joined = sum.map(|sum| sum.joined_with(next)).filter(|joined| {
            joined.log_bytes <= u64::from(config.segment_bytes)
                && joined.offset_index_bytes <= index_bytes_max
                && joined.time_index_bytes <= index_bytes_max
                && joined.end_offset - joined.base_offset <= i64::from(i32::MAX)
        });
        match groups.last_mut() {
            Some(group) if joined.is_some() => group.end = index + 1,
            _ => groups.push(index..index + 1),
        }
        sum = joined.or(Some(*next));
    }
    groups
}

impl Portion {
    fn joined_with(&self, next: &Self) -> Self {
        Self {
            base_offset: self.base_offset,
            end_offset: next.end_offset,
            log_bytes: self.log_bytes + next.log_bytes,
            offset_index_bytes: self.offset_index_bytes + next.offset_index_bytes,
            time_index_bytes: self.time_index_bytes + next.time_index_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portion(base_offset: i64, end_offset: i64, log_bytes: u64) -> Portion {
        Portion {
            base_offset,
            end_offset,
            log_bytes,
            offset_index_bytes: 80,
            time_index_bytes: 120,
        }
    }

    fn config() -> LogConfig {
        LogConfig {
            segment_bytes: 1000,
            segment_index_bytes: 400,
            ..LogConfig::default()
        }
    }

    #[test]
    fn small_neighbours_become_one_segment_as_long_as_it_fits() {
        let sizes = [600, 400, 1, 1000, 300, 300, 300, 200];
        let portions: Vec<_> = (0..)
            .zip(sizes)
            .map(|(index, size)| portion(10 * index, 10 * index + 10, size))
            .collect();
        assert_eq!(groups(&portions, &config()), [0..2, 2..3, 3..4, 4..7, 7..8]);
        assert_eq!(groups(&portions[..1], &config()).len(), 1);
        assert_eq!(groups(&[], &config()), []);
    }

    #[test]
    fn indexes_and_offsets_bound_a_group_too() {
        let portions = [0, 10, 20, 30].map(|offset| portion(offset, offset + 10, 1));
        // Three time indexes of 120 bytes fit into 400.
        assert_eq!(groups(&portions, &config()), [0..3, 3..4]);
        let far = i64::from(i32::MAX) - 5;
        let portions = [
            portion(0, 10, 1),
            portion(10, far, 1),
            portion(far, far + 10, 1),
        ];
        assert_eq!(groups(&portions, &config()), [0..2, 2..3]);
    }

    #[test]
    fn cleaning_is_due_when_enough_is_dirty_or_something_for_too_long() {
        let mut cleanable = Cleanable {
            dirty_from: 0,
            dirty_to: 10,
            clean_bytes: 100,
            dirty_bytes: 100,
            is_overdue: false,
        };
        let config = LogConfig::default();
        assert!(!cleanable.is_due(&config), "{}", cleanable.dirty_ratio());
        cleanable.dirty_bytes = 101;
        assert!(cleanable.is_due(&config));
        cleanable.dirty_bytes = 1;
        assert!(!cleanable.is_due(&config));
        cleanable.is_overdue = true;
        assert!(cleanable.is_due(&config));
        cleanable.dirty_bytes = 0;
        assert!(!cleanable.is_due(&config));
    }
}
