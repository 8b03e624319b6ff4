//! The partitions that one fetch session (or one sessionless fetch) follows, and what it knows of
//! each.
//!
//! **Invariants:** every partition that could be found is watched from the moment it was added, and
//! no longer once it was forgotten or the subscription dropped. A token stands for one entry; a
//! token freed by `forget` may stand for another later, so a late mark costs a look and no more.
//!
//! Nothing is read here.

use std::sync::Arc;

use hashbrown::HashMap;
use odradek_protocol::error_code::ErrorCode;
use slab::Slab;
use uuid::Uuid;

use super::interest::Interest;
use crate::replica::{Partition, WatcherKey};

/// How a request names a topic: by name up to Fetch 12, by id from 13 (KIP-516).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TopicKey {
    /// The topic's name.
    Name(Arc<str>),
    /// The topic's id; names nothing else, ever.
    Id(Uuid),
}

/// A partition as the request names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PartitionKey {
    pub(crate) topic: TopicKey,
    /// The partition's index in its topic.
    pub(crate) index: i32,
}

/// What a client asks of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The first offset the client has not got.
    pub(crate) fetch_offset: i64,
    /// The most record bytes for this partition, a first batch excepted (KIP-74).
    pub(crate) max_bytes: u32,
    /// The leader epoch the client believes in; -1 if it does not say (KIP-320).
    pub(crate) current_leader_epoch: i32,
    /// The epoch of the last record the client has; -1 if it does not say (KIP-595).
    pub(crate) last_fetched_epoch: i32,
}

/// The offsets that a partition's last answer in this session told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) high_watermark: i64,
    pub(crate) log_start: i64,
}

/// One partition to look at: a copy of its entry, so that reading holds no lock.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) token: usize,
    pub(crate) key: PartitionKey,
    /// The partition, or why there is none.
    pub(crate) partition: Result<Arc<Partition>, ErrorCode>,
    pub(crate) wanted: Wanted,
    /// `None` until the first answer that named the partition.
    pub(crate) told: Option<Told>,
}

/// Finds partitions by the name or id in a request.
pub(crate) type Resolve<'a> =
    &'a (dyn Fn(&PartitionKey) -> Result<Arc<Partition>, ErrorCode> + Sync);

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Subscription {
    interest: Arc<Interest>,
    entries: Slab<Entry>,
    tokens: HashMap<PartitionKey, usize>,
}

#[derive(Debug)]
struct Entry {
    key: PartitionKey,
    wanted: Wanted,
    told: Option<Told>,
    watched: Option<Watched>,
}

/// A registration that ends when it is dropped.
#[derive(Debug)]
struct Watched {
    partition: Arc<Partition>,
    key: WatcherKey,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.partition.unwatch(self.key);
    }
}

impl Subscription {
    /// A subscription to nothing that marks its changes in `interest`.
    pub(crate) fn new(interest: Arc<Interest>) -> Self {
        Self {
            interest,
            entries: Slab::new(),
            tokens: HashMap::new(),
        }
    }

    /// Adds a partition or changes what is wanted of it, and marks it for a look.
    pub(crate) fn want(&mut self, key: PartitionKey, wanted: Wanted) {
        let token = if let Some(&token) = self.tokens.get(&key) {
            if let Some(entry) = self.entries.get_mut(token) {
                entry.wanted = wanted;
            }
            token
        } else {
            let token = self.entries.insert(Entry {
                key: key.clone(),
                wanted,
                told: None,
                watched: None,
            });
            self.tokens.insert(key, token);
            token
        };
        self.interest.put_back([token]);
    }

    /// Stops following a partition; one that is not followed is no error.
    pub(crate) fn forget(&mut self, key: &PartitionKey) {
        if let Some(token) = self.tokens.remove(key) {
            self.entries.try_remove(token);
        }
    }

    /// The number of partitions followed.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What is to be looked at for these tokens, in their order; tokens of forgotten entries are
    /// passed over. A partition not found before, or deleted since, is looked up anew.
    pub(crate) fn candidates(&mut self, tokens: &[usize], resolve: Resolve) -> Vec<Candidate> {
        let Self {
            interest, entries, ..
        } = self;
        let mut candidates = Vec::with_capacity(tokens.len());
        for &token in tokens {
            let Some(entry) = entries.get_mut(token) else {
                continue;
            };
            if entry
                .watched
                .as_ref()
                .is_some_and(|watched| watched.partition.is_deleted())
            {
                entry.watched = None;
            }
            let partition = match &entry.watched {
                Some(watched) => Ok(Arc::clone(&watched.partition)),
                None => resolve(&entry.key).inspect(|partition| {
                    let key = partition.watch(Arc::clone(interest) as _, token);
                    entry.watched = Some(Watched {
                        partition: Arc::clone(partition),
                        key,
                    });
                }),
            };
            candidates.push(Candidate {
                token,
                key: entry.key.clone(),
                partition,
                wanted: entry.wanted,
                told: entry.told,
            });
        }
        candidates
    }

    /// Notes what an answer told of a partition; `None` after an error, so that the next answer
    /// tells its offsets again.
    pub(crate) fn note_told(&mut self, token: usize, told: Option<Told>) {
        if let Some(entry) = self.entries.get_mut(token) {
            entry.told = told;
        }
    }
}
