//! A batch on its way from the first record to its outcome.

use odradek_protocol::records::{BatchBuilder, Compression, RecordBatch};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{
    delivery::{Delivered, Delivery, Promise},
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
    /// Of the producer's memory; given back with the outcome.
    memory: Option<OwnedSemaphorePermit>,
}

/// A batch that is complete, and stays the same however often it is sent.
#[derive(Debug)]
pub(crate) struct SealedBatch {
    pub(crate) records: RecordBatch,
    pub(crate) begun_at: Instant,
    promise: Promise,
    _memory: Option<OwnedSemaphorePermit>,
}

impl OpenBatch {
    /// A batch without records.
    pub(crate) fn begin(promise: Promise, now: Instant) -> Self {
        Self {
            builder: BatchBuilder::new(),
            promise,
            begun_at: now,
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

    /// Completes the batch, and compresses it.
    pub(crate) fn seal(self, compression: Compression) -> SealedBatch {
        SealedBatch {
            records: self.builder.compression(compression).build(),
            begun_at: self.begun_at,
            promise: self.promise,
            _memory: self.memory,
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

    /// Bytes as they are sent.
    pub(crate) fn bytes(&self) -> usize {
        self.records.header().total_len()
    }
}
