//! When metadata is to be asked for again: it is too old, or known to be wrong. Pure.
//!
//! **Invariant:** one question is under way at a time, and the next comes no sooner than a pause
//! after its answer, however many find the metadata wrong.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::config::ClientConfig;

/// What one user of the metadata thinks of it.
#[derive(Debug)]
pub(crate) struct Staleness {
    max_age: Duration,
    pause: Duration,
    /// Topics whose leaders are not known, or not believed any more.
    wrong: BTreeSet<Arc<str>>,
    /// A question is under way.
    is_asked: bool,
    too_old_at: Instant,
    not_before: Instant,
}

impl Staleness {
    /// Nothing is wrong yet.
    pub(crate) fn new(config: &ClientConfig, now: Instant) -> Self {
        Self {
            max_age: config.metadata_max_age,
            pause: config.retry_backoff,
            wrong: BTreeSet::new(),
            is_asked: false,
            too_old_at: now + config.metadata_max_age,
            not_before: now,
        }
    }

    /// What is known of the topic is wrong, or nothing is.
    pub(crate) fn mark(&mut self, topic: &Arc<str>) {
        self.wrong.insert(Arc::clone(topic));
    }

    /// The topics to ask about now, if any; the caller asks, and says when it was
    /// [`answered`](Self::answered). `all` are those to ask about when the metadata is too old.
    pub(crate) fn take_due<'a>(
        &mut self,
        now: Instant,
        all: impl Iterator<Item = &'a Arc<str>>,
    ) -> Option<BTreeSet<Arc<str>>> {
        if self.is_asked || now < self.wake_at() {
            return None;
        }
        let mut topics = std::mem::take(&mut self.wrong);
        if self.too_old_at <= now {
            topics.extend(all.cloned());
        }
        self.is_asked = true;
        Some(topics)
    }

    /// The question has its answer, or has failed.
    pub(crate) fn answered(&mut self, now: Instant) {
        self.is_asked = false;
        self.not_before = now + self.pause;
        self.too_old_at = now + self.max_age;
    }

    /// When there is something to ask about. While a question is under way its answer comes first.
    pub(crate) fn wake_at(&self) -> Instant {
        if self.wrong.is_empty() || self.is_asked {
            self.too_old_at
        } else {
            self.not_before
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn staleness(now: Instant) -> Staleness {
        let config = ClientConfig {
            metadata_max_age: 100 * SECOND,
            retry_backoff: SECOND,
            ..ClientConfig::new(Vec::new())
        };
        Staleness::new(&config, now)
    }

    #[test]
    fn what_is_wrong_is_asked_about_at_once_and_then_after_a_pause() {
        let now = Instant::now();
        let mut staleness = staleness(now);
        let topic = Arc::from("t");
        assert_eq!(staleness.take_due(now, [].iter()), None);
        staleness.mark(&topic);
        let asked = Some([Arc::clone(&topic)].into());
        assert_eq!(staleness.take_due(now, [].iter()), asked);
        staleness.mark(&topic);
        assert_eq!(staleness.take_due(now + SECOND, [].iter()), None);
        staleness.answered(now);
        assert_eq!(staleness.wake_at(), now + SECOND);
        assert_eq!(staleness.take_due(now, [].iter()), None);
        assert_eq!(staleness.take_due(now + SECOND, [].iter()), asked);
    }

    #[test]
    fn what_is_too_old_is_asked_about_as_a_whole() {
        let now = Instant::now();
        let mut staleness = staleness(now);
        let all = ["a", "b"].map(Arc::from);
        let later = staleness.wake_at();
        assert_eq!(later, now + 100 * SECOND);
        let asked = staleness.take_due(later, all.iter());
        assert_eq!(asked, Some(all.into_iter().collect()));
        staleness.answered(later);
        assert_eq!(staleness.wake_at(), later + 100 * SECOND);
    }
}
