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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recovery_point_reaches_the_end_although_a_batch_came_just_as_a_sync_began() {
    let broker = started("").await;
    let partition = broker.partition("t", 0);
    append(&broker, 0).await;
    // The flush has seen one batch and syncs the directory first. The next batch is in time for
    // the sync of the segment: all bytes are synced then, and it was never counted.
    broker.disk.hold_directory_syncs(true);
    let flush = tokio::spawn({
        let (manager, partition) = (Arc::clone(&broker.manager), Arc::clone(&partition));
        async move { manager.flush(partition).await }
    });
    until(|| broker.disk.waiting_syncs() == 1).await;
    append(&broker, 0).await;
    broker.disk.hold_directory_syncs(false);
    flush.await.unwrap();
    let view = partition.view();
    assert_eq!((view.recovery_point(), view.unflushed_bytes()), (1, 0));
    assert!(view.has_unflushed());
    // Nothing comes any more; the next round must not take the partition for flushed.
    broker.manager.flush(Arc::clone(&partition)).await;
    assert_eq!(view.recovery_point(), 2);
    broker.manager.flush(partition).await;
    assert_eq!(broker.manager.unflushed_bytes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_disk_takes_its_time_unflushed_bytes_are_bounded_and_appends_wait() {
    const FLUSH_BYTES: u64 = 10_000;
    let broker = started(&format!("log.recovery.flush.bytes={FLUSH_BYTES}")).await;
    let _running = broker.run();
    broker.disk.hold_syncs(true);
    let value = "x".repeat(1000);
    let unflushed = broker.manager.unflushed();
    let mut waiting = None;
    for number in 0..100 {
        let mut reply = enqueue(&broker.partition("t", number % 2), records(&[&value]));
        // One after the other, as long as they are answered: a group is a single batch.
        let mut answered = false;
        until(|| {
            answered = reply.try_recv().is_ok_and(|appended| appended.is_ok());
            answered || unflushed.parked() == 1
        })
        .await;
        if !answered {
            waiting = Some(reply);
            break;
        }
    }
    let bytes = unflushed.bytes();
    assert!(
        (2 * FLUSH_BYTES..2 * FLUSH_BYTES + 1100).contains(&bytes),
        "{bytes}"
    );
    let more = (0..100).map(|number| {
        let partition = broker.partition("t", number % 2);
        enqueue(&partition, records(&[&value]))
    });
    let replies: Vec<_> = waiting.into_iter().chain(more).collect();
    until(|| unflushed.parked() == 2).await;
    assert_eq!(unflushed.bytes(), bytes, "those that wait are not written");
    // The disk threads are free, whoever waits.
    broker.pool.run(|| ()).await.unwrap();
    broker.disk.hold_syncs(false);
    for reply in replies {
        reply.await.unwrap().unwrap();
    }
    until(|| broker.manager.unflushed_bytes() < FLUSH_BYTES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_that_wait_for_a_flush_that_fails_are_refused() {
    let broker = started("log.recovery.flush.bytes=100").await;
    let _running = broker.run();
    broker.disk.hold_syncs(true);
    let mut replies: Vec<_> = (0..10)
        .map(|_| enqueue(&broker.partition("t", 0), records(&["x"])))
        .collect();
    until(|| broker.disk.waiting_syncs() == 1).await;
    replies.extend((0..10).map(|_| enqueue(&broker.partition("t", 0), records(&["x"]))));
    broker.disk.fail_syncs();
    broker.disk.hold_syncs(false);
    let mut last = None;
    for reply in replies {
        last = Some(reply.await.unwrap());
    }
    assert!(last.unwrap().is_err());
}
