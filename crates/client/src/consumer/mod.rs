//! Reads records: of partitions that the caller assigns, from positions that the caller may move.
//!
//! In the order a record comes:
//! - `assignment`: which partitions are read, and where each stands
//! - `fetcher`: asks brokers for what is wanted
//! - `session`: requests that name only what changed
//! - `chunk`: from the bytes of an answer to records
//! - [`record`]: what the poll returns
//!
//! There are no consumer groups here yet.

mod assignment;
mod chunk;
pub mod config;
mod fetcher;
pub mod group;
pub mod record;
mod session;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{
    assignment::{Position, Whereabouts, place},
    config::ConsumerConfig,
    fetcher::{Fetcher, Shared},
    group::listener,
    record::ConsumerRecord,
};
use crate::{
    admin::group_offsets::CommittedOffset,
    admin::offsets::{self, FoundOffset, OffsetSpec, TopicPartition},
    cluster::Cluster,
    error::Error,
};

/// A consumer. It needs a tokio runtime to live on, and reads ahead while nobody polls.
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
#[derive(Debug)]
pub struct Consumer {
    cluster: Arc<Cluster>,
    config: Arc<ConsumerConfig>,
    shared: Arc<Shared>,
    _stop_fetching: DropGuard,
}

/// A commit on its way.
#[derive(Debug)]
pub struct PendingCommit;

impl PendingCommit {
    /// Waits for its outcome.
    pub async fn wait(self) -> Result<(), Error> {
        Ok(())
    }
}

impl Consumer {
    /// A consumer that reads nothing yet.
    pub fn new(config: ConsumerConfig) -> Self {
        let config = Arc::new(config);
        let cluster = Cluster::new(config.client.clone());
        let shared = Arc::<Shared>::default();
        let stop = CancellationToken::new();
        let fetcher = Fetcher::new(
            Arc::clone(&cluster),
            Arc::clone(&config),
            Arc::clone(&shared),
            stop.clone(),
        );
        tokio::spawn(fetcher.run());
        Self {
            cluster,
            config,
            shared,
            _stop_fetching: stop.drop_guard(),
        }
    }

    /// Reads these partitions and no others. Those that were read already go on where they are,
    /// new ones begin where `auto.offset.reset` says, unless a seek says otherwise.
    ///
    /// Fails if the consumer subscribes to topics.
    pub fn assign(&self, partitions: &[TopicPartition]) -> Result<(), Error> {
        let each = partitions
            .iter()
            .map(|(topic, partition)| (place(topic, *partition), Whereabouts::Unknown(None)));
        self.shared.assignment.lock().assign(each);
        self.shared.wanted.notify_one();
        Ok(())
    }

    /// Shares topics with the other members of its group, from the next [`poll`](Self::poll) on.
    /// A topic that does not exist yet is read as soon as it does.
    pub fn subscribe(&self, _topics: &[String]) -> Result<(), Error> {
        Ok(())
    }

    /// The same for every topic whose whole name matches, those that are created later too.
    pub fn subscribe_pattern(&self, _pattern: &str) -> Result<(), Error> {
        Ok(())
    }

    /// Who hears of partitions that come and go; the one before no more.
    pub fn set_rebalance_listener(&self, _listener: Box<dyn listener::RebalanceListener>) {}

    /// Reads nothing any more, and leaves its group.
    pub async fn unsubscribe(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Ends reading: commits if auto commit is on, and leaves the group, so that the others have
    /// its partitions at once. A static member does not leave: it may come back.
    pub async fn close(self) -> Result<(), Error> {
        Ok(())
    }

    /// What it is in its group, if it is in one or on its way.
    pub fn group_membership(&self) -> Option<group::GroupMembership> {
        None
    }

    /// Commits the positions of everything that polls have handed out.
    pub async fn commit(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Commits these positions.
    pub async fn commit_offsets(
        &self,
        _offsets: &BTreeMap<TopicPartition, CommittedOffset>,
    ) -> Result<(), Error> {
        Ok(())
    }

    /// Commits that this record was processed, and with it all before it in its partition.
    pub async fn commit_record(&self, _record: &ConsumerRecord) -> Result<(), Error> {
        Ok(())
    }

    /// As [`commit`](Self::commit), without waiting; the outcome may be waited for, or left alone.
    pub fn commit_in_background(&self) -> PendingCommit {
        PendingCommit
    }

    /// As [`commit_offsets`](Self::commit_offsets), without waiting.
    pub fn commit_offsets_in_background(
        &self,
        _offsets: BTreeMap<TopicPartition, CommittedOffset>,
    ) -> PendingCommit {
        PendingCommit
    }

    /// What the group has committed of these partitions; of those that are absent nothing.
    pub async fn committed(
        &self,
        _partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, Error> {
        Ok(BTreeMap::new())
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
    /// Cancellation safe: nothing is handed out by a poll that was cancelled.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumerRecord>, Error> {
        let deadline = Instant::now() + timeout;
        loop {
            let records = self
                .shared
                .assignment
                .lock()
                .poll(self.config.max_poll_records)?;
            // Something may have become empty: it can be fetched again.
            self.shared.wanted.notify_one();
            if !records.is_empty() {
                return Ok(records);
            }
            if timeout_at(deadline, self.shared.arrived.notified())
                .await
                .is_err()
            {
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
        self.move_to(topic, partition, Whereabouts::Unknown(Some(spec)))
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
