//! Brings records of the assigned partitions: one request to each broker at a time.
//!
//! One task, the only writer of the sessions.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use odradek_protocol::{
    ErrorCode, Records,
    messages::fetch::{FetchRequest, FetchResponse, PartitionData},
};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    assignment::{Assignment, Start, Whereabouts},
    chunk::{Chunk, Place},
    config::{ConsumerConfig, IsolationLevel},
    group::coordinator::CoordinatorLink,
    positions::Positions,
    session::{FetchSession, Wanted},
};
use crate::{
    cluster::{
        Cluster,
        image::{self, ClusterImage},
        staleness::Staleness,
    },
    error::Error,
};

/// Events that wait for the fetcher; whoever brings more waits.
const EVENTS_MAX: usize = 64;

/// What the poll and the fetcher share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) assignment: Mutex<Assignment>,
    /// For the poll: there may be something to hand out.
    pub(crate) arrived: Arc<Notify>,
    /// For the fetcher: there may be something to fetch.
    pub(crate) wanted: Notify,
}

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Fetcher {
    cluster: Arc<Cluster>,
    config: Arc<ConsumerConfig>,
    shared: Arc<Shared>,
    positions: Positions,
    brokers: HashMap<i32, Broker>,
    events: (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    staleness: Staleness,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Broker {
    session: FetchSession,
    busy: bool,
    failures: u32,
    not_before: Option<Instant>,
}

/// What was asked: the partitions, and the turn of each at that time.
type Asked = BTreeMap<Place, (Wanted, u64)>;

#[derive(Debug)]
enum Event {
    Fetched {
        broker: i32,
        asked: Asked,
        answer: Result<FetchResponse, Error>,
    },
    Refreshed(Result<(), Error>),
}

impl Fetcher {
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        config: Arc<ConsumerConfig>,
        shared: Arc<Shared>,
        coordinator: Option<Arc<CoordinatorLink>>,
        stop: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        Self {
            staleness: Staleness::new(&config.client, now),
            positions: Positions::new(
                Arc::clone(&cluster),
                Arc::clone(&config),
                Arc::clone(&shared),
                coordinator,
            ),
            cluster,
            config,
            shared,
            brokers: HashMap::new(),
            events: mpsc::channel(EVENTS_MAX),
            stop,
        }
    }

    /// Fetches until `stop`.
    pub(crate) async fn run(mut self) {
        loop {
            let now = Instant::now();
            let image = self.cluster.image();
            self.positions.ask(&image, now);
            self.fetch(&image, now);
            self.refresh(now);
            let wake_at = self.wake_at(now);
            tokio::select! {
                () = self.stop.cancelled() => return,
                Some(event) = self.events.1.recv() => self.handle(event),
                Some(answer) = self.positions.answered() => self.positions.take(answer),
                () = self.shared.wanted.notified() => {}
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// When a pause is over, or the metadata too old.
    fn wake_at(&self, now: Instant) -> Instant {
        let assignment = self.shared.assignment.lock();
        let of_partitions = assignment.iter().filter_map(|(_, it)| it.not_before);
        let of_brokers = self.brokers.values().filter_map(|it| it.not_before);
        let of_metadata = self.staleness.wake_at();
        of_partitions
            .chain(of_brokers)
            .filter(|pause| now < *pause)
            .fold(of_metadata, Instant::min)
    }

    /// Sends a request to every broker that leads something wanted and is not busy.
    fn fetch(&mut self, image: &ClusterImage, now: Instant) {
        let mut by_broker: HashMap<i32, Asked> = HashMap::new();
        for (place, assigned) in self.shared.assignment.lock().iter() {
            let Some(position) = assigned.wants(now) else {
                continue;
            };
            let (topic, index) = place;
            let partition = image.partition(topic, *index);
            let Some((partition, leader)) =
                partition.and_then(|partition| Some((partition, partition.leader?)))
            else {
                self.staleness.mark(topic);
                continue;
            };
            let wanted = Wanted {
                topic_id: image.topics.get(topic).map(|it| it.id).unwrap_or_default(),
                offset: position.offset,
                leader_epoch: partition.leader_epoch,
                bytes_max: self.config.partition_max_bytes,
            };
            let asked = by_broker.entry(leader).or_default();
            asked.insert(place.clone(), (wanted, assigned.turn));
        }
        for (id, asked) in by_broker {
            let broker = self.brokers.entry(id).or_default();
            let is_due = broker.not_before.is_none_or(|not_before| not_before <= now);
            if !broker.busy && is_due {
                broker.busy = true;
                self.send(id, asked);
            }
        }
    }

    fn send(&mut self, id: i32, asked: Asked) {
        let config = &self.config;
        let mut request = FetchRequest {
            max_wait_ms: config
                .fetch_max_wait
                .as_millis()
                .try_into()
                .unwrap_or(i32::MAX),
            min_bytes: config.fetch_min_bytes,
            max_bytes: config.fetch_max_bytes,
            isolation_level: config.isolation.code(),
            rack_id: config.rack.clone(),
            ..Default::default()
        };
        let wanted = asked
            .iter()
            .map(|(place, (wanted, _))| (place.clone(), *wanted));
        let broker = self.brokers.entry(id).or_default();
        broker.session.ask(&wanted.collect(), &mut request);
        let timeout = config.client.request_timeout + config.fetch_max_wait;
        let (cluster, events) = (Arc::clone(&self.cluster), self.events.0.clone());
        tokio::spawn(async move {
            let answer = async {
                let connection = cluster.connect_to_fetch(id).await?;
                Ok(connection.call_within(&request, timeout).await?)
            };
            let event = Event::Fetched {
                broker: id,
                asked,
                answer: answer.await,
            };
            let _ = events.send(event).await;
        });
    }

    fn refresh(&mut self, now: Instant) {
        let image = self.cluster.image();
        let Some(topics) = self.staleness.take_due(now, image.topics.keys()) else {
            return;
        };
        let (cluster, events) = (Arc::clone(&self.cluster), self.events.0.clone());
        tokio::spawn(async move {
            let refreshed = cluster.refresh(&image::Wanted::Named(topics)).await;
            let _ = events.send(Event::Refreshed(refreshed.map(|_| ()))).await;
        });
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Fetched {
                broker,
                asked,
                answer,
            } => self.fetched(broker, &asked, answer),
            Event::Refreshed(refreshed) => {
                self.staleness.answered(Instant::now());
                if let Err(error) = refreshed {
                    tracing::debug!(%error, "could not refresh the metadata");
                }
            }
        }
    }

    fn fetched(&mut self, id: i32, asked: &Asked, answer: Result<FetchResponse, Error>) {
        let broker = self.brokers.entry(id).or_default();
        broker.busy = false;
        let answer = answer.and_then(|answer| {
            Error::check("fetch", answer.error_code, None)?;
            Ok(answer)
        });
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                broker.session.lost();
                // A session may be pushed out at any time: nothing is wrong with the broker.
                if !is_about_the_session(error.code()) {
                    broker.failures += 1;
                    let pause = self.cluster.retry_pause(broker.failures);
                    broker.not_before = Some(Instant::now() + pause);
                    for (topic, _) in asked.keys() {
                        self.staleness.mark(topic);
                    }
                }
                tracing::debug!(broker = id, %error, "fetch failed");
                return;
            }
        };
        broker.failures = 0;
        broker.not_before = None;
        broker.session.answered(answer.session_id);
        for topic in answer.responses {
            let by_id = broker_topic(&self.brokers, id, topic.topic_id);
            let name = by_id.unwrap_or_else(|| Arc::from(topic.topic));
            for partition in topic.partitions {
                let place = (Arc::clone(&name), partition.partition_index);
                let hint =
                    image::LeaderHint::read(&partition.current_leader, &answer.node_endpoints);
                if let Some(hint) = hint {
                    self.cluster.believe(&place.0, place.1, &hint);
                }
                if let Some((wanted, turn)) = asked.get(&place) {
                    self.take(place, *wanted, *turn, partition);
                }
            }
        }
        self.shared.arrived.notify_one();
    }

    /// Takes one partition's part of an answer.
    fn take(&mut self, place: Place, wanted: Wanted, turn: u64, data: PartitionData) {
        let mut assignment = self.shared.assignment.lock();
        let Some(assigned) = assignment.get_mut(&place).filter(|it| it.turn == turn) else {
            return;
        };
        match data.error_code {
            ErrorCode::None => {
                let Records::Inline(records) = data.records else {
                    return;
                };
                let aborted = match self.config.isolation {
                    IsolationLevel::ReadCommitted => data.aborted_transactions,
                    IsolationLevel::ReadUncommitted => None,
                };
                if !records.is_empty() {
                    assigned.chunk = Some(Chunk::new(
                        place,
                        wanted.offset,
                        records,
                        aborted.unwrap_or_default(),
                        self.config.check_crcs,
                    ));
                }
            }
            ErrorCode::OffsetOutOfRange => {
                tracing::info!(
                    topic = %place.0, partition = place.1, offset = wanted.offset,
                    "the position is outside of the log"
                );
                assigned.whereabouts = Whereabouts::Unknown(Start::Reset);
            }
            code if code.retriable() || code == ErrorCode::UnknownTopicId => {
                assigned.not_before = Some(Instant::now() + self.config.client.retry_backoff);
                self.staleness.mark(&place.0);
            }
            code => {
                let what = format!("read {}-{}", place.0, place.1);
                assigned.not_before = Some(Instant::now() + self.config.client.retry_backoff);
                assigned.error = Error::check(what, code, None).err();
            }
        }
    }
}

fn broker_topic(
    brokers: &HashMap<i32, Broker>,
    id: i32,
    topic_id: odradek_protocol::Uuid,
) -> Option<Arc<str>> {
    if topic_id.is_nil() {
        return None;
    }
    let session = &brokers.get(&id)?.session;
    session.topic(topic_id).map(|(topic, _)| Arc::clone(topic))
}

const fn is_about_the_session(code: Option<ErrorCode>) -> bool {
    matches!(
        code,
        Some(
            ErrorCode::FetchSessionIdNotFound
                | ErrorCode::InvalidFetchSessionEpoch
                | ErrorCode::FetchSessionTopicIdError
        )
    )
}
