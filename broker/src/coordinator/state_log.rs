//! One partition of `__consumer_offsets` as the memory of its coordinator: append in order.
//!
//! What it holds is read once, at the start: see [`replay`](super::replay).
//! Appends are group commits of the partition's own queue: many callers share one write.
//!
//! **Invariants:**
//! - Appends made one after the other, say under the lock of the shard, are in the log in that
//!   order, and what follows from them ([`StateLog::append_then`]) happens in that order too.
//! - What follows from an append happens exactly once, whether or not anybody still waits for it:
//!   memory never lacks what the log has.
//! - One append is one batch, so its records are replayed together or not at all.
//!
//! Deliberately absent: what the records mean.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use odradek_protocol::{EncodeError, records::BatchBuilder};
use odradek_storage::{append::AppendRequest, error::AppendError as LogAppendError};
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout};

use super::internal_topic::OFFSETS_TOPIC;
use crate::{
    clock::Clock,
    config::Offsets,
    replica::{AppendError, AppendReply, Manager, Partition, PartitionError, RequiredAcks},
};

/// A record to append. Without a value it is a tombstone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateRecord {
    pub(crate) key: Bytes,
    pub(crate) value: Option<Bytes>,
}

/// Why state was not appended, or is not known to be.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum StateLogError {
    /// The partition is not led from here.
    #[error("the state log cannot be written here")]
    Partition(#[from] PartitionError),
    /// The log refused it.
    #[error("append to the state log")]
    Append(#[from] AppendError),
    /// A record cannot be written: one of its strings is too long.
    #[error("encode a record for the state log")]
    Encode(#[from] EncodeError),
    /// It took too long. It may still be appended.
    #[error("the state log did not take the records in time")]
    TimedOut,
    /// The broker is stopping, or the append panicked.
    #[error("the broker is stopping")]
    Stopping,
}

impl StateLogError {
    /// Whether the records do not fit into one batch of the topic.
    pub(crate) fn is_too_large(&self) -> bool {
        use LogAppendError::{RecordListTooLarge, RecordTooLarge};
        matches!(
            self,
            Self::Encode(_)
                | Self::Append(AppendError::Log(
                    RecordTooLarge { .. } | RecordListTooLarge { .. }
                ))
        )
    }
}

/// The offset of an append's first record.
pub(crate) type Appended = Result<i64, StateLogError>;

/// See the module's documentation. Clones are the same log.
#[derive(Debug, Clone)]
pub(crate) struct StateLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    replicas: Arc<Manager>,
    clock: Clock,
    config: Offsets,
    /// Its number in `__consumer_offsets`.
    partition: i32,
    pending: Mutex<Pending>,
}

/// The appends that are not finished, in their order.
#[derive(Debug, Default)]
struct Pending {
    appends: VecDeque<PendingAppend>,
    /// A task finishes them: it will see whatever is pushed.
    finishing: bool,
}

struct PendingAppend {
    enqueued: Result<(Arc<Partition>, AppendReply), StateLogError>,
    then: Box<dyn FnOnce(Appended) + Send>,
}

impl StateLog {
    /// The log in that partition of `__consumer_offsets`.
    pub(crate) fn new(
        replicas: Arc<Manager>,
        clock: Clock,
        config: Offsets,
        partition: i32,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                replicas,
                clock,
                config,
                partition,
                pending: Mutex::default(),
            }),
        }
    }

    /// Appends the records and resolves when every in-sync replica has them. They are enqueued
    /// before this returns; dropping the future changes nothing about that.
    pub(crate) fn append(
        &self,
        records: Vec<StateRecord>,
    ) -> impl Future<Output = Result<(), StateLogError>> + Send + use<> {
        self.append_then(records, |_| ()).done()
    }

    /// Appends the records and calls `then` with what became of them: when every in-sync replica
    /// has them, or when they were refused. They are enqueued before this returns. `then` may take
    /// the shard's lock, and must not block otherwise.
    pub(crate) fn append_then(
        &self,
        records: Vec<StateRecord>,
        then: impl FnOnce(&Appended) + Send + 'static,
    ) -> Appending {
        let (done, outcome) = oneshot::channel();
        self.enqueue(records, move |appended| {
            then(&appended);
            // Nobody may be waiting any more.
            let _ = done.send(appended);
        });
        Appending {
            outcome,
            timeout: self.shared.config.commit_timeout,
        }
    }

    /// The partition itself, to be read.
    pub(super) fn led_partition(&self) -> Result<Arc<Partition>, PartitionError> {
        self.shared.partition()
    }

    fn enqueue(&self, records: Vec<StateRecord>, then: impl FnOnce(Appended) + Send + 'static) {
        let shared = &self.shared;
        // Held while enqueueing: both queues have the same order.
        let mut pending = shared.pending.lock();
        pending.appends.push_back(PendingAppend {
            enqueued: shared.enqueue(records),
            then: Box::new(then),
        });
        if !std::mem::replace(&mut pending.finishing, true) {
            tokio::spawn(finish_all(Arc::clone(shared)));
        }
    }
}

/// An append that somebody may wait for. Dropped, it goes on all the same.
#[derive(Debug)]
pub(crate) struct Appending {
    outcome: oneshot::Receiver<Appended>,
    timeout: Duration,
}

impl Appending {
    /// Resolves after what follows from the append, or when the time is up.
    pub(crate) async fn done(self) -> Result<(), StateLogError> {
        match timeout(self.timeout, self.outcome).await {
            Ok(Ok(appended)) => appended.map(|_offset| ()),
            Ok(Err(_)) => Err(StateLogError::Stopping),
            Err(_) => Err(StateLogError::TimedOut),
        }
    }
}

impl Shared {
    fn partition(&self) -> Result<Arc<Partition>, PartitionError> {
        self.replicas.partition(OFFSETS_TOPIC, self.partition)
    }

    fn enqueue(
        &self,
        records: Vec<StateRecord>,
    ) -> Result<(Arc<Partition>, AppendReply), StateLogError> {
        let partition = self.partition()?;
        let now_ms = self.clock.now_ms();
        let mut batch = BatchBuilder::new().compression(self.config.compression);
        for StateRecord { key, value } in records {
            batch = batch.record(now_ms, Some(&key), value.as_deref());
        }
        let request = AppendRequest {
            records: batch.build().to_bytes(),
        };
        let reply = partition.enqueue_append(request, RequiredAcks::All);
        Ok((partition, reply))
    }
}

/// Finishes append after append until there are none.
async fn finish_all(log: Arc<Shared>) {
    loop {
        let next = {
            let mut pending = log.pending.lock();
            let next = pending.appends.pop_front();
            pending.finishing = next.is_some();
            next
        };
        let Some(PendingAppend { enqueued, then }) = next else {
            return;
        };
        then(wait_until_committed(enqueued).await);
    }
}

async fn wait_until_committed(
    enqueued: Result<(Arc<Partition>, AppendReply), StateLogError>,
) -> Appended {
    let (partition, reply) = enqueued?;
    let appended = reply.await.map_err(|_| StateLogError::Stopping)??;
    if let Some(committed) = partition.committed(appended.last_offset + 1) {
        committed.await.map_err(|_| StateLogError::Stopping)?;
    }
    Ok(appended.base_offset)
}

impl std::fmt::Debug for PendingAppend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingAppend").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "state_log_tests.rs"]
mod tests;
