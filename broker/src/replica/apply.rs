//! From one metadata image to the next: creates, deletes and reconfigures partitions.
//!
//! Deletions come first and are finished, their checkpoint entries included, before anything is
//! created: a topic deleted and created again under its name never meets its older self. Logs are
//! opened side by side on the disk pool, at most `num.recovery.threads.per.data.dir` at a time.
//!
//! A log that cannot be opened takes only its own partition offline; it stays so until the broker
//! is started again, or, if only space was lacking, until there is some.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use odradek_metadata::{
    ConfigMap, ConfigResource, Delta, MetadataImage, PartitionImage, ResourceKind, TopicImage,
};
use odradek_storage::{
    config::LogConfig, log_dir::TopicPartition, recovery::Recovery, retention::PendingDeletion,
};
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

use super::{
    catalog::{OfflinePartition, Slot},
    checkpoints::{CheckpointWriter, StoredOffsets},
    leader::Leader,
    local_log::{self, DeleteLogError, LogToOpen},
    manager::Manager,
    partition::{Leadership, Partition, PartitionIdentity},
};
use crate::error_chain::ErrorChain;

/// What the checkpoint files say, by partition.
pub(super) type StoredByPartition = BTreeMap<TopicPartition, StoredOffsets>;

/// The settings of one topic, from its own configuration and the broker's.
struct TopicSettings {
    log: LogConfig,
    min_insync_replicas: usize,
}

impl Manager {
    /// Makes the partitions be what `image` says. `stored` is what the checkpoint files say of logs
    /// that are there already. Returns what opening logs took.
    pub(super) async fn apply(
        self: &Arc<Self>,
        image: &Arc<MetadataImage>,
        stored: &StoredByPartition,
    ) -> Recovery {
        let before = Arc::clone(&self.applied.lock());
        let delta = Delta::between(&before, image);
        let changed = |resource| self.config.depends_on(resource);
        let reconfigured = delta.configs.iter().any(changed);
        if reconfigured {
            self.live_config.update(&image.configs);
        }
        self.delete_topics(&delta.deleted).await;
        let mut to_open = Vec::new();
        for topic in &delta.created {
            self.catalog
                .write()
                .add_topic(&topic.name, topic.id, topic.partitions.len());
            to_open.extend(self.logs_to_open(image, topic, 0..topic.partitions.len(), stored));
        }
        for change in &delta.changed {
            let topic = &change.after;
            self.catalog
                .write()
                .add_topic(&topic.name, topic.id, topic.partitions.len());
            let added = change.before.partitions.len()..topic.partitions.len();
            to_open.extend(self.logs_to_open(image, topic, added, stored));
            self.update_topic(image, topic).await;
        }
        let recovery = self.open(to_open).await;
        if reconfigured {
            // The logs just opened have it already.
            let older = |topic: &&Arc<TopicImage>| before.topic_by_id(topic.id).is_some();
            for topic in image.topics.iter().filter(older) {
                self.update_topic(image, topic).await;
            }
        } else {
            for topic in topics_among(&delta.configs, image) {
                self.update_topic(image, topic).await;
            }
        }
        *self.applied.lock() = Arc::clone(image);
        self.acted.advance(image.applied_index);
        recovery
    }

    /// Ends the partitions of these topics and renames their directories.
    async fn delete_topics(self: &Arc<Self>, topics: &[Arc<TopicImage>]) {
        if topics.is_empty() {
            return;
        }
        let mut deleting = Vec::new();
        for topic in topics {
            let slots = self.catalog.write().remove_topic(&topic.name);
            for (index, slot) in slots {
                let partition = TopicPartition::new(&*topic.name, index);
                deleting.push(self.start_deleting(partition, slot));
            }
        }
        for deletion in deleting {
            if let Ok(Some(deletion)) = deletion.await {
                self.deletions.add(deletion);
            }
        }
        self.checkpoint(CheckpointWriter::forget_deleted).await;
    }

    /// Rewrites the checkpoint files if they could not be after a deletion.
    pub(super) async fn catch_up_on_forgetting(self: &Arc<Self>) {
        if self.checkpoints.speaks_of_deleted() {
            self.checkpoint(CheckpointWriter::forget_deleted).await;
        }
    }

    fn start_deleting(
        self: &Arc<Self>,
        partition: TopicPartition,
        slot: Slot,
    ) -> oneshot::Receiver<Option<PendingDeletion>> {
        let manager = Arc::clone(self);
        self.services.pool.submit(move || {
            let deleted = manager.delete(&partition, slot);
            // What could not be renamed is set aside when the name is used again, or at the start.
            deleted
                .inspect_err(
                    |error| tracing::error!(%partition, error = %ErrorChain(error), "delete log"),
                )
                .ok()
                .flatten()
        })
    }

    /// Blocks.
    fn delete(
        &self,
        partition: &TopicPartition,
        slot: Slot,
    ) -> Result<Option<PendingDeletion>, DeleteLogError> {
        if let Slot::Online(open) = slot {
            return Ok(open.delete(Uuid::new_v4())?);
        }
        let delay_ms = self
            .live_config
            .now()
            .topic_defaults
            .log_config(&ConfigMap::new())
            .file_delete_delay_ms;
        let due_ms = self.now_ms().saturating_add_unsigned(delay_ms);
        Ok(local_log::delete_unopened(
            &self.logs.dir,
            partition,
            due_ms,
        )?)
    }

    /// The logs to open for these partitions of a topic, so far as their replicas are here.
    fn logs_to_open(
        &self,
        image: &MetadataImage,
        topic: &TopicImage,
        partitions: Range<usize>,
        stored: &StoredByPartition,
    ) -> Vec<LogToOpen> {
        let settings = self.topic_settings(image, topic);
        let here = |(_, partition): &(i32, &PartitionImage)| {
            partition.replicas.contains(&self.config.node_id)
        };
        (0..)
            .zip(&topic.partitions)
            .skip(partitions.start)
            .take(partitions.len())
            .filter(here)
            .map(|(index, partition)| LogToOpen {
                stored: stored
                    .get(&TopicPartition::new(&*topic.name, index))
                    .copied()
                    .unwrap_or_default(),
                identity: PartitionIdentity {
                    topic: Arc::clone(&topic.name),
                    topic_id: topic.id,
                    index,
                },
                config: settings.log.clone(),
                leadership: self.leadership(partition, &settings),
            })
            .collect()
    }

    /// Opens logs side by side and puts the partitions into the catalog. Returns what it took, all
    /// logs together.
    async fn open(self: &Arc<Self>, logs: Vec<LogToOpen>) -> Recovery {
        let threads = Arc::new(Semaphore::new(
            self.live_config.now().storage.recovery_threads,
        ));
        let mut opening = Vec::with_capacity(logs.len());
        for log in logs {
            let permit = Arc::clone(&threads).acquire_owned().await;
            let manager = Arc::clone(self);
            opening.push(self.services.pool.submit(move || {
                let recovery = manager.open_one(&log);
                drop(permit);
                recovery
            }));
        }
        let mut total = Recovery::default();
        for opened in opening {
            // Fails only when the broker is stopping.
            if let Ok(recovery) = opened.await {
                total.bytes_scanned += recovery.bytes_scanned;
                total.bytes_replayed += recovery.bytes_replayed;
                total.bytes_truncated += recovery.bytes_truncated;
                total.indexes_rebuilt += recovery.indexes_rebuilt;
            }
        }
        total
    }

    /// Blocks.
    fn open_one(&self, to_open: &LogToOpen) -> Recovery {
        let LogToOpen {
            identity,
            leadership,
            stored,
            ..
        } = to_open;
        let may_create = !self.checkpoints.speaks_of_deleted();
        let opened = local_log::open(&self.logs, to_open, may_create, self.now_ms());
        let (slot, recovery) = match opened {
            Ok((log, recovery)) => {
                let partition = Partition::new(
                    identity.clone(),
                    self.services.clone(),
                    log,
                    leadership.clone(),
                    stored.high_watermark,
                );
                partition.cleaning.resume_at(stored.cleaned_to);
                (Slot::Online(partition), recovery)
            }
            Err(error) => {
                let reason = ErrorChain(&error).to_string();
                tracing::error!(partition = %identity, reason, "partition is offline");
                let partition = OfflinePartition {
                    reason,
                    needs_space: error.is_no_space(),
                    stored: *stored,
                };
                (Slot::Offline(Arc::new(partition)), Recovery::default())
            }
        };
        self.catalog
            .write()
            .set(&identity.topic, identity.index, slot);
        recovery
    }

    /// Opens the logs for which the disk had no room.
    pub(super) async fn open_those_that_need_space(self: &Arc<Self>) {
        self.catch_up_on_forgetting().await;
        let image = Arc::clone(&self.applied.lock());
        let mut to_open = Vec::new();
        for (partition, offline) in self.offline() {
            let index = usize::try_from(partition.partition).ok();
            if let (true, Some(topic), Some(index)) =
                (offline.needs_space, image.topic(&partition.topic), index)
            {
                let stored = StoredByPartition::from([(partition, offline.stored)]);
                to_open.extend(self.logs_to_open(&image, topic, index..index + 1, &stored));
            }
        }
        // What the recovery took was lost with the first attempt.
        let _ = self.open(to_open).await;
    }

    /// Brings the open partitions of a topic up to date with the image.
    async fn update_topic(self: &Arc<Self>, image: &MetadataImage, topic: &TopicImage) {
        let settings = self.topic_settings(image, topic);
        let mut updating = Vec::new();
        for (index, state) in (0..).zip(&topic.partitions) {
            let Some(partition) = self.catalog.read().open(&topic.name, index) else {
                continue;
            };
            let (config, leadership) = (settings.log.clone(), self.leadership(state, &settings));
            updating.push(self.services.pool.submit(move || {
                partition.update_config(config);
                if let Err(error) = partition.update_leadership(leadership) {
                    tracing::error!(
                        partition = %partition.identity(),
                        error = %ErrorChain(&error),
                        "lead partition"
                    );
                }
            }));
        }
        for updated in updating {
            // Fails only when the broker is stopping.
            let _ = updated.await;
        }
    }

    fn leadership(&self, partition: &PartitionImage, settings: &TopicSettings) -> Leadership {
        Leadership {
            is_leader: partition.leader == self.config.node_id,
            epoch: partition.leader_epoch,
            replicas: Leader::new(
                partition.isr.len(),
                partition.replicas.len(),
                settings.min_insync_replicas,
            ),
        }
    }

    fn topic_settings(&self, image: &MetadataImage, topic: &TopicImage) -> TopicSettings {
        let overrides = image.configs.of_topic(&topic.name);
        let config = self.live_config.now();
        TopicSettings {
            log: config.topic_defaults.log_config(&overrides),
            min_insync_replicas: config.topic_defaults.min_insync_replicas(&overrides),
        }
    }
}

/// The topics among these resources, so far as they exist.
fn topics_among<'a>(
    resources: &[ConfigResource],
    image: &'a MetadataImage,
) -> impl Iterator<Item = &'a Arc<TopicImage>> {
    let topics = resources
        .iter()
        .filter(|resource| resource.kind == ResourceKind::Topic);
    topics.filter_map(|resource| image.topic(&resource.name))
}
