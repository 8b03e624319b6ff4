//! What one answer holds for one partition, taken out record by record. Pure.
//!
//! **Invariants:**
//! - Records below the position are not shown: a broker sends whole batches.
//! - Control records are never shown, and with `read_committed` neither are those of transactions
//!   that were aborted.
//! - The position moves over what is not shown, and over offsets that compaction has emptied.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use odradek_protocol::{
    messages::fetch::AbortedTransaction,
    records::{
        BatchError, BatchRecords, Batches, RecordBatch,
        control::{EndTransactionMarker, Outcome},
    },
};

use super::{assignment::Position, record::ConsumerRecord};
use crate::error::Error;

/// Which partition it is of.
pub(crate) type Place = (Arc<str>, i32);

/// Records that arrived and were not handed out yet.
#[derive(Debug)]
pub(crate) struct Chunk {
    place: Place,
    /// The next offset that is wanted.
    position: i64,
    batches: Batches,
    /// Of the batch that is being read.
    ready: VecDeque<ConsumerRecord>,
    /// Where the position goes once `ready` is empty.
    batch_end: i64,
    /// The leader epoch of the batch that is being read.
    leader_epoch: i32,
    check_crcs: bool,
    /// Aborted transactions by the first offset of each; those that begin later come last.
    aborted: VecDeque<AbortedTransaction>,
    /// Producers in the middle of a transaction that was aborted.
    aborting: BTreeSet<i64>,
}

impl Chunk {
    /// The records of an answer from `position` on. `aborted` is empty unless uncommitted ones
    /// are not to be shown.
    pub(crate) fn new(
        place: Place,
        position: i64,
        records: Bytes,
        mut aborted: Vec<AbortedTransaction>,
        check_crcs: bool,
    ) -> Self {
        aborted.sort_by_key(|transaction| transaction.first_offset);
        Self {
            place,
            position,
            batches: Batches::new(records),
            ready: VecDeque::new(),
            batch_end: position,
            leader_epoch: -1,
            check_crcs,
            aborted: aborted.into(),
            aborting: BTreeSet::new(),
        }
    }

    /// The offset after everything that was handed out or passed over.
    pub(crate) const fn reached(&self) -> Position {
        Position {
            offset: self.position,
            leader_epoch: self.leader_epoch,
        }
    }

    /// The next record to show. After an error there is nothing more; the position stays at what
    /// could not be read.
    pub(crate) fn next(&mut self) -> Option<Result<ConsumerRecord, Error>> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                self.position = record.offset + 1;
                return Some(Ok(record));
            }
            self.position = self.position.max(self.batch_end);
            match self.batches.next()? {
                Ok(batch) => {
                    if let Err(reason) = self.open(&batch) {
                        self.batches = Batches::new(Bytes::new());
                        return Some(Err(self.unreadable(reason)));
                    }
                }
                // The end of the answer, in the middle of a batch that will come with the next.
                Err(BatchError::Incomplete { .. }) => return None,
                Err(error) => return Some(Err(self.unreadable(error.to_string()))),
            }
        }
    }

    fn unreadable(&self, reason: String) -> Error {
        Error::Unreadable {
            topic: Arc::clone(&self.place.0),
            partition: self.place.1,
            offset: self.position,
            reason,
        }
    }

    /// Reads a batch, and notes what of it is to be shown.
    fn open(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let header = batch.header();
        if header.next_offset() <= self.position {
            return Ok(());
        }
        if self.check_crcs {
            batch.verify_crc().map_err(|error| error.to_string())?;
        }
        self.batch_end = header.next_offset();
        self.leader_epoch = header.partition_leader_epoch;
        self.begin_aborted(header.last_offset());
        let records = BatchRecords::read(batch).map_err(|error| error.to_string())?;
        if header.attributes.is_control() {
            self.end_transactions(&records, header.producer_id);
            return Ok(());
        }
        if header.attributes.is_transactional() && self.aborting.contains(&header.producer_id) {
            return Ok(());
        }
        for record in &records {
            let record = record.map_err(|error| error.to_string())?;
            if record.offset < self.position {
                continue;
            }
            let share = |field: &[u8]| records.share(field);
            self.ready.push_back(ConsumerRecord {
                topic: Arc::clone(&self.place.0),
                partition: self.place.1,
                offset: record.offset,
                leader_epoch: header.partition_leader_epoch,
                timestamp_ms: record.timestamp,
                timestamp_type: header.attributes.timestamp_type(),
                key: record.key.map(share),
                value: record.value.map(share),
                headers: record
                    .headers
                    .map(|(key, value)| (share(key), value.map(share)))
                    .collect(),
            });
        }
        Ok(())
    }

    /// Aborted transactions that have begun by this offset.
    fn begin_aborted(&mut self, last_offset: i64) {
        while let Some(transaction) = self
            .aborted
            .pop_front_if(|transaction| transaction.first_offset <= last_offset)
        {
            self.aborting.insert(transaction.producer_id);
        }
    }

    /// A marker ends its producer's transaction.
    fn end_transactions(&mut self, records: &BatchRecords, producer_id: i64) {
        let markers = records.iter().flatten();
        let mut markers = markers.filter_map(|record| EndTransactionMarker::parse(&record));
        if markers.any(|marker| marker.outcome == Outcome::Abort) {
            self.aborting.remove(&producer_id);
        }
    }
}

#[cfg(test)]
#[path = "chunk_tests.rs"]
mod tests;
