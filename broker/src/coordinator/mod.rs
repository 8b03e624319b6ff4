//! Consumer groups: who is in them, and how far they have read.
//!
//! In the order a request passes:
//! - [`Coordinator`], in this file: all groups of this broker; finds the shard of one.
//! - [`shard`]: the groups of one partition of `__consumer_offsets`, behind one lock.
//! - [`group`]: one group: the classic protocol as a pure state machine.
//! - [`state_log`]: one partition of `__consumer_offsets`: append in order.
//! - [`replay`], [`load`]: read it from the first record to the last, at the start.
//! - [`offsets`]: the positions of a group: commit, fetch, delete.
//! - [`internal_topic`]: the topic itself.
//!
//! and beside it:
//! - [`membership`], [`administration`]: what members and operators ask.
//! - [`timers`]: when groups want to be rung.
//! - [`history`]: why they rebalanced.
//! - [`report`]: what people are told of a group.
//! - [`lag`]: how far they are behind.

pub(crate) mod administration;
pub(crate) mod group;
pub(crate) mod history;
pub(crate) mod internal_topic;
pub(crate) mod lag;
mod load;
mod membership;
pub(crate) mod offsets;
mod replay;
mod report;
pub(crate) mod shard;
pub(crate) mod state_log;
mod timers;

use std::{collections::BTreeMap, sync::Arc};

use odradek_metadata::{Delta, MetadataImage};
use parking_lot::{Mutex, RwLock};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    clock::Clock,
    config::Config,
    disk::DiskPool,
    metadata::{ChangeError, MetadataHandle},
    replica::Manager,
    telemetry::metrics::Metrics,
};
use group::{GroupError, Settings};
use internal_topic::OFFSETS_TOPIC;
use shard::{Shard, Shared};
use state_log::StateLog;
use timers::Timers;

/// All groups of this broker. See the module's documentation.
#[derive(Debug)]
pub(crate) struct Coordinator {
    config: Arc<Config>,
    metadata: MetadataHandle,
    replicas: Arc<Manager>,
    disk: Arc<DiskPool>,
    clock: Clock,
    /// What the shards share.
    shared: Arc<Shared>,
    shards: RwLock<Shards>,
    /// Replays, and what else must run to its end whoever waits for it.
    tasks: TaskTracker,
}

/// The partitions of `__consumer_offsets` that live here.
#[derive(Debug, Default)]
struct Shards {
    /// Of the topic they belong to. One that is created again is another one.
    topic_id: Uuid,
    /// How many partitions the topic has, wherever they live.
    count: i32,
    by_partition: BTreeMap<i32, Arc<Shard>>,
}

impl Coordinator {
    /// A coordinator of nothing yet; see [`Self::follow`].
    pub(crate) fn new(
        config: Arc<Config>,
        metadata: MetadataHandle,
        replicas: Arc<Manager>,
        disk: Arc<DiskPool>,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let groups = &config.groups;
        let settings = Arc::new(Settings {
            session_timeout: groups.session_timeout_min..=groups.session_timeout_max,
            members_max: groups.members_max,
            initial_rebalance_delay: groups.initial_rebalance_delay,
        });
        let shared = Arc::new(Shared {
            settings,
            timers: Timers::default(),
            history: Mutex::default(),
            metrics,
            clock: clock.clone(),
        });
        Arc::new(Self {
            config,
            metadata,
            replicas,
            disk,
            clock,
            shared,
            shards: RwLock::default(),
            tasks: TaskTracker::new(),
        })
    }

    /// Follows the metadata, rings the groups, and lets offsets expire, until `stop` is cancelled.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        tokio::join!(
            self.follow_metadata(&stop),
            self.shared.timers.run(&stop),
            self.expire_offsets(&stop)
        );
    }

    async fn follow_metadata(&self, stop: &CancellationToken) {
        let mut images = self.metadata.watch();
        let mut seen: Option<Arc<MetadataImage>> = None;
        loop {
            let image = Arc::clone(&images.borrow_and_update());
            let next = async {
                // The logs of the image's partitions are open from then on.
                self.metadata.acted().reached(image.applied_index).await;
                self.follow(&image);
                if seen.is_none_or(|seen| !Delta::between(&seen, &image).deleted.is_empty()) {
                    self.forget_deleted_topics().await;
                }
                images.changed().await
            };
            tokio::select! {
                biased; // Stop first.
                () = stop.cancelled() => return,
                changed = next => if changed.is_err() { return },
            }
            seen = Some(image);
        }
    }

    /// Ends: whoever waits is told to look elsewhere, and what is under way is waited for.
    pub(crate) async fn stop(&self) {
        for shard in std::mem::take(&mut *self.shards.write())
            .by_partition
            .values()
        {
            shard.gone();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Makes sure that groups have a place: creates `__consumer_offsets` if it does not exist, and
    /// waits until its shards are there.
    pub(crate) async fn ensure_offsets_topic(&self) -> Result<(), ChangeError> {
        internal_topic::ensure_offsets_topic(&self.metadata, &self.config.offsets).await?;
        let image = self.metadata.image();
        // It may be there because somebody else is just creating it.
        self.metadata.acted().reached(image.applied_index).await;
        self.follow(&image);
        Ok(())
    }

    /// Makes the shards those of the image, whose logs must be open. Those that are new are loaded
    /// in the background. Does nothing when there are none.
    pub(crate) fn follow(&self, image: &Arc<MetadataImage>) {
        let topic = image.topic(OFFSETS_TOPIC);
        let topic_id = topic.map_or(Uuid::nil(), |topic| topic.id);
        let partitions = topic.map_or(0..0, |topic| 0..topic.partitions.len() as i32);
        let mut shards = self.shards.write();
        if shards.topic_id != topic_id {
            for shard in std::mem::take(&mut *shards).by_partition.values() {
                shard.gone();
            }
        }
        shards.topic_id = topic_id;
        shards.count = partitions.end;
        let mut new = Vec::new();
        for partition in partitions {
            shards.by_partition.entry(partition).or_insert_with(|| {
                let shard = Shard::new(partition, self.state_log(partition), &self.shared);
                new.push(Arc::clone(&shard));
                shard
            });
        }
        if !new.is_empty() {
            let (metadata, disk) = (self.metadata.clone(), Arc::clone(&self.disk));
            let chunk_bytes = self.config.offsets.load_bytes;
            let loading = load::load(new, metadata, disk, chunk_bytes);
            self.tasks.spawn(loading);
        }
    }

    fn state_log(&self, partition: i32) -> StateLog {
        StateLog::new(
            Arc::clone(&self.replicas),
            self.clock.clone(),
            self.config.offsets.clone(),
            partition,
        )
    }

    /// The shard of that group, loaded or not.
    pub(crate) fn shard_of(&self, group: &str) -> Result<Arc<Shard>, GroupError> {
        let shards = self.shards.read();
        let partition = partition_of(group, shards.count).ok_or(GroupError::NotCoordinator)?;
        let shard = shards.by_partition.get(&partition);
        shard.cloned().ok_or(GroupError::NotCoordinator)
    }

    /// How many partitions of `__consumer_offsets` are still being loaded.
    pub(crate) fn partitions_loading(&self) -> usize {
        let shards = self.shards();
        shards
            .iter()
            .filter(|shard| shard.state().is_loading())
            .count()
    }

    /// All shards.
    pub(crate) fn shards(&self) -> Vec<Arc<Shard>> {
        self.shards.read().by_partition.values().cloned().collect()
    }
}

/// The partition of `__consumer_offsets` that a group belongs to, among `count`: Java's hash of the
/// name without its sign. `None` when there are none.
fn partition_of(group: &str, count: i32) -> Option<i32> {
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    // Java's smallest number has no positive counterpart; Kafka makes it zero.
    hash.checked_abs().unwrap_or(0).checked_rem(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_belong_to_the_partitions_where_kafka_looks_for_them() {
        for (group, hash) in [
            ("", 0),
            ("a", 97),
            ("group", 98_629_247),
            ("polygenelubricants", 0),
        ] {
            assert_eq!(partition_of(group, 50), Some(hash % 50), "{group}");
        }
        assert_eq!(partition_of("a", 0), None);
    }
}
