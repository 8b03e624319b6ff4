//! Which partitions live here: finds one, and makes them be what the metadata says.
//!
//! [`Manager::load`] opens what the metadata knows at the start, [`Manager::run`] follows it until
//! the broker stops, [`Manager::stop`] closes everything in order.
//!
//! **Invariants:**
//! - One image is acted on at a time, and wholly: deletions first, then everything else, so that a
//!   topic deleted and created again under its name never meets its older self.
//! - A log that cannot be opened takes only its own partition offline.
//! - `ActedIndex` moves only after the partitions are what the image says.
//!
//! It decides nothing about leadership or placement: that is in the image.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use odradek_metadata::MetadataImage;
use odradek_storage::{
    log_dir::{LogDir, LogDirError, PreviousStop, TopicPartition},
    recovery::Recovery,
    retention::PendingDeletion,
};
use parking_lot::{Mutex, RwLock};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    apply::StoredByPartition,
    catalog::{Catalog, OfflinePartition, Slot},
    checkpoints::{self, CheckpointWriter},
    cleaner::{self, Backlog},
    flusher::{self, Unflushed},
    housekeeping::{self, Deletions},
    local_log::{self, Inventory, InventoryError, Logs},
    partition::{Partition, PartitionServices},
    space::{self, DiskSpace},
};
use crate::{
    clock::Clock,
    config::{self, Config, dynamic::LiveConfig},
    disk::DiskPool,
    error_chain::ErrorChain,
    metadata::publisher::ActedIndex,
    telemetry::metrics::Metrics,
};

/// All partitions of this broker. See the module's documentation.
#[derive(Debug)]
pub(crate) struct Manager {
    pub(super) config: Arc<Config>,
    /// The same with what clients have changed since. Updated by [`super::apply`] alone.
    pub(super) live_config: Arc<LiveConfig>,
    pub(super) logs: Logs,
    pub(super) services: PartitionServices,
    pub(super) catalog: RwLock<Catalog>,
    /// The image that the catalog corresponds to. Changed by [`super::apply`] alone.
    pub(super) applied: Mutex<Arc<MetadataImage>>,
    pub(super) acted: ActedIndex,
    pub(super) checkpoints: CheckpointWriter,
    pub(super) backlog: Backlog,
    pub(super) deletions: Deletions,
    start_report: OnceLock<StartReport>,
}

/// What opening the logs took at the start, all together.
#[derive(Debug)]
pub(crate) struct StartReport {
    /// How many partitions are online.
    pub(crate) partitions: usize,
    pub(crate) recovery: Recovery,
    pub(crate) took: Duration,
}

/// Why a partition cannot be served here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PartitionError {
    /// No such topic, or no partition of that number.
    #[error("unknown topic or partition")]
    UnknownTopicOrPartition,
    /// No topic has that id.
    #[error("unknown topic id")]
    UnknownTopicId,
    /// Another broker leads it, or this one does not do so yet.
    #[error("not the partition's leader")]
    NotLeader,
    /// Its log cannot be used; the reason is on the admin port.
    #[error("the partition's log is offline")]
    StorageOffline,
}

/// Why the partitions could not be opened at the start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// A checkpoint file cannot be read or written.
    #[error("use the log directory's checkpoints")]
    Checkpoints(#[from] LogDirError),
    /// Strays cannot be set aside.
    #[error("tidy the log directory")]
    Inventory(#[from] InventoryError),
    /// The disk pool stopped meanwhile.
    #[error("the broker is stopping")]
    Stopping,
}

impl Manager {
    /// A manager of nothing yet. `acted` tells others how far it has come.
    pub(crate) fn new(
        config: Arc<Config>,
        logs: Logs,
        pool: Arc<DiskPool>,
        clock: Clock,
        metrics: Arc<Metrics>,
        acted: ActedIndex,
    ) -> Arc<Self> {
        let unflushed = Arc::new(Unflushed::new(config.storage.flush_bytes));
        let space = Arc::new(DiskSpace::new(&logs.dir, config.storage.min_free_bytes));
        Arc::new(Self {
            live_config: LiveConfig::new(Arc::clone(&config)),
            config,
            logs,
            services: PartitionServices {
                pool,
                clock,
                metrics,
                unflushed,
                space,
            },
            catalog: RwLock::default(),
            applied: Mutex::default(),
            acted,
            checkpoints: CheckpointWriter::default(),
            backlog: Backlog::default(),
            deletions: Deletions::default(),
            start_report: OnceLock::new(),
        })
    }

    /// The configuration in force, as it changes.
    pub(crate) const fn live_config(&self) -> &Arc<LiveConfig> {
        &self.live_config
    }

    /// The partition of that topic and index, if it is led from here.
    pub(crate) fn partition(
        &self,
        topic: &str,
        index: i32,
    ) -> Result<Arc<Partition>, PartitionError> {
        self.catalog.read().partition(topic, index)
    }

    /// The partition of the topic with that id, if it is led from here.
    pub(crate) fn partition_by_id(
        &self,
        topic_id: Uuid,
        index: i32,
    ) -> Result<Arc<Partition>, PartitionError> {
        let catalog = self.catalog.read();
        let name = catalog
            .name(topic_id)
            .ok_or(PartitionError::UnknownTopicId)?;
        catalog.partition(name, index)
    }

    /// Every partition whose log is open.
    pub(crate) fn online(&self) -> Vec<Arc<Partition>> {
        let catalog = self.catalog.read();
        let online = catalog.slots().filter_map(|(_, _, slot)| match slot {
            Slot::Online(partition) => Some(Arc::clone(partition)),
            Slot::Offline(_) | Slot::NotHere => None,
        });
        online.collect()
    }

    /// Every partition whose log could not be opened, with the reason.
    pub(crate) fn offline(&self) -> Vec<(TopicPartition, Arc<OfflinePartition>)> {
        let catalog = self.catalog.read();
        let offline = catalog
            .slots()
            .filter_map(|(topic, index, slot)| match slot {
                Slot::Offline(partition) => {
                    Some((TopicPartition::new(&**topic, index), Arc::clone(partition)))
                }
                Slot::Online(_) | Slot::NotHere => None,
            });
        offline.collect()
    }

    /// The partitions of that topic whose log could not be opened.
    pub(crate) fn offline_of(&self, topic: &str) -> Vec<i32> {
        self.catalog.read().offline_of(topic)
    }

    /// The directory that holds the logs.
    pub(crate) fn log_dir(&self) -> &Arc<LogDir> {
        &self.logs.dir
    }

    /// Opens what `image` says is here, and sets strays aside. To be awaited before any request.
    pub(crate) async fn load(
        self: &Arc<Self>,
        image: &Arc<MetadataImage>,
    ) -> Result<(), LoadError> {
        let first = Arc::clone(image);
        let tidied = self.blocking(move |manager| manager.tidy(&first)).await;
        let Tidied { stored, leftovers } = tidied.ok_or(LoadError::Stopping)??;
        if !leftovers.paths.is_empty() {
            self.deletions.add(leftovers);
        }
        let began = Instant::now();
        let recovery = self.apply(image, &stored).await;
        self.report(recovery, began.elapsed());
        let recovered = self.blocking(|manager| {
            manager
                .checkpoints
                .write_all(&manager.logs.dir, &manager.catalog)?;
            if manager.has_offline() {
                // They still wait for recovery. Were the directory declared recovered, the next
                // start would take them for recovered too.
                return Ok(());
            }
            manager.logs.dir.mark_recovered()
        });
        match recovered.await.ok_or(LoadError::Stopping)? {
            Err(error) if error.is_no_space() => {
                // The logs are as good as those on another disk; only the next start takes longer.
                let error = ErrorChain(&error);
                tracing::warn!(%error, "the recovery cannot be noted: the next start repeats it");
                Ok(())
            }
            noted => Ok(noted?),
        }
    }

    /// Follows the metadata, flushes, compacts and keeps house until `shutdown`.
    pub(crate) async fn run(
        self: Arc<Self>,
        images: watch::Receiver<Arc<MetadataImage>>,
        shutdown: CancellationToken,
    ) {
        tokio::join!(
            self.follow(images, &shutdown),
            flusher::run(&self, &shutdown),
            housekeeping::run(&self, &shutdown),
            space::run(&self, &shutdown),
            cleaner::run(&self, &shutdown),
        );
    }

    /// Closes every log in order, so that the next start need not recover. Appends that come later
    /// are refused. To be awaited after [`run`](Self::run) has ended.
    pub(crate) async fn stop(self: &Arc<Self>) {
        let pool = &self.services.pool;
        let closing: Vec<_> = self
            .online()
            .into_iter()
            .map(|partition| {
                let closed = Arc::clone(&partition);
                (partition, pool.submit(move || closed.stop()))
            })
            .collect();
        let mut clean = !self.has_offline();
        for (partition, closed) in closing {
            match closed.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    clean = false;
                    tracing::error!(
                        partition = %partition.identity(),
                        error = %ErrorChain(&error),
                        "close log"
                    );
                }
                Err(_) => clean = false,
            }
        }
        let marked = self.blocking(move |manager| {
            manager
                .checkpoints
                .write_all(&manager.logs.dir, &manager.catalog)?;
            if clean && manager.logs.dir.health().offline().is_none() {
                manager.logs.dir.mark_clean()?;
            }
            Ok::<_, LogDirError>(())
        });
        if let Some(Err(error)) = marked.await {
            tracing::error!(error = %ErrorChain(&error), "mark the clean stop");
        }
    }

    async fn follow(
        self: &Arc<Self>,
        mut images: watch::Receiver<Arc<MetadataImage>>,
        shutdown: &CancellationToken,
    ) {
        // What changed between `load` and now must not be missed.
        images.mark_changed();
        let mut low = self.services.space.watch_low();
        low.mark_changed();
        loop {
            tokio::select! {
                // Shutdown first. An image is never left half acted on: there is no await point
                // of this select inside `apply`.
                biased;
                () = shutdown.cancelled() => return,
                changed = images.changed() => if changed.is_err() { return },
                // Never fails: the manager has the sender.
                _ = low.changed() => {
                    if !*low.borrow_and_update() {
                        self.open_those_that_need_space().await;
                    }
                    continue;
                }
            }
            let image = Arc::clone(&images.borrow_and_update());
            self.catch_up_on_forgetting().await;
            // New logs have nothing to recover.
            let _ = self.apply(&image, &StoredByPartition::new()).await;
        }
    }

    /// What opening the logs took at the start; `None` until it is done.
    pub(crate) fn start_report(&self) -> Option<&StartReport> {
        self.start_report.get()
    }

    fn report(&self, recovery: Recovery, took: Duration) {
        let previous_stop = self.logs.dir.previous_stop();
        let partitions = self.online().len();
        if matches!(
            previous_stop,
            PreviousStop::ProcessDied | PreviousStop::PageCacheLost
        ) {
            let Recovery {
                bytes_scanned,
                bytes_truncated,
                ..
            } = recovery;
            tracing::info!(
                %previous_stop,
                partitions,
                bytes_scanned,
                bytes_truncated,
                took_ms = took.as_millis() as u64,
                "logs recovered"
            );
        }
        let report = StartReport {
            partitions,
            recovery,
            took,
        };
        // Logs are loaded once.
        let _ = self.start_report.set(report);
    }

    fn has_offline(&self) -> bool {
        self.catalog
            .read()
            .slots()
            .any(|(_, _, slot)| matches!(slot, Slot::Offline(_)))
    }

    /// What the checkpoint files say, and what is left of deleted logs; sets strays aside. Blocks.
    fn tidy(&self, image: &MetadataImage) -> Result<Tidied, LoadError> {
        let (dir, node_id) = (&self.logs.dir, self.config.node_id);
        let mut stored = checkpoints::read(dir)?;
        let Inventory { known, leftovers } =
            local_log::take_inventory(dir, image, node_id, self.now_ms())?;
        let entries = stored.len();
        stored.retain(|partition, _| known.contains(partition));
        if stored.len() < entries {
            // A deletion was cut short. Before a log is created under one of these names, the
            // files must forget it.
            match self.checkpoints.keep_only(dir, &stored) {
                Err(error) if error.is_no_space() => {
                    tracing::warn!(error = %ErrorChain(&error), "no log can be created for now");
                }
                kept => kept?,
            }
        }
        Ok(Tidied { stored, leftovers })
    }

    /// Flushes one partition beside its appends.
    pub(super) async fn flush(&self, partition: Arc<Partition>) {
        let flushed = Arc::clone(&partition);
        let done = self
            .services
            .pool
            .upkeep(move || flushed.flush_in_background());
        if let Ok(Err(error)) = done.await {
            tracing::error!(
                partition = %partition.identity(),
                error = %ErrorChain(&error),
                "background flush"
            );
        }
    }

    /// Applies retention to one partition.
    pub(super) async fn clean_up(&self, partition: Arc<Partition>) {
        let cleaned = Arc::clone(&partition);
        match self.services.pool.upkeep(move || cleaned.clean_up()).await {
            Ok(Ok(Some(deletion))) => self.deletions.add(deletion),
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => {
                tracing::error!(
                    partition = %partition.identity(),
                    error = %ErrorChain(&error),
                    "apply retention"
                );
            }
        }
    }

    /// Gives back disk space that one partition does not use yet.
    pub(super) async fn give_back_preallocated(&self, partition: Arc<Partition>) {
        let trimmed = Arc::clone(&partition);
        let pool = &self.services.pool;
        if let Ok(Err(error)) = pool.upkeep(move || trimmed.give_back_preallocated()).await {
            tracing::warn!(
                partition = %partition.identity(),
                error = %ErrorChain(&error),
                "give back preallocated space"
            );
        }
    }

    /// Removes files that are due.
    pub(super) async fn remove(&self, deletion: PendingDeletion) {
        let disk = Arc::clone(self.logs.dir.disk());
        if let Ok(Err(error)) = self
            .services
            .pool
            .upkeep(move || deletion.remove(&disk))
            .await
        {
            tracing::error!(error = %ErrorChain(&error), "remove deleted files");
        }
    }

    /// Writes the checkpoint files chosen by `write`.
    pub(super) async fn checkpoint(
        self: &Arc<Self>,
        write: fn(&CheckpointWriter, &LogDir, &RwLock<Catalog>) -> Result<(), LogDirError>,
    ) {
        let written = self
            .blocking(move |manager| {
                write(&manager.checkpoints, &manager.logs.dir, &manager.catalog)
            })
            .await;
        if let Some(Err(error)) = written {
            tracing::error!(error = %ErrorChain(&error), "write checkpoint");
        }
    }

    /// Runs short blocking work on the disk pool; `None` when the pool has stopped.
    async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Option<T> {
        let manager = Arc::clone(self);
        self.services.pool.submit(move || work(&manager)).await.ok()
    }

    /// The room on the disk.
    pub(crate) fn space(&self) -> &DiskSpace {
        &self.services.space
    }

    /// Bytes appended and not flushed, over all partitions.
    pub(crate) fn unflushed_bytes(&self) -> u64 {
        self.services.unflushed.bytes()
    }

    /// Asks how much room there is.
    pub(super) async fn look_at_space(self: &Arc<Self>) {
        // Nobody needs to know when the broker is stopping.
        let _ = self.blocking(|manager| manager.space().report()).await;
    }

    pub(super) fn unflushed(&self) -> &Unflushed {
        &self.services.unflushed
    }

    pub(super) fn deletions(&self) -> &Deletions {
        &self.deletions
    }

    /// How logs are compacted, as it is configured now.
    pub(super) fn cleaner_config(&self) -> config::Cleaner {
        self.live_config.now().storage.cleaner.clone()
    }

    pub(super) fn storage_config(&self) -> &config::Storage {
        &self.config.storage
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.services.clock.now_ms()
    }
}

/// What [`Manager::tidy`] found.
struct Tidied {
    stored: StoredByPartition,
    leftovers: PendingDeletion,
}

#[cfg(test)]
#[path = "manager_tests.rs"]
mod tests;
