#![allow(clippy::unwrap_used)]

use std::{io::ErrorKind, path::Path, sync::atomic::Ordering};

use odradek_metadata::records::{PartitionRecord, RemoveTopicRecord};

use super::*;
use crate::replica::{
    DeleteBelow, DeleteRecordsError,
    test_support::{TestBroker, enqueue, records},
};

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

/// Stops a broker as the death of its process would, and starts it again with other metadata.
async fn start_with(broker: TestBroker, image: Arc<MetadataImage>) -> TestBroker {
    broker.pool.stop();
    let disk = broker.disk.clone();
    drop(broker);
    TestBroker::start(disk, image, "").await
}

/// Ten records in `t-0`, of which the checkpoint files speak, all deleted but the last; and a
/// second topic, `bad`, whose log will not open.
async fn with_checkpoints_and_a_bad_log() -> TestBroker {
    let mut broker = TestBroker::new().await;
    broker.create("bad", 1, &[]).await;
    append(&broker, "bad", 0, "x").await;
    broker.create("t", 1, &[]).await;
    for _ in 0..10 {
        append(&broker, "t", 0, "old").await;
    }
    let below = [(broker.partition("t", 0), DeleteBelow::Offset(9))];
    assert_eq!(
        broker.manager.delete_records(&below)[0].as_ref().unwrap(),
        &9
    );
    let broker = broker.restart().await;
    let segment = Path::new("/data/bad-0/00000000000000000000.log");
    broker.disk.memory.corrupt(segment, 65, 0xff).unwrap();
    broker
}

#[tokio::test]
async fn a_topic_deleted_while_the_broker_was_down_leaves_nothing_to_the_next_of_its_name() {
    let broker = with_checkpoints_and_a_bad_log().await;
    let mut image = MetadataImage::clone(&broker.image);
    let topic_id = image.topic("t").unwrap().id;
    image
        .apply(RemoveTopicRecord { topic_id }.into(), 9)
        .unwrap();
    let mut broker = start_with(broker, Arc::new(image)).await;
    assert_eq!(broker.manager.offline().len(), 1);
    assert!(
        broker
            .directories()
            .iter()
            .any(|name| name.ends_with("-stray"))
    );

    // A new topic of that name, and death before the next checkpoint.
    broker.create("t", 1, &[]).await;
    assert_eq!(append(&broker, "t", 0, "new").await, 0);
    let broker = broker.crash().await;
    let partition = broker.partition("t", 0);
    assert_eq!((partition.log_start(), partition.high_watermark()), (0, 1));
}

#[tokio::test]
async fn a_disk_that_is_full_during_a_deletion_does_not_harm_the_next_topic_of_the_name() {
    for operations in 0.. {
        let mut broker = TestBroker::new().await;
        broker.create("t", 1, &[]).await;
        for _ in 0..10 {
            append(&broker, "t", 0, "old").await;
        }
        let mut broker = broker.restart().await;
        broker.disk.memory.fail(operations, ErrorKind::StorageFull);
        broker.delete("t").await;
        if broker.disk.memory.fault_pending() {
            assert!(4 < operations, "a deletion renames and writes checkpoints");
            break;
        }
        broker.create("t", 1, &[]).await;
        let is_served = |broker: &TestBroker| broker.manager.partition("t", 0).is_ok();
        if !is_served(&broker) {
            // It waits until the checkpoint files could be written.
            broker.manager.open_those_that_need_space().await;
        }
        // A failed sync takes the directory offline, whatever it failed for.
        let is_offline = broker.manager.log_dir().health().offline().is_some();
        assert_eq!(is_served(&broker), !is_offline, "{operations}");
        if !is_offline {
            assert_eq!(append(&broker, "t", 0, "new").await, 0, "{operations}");
        }
        let broker = broker.crash().await;
        let expected = i64::from(!is_offline);
        let offset = append(&broker, "t", 0, "newer").await;
        assert_eq!(offset, expected, "{operations}");
    }
}

#[tokio::test]
async fn a_partition_that_is_reassigned_while_the_broker_is_down_is_set_aside() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 2, &[]).await;
    for index in 0..2 {
        append(&broker, "t", index, "x").await;
    }
    let mut image = MetadataImage::clone(&broker.image);
    let elsewhere = PartitionRecord {
        topic_id: image.topic("t").unwrap().id,
        partition: 1,
        replicas: vec![7],
        isr: vec![7],
        leader: 7,
        leader_epoch: 1,
        ..Default::default()
    };
    image.apply(elsewhere.into(), 9).unwrap();
    broker.manager.stop().await;
    let broker = start_with(broker, Arc::new(image)).await;
    let found = broker.directories();
    assert!(
        matches!(&found[..], [kept, aside] if kept == "t-0" && aside.ends_with("-stray")),
        "{found:?}"
    );
    assert_eq!(
        broker.manager.partition("t", 1).unwrap_err(),
        PartitionError::NotLeader
    );
    assert_eq!(append(&broker, "t", 0, "y").await, 1);
}

#[tokio::test]
async fn a_topic_that_grows_serves_its_new_partitions_beside_the_old_ones() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 1, &[]).await;
    append(&broker, "t", 0, "old").await;
    let before = broker.partition("t", 0);
    broker.grow("t", 3).await;
    assert!(Arc::ptr_eq(&before, &broker.partition("t", 0)));
    for index in 1..3 {
        assert_eq!(append(&broker, "t", index, "new").await, 0);
    }
    assert_eq!(append(&broker, "t", 0, "newer").await, 1);
    broker.grow("t", 4).await;
    let broker = broker.restart().await;
    let ends: Vec<_> = (0..4)
        .map(|index| broker.partition("t", index).high_watermark())
        .collect();
    assert_eq!(ends, [2, 1, 1, 0]);
}

#[tokio::test]
async fn deleted_records_stay_deleted_after_a_crash() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 2, &[]).await;
    for _ in 0..5 {
        append(&broker, "t", 0, "x").await;
    }
    let delete = |broker: &TestBroker, below| {
        let outcome = broker
            .manager
            .delete_records(&[(broker.partition("t", 0), below)])
            .remove(0);
        outcome.map_err(|error| error.to_string())
    };
    assert_eq!(delete(&broker, DeleteBelow::Offset(3)), Ok(3));
    let broker = broker.crash().await;
    let partition = broker.partition("t", 0);
    assert_eq!((partition.log_start(), partition.high_watermark()), (3, 5));
    assert_eq!(
        delete(&broker, DeleteBelow::Offset(2)),
        Ok(3),
        "it never moves back"
    );
    assert!(delete(&broker, DeleteBelow::Offset(6)).is_err());
    assert!(delete(&broker, DeleteBelow::Offset(-2)).is_err());
    assert_eq!(delete(&broker, DeleteBelow::HighWatermark), Ok(5));
    let broker = broker.crash().await;
    assert_eq!(broker.partition("t", 0).log_start(), 5);
    assert_eq!(append(&broker, "t", 0, "y").await, 5);
    assert_eq!(broker.partition("t", 1).log_start(), 0);
}

#[tokio::test]
async fn records_of_a_topic_that_is_only_compacted_are_not_deleted() {
    let mut broker = TestBroker::new().await;
    broker
        .create("c", 1, &[("cleanup.policy", "compact")])
        .await;
    broker
        .create("d", 1, &[("cleanup.policy", "compact,delete")])
        .await;
    let below = ["c", "d"].map(|topic| (broker.partition(topic, 0), DeleteBelow::HighWatermark));
    let outcomes = broker.manager.delete_records(&below);
    assert!(matches!(
        outcomes[0],
        Err(DeleteRecordsError::OnlyCompacted)
    ));
    assert!(matches!(outcomes[1], Ok(0)));
    broker.delete("d").await;
    let outcomes = broker.manager.delete_records(&below);
    assert!(matches!(outcomes[1], Err(DeleteRecordsError::Closed)));
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
