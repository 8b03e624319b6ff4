//! One fetch's collection: what was found so far, and whether that is enough to answer.
//!
//! **Invariants:** the bytes found never exceed the request's limit, except for a first batch that
//! is larger (KIP-74). Every token taken from the session is put back unless the partition had
//! nothing to tell, also when the client goes away in the middle.

use std::sync::Arc;

use hashbrown::HashMap;
use tokio::task::coop;

use super::{
    reading::{self, Isolation, Reading, Room},
    session::Session,
    subscription::{Candidate, Resolve},
};
use crate::disk::pool::DiskPool;

/// What bounds one fetch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Wait until there are so many bytes of records, or time is up.
    pub(crate) bytes_min: u32,
    /// No more record bytes than this, a first batch excepted.
    pub(crate) bytes_max: u32,
    pub(crate) isolation: Isolation,
}

/// A partition that was looked at.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) candidate: Candidate,
    pub(crate) reading: Reading,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Pass {
    session: Arc<Session>,
    limits: Limits,
    /// In the order in which the partitions were first looked at.
    looked: Vec<Looked>,
    /// Token to its place in `looked`.
    places: HashMap<usize, usize>,
    bytes: u32,
    answered: bool,
}

impl Pass {
    /// A fetch that has not looked at anything.
    pub(crate) fn new(session: Arc<Session>, limits: Limits) -> Self {
        let (looked, places) = (Vec::new(), HashMap::new());
        Self {
            session,
            limits,
            looked,
            places,
            bytes: 0,
            answered: false,
        }
    }

    /// Looks at every partition that was marked since the last call.
    ///
    /// Cancellation: the tokens being looked at when it is dropped are put back with the pass.
    pub(crate) async fn look(&mut self, resolve: Resolve<'_>, pool: &DiskPool) {
        let tokens = self.session.interest.take();
        let candidates = self
            .session
            .subscription
            .lock()
            .candidates(&tokens, resolve);
        let mut unread = Unread {
            session: &self.session,
            tokens: &tokens,
            done: 0,
        };
        for candidate in candidates {
            let place = self.places.get(&candidate.token).copied();
            let before = place.and_then(|place| self.looked.get(place));
            self.bytes -= before.map_or(0, |looked| looked.reading.len());
            let room = Room {
                bytes: self.limits.bytes_max.saturating_sub(self.bytes),
                empty_answer: self.bytes == 0,
            };
            let reading = reading::read(&candidate, self.limits.isolation, room, pool).await;
            self.bytes += reading.len();
            unread.done += 1;
            let looked = Looked { candidate, reading };
            if let Some(slot) = place.and_then(|place| self.looked.get_mut(place)) {
                *slot = looked;
            } else {
                self.places
                    .insert(looked.candidate.token, self.looked.len());
                self.looked.push(looked);
            }
            // Thousands of partitions must not keep others from their turn.
            coop::consume_budget().await;
        }
        unread.done = tokens.len();
    }

    /// Whether there is enough to answer before time is up.
    pub(crate) fn is_enough(&self) -> bool {
        self.limits.bytes_min <= self.bytes
            || self.limits.bytes_max <= self.bytes
            || self.looked.iter().any(|looked| looked.reading.is_urgent())
    }

    /// Ends the collection and notes in the session what the answer tells.
    ///
    /// An incremental answer leaves out partitions with nothing new.
    pub(crate) fn answer(mut self, incremental: bool) -> Vec<Looked> {
        self.answered = true;
        let mut looked = std::mem::take(&mut self.looked);
        self.put_back(&looked);
        let mut subscription = self.session.subscription.lock();
        looked.retain(|Looked { candidate, reading }| {
            let told = reading.told();
            let is_news = reading.is_unfinished() || told != candidate.told;
            subscription.note_told(candidate.token, told);
            is_news || !incremental
        });
        drop(subscription);
        looked
    }

    fn put_back(&self, looked: &[Looked]) {
        let unfinished = looked
            .iter()
            .filter(|looked| !self.answered || looked.reading.is_unfinished())
            .map(|looked| looked.candidate.token);
        self.session.interest.put_back(unfinished);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.answered {
            self.put_back(&self.looked);
        }
    }
}

/// Puts tokens back that were taken but not looked at, if the fetch is dropped meanwhile.
struct Unread<'a> {
    session: &'a Session,
    tokens: &'a [usize],
    done: usize,
}

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        let rest = self.tokens.get(self.done..).unwrap_or_default();
        self.session.interest.put_back(rest.iter().copied());
    }
}
