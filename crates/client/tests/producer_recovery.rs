//! A producer whose brokers refuse, move, forget and hang up: nothing is lost, nothing is there
//! twice, and the order stays.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod scripted;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use odradek_client::{
    Error, ErrorCode, Producer, Properties,
    producer::{config::ProducerConfig, delivery::Delivery, record::ProducerRecord},
};
use tokio::{net::TcpListener, time::timeout};

use self::scripted::{Arrival, Brokers, PATIENCE, Verdict};

async fn send(producer: &Producer, value: impl Into<String>) -> Delivery {
    let record = ProducerRecord::new("t", value.into());
    producer.send(record).await.unwrap()
}

async fn outcome(delivery: Delivery) -> Result<Option<i64>, Error> {
    let metadata = timeout(PATIENCE, delivery.wait())
        .await
        .expect("an outcome");
    metadata.map(|metadata| metadata.offset)
}

/// Sends these numbers, and waits until all are acknowledged.
async fn send_all(producer: &Producer, numbers: std::ops::Range<usize>) {
    let mut deliveries = Vec::new();
    for number in numbers {
        deliveries.push(send(producer, number.to_string()).await);
    }
    for delivery in deliveries {
        outcome(delivery).await.unwrap();
    }
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Does that with the batch of that number, and behaves otherwise.
fn only(number: usize, verdict: Verdict) -> impl FnMut(&Arrival) -> Verdict + Send + 'static {
    move |arrival| {
        if arrival.number == number {
            verdict
        } else {
            Verdict::Behave
        }
    }
}

/// Every record by itself, several of them under way.
const SINGLE: (&str, &str) = ("batch.size", "0");

#[tokio::test]
async fn batches_too_large_for_the_topic_are_sent_in_parts_and_keep_their_order() {
    // Without idempotence batches that are under way together may change places.
    for (idempotence, in_flight) in [("true", "5"), ("false", "1")] {
        let brokers = Brokers::start(|arrival| match arrival.bytes {
            300.. => Verdict::Refuse(ErrorCode::MessageTooLarge),
            _ => Verdict::Behave,
        })
        .await;
        let producer = brokers.producer(&[
            ("batch.size", "1000"),
            ("enable.idempotence", idempotence),
            ("max.in.flight.requests.per.connection", in_flight),
        ]);
        let mut deliveries = Vec::new();
        for number in 0..200 {
            deliveries.push(send(&producer, number.to_string()).await);
        }
        for (number, delivery) in (0..).zip(deliveries) {
            assert_eq!(outcome(delivery).await.unwrap(), Some(number));
        }
        assert_eq!(brokers.log(), numbers(0..200));
        // A single record cannot be cut; those behind it go on.
        let large = send(&producer, "x".repeat(300)).await;
        let small = send(&producer, "small").await;
        let error = outcome(large).await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::MessageTooLarge), "{error}");
        assert!(!error.retriable());
        assert_eq!(outcome(small).await.unwrap(), Some(200));
    }
}

#[tokio::test]
async fn what_a_broker_forgot_goes_on_under_another_identity() {
    let script = only(5, Verdict::Refuse(ErrorCode::UnknownProducerId));
    let brokers = Brokers::start(script).await;
    let producer = brokers.producer(&[SINGLE]);
    send_all(&producer, 0..20).await;
    assert_eq!(brokers.log(), numbers(0..20));
    let arrivals = brokers.arrivals();
    let last = arrivals.last().unwrap();
    assert_ne!(last.producer_id, arrivals[0].producer_id);
}

#[tokio::test]
async fn after_a_loss_at_the_broker_it_goes_on_under_another_identity() {
    let brokers = Brokers::start(|_| Verdict::Behave).await;
    let producer = brokers.producer(&[SINGLE]);
    send_all(&producer, 0..3).await;
    let producer_id = brokers.arrivals()[0].producer_id;
    brokers
        .state
        .lock()
        .unwrap()
        .lose_last_batch(producer_id, 1);
    // The broker expects a number that will never come.
    send_all(&producer, 3..10).await;
    assert_eq!(brokers.log(), numbers(0..10));
    assert_ne!(brokers.arrivals().last().unwrap().producer_id, producer_id);
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_no_duplicate() {
    let brokers = Brokers::start(only(4, Verdict::HangUp)).await;
    let producer = brokers.producer(&[SINGLE, ("retry.backoff.ms", "1")]);
    send_all(&producer, 0..20).await;
    assert_eq!(brokers.log(), numbers(0..20));
    assert!(20 < brokers.arrivals().len());
}

#[tokio::test]
async fn a_hint_leads_to_the_new_leader_at_once_and_in_order() {
    let brokers = Brokers::start(only(7, Verdict::HandOver(2))).await;
    // The pause would be longer than the test.
    let pause = "600000";
    let pauses = [("retry.backoff.ms", pause), ("retry.backoff.max.ms", pause)];
    let producer = brokers.producer(&[SINGLE, pauses[0], pauses[1]]);
    send_all(&producer, 0..30).await;
    assert_eq!(brokers.log(), numbers(0..30));
    assert_eq!(brokers.arrivals().last().unwrap().broker, 2);
    // Nobody had to be asked who leads.
    assert!(brokers.state.lock().unwrap().metadata_requests <= 2);
}

#[tokio::test]
async fn one_request_at_a_time_keeps_the_order_without_idempotence() {
    let brokers = Brokers::start(|arrival| match arrival.number {
        3 => Verdict::Refuse(ErrorCode::NotEnoughReplicas),
        7 => Verdict::HandOver(2),
        11 => Verdict::HandOver(1),
        _ => Verdict::Behave,
    })
    .await;
    let settings = [
        SINGLE,
        ("enable.idempotence", "false"),
        ("max.in.flight.requests.per.connection", "1"),
        ("retry.backoff.ms", "1"),
    ];
    let producer = brokers.producer(&settings);
    send_all(&producer, 0..30).await;
    assert_eq!(brokers.log(), numbers(0..30));
}

#[tokio::test]
async fn retries_are_counted() {
    let refuse = |_: &Arrival| Verdict::Refuse(ErrorCode::NotEnoughReplicas);
    let brokers = Brokers::start(refuse).await;
    let producer = brokers.producer(&[("retries", "2"), ("retry.backoff.ms", "1")]);
    let error = outcome(send(&producer, "0").await).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NotEnoughReplicas), "{error}");
    assert!(error.retriable(), "the caller may try later");
    assert_eq!(brokers.arrivals().len(), 3);
}

#[tokio::test]
async fn delivery_timeout_ends_repetitions_and_says_why_they_failed() {
    let refuse = |_: &Arrival| Verdict::Refuse(ErrorCode::NotEnoughReplicas);
    let brokers = Brokers::start(refuse).await;
    let settings = [
        ("delivery.timeout.ms", "300"),
        ("request.timeout.ms", "100"),
        ("retry.backoff.ms", "10"),
    ];
    let producer = brokers.producer(&settings);
    let error = outcome(send(&producer, "0").await).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
    assert_eq!(error.code(), Some(ErrorCode::NotEnoughReplicas), "{error}");
    assert!(error.to_string().contains("t-0"), "{error}");
}

#[tokio::test]
async fn metadata_is_asked_for_again_when_it_is_old() {
    let brokers = Brokers::start(|_| Verdict::Behave).await;
    let producer = brokers.producer(&[("metadata.max.age.ms", "20")]);
    send_all(&producer, 0..1).await;
    let aged = async {
        while brokers.state.lock().unwrap().metadata_requests < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, aged)
        .await
        .expect("questions without anything sent");
}

#[tokio::test]
async fn a_broker_that_hangs_up_is_dialled_again_after_growing_pauses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let properties: Properties = [
        ("bootstrap.servers", address.as_str()),
        ("reconnect.backoff.ms", "40"),
        ("reconnect.backoff.max.ms", "400"),
        ("retry.backoff.ms", "1"),
        ("retry.backoff.max.ms", "1"),
    ]
    .into_iter()
    .collect();
    let producer = Producer::new(ProducerConfig::from_properties(properties).unwrap());
    let enough = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn({
        let enough = Arc::clone(&enough);
        async move {
            let sent = producer.send(ProducerRecord::new("t", "value")).await;
            assert!(
                enough.load(Ordering::Relaxed),
                "nobody could take it: {sent:?}"
            );
        }
    });
    let mut dials = Vec::new();
    for _ in 0..5 {
        drop(timeout(PATIENCE, listener.accept()).await.unwrap().unwrap());
        dials.push(std::time::Instant::now());
    }
    enough.store(true, Ordering::Relaxed);
    sending.abort();
    let pauses: Vec<_> = dials.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // A fifth shorter by chance, and a little time to notice.
    for (pause, least_ms) in pauses.iter().zip([40, 80, 160, 320]) {
        assert!(
            Duration::from_millis(least_ms * 7 / 10) <= *pause,
            "{pauses:?}"
        );
    }
}

#[tokio::test]
async fn one_bootstrap_server_that_answers_is_enough() {
    let brokers = Brokers::start(|_| Verdict::Behave).await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone_port = gone.local_addr().unwrap().port();
    drop(gone);
    let servers = format!(
        "nowhere.invalid:1,127.0.0.1:{gone_port},{}",
        brokers.bootstrap()
    );
    let properties: Properties = [("bootstrap.servers", servers)].into_iter().collect();
    let producer = Producer::new(ProducerConfig::from_properties(properties).unwrap());
    send_all(&producer, 0..3).await;
    assert_eq!(brokers.log(), numbers(0..3));
}
