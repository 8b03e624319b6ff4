//! Compaction of this broker's logs: which one is next, how fast, and what failed.
//!
//! Each thread for compaction takes the log with the largest dirty part of those that are due, and
//! cleans it; when none is due it looks again after `log.cleaner.backoff.ms`. Appends, reads and
//! flushes go on meanwhile.
//!
//! **Invariants:**
//! - A log that cannot be cleaned is reported (log, metrics, admin port) and tried again, less and
//!   less often; it keeps nobody from cleaning the others.
//! - What compaction knows of a partition dies with the partition.
//!
//! How a log is cleaned is the log engine's business.

use std::{
    cmp::Ordering as Order,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use odradek_storage::{
    cleaner::{
        CleanError, CleanLimits, Cleaned, LogCleaner, Supervisor,
        plan::{Cleanable, Standing},
    },
    config::LogConfig,
    log_dir::TopicPartition,
    retention::PendingDeletion,
};
use parking_lot::Mutex;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{manager::Manager, partition::Partition};
use crate::{error_chain::ErrorChain, telemetry::metrics::Metrics};

/// A log that fails again and again waits up to 2 to this power times the backoff.
const DOUBLINGS_MAX: u32 = 6;

/// A thread that is faster than it may be sleeps so long at once, to hear when it has to stop.
const NAP: Duration = Duration::from_millis(50);

/// What compaction knows of one partition.
#[derive(Debug)]
pub(super) struct PartitionCleaning {
    cleaner: LogCleaner,
    config: Mutex<Arc<LogConfig>>,
    /// Below this offset the log is clean. Goes into a checkpoint file.
    cleaned_to: AtomicI64,
    /// A thread looks at the partition, or cleans it.
    is_taken: AtomicBool,
    failure: Mutex<Option<CleaningFailure>>,
}

/// Why a log is not compacted.
#[derive(Debug, Clone)]
pub(crate) struct CleaningFailure {
    /// The last attempt's error.
    pub(crate) reason: String,
    /// How many attempts failed, one after the other.
    pub(crate) attempts: u32,
    /// No sooner is it tried again, in ms since the Unix epoch.
    pub(crate) retry_at_ms: i64,
}

impl PartitionCleaning {
    pub(super) fn new(cleaner: LogCleaner, config: LogConfig) -> Self {
        Self {
            cleaner,
            config: Mutex::new(Arc::new(config)),
            cleaned_to: AtomicI64::new(0),
            is_taken: AtomicBool::new(false),
            failure: Mutex::default(),
        }
    }

    pub(super) fn update_config(&self, config: LogConfig) {
        *self.config.lock() = Arc::new(config);
    }

    /// An earlier process came so far.
    pub(super) fn resume_at(&self, cleaned_to: i64) {
        self.cleaned_to.store(cleaned_to, Ordering::Release);
    }

    /// Below this offset the log is clean.
    pub(super) fn cleaned_to(&self) -> i64 {
        self.cleaned_to.load(Ordering::Acquire)
    }
}

/// What the threads for compaction found when they last looked.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    dirty_bytes: AtomicU64,
    /// Of the log that has most of it, in percent.
    dirty_percent_max: AtomicU64,
    /// When a thread last looked, in ms since the Unix epoch; 0: never.
    looked_at_ms: AtomicI64,
}

/// What is shown of compaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BacklogReport {
    /// Bytes of segments that may be cleaned and were not.
    pub(crate) dirty_bytes: u64,
    /// The largest part of a log that is dirty, in percent.
    pub(crate) dirty_percent_max: u64,
    /// Since a thread last looked for work, in ms.
    pub(crate) since_last_look_ms: u64,
}

/// Compacts logs until `shutdown`.
pub(super) async fn run(manager: &Arc<Manager>, shutdown: &CancellationToken) {
    let mut threads = JoinSet::new();
    for _ in 0..manager.cleaner_config().threads {
        threads.spawn(keep_cleaning(Arc::clone(manager), shutdown.clone()));
    }
    while threads.join_next().await.is_some() {}
}

/// What one thread does, from its task's point of view.
async fn keep_cleaning(manager: Arc<Manager>, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        let turn = {
            let (manager, shutdown) = (Arc::clone(&manager), shutdown.clone());
            let pool = Arc::clone(&manager.services.pool);
            pool.clean(move || take_turn(&manager, &shutdown))
        };
        tokio::select! {
            // Shutdown first: a job under way hears of it too.
            biased;
            () = shutdown.cancelled() => return,
            cleaned = turn => if cleaned == Ok(true) { continue },
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = sleep(manager.cleaner_config().backoff) => {}
        }
    }
}

/// Cleans the log that needs it most. Returns whether there was one. Blocks.
fn take_turn(manager: &Arc<Manager>, shutdown: &CancellationToken) -> bool {
    let Some(task) = choose(manager) else {
        return false;
    };
    let partition = Arc::clone(&task.partition);
    let began = Instant::now();
    let mut throttle = Throttle {
        manager,
        partition: &partition,
        shutdown,
        began,
        bytes: 0,
    };
    let config = manager.cleaner_config();
    let limits = CleanLimits {
        map_bytes: config.map_bytes / config.threads.max(1),
        map_load_factor: config.map_load_factor,
    };
    let now_ms = manager.now_ms();
    let cleaner = &partition.cleaning.cleaner;
    let cleaned = cleaner.clean(&task.cleanable, &task.config, limits, now_ms, &mut throttle);
    drop(task);
    match cleaned {
        Ok(cleaned) => succeeded(manager, &partition, cleaned, began.elapsed()),
        // Whatever the reason, there is no hurry.
        Err(CleanError::Stopped) => return false,
        Err(error) => failed(manager, &partition, &error),
    }
    true
}

/// A log to be cleaned, taken by this thread until this is dropped.
struct Task {
    partition: Arc<Partition>,
    config: Arc<LogConfig>,
    cleanable: Cleanable,
}

impl Drop for Task {
    fn drop(&mut self) {
        let is_taken = &self.partition.cleaning.is_taken;
        is_taken.store(false, Ordering::Release);
    }
}

/// Looks at every log, and takes the one with the largest dirty part of those that are due.
fn choose(manager: &Arc<Manager>) -> Option<Task> {
    let now_ms = manager.now_ms();
    let mut chosen: Option<Task> = None;
    let (mut dirty_bytes, mut ratio_max) = (0, 0.0_f64);
    for partition in manager.online() {
        let Some(task) = look(manager, partition, now_ms) else {
            continue;
        };
        let ratio = task.cleanable.dirty_ratio();
        dirty_bytes += task.cleanable.dirty_bytes;
        ratio_max = ratio_max.max(ratio);
        let is_worse = |than: &Task| {
            let other = than.cleanable.dirty_ratio();
            ratio.partial_cmp(&other) == Some(Order::Greater)
        };
        if task.cleanable.is_due(&task.config)
            && task.may_be_tried(now_ms)
            && chosen.as_ref().is_none_or(is_worse)
        {
            chosen = Some(task);
        }
    }
    let backlog = &manager.backlog;
    backlog.dirty_bytes.store(dirty_bytes, Ordering::Relaxed);
    let percent = (ratio_max * 100.0).round() as u64;
    backlog.dirty_percent_max.store(percent, Ordering::Relaxed);
    backlog.looked_at_ms.store(now_ms, Ordering::Relaxed);
    chosen
}

/// What there is to clean of one log; `None` if it is not compacted or another thread has it.
fn look(manager: &Arc<Manager>, partition: Arc<Partition>, now_ms: i64) -> Option<Task> {
    let cleaning = &partition.cleaning;
    let config = Arc::clone(&cleaning.config.lock());
    let is_frozen = partition.frozen.load(Ordering::Acquire);
    if !config.cleanup_compact || is_frozen || cleaning.is_taken.swap(true, Ordering::AcqRel) {
        return None;
    }
    let standing = Standing {
        cleaned_to: cleaning.cleaned_to(),
        last_stable_offset: partition.last_stable(),
        now_ms,
    };
    let cleanable = cleaning.cleaner.cleanable(&config, standing);
    let mut task = Task {
        partition,
        config,
        cleanable: Cleanable::default(),
    };
    match cleanable {
        Ok(cleanable) => {
            task.cleanable = cleanable;
            Some(task)
        }
        Err(error) => {
            if task.may_be_tried(now_ms) {
                failed(manager, &task.partition, &error);
            }
            None
        }
    }
}

impl Task {
    fn may_be_tried(&self, now_ms: i64) -> bool {
        let failure = self.partition.cleaning.failure.lock();
        failure
            .as_ref()
            .is_none_or(|failure| failure.retry_at_ms <= now_ms)
    }
}

fn succeeded(manager: &Arc<Manager>, partition: &Arc<Partition>, cleaned: Cleaned, took: Duration) {
    let cleaning = &partition.cleaning;
    *cleaning.failure.lock() = None;
    cleaning
        .cleaned_to
        .store(cleaned.cleaned_to, Ordering::Release);
    if let Err(error) = manager
        .checkpoints
        .write_cleaned(&manager.logs.dir, &manager.catalog)
    {
        // The next start cleans again what is clean.
        tracing::warn!(error = %ErrorChain(&error), "write the checkpoint of compaction");
    }
    metrics(manager).log_cleaned(cleaned.bytes_before, cleaned.bytes_after, took);
    tracing::info!(
        partition = %partition.identity(),
        cleaned_to = cleaned.cleaned_to,
        bytes_before = cleaned.bytes_before,
        bytes_after = cleaned.bytes_after,
        key_memory_percent = (cleaned.map_utilization * 100.0).round() as u64,
        took_ms = took.as_millis() as u64,
        "log compacted"
    );
}

/// Reports a failure and sees to it that the log is tried again.
fn failed(manager: &Arc<Manager>, partition: &Arc<Partition>, error: &CleanError) {
    if partition.is_deleted() {
        return;
    }
    let reason = ErrorChain(error).to_string();
    let mut failure = partition.cleaning.failure.lock();
    let attempts = failure.as_ref().map_or(1, |failure| failure.attempts + 1);
    let backoff = manager.cleaner_config().backoff;
    let wait = backoff.saturating_mul(1 << (attempts - 1).min(DOUBLINGS_MAX));
    tracing::error!(
        partition = %partition.identity(),
        error = reason,
        attempts,
        retry_after_ms = wait.as_millis() as u64,
        "log cannot be compacted"
    );
    metrics(manager).cleaner_failures.inc();
    *failure = Some(CleaningFailure {
        reason,
        attempts,
        retry_at_ms: manager
            .now_ms()
            .saturating_add_unsigned(wait.as_millis() as u64),
    });
}

fn metrics(manager: &Manager) -> &Metrics {
    &manager.services.metrics
}

/// Keeps a pass below `log.cleaner.io.max.bytes.per.second`, and stops it when there is a reason.
struct Throttle<'a> {
    manager: &'a Arc<Manager>,
    partition: &'a Partition,
    shutdown: &'a CancellationToken,
    began: Instant,
    bytes: u64,
}

impl Throttle<'_> {
    fn must_stop(&self) -> bool {
        self.shutdown.is_cancelled() || self.partition.is_deleted()
    }

    /// How long the bytes so far take at least.
    fn due(&self) -> Duration {
        let config = self.manager.cleaner_config();
        let rate = config.bytes_per_second_max / config.threads.max(1) as f64;
        Duration::try_from_secs_f64(self.bytes as f64 / rate).unwrap_or(Duration::MAX)
    }
}

impl Supervisor for Throttle<'_> {
    fn may_go_on(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        let due = self.due();
        while !self.must_stop() {
            let early = due.saturating_sub(self.began.elapsed());
            if early < NAP {
                return true;
            }
            thread::sleep(NAP);
        }
        false
    }

    fn remove_later(&mut self, files: PendingDeletion) {
        self.manager.deletions().add(files);
    }
}

impl Manager {
    /// How much there is to compact.
    pub(crate) fn backlog(&self) -> BacklogReport {
        let looked_at_ms = self.backlog.looked_at_ms.load(Ordering::Relaxed);
        let since_ms = self.now_ms().saturating_sub(looked_at_ms).max(0);
        BacklogReport {
            dirty_bytes: self.backlog.dirty_bytes.load(Ordering::Relaxed),
            dirty_percent_max: self.backlog.dirty_percent_max.load(Ordering::Relaxed),
            since_last_look_ms: if looked_at_ms == 0 {
                0
            } else {
                since_ms as u64
            },
        }
    }

    /// The partitions whose logs could not be compacted when that was last tried.
    pub(crate) fn uncleanable(&self) -> Vec<(TopicPartition, CleaningFailure)> {
        let online = self.online().into_iter();
        let failing = online.filter_map(|partition| {
            let failure = partition.cleaning.failure.lock().clone()?;
            let topic = &**partition.topic();
            Some((TopicPartition::new(topic, partition.index()), failure))
        });
        failing.collect()
    }
}

#[cfg(test)]
#[path = "cleaner_tests.rs"]
mod tests;
