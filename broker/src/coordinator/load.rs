//! From the records of `__consumer_offsets` to groups and positions in memory, at the start.
//!
//! One partition after the other, in the background: requests for a group whose partition has not
//! been reached are answered `CoordinatorLoadInProgress`, and clients ask again.
//!
//! **Invariants:**
//! - The last record of a key counts, whatever compaction left of those before it.
//! - A record that cannot be read is left out and counted; the others are loaded all the same.
//! - Memory grows with what is alive, not with what the log holds.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hashbrown::HashSet;
use odradek_metadata::MetadataImage;
use odradek_protocol::{
    group_records::{GroupValue, OffsetValue, StateKey},
    records::BatchRecords,
};
use tokio::time::Instant;

use super::{
    group::Now,
    offsets::delete::forget_orphans,
    replay::{Replay, ReplayError, Replayed},
    shard::Shard,
};
use crate::{disk::DiskPool, error_chain::ErrorChain, metadata::MetadataHandle};

/// What loading some partitions came to.
#[derive(Debug, Clone, Copy, Default)]
struct Report {
    partitions: u64,
    failed: u64,
    replayed: Replayed,
    broken_records: u64,
}

/// Loads the shards, in their order, and opens each to requests when it is complete.
///
/// A shard whose log cannot be read stays closed, and says so in the log. Ends early when the
/// shards are given up meanwhile.
pub(super) async fn load(
    shards: Vec<Arc<Shard>>,
    metadata: MetadataHandle,
    pool: Arc<DiskPool>,
    chunk_bytes: u32,
) {
    let began = Instant::now();
    let mut report = Report::default();
    for shard in shards {
        let loading = Loading {
            shard: Arc::clone(&shard),
            now: shard.now(),
            topics: Topics::new(metadata.image()),
            broken_records: 0,
        };
        match shard.log().replay(loading, &pool, chunk_bytes).await {
            Ok((loading, replayed)) => {
                report.add(&loading, replayed);
                shard.loaded();
                forget_orphans(&shard, &metadata);
            }
            Err(ReplayError::Ended | ReplayError::Lost(_)) => return,
            Err(error) => {
                report.failed += 1;
                let (partition, error) = (shard.partition(), ErrorChain(&error));
                tracing::error!(partition, %error, "groups and offsets cannot be loaded");
                shard.gone();
            }
        }
    }
    report.log(began.elapsed());
}

impl Report {
    fn add(&mut self, loading: &Loading, replayed: Replayed) {
        self.partitions += 1;
        self.broken_records += loading.broken_records;
        self.replayed.records += replayed.records;
        self.replayed.bytes += replayed.bytes;
        self.replayed.broken_batches += replayed.broken_batches;
    }

    fn log(&self, took: Duration) {
        let Replayed {
            records,
            bytes,
            broken_batches,
        } = self.replayed;
        let broken_records = self.broken_records;
        if 0 < broken_batches + broken_records {
            tracing::warn!(
                broken_batches,
                broken_records,
                "some records of groups and offsets are broken and were left out"
            );
        }
        if 0 < records {
            tracing::info!(
                partitions = self.partitions,
                failed = self.failed,
                records,
                bytes,
                took_ms = took.as_millis() as u64,
                "loaded groups and offsets"
            );
        }
    }
}

/// Puts records into a shard.
struct Loading {
    shard: Arc<Shard>,
    now: Now,
    topics: Topics,
    broken_records: u64,
}

impl Replay for Loading {
    fn take(&mut self, batch: &BatchRecords) -> bool {
        // One look at the lock for each batch: requests that ask meanwhile do not wait long.
        let mut state = self.shard.state();
        if !state.is_loading() {
            return false;
        }
        for record in batch {
            let read = record.ok().and_then(|record| {
                let key = StateKey::decode(&Bytes::copy_from_slice(record.key?)).ok()?;
                let value = record.value.map(Bytes::copy_from_slice);
                Some((key, value))
            });
            let restored = read.and_then(|(key, value)| match key {
                StateKey::Offset {
                    group,
                    topic,
                    partition,
                } => {
                    let value = value.map(|value| OffsetValue::decode(&value)).transpose();
                    let value = value.ok()?.map(Into::into);
                    let topic = self.topics.shared(&topic);
                    state.restore_offset(&group, &topic, partition, value, self.now);
                    Some(())
                }
                StateKey::Group { group } => {
                    let value = value.map(|value| GroupValue::decode(&value)).transpose();
                    state.restore_group(&group, value.ok()?, self.now);
                    Some(())
                }
                // The records of another protocol's groups: they stay in the log.
                StateKey::Unknown { .. } => Some(()),
            });
            if restored.is_none() {
                self.broken_records += 1;
            }
        }
        true
    }
}

/// Each topic's name once in memory, however many positions there are in it.
struct Topics {
    image: Arc<MetadataImage>,
    /// Those that do not exist any more.
    others: HashSet<Arc<str>>,
}

impl Topics {
    fn new(image: Arc<MetadataImage>) -> Self {
        Self {
            image,
            others: HashSet::new(),
        }
    }

    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(topic) = self.image.topic(name) {
            return Arc::clone(&topic.name);
        }
        Arc::clone(self.others.get_or_insert_with(name, |name| name.into()))
    }
}
