#![allow(clippy::unwrap_used)]

use bytes::Bytes;

use super::*;
use crate::{disk::memory::MemoryDisk, entry::EntryKind, snapshot::SnapshotMeta};

const DIRECTORY: &str = "/d/quorum";

fn id(epoch: u64, index: u64) -> LogId {
    LogId {
        epoch,
        leader: 1,
        index,
    }
}

fn entry(epoch: u64, index: u64) -> Entry {
    let payload = Bytes::from(format!("entry {index} of epoch {epoch}").repeat(3));
    Entry {
        id: id(epoch, index),
        kind: EntryKind::Normal,
        payload,
    }
}

fn entries(epoch: u64, range: Range<u64>) -> Vec<Entry> {
    range.map(|index| entry(epoch, index)).collect()
}

fn open(disk: &MemoryDisk) -> Result<QuorumLog, LogError> {
    QuorumLog::open(Arc::new(disk.clone()), Path::new(DIRECTORY), 1024)
}

fn snapshot(last: LogId) -> Snapshot {
    Snapshot {
        meta: SnapshotMeta {
            last,
            membership: None,
        },
        data: Bytes::from_static(b"state"),
    }
}

fn disk() -> MemoryDisk {
    MemoryDisk::with_directory("/d")
}

/// The only `.log` file of a disk.
fn only_segment(disk: &MemoryDisk) -> PathBuf {
    let names = disk.list(Path::new(DIRECTORY)).unwrap();
    let mut segments = segment::in_listing(&names);
    let name = segments.next().unwrap();
    assert_eq!(segments.next(), None);
    Path::new(DIRECTORY).join(name)
}

#[test]
fn entries_are_read_back_across_segments_and_restarts() {
    let disk = disk();
    for round in 0..5 {
        let mut log = open(&disk).unwrap();
        assert_eq!(log.next_index(), round * 8);
        log.append(&entries(1, round * 8..round * 8 + 3)).unwrap();
        log.append(&entries(1, round * 8 + 3..round * 8 + 8))
            .unwrap();
        assert_eq!(
            log.read(0..log.next_index()).unwrap(),
            entries(1, 0..round * 8 + 8)
        );
        assert_eq!(log.read(3..7).unwrap(), entries(1, 3..7));
        assert_eq!(log.last(), Some(id(1, round * 8 + 7)));
    }
}

#[test]
fn a_batch_larger_than_a_segment_gets_a_segment_of_its_size() {
    let disk = disk();
    let mut log = open(&disk).unwrap();
    log.append(&entries(1, 0..2)).unwrap();
    log.append(&entries(1, 2..50)).unwrap();
    log.append(&entries(1, 50..51)).unwrap();
    assert_eq!(open(&disk).unwrap().read(0..51).unwrap(), entries(1, 0..51));
}

#[test]
fn an_entry_above_the_limit_is_refused_and_harmless() {
    let mut log = open(&disk()).unwrap();
    let payload = Bytes::from(vec![0; ENTRY_BYTES_MAX + 1]);
    let large = Entry {
        payload,
        ..entry(1, 0)
    };
    assert!(matches!(
        log.append(&[large]),
        Err(LogError::EntryTooLarge { .. })
    ));
    log.append(&entries(1, 0..1)).unwrap();
}

#[test]
fn truncated_entries_are_gone_and_replaced() {
    let disk = disk();
    let mut log = open(&disk).unwrap();
    log.append(&entries(1, 0..20)).unwrap();
    log.truncate_after(7).unwrap();
    assert_eq!((log.next_index(), log.last()), (8, Some(id(1, 7))));
    log.append(&entries(2, 8..10)).unwrap();
    log.truncate_after(8).unwrap();
    log.append(&entries(3, 9..11)).unwrap();
    let expected: Vec<_> = [entries(1, 0..8), entries(2, 8..9), entries(3, 9..11)]
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(log.read(0..11).unwrap(), expected);
    assert_eq!(open(&disk).unwrap().read(0..11).unwrap(), expected);
}

#[test]
fn purging_keeps_what_follows_and_removes_files() {
    let disk = disk();
    let mut log = open(&disk).unwrap();
    for base in (0..30).step_by(3) {
        log.append(&entries(1, base..base + 3)).unwrap();
    }
    let files = disk.list(Path::new(DIRECTORY)).unwrap().len();
    for last in [4, 20] {
        log.save_snapshot(&snapshot(id(1, last))).unwrap();
        log.purge(id(1, last)).unwrap();
    }
    assert!(disk.list(Path::new(DIRECTORY)).unwrap().len() < files);
    for log in [log, open(&disk).unwrap()] {
        assert_eq!(log.first_index(), 21);
        assert_eq!(log.read(21..30).unwrap(), entries(1, 21..30));
        assert_eq!(log.read_snapshot().unwrap().unwrap(), snapshot(id(1, 20)));
    }
}

#[test]
fn a_purge_without_a_snapshot_is_refused() {
    let mut log = open(&disk()).unwrap();
    log.append(&entries(1, 0..5)).unwrap();
    assert!(matches!(log.purge(id(1, 3)), Err(LogError::Missing { .. })));
}

#[test]
fn a_snapshot_from_elsewhere_lets_the_log_begin_after_it() {
    let disk = disk();
    let mut log = open(&disk).unwrap();
    log.append(&entries(1, 0..5)).unwrap();
    log.save_snapshot(&snapshot(id(4, 99))).unwrap();
    log.purge(id(4, 99)).unwrap();
    for mut log in [log, open(&disk).unwrap()] {
        assert_eq!((log.first_index(), log.next_index()), (100, 100));
        assert_eq!(log.last(), Some(id(4, 99)));
        log.truncate_after(99).unwrap();
    }
    let mut log = open(&disk).unwrap();
    log.append(&entries(5, 100..102)).unwrap();
    assert_eq!(
        open(&disk).unwrap().read(100..102).unwrap(),
        entries(5, 100..102)
    );
}

#[test]
fn a_full_disk_refuses_large_appends_until_there_is_room_again() {
    let disk = disk();
    let mut log = open(&disk).unwrap();
    log.append(&entries(1, 0..1)).unwrap();
    disk.fill();
    assert!(matches!(
        log.append(&entries(1, 1..40)),
        Err(LogError::Io {
            action: "write",
            ..
        })
    ));
    disk.heal();
    log.append(&entries(1, 1..40)).unwrap();
    assert_eq!(open(&disk).unwrap().read(0..40).unwrap(), entries(1, 0..40));
}

#[test]
fn the_end_of_a_segment_is_kept_for_the_day_the_disk_is_full() {
    const SEGMENT_BYTES: usize = 16 << 10;
    let disk = disk();
    let open = || QuorumLog::open(Arc::new(disk.clone()), Path::new(DIRECTORY), SEGMENT_BYTES);
    let mut log = open().unwrap();
    let reserve = log.reserve_bytes();
    // Wherever the segment ends when the disk becomes full, there is room for small entries.
    while log.active().room() > reserve + entry(1, 0).padded_len() as u64 {
        log.append(&entries(1, log.next_index()..log.next_index() + 1))
            .unwrap();
    }
    disk.fill();
    let before = log.next_index();
    for _ in 0..5 {
        let mut log = open().unwrap();
        log.append(&entries(1, log.next_index()..log.next_index() + 1))
            .unwrap();
    }
    disk.heal();
    assert_eq!(
        open().unwrap().read(0..before + 5).unwrap(),
        entries(1, 0..before + 5)
    );
}

#[test]
fn after_a_failed_sync_nothing_is_accepted_until_a_restart() {
    let disk = disk();
    let mut log = open(&disk).unwrap();
    disk.fail_writes_after(1);
    assert!(matches!(
        log.append(&entries(1, 0..1)),
        Err(LogError::Io { action: "sync", .. })
    ));
    disk.heal();
    assert!(matches!(
        log.append(&entries(1, 0..1)),
        Err(LogError::Poisoned { .. })
    ));
    assert!(matches!(
        log.save_vote(Vote::default()),
        Err(LogError::Poisoned { .. })
    ));
    open(&disk).unwrap();
}

/// Damages one byte of each entry in turn and tells which ones `open` still finds.
fn found_with_damage_in(entry_index: u64, commit: bool) -> Result<u64, LogError> {
    let disk = disk();
    let mut log = open(&disk).unwrap();
    for index in 0..4 {
        log.append(&entries(1, index..index + 1)).unwrap();
    }
    if commit {
        log.save_committed(id(1, 3)).unwrap();
    }
    let position = HEADER_LEN as u64 + entry_index * entry(1, 0).padded_len() as u64;
    disk.flip_bit(&only_segment(&disk), position + 50, 0x10);
    open(&disk).map(|log| log.next_index())
}

#[test]
fn damage_below_the_synced_point_is_an_error_that_names_the_place() {
    for index in 0..3 {
        let error = found_with_damage_in(index, false).unwrap_err();
        let LogError::Corrupt {
            path,
            position,
            what,
        } = error
        else {
            panic!("{error}")
        };
        assert!(path.to_string_lossy().ends_with(".log"));
        assert_eq!(
            position,
            HEADER_LEN as u64 + index * entry(1, 0).padded_len() as u64
        );
        assert_eq!(
            what,
            format!("entry {index} was durable and cannot be read")
        );
    }
}

#[test]
fn a_last_entry_that_cannot_be_read_is_a_torn_tail_unless_it_was_known_to_be_committed() {
    assert_eq!(found_with_damage_in(3, false).unwrap(), 3);
    assert!(matches!(
        found_with_damage_in(3, true),
        Err(LogError::Corrupt { .. })
    ));
}

#[test]
fn a_missing_segment_or_state_file_is_named() {
    let disk = disk();
    let mut log = open(&disk).unwrap();
    log.append(&entries(1, 0..1)).unwrap();
    log.save_vote(Vote {
        epoch: 1,
        ..Vote::default()
    })
    .unwrap();
    let copy = MemoryDisk::from_image(disk.image());
    disk.remove(&only_segment(&disk)).unwrap();
    let error = open(&disk).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/d/quorum lacks the segment that holds entry 0"
    );
    copy.remove(&Path::new(DIRECTORY).join("quorum-state"))
        .unwrap();
    let error = open(&copy).unwrap_err();
    assert_eq!(error.to_string(), "/d/quorum lacks the file quorum-state");
}
