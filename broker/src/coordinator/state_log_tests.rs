//! The state log over partitions on a file system in memory.
#![allow(clippy::unwrap_used)]

use std::{path::Path, sync::mpsc};

use odradek_protocol::records::BatchRecords;

use super::*;
use crate::{
    config::Config,
    coordinator::replay::{Replay, Replayed},
    replica::test_support::{TestBroker, until},
};

const TIMEOUT: Duration = Duration::from_secs(30);

async fn broker(configs: &[(&str, &str)]) -> TestBroker {
    let mut broker = TestBroker::new().await;
    broker.create(OFFSETS_TOPIC, 2, configs).await;
    broker
}

fn log(broker: &TestBroker, commit_timeout: Duration) -> StateLog {
    let config = Config::for_test(Path::new("/data"), "");
    let config = Offsets {
        commit_timeout,
        ..config.offsets
    };
    log_with(broker, config)
}

fn log_with(broker: &TestBroker, config: Offsets) -> StateLog {
    let clock = Clock::Manual(Arc::clone(&broker.now_ms));
    StateLog::new(Arc::clone(&broker.manager), clock, config, 1)
}

fn record(key: &str, value: Option<&str>) -> StateRecord {
    StateRecord {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
    }
}

/// Keys and values as text, in their order.
#[derive(Default)]
struct Seen {
    records: Vec<(String, Option<String>)>,
    batches: usize,
    batches_wanted: Option<usize>,
}

impl Replay for Seen {
    fn take(&mut self, batch: &BatchRecords) -> bool {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        for record in batch {
            let record = record.unwrap();
            let key = text(record.key.unwrap());
            self.records.push((key, record.value.map(text)));
        }
        self.batches += 1;
        self.batches_wanted
            .is_none_or(|wanted| self.batches < wanted)
    }
}

async fn replay(broker: &TestBroker, chunk_bytes: u32) -> (Seen, Replayed) {
    let log = log(broker, TIMEOUT);
    log.replay(Seen::default(), &broker.pool, chunk_bytes)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_was_appended_is_replayed_in_its_order_after_a_crash_too() {
    let broker = broker(&[]).await;
    let log = log(&broker, TIMEOUT);
    for number in 0..50 {
        let key = format!("key-{number}");
        let records = vec![record(&key, Some("value")), record(&key, None)];
        log.append(records).await.unwrap();
    }
    // It would keep the directory locked.
    drop(log);
    let broker = broker.crash().await;
    // Less than one batch, some batches, all at once.
    for chunk_bytes in [1, 1000, 1 << 20] {
        let (seen, replayed) = replay(&broker, chunk_bytes).await;
        let expected = (0..50).flat_map(|number| {
            let key = format!("key-{number}");
            [(key.clone(), Some("value".to_owned())), (key, None)]
        });
        assert_eq!(seen.records, expected.collect::<Vec<_>>());
        assert_eq!((replayed.records, replayed.broken_batches), (100, 0));
    }
}

#[tokio::test]
async fn a_replay_can_be_ended_early() {
    let broker = broker(&[]).await;
    let log = log(&broker, TIMEOUT);
    for _ in 0..5 {
        log.append(vec![record("k", None)]).await.unwrap();
    }
    let two = Seen {
        batches_wanted: Some(2),
        ..Seen::default()
    };
    let ended = log.replay(two, &broker.pool, 1).await;
    assert!(matches!(
        ended,
        Err(crate::coordinator::replay::ReplayError::Ended)
    ));
}

#[tokio::test]
async fn what_follows_from_appends_happens_in_their_order_whoever_waits() {
    let broker = broker(&[("max.message.bytes", "1000")]).await;
    let log = log(&broker, TIMEOUT);
    let (sender, finished) = mpsc::channel();
    for number in 0..100 {
        // Every third is refused by the log.
        let value = "x".repeat(if number % 3 == 0 { 2000 } else { 10 });
        let sender = sender.clone();
        let appending = log.append_then(vec![record("k", Some(&value))], move |appended| {
            sender.send((number, appended.is_ok())).unwrap();
        });
        drop(appending);
    }
    drop(sender);
    let mut order = Vec::new();
    until(|| {
        order.extend(finished.try_iter());
        order.len() == 100
    })
    .await;
    let expected = (0..100).map(|number| (number, number % 3 != 0));
    assert_eq!(order, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn records_that_are_too_many_for_a_batch_are_refused_for_good() {
    let broker = broker(&[("max.message.bytes", "1000")]).await;
    let log = log(&broker, TIMEOUT);
    let records = (0..100).map(|_| record("a key of some length", None));
    let error = log.append(records.collect()).await.unwrap_err();
    assert!(error.is_too_large(), "{error}");
    log.append(vec![record("k", None)]).await.unwrap();
}

#[tokio::test]
async fn records_are_compressed_if_that_is_wished() {
    let broker = broker(&[("max.message.bytes", "1000")]).await;
    let config = Config::for_test(Path::new("/data"), "offsets.topic.compression.codec=4");
    let log = log_with(&broker, config.offsets);
    let record = record("k", Some(&"x".repeat(2000)));
    log.append(vec![record.clone()]).await.unwrap();
    let (seen, _) = replay(&broker, 1000).await;
    assert_eq!(seen.records.len(), 1);
    let written = seen.records[0].1.as_ref().unwrap();
    assert_eq!(written.as_bytes(), &*record.value.unwrap());
}

#[tokio::test]
async fn whoever_waits_too_long_is_told_so_and_the_append_goes_on() {
    let broker = broker(&[("flush.messages", "1")]).await;
    let log = log(&broker, Duration::from_millis(20));
    broker.disk.hold_syncs(true);
    let (sender, finished) = mpsc::channel();
    let appending = log.append_then(vec![record("k", None)], move |appended| {
        sender.send(appended.is_ok()).unwrap();
    });
    let outcome = appending.done().await;
    assert!(
        matches!(outcome, Err(StateLogError::TimedOut)),
        "{outcome:?}"
    );
    broker.disk.hold_syncs(false);
    let mut is_ok = None;
    until(|| {
        is_ok = is_ok.or_else(|| finished.try_recv().ok());
        is_ok.is_some()
    })
    .await;
    assert_eq!(is_ok, Some(true));
    let (seen, _) = replay(&broker, 1000).await;
    assert_eq!(seen.records, [("k".to_owned(), None)]);
}

#[tokio::test]
async fn a_log_that_is_not_here_says_so() {
    let mut broker = broker(&[]).await;
    let log = log(&broker, TIMEOUT);
    broker.delete(OFFSETS_TOPIC).await;
    let error = log.append(vec![record("k", None)]).await.unwrap_err();
    assert!(matches!(error, StateLogError::Partition(_)), "{error}");
}
