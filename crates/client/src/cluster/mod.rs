//! The cluster as a client reaches it: what is known of it, and a connection to whom it takes.
//!
//! - [`image`]: brokers, topics, leaders; pure
//! - [`coordinators`]: which brokers coordinate which groups
//! - `pool`: connections, made when needed, with pauses after failures
//! - `backoff`: how long the pauses are
//! - `staleness`: when to ask again
//!
//! **Invariant:** brokers are found through the addresses they advertise; the bootstrap list is for
//! the first question, and for when none of the known brokers answers any more.

pub(crate) mod backoff;
pub mod coordinators;
pub mod image;
mod pool;
pub(crate) mod staleness;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use odradek_connection::{Address, Connection, ConnectionOptions};
use odradek_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use tokio::time::{Instant, sleep_until};

use self::{
    backoff::Backoff,
    image::{ClusterImage, LeaderHint, Wanted},
    pool::{Pool, Purpose},
};
use crate::{config::ClientConfig, error::Error};

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// Any broker: all know the answer.
    Any,
    /// The broker that takes changes.
    Controller,
    /// That broker.
    Broker(i32),
    /// The broker that coordinates that group.
    Coordinator(&'a str),
}

/// A way to every broker of one cluster. Shared by all parts of a client.
#[derive(Debug)]
pub(crate) struct Cluster {
    config: ClientConfig,
    pool: Pool,
    image: ArcSwap<ClusterImage>,
}

impl Cluster {
    /// Nothing is dialled before the first question.
    pub(crate) fn new(config: ClientConfig) -> Arc<Self> {
        let options = ConnectionOptions {
            connect_timeout: config.connect_timeout,
            request_timeout: config.request_timeout,
            ..ConnectionOptions::named(&config.client_id)
        };
        let reconnect = Backoff {
            first: config.reconnect_backoff,
            max: config.reconnect_backoff_max,
        };
        Arc::new(Self {
            pool: Pool::new(options, reconnect),
            config,
            image: ArcSwap::default(),
        })
    }

    pub(crate) const fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// What is known so far.
    pub(crate) fn image(&self) -> Arc<ClusterImage> {
        self.image.load_full()
    }

    /// Asks a broker about topics and remembers the answer. Topics that do not exist are not
    /// created by the question.
    pub(crate) async fn refresh(&self, wanted: &Wanted) -> Result<Arc<ClusterImage>, Error> {
        self.ask_about(wanted, false).await
    }

    /// The same for who will write to the topic: if the broker is configured to
    /// (`auto.create.topics.enable`), it creates it.
    pub(crate) async fn refresh_to_write(
        &self,
        topic: &Arc<str>,
    ) -> Result<Arc<ClusterImage>, Error> {
        let wanted = Wanted::Named([Arc::clone(topic)].into());
        self.ask_about(&wanted, true).await
    }

    pub(crate) async fn ask_about(
        &self,
        wanted: &Wanted,
        allow_auto_topic_creation: bool,
    ) -> Result<Arc<ClusterImage>, Error> {
        let topics = match wanted {
            Wanted::All => None,
            Wanted::Named(names) => Some(names.iter().map(|name| named(name)).collect()),
        };
        let request = MetadataRequest {
            topics,
            allow_auto_topic_creation,
            ..Default::default()
        };
        let answer = self.any().await?.call(&request).await?;
        Error::check("describe the cluster", answer.error_code, None)?;
        let before = self
            .image
            .rcu(|image| image.updated(wanted, answer.clone()));
        // Not the image as it is now: somebody may have forgotten a topic of it already.
        Ok(Arc::new(before.updated(wanted, answer)))
    }

    /// A connection to whom it takes. Asks the cluster who that is, if it is not known.
    pub(crate) async fn connect(&self, target: Target<'_>) -> Result<Connection, Error> {
        match target {
            Target::Any => self.any().await,
            Target::Controller => {
                let nobody = Wanted::Named([].into());
                let image = self.refresh(&nobody).await?;
                // A broker that knows no controller takes changes itself, or says who does.
                match image.controller_id {
                    Some(id) => self.broker(&image, id, Purpose::Requests).await,
                    None => self.any().await,
                }
            }
            Target::Broker(id) => {
                let mut image = self.image();
                if !image.brokers.contains_key(&id) {
                    image = self.refresh(&Wanted::Named([].into())).await?;
                }
                self.broker(&image, id, Purpose::Requests).await
            }
            Target::Coordinator(group) => self.coordinator(group).await,
        }
    }

    /// A connection for requests that wait at the broker for records.
    pub(crate) async fn connect_to_fetch(&self, id: i32) -> Result<Connection, Error> {
        self.broker(&self.image(), id, Purpose::Fetches).await
    }

    async fn broker(
        &self,
        image: &ClusterImage,
        id: i32,
        purpose: Purpose,
    ) -> Result<Connection, Error> {
        let broker = image.brokers.get(&id).ok_or(Error::UnknownBroker(id))?;
        Ok(self.pool.get(&broker.address, purpose).await?)
    }

    /// Forgets who leads a topic's partitions, so that the next question asks.
    pub(crate) fn forget_leaders(&self, topic: &str) {
        self.image.rcu(|image| {
            let mut image = ClusterImage::clone(image);
            image.topics.remove(topic);
            image
        });
    }

    /// Believes a broker that said who leads a partition now (KIP-951).
    pub(crate) fn believe(&self, topic: &str, partition: i32, hint: &LeaderHint) {
        self.image
            .rcu(|image| image.with_leader(topic, partition, hint));
    }

    /// A connection to any broker that takes one: an open one if there is, then the known brokers
    /// in random order, then the bootstrap list; those that have just failed come last.
    async fn any(&self) -> Result<Connection, Error> {
        let image = self.image();
        let mut candidates: Vec<&Address> = image
            .brokers
            .values()
            .map(|broker| &broker.address)
            .collect();
        fastrand::shuffle(&mut candidates);
        candidates.extend(&self.config.bootstrap_servers);
        candidates.sort_by_key(|address| self.pool.readiness(address, Purpose::Requests));
        let mut last = None;
        for address in candidates {
            match self.pool.get(address, Purpose::Requests).await {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    tracing::debug!(%address, %error, "no connection");
                    last = Some(error);
                }
            }
        }
        Err(last.map_or(Error::NoBroker, Error::from))
    }

    /// How long to wait before the next attempt after so many failures.
    pub(crate) fn retry_pause(&self, failures: u32) -> Duration {
        let backoff = Backoff {
            first: self.config.retry_backoff,
            max: self.config.retry_backoff_max,
        };
        backoff.after(failures, fastrand::f64())
    }

    /// Repeats an attempt, with growing pauses, until it succeeds, fails for good, or the time is
    /// over.
    pub(crate) async fn retrying<T, F>(
        &self,
        what: &str,
        timeout: Duration,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let deadline = Instant::now() + timeout;
        let mut failures = 0;
        let mut last = Error::Unanswered;
        loop {
            match tokio::time::timeout_at(deadline, attempt()).await {
                Ok(Err(error)) if error.retriable() => last = error,
                Ok(outcome) => return outcome,
                // What the attempt before it met says more.
                Err(_) => {}
            }
            failures += 1;
            let next = Instant::now() + self.retry_pause(failures);
            if deadline <= next {
                return Err(Error::TimedOut {
                    what: what.to_owned(),
                    after: timeout,
                    last: Box::new(last),
                });
            }
            tracing::debug!(what, failures, error = %last, "trying again");
            sleep_until(next).await;
        }
    }
}

fn named(topic: &str) -> MetadataRequestTopic {
    MetadataRequestTopic {
        name: Some(topic.to_owned()),
        ..Default::default()
    }
}
