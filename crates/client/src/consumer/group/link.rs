//! Where the consumer and its membership leave each other messages.
//!
//! **Invariant:** each field has one writer, named beside it; a notice is put by the membership and
//! taken away by who has done what it wants.

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::{
    events::{Done, Identity, Notice},
    subscription::Subscription,
};
use crate::error::Error;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Link {
    messages: Mutex<Messages>,
    /// For the membership: there is a message.
    pub(crate) for_membership: Notify,
}

#[derive(Debug)]
struct Messages {
    /// The consumer's: what it subscribes to, and how often it has said so.
    subscription: Option<Subscription>,
    subscribed: u64,
    /// The consumer's: how often it has unsubscribed.
    unsubscribed: u64,
    /// The consumer's: when it polled last.
    polled_at: Option<Instant>,
    /// The consumer's: which notice it has done.
    done: Option<(u64, Done)>,
    /// The consumer's: whether a commit was refused to it as a member.
    is_doubted: bool,
    /// The membership's: what the poll is to do.
    notice: Option<(u64, Notice)>,
    /// The membership's: the newest notice that was ever put here.
    noticed: u64,
    /// The membership's: an error that the poll is to tell.
    error: Option<Error>,
    identity: Identity,
    awaits_poll: bool,
}

/// What the consumer has said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) subscription: Option<Subscription>,
    /// Changes when the consumer subscribes, even to the same.
    pub(crate) subscribed: u64,
    /// Changes when the consumer unsubscribes.
    pub(crate) unsubscribed: u64,
    pub(crate) polled_at: Option<Instant>,
    pub(crate) done: Option<(u64, Done)>,
    pub(crate) is_doubted: bool,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            messages: Mutex::new(Messages {
                subscription: None,
                subscribed: 0,
                unsubscribed: 0,
                polled_at: None,
                done: None,
                is_doubted: false,
                notice: None,
                noticed: 0,
                error: None,
                identity: Identity::unknown(),
                awaits_poll: true,
            }),
            for_membership: Notify::new(),
        }
    }
}

/// The consumer's side.
impl Link {
    pub(crate) fn subscribe(&self, subscription: Subscription) {
        let mut messages = self.messages.lock();
        messages.subscription = Some(subscription);
        messages.subscribed += 1;
        drop(messages);
        self.for_membership.notify_one();
    }

    /// What the membership wanted meanwhile is void.
    pub(crate) fn unsubscribe(&self) {
        let mut messages = self.messages.lock();
        messages.subscription = None;
        messages.unsubscribed += 1;
        messages.polled_at = None;
        messages.notice = None;
        messages.done = None;
        messages.error = None;
        messages.identity = Identity::unknown();
        drop(messages);
        self.for_membership.notify_one();
    }

    pub(crate) fn polled(&self, now: Instant) {
        let mut messages = self.messages.lock();
        messages.polled_at = Some(now);
        if messages.awaits_poll {
            self.for_membership.notify_one();
        }
    }

    /// What is to be done, with the number by which to say that it was.
    pub(crate) fn notice(&self) -> Option<(u64, Notice)> {
        self.messages.lock().notice.clone()
    }

    pub(crate) fn done(&self, number: u64, done: Done) {
        let mut messages = self.messages.lock();
        if messages
            .notice
            .as_ref()
            .is_some_and(|(noticed, _)| *noticed == number)
        {
            messages.notice = None;
            messages.done = Some((number, done));
        }
        drop(messages);
        self.for_membership.notify_one();
    }

    pub(crate) fn take_error(&self) -> Option<Error> {
        self.messages.lock().error.take()
    }

    /// A commit as this member was refused: it may not be one any more.
    pub(crate) fn doubt(&self) {
        self.messages.lock().is_doubted = true;
        self.for_membership.notify_one();
    }

    pub(crate) fn identity(&self) -> Identity {
        self.messages.lock().identity.clone()
    }

    /// Whether it subscribes to anything.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.messages.lock().subscription.is_some()
    }
}

/// The membership's side.
impl Link {
    pub(crate) fn hear(&self) -> Said {
        let mut messages = self.messages.lock();
        Said {
            subscription: messages.subscription.clone(),
            subscribed: messages.subscribed,
            unsubscribed: messages.unsubscribed,
            polled_at: messages.polled_at,
            done: messages.done.take(),
            is_doubted: std::mem::take(&mut messages.is_doubted),
        }
    }

    /// Says how it stands, unless the consumer has unsubscribed since it was `heard`. True if
    /// there is something new for the poll.
    pub(crate) fn tell(
        &self,
        unsubscribed: u64,
        (number, notice): (u64, Option<&Notice>),
        identity: &Identity,
        awaits_poll: bool,
    ) -> bool {
        let mut messages = self.messages.lock();
        if messages.unsubscribed != unsubscribed {
            return false;
        }
        messages.identity.clone_from(identity);
        messages.awaits_poll = awaits_poll;
        let is_new = messages.noticed != number;
        if is_new {
            messages.noticed = number;
            messages.notice = notice.map(|notice| (number, notice.clone()));
        }
        is_new && notice.is_some()
    }

    pub(crate) fn fail(&self, error: Error) {
        self.messages.lock().error = Some(error);
    }
}
