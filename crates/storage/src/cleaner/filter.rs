//! What becomes of a batch when a log is compacted. Pure.
//!
//! A record stays if its key has no later one in the part of the log that is known to the map; a
//! tombstone, until the delete horizon that its batch was stamped with when it was first cleaned
//! (KIP-534). A batch that loses all its records goes, unless somebody needs its header: the
//! producer whose last batch it is, or the end of the segment.
//!
//! Data of transactions is left alone, as long as nothing here knows which were aborted.

use std::collections::{HashMap, HashSet};

use odradek_protocol::records::{
    BatchHeader, BatchRecords, BatchRewriter, Record, RecordBatch,
    compression::decompress::DecompressError, encoding::MalformedRecord, rewrite::without_records,
};

use super::offset_map::OffsetMap;

/// What one pass over a log knows.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    /// The last offset of each key below `mapped_to`.
    pub(super) last_offsets: &'a OffsetMap,
    /// Batches from here on are not looked at.
    pub(super) mapped_to: i64,
    /// The last offset of the last batch of each producer that is remembered.
    pub(super) producers: HashMap<i64, i64>,
    /// The time now, in ms since the Unix epoch.
    pub(super) now_ms: i64,
    /// How long a tombstone stays after it was first cleaned, in ms.
    pub(super) delete_retention_ms: u64,
    /// Producers of transactions that have data in what was read so far, and no end.
    pub(super) open_transactions: HashSet<i64>,
}

/// What becomes of a batch.
#[derive(Debug)]
pub(super) enum Fate {
    /// It stays as it is, byte by byte.
    Keep,
    /// This takes its place.
    Replace(RecordBatch),
    /// It goes.
    Drop,
}

/// Why the records of a batch cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableRecords {
    /// They cannot be decompressed.
    #[error(transparent)]
    Decompress(#[from] DecompressError),
    /// They are not laid out as records are.
    #[error(transparent)]
    Malformed(#[from] MalformedRecord),
}

/// What a first look at the records of a batch tells.
#[derive(Debug, Default)]
struct Census {
    kept: i32,
    kept_tombstones: bool,
}

impl Filter<'_> {
    /// Decides about the next batch of the log. `ends_segment`: the segment that it is written to
    /// has to end with it.
    pub(super) fn apply(
        &mut self,
        batch: &RecordBatch,
        ends_segment: bool,
    ) -> Result<Fate, UnreadableRecords> {
        let header = batch.header();
        if self.mapped_to <= header.base_offset {
            return Ok(Fate::Keep);
        }
        if header.attributes.is_control() {
            return self.apply_to_marker(batch, ends_segment);
        }
        if header.attributes.is_transactional() && header.record_count != 0 {
            self.open_transactions.insert(header.producer_id);
            return Ok(Fate::Keep);
        }
        let records = BatchRecords::read(batch)?;
        let census = self.count(&records, header)?;
        if census.kept == 0 {
            return Ok(self.without_records(header, ends_segment));
        }
        let stamp = census.kept_tombstones && !header.attributes.has_delete_horizon();
        if census.kept == header.record_count && !stamp {
            return Ok(Fate::Keep);
        }
        self.rewrite(header, &records, stamp)
    }

    /// The end of a transaction goes when no data of the transaction is left, and then only after
    /// the delete horizon, so that a reader who is in the middle of it sees the end.
    fn apply_to_marker(
        &mut self,
        batch: &RecordBatch,
        ends_segment: bool,
    ) -> Result<Fate, UnreadableRecords> {
        let header = batch.header();
        if self.open_transactions.remove(&header.producer_id) {
            return Ok(Fate::Keep);
        }
        if header.record_count == 0 || self.is_past_horizon(header) {
            return Ok(self.without_records(header, ends_segment));
        }
        if header.attributes.has_delete_horizon() {
            return Ok(Fate::Keep);
        }
        let mut rewriter = BatchRewriter::with_delete_horizon(header, self.new_horizon());
        for record in &BatchRecords::read(batch)? {
            if rewriter.push(&record?).is_err() {
                return Ok(Fate::Keep);
            }
        }
        Ok(Fate::Replace(rewriter.build()))
    }

    fn count(
        &self,
        records: &BatchRecords,
        header: &BatchHeader,
    ) -> Result<Census, UnreadableRecords> {
        let mut census = Census::default();
        for record in records {
            let record = record?;
            if self.stays(&record, header) {
                census.kept += 1;
                census.kept_tombstones |= record.value.is_none();
            }
        }
        Ok(census)
    }

    /// A record without a key has no place in a compacted topic: it is from before the topic was.
    fn stays(&self, record: &Record<'_>, header: &BatchHeader) -> bool {
        let is_last = record.key.is_some_and(|key| {
            let last_offset = self.last_offsets.get(key);
            last_offset.is_none_or(|last_offset| last_offset <= record.offset)
        });
        is_last && (record.value.is_some() || !self.is_past_horizon(header))
    }

    fn is_past_horizon(&self, header: &BatchHeader) -> bool {
        header.attributes.has_delete_horizon() && header.base_timestamp <= self.now_ms
    }

    fn new_horizon(&self) -> i64 {
        self.now_ms
            .saturating_add_unsigned(self.delete_retention_ms)
    }

    fn rewrite(
        &self,
        header: &BatchHeader,
        records: &BatchRecords,
        stamp: bool,
    ) -> Result<Fate, UnreadableRecords> {
        let mut rewriter = if stamp {
            BatchRewriter::with_delete_horizon(header, self.new_horizon())
        } else {
            BatchRewriter::new(header)
        };
        for record in records {
            let record = record?;
            if self.stays(&record, header) && rewriter.push(&record).is_err() {
                // Its tombstones stay for good, which costs space. Without a stamp all timestamps
                // are as far from the base timestamp as they were.
                return self.rewrite(header, records, false);
            }
        }
        Ok(Fate::Replace(rewriter.build()))
    }

    fn without_records(&self, header: &BatchHeader, ends_segment: bool) -> Fate {
        let is_last_of_producer = header.has_producer_id()
            && self.producers.get(&header.producer_id) == Some(&header.last_offset());
        if !ends_segment && !is_last_of_producer {
            Fate::Drop
        } else if header.record_count == 0 {
            Fate::Keep
        } else {
            Fate::Replace(without_records(header))
        }
    }
}

/// Notes the last offset of each key in a batch, from `dirty_from` on.
pub(super) fn map_keys(
    batch: &RecordBatch,
    dirty_from: i64,
    map: &mut OffsetMap,
) -> Result<(), UnreadableRecords> {
    let attributes = batch.header().attributes;
    // Of a transaction nobody knows here whether it was aborted: it hides no other record.
    if attributes.is_control() || attributes.is_transactional() {
        return Ok(());
    }
    for record in &BatchRecords::read(batch)? {
        let record = record?;
        if let Some(key) = record.key
            && dirty_from <= record.offset
        {
            map.put(key, record.offset);
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
