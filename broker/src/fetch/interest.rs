//! Which of a fetch's partitions are worth a look: the ready queue between appends and long polls.
//!
//! A partition that changes marks its token here; a fetch takes the marked tokens and looks at
//! nothing else. So an idle fetch over a thousand partitions costs nothing per poll, and a publish
//! costs one short lock for each fetch that watches the partition.
//!
//! **Invariant:** a token is taken *before* its partition is read, so a change that comes during
//! the read marks it again and cannot be missed. A token is in the queue at most once.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::replica::Watcher;

/// The marked tokens of one fetch session (or of one sessionless fetch), and the alarm bell.
#[derive(Debug, Default)]
pub(crate) struct Interest {
    queue: Mutex<Queue>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    ready: VecDeque<usize>,
    /// Indexed by token: whether it is in `ready`.
    marked: Vec<bool>,
}

impl Interest {
    /// Marks a token, last in line, and wakes the fetch that waits. Marking twice is marking once.
    pub(crate) fn mark(&self, token: usize) {
        if self.queue.lock().push(token) {
            self.bell.notify_one();
        }
    }

    /// Marks tokens without waking anyone: the caller is the fetch itself.
    pub(crate) fn put_back(&self, tokens: impl IntoIterator<Item = usize>) {
        let mut queue = self.queue.lock();
        for token in tokens {
            queue.push(token);
        }
    }

    /// Takes every marked token, first marked first.
    pub(crate) fn take(&self) -> Vec<usize> {
        let mut queue = self.queue.lock();
        let taken: Vec<usize> = queue.ready.drain(..).collect();
        for &token in &taken {
            if let Some(flag) = queue.marked.get_mut(token) {
                *flag = false;
            }
        }
        taken
    }

    /// Waits until a token may have been marked since the last `take`. Cancellation safe: a bell
    /// that rang while nobody listened is kept for the next call.
    pub(crate) async fn marked(&self) {
        self.bell.notified().await;
    }
}

impl Queue {
    fn push(&mut self, token: usize) -> bool {
        if self.marked.len() <= token {
            self.marked.resize(token + 1, false);
        }
        let Some(flag) = self.marked.get_mut(token) else {
            return false;
        };
        if std::mem::replace(flag, true) {
            return false;
        }
        self.ready.push_back(token);
        true
    }
}

impl Watcher for Interest {
    fn partition_changed(&self, token: usize) {
        self.mark(token);
    }
}

#[cfg(test)]
mod tests {
    use super::Interest;

    #[test]
    fn a_token_marked_twice_is_taken_once_in_the_order_of_marking() {
        let interest = Interest::default();
        for token in [3, 1, 3, 2, 1] {
            interest.mark(token);
        }
        assert_eq!(interest.take(), [3, 1, 2]);
        assert!(interest.take().is_empty());
        interest.mark(3);
        assert_eq!(interest.take(), [3]);
    }

    #[tokio::test]
    async fn a_mark_before_the_wait_is_not_missed() {
        let interest = Interest::default();
        interest.mark(0);
        interest.marked().await;
        assert_eq!(interest.take(), [0]);
    }

    #[test]
    fn tokens_put_back_stand_behind_those_already_marked() {
        let interest = Interest::default();
        interest.mark(5);
        interest.put_back([1, 5, 2]);
        assert_eq!(interest.take(), [5, 1, 2]);
    }
}
