//! Carries batches to one broker, in order, and brings back what became of them.

use std::{sync::Arc, time::Duration};

use odradek_connection::Connection;
use odradek_protocol::{
    Uuid,
    messages::produce::{
        PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse,
        TopicProduceData,
    },
};
use tokio::sync::mpsc;

use super::{accumulator::Place, lane::Parcel};
use crate::{
    by_topic::by_topic,
    cluster::{Cluster, Target, image::LeaderHint},
    error::Error,
};

/// Batches that travel in one request: at most one of each partition.
#[derive(Debug)]
pub(crate) struct Shipment {
    pub(crate) broker: i32,
    pub(crate) items: Vec<Item>,
}

impl Shipment {
    /// Bytes of its batches.
    pub(crate) fn bytes(&self) -> usize {
        let batches = self.items.iter().map(|item| item.parcel.batch.bytes());
        batches.sum()
    }
}

/// One batch of a shipment.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) place: Place,
    /// The topic's id, by which newer brokers want it named.
    pub(crate) topic_id: Uuid,
    pub(crate) parcel: Parcel,
}

/// What became of a shipment.
#[derive(Debug)]
pub(crate) struct Returned {
    pub(crate) shipment: Shipment,
    pub(crate) answer: Result<Answer, Error>,
}

/// What the broker said.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Nothing, as was asked for (`acks=0`).
    Unacknowledged,
    /// Something about each partition.
    Response(ProduceResponse),
}

/// How requests are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// What stands for `acks` on the wire.
    pub(crate) acks: i16,
    pub(crate) request_timeout: Duration,
}

/// Carries shipments until there is nobody to order any.
pub(crate) async fn run(
    cluster: Arc<Cluster>,
    terms: Terms,
    mut orders: mpsc::Receiver<Shipment>,
    returns: mpsc::Sender<Returned>,
) {
    while let Some(shipment) = orders.recv().await {
        let connected = cluster.connect(Target::Broker(shipment.broker)).await;
        let sent = match connected {
            Ok(connection) => carry(connection, terms, shipment, &returns).await,
            Err(error) => Err((shipment, error)),
        };
        if let Err((shipment, error)) = sent {
            let answer = Err(error);
            // The sender may have stopped: then nobody waits for these any more.
            let _ = returns.send(Returned { shipment, answer }).await;
        }
    }
}

/// Sends one shipment, and leaves waiting for its answer to a task of its own.
async fn carry(
    connection: Connection,
    terms: Terms,
    shipment: Shipment,
    returns: &mpsc::Sender<Returned>,
) -> Result<(), (Shipment, Error)> {
    let request = request(terms, &shipment);
    if terms.acks == 0 {
        if let Err(error) = connection.send_unanswered(&request).await {
            return Err((shipment, error.into()));
        }
        let answer = Ok(Answer::Unacknowledged);
        let _ = returns.send(Returned { shipment, answer }).await;
        return Ok(());
    }
    let pending = match connection.send(&request, terms.request_timeout).await {
        Ok(pending) => pending,
        Err(error) => return Err((shipment, error.into())),
    };
    let returns = returns.clone();
    tokio::spawn(async move {
        let answer = pending.wait().await.map(Answer::Response);
        let answer = answer.map_err(Error::from);
        let _ = returns.send(Returned { shipment, answer }).await;
    });
    Ok(())
}

fn request(terms: Terms, shipment: &Shipment) -> ProduceRequest {
    let each = shipment.items.iter().map(|item| {
        let (topic, partition) = &item.place;
        let data = PartitionProduceData {
            index: *partition,
            records: Some(item.parcel.batch.records.to_bytes()),
        };
        ((topic, item.topic_id), data)
    });
    let topic_data = by_topic(each).map(|((name, topic_id), partition_data)| TopicProduceData {
        name: name.to_string(),
        topic_id,
        partition_data,
    });
    ProduceRequest {
        acks: terms.acks,
        timeout_ms: terms
            .request_timeout
            .as_millis()
            .try_into()
            .unwrap_or(i32::MAX),
        topic_data: topic_data.collect(),
        ..Default::default()
    }
}

/// What the answer says about one item, and who leads its partition if that was told.
pub(crate) fn result_of<'a>(
    response: &'a ProduceResponse,
    item: &Item,
) -> Option<(&'a PartitionProduceResponse, Option<LeaderHint>)> {
    let (name, partition) = &item.place;
    let result = response
        .responses
        .iter()
        // Versions have the one or the other.
        .filter(|topic| *topic.name == **name || topic.topic_id == item.topic_id)
        .flat_map(|topic| &topic.partition_responses)
        .find(|result| result.index == *partition)?;
    let hint = LeaderHint::read(&result.current_leader, &response.node_endpoints);
    Some((result, hint))
}
