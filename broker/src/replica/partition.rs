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
//!
//! **Bound:** what is queued are slices of request frames, so the byte budgets of the connections
//! bound the queue; it needs no bound of its own.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
};

use odradek_storage::{
    append::{AppendContext, AppendOrigin, AppendRequest, Appended},
    config::LogConfig,
    error::{AppendError as LogAppendError, LogError},
    flush::LogFlusher,
    log::Log,
    read::LogView,
    retention::PendingDeletion,
};
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

use super::{
    flusher::Unflushed,
    high_watermark::HighWatermark,
    leader::{Leader, NotEnoughReplicas, RequiredAcks},
    watcher::{Watcher, WatcherKey, Watchers},
};
use crate::{clock::Clock, disk::DiskPool, error_chain::ErrorChain, telemetry::metrics::Metrics};

/// The most record bytes that one drain appends before other partitions get their turn.
const GROUP_BYTES_MAX: usize = 8 << 20;

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
    services: PartitionServices,
    is_leader: AtomicBool,
    leader_epoch: AtomicI32,
    leader: Mutex<Leader>,
    high_watermark: HighWatermark,
    view: LogView,
    flusher: LogFlusher,
    /// The background flusher was told when `flush.ms` is over.
    flush_is_due: AtomicBool,
    watchers: Watchers,
    queue: Mutex<Queue>,
    deleted: AtomicBool,
    /// A flush before an acknowledgement failed: what lies above the high watermark stays there.
    frozen: AtomicBool,
    /// Locked on the disk pool only: by the drain, and between drains by housekeeping. Empty once
    /// the log is closed or deleted.
    log: Mutex<Option<Log>>,
}

/// Why records were not appended, or not acknowledged.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum AppendError {
    /// The log refused them.
    #[error(transparent)]
    Log(#[from] LogAppendError),
    /// Too few replicas are in sync for `acks=all`; nothing was appended.
    #[error(transparent)]
    NotEnoughReplicas(#[from] NotEnoughReplicas),
    /// The partition was deleted; nothing was appended.
    #[error("the partition was deleted")]
    Deleted,
    /// The broker is stopping; nothing was appended.
    #[error("the broker is stopping")]
    Stopping,
}

/// The answer to an append, once it comes. A closed channel means that the broker is stopping.
pub(crate) type AppendReply = oneshot::Receiver<Result<Appended, AppendError>>;

/// Appends that wait for the drain.
#[derive(Debug, Default)]
struct Queue {
    pending: Vec<PendingAppend>,
    /// A drain is scheduled or running: it will see whatever is pushed.
    draining: bool,
    /// Set once nothing may be appended any more, with the reason that later appends are given.
    closed: Option<AppendError>,
}

#[derive(Debug)]
struct PendingAppend {
    request: AppendRequest,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
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
        Arc::new(Self {
            identity,
            services,
            is_leader: AtomicBool::new(leadership.is_leader),
            leader_epoch: AtomicI32::new(leadership.epoch),
            leader: Mutex::new(leadership.replicas),
            high_watermark: HighWatermark::new(high_watermark),
            view,
            flusher: log.flusher(),
            flush_is_due: AtomicBool::new(false),
            watchers: Watchers::default(),
            queue: Mutex::default(),
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
        let refusal = self.leader.lock().check(acks).err().map(AppendError::from);
        let mut queue = self.queue.lock();
        if let Some(refusal) = refusal.or_else(|| queue.closed.clone()) {
            drop(queue);
            // The receiver is alive: it is returned below.
            let _ = reply.send(Err(refusal));
            return receiver;
        }
        queue.pending.push(PendingAppend { request, reply });
        let schedule = !mem::replace(&mut queue.draining, true);
        drop(queue);
        if schedule {
            self.schedule_drain();
        }
        receiver
    }

    /// Resolves once everything below `offset` is committed; `None` if it already is.
    pub(crate) fn committed(&self, offset: i64) -> Option<oneshot::Receiver<()>> {
        self.high_watermark.wait_for(offset)
    }

    fn schedule_drain(self: &Arc<Self>) {
        let partition = Arc::clone(self);
        self.services.pool.spawn(move || partition.drain());
    }

    /// Appends group after group until the queue is empty, or until another partition waits for
    /// the thread.
    fn drain(self: Arc<Self>) {
        loop {
            let group = self.queue.lock().take_group();
            if catch_unwind(AssertUnwindSafe(|| self.append(group))).is_err() {
                // A bug. The log may be half changed, so this partition takes no more appends;
                // the senders of the group are gone, and their receivers know.
                tracing::error!(partition = %self.identity, "append panicked; partition offline");
                self.close(&LogAppendError::Offline.into());
                return;
            }
            let mut queue = self.queue.lock();
            if queue.pending.is_empty() {
                queue.draining = false;
                return;
            }
            drop(queue);
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
    fn write(self: &Arc<Self>, requests: &[AppendRequest]) -> Vec<Result<Appended, AppendError>> {
        let mut log = self.log.lock();
        let Some(log) = log.as_mut() else {
            let refusal = self
                .queue
                .lock()
                .closed
                .clone()
                .unwrap_or(AppendError::Stopping);
            return requests.iter().map(|_| Err(refusal.clone())).collect();
        };
        let now_ms = self.services.clock.now_ms();
        let context = AppendContext {
            origin: AppendOrigin::Client,
            leader_epoch: self.leader_epoch(),
            now_ms,
        };
        let outcome = log.append_group(requests, context);
        if outcome.flush_required
            && let Err(error) = self.timed_flush(|| log.flush(now_ms))
        {
            tracing::error!(partition = %self.identity, error = %ErrorChain(&error), "flush before acknowledgement");
            // Nobody knows what is on the disk; the directory is offline for good.
            self.frozen.store(true, Ordering::Release);
            return requests
                .iter()
                .map(|_| Err(LogAppendError::Offline.into()))
                .collect();
        }
        self.advance_high_watermark();
        self.note_unflushed(log, requests);
        outcome
            .results
            .into_iter()
            .map(|result| result.map_err(AppendError::from))
            .collect()
    }

    fn advance_high_watermark(&self) {
        if self.frozen.load(Ordering::Acquire) {
            return;
        }
        let offset = self
            .leader
            .lock()
            .high_watermark(self.high_watermark(), self.view.log_end_offset());
        self.high_watermark.advance_to(offset);
    }

    /// Tells the background flusher what it will have to do.
    fn note_unflushed(self: &Arc<Self>, log: &Log, requests: &[AppendRequest]) {
        let bytes = requests
            .iter()
            .map(|request| request.records.len() as u64)
            .sum();
        self.services.unflushed.add(bytes);
        let flush_ms = log.config().flush_ms;
        if flush_ms < i64::MAX
            && 0 < self.view.unflushed_bytes()
            && !self.flush_is_due.swap(true, Ordering::AcqRel)
        {
            self.services.unflushed.flush_after(self, flush_ms);
        }
    }

    /// Flushes what was appended so far, while appends go on. Blocks.
    pub(super) fn flush_in_background(&self) -> Result<(), LogError> {
        // Cleared first: what is appended during the flush needs a flush of its own.
        self.flush_is_due.store(false, Ordering::Release);
        if 0 < self.view.unflushed_bytes() {
            self.timed_flush(|| self.flusher.flush(self.services.clock.now_ms()))?;
        }
        Ok(())
    }

    fn timed_flush<T>(&self, flush: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let flushed = flush();
        self.services.metrics.log_flushed(began.elapsed());
        flushed
    }

    /// Takes over what the metadata says about the leader. Blocks.
    pub(super) fn update_leadership(&self, leadership: Leadership) -> Result<(), LogError> {
        let Leadership {
            is_leader,
            epoch,
            replicas,
        } = leadership;
        if is_leader
            && self.leader_epoch() < epoch
            && let Some(log) = self.log.lock().as_mut()
        {
            log.start_leader_epoch(epoch)?;
        }
        self.leader_epoch.store(epoch, Ordering::Release);
        self.is_leader.store(is_leader, Ordering::Release);
        *self.leader.lock() = replicas;
        self.advance_high_watermark();
        self.watchers.notify();
        Ok(())
    }

    /// Changes the topic's configuration from the next append on. Blocks.
    pub(super) fn update_config(&self, config: LogConfig) {
        if let Some(log) = self.log.lock().as_mut() {
            log.update_config(config);
        }
    }

    /// Deletes segments past their retention and forgets producers long silent. Blocks.
    pub(super) fn clean_up(&self) -> Result<Option<PendingDeletion>, LogError> {
        let now_ms = self.services.clock.now_ms();
        let mut log = self.log.lock();
        let Some(open) = log.as_mut() else {
            return Ok(None);
        };
        open.expire_producers(now_ms);
        let start = self.log_start();
        let deletion = open.delete_old_segments(self.high_watermark(), now_ms)?;
        drop(log);
        if start < self.log_start() {
            self.services.unflushed.add(0);
            self.watchers.notify();
        }
        Ok(deletion)
    }

    /// Ends the partition: appends are refused from now on, and its log is renamed to be removed
    /// later. `None` if it was closed before. Blocks.
    pub(super) fn delete(&self, uuid: Uuid) -> Result<Option<PendingDeletion>, LogError> {
        self.deleted.store(true, Ordering::Release);
        self.close(&AppendError::Deleted);
        let log = self.log.lock().take();
        let deletion = log
            .map(|log| log.delete(uuid, self.services.clock.now_ms()))
            .transpose();
        self.watchers.notify();
        deletion
    }

    /// Closes the log in order, so that the next start need not scan it. Blocks.
    pub(super) fn stop(&self) -> Result<(), LogError> {
        self.close(&AppendError::Stopping);
        let log = self.log.lock().take();
        log.map(|log| log.close_clean(self.services.clock.now_ms()))
            .transpose()?;
        Ok(())
    }

    /// Refuses all further appends with `reason`, the queued ones included.
    fn close(&self, reason: &AppendError) {
        let pending = {
            let mut queue = self.queue.lock();
            queue.closed = Some(reason.clone());
            mem::take(&mut queue.pending)
        };
        for append in pending {
            // Its client may have gone away.
            let _ = append.reply.send(Err(reason.clone()));
        }
        self.high_watermark.abandon_waiters();
    }
}

impl Queue {
    /// The oldest appends, as many as one drain may take, but at least one.
    fn take_group(&mut self) -> Vec<PendingAppend> {
        let mut bytes = 0;
        let count = self
            .pending
            .iter()
            .take_while(|append| {
                let fits = bytes < GROUP_BYTES_MAX;
                bytes += append.request.records.len();
                fits
            })
            .count();
        if count == self.pending.len() {
            return mem::take(&mut self.pending);
        }
        self.pending.drain(..count).collect()
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
