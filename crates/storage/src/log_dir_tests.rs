#![allow(clippy::unwrap_used)]

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::disk::RealDisk;
use crate::disk::memory::MemoryDisk;

fn expected() -> DirExpectation {
    DirExpectation {
        node_id: 1,
        cluster_id: None,
        new_cluster_id: "4L6g3nShT-eMCtK--X86sw".to_owned(),
        new_directory_id: Uuid::from_u128(5),
    }
}

fn open(path: &Path) -> Result<LogDir, LogDirError> {
    LogDir::open(Arc::new(RealDisk), path, &expected())
}

#[test]
fn a_new_directory_gets_an_identity_and_keeps_it() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("not/there/yet");
    let first = open(&path).unwrap();
    assert_eq!(first.previous_stop(), PreviousStop::Never);
    let identity = first.identity().clone();
    assert_eq!(identity.directory_id, Uuid::from_u128(5));
    drop(first);
    let other = DirExpectation {
        new_directory_id: Uuid::from_u128(6),
        ..expected()
    };
    let again = LogDir::open(Arc::new(RealDisk), &path, &other).unwrap();
    assert_eq!(*again.identity(), identity);
}

#[test]
fn a_directory_in_use_is_refused() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path()).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, LogDirError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"));
    drop(first);
    open(dir.path()).unwrap();
}

#[test]
fn the_directory_of_another_cluster_or_broker_is_refused() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).unwrap());
    let check = |expected: &DirExpectation, message: &str| {
        let error = LogDir::open(Arc::new(RealDisk), dir.path(), expected).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
    };
    let cluster = DirExpectation {
        cluster_id: Some("other".to_owned()),
        ..expected()
    };
    check(&cluster, "belongs to cluster 4L6g3nShT-eMCtK--X86sw");
    check(
        &DirExpectation {
            node_id: 2,
            ..expected()
        },
        "set node.id to 1",
    );
}

#[test]
fn logs_without_an_identity_are_refused() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("clicks-0")).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, LogDirError::Unidentified { .. }), "{error}");
}

#[test]
fn a_file_in_place_of_the_directory_is_one_clear_error() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "").unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, LogDirError::Io { .. }), "{error}");
}

#[test]
fn a_clean_stop_is_believed_once() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path()).unwrap();
    first.mark_recovered().unwrap();
    first.mark_clean().unwrap();
    drop(first);
    let second = open(dir.path()).unwrap();
    assert_eq!(second.previous_stop(), PreviousStop::Clean);
    drop(second);
    assert_eq!(
        open(dir.path()).unwrap().previous_stop(),
        PreviousStop::ProcessDied
    );
}

#[test]
fn a_process_that_died_on_this_boot_left_its_page_cache() {
    let dir = TempDir::new().unwrap();
    open(dir.path()).unwrap().mark_recovered().unwrap();
    assert_eq!(
        open(dir.path()).unwrap().previous_stop(),
        PreviousStop::ProcessDied
    );
}

#[test]
fn another_boot_or_mount_means_that_the_page_cache_is_lost() {
    let dir = TempDir::new().unwrap();
    open(dir.path()).unwrap().mark_recovered().unwrap();
    let path = dir.path().join(BOOT_IDENTITY_FILE);
    let ours = fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("boot.id=", "boot.id=0"),
        ("mount=", "mount=0"),
        ("version=0", "version=1"),
    ] {
        fs::write(&path, ours.replace(from, to)).unwrap();
        assert_eq!(
            open(dir.path()).unwrap().previous_stop(),
            PreviousStop::PageCacheLost
        );
    }
}

#[test]
fn a_process_that_died_while_recovering_left_the_work_undone() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).unwrap());
    assert_eq!(
        open(dir.path()).unwrap().previous_stop(),
        PreviousStop::PageCacheLost
    );
    assert_eq!(
        open(dir.path()).unwrap().previous_stop(),
        PreviousStop::PageCacheLost
    );
}

#[test]
fn partition_directories_are_told_from_everything_else() {
    let dir = TempDir::new().unwrap();
    let log_dir = open(dir.path()).unwrap();
    let unique = Uuid::from_u128(0xabc);
    let clicks = TopicPartition::new("clicks", 0);
    let deleted = clicks.deleted_dir_name(unique);
    let stray = clicks.stray_dir_name(unique);
    for name in [
        "clicks-0",
        "a-b-17",
        &deleted,
        &stray,
        "lost+found",
        "x-",
        "-1",
        "x-01",
        "x--1",
    ] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("file-0"), "").unwrap();
    let mut found = log_dir.partitions().unwrap();
    found.sort_by_key(|dir| format!("{dir:?}"));
    let expected = [
        PartitionDir::Deleted(deleted),
        PartitionDir::Live(TopicPartition::new("a-b", 17)),
        PartitionDir::Live(clicks),
        // A topic may be called `x-`: its partition 1 is not `x`'s partition -1.
        PartitionDir::Live(TopicPartition::new("x-", 1)),
        PartitionDir::Stray(stray),
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_longest_topic_name_still_gives_a_valid_directory_name() {
    let partition = TopicPartition::new("t".repeat(249), 12);
    let name = partition.deleted_dir_name(Uuid::from_u128(1));
    assert_eq!(name.len(), 255);
    assert!(name.ends_with("-12.00000000000000000000000000000001-delete"));
}

#[test]
fn the_first_reason_for_going_offline_stays() {
    let health = DirHealth::default();
    assert_eq!(health.offline(), None);
    health.poison("sync failed");
    health.poison("and again");
    assert_eq!(health.offline(), Some("sync failed"));
}

#[test]
fn a_sync_that_fails_anywhere_takes_the_directory_offline() {
    let check = |operations: usize, work: &dyn Fn(&LogDir) -> bool| {
        let disk = MemoryDisk::new();
        let dir = LogDir::open(Arc::new(disk.clone()), Path::new("/data"), &expected()).unwrap();
        disk.fail(operations, io::ErrorKind::Other);
        assert!(!work(&dir), "the failure shows");
        assert!(!disk.fault_pending());
        dir.health().offline().map(str::to_owned)
    };
    let checkpoint = |dir: &LogDir| dir.write_recovery_points(&Offsets::new()).is_ok();
    assert_eq!(
        check(0, &checkpoint),
        None,
        "creating the temporary file is no sync"
    );
    assert_eq!(check(1, &checkpoint), None, "nor is writing it");
    let reason = "sync /data/recovery-point-offset-checkpoint.tmp: other error";
    assert_eq!(check(2, &checkpoint).as_deref(), Some(reason));
    assert_eq!(check(3, &checkpoint), None, "nor is renaming it");
    assert_eq!(
        check(4, &checkpoint).as_deref(),
        Some("sync /data: other error")
    );
}
