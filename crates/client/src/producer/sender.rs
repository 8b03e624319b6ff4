//! Decides what leaves when: takes due batches, gives each broker its share, deals with what comes
//! back.
//!
//! One task, the only writer of the lanes. It never waits for the network: couriers do.

use std::{collections::HashMap, sync::Arc, time::Duration};

use odradek_protocol::{
    ErrorCode,
    messages::{
        init_producer_id::InitProducerIdRequest,
        produce::{PartitionProduceResponse, ProduceResponse},
    },
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    accumulator::{Accumulator, NextBatch, Place},
    config::ProducerConfig,
    courier::{self, Answer, Item, Returned, Shipment, Terms},
    delivery::Delivered,
    lane::{Identity, Lane, Next, Parcel},
    partitioner::Partitioner,
};
use crate::{
    cluster::{Cluster, Target, image::Wanted, staleness::Staleness},
    error::Error,
};

/// Answers that wait for the sender. Couriers wait beyond that.
const RETURNS_MAX: usize = 64;

/// How long the sender sleeps when nothing is due, at most.
const SLEEP_MAX: Duration = Duration::from_mins(1);

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Sender {
    cluster: Arc<Cluster>,
    config: Arc<ProducerConfig>,
    accumulator: Arc<Accumulator>,
    partitioner: Arc<dyn Partitioner>,
    lanes: HashMap<Place, Lane>,
    couriers: HashMap<i32, Courier>,
    returns: (mpsc::Sender<Returned>, mpsc::Receiver<Returned>),
    errands: (mpsc::Sender<Errand>, mpsc::Receiver<Errand>),
    /// What lanes begin with.
    identity: Option<Identity>,
    /// Another one was asked for.
    is_identifying: bool,
    /// No sooner is one asked for again.
    identify_not_before: Instant,
    staleness: Staleness,
    stop: CancellationToken,
}

/// The sender's end of a courier.
#[derive(Debug)]
struct Courier {
    orders: mpsc::Sender<Shipment>,
    under_way: usize,
}

/// Something that was asked of the cluster in the background.
#[derive(Debug)]
enum Errand {
    Identified(Result<Identity, Error>),
    Refreshed(Result<(), Error>),
}

impl Sender {
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        config: Arc<ProducerConfig>,
        accumulator: Arc<Accumulator>,
        partitioner: Arc<dyn Partitioner>,
        stop: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        Self {
            staleness: Staleness::new(&config.client, now),
            cluster,
            config,
            accumulator,
            partitioner,
            lanes: HashMap::new(),
            couriers: HashMap::new(),
            returns: mpsc::channel(RETURNS_MAX),
            errands: mpsc::channel(2),
            identity: None,
            is_identifying: false,
            identify_not_before: now,
            stop,
        }
    }

    /// Sends until the accumulator is closed and everything has its outcome, or until `stop`.
    pub(crate) async fn run(mut self) {
        while !self.is_done() {
            let now = Instant::now();
            self.expire(now);
            let wake_at = self.dispatch(now);
            self.refresh(now);
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(returned) = self.returns.1.recv() => self.receive(returned),
                Some(errand) = self.errands.1.recv() => self.finish(errand),
                () = self.accumulator.wake.notified() => {}
                () = sleep_until(wake_at) => {}
            }
        }
        // What is left has no outcome: dropping it says so.
    }

    fn is_done(&self) -> bool {
        self.accumulator.is_closed()
            && self.accumulator.is_empty()
            && self.lanes.values().all(Lane::is_idle)
    }

    /// Fails what has waited for longer than `delivery.timeout.ms`.
    fn expire(&mut self, now: Instant) {
        let timeout = self.config.delivery_timeout;
        let Some(begun_before) = now.checked_sub(timeout) else {
            return;
        };
        let error = |place: &Place, last: Option<Error>| Error::TimedOut {
            what: format!("send to {}", name(place)),
            after: timeout,
            last: Box::new(last.unwrap_or(Error::Unanswered)),
        };
        for (place, batch) in self.accumulator.take_begun_before(begun_before) {
            let lane = self.lanes.get(&place);
            let last = lane.and_then(|lane| lane.last_error.clone());
            batch.fail(error(&place, last));
        }
        for (place, lane) in &mut self.lanes {
            for parcel in lane.take_expired(begun_before) {
                let error = error(place, lane.last_error.clone());
                parcel.batch.tell(Err(error));
            }
        }
    }

    /// Sends what can be sent. Returns when to look again.
    fn dispatch(&mut self, now: Instant) -> Instant {
        loop {
            let (shipments, wake_at) = self.load_all(now);
            if shipments.is_empty() {
                return wake_at.min(self.staleness.wake_at());
            }
            for shipment in shipments.into_values() {
                self.order(shipment);
            }
        }
    }

    /// Loads at most one batch of each partition. Returns when there may be more to load, by the
    /// clock alone.
    fn load_all(&mut self, now: Instant) -> (HashMap<i32, Shipment>, Instant) {
        let busy = self.lanes.iter().filter(|(_, lane)| !lane.is_idle());
        let mut places: HashMap<Place, Option<NextBatch>> =
            busy.map(|(place, _)| (place.clone(), None)).collect();
        let fresh = self.accumulator.next_batches(now).into_iter();
        places.extend(fresh.map(|(place, next)| (place, Some(next))));
        let mut wake_at = now + SLEEP_MAX;
        if !places.is_empty() {
            // Some of it may become too old to be sent: that is looked at often enough.
            let looks = self.config.delivery_timeout / 20 + Duration::from_millis(10);
            wake_at = wake_at.min(now + looks);
        }
        // A full request leaves some out: not always the same ones.
        let mut places: Vec<_> = places.into_iter().collect();
        fastrand::shuffle(&mut places);
        let mut shipments = HashMap::new();
        for (place, fresh) in places {
            match self.next_of(&place, now) {
                Next::Retry => self.load(place, None, &mut shipments),
                Next::Fresh => match fresh {
                    Some(next) if next.due_at <= now => {
                        self.load(place, Some(next), &mut shipments);
                    }
                    Some(next) => wake_at = wake_at.min(next.due_at),
                    None => {}
                },
                Next::WaitUntil(at) => wake_at = wake_at.min(at),
                Next::Identify => wake_at = wake_at.min(self.identify(now)),
                Next::Wait => {}
            }
        }
        (shipments, wake_at)
    }

    /// What a partition may do next; under the common identity, if it can.
    fn next_of(&mut self, place: &Place, now: Instant) -> Next {
        if !self.lanes.contains_key(place) {
            let lane = Lane::new(self.config.idempotence, self.config.max_in_flight);
            self.lanes.insert(place.clone(), lane);
        }
        let Some(lane) = self.lanes.get_mut(place) else {
            return Next::Wait;
        };
        if lane.next(now) == Next::Identify
            && let Some(identity) = self.identity
            && !lane.has_spent(identity)
        {
            lane.identify(identity);
        }
        lane.next(now)
    }

    /// Puts a partition's next batch on the shipment to its leader, if there is room: `fresh`, or
    /// one to be repeated.
    fn load(
        &mut self,
        place: Place,
        fresh: Option<NextBatch>,
        shipments: &mut HashMap<i32, Shipment>,
    ) {
        let image = self.cluster.image();
        let topic = image.topics.get(&place.0);
        let partition = topic.and_then(|topic| topic.partitions.get(&place.1));
        let (Some(topic), Some(leader)) = (topic, partition.and_then(|it| it.leader)) else {
            self.staleness.mark(&place.0);
            return;
        };
        let under_way = self.couriers.get(&leader).map_or(0, |it| it.under_way);
        let Some(lane) = self.lanes.get_mut(&place) else {
            return;
        };
        let bytes = fresh.map_or_else(|| lane.retry_bytes(), |next| Some(next.bytes));
        let loaded = shipments.get(&leader).map_or(0, Shipment::bytes);
        let is_too_much = self.config.max_request_size < loaded + bytes.unwrap_or(0);
        if self.config.max_in_flight <= under_way || 0 < loaded && is_too_much {
            return;
        }
        let parcel = match fresh {
            None => lane.take_retry(),
            Some(_) => self.accumulator.take(&place).map(|batch| {
                self.partitioner.batch_completed(&place.0);
                lane.take_fresh(batch, self.config.compression)
            }),
        };
        let Some(parcel) = parcel else {
            return;
        };
        let shipment = shipments.entry(leader).or_insert_with(|| Shipment {
            broker: leader,
            items: Vec::new(),
        });
        shipment.items.push(Item {
            topic_id: topic.id,
            place,
            parcel,
        });
    }

    fn order(&mut self, shipment: Shipment) {
        let courier = self.couriers.entry(shipment.broker).or_insert_with(|| {
            let (orders, queue) = mpsc::channel(self.config.max_in_flight);
            let terms = Terms {
                acks: self.config.acks.code(),
                request_timeout: self.config.client.request_timeout,
            };
            let (cluster, returns) = (Arc::clone(&self.cluster), self.returns.0.clone());
            tokio::spawn(courier::run(cluster, terms, queue, returns));
            Courier {
                orders,
                under_way: 0,
            }
        });
        courier.under_way += 1;
        courier
            .orders
            .try_send(shipment)
            .expect("a courier lives as long as its orders, and has room for all under way");
    }

    /// Asks for another identity, one at a time. Returns when it can be asked for, if not now.
    fn identify(&mut self, now: Instant) -> Instant {
        if !self.is_identifying && self.identify_not_before <= now {
            self.is_identifying = true;
            let (cluster, done) = (Arc::clone(&self.cluster), self.errands.0.clone());
            tokio::spawn(async move {
                let identity = identity(&cluster).await;
                let _ = done.send(Errand::Identified(identity)).await;
            });
        }
        if self.is_identifying {
            now + SLEEP_MAX
        } else {
            self.identify_not_before
        }
    }

    /// Asks for metadata where it is too old, or known to be wrong.
    fn refresh(&mut self, now: Instant) {
        let image = self.cluster.image();
        let Some(topics) = self.staleness.take_due(now, image.topics.keys()) else {
            return;
        };
        let (cluster, done) = (Arc::clone(&self.cluster), self.errands.0.clone());
        tokio::spawn(async move {
            let refreshed = cluster.refresh(&Wanted::Named(topics)).await;
            let _ = done.send(Errand::Refreshed(refreshed.map(|_| ()))).await;
        });
    }

    fn finish(&mut self, errand: Errand) {
        let now = Instant::now();
        match errand {
            Errand::Identified(identity) => {
                self.is_identifying = false;
                match identity {
                    Ok(identity) => self.identity = Some(identity),
                    Err(error) => {
                        tracing::warn!(%error, "no producer id");
                        self.identify_not_before = now + self.config.client.retry_backoff_max;
                        if error.is_final() {
                            self.give_up_waiting(now, &error);
                        }
                    }
                }
            }
            Errand::Refreshed(refreshed) => {
                self.staleness.answered(now);
                if let Err(error) = refreshed {
                    tracing::debug!(%error, "could not refresh the metadata");
                }
            }
        }
    }

    /// Nothing that waits can be sent, for a reason that will not pass.
    fn give_up_waiting(&mut self, now: Instant, error: &Error) {
        for (_, batch) in self.accumulator.take_begun_before(now) {
            batch.fail(error.clone());
        }
        for lane in self.lanes.values_mut() {
            for parcel in lane.take_retries() {
                parcel.batch.tell(Err(error.clone()));
            }
        }
    }

    /// Deals with what came back from a broker.
    fn receive(&mut self, returned: Returned) {
        let Returned { shipment, answer } = returned;
        if let Some(courier) = self.couriers.get_mut(&shipment.broker) {
            courier.under_way -= 1;
        }
        let asked = shipment.broker;
        for item in shipment.items {
            match &answer {
                Ok(Answer::Unacknowledged) => self.delivered(item, None),
                Ok(Answer::Response(response)) => self.answered(asked, item, response),
                Err(error) => self.failed(asked, item, error.clone()),
            }
        }
    }

    fn answered(&mut self, asked: i32, item: Item, response: &ProduceResponse) {
        let Some((result, hint)) = courier::result_of(response, &item) else {
            let error = Error::Incomplete(name(&item.place));
            return self.failed(asked, item, error);
        };
        if let Some(hint) = hint {
            let (topic, partition) = &item.place;
            self.cluster.believe(topic, *partition, &hint);
        }
        self.judge(asked, item, result);
    }

    fn judge(&mut self, asked: i32, item: Item, result: &PartitionProduceResponse) {
        if !result.error_code.is_error() {
            return self.delivered(item, Some(result));
        }
        let error = Error::Refused {
            what: name(&item.place),
            code: result.error_code,
            message: result.error_message.clone(),
        };
        match result.error_code {
            // It was written before, by an attempt whose answer was lost.
            ErrorCode::DuplicateSequenceNumber => self.delivered(item, None),
            ErrorCode::MessageTooLarge => self.split(item, error),
            // Behind another that failed: in order again once both are back.
            ErrorCode::OutOfOrderSequenceNumber if self.is_behind_others(&item) => {
                self.again(item, error);
            }
            // The broker has lost what this batch follows, or all it knew of this producer, or has
            // it from another. None of that has written the batch.
            ErrorCode::OutOfOrderSequenceNumber
            | ErrorCode::UnknownProducerId
            | ErrorCode::InvalidProducerEpoch => {
                if let Some(lane) = self.lanes.get_mut(&item.place) {
                    lane.forget_identity();
                }
                self.again(item, error);
            }
            _ => self.failed(asked, item, error),
        }
    }

    fn is_behind_others(&self, item: &Item) -> bool {
        let lane = self.lanes.get(&item.place);
        lane.is_some_and(|lane| lane.is_behind_others(&item.parcel))
    }

    /// Sends a batch that is too large for the topic in two parts, or gives a single record up.
    fn split(&mut self, item: Item, error: Error) {
        let lane = self.lanes.get_mut(&item.place);
        let (Some(halves), Some(lane)) = (item.parcel.batch.halves(), lane) else {
            return self.give_up(item, error);
        };
        tracing::debug!(
            place = name(&item.place),
            "a batch is too large: sent in two"
        );
        lane.split(item.parcel, halves);
    }

    fn delivered(&mut self, item: Item, result: Option<&PartitionProduceResponse>) {
        if let Some(lane) = self.lanes.get_mut(&item.place) {
            lane.delivered(&item.parcel);
        }
        let not_negative = |number: i64| (0 <= number).then_some(number);
        item.parcel.batch.tell(Ok(Delivered {
            base_offset: result.and_then(|result| not_negative(result.base_offset)),
            append_time_ms: result.and_then(|result| not_negative(result.log_append_time_ms)),
        }));
    }

    fn failed(&mut self, asked: i32, item: Item, error: Error) {
        if !error.retriable() {
            return self.give_up(item, error);
        }
        self.staleness.mark(&item.place.0);
        let image = self.cluster.image();
        let partition = image.partition(&item.place.0, item.place.1);
        match partition.and_then(|partition| partition.leader) {
            // Who leads instead is known by now, perhaps from this very answer (KIP-951): a pause
            // would help nobody.
            Some(leader) if leader != asked => self.again_after(Duration::ZERO, item, error),
            _ => self.again(item, error),
        }
    }

    /// Sends it again after a pause that grows, unless it was tried often or long enough.
    fn again(&mut self, item: Item, error: Error) {
        let pause = self.cluster.retry_pause(item.parcel.failures + 1);
        self.again_after(pause, item, error);
    }

    fn again_after(&mut self, pause: Duration, item: Item, error: Error) {
        let now = Instant::now();
        let timeout = self.config.delivery_timeout;
        if self.config.retries <= item.parcel.failures {
            return self.give_up(item, error);
        }
        if item.parcel.batch.begun_at + timeout <= now {
            let error = Error::TimedOut {
                what: format!("send to {}", name(&item.place)),
                after: timeout,
                last: Box::new(error),
            };
            return self.give_up(item, error);
        }
        tracing::debug!(place = name(&item.place), %error, "sending again");
        if let Some(lane) = self.lanes.get_mut(&item.place) {
            lane.failed(item.parcel, error, now + pause);
        }
    }

    fn give_up(&mut self, item: Item, error: Error) {
        let Item { place, parcel, .. } = item;
        if let Some(lane) = self.lanes.get_mut(&place) {
            lane.given_up(&parcel);
        }
        let Parcel { batch, .. } = parcel;
        batch.tell(Err(error));
    }
}

fn name((topic, partition): &Place) -> String {
    format!("{topic}-{partition}")
}

/// A producer id that nobody else has.
async fn identity(cluster: &Cluster) -> Result<Identity, Error> {
    let attempt = async || {
        let connection = cluster.connect(Target::Any).await?;
        let request = InitProducerIdRequest {
            transaction_timeout_ms: i32::MAX,
            ..Default::default()
        };
        let answer = connection.call(&request).await?;
        Error::check("get a producer id", answer.error_code, None)?;
        Ok(Identity {
            producer_id: answer.producer_id,
            epoch: answer.producer_epoch,
        })
    };
    let timeout = cluster.config().api_timeout;
    cluster
        .retrying("get a producer id", timeout, attempt)
        .await
}
