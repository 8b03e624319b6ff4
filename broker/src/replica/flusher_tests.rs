#![allow(clippy::unwrap_used)]

use std::path::Path;

use odradek_storage::disk::read_file;

use super::*;
use crate::replica::test_support::{ProbedDisk, TestBroker, enqueue, records, until};

async fn started(config: &str) -> TestBroker {
    let empty = TestBroker::new().await;
    let image = Arc::clone(&empty.image);
    let mut broker = TestBroker::start(ProbedDisk::default(), image, config).await;
    broker.create("t", 2, &[]).await;
    broker
}

fn checkpoint(broker: &TestBroker, file: &str) -> String {
    let bytes = read_file(&broker.disk, &Path::new("/data").join(file)).unwrap_or_default();
    String::from_utf8(bytes).unwrap()
}

async fn append(broker: &TestBroker, index: i32) {
    enqueue(&broker.partition("t", index), records(&["x"]))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn what_was_appended_is_flushed_and_checkpointed_once_its_interval_is_over() {
    let config = "log.recovery.flush.interval.ms=20\n\
                  replica.high.watermark.checkpoint.interval.ms=20";
    let broker = started(config).await;
    let _running = broker.run();
    for round in 1..=3 {
        append(&broker, 0).await;
        for file in [
            "recovery-point-offset-checkpoint",
            "replication-offset-checkpoint",
        ] {
            until(|| checkpoint(&broker, file).contains(&format!("t 0 {round}\n"))).await;
        }
    }
    assert_eq!(broker.partition("t", 0).view().unflushed_bytes(), 0);
}

#[tokio::test]
async fn many_unflushed_bytes_do_not_wait_for_the_interval() {
    let broker = started("log.recovery.flush.bytes=100").await;
    let _running = broker.run();
    append(&broker, 0).await;
    append(&broker, 1).await;
    let flushed = || {
        let recovery_point = |index| broker.partition("t", index).view().recovery_point();
        (recovery_point(0), recovery_point(1)) == (1, 1)
    };
    until(flushed).await;
}

#[test]
fn the_bell_rings_once_for_many_appends() {
    let unflushed = Unflushed::new(1000);
    let rings = |unflushed: &Unflushed| {
        let mut rung = std::pin::pin!(unflushed.bell.notified());
        rung.as_mut().enable()
    };
    unflushed.add(1);
    assert!(rings(&unflushed));
    for _ in 0..100 {
        unflushed.add(1);
    }
    assert!(!rings(&unflushed), "the flusher knows already");
    unflushed.add(1000);
    assert!(rings(&unflushed), "too much is unflushed");
    unflushed.add(1000);
    assert!(!rings(&unflushed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_appended_during_a_flush_has_its_own() {
    // All duties are due at once, so that some of them come after the flush that is held up.
    let config = "log.recovery.flush.interval.ms=20\n\
                  replica.high.watermark.checkpoint.interval.ms=20\n\
                  log.flush.start.offset.checkpoint.interval.ms=20";
    let broker = started(config).await;
    let _running = broker.run();
    broker.disk.hold_syncs(true);
    append(&broker, 0).await;
    until(|| broker.disk.waiting_syncs() == 1).await;
    append(&broker, 0).await;
    append(&broker, 1).await;
    broker.disk.hold_syncs(false);
    for checkpointed in ["t 0 2\n", "t 1 1\n"] {
        until(|| checkpoint(&broker, "recovery-point-offset-checkpoint").contains(checkpointed))
            .await;
    }
}
