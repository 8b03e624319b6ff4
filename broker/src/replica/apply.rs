//! From one metadata image to the next: creates, deletes and reconfigures partitions.
//!
//! Deletions come first and are finished, their checkpoint entries included, before anything is
//! created: a topic deleted and created again under its name never meets its older self. Logs are
//! opened side by side on the disk pool, at most `num.recovery.threads.per.data.dir` at a time.
//!
//! A log that cannot be opened takes only its own partition offline; it stays so until the broker
//! is started again.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use odradek_metadata::{
    ConfigResource, Delta, MetadataImage, PartitionImage, ResourceKind, TopicImage,
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
        for resource in &delta.configs {
            if let ConfigResource {
                kind: ResourceKind::Topic,
                name,
            } = resource
                && let Some(topic) = image.topic(name)
            {
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
        self.checkpoint(CheckpointWriter::write_all).await;
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
            .config
            .topic_defaults
            .log_config(&BTreeMap::new())
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
        let threads = Arc::new(Semaphore::new(self.config.storage.recovery_threads));
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
        let (slot, recovery) = match local_log::open(&self.logs, to_open, self.now_ms()) {
            Ok((log, recovery)) => {
                let partition = Partition::new(
                    identity.clone(),
                    self.services.clone(),
                    log,
                    leadership.clone(),
                    stored.high_watermark,
                );
                (Slot::Online(partition), recovery)
            }
            Err(error) => {
                let reason = ErrorChain(&error).to_string();
                tracing::error!(partition = %identity, reason, "partition is offline");
                let partition = OfflinePartition {
                    reason,
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
        let configs = image.configs.of_topic(&topic.name);
        let overrides = configs
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect();
        TopicSettings {
            log: self.config.topic_defaults.log_config(&overrides),
            min_insync_replicas: self.config.topic_defaults.min_insync_replicas(&overrides),
        }
    }
}
