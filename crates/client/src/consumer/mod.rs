//! Reads records: of partitions that the caller assigns, or that a group shares.
//!
//! In the order a record comes:
//! - `assignment`: which partitions are read, and where each stands
//! - `positions`: finds where reading begins
//! - `validation`: whether it may go on there under a new leader; pure
//! - `fetcher`: asks brokers for what is wanted
//! - `session`: requests that name only what changed
//! - `chunk`: from the bytes of an answer to records
//! - [`record`]: what the poll returns
//! - [`stream`]: the same one by one
//!
//! And of the group:
//! - [`group`]: belonging to it
//! - `rebalance`: the poll's part when partitions come and go
//! - `commits`: what was processed

mod assignment;
mod chunk;
mod commits;
pub mod config;
mod fetcher;
pub mod group;
mod positions;
mod rebalance;
pub mod record;
mod session;
pub mod stream;
mod validation;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use odradek_protocol::ErrorCode;
use parking_lot::Mutex;
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{
    assignment::{Position, Start, Whereabouts, place},
    commits::AutoCommit,
    config::ConsumerConfig,
    fetcher::{Fetcher, Shared},
    group::{
        Group, GroupMembership, committer::Committer, coordinator::CoordinatorLink, link::Link,
        listener::RebalanceListener, member::Member, office::Office, subscription::Subscription,
    },
    rebalance::{LastCommit, SharedListener},
    record::ConsumerRecord,
};
use crate::{
    admin::offsets::{self, FoundOffset, OffsetSpec, TopicPartition},
    cluster::Cluster,
    error::Error,
};

/// How long a consumer that is closed waits for its last commit, and for its goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// For polls that are to wait for ever.
const LONGEST_POLL: Duration = Duration::from_hours(24 * 365);

/// A consumer. It needs a tokio runtime to live on, and reads ahead while nobody polls.
///
/// With a group it shares topics, and goes on where the group has committed:
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use odradek_client::{ClientConfig, Consumer, consumer::config::ConsumerConfig};
///
/// let cluster = ClientConfig::new(vec!["127.0.0.1:9092".parse()?]);
/// let mut consumer = Consumer::new(ConsumerConfig::new(cluster).in_group("billing"));
/// consumer.subscribe(&["orders".to_owned()])?;
/// for _ in 0..100 {
///     for record in consumer.poll(Duration::from_secs(1)).await? {
///         println!("{}-{}: {:?}", record.topic, record.partition, record.value);
///     }
/// }
/// // Commits, and leaves the group.
/// consumer.close().await?;
/// # Ok(())
/// # }
/// ```
///
/// Without one it reads what it is given:
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use odradek_client::{
///     ClientConfig, Consumer, admin::offsets::OffsetSpec, consumer::config::ConsumerConfig,
/// };
///
/// let cluster = ClientConfig::new(vec!["127.0.0.1:9092".parse()?]);
/// let mut consumer = Consumer::new(ConsumerConfig::new(cluster));
/// consumer.assign(&[("orders".to_owned(), 0)])?;
/// consumer.seek_to("orders", 0, OffsetSpec::Earliest)?;
/// for record in consumer.poll(Duration::from_secs(1)).await? {
///     println!("{}: {:?}", record.offset, record.value);
/// }
/// # Ok(())
/// # }
/// ```
///
/// Auto commit takes what a poll has handed out for processed when the next poll begins. Where
/// that is not so, set `auto_commit` to false and [`commit`](Self::commit).
pub struct Consumer {
    cluster: Arc<Cluster>,
    config: Arc<ConsumerConfig>,
    shared: Arc<Shared>,
    /// `None` without `group.id`.
    group: Option<Arc<Group>>,
    membership: Option<JoinHandle<()>>,
    mode: Mutex<Mode>,
    listener: Mutex<Option<SharedListener>>,
    /// What the listener knows to be read.
    told: BTreeSet<TopicPartition>,
    last_commit: Option<LastCommit>,
    auto_commit: AutoCommit,
    stop: DropGuard,
}

/// Who decides what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Nobody,
    /// The caller, by [`Consumer::assign`].
    Caller,
    /// The group.
    Group,
}

impl Consumer {
    /// A consumer that reads nothing yet.
    pub fn new(mut config: ConsumerConfig) -> Self {
        if config.client.client_id.is_empty()
            && let Some(group_id) = &config.group_id
        {
            config.client.client_id = name_in(group_id);
        }
        let config = Arc::new(config);
        let cluster = Cluster::new(config.client.clone());
        let shared = Arc::<Shared>::default();
        let stop = CancellationToken::new();
        let (group, membership) = match config.group_id.clone() {
            None => (None, None),
            Some(group_id) => {
                let coordinator = CoordinatorLink::new(Arc::clone(&cluster), group_id);
                let (group, membership) = join(coordinator, &config, &shared, &stop);
                (Some(group), Some(membership))
            }
        };
        let fetcher = Fetcher::new(
            Arc::clone(&cluster),
            Arc::clone(&config),
            Arc::clone(&shared),
            group.as_ref().map(|group| Arc::clone(&group.coordinator)),
            stop.clone(),
        );
        tokio::spawn(fetcher.run());
        Self {
            auto_commit: AutoCommit::new(Instant::now() + config.auto_commit_interval),
            cluster,
            config,
            shared,
            group,
            membership,
            mode: Mutex::new(Mode::Nobody),
            listener: Mutex::default(),
            told: BTreeSet::new(),
            last_commit: None,
            stop: stop.drop_guard(),
        }
    }

    /// Reads these partitions and no others. Those that were read already go on where they are;
    /// new ones begin where the group has committed, or where `auto.offset.reset` says, unless a
    /// seek says otherwise.
    ///
    /// Fails if the consumer subscribes to topics.
    pub fn assign(&self, partitions: &[TopicPartition]) -> Result<(), Error> {
        self.set_mode(Mode::Caller, Mode::Group)?;
        let each = partitions.iter().map(|(topic, partition)| {
            let start = Whereabouts::Unknown(Start::Committed);
            (place(topic, *partition), start)
        });
        self.shared.assignment.lock().assign(each);
        self.shared.wanted.notify_one();
        Ok(())
    }

    /// Shares topics with the other members of its group, from the next [`poll`](Self::poll) on,
    /// instead of what it subscribed to before. A topic that does not exist yet is read as soon as
    /// it does.
    ///
    /// Fails without a `group.id`, and if partitions are assigned.
    pub fn subscribe(&self, topics: &[String]) -> Result<(), Error> {
        self.subscribe_to(Subscription::Names(topics.iter().cloned().collect()))
    }

    /// The same for every topic whose whole name matches a regular expression, those that are
    /// created later too: they are found when the metadata is refreshed, at the latest after
    /// `metadata.max.age.ms`.
    pub fn subscribe_pattern(&self, pattern: &str) -> Result<(), Error> {
        self.subscribe_to(Subscription::by_pattern(pattern)?)
    }

    fn subscribe_to(&self, subscription: Subscription) -> Result<(), Error> {
        let group = self.group()?;
        self.set_mode(Mode::Group, Mode::Caller)?;
        group.link.subscribe(subscription);
        Ok(())
    }

    fn set_mode(&self, wanted: Mode, excluded: Mode) -> Result<(), Error> {
        let mut mode = self.mode.lock();
        if *mode == excluded {
            return Err(Error::AssignedAndSubscribed);
        }
        *mode = wanted;
        Ok(())
    }

    /// Who hears of partitions that come and go; the one before no more.
    pub fn set_rebalance_listener(&self, listener: Box<dyn RebalanceListener>) {
        *self.listener.lock() = Some(Arc::new(tokio::sync::Mutex::new(listener)));
    }

    /// Reads nothing any more, and leaves its group, after a commit if auto commit is on.
    pub async fn unsubscribe(&mut self) -> Result<(), Error> {
        self.give_up_all(Instant::now() + self.config.client.api_timeout)
            .await;
        if let Some(group) = &self.group {
            group.link.unsubscribe();
        }
        *self.mode.lock() = Mode::Nobody;
        Ok(())
    }

    /// Ends reading: commits if auto commit is on, and leaves the group, so that the others have
    /// its partitions at once. A static member does not leave: it may come back.
    ///
    /// A consumer that is dropped instead is missed by its group only after `session.timeout.ms`.
    pub async fn close(mut self) -> Result<(), Error> {
        self.give_up_all(Instant::now() + CLOSE_TIMEOUT).await;
        let Some(group) = self.group.take() else {
            return Ok(());
        };
        let was_member = group.link.is_subscribed();
        // Before the goodbye, so that no join comes after it.
        self.stop.disarm().cancel();
        if let Some(membership) = self.membership.take() {
            // Fails only if it panicked; then there is nothing to wait for.
            let _ = membership.await;
        }
        let identity = group.link.identity();
        let is_known = was_member && !identity.member_id.is_empty();
        if !is_known || self.config.group_instance_id.is_some() {
            return Ok(());
        }
        let left = group.office.leave(&identity, "the consumer is closed");
        match timeout(CLOSE_TIMEOUT, left).await {
            Ok(Err(error)) if error.code() == Some(ErrorCode::UnknownMemberId) => Ok(()),
            outcome => outcome.unwrap_or(Err(Error::Unanswered)),
        }
    }

    /// What it is in its group, if it subscribes to anything.
    pub fn group_membership(&self) -> Option<GroupMembership> {
        let group = self.group.as_ref()?;
        let identity = group.link.identity();
        group.link.is_subscribed().then(|| GroupMembership {
            group_id: group.coordinator.group_id().to_owned(),
            instance_id: self.config.group_instance_id.clone(),
            member_id: identity.member_id,
            generation: identity.generation,
        })
    }

    /// The partitions that are read.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        let assignment = self.shared.assignment.lock();
        let places = assignment.iter().map(|(place, _)| place);
        places
            .map(|(topic, partition)| (topic.to_string(), *partition))
            .collect()
    }

    /// Waits for records until there are some or `timeout` is over; the latter gives none.
    ///
    /// It is also where the group is heard: partitions come and go, listeners are called, and
    /// positions are committed, only within polls. A listener's call may make it last longer than
    /// `timeout`. A consumer that does not poll for `max.poll.interval.ms` leaves its group.
    ///
    /// Cancellation safe: nothing is handed out by a poll that was cancelled.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumerRecord>, Error> {
        self.poll_up_to(self.config.max_poll_records, timeout).await
    }

    pub(crate) async fn poll_up_to(
        &mut self,
        records_max: usize,
        timeout: Duration,
    ) -> Result<Vec<ConsumerRecord>, Error> {
        let now = Instant::now();
        let deadline = now.checked_add(timeout).unwrap_or(now + LONGEST_POLL);
        self.auto_commit(now);
        loop {
            if let Some(group) = &self.group {
                group.link.polled(Instant::now());
            }
            if !self.attend_group(deadline).await? {
                return Ok(Vec::new());
            }
            let records = self.shared.assignment.lock().poll(records_max)?;
            // Something may have become empty: it can be fetched again.
            self.shared.wanted.notify_one();
            if !records.is_empty() {
                return Ok(records);
            }
            // Who waits for long polls all the time.
            let alive_at = Instant::now() + self.config.max_poll_interval / 2;
            let wake_at = deadline.min(alive_at);
            let arrived = timeout_at(wake_at, self.shared.arrived.notified()).await;
            if arrived.is_err() && wake_at == deadline {
                return Ok(Vec::new());
            }
        }
    }

    /// The offset of the next record of a partition, once it is known.
    pub fn position(&self, topic: &str, partition: i32) -> Option<i64> {
        let assignment = self.shared.assignment.lock();
        let position = assignment.position(&place(topic, partition));
        position.map(|position| position.offset)
    }

    /// Goes on from that offset of a partition.
    pub fn seek(&self, topic: &str, partition: i32, offset: i64) -> Result<(), Error> {
        let position = Position {
            offset,
            leader_epoch: -1,
        };
        self.move_to(topic, partition, Whereabouts::At(position))
    }

    /// Goes on from the beginning or the end of a partition, or from a time.
    pub fn seek_to(&self, topic: &str, partition: i32, spec: OffsetSpec) -> Result<(), Error> {
        self.move_to(topic, partition, Whereabouts::Unknown(Start::Spec(spec)))
    }

    fn move_to(&self, topic: &str, partition: i32, to: Whereabouts) -> Result<(), Error> {
        let place = place(topic, partition);
        let is_read = self.shared.assignment.lock().seek(&place, to);
        self.shared.wanted.notify_one();
        is_read.then_some(()).ok_or(Error::NotAssigned {
            topic: place.0,
            partition,
        })
    }

    /// Polls return nothing of a partition until it is resumed.
    pub fn pause(&self, topic: &str, partition: i32) -> Result<(), Error> {
        self.set_paused(topic, partition, true)
    }

    /// Undoes a pause.
    pub fn resume(&self, topic: &str, partition: i32) -> Result<(), Error> {
        self.set_paused(topic, partition, false)
    }

    fn set_paused(&self, topic: &str, partition: i32, paused: bool) -> Result<(), Error> {
        let place = place(topic, partition);
        let mut assignment = self.shared.assignment.lock();
        let assigned = assignment
            .get_mut(&place)
            .ok_or_else(|| Error::NotAssigned {
                topic: Arc::clone(&place.0),
                partition,
            })?;
        assigned.paused = paused;
        drop(assignment);
        self.shared.wanted.notify_one();
        self.shared.arrived.notify_one();
        Ok(())
    }

    /// Finds offsets of partitions, assigned or not.
    pub async fn offsets(
        &self,
        wanted: &BTreeMap<TopicPartition, OffsetSpec>,
    ) -> BTreeMap<TopicPartition, Result<FoundOffset, Error>> {
        offsets::list_offsets(&self.cluster, wanted).await
    }
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Consumer")
            .field("config", &self.config)
            .field("assignment", &self.assignment())
            .field("membership", &self.group_membership())
            .finish_non_exhaustive()
    }
}

/// By what the members of a group in this process are told apart, unless `client.id` does.
fn name_in(group_id: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    format!("consumer-{group_id}-{number}")
}

/// Starts the tasks of a group.
fn join(
    coordinator: CoordinatorLink,
    config: &Arc<ConsumerConfig>,
    shared: &Shared,
    stop: &CancellationToken,
) -> (Arc<Group>, JoinHandle<()>) {
    let (coordinator, link) = (Arc::new(coordinator), Arc::<Link>::default());
    let office = Arc::new(Office {
        coordinator: Arc::clone(&coordinator),
        config: Arc::clone(config),
    });
    let (commits, committer) = Committer::new(
        Arc::clone(&coordinator),
        Arc::clone(&link),
        config.group_instance_id.clone(),
    );
    // It ends when nobody can ask for commits any more.
    tokio::spawn(committer.run());
    let member = Member::new(
        Arc::clone(&office),
        Arc::clone(&link),
        Arc::clone(&shared.arrived),
        stop.clone(),
    );
    let membership = tokio::spawn(member.run());
    let group = Group {
        coordinator,
        link,
        commits,
        office,
    };
    (Arc::new(group), membership)
}
