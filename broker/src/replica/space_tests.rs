#![allow(clippy::unwrap_used)]

use std::path::Path;

use odradek_protocol::ErrorCode;
use odradek_storage::{error::AppendError as LogAppendError, log_dir::DirExpectation};
use tokio::time::advance;
use uuid::Uuid;

use super::*;
use crate::{
    api::error_code,
    replica::{
        AppendError,
        test_support::{ProbedDisk, TestBroker, enqueue, records, until},
    },
};

const MIB: u64 = 1 << 20;

fn log_dir(disk: &ProbedDisk) -> LogDir {
    let expected = DirExpectation {
        node_id: 1,
        cluster_id: None,
        new_cluster_id: "test".to_owned(),
        new_directory_id: Uuid::new_v4(),
    };
    LogDir::open(Arc::new(disk.clone()), Path::new("/data"), &expected).unwrap()
}

/// The room on a disk with so many bytes free, of which 16 MiB are the reserve.
fn with_free(disk: &ProbedDisk, free_bytes: u64) -> DiskSpace {
    let dir = log_dir(disk);
    set_free(disk, free_bytes);
    DiskSpace::new(&dir, Some(16 * MIB))
}

fn set_free(disk: &ProbedDisk, free_bytes: u64) {
    disk.memory.set_total_bytes(u64::MAX / 2);
    let used = u64::MAX / 2 - disk.space(Path::new("/data")).unwrap().free_bytes;
    disk.memory.set_total_bytes(used + free_bytes);
}

fn admits(space: &DiskSpace, what: AppendFor, bytes: u64) -> bool {
    space.admit(what, bytes).is_ok()
}

#[tokio::test(start_paused = true)]
async fn produces_end_at_the_reserve_and_internal_topics_at_a_quarter_of_it() {
    let disk = ProbedDisk::default();
    let space = with_free(&disk, 18 * MIB);
    assert!(admits(&space, AppendFor::Clients, MIB));
    set_free(&disk, 16 * MIB - 1);
    advance(LOOK_INTERVAL).await;
    assert!(!admits(&space, AppendFor::Clients, 1));
    assert!(admits(&space, AppendFor::TheBroker, MIB));
    set_free(&disk, 5 * MIB);
    assert!(admits(&space, AppendFor::TheBroker, MIB));
    set_free(&disk, 5 * MIB - 1);
    assert!(!admits(&space, AppendFor::TheBroker, MIB));
}

#[tokio::test(start_paused = true)]
async fn what_is_admitted_between_two_looks_cannot_eat_the_reserve() {
    let disk = ProbedDisk::default();
    let space = with_free(&disk, 40 * MIB);
    let mut free = 40 * MIB;
    while admits(&space, AppendFor::Clients, MIB) {
        free -= MIB;
        set_free(&disk, free);
    }
    assert_eq!(
        free,
        15 * MIB,
        "the last append crossed the limit, none came after it"
    );
}

#[tokio::test(start_paused = true)]
async fn one_append_takes_no_more_than_half_of_the_reserve() {
    let disk = ProbedDisk::default();
    let space = with_free(&disk, 18 * MIB);
    assert!(!admits(&space, AppendFor::Clients, 11 * MIB));
    let space = with_free(&ProbedDisk::default(), 18 * MIB);
    assert!(admits(&space, AppendFor::Clients, 10 * MIB));
}

#[tokio::test(start_paused = true)]
async fn produces_begin_again_an_eighth_above_the_reserve_and_not_before() {
    let disk = ProbedDisk::default();
    let space = with_free(&disk, 10 * MIB);
    assert!(space.is_low(), "known from the start");
    set_free(&disk, 18 * MIB - 1);
    advance(LOW_MIN).await;
    assert!(space.report().produces_refused);
    set_free(&disk, 18 * MIB);
    assert!(!space.report().produces_refused);
    assert!(admits(&space, AppendFor::Clients, 1));
}

#[tokio::test(start_paused = true)]
async fn a_start_between_the_two_limits_goes_on_refusing() {
    assert!(with_free(&ProbedDisk::default(), 18 * MIB - 1).is_low());
    assert!(!with_free(&ProbedDisk::default(), 18 * MIB).is_low());
}

#[tokio::test(start_paused = true)]
async fn a_write_without_space_ends_produces_whatever_the_file_system_says() {
    let space = with_free(&ProbedDisk::default(), 90 * MIB);
    space.write_found_none();
    assert!(!admits(&space, AppendFor::Clients, 1));
    advance(LOW_MIN).await;
    space.report();
    assert!(!admits(&space, AppendFor::Clients, 1));
    advance(LOW_MIN_AFTER_FAILED_WRITE).await;
    space.report();
    assert!(admits(&space, AppendFor::Clients, 1));
}

#[tokio::test(start_paused = true)]
async fn the_file_system_is_asked_seldom() {
    let disk = ProbedDisk::default();
    let space = with_free(&disk, 1 << 40);
    let before = disk.space_looks();
    for _ in 0..16 * 1024 {
        assert!(admits(&space, AppendFor::Clients, 10 * 1024));
    }
    let looks = disk.space_looks() - before;
    assert!((8..=12).contains(&looks), "{looks} times for 160 MiB");
}

#[test]
fn without_configuration_the_reserve_is_a_tenth_of_a_small_disk() {
    let reserve_of = |total_bytes| {
        let disk = ProbedDisk::default();
        let dir = log_dir(&disk);
        disk.memory.set_total_bytes(total_bytes);
        DiskSpace::new(&dir, None).reserve_bytes
    };
    assert_eq!(reserve_of(60 * MIB), 6 * MIB);
    assert_eq!(reserve_of(1 << 40), 256 * MIB);
}

/// A broker on a disk of so many bytes that keeps 1 MiB in reserve.
async fn on_small_disk(total_bytes: u64) -> TestBroker {
    let disk = ProbedDisk::default();
    disk.memory.set_total_bytes(total_bytes);
    let image = TestBroker::new().await.image;
    let config = "storage.min.free.bytes=1048576";
    let mut broker = TestBroker::start(disk, image, config).await;
    broker.create("t", 2, &[("segment.bytes", "1048576")]).await;
    broker
}

/// Appends until that is refused; returns the offsets and the refusal.
async fn fill(broker: &TestBroker) -> (i64, AppendError) {
    let partition = broker.partition("t", 0);
    let value = "x".repeat(100_000);
    for count in 0.. {
        match enqueue(&partition, records(&[&value])).await.unwrap() {
            Ok(appended) => assert_eq!(appended.base_offset, count),
            Err(error) => return (count, error),
        }
    }
    unreachable!("a disk has an end")
}

#[tokio::test]
async fn a_broker_whose_disk_fills_up_refuses_produces_and_goes_on_when_a_topic_is_deleted() {
    let mut broker = on_small_disk(8 << 20).await;
    let (count, refusal) = fill(&broker).await;
    assert!(
        matches!(refusal, AppendError::DiskNearlyFull(_)),
        "{refusal}"
    );
    assert_eq!(
        error_code::of_append(&refusal),
        ErrorCode::NotEnoughReplicas
    );
    assert!(60 < count, "{count} batches of 100 kB on 8 MiB");
    assert_eq!(broker.partition("t", 0).high_watermark(), count);
    // Internal topics and new topics are still possible.
    broker.create("__consumer_offsets", 1, &[]).await;
    let offsets = broker.partition("__consumer_offsets", 0);
    enqueue(&offsets, records(&["commit"]))
        .await
        .unwrap()
        .unwrap();
    broker.create("other", 1, &[]).await;
    let other = broker.partition("other", 0);
    assert!(enqueue(&other, records(&["x"])).await.unwrap().is_err());
    // The delay of the deletion, a minute, is not waited for.
    broker.delete("t").await;
    let _running = broker.run();
    until(|| !broker.manager.space().is_low()).await;
    enqueue(&other, records(&["x"])).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_disk_without_a_byte_left_stops_nobody_from_starting_and_offers_what_was_acknowledged() {
    let broker = on_small_disk(8 << 20).await;
    let (count, _) = fill(&broker).await;
    // Somebody else takes the rest.
    set_free(&broker.disk, 0);
    let commit = enqueue(&broker.partition("t", 1), records(&["x"]));
    assert!(commit.await.unwrap().is_err());
    let mut broker = broker.crash().await;
    assert_eq!(broker.partition("t", 0).high_watermark(), count);
    assert!(broker.manager.space().is_low());
    // A topic made now cannot be served, until there is room for its files.
    broker.create("late", 1, &[]).await;
    assert_eq!(broker.manager.offline().len(), 1);
    let _running = broker.run();
    set_free(&broker.disk, 1 << 30);
    until(|| broker.manager.partition("late", 0).is_ok()).await;
    let late = broker.partition("late", 0);
    enqueue(&late, records(&["x"])).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_write_that_finds_no_space_leaves_no_trace_and_ends_produces_everywhere() {
    let mut broker = TestBroker::new().await;
    broker.create("t", 2, &[]).await;
    let partition = broker.partition("t", 0);
    enqueue(&partition, records(&["kept"]))
        .await
        .unwrap()
        .unwrap();
    broker.disk.memory.fail(0, std::io::ErrorKind::StorageFull);
    let refused = enqueue(&partition, records(&["lost"])).await.unwrap();
    assert!(
        matches!(refused, Err(AppendError::Log(LogAppendError::NoSpace))),
        "{refused:?}"
    );
    let other = enqueue(&broker.partition("t", 1), records(&["x"]))
        .await
        .unwrap();
    assert!(
        matches!(other, Err(AppendError::DiskNearlyFull(_))),
        "{other:?}"
    );
    assert_eq!(broker.manager.logs.dir.health().offline(), None);
    let broker = broker.crash().await;
    assert_eq!(broker.partition("t", 0).high_watermark(), 1);
}
