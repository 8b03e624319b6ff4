#![allow(clippy::unwrap_used)]

use std::{
    collections::HashMap,
    io,
    sync::atomic::{AtomicUsize, Ordering},
};

use odradek_storage::{
    producer_state::SequenceError,
    read::{Located, ReadRequest},
};

use super::*;
use crate::replica::test_support::{TestBroker, enqueue, idempotent_records, records, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_producers_keep_their_order_and_offsets_are_dense() {
    const PRODUCERS: usize = 16;
    const APPENDS: usize = 50;
    let mut broker = TestBroker::new().await;
    broker.create("t", 1, &[]).await;
    let partition = broker.partition("t", 0);
    let producers = (0..PRODUCERS).map(|producer| {
        let partition = Arc::clone(&partition);
        tokio::spawn(async move {
            let replies: Vec<_> = (0..APPENDS)
                .map(|append| enqueue(&partition, records(&["a", &format!("{producer}/{append}")])))
                .collect();
            let mut offsets = Vec::new();
            for reply in replies {
                offsets.push(reply.await.unwrap().unwrap().base_offset);
            }
            offsets
        })
    });
    let mut all = Vec::new();
    for producer in producers.collect::<Vec<_>>() {
        let offsets = producer.await.unwrap();
        assert!(
            offsets.is_sorted(),
            "one producer's appends changed places: {offsets:?}"
        );
        all.extend(offsets);
    }
    all.sort_unstable();
    let expected: Vec<_> = (0..(PRODUCERS * APPENDS) as i64)
        .map(|append| 2 * append)
        .collect();
    assert_eq!(all, expected);
    assert_eq!(partition.high_watermark(), 2 * (PRODUCERS * APPENDS) as i64);
    assert_eq!(
        partition.view().log_end_offset(),
        partition.high_watermark()
    );
}

#[tokio::test]
async fn a_repeated_idempotent_batch_gets_its_original_offset_and_a_gap_is_refused() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 1, &[]).await;
    let partition = broker.partition("t", 0);
    for sequence in 0..5 {
        let appended = enqueue(&partition, idempotent_records(7, sequence, "x")).await;
        assert_eq!(appended.unwrap().unwrap().base_offset, i64::from(sequence));
    }
    for sequence in 0..5 {
        let repeated = enqueue(&partition, idempotent_records(7, sequence, "x")).await;
        let repeated = repeated.unwrap().unwrap();
        assert_eq!(
            (repeated.base_offset, repeated.duplicate),
            (i64::from(sequence), true)
        );
    }
    let gap = enqueue(&partition, idempotent_records(7, 9, "x"))
        .await
        .unwrap();
    assert!(
        matches!(
            gap,
            Err(AppendError::Log(LogAppendError::Sequence(
                SequenceError::OutOfOrderSequence { .. }
            )))
        ),
        "{gap:?}"
    );
    assert_eq!(partition.view().log_end_offset(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_that_wait_together_share_one_flush_and_none_is_acknowledged_before_it() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 1, &[("flush.messages", "1")]).await;
    let partition = broker.partition("t", 0);
    let before = broker.disk.segment_syncs();
    broker.disk.hold_syncs(true);
    let mut first = enqueue(&partition, records(&["first"]));
    until(|| broker.disk.waiting_syncs() == 1).await;
    let mut replies: Vec<_> = (0..100)
        .map(|_| enqueue(&partition, records(&["more"])))
        .collect();
    assert!(first.try_recv().is_err());
    assert!(replies.iter_mut().all(|reply| reply.try_recv().is_err()));
    assert_eq!(
        partition.high_watermark(),
        0,
        "consumers see nothing that is not on the disk"
    );
    broker.disk.hold_syncs(false);
    first.await.unwrap().unwrap();
    for reply in replies {
        reply.await.unwrap().unwrap();
    }
    assert_eq!(partition.high_watermark(), 101);
    assert_eq!(broker.disk.segment_syncs() - before, 2);
}

#[tokio::test]
async fn a_failed_write_is_answered_and_publishes_nothing() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 1, &[]).await;
    let partition = broker.partition("t", 0);
    enqueue(&partition, records(&["kept"]))
        .await
        .unwrap()
        .unwrap();
    broker.disk.memory.fail(0, io::ErrorKind::StorageFull);
    let refused = enqueue(&partition, records(&["lost"])).await.unwrap();
    assert!(
        matches!(refused, Err(AppendError::Log(LogAppendError::NoSpace))),
        "{refused:?}"
    );
    assert_eq!(
        (
            partition.view().log_end_offset(),
            partition.high_watermark()
        ),
        (1, 1)
    );
    broker.manager.space().forget_failed_write();
    let appended = enqueue(&partition, records(&["next"]))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(appended.base_offset, 1);
}

#[tokio::test]
async fn a_failed_flush_takes_the_directory_offline_and_commits_nothing() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 1, &[("flush.messages", "1")]).await;
    let partition = broker.partition("t", 0);
    broker.disk.fail_syncs();
    for _ in 0..2 {
        let refused = enqueue(&partition, records(&["lost"])).await.unwrap();
        assert!(
            matches!(refused, Err(AppendError::Log(LogAppendError::Offline))),
            "{refused:?}"
        );
        assert_eq!(partition.high_watermark(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_partition_deleted_while_it_is_written_answers_every_append() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 1, &[]).await;
    let partition = broker.partition("t", 0);
    let writer = tokio::spawn({
        let partition = Arc::clone(&partition);
        async move {
            let mut outcomes = HashMap::new();
            for _ in 0..2000 {
                let outcome = match enqueue(&partition, records(&["x"])).await.unwrap() {
                    Ok(_) => "appended",
                    Err(AppendError::Deleted) => "deleted",
                    Err(error) => panic!("{error}"),
                };
                *outcomes.entry(outcome).or_insert(0) += 1;
            }
            outcomes
        }
    });
    until(|| 10 < partition.view().log_end_offset()).await;
    broker.delete("t").await;
    let outcomes = writer.await.unwrap();
    assert!(
        outcomes.get("deleted").is_some_and(|count| 0 < *count),
        "{outcomes:?}"
    );
    assert!(partition.is_deleted());
}

#[derive(Debug, Default)]
struct Calls(AtomicUsize);

impl Watcher for Calls {
    fn partition_changed(&self, _token: usize) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_watcher_is_told_after_the_change_can_be_seen() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 1, &[]).await;
    let partition = broker.partition("t", 0);
    let calls = Arc::new(Calls::default());
    let key = partition.watch(Arc::clone(&calls) as Arc<dyn Watcher>, 0);
    enqueue(&partition, records(&["x"])).await.unwrap().unwrap();
    until(|| calls.0.load(Ordering::SeqCst) == 1).await;
    let request = ReadRequest {
        offset: 0,
        upper_offset: partition.high_watermark(),
        max_bytes: 1 << 20,
        at_least_one: true,
    };
    assert!(matches!(
        partition.view().locate(&request),
        Located::Slice(_)
    ));
    broker.delete("t").await;
    assert_eq!(calls.0.load(Ordering::SeqCst), 2);
    partition.unwatch(key);
}

#[tokio::test]
async fn after_flush_ms_a_quiet_partition_is_flushed_in_the_background() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 1, &[("flush.ms", "20")]).await;
    let _running = broker.run();
    let partition = broker.partition("t", 0);
    enqueue(&partition, records(&["x"])).await.unwrap().unwrap();
    until(|| partition.view().recovery_point() == 1).await;
}

#[tokio::test]
async fn an_append_that_panics_takes_its_partition_offline_and_stays_without_a_clean_stop() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 1, &[]).await;
    let partition = broker.partition("t", 0);
    enqueue(&partition, records(&["kept"]))
        .await
        .unwrap()
        .unwrap();
    broker.disk.panic_on_write(true);
    assert!(enqueue(&partition, records(&["lost"])).await.is_err());
    broker.disk.panic_on_write(false);
    let refused = enqueue(&partition, records(&["late"])).await.unwrap();
    assert!(
        matches!(refused, Err(AppendError::Log(LogAppendError::Offline))),
        "{refused:?}"
    );
    assert_eq!(partition.high_watermark(), 1);
    drop(partition);
    let broker = broker.restart().await;
    let report = broker.manager.start_report().unwrap();
    assert_ne!(
        report.recovery.bytes_scanned, 0,
        "the log was believed to be in order"
    );
    assert_eq!(broker.partition("t", 0).high_watermark(), 1);
}
