//! Carries out what the membership wants: asks the coordinator, and keeps an eye on the topics.
//!
//! One task, the only writer of the [`Membership`].

use std::sync::Arc;

use odradek_protocol::{ErrorCode, messages::sync_group::SyncGroupResponse};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    balance::{self, Counts},
    events::{Effect, Event, Terms},
    link::Link,
    membership::Membership,
    office::Office,
    subscription::Subscription,
};
use crate::{
    cluster::{
        backoff::Backoff,
        image::{ClusterImage, Wanted},
    },
    error::Error,
};

/// Answers that wait for the task; whoever brings more waits.
const ANSWERS_MAX: usize = 16;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Member {
    office: Arc<Office>,
    link: Arc<Link>,
    /// For the poll: there is a notice.
    for_poll: Arc<Notify>,
    membership: Membership,
    answers: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
    questions: JoinSet<()>,
    subscription: Option<Subscription>,
    /// How often the consumer has subscribed, unsubscribed and polled, as far as was heard.
    heard: Heard,
    /// For the leader: what its last assignment was made of.
    shared_out: Counts,
    refresh_at: Option<Instant>,
    is_refreshing: bool,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Heard {
    subscribed: u64,
    unsubscribed: u64,
    polled_at: Option<Instant>,
}

#[derive(Debug)]
enum Answer {
    Event(Event),
    /// What the leader's assignment was made of comes with it.
    Synced {
        attempt: u64,
        answer: Result<(SyncGroupResponse, Option<Counts>), Error>,
    },
    Refreshed(Result<Arc<ClusterImage>, Error>),
}

impl Member {
    pub(crate) fn new(
        office: Arc<Office>,
        link: Arc<Link>,
        for_poll: Arc<Notify>,
        stop: CancellationToken,
    ) -> Self {
        let config = &office.config;
        let terms = Terms {
            group_id: office.coordinator.group_id().to_owned(),
            is_static: config.group_instance_id.is_some(),
            heartbeat_interval: config.heartbeat_interval,
            max_poll_interval: config.max_poll_interval,
            backoff: Backoff {
                first: config.client.retry_backoff,
                max: config.client.retry_backoff_max,
            },
        };
        Self {
            membership: Membership::new(terms, fastrand::Rng::new(), Instant::now()),
            office,
            link,
            for_poll,
            answers: mpsc::channel(ANSWERS_MAX),
            questions: JoinSet::new(),
            subscription: None,
            heard: Heard::default(),
            shared_out: Counts::new(),
            refresh_at: None,
            is_refreshing: false,
            stop,
        }
    }

    /// Belongs to the group until `stop`.
    pub(crate) async fn run(mut self) {
        loop {
            self.hear();
            let now = Instant::now();
            self.handle(Event::Tick, now);
            self.refresh(now);
            self.tell();
            let wake_at = [self.membership.wake_at(), self.refresh_due()];
            let wake_at = wake_at.into_iter().flatten().min();
            tokio::select! {
                () = self.stop.cancelled() => return,
                Some(answer) = self.answers.1.recv() => self.take(answer),
                Some(_) = self.questions.join_next() => {}
                () = self.link.for_membership.notified() => {}
                () = sleep_until_some(wake_at) => {}
            }
        }
    }

    /// Takes in what the consumer has said.
    fn hear(&mut self) {
        let now = Instant::now();
        let said = self.link.hear();
        if said.unsubscribed != self.heard.unsubscribed {
            self.handle(Event::Unsubscribed, now);
            self.heard.polled_at = None;
            self.shared_out.clear();
        }
        if said.subscribed != self.heard.subscribed {
            self.refresh_at = Some(now);
            if let Some(Subscription::Names(names)) = &said.subscription {
                self.handle(Event::Topics(names.clone()), now);
            }
        }
        self.subscription = said.subscription;
        if let Some(polled_at) = said.polled_at
            && self.heard.polled_at != Some(polled_at)
        {
            self.handle(Event::Polled, polled_at);
        }
        if let Some((number, done)) = said.done {
            self.handle(Event::Done { number, done }, now);
        }
        if said.is_doubted {
            self.handle(Event::Doubted, now);
        }
        self.heard = Heard {
            subscribed: said.subscribed,
            unsubscribed: said.unsubscribed,
            polled_at: said.polled_at,
        };
    }

    fn tell(&self) {
        let is_new = self.link.tell(
            self.heard.unsubscribed,
            self.membership.notice(),
            self.membership.identity(),
            self.membership.awaits_poll(),
        );
        if is_new {
            self.for_poll.notify_one();
        }
    }

    fn handle(&mut self, event: Event, now: Instant) {
        if let Some(effect) = self.membership.handle(event, now) {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        let (office, answers) = (Arc::clone(&self.office), self.answers.0.clone());
        self.questions.spawn(async move {
            let answer = match effect {
                Effect::Join(join) => {
                    let attempt = join.attempt;
                    let answer = office.join(join).await;
                    Some(Answer::Event(Event::Joined { attempt, answer }))
                }
                Effect::Sync(sync) => {
                    let attempt = sync.attempt;
                    let answer = office.sync(sync).await;
                    Some(Answer::Synced { attempt, answer })
                }
                Effect::Heartbeat(of) => {
                    let answer = office.heartbeat(&of).await;
                    Some(Answer::Event(Event::Heard { of, answer }))
                }
                Effect::Leave { identity, reason } => {
                    if let Err(error) = office.leave(&identity, reason).await {
                        tracing::debug!(%error, "could not leave the group");
                    }
                    None
                }
            };
            if let Some(answer) = answer {
                // Fails when the consumer is gone, and nobody wants to know.
                let _ = answers.send(answer).await;
            }
        });
    }

    fn take(&mut self, answer: Answer) {
        let now = Instant::now();
        match answer {
            Answer::Event(event) => self.handle(event, now),
            Answer::Synced { attempt, answer } => {
                let answer = answer.map(|(answer, counts)| {
                    if let Some(counts) = counts {
                        self.shared_out = counts;
                    }
                    answer
                });
                self.handle(Event::Synced { attempt, answer }, now);
            }
            Answer::Refreshed(refreshed) => {
                self.is_refreshing = false;
                match refreshed {
                    Ok(image) => self.look_at(&image, now),
                    Err(error) => {
                        tracing::debug!(%error, "could not look at the topics");
                        let pause = self.office.config.client.retry_backoff_max;
                        self.refresh_at = Some(now + pause);
                    }
                }
            }
        }
    }

    fn refresh_due(&self) -> Option<Instant> {
        let is_wanted = self.subscription.is_some() && !self.is_refreshing;
        self.refresh_at.filter(|_| is_wanted)
    }

    /// Asks about the topics, if that is due.
    fn refresh(&mut self, now: Instant) {
        let Some(subscription) = &self.subscription else {
            return;
        };
        if self.refresh_due().is_none_or(|due| now < due) {
            return;
        }
        let wanted = match subscription {
            Subscription::Pattern(_) => Wanted::All,
            Subscription::Names(names) => {
                let all = names.iter().chain(self.shared_out.keys());
                Wanted::Named(all.map(|name| Arc::from(name.as_str())).collect())
            }
        };
        self.is_refreshing = true;
        let (office, answers) = (Arc::clone(&self.office), self.answers.0.clone());
        self.questions.spawn(async move {
            let refreshed = office.refresh(&wanted).await;
            let _ = answers.send(Answer::Refreshed(refreshed)).await;
        });
    }

    /// Looks for what has changed about the topics.
    fn look_at(&mut self, image: &ClusterImage, now: Instant) {
        let Some(subscription) = &self.subscription else {
            return;
        };
        let config = &self.office.config;
        let topics = subscription.topics(image, config.exclude_internal_topics);
        // A topic that is not there yet is wanted as soon as it is.
        let mut wanted = topics.iter().chain(self.shared_out.keys());
        let is_complete = wanted.all(|name| image.topics.contains_key(name.as_str()));
        let pause = if is_complete {
            config.client.metadata_max_age
        } else {
            config.client.retry_backoff_max
        };
        self.refresh_at = Some(now + pause);
        for name in &topics {
            if let Some(error) = why_never(image, name) {
                self.link.fail(error);
                self.for_poll.notify_one();
            }
        }
        let counts = balance::counts(image, self.shared_out.keys().chain(&topics));
        let has_changed = self.membership.leads()
            && self
                .shared_out
                .keys()
                .any(|name| self.shared_out.get(name) != counts.get(name));
        self.handle(Event::Topics(topics), now);
        if has_changed {
            self.handle(Event::OutOfDate, now);
        }
    }
}

async fn sleep_until_some(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Why a topic will not be there however long one waits.
fn why_never(image: &ClusterImage, name: &str) -> Option<Error> {
    let code = *image.failed_topics.get(name)?;
    let is_for_good = matches!(
        code,
        ErrorCode::InvalidTopicException | ErrorCode::TopicAuthorizationFailed
    );
    Error::check(name, code, None).err().filter(|_| is_for_good)
}
