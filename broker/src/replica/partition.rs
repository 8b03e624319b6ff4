//! One partition: plain state and a queue, written by one thread at a time.
//!
//! The first append to arrive schedules a *drain* on the disk pool. The drain takes what is queued,
//! appends it to the log with one write and at most one flush, publishes the new log end and high
//! watermark, answers, and tells the watchers. What arrives meanwhile waits in the queue and forms
//! the next group, which is how appends share a flush (group commit). An idle partition has no
//! task, no timer and no open file.
//!
//! **Invariants:**
//! - `log start <= last stable offset <= high watermark <= log end`.
//! - Requests are appended in the order in which they were enqueued.
//! - Nothing is acknowledged, nor seen by a consumer, before it is in the log; and where the topic
//!   asks for it (`flush.messages`, `flush.ms`), before it is on the disk.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering},
    },
};

use odradek_metadata::topic_name::is_internal;
use odradek_storage::{
    append::{AppendContext, AppendOrigin, AppendRequest, Appended},
    error::AppendError as LogAppendError,
    flush::LogFlusher,
    log::Log,
    read::LogView,
};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    append_queue::{AppendError, AppendQueue, AppendReply, AppendResult, PendingAppend},
    cleaner::PartitionCleaning,
    flusher::Unflushed,
    high_watermark::HighWatermark,
    leader::{Leader, RequiredAcks},
    space::{AppendFor, DiskSpace},
    watcher::{Watcher, WatcherKey, Watchers},
};
use crate::{clock::Clock, disk::DiskPool, error_chain::ErrorChain, telemetry::metrics::Metrics};

/// Which partition this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionIdentity {
    /// The topic's name.
    pub(crate) topic: Arc<str>,
    /// The topic's id (KIP-516).
    pub(crate) topic_id: Uuid,
    /// Its number in the topic.
    pub(crate) index: i32,
}

/// What a partition needs of the broker.
#[derive(Debug, Clone)]
pub(crate) struct PartitionServices {
    /// Runs the drains.
    pub(crate) pool: Arc<DiskPool>,
    /// Tells the append time.
    pub(crate) clock: Clock,
    /// Learns how long flushes take.
    pub(crate) metrics: Arc<Metrics>,
    /// Hears that there is something to flush and to checkpoint.
    pub(crate) unflushed: Arc<Unflushed>,
    /// Lets appends in as long as the disk has room.
    pub(crate) space: Arc<DiskSpace>,
}

/// What the metadata says about a partition's leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leadership {
    /// Whether it is this broker.
    pub(super) is_leader: bool,
    pub(super) epoch: i32,
    /// Who is in sync with it.
    pub(super) replicas: Leader,
}

/// A partition of which this broker has a replica. See the module's documentation.
#[derive(Debug)]
pub(crate) struct Partition {
    identity: PartitionIdentity,
    append_for: AppendFor,
    pub(super) services: PartitionServices,
    pub(super) is_leader: AtomicBool,
    pub(super) leader_epoch: AtomicI32,
    pub(super) leader: Mutex<Leader>,
    high_watermark: HighWatermark,
    pub(super) view: LogView,
    pub(super) flusher: LogFlusher,
    pub(super) cleaning: PartitionCleaning,
    /// Bytes that [`Unflushed`] was told of and that no flush has begun to take.
    pub(super) unflushed_bytes: AtomicU64,
    /// The background flusher was told when `flush.ms` is over.
    pub(super) flush_is_due: AtomicBool,
    pub(super) watchers: Watchers,
    queue: AppendQueue,
    pub(super) deleted: AtomicBool,
    /// A flush before an acknowledgement failed, or an append panicked: what lies above the high
    /// watermark is never committed.
    pub(super) frozen: AtomicBool,
    /// Locked on the disk pool only: by the drain, and between drains by the upkeep. Empty once
    /// the log is closed or deleted.
    pub(super) log: Mutex<Option<Log>>,
}

impl Partition {
    /// A partition with this log, of which everything below `high_watermark` is committed.
    pub(super) fn new(
        identity: PartitionIdentity,
        services: PartitionServices,
        log: Log,
        leadership: Leadership,
        high_watermark: i64,
    ) -> Arc<Self> {
        let view = log.view().clone();
        let (start, end) = (view.log_start_offset(), view.log_end_offset());
        let high_watermark = leadership
            .replicas
            .high_watermark(high_watermark.clamp(start, end), end);
        let append_for = if is_internal(&identity.topic) {
            AppendFor::TheBroker
        } else {
            AppendFor::Clients
        };
        Arc::new(Self {
            identity,
            append_for,
            services,
            is_leader: AtomicBool::new(leadership.is_leader),
            leader_epoch: AtomicI32::new(leadership.epoch),
            leader: Mutex::new(leadership.replicas),
            high_watermark: HighWatermark::new(high_watermark),
            view,
            flusher: log.flusher(),
            cleaning: PartitionCleaning::new(log.cleaner(), log.config().clone()),
            unflushed_bytes: AtomicU64::new(0),
            flush_is_due: AtomicBool::new(false),
            watchers: Watchers::default(),
            queue: AppendQueue::default(),
            deleted: AtomicBool::new(false),
            frozen: AtomicBool::new(false),
            log: Mutex::new(Some(log)),
        })
    }

    /// Which partition this is, for the logs.
    pub(crate) fn identity(&self) -> &PartitionIdentity {
        &self.identity
    }

    /// The topic's name.
    pub(crate) fn topic(&self) -> &Arc<str> {
        &self.identity.topic
    }

    /// Its number in the topic.
    pub(crate) fn index(&self) -> i32 {
        self.identity.index
    }

    /// Whether this broker leads it. Only then may clients read and write here.
    pub(crate) fn is_leader(&self) -> bool {
        self.is_leader.load(Ordering::Acquire)
    }

    /// The leader epoch that the metadata says.
    pub(crate) fn leader_epoch(&self) -> i32 {
        self.leader_epoch.load(Ordering::Acquire)
    }

    /// The first offset that may be read.
    pub(crate) fn log_start(&self) -> i64 {
        self.view.log_start_offset()
    }

    /// The first offset that is not committed: consumers see what is below.
    pub(crate) fn high_watermark(&self) -> i64 {
        self.high_watermark.get()
    }

    /// The first offset that belongs to an open transaction, or the high watermark. There are no
    /// transactions yet, so it is the latter.
    pub(crate) fn last_stable(&self) -> i64 {
        self.high_watermark()
    }

    /// The read side of the log. It knows nothing of the high watermark: the reader bounds it.
    pub(crate) fn view(&self) -> &LogView {
        &self.view
    }

    /// Whether the partition is gone for good. Watchers are told when that happens.
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    /// Tells `watcher` of every change from now on, until [`unwatch`](Self::unwatch).
    pub(crate) fn watch(&self, watcher: Arc<dyn Watcher>, token: usize) -> WatcherKey {
        self.watchers.register(watcher, token)
    }

    /// Ends a registration; each is ended once.
    pub(crate) fn unwatch(&self, key: WatcherKey) {
        self.watchers.unregister(key);
    }

    /// Puts records into the queue and returns at once; the reply comes when they are in the log.
    ///
    /// Appends enqueued by one caller one after the other keep their order. For `acks=all`, await
    /// [`committed`](Self::committed) as well once the reply is there.
    pub(crate) fn enqueue_append(
        self: &Arc<Self>,
        request: AppendRequest,
        acks: RequiredAcks,
    ) -> AppendReply {
        let (reply, receiver) = oneshot::channel();
        if let Err(refusal) = self.leader.lock().check(acks) {
            // The receiver is alive: it is returned.
            let _ = reply.send(Err(refusal.into()));
        } else if self.queue.push(PendingAppend { request, reply }) {
            self.schedule_drain();
        }
        receiver
    }

    /// Resolves once everything below `offset` is committed; `None` if it already is.
    pub(crate) fn committed(&self, offset: i64) -> Option<oneshot::Receiver<()>> {
        self.high_watermark.wait_for(offset)
    }

    pub(super) fn schedule_drain(self: &Arc<Self>) {
        let partition = Arc::clone(self);
        self.services.pool.spawn(move || partition.drain());
    }

    /// Appends group after group until the queue is empty, or until another partition waits for
    /// the thread.
    fn drain(self: Arc<Self>) {
        loop {
            if self.services.unflushed.park(&self) {
                return;
            }
            let group = self.queue.take_group();
            if catch_unwind(AssertUnwindSafe(|| self.append(group))).is_err() {
                // A bug. The log may be half changed: nothing more is appended or committed. The
                // senders of the group are gone, and their receivers know.
                tracing::error!(partition = %self.identity, "append panicked; partition offline");
                self.frozen.store(true, Ordering::Release);
                return self.refuse_appends(&LogAppendError::Offline.into());
            }
            if self.queue.is_done() {
                return;
            }
            if 0 < self.services.pool.queued() {
                return self.schedule_drain();
            }
        }
    }

    /// Appends one group: write, flush if asked for, publish, answer, tell.
    fn append(self: &Arc<Self>, group: Vec<PendingAppend>) {
        let (requests, replies): (Vec<_>, Vec<_>) = group
            .into_iter()
            .map(|append| (append.request, append.reply))
            .unzip();
        let results = self.write(&requests);
        // The frames that the records came in go back to their budget before anybody is answered.
        drop(requests);
        for (reply, result) in replies.into_iter().zip(results) {
            // Its client may have gone away; what was appended stays appended.
            let _ = reply.send(result);
        }
        self.watchers.notify();
    }

    /// The part of [`append`](Self::append) that holds the log.
    fn write(self: &Arc<Self>, requests: &[AppendRequest]) -> Vec<AppendResult> {
        let refuse_all =
            |reason: AppendError| requests.iter().map(|_| Err(reason.clone())).collect();
        let mut log = self.log.lock();
        let Some(log) = log.as_mut() else {
            return refuse_all(self.queue.closed().unwrap_or(AppendError::Stopping));
        };
        let bytes = requests.iter().map(|request| request.records.len() as u64);
        if let Err(full) = self.services.space.admit(self.append_for, bytes.sum()) {
            return refuse_all(full.into());
        }
        let now_ms = self.services.clock.now_ms();
        let context = AppendContext {
            origin: AppendOrigin::Client,
            leader_epoch: self.leader_epoch(),
            now_ms,
        };
        let outcome = log.append_group(requests, context);
        self.note_appended(requests, &outcome.results);
        if outcome.flush_required
            && let Err(error) = self.counted_flush(|| log.flush(now_ms))
        {
            let (partition, error) = (&self.identity, ErrorChain(&error));
            tracing::error!(%partition, %error, "flush before acknowledgement");
            // Nobody knows what is on the disk; the directory is offline for good.
            self.frozen.store(true, Ordering::Release);
            return refuse_all(LogAppendError::Offline.into());
        }
        self.advance_high_watermark();
        self.note_flush_ms(log);
        outcome
            .results
            .into_iter()
            .map(|result| result.map_err(AppendError::from))
            .collect()
    }

    /// Commits what the in-sync replicas have.
    pub(super) fn advance_high_watermark(&self) {
        if self.frozen.load(Ordering::Acquire) {
            return;
        }
        let offset = self
            .leader
            .lock()
            .high_watermark(self.high_watermark(), self.view.log_end_offset());
        self.high_watermark.advance_to(offset);
    }

    /// Counts what is unflushed now, and notes whether the disk had no space for it.
    fn note_appended(
        &self,
        requests: &[AppendRequest],
        results: &[Result<Appended, LogAppendError>],
    ) {
        let mut bytes = 0;
        for (request, result) in requests.iter().zip(results) {
            match result {
                Ok(appended) if !appended.duplicate => bytes += request.records.len() as u64,
                Err(LogAppendError::NoSpace) => self.services.space.write_found_none(),
                Ok(_) | Err(_) => {}
            }
        }
        self.unflushed_bytes.fetch_add(bytes, Ordering::AcqRel);
        self.services.unflushed.add(bytes);
    }

    /// Tells the background flusher by when the topic wants it to flush.
    pub(super) fn note_flush_ms(self: &Arc<Self>, log: &Log) {
        let flush_ms = log.config().flush_ms;
        if flush_ms < i64::MAX
            && self.view.has_unflushed()
            && !self.flush_is_due.swap(true, Ordering::AcqRel)
        {
            self.services.unflushed.flush_after(self, flush_ms);
        }
    }

    /// Refuses all further appends with `reason`, the queued ones included, and fails those that
    /// wait for a commit.
    pub(super) fn refuse_appends(&self, reason: &AppendError) {
        self.queue.close(reason);
        self.high_watermark.abandon_waiters();
    }
}

impl std::fmt::Display for PartitionIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}

#[cfg(test)]
#[path = "partition_tests.rs"]
mod tests;
