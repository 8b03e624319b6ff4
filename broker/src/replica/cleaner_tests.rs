#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use odradek_protocol::records::BatchBuilder;

use super::*;
use crate::replica::test_support::{ProbedDisk, TestBroker, enqueue, until};

const BACKOFF_MS: i64 = 5;

/// Every batch begins a segment.
const COMPACTED: [(&str, &str); 3] = [
    ("cleanup.policy", "compact"),
    ("segment.ms", "1"),
    ("min.cleanable.dirty.ratio", "0"),
];

async fn broker() -> TestBroker {
    let empty = TestBroker::new().await;
    let config = format!("log.cleaner.backoff.ms={BACKOFF_MS}\nlog.segment.delete.delay.ms=0");
    TestBroker::start(ProbedDisk::default(), empty.image, &config).await
}

/// A batch of one record with that key, whose time is that many seconds after the beginning.
fn keyed(key: &str, seconds: i64) -> Bytes {
    let timestamp = 1_000_000 + 1000 * seconds;
    let batch = BatchBuilder::new().record(timestamp, Some(key.as_bytes()), Some(&[7; 200]));
    batch.build().to_bytes()
}

async fn fill(partition: &Arc<Partition>) {
    for seconds in 0..10 {
        let sent = enqueue(partition, keyed("key", seconds));
        sent.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_log_is_compacted_up_to_its_active_segment_and_a_restart_knows() {
    let mut broker = broker().await;
    broker.create("compacted", 1, &COMPACTED).await;
    broker.create("deleted", 1, &[("segment.ms", "1")]).await;
    let (compacted, deleted) = (
        broker.partition("compacted", 0),
        broker.partition("deleted", 0),
    );
    fill(&compacted).await;
    fill(&deleted).await;
    let before = compacted.view().size_bytes();
    let running = broker.run();
    until(|| compacted.cleaning.cleaned_to() == 9).await;
    until(|| broker.manager.backlog().dirty_bytes == 0).await;
    assert!(compacted.view().size_bytes() < before / 2);
    assert_eq!(deleted.view().size_bytes(), before);
    assert_eq!(deleted.cleaning.cleaned_to(), 0);
    assert!(broker.manager.uncleanable().is_empty());

    drop(running);
    let broker = broker.restart().await;
    let compacted = broker.partition("compacted", 0);
    assert_eq!(compacted.cleaning.cleaned_to(), 9);
    assert_eq!(compacted.view().log_end_offset(), 10);
}

#[tokio::test]
async fn a_log_that_fails_is_tried_again_less_and_less_often_and_holds_up_no_other() {
    let mut broker = broker().await;
    for topic in ["damaged", "sound"] {
        broker.create(topic, 1, &COMPACTED).await;
        fill(&broker.partition(topic, 0)).await;
    }
    let segment = std::path::Path::new("/data/damaged-0/00000000000000000004.log");
    broker.disk.memory.corrupt(segment, 100, 1).unwrap();
    let _running = broker.run();
    let attempts = || {
        let failing = broker.manager.uncleanable();
        failing.first().map_or(0, |(_, failure)| failure.attempts)
    };
    until(|| attempts() == 1).await;
    let (partition, failure) = broker.manager.uncleanable().remove(0);
    assert_eq!(partition, TopicPartition::new("damaged", 0));
    assert!(
        failure.reason.contains("00000000000000000004.log"),
        "{}",
        failure.reason
    );
    let sound = broker.partition("sound", 0);
    until(|| sound.cleaning.cleaned_to() == 9).await;

    // Each wait is twice as long as the one before.
    let mut now_ms = broker.now_ms.load(Ordering::SeqCst);
    for attempt in 1..4 {
        assert_eq!(attempts(), attempt);
        now_ms += BACKOFF_MS << (attempt - 1);
        broker.now_ms.store(now_ms, Ordering::SeqCst);
        until(|| attempts() == attempt + 1).await;
    }
    // Repaired, it is compacted, and nothing is reported any more.
    broker.disk.memory.corrupt(segment, 100, 1).unwrap();
    broker.now_ms.store(now_ms + 1_000, Ordering::SeqCst);
    let damaged = broker.partition("damaged", 0);
    until(|| damaged.cleaning.cleaned_to() == 9).await;
    assert!(broker.manager.uncleanable().is_empty());
}

#[tokio::test]
async fn a_topic_can_be_deleted_while_it_is_compacted() {
    let empty = TestBroker::new().await;
    // So slow that it would take hours.
    let config = "log.cleaner.backoff.ms=5\nlog.cleaner.io.max.bytes.per.second=1";
    let mut broker = TestBroker::start(ProbedDisk::default(), empty.image, config).await;
    broker.create("slow", 1, &COMPACTED).await;
    fill(&broker.partition("slow", 0)).await;
    let running = broker.run();
    let slow = broker.partition("slow", 0);
    until(|| slow.cleaning.is_taken.load(Ordering::SeqCst)).await;
    broker.delete("slow").await;
    until(|| !slow.cleaning.is_taken.load(Ordering::SeqCst)).await;
    assert!(broker.manager.uncleanable().is_empty());
    drop(running);
}
