//! The ordered segments of a log. An immutable list: a change makes a new one, so that readers
//! keep theirs without a lock.

use std::sync::Arc;

use crate::segment::Segment;

/// Segments by ascending base offset, the active one last. Never empty.
#[derive(Debug, Clone)]
pub(crate) struct Segments {
    list: Vec<Arc<Segment>>,
}

impl Segments {
    /// Takes the segments of a log.
    ///
    /// # Panics
    /// If there is none, or they are not in order: the caller made them.
    pub(crate) fn new(list: Vec<Arc<Segment>>) -> Self {
        assert!(!list.is_empty(), "a log always has an active segment");
        assert!(list.is_sorted_by(|a, b| a.base_offset() < b.base_offset()));
        Self { list }
    }

    /// All of them, oldest first.
    pub(crate) fn iter(
        &self,
    ) -> impl DoubleEndedIterator<Item = &Arc<Segment>> + ExactSizeIterator {
        self.list.iter()
    }

    /// The oldest one.
    pub(crate) fn first(&self) -> &Arc<Segment> {
        self.list.first().expect("never empty")
    }

    /// The one that is written to.
    pub(crate) fn active(&self) -> &Arc<Segment> {
        self.list.last().expect("never empty")
    }

    /// Index of the segment that holds `offset` if any does; `None` below the first one.
    pub(crate) fn index_of(&self, offset: i64) -> Option<usize> {
        self.list
            .partition_point(|segment| segment.base_offset() <= offset)
            .checked_sub(1)
    }

    /// The segment with that index.
    pub(crate) fn get(&self, index: usize) -> Option<&Arc<Segment>> {
        self.list.get(index)
    }

    /// Where the segment with that index ends in a log that ends at `log_end_offset`.
    pub(crate) fn end_offset(&self, index: usize, log_end_offset: i64) -> i64 {
        self.list
            .get(index + 1)
            .map_or(log_end_offset, |next| next.base_offset())
    }

    /// The same list with a new active segment.
    pub(crate) fn with_active(&self, segment: Arc<Segment>) -> Self {
        let mut list = self.list.clone();
        list.push(segment);
        Self::new(list)
    }

    /// Whether these neighbours are in the list.
    pub(crate) fn hold(&self, neighbours: &[Arc<Segment>]) -> bool {
        self.position_of(neighbours).is_some()
    }

    /// The same list with `merged` in the place of these neighbours, which must be in it.
    pub(crate) fn with_merged(&self, neighbours: &[Arc<Segment>], merged: &Arc<Segment>) -> Self {
        let mut list = self.list.clone();
        let at = self.position_of(neighbours).expect("the caller has looked");
        list.splice(at..at + neighbours.len(), [Arc::clone(merged)]);
        Self::new(list)
    }

    fn position_of(&self, neighbours: &[Arc<Segment>]) -> Option<usize> {
        let same = |(a, b): (&Arc<Segment>, &Arc<Segment>)| Arc::ptr_eq(a, b);
        self.list
            .windows(neighbours.len().max(1))
            .position(|window| window.iter().zip(neighbours).all(same))
    }

    /// The same list without its first `count` segments, of which one must be left.
    pub(crate) fn without_first(&self, count: usize) -> Self {
        Self::new(self.list.get(count..).unwrap_or_default().to_vec())
    }

    /// The same list with only its first `count` segments, of which there must be one.
    pub(crate) fn first_only(&self, count: usize) -> Self {
        Self::new(self.list.get(..count).unwrap_or(&self.list).to_vec())
    }

    /// Bytes in all segments.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.list
            .iter()
            .map(|segment| u64::from(segment.size()))
            .sum()
    }
}
