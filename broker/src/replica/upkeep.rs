//! What happens to a partition besides appends and reads: flushes in the background, changes of
//! leadership and configuration, retention, its end.
//!
//! Every function here blocks and runs on the disk pool. Those that change the log hold it, so an
//! append that comes meanwhile waits in its queue; a background flush holds up nobody.

use std::sync::{Arc, atomic::Ordering};

use odradek_storage::{config::LogConfig, error::LogError, retention::PendingDeletion};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    append_queue::AppendError,
    partition::{Leadership, Partition},
};

impl Partition {
    /// Flushes what was appended so far, while appends go on.
    pub(super) fn flush_in_background(&self) -> Result<(), LogError> {
        // Cleared first: what is appended during the flush needs a flush of its own.
        self.flush_is_due.store(false, Ordering::Release);
        if self.view.has_unflushed() {
            self.counted_flush(|| self.flusher.flush(self.services.clock.now_ms()))?;
        } else {
            // An earlier flush took more than it was told of.
            self.forget_unflushed();
        }
        Ok(())
    }

    /// Runs `flush`, notes how long it took, and counts its bytes as flushed.
    pub(super) fn counted_flush<T>(&self, flush: impl FnOnce() -> T) -> T {
        let bytes = self.unflushed_bytes.swap(0, Ordering::AcqRel);
        let began = Instant::now();
        let flushed = flush();
        self.services.metrics.log_flushed(began.elapsed());
        // Whatever came of it: after a failure nothing is appended any more.
        self.services.unflushed.subtract(bytes);
        flushed
    }

    /// There is nothing to flush here any more.
    fn forget_unflushed(&self) {
        let bytes = self.unflushed_bytes.swap(0, Ordering::AcqRel);
        self.services.unflushed.subtract(bytes);
    }

    /// Gives back the disk space that was asked for in advance and is not used yet.
    pub(super) fn give_back_preallocated(&self) -> Result<(), LogError> {
        match self.log.lock().as_mut() {
            Some(log) => log.give_back_preallocated(),
            None => Ok(()),
        }
    }

    /// Takes over what the metadata says about the leader.
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

    /// Changes the topic's configuration from the next append on. What is unflushed already is
    /// flushed by the new `flush.ms` as well.
    pub(super) fn update_config(self: &Arc<Self>, config: LogConfig) {
        self.cleaning.update_config(config.clone());
        if let Some(log) = self.log.lock().as_mut() {
            log.update_config(config);
            self.note_flush_ms(log);
        }
    }

    /// Deletes segments past their retention and forgets producers long silent.
    pub(super) fn clean_up(&self) -> Result<Option<PendingDeletion>, LogError> {
        let now_ms = self.services.clock.now_ms();
        let start = self.log_start();
        let deletion = {
            let mut log = self.log.lock();
            let Some(log) = log.as_mut() else {
                return Ok(None);
            };
            log.expire_producers(now_ms);
            log.delete_old_segments(self.high_watermark(), now_ms)?
        };
        if start < self.log_start() {
            // A checkpoint file has to follow.
            self.services.unflushed.add(0);
            self.watchers.notify();
        }
        Ok(deletion)
    }

    /// Ends the partition: appends are refused from now on, and its directory is renamed, to be
    /// removed later. `None` if the log was closed before.
    pub(super) fn delete(&self, unique: Uuid) -> Result<Option<PendingDeletion>, LogError> {
        self.deleted.store(true, Ordering::Release);
        self.refuse_appends(&AppendError::Deleted);
        let log = self.log.lock().take();
        let now_ms = self.services.clock.now_ms();
        let deletion = log.map(|log| log.delete(unique, now_ms)).transpose();
        self.forget_unflushed();
        self.watchers.notify();
        deletion
    }

    /// Closes the log in order, so that the next start need not scan it. Fails for a log that
    /// nobody can vouch for any more.
    pub(super) fn stop(&self) -> Result<(), LogError> {
        self.refuse_appends(&AppendError::Stopping);
        let log = self.log.lock().take();
        self.forget_unflushed();
        if self.frozen.load(Ordering::Acquire) {
            return Err(LogError::Offline);
        }
        let now_ms = self.services.clock.now_ms();
        log.map(|log| log.close_clean(now_ms)).transpose()?;
        Ok(())
    }
}
