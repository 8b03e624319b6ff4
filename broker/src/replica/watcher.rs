//! Who wants to hear that a partition changed: fetch sessions and long polls.
//!
//! **Invariant:** a watcher is called after the change was published, so whoever looks then sees
//! it; and it is called with no lock of the partition held.
//!
//! What changed is not told: a watcher looks for itself, once, however often it was called.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use slab::Slab;
use smallvec::SmallVec;

/// Hears that a partition changed.
pub(crate) trait Watcher: fmt::Debug + Send + Sync {
    /// The log end, high watermark, log start, leader epoch or existence of a partition changed.
    ///
    /// `token` is the one given at registration. Called on the thread that made the change, so it
    /// must be short; it may be called once more just after it was unregistered.
    fn partition_changed(&self, token: usize);
}

/// A registration, to be given back to [`Watchers::unregister`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WatcherKey(usize);

/// The watchers of one partition. Bounded by the fetches and fetch sessions that exist.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    registered: Mutex<Slab<(Arc<dyn Watcher>, usize)>>,
}

impl Watchers {
    /// Calls `watcher` with `token` at every change from now on.
    pub(crate) fn register(&self, watcher: Arc<dyn Watcher>, token: usize) -> WatcherKey {
        WatcherKey(self.registered.lock().insert((watcher, token)))
    }

    /// Ends a registration; each is ended exactly once.
    pub(crate) fn unregister(&self, key: WatcherKey) {
        let mut registered = self.registered.lock();
        registered.try_remove(key.0);
        if registered.is_empty() {
            // An idle partition keeps nothing.
            *registered = Slab::new();
        }
    }

    /// Tells every watcher.
    pub(crate) fn notify(&self) {
        // Copied out, because a watcher takes locks of its own, under which it may also register.
        let watchers: SmallVec<[_; 4]> = self
            .registered
            .lock()
            .iter()
            .map(|(_, entry)| entry.clone())
            .collect();
        for (watcher, token) in watchers {
            watcher.partition_changed(token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Calls(Mutex<Vec<usize>>);

    impl Watcher for Calls {
        fn partition_changed(&self, token: usize) {
            self.0.lock().push(token);
        }
    }

    #[test]
    fn each_registration_hears_its_own_token_until_it_ends() {
        let watchers = Watchers::default();
        let calls = Arc::new(Calls::default());
        let first = watchers.register(Arc::clone(&calls) as Arc<dyn Watcher>, 1);
        watchers.register(Arc::clone(&calls) as Arc<dyn Watcher>, 2);
        watchers.notify();
        watchers.unregister(first);
        watchers.notify();
        assert_eq!(*calls.0.lock(), [1, 2, 2]);
    }
}
