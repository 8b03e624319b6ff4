//! A batch on its way from the first record to its outcome.

use odradek_protocol::records::{BatchBuilder, BatchRecords, Compression, Record, RecordBatch};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{
    delivery::{Delivered, Delivery, Promise},
    lane::Identity,
    record::ProducerRecord,
};
use crate::error::Error;

/// A batch that still takes records.
#[derive(Debug)]
pub(crate) struct OpenBatch {
    builder: BatchBuilder,
    promise: Promise,
    /// When its first record came.
    pub(crate) begun_at: Instant,
    /// It takes no more records.
    pub(crate) is_full: bool,
    /// Of the producer's memory; given back with the outcome.
    memory: Option<OwnedSemaphorePermit>,
}

/// A batch that is complete, and stays the same however often it is sent.
#[derive(Debug)]
pub(crate) struct SealedBatch {
    pub(crate) records: RecordBatch,
    pub(crate) begun_at: Instant,
    promise: Promise,
    memory: Option<OwnedSemaphorePermit>,
}

impl OpenBatch {
    /// A batch without records.
    pub(crate) fn begin(promise: Promise, now: Instant) -> Self {
        Self {
            builder: BatchBuilder::new(),
            promise,
            begun_at: now,
            is_full: false,
            memory: None,
        }
    }

    /// Adds a record with the memory that it was given.
    pub(crate) fn push(
        &mut self,
        record: &ProducerRecord,
        partition: i32,
        timestamp_ms: i64,
        memory: OwnedSemaphorePermit,
    ) -> Delivery {
        match &mut self.memory {
            Some(held) => held.merge(memory),
            None => self.memory = Some(memory),
        }
        let index = self.builder.record_count();
        let headers = record.headers.iter();
        self.builder.push(
            timestamp_ms,
            record.key.as_deref(),
            record.value.as_deref(),
            headers.map(|(key, value)| (key.as_bytes(), value.as_deref())),
        );
        let topic = &record.topic;
        self.promise.delivery(topic, partition, index, timestamp_ms)
    }

    /// Bytes before compression.
    pub(crate) fn bytes(&self) -> usize {
        self.builder.total_len()
    }

    /// How many records it has.
    pub(crate) fn record_count(&self) -> i32 {
        self.builder.record_count()
    }

    /// Completes the batch, and compresses it; under that producer id, epoch and sequence number if
    /// it has one.
    pub(crate) fn seal(
        self,
        compression: Compression,
        numbered: Option<(Identity, i32)>,
    ) -> SealedBatch {
        let mut builder = self.builder.compression(compression);
        if let Some((identity, sequence)) = numbered {
            builder = builder.producer(identity.producer_id, identity.epoch, sequence);
        }
        SealedBatch {
            records: builder.build(),
            begun_at: self.begun_at,
            promise: self.promise,
            memory: self.memory,
        }
    }

    /// Gives up on it before it was ever sent.
    pub(crate) fn fail(self, error: Error) {
        self.promise.keep(Err(error));
    }
}

impl SealedBatch {
    /// Tells everybody who sent a record of it.
    pub(crate) fn tell(self, outcome: Result<Delivered, Error>) {
        self.promise.keep(outcome);
    }

    /// Its records in two batches that are about as large, compressed as they were. `None` if it
    /// has not even two.
    pub(crate) fn halves(&self) -> Option<[RecordBatch; 2]> {
        halves(&self.records)
    }

    /// Two batches in place of this one, with its [`halves`](Self::halves).
    pub(crate) fn split(self, [first, second]: [RecordBatch; 2]) -> [Self; 2] {
        let Self {
            records: _,
            begun_at,
            promise,
            mut memory,
        } = self;
        let of_second = memory
            .as_mut()
            .and_then(|it| it.split(it.num_permits() / 2));
        let [of_first, promise_of_second] = promise.split(first.header().record_count);
        let part = |records, promise, memory| Self {
            records,
            begun_at,
            promise,
            memory,
        };
        [
            part(first, of_first, memory),
            part(second, promise_of_second, of_second),
        ]
    }

    /// Bytes as they are sent.
    pub(crate) fn bytes(&self) -> usize {
        self.records.header().total_len()
    }
}

fn halves(batch: &RecordBatch) -> Option<[RecordBatch; 2]> {
    if batch.header().record_count < 2 {
        return None;
    }
    // We made it, so it can be read.
    let records = BatchRecords::read(batch).ok()?;
    let records: Vec<_> = records.iter().collect::<Result<_, _>>().ok()?;
    let compression = batch.header().attributes.compression();
    let mut parts = [(); 2].map(|()| BatchBuilder::new().compression(compression));
    let size = |record: &Record<'_>| {
        record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len)
    };
    let all: usize = records.iter().map(size).sum();
    let last = records.len() - 1;
    let mut before = 0;
    for (index, record) in records.iter().enumerate() {
        // Neither is left empty, whatever the sizes.
        let is_first = index == 0 || index < last && before < all / 2;
        let [first, second] = &mut parts;
        let part = if is_first { first } else { second };
        part.push(
            record.timestamp,
            record.key,
            record.value,
            record.headers.clone(),
        );
        before += size(record);
    }
    Some(parts.map(BatchBuilder::build))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::producer::delivery::Promises;

    /// A batch of values of these sizes, a byte of memory each, and the memory.
    fn batch(sizes: &[usize], compression: Compression) -> (SealedBatch, Arc<Semaphore>) {
        let memory = Arc::new(Semaphore::new(sizes.len()));
        let mut batch = OpenBatch::begin(Arc::<Promises>::default().make(), Instant::now());
        for (index, size) in sizes.iter().enumerate() {
            let permit = Arc::clone(&memory).try_acquire_owned().unwrap();
            let record = ProducerRecord::new("t", vec![index as u8; *size]).header("h", "v");
            drop(batch.push(&record, 0, index as i64, permit));
        }
        (batch.seal(compression, None), memory)
    }

    fn sizes(batch: &SealedBatch) -> Vec<usize> {
        let records = BatchRecords::read(&batch.records).unwrap();
        let each = records
            .iter()
            .map(|record| record.unwrap().value.unwrap().len());
        each.collect()
    }

    #[test]
    fn a_batch_is_cut_where_its_bytes_are_halved() {
        for compression in Compression::ALL {
            let (whole, memory) = batch(&[10, 20, 30, 500, 40], compression);
            let halves = whole.halves().unwrap();
            let [first, second] = whole.split(halves);
            assert_eq!(
                (sizes(&first), sizes(&second)),
                (vec![10, 20, 30, 500], vec![40])
            );
            assert_eq!(first.records.header().attributes.compression(), compression);
            let records = BatchRecords::read(&second.records).unwrap();
            let record = records.iter().next().unwrap().unwrap();
            assert_eq!((record.timestamp, record.headers.len()), (4, 1));
            drop(first);
            assert!(0 < memory.available_permits() && memory.available_permits() < 5);
            drop(second);
            assert_eq!(memory.available_permits(), 5);
        }
    }

    #[test]
    fn no_part_is_empty_and_a_single_record_is_not_cut() {
        for all in [[500, 1], [1, 500], [0, 0]] {
            let halves = batch(&all, Compression::None).0.halves().unwrap();
            assert_eq!(halves.map(|half| half.header().record_count), [1, 1]);
        }
        assert!(batch(&[500], Compression::None).0.halves().is_none());
    }
}
