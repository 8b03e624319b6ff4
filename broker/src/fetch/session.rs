//! Incremental fetch sessions (KIP-227): the broker remembers what a client follows, so that
//! requests name only what changes and answers only what is new.
//!
//! **Invariants:** a session's epoch counts its requests, 1, 2, …, `i32::MAX`, 1, …; a request with
//! any other epoch changes nothing. No lock of the cache is held while one of a session is taken.

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
    sessions: Mutex<HashMap<i32, Arc<Session>>>,
    slots: usize,
    /// Fetches that wait for records, with a session or without.
    waiting: AtomicUsize,
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
            sessions: Mutex::new(HashMap::new()),
            slots,
            waiting: AtomicUsize::new(0),
        }
    }

    /// Sessions that exist; for the metrics.
    pub(crate) fn len(&self) -> usize {
        self.sessions.lock().len()
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
        let session = self.sessions.lock().get(&id).cloned();
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

    fn remove(&self, id: i32) {
        // Dropped outside the lock: it takes locks of partitions.
        let removed = self.sessions.lock().remove(&id);
        drop(removed);
    }

    /// A new session, unless the cache is full of ones in use.
    fn start(&self, by_topic_id: bool, now_ms: i64) -> Option<Arc<Session>> {
        let mut sessions = self.sessions.lock();
        let mut evicted = None;
        if self.slots <= sessions.len() {
            let used = |session: &Session| session.used_ms.load(Ordering::Relaxed);
            let oldest = sessions.values().min_by_key(|session| used(session))?;
            if now_ms - used(oldest) < EVICTION_IDLE_MS_MIN {
                return None;
            }
            let id = oldest.id;
            evicted = sessions.remove(&id);
        }
        let id = unused_id(&sessions);
        let session = Arc::new(Session::new(id, by_topic_id, now_ms));
        sessions.insert(id, Arc::clone(&session));
        drop(sessions);
        // Outside the lock, for the same reason as in `remove`.
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
}
