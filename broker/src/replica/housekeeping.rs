//! Housekeeping: retention, producers long silent, and files whose deletion was put off.
//!
//! When the disk is nearly full, none of this waits for its time: see [`make_room`].
//!
//! One coarse timer (`log.retention.check.interval.ms`) goes through the partitions, one job on the
//! disk pool at a time, so that appends find the other threads free. Removing files has a timer
//! only while there are files to remove.

use std::time::Duration;

use odradek_storage::retention::PendingDeletion;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};
use tokio_util::sync::CancellationToken;

use super::manager::Manager;

/// The first check comes soon after the start, whatever the interval: what expired while the broker
/// was down should not wait.
const FIRST_CHECK_AFTER_MAX: Duration = Duration::from_secs(30);

/// Files to be removed later. What is still here when the broker stops is removed at its next
/// start.
#[derive(Debug, Default)]
pub(super) struct Deletions {
    pending: Mutex<Vec<PendingDeletion>>,
    added: Notify,
}

impl Deletions {
    /// Removes these files once they are due.
    pub(super) fn add(&self, deletion: PendingDeletion) {
        self.pending.lock().push(deletion);
        self.added.notify_one();
    }

    fn first_due_ms(&self) -> Option<i64> {
        self.pending
            .lock()
            .iter()
            .map(|deletion| deletion.due_ms)
            .min()
    }

    /// Takes what may be removed.
    pub(super) fn take_due(&self, now_ms: i64) -> Vec<PendingDeletion> {
        self.pending
            .lock()
            .extract_if(.., |deletion| deletion.due_ms <= now_ms)
            .collect()
    }
}

/// Checks retention and removes files until `shutdown`.
pub(super) async fn run(manager: &Manager, shutdown: &CancellationToken) {
    let every = manager.storage_config().retention_check_interval;
    let mut low = manager.space().watch_low();
    low.mark_changed();
    let mut check = interval_at(Instant::now() + every.min(FIRST_CHECK_AFTER_MAX), every);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // Shutdown first: whatever is not removed now is removed at the next start.
            biased;
            () = shutdown.cancelled() => return,
            () = removal_is_due(manager) => remove_due(manager).await,
            // Never fails: the manager has the sender.
            _ = low.changed() => {
                if *low.borrow_and_update() {
                    make_room(manager, shutdown).await;
                }
            }
            _ = check.tick() => check_all(manager, shutdown).await,
        }
    }
}

/// The disk is nearly full: gives back what is not used, and whatever has expired goes now. Deleted
/// files are not kept for reads that began earlier, for as long as this lasts.
async fn make_room(manager: &Manager, shutdown: &CancellationToken) {
    remove_due(manager).await;
    for partition in manager.online() {
        if shutdown.is_cancelled() {
            return;
        }
        manager.give_back_preallocated(partition).await;
    }
    check_all(manager, shutdown).await;
}

/// Goes through all partitions.
async fn check_all(manager: &Manager, shutdown: &CancellationToken) {
    for partition in manager.online() {
        if shutdown.is_cancelled() {
            return;
        }
        manager.clean_up(partition).await;
    }
}

/// Resolves when files may be removed. Cancellation safe: nothing is taken.
async fn removal_is_due(manager: &Manager) {
    let deletions = manager.deletions();
    loop {
        let Some(due_ms) = deletions.first_due_ms() else {
            deletions.added.notified().await;
            continue;
        };
        if manager.space().is_low() {
            return;
        }
        let Ok(wait_ms) = u64::try_from(due_ms.saturating_sub(manager.now_ms())) else {
            return;
        };
        if wait_ms == 0 {
            return;
        }
        tokio::select! {
            () = sleep(Duration::from_millis(wait_ms)) => {}
            () = deletions.added.notified() => {}
        }
    }
}

async fn remove_due(manager: &Manager) {
    let due_ms = if manager.space().is_low() {
        i64::MAX
    } else {
        manager.now_ms()
    };
    for deletion in manager.deletions().take_due(due_ms) {
        manager.remove(deletion).await;
    }
}
