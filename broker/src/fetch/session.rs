//! Incremental fetch sessions (KIP-227): the broker remembers what a client follows, so that
//! requests name only what changes and answers only what is new.
//!
//! **Invariants:** a session's epoch counts its requests, 1, 2, …, `i32::MAX`, 1, …; a request with
//! any other epoch changes nothing. No lock of the cache is held while one of a session is taken.
//! The sessions together follow at most [`PARTITIONS_MAX`] partitions, whoever names how many.

use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use hashbrown::HashMap;
use odradek_protocol::error_code::ErrorCode;
use parking_lot::Mutex;
use uuid::Uuid;

use super::{interest::Interest, subscription::Subscription};

/// A session that was not used for this long gives way to a new one when the cache is full;
/// Kafka's `min.incremental.fetch.session.eviction.ms`.
const EVICTION_IDLE_MS_MIN: i64 = 120_000;

/// The most partitions that all sessions together follow: about 60 MB. A session that would exceed
/// it is ended; its client then names everything in each request, and is served all the same.
const PARTITIONS_MAX: usize = 100_000;

/// In a request: "no session", or with an id "end this session and answer in full".
pub(crate) const FINAL_EPOCH: i32 = -1;
/// In a request: "start a session", in place of the one named, if one is.
pub(crate) const INITIAL_EPOCH: i32 = 0;

/// One session, or the passing state of a sessionless fetch, which has id 0.
#[derive(Debug)]
pub(crate) struct Session {
    /// Positive for a session.
    pub(crate) id: i32,
    pub(crate) interest: Arc<Interest>,
    pub(crate) subscription: Mutex<Subscription>,
    /// Whether its requests name topics by id; a session never mixes the two (KIP-516).
    by_topic_id: bool,
    next_epoch: Mutex<i32>,
    used_ms: AtomicI64,
    /// How many partitions it follows, as the cache counts; changed under the cache's lock only.
    partitions: AtomicUsize,
}

impl Session {
    fn new(id: i32, by_topic_id: bool, now_ms: i64) -> Self {
        let interest = Arc::new(Interest::default());
        Self {
            id,
            subscription: Mutex::new(Subscription::new(Arc::clone(&interest))),
            interest,
            by_topic_id,
            next_epoch: Mutex::new(1),
            used_ms: AtomicI64::new(now_ms),
            partitions: AtomicUsize::new(0),
        }
    }

    /// Accepts the request with this epoch, once.
    fn advance(&self, epoch: i32) -> Result<(), ErrorCode> {
        let mut next = self.next_epoch.lock();
        if *next != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        *next = if epoch == i32::MAX { 1 } else { epoch + 1 };
        Ok(())
    }
}

/// What a fetch works on.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) session: Arc<Session>,
    /// Whether the request named only changes, so that the answer may leave out what is unchanged.
    pub(crate) incremental: bool,
}

/// The sessions of this broker, at most `max.incremental.fetch.session.cache.slots`.
#[derive(Debug)]
pub(crate) struct SessionCache {
    sessions: Mutex<Sessions>,
    slots: usize,
    /// Fetches that wait for records, with a session or without.
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Sessions {
    by_id: HashMap<i32, Arc<Session>>,
    /// The sum of what they follow.
    partitions: usize,
}

impl Sessions {
    /// The caller drops what this returns after the lock: that takes locks of partitions.
    fn remove(&mut self, id: i32) -> Option<Arc<Session>> {
        let removed = self.by_id.remove(&id)?;
        self.partitions -= removed.partitions.load(Ordering::Relaxed);
        Some(removed)
    }
}

/// A fetch that waits for records; counted for as long as this lives, also when it is cancelled.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    count: &'a AtomicUsize,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SessionCache {
    /// An empty cache of at most `slots` sessions; with 0 every fetch is sessionless.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            sessions: Mutex::default(),
            slots,
            waiting: AtomicUsize::new(0),
        }
    }

    /// Sessions that exist; for the metrics.
    pub(crate) fn len(&self) -> usize {
        self.sessions.lock().by_id.len()
    }

    /// Counts a fetch that begins to wait.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting {
            count: &self.waiting,
        }
    }

    /// Fetches that wait for records; for the metrics.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Finds, starts or ends a session as the request's id and epoch say.
    ///
    /// Errors: `FETCH_SESSION_ID_NOT_FOUND`, `INVALID_FETCH_SESSION_EPOCH`,
    /// `FETCH_SESSION_TOPIC_ID_ERROR`; the client then starts a new session by itself.
    pub(crate) fn open(
        &self,
        id: i32,
        epoch: i32,
        by_topic_id: bool,
        now_ms: i64,
    ) -> Result<Opened, ErrorCode> {
        if epoch == FINAL_EPOCH || epoch == INITIAL_EPOCH {
            if id != 0 {
                self.remove(id);
            }
            let session = if epoch == INITIAL_EPOCH {
                self.start(by_topic_id, now_ms)
            } else {
                None
            };
            let session = session.unwrap_or_else(|| Session::new(0, by_topic_id, now_ms).into());
            return Ok(Opened {
                session,
                incremental: false,
            });
        }
        let session = self.sessions.lock().by_id.get(&id).cloned();
        let session = session.ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.by_topic_id != by_topic_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        session.advance(epoch)?;
        session.used_ms.store(now_ms, Ordering::Relaxed);
        Ok(Opened {
            session,
            incremental: true,
        })
    }

    /// Notes how many partitions a session follows by now. If that is too much for all of them
    /// together, ends it and returns false: the answer must not name it any more.
    pub(crate) fn keep(&self, session: &Session, partitions: usize) -> bool {
        if session.partitions.load(Ordering::Relaxed) == partitions {
            return true;
        }
        let mut sessions = self.sessions.lock();
        if !sessions.by_id.contains_key(&session.id) {
            // Ended meanwhile, or never one.
            return true;
        }
        let before = session.partitions.load(Ordering::Relaxed);
        let after = sessions.partitions - before + partitions;
        let removed = if PARTITIONS_MAX < after {
            sessions.remove(session.id)
        } else {
            sessions.partitions = after;
            session.partitions.store(partitions, Ordering::Relaxed);
            None
        };
        drop(sessions);
        removed.is_none()
    }

    fn remove(&self, id: i32) {
        let removed = self.sessions.lock().remove(id);
        drop(removed);
    }

    /// A new session, unless the cache is full of ones in use.
    fn start(&self, by_topic_id: bool, now_ms: i64) -> Option<Arc<Session>> {
        let mut sessions = self.sessions.lock();
        let mut evicted = None;
        if self.slots <= sessions.by_id.len() {
            let used = |session: &Session| session.used_ms.load(Ordering::Relaxed);
            let oldest = sessions
                .by_id
                .values()
                .min_by_key(|session| used(session))?;
            if now_ms - used(oldest) < EVICTION_IDLE_MS_MIN {
                return None;
            }
            let id = oldest.id;
            evicted = sessions.remove(id);
        }
        let id = unused_id(&sessions.by_id);
        let session = Arc::new(Session::new(id, by_topic_id, now_ms));
        sessions.by_id.insert(id, Arc::clone(&session));
        drop(sessions);
        drop(evicted);
        Some(session)
    }
}

/// A positive id that nobody can guess and no session has.
fn unused_id(sessions: &HashMap<i32, Arc<Session>>) -> i32 {
    loop {
        let id = (Uuid::new_v4().as_u128() & 0x7fff_ffff) as i32;
        if id != 0 && !sessions.contains_key(&id) {
            return id;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn started(cache: &SessionCache, now_ms: i64) -> i32 {
        cache
            .open(0, INITIAL_EPOCH, true, now_ms)
            .unwrap()
            .session
            .id
    }

    #[test]
    fn a_session_takes_its_epochs_one_after_the_other() {
        let cache = SessionCache::new(10);
        let id = started(&cache, 0);
        assert!(0 < id);
        assert!(cache.open(id, 1, true, 0).unwrap().incremental);
        assert_eq!(
            cache.open(id, 1, true, 0).err(),
            Some(ErrorCode::InvalidFetchSessionEpoch)
        );
        assert!(cache.open(id, 2, true, 0).is_ok());
    }

    #[test]
    fn the_epoch_wraps_to_one() {
        let session = Session::new(1, true, 0);
        *session.next_epoch.lock() = i32::MAX;
        session.advance(i32::MAX).unwrap();
        assert_eq!(session.advance(1), Ok(()));
    }

    #[test]
    fn an_unknown_session_and_a_change_between_names_and_ids_are_errors() {
        let cache = SessionCache::new(10);
        let id = started(&cache, 0);
        assert_eq!(
            cache.open(id ^ 1, 1, true, 0).err(),
            Some(ErrorCode::FetchSessionIdNotFound)
        );
        assert_eq!(
            cache.open(id, 1, false, 0).err(),
            Some(ErrorCode::FetchSessionTopicIdError)
        );
    }

    #[test]
    fn the_final_epoch_ends_a_session_and_the_initial_one_replaces_it() {
        let cache = SessionCache::new(10);
        let first = started(&cache, 0);
        let second = cache
            .open(first, INITIAL_EPOCH, true, 0)
            .unwrap()
            .session
            .id;
        assert_eq!(
            cache.open(first, 1, true, 0).err(),
            Some(ErrorCode::FetchSessionIdNotFound)
        );
        let last = cache.open(second, FINAL_EPOCH, true, 0).unwrap();
        assert_eq!((last.session.id, cache.len()), (0, 0));
    }

    #[test]
    fn a_full_cache_gives_up_only_sessions_that_nobody_uses() {
        let cache = SessionCache::new(1);
        let first = started(&cache, 0);
        assert_eq!(started(&cache, EVICTION_IDLE_MS_MIN - 1), 0);
        cache.open(first, 1, true, 10).unwrap();
        assert_eq!(started(&cache, EVICTION_IDLE_MS_MIN), 0);
        assert!(0 < started(&cache, EVICTION_IDLE_MS_MIN + 10));
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn sessions_that_follow_too_much_together_are_ended_one_by_one() {
        let cache = SessionCache::new(10);
        let open = || cache.open(0, INITIAL_EPOCH, true, 0).unwrap().session;
        let (first, second) = (open(), open());
        assert!(cache.keep(&first, PARTITIONS_MAX - 10));
        assert!(cache.keep(&second, 10));
        assert!(!cache.keep(&second, 11));
        assert!(cache.open(second.id, 1, true, 0).is_err());
        assert!(cache.keep(&first, PARTITIONS_MAX));
        cache.open(first.id, FINAL_EPOCH, true, 0).unwrap();
        assert!(cache.keep(&open(), PARTITIONS_MAX));
    }
}
