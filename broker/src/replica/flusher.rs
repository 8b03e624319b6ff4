//! The background flusher: under load it advances every recovery point at least once per interval,
//! so that a crash never leaves more than that to scan; and it writes the checkpoint files.
//!
//! It sleeps while nothing is appended. The first append after a quiet time rings the bell once;
//! the deadlines of all duties count from there.
//!
//! **Bound:** unflushed bytes. `log.recovery.flush.bytes` of them make the flush due at once; it
//! runs beside appends and holds up none of them. When there are twice as many, because the disk
//! takes them more slowly than they come, appends wait: a partition is *parked* instead of being
//! drained, and its queue, which the memory for requests bounds, slows its clients down. No thread
//! waits, so nothing that the flush needs can be missing. What was begun is finished, so the bound
//! is exceeded by at most one group of appends for each disk thread.
//!
//! After a failed flush the log directory
//! is offline for good (the log engine sees to it); nothing is tried again here.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    mem,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{checkpoints::CheckpointWriter, manager::Manager, partition::Partition};

/// After so many flushed bytes the recovery points are written down, while the flush of the other
/// partitions goes on: flushing everything may take longer than the broker has left to live.
const CHECKPOINT_BYTES: u64 = 64 << 20;

/// What appends tell the flusher. The hot path costs a few atomic operations.
#[derive(Debug)]
pub(crate) struct Unflushed {
    /// Bytes appended and not flushed, over all partitions.
    bytes: AtomicU64,
    /// So many make the flush due at once.
    bytes_max: u64,
    /// Every duty of the flusher has a deadline already; nothing needs to be said.
    is_noted: AtomicBool,
    /// Partitions to be flushed because of `flush.ms`, the earliest first.
    due: Mutex<BinaryHeap<Reverse<Due>>>,
    /// Partitions whose appends wait until fewer bytes are unflushed.
    parked: Mutex<Vec<Arc<Partition>>>,
    bell: Notify,
}

/// A partition that must be flushed by some time.
#[derive(Debug)]
struct Due {
    at: Instant,
    partition: Weak<Partition>,
}

impl Unflushed {
    /// Nothing is unflushed. `bytes_max` is `log.recovery.flush.bytes`.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes: AtomicU64::new(0),
            bytes_max,
            is_noted: AtomicBool::new(false),
            due: Mutex::default(),
            parked: Mutex::default(),
            bell: Notify::new(),
        }
    }

    /// `bytes` more were appended, or an offset changed that belongs into a checkpoint file.
    pub(super) fn add(&self, bytes: u64) {
        let before = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        let crossed = before < self.bytes_max && self.bytes_max <= before.saturating_add(bytes);
        if crossed || !self.is_noted.swap(true, Ordering::AcqRel) {
            self.bell.notify_one();
        }
    }

    /// Bytes appended and not flushed.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// `bytes` of those that were added are flushed, or will never be.
    pub(super) fn subtract(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        if self.are_too_many() {
            return;
        }
        for partition in mem::take(&mut *self.parked.lock()) {
            partition.schedule_drain();
        }
    }

    /// Whether appends have to wait. Then `partition` is drained once they need not any more.
    pub(super) fn park(&self, partition: &Arc<Partition>) -> bool {
        if !self.are_too_many() {
            return false;
        }
        let mut parked = self.parked.lock();
        // Asked again under the lock: what was flushed in between has released the others.
        let waits = self.are_too_many();
        if waits {
            parked.push(Arc::clone(partition));
        }
        waits
    }

    /// `partition` must be flushed within `flush_ms`.
    pub(super) fn flush_after(&self, partition: &Arc<Partition>, flush_ms: i64) {
        let wait = Duration::from_millis(flush_ms.unsigned_abs());
        // Beyond what the clock can express is never.
        let Some(at) = Instant::now().checked_add(wait) else {
            return;
        };
        self.due.lock().push(Reverse(Due {
            at,
            partition: Arc::downgrade(partition),
        }));
        self.bell.notify_one();
    }

    /// How many partitions wait.
    #[cfg(test)]
    fn parked(&self) -> usize {
        self.parked.lock().len()
    }

    fn are_many(&self) -> bool {
        self.bytes_max <= self.bytes.load(Ordering::Acquire)
    }

    fn are_too_many(&self) -> bool {
        self.bytes_max.saturating_mul(2) <= self.bytes.load(Ordering::Acquire)
    }

    fn first_due(&self) -> Option<Instant> {
        self.due.lock().peek().map(|Reverse(due)| due.at)
    }

    /// The next partition whose time has come.
    fn take_due(&self, now: Instant) -> Option<Weak<Partition>> {
        let mut due = self.due.lock();
        due.peek().filter(|Reverse(due)| due.at <= now)?;
        due.pop().map(|Reverse(due)| due.partition)
    }
}

/// When each duty of the flusher is due; `None` while nothing changed.
#[derive(Debug, Default)]
struct Deadlines {
    flush: Option<Instant>,
    high_watermarks: Option<Instant>,
    log_starts: Option<Instant>,
}

/// Flushes and writes checkpoints until `shutdown`.
pub(super) async fn run(manager: &Arc<Manager>, shutdown: &CancellationToken) {
    let unflushed = manager.unflushed();
    let mut deadlines = Deadlines::default();
    loop {
        if unflushed.are_many() {
            deadlines.flush = Some(Instant::now());
        }
        let next = deadlines.next(unflushed.first_due());
        tokio::select! {
            // Shutdown first: the manager flushes everything when it stops.
            biased;
            () = shutdown.cancelled() => return,
            () = unflushed.bell.notified() => deadlines.arm(manager, Instant::now()),
            () = at(next) => {}
        }
        flush_due(manager).await;
        deadlines.run(manager, Instant::now()).await;
    }
}

/// Flushes the partitions whose `flush.ms` is over.
async fn flush_due(manager: &Arc<Manager>) {
    while let Some(partition) = manager.unflushed().take_due(Instant::now()) {
        if let Some(partition) = partition.upgrade() {
            manager.flush(partition).await;
        }
    }
}

/// Flushes every partition, one after the other, and writes down how far that came.
async fn flush_all(manager: &Arc<Manager>) {
    let mut flushed_bytes = 0;
    for partition in manager.online() {
        flushed_bytes += partition.view().unflushed_bytes();
        manager.flush(partition).await;
        flush_due(manager).await;
        if CHECKPOINT_BYTES <= flushed_bytes {
            flushed_bytes = 0;
            manager
                .checkpoint(CheckpointWriter::write_recovery_points)
                .await;
        }
    }
    manager
        .checkpoint(CheckpointWriter::write_recovery_points)
        .await;
}

/// Resolves at `deadline`, or never.
async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl Deadlines {
    fn next(&self, partition: Option<Instant>) -> Option<Instant> {
        let all = [self.flush, self.high_watermarks, self.log_starts, partition];
        all.into_iter().flatten().min()
    }

    /// Gives a deadline to each duty that has none.
    fn arm(&mut self, manager: &Manager, now: Instant) {
        let config = manager.storage_config();
        self.flush.get_or_insert(now + config.flush_interval);
        self.high_watermarks
            .get_or_insert(now + config.high_watermark_checkpoint_interval);
        self.log_starts
            .get_or_insert(now + config.log_start_checkpoint_interval);
    }

    /// Does what is due.
    async fn run(&mut self, manager: &Arc<Manager>, now: Instant) {
        let unflushed = manager.unflushed();
        let is_due = |deadline: &mut Option<Instant>| {
            let due = deadline.is_some_and(|deadline| deadline <= now);
            if due {
                *deadline = None;
                // What changes from here on rings the bell again.
                unflushed.is_noted.store(false, Ordering::Release);
            }
            due
        };
        if is_due(&mut self.flush) {
            flush_all(manager).await;
        }
        if is_due(&mut self.high_watermarks) {
            manager
                .checkpoint(CheckpointWriter::write_high_watermarks)
                .await;
        }
        if is_due(&mut self.log_starts) {
            manager.checkpoint(CheckpointWriter::write_log_starts).await;
        }
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

#[cfg(test)]
#[path = "flusher_tests.rs"]
mod tests;
