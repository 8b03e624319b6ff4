#![allow(clippy::unwrap_used)]

use std::{path::Path, sync::atomic::Ordering};

use super::*;
use crate::replica::test_support::{TestBroker, enqueue, records};

async fn append(broker: &TestBroker, topic: &str, index: i32, value: &str) -> i64 {
    let reply = enqueue(&broker.partition(topic, index), records(&[value]));
    reply.await.unwrap().unwrap().base_offset
}

#[tokio::test]
async fn partitions_are_found_by_name_and_by_id_and_missing_ones_say_what_is_missing() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 2, &[]).await;
    let id = broker.image.topic("t").unwrap().id;
    let manager = &broker.manager;
    assert_eq!(manager.partition("t", 1).unwrap().index(), 1);
    assert_eq!(
        manager.partition_by_id(id, 0).unwrap().identity().topic_id,
        id
    );
    let unknown = PartitionError::UnknownTopicOrPartition;
    for (topic, index) in [("t", 2), ("t", -1), ("other", 0)] {
        assert_eq!(
            manager.partition(topic, index).unwrap_err(),
            unknown,
            "{topic}-{index}"
        );
    }
    let missing_id = manager.partition_by_id(Uuid::new_v4(), 0).unwrap_err();
    assert_eq!(missing_id, PartitionError::UnknownTopicId);
    assert_eq!(manager.partition_by_id(id, 2).unwrap_err(), unknown);
    manager.acted.reached(broker.image.applied_index).await;
}

#[tokio::test]
async fn records_and_high_watermark_survive_a_clean_stop_and_a_crash() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 1, &[]).await;
    assert_eq!(append(&broker, "t", 0, "first").await, 0);
    let broker = broker.restart().await;
    assert_eq!(broker.partition("t", 0).high_watermark(), 1);
    assert_eq!(append(&broker, "t", 0, "second").await, 1);
    let broker = broker.crash().await;
    assert_eq!(broker.partition("t", 0).high_watermark(), 2);
    assert_eq!(append(&broker, "t", 0, "third").await, 2);
}

#[tokio::test]
async fn a_topic_created_again_starts_empty_even_after_a_crash() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 1, &[]).await;
    for _ in 0..10 {
        append(&broker, "t", 0, "old").await;
    }
    // The checkpoint files speak of ten records from here on.
    let mut broker = broker.restart().await;
    broker.delete("t").await;
    broker.create("t", 1, &[]).await;
    assert_eq!(append(&broker, "t", 0, "new").await, 0);
    let broker = broker.crash().await;
    assert!(broker.manager.offline().is_empty());
    assert_eq!(append(&broker, "t", 0, "newer").await, 1);
}

#[tokio::test]
async fn a_deleted_log_is_renamed_at_once_and_removed_after_the_delay() {
    let mut broker = TestBroker::new().await;
    broker
        .create("t", 1, &[("file.delete.delay.ms", "1000")])
        .await;
    append(&broker, "t", 0, "x").await;
    broker.delete("t").await;
    let renamed = broker.directories();
    assert!(
        matches!(&renamed[..], [name] if name.ends_with("-delete")),
        "{renamed:?}"
    );
    let due_ms = broker.now_ms.load(Ordering::SeqCst) + 1000;
    assert!(broker.manager.deletions.take_due(due_ms - 1).is_empty());
    for deletion in broker.manager.deletions.take_due(due_ms) {
        broker.manager.remove(deletion).await;
    }
    assert_eq!(broker.directories(), [] as [String; 0]);
}

#[tokio::test]
async fn a_directory_that_the_metadata_does_not_know_is_set_aside_and_kept() {
    let mut broker = TestBroker::new().await;
    let empty = Arc::clone(&broker.image);
    broker.create("t", 1, &[]).await;
    append(&broker, "t", 0, "x").await;
    broker.manager.stop().await;
    broker.pool.stop();
    let disk = broker.disk.clone();
    drop(broker);
    let mut broker = TestBroker::start(disk, empty, "").await;
    let stray = broker.directories();
    assert!(
        matches!(&stray[..], [name] if name.ends_with("-stray")),
        "{stray:?}"
    );
    // Another topic of that name has another id, and its own directory.
    broker.create("t", 1, &[]).await;
    assert_eq!(append(&broker, "t", 0, "y").await, 0);
    assert_eq!(broker.directories().len(), 2);
}

#[tokio::test]
async fn a_log_that_cannot_be_opened_takes_only_its_partition_offline() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 2, &[]).await;
    for index in 0..2 {
        append(&broker, "t", index, "x").await;
    }
    let broker = broker.restart().await;
    let segment = Path::new("/data/t-0/00000000000000000000.log");
    broker.disk.memory.corrupt(segment, 65, 0xff).unwrap();
    let broker = broker.crash().await;
    assert_eq!(
        broker.manager.partition("t", 0).unwrap_err(),
        PartitionError::StorageOffline
    );
    let offline = broker.manager.offline();
    assert_eq!(offline[0].0, TopicPartition::new("t", 0));
    assert!(
        offline[0].1.reason.contains("00000000000000000000.log"),
        "{}",
        offline[0].1.reason
    );
    assert_eq!(append(&broker, "t", 1, "y").await, 1);
    // A clean stop does not turn a bad log into a good one.
    let broker = broker.restart().await;
    assert_eq!(broker.manager.offline().len(), 1);
}

#[tokio::test]
async fn configuration_changes_apply_to_the_next_append() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 1, &[]).await;
    append(&broker, "t", 0, "small enough").await;
    broker.configure("t", "max.message.bytes", "10").await;
    let refused = enqueue(&broker.partition("t", 0), records(&["too large"]))
        .await
        .unwrap();
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_thousand_partitions_are_created_and_opened_again() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 1000, &[]).await;
    assert_eq!(append(&broker, "t", 999, "x").await, 0);
    let broker = broker.restart().await;
    assert_eq!(broker.manager.online().len(), 1000);
    assert_eq!(append(&broker, "t", 999, "y").await, 1);
}
