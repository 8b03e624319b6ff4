//! Forgetting positions that nobody has used for long, and then their groups (KIP-211).
//!
//! A group's positions age from when it lost its last member; those of a consumer that assigns
//! partitions to itself from when they were committed; in a group with members only those in
//! topics to which no member is subscribed. A client from before KIP-211 may have set a time of its
//! own. An empty group without positions goes as well.

use std::{sync::Arc, time::Duration};

use odradek_protocol::group_records::StateKey;
use tokio_util::sync::CancellationToken;

use super::{
    CommittedOffset,
    delete::{GROUPS_AT_ONCE, Place, TOMBSTONES_MAX, select, tombstones},
};
use crate::coordinator::{
    Coordinator,
    group::{Group, OffsetsAge},
    shard::{Entry, Shard, ShardState},
    state_log::StateRecord,
};

/// What is old, at one moment.
#[derive(Debug, Clone, Copy)]
struct Expiry {
    now_ms: i64,
    retention_ms: i64,
}

impl Coordinator {
    /// Looks for expired positions every `offsets.retention.check.interval.ms` until `stop` is
    /// cancelled.
    pub(crate) async fn expire_offsets(&self, stop: &CancellationToken) {
        let config = &self.config.offsets;
        loop {
            tokio::select! {
                biased; // Stop first.
                () = stop.cancelled() => return,
                () = tokio::time::sleep(config.retention_check_interval) => {}
            }
            let expiry = Expiry::new(self.clock.now_ms(), config.retention);
            for shard in self.shards() {
                expire(&shard, expiry);
                // Other tasks of this thread get their turn.
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Expiry {
    fn new(now_ms: i64, retention: Duration) -> Self {
        Self {
            now_ms,
            retention_ms: i64::try_from(retention.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// Whether a position in that topic has expired in the group.
    fn has_expired(self, group: &Group, topic: &str, committed: &CommittedOffset) -> bool {
        let since_ms = match group.offsets_age() {
            OffsetsAge::Never => return false,
            OffsetsAge::SinceEmpty(since_ms) => since_ms,
            OffsetsAge::SinceCommit if group.is_subscribed_to(topic) => return false,
            OffsetsAge::SinceCommit => committed.commit_timestamp_ms,
        };
        match committed.expire_timestamp_ms {
            Some(expire_ms) => expire_ms <= self.now_ms,
            None => self.retention_ms <= self.now_ms.saturating_sub(since_ms),
        }
    }
}

/// Begins to forget what has expired in a shard. What the log does not take now is found again the
/// next time.
fn expire(shard: &Arc<Shard>, expiry: Expiry) {
    let groups: Vec<_> = match shard.active() {
        Ok(state) => state.groups.keys().cloned().collect(),
        Err(_) => return,
    };
    let mut forgotten = Vec::new();
    for groups in groups.chunks(GROUPS_AT_ONCE) {
        let Ok(state) = shard.active() else {
            return;
        };
        for group in groups {
            forgotten.extend(Forgotten::find(&state, group, expiry));
            if TOMBSTONES_MAX <= forgotten.iter().map(Forgotten::len).sum() {
                append(shard, std::mem::take(&mut forgotten));
            }
        }
        // Still under the lock, which is given up between these groups and the next.
        append(shard, std::mem::take(&mut forgotten));
    }
}

/// What a group loses.
#[derive(Debug)]
struct Forgotten {
    group: Arc<str>,
    positions: Vec<Place>,
    /// Nothing is left of it then.
    whole: bool,
}

impl Forgotten {
    fn find(state: &ShardState, name: &Arc<str>, expiry: Expiry) -> Option<Self> {
        let Entry { group, offsets } = state.groups.get(name)?;
        let mut positions = select(state, name, |topic, committed| {
            expiry.has_expired(group, topic, committed)
        });
        let whole = group.is_deserted() && positions.len() == offsets.entries();
        positions.truncate(TOMBSTONES_MAX);
        (whole || !positions.is_empty()).then(|| Self {
            group: Arc::clone(name),
            whole: whole && positions.len() == offsets.entries(),
            positions,
        })
    }

    fn len(&self) -> usize {
        self.positions.len() + usize::from(self.whole)
    }

    fn records(&self) -> Option<Vec<StateRecord>> {
        // What cannot be encoded was never written.
        let mut records = tombstones(&self.group, &self.positions).ok()?;
        if self.whole {
            let key = StateKey::group(&self.group).encode().ok()?;
            records.push(StateRecord { key, value: None });
        }
        Some(records)
    }

    /// The log knows that it is gone. Somebody may have come back meanwhile.
    fn forget(&self, shard: &Shard) {
        if self.whole {
            return shard.forget(&self.group, &self.positions);
        }
        if let Some(entry) = shard.state().groups.get_mut(&self.group) {
            for (topic, partition) in &self.positions {
                entry.offsets.remove(topic, *partition);
            }
        }
    }
}

/// Appends the tombstones of some groups. Called under the lock.
fn append(shard: &Arc<Shard>, forgotten: Vec<Forgotten>) {
    let records: Vec<_> = forgotten
        .iter()
        .filter_map(Forgotten::records)
        .flatten()
        .collect();
    if records.is_empty() {
        return;
    }
    let positions: usize = forgotten.iter().map(|group| group.positions.len()).sum();
    let groups = forgotten.iter().filter(|group| group.whole).count();
    let forgetting = Arc::clone(shard);
    let appended = shard.log().append_then(records, move |appended| {
        let partition = forgetting.partition();
        match appended {
            Ok(_) => {
                for group in &forgotten {
                    group.forget(&forgetting);
                }
                tracing::info!(partition, positions, groups, "offsets expired");
            }
            Err(error) => tracing::warn!(partition, %error, "offsets could not expire"),
        }
    });
    // Nobody waits for it.
    drop(appended);
}

#[cfg(test)]
#[path = "expiration_tests.rs"]
mod tests;
