//! SIGKILL costs nothing that was acknowledged; SIGTERM costs nothing at all.

use std::{sync::Arc, time::Duration};

use odradek_tests::{broker::Broker, wait};
use rdkafka::producer::FutureRecord;
use rustix::process::Signal;

use crate::{
    admin::status,
    client::{create_topic, producer, read, send_all, values, watermarks},
};

#[tokio::test(flavor = "multi_thread")]
async fn after_a_clean_stop_everything_is_there_and_nothing_is_recovered() {
    let mut broker = Broker::start();
    create_topic(&broker, "kept", 2, &[]).await;
    let client = producer(&broker, &[("enable.idempotence", "true")]);
    send_all(&client, "kept", Some(1), &values("before", 100)).await;
    drop(client);
    assert!(broker.stop().success());
    broker.start_again();
    assert_eq!(watermarks(&broker, "kept", 1), (0, 100));
    let client = producer(&broker, &[("enable.idempotence", "true")]);
    let delivered = send_all(&client, "kept", Some(1), &values("after", 1)).await;
    assert_eq!(delivered, [(1, 100)]);
    assert_eq!(read(&broker, "kept", 1, 0, 101).len(), 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_signals_that_ask_for_an_end_get_an_orderly_one_under_load() {
    let mut broker = Broker::start();
    create_topic(&broker, "asked", 1, &[]).await;
    for signal in [Signal::TERM, Signal::INT] {
        let client = producer(&broker, &[("message.timeout.ms", "120000")]);
        let sent = values("v", 20_000);
        let deliveries: Vec<_> = sent
            .iter()
            .map(|(_, value)| {
                let record = FutureRecord::<str, _>::to("asked")
                    .partition(0)
                    .payload(value);
                client
                    .send_result(record)
                    .map_err(|(error, _)| error)
                    .unwrap()
            })
            .collect();
        wait::until("some records are there", || {
            (0 < watermarks(&broker, "asked", 0).1).then_some(())
        });
        assert!(broker.stop_by(signal).success());
        broker.start_again();
        assert_eq!(status(&broker)["recovery"]["previous_stop"], "clean");
        for delivery in deliveries {
            delivery.await.unwrap().map_err(|(error, _)| error).unwrap();
        }
    }
    let (_, end) = watermarks(&broker, "asked", 0);
    // Without idempotence some may be there twice; none may be missing.
    assert!(40_000 <= end, "{end}");
}

/// An idempotent producer keeps sending while the broker is killed again and again. Each value
/// must be there exactly once, in order: neither lost nor doubled by the retries.
#[tokio::test(flavor = "multi_thread")]
async fn killed_under_load_it_loses_and_doubles_nothing() {
    const RECORDS: usize = 3000;
    let mut broker = Broker::start();
    create_topic(&broker, "killed", 1, &[]).await;
    let client = Arc::new(producer(
        &broker,
        &[
            ("enable.idempotence", "true"),
            ("linger.ms", "1"),
            ("batch.num.messages", "20"),
            ("message.timeout.ms", "120000"),
            ("retry.backoff.ms", "20"),
        ],
    ));
    let sender = Arc::clone(&client);
    let sending = tokio::spawn(async move {
        let mut deliveries = Vec::new();
        for number in 0..RECORDS {
            let value = number.to_string();
            let record = FutureRecord::<str, _>::to("killed")
                .partition(0)
                .payload(&value);
            deliveries.push(
                sender
                    .send_result(record)
                    .map_err(|(error, _)| error)
                    .unwrap(),
            );
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
        for delivery in deliveries {
            delivery.await.unwrap().map_err(|(error, _)| error).unwrap();
        }
    });
    for kill in 1..=3_i64 {
        let reached = kill * (RECORDS as i64) / 5;
        wait::until("the load goes on", || {
            (reached < watermarks(&broker, "killed", 0).1).then_some(())
        });
        broker.kill();
        broker.start_again();
    }
    sending.await.unwrap();
    assert_eq!(watermarks(&broker, "killed", 0), (0, RECORDS as i64));
    let records = read(&broker, "killed", 0, 0, RECORDS);
    for (number, record) in records.iter().enumerate() {
        assert_eq!(record.offset, number as i64);
        assert_eq!(record.value, number.to_string().as_bytes());
    }
}
