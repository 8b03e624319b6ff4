#![allow(clippy::unwrap_used)]
#![expect(
    clippy::print_stdout,
    reason = "the sweep reports the states it explored"
)]

use std::path::Path;

use uuid::Uuid;

use super::*;
use crate::disk::memory::MemoryDisk;

/// Remembers payloads, one a line; refuses the payload "refuse".
#[derive(Debug, Default, Clone, PartialEq)]
struct Lines(Vec<String>);

impl StateMachine for Lines {
    fn apply(&mut self, _id: LogId, payload: &Bytes) -> Result<(), StateMachineError> {
        let line = std::str::from_utf8(payload)?;
        if line == "refuse" {
            return Err("not a line".into());
        }
        self.0.push(line.to_owned());
        Ok(())
    }

    fn snapshot(&self) -> Bytes {
        self.0.join("\n").into()
    }

    fn restore(&mut self, _last: LogId, data: &Bytes) -> Result<(), StateMachineError> {
        self.0 = std::str::from_utf8(data)?
            .lines()
            .map(str::to_owned)
            .collect();
        Ok(())
    }
}

fn key(node_id: i32) -> ReplicaKey {
    ReplicaKey {
        node_id,
        directory_id: Uuid::from_u128(1),
    }
}

fn config() -> VoterConfig {
    VoterConfig {
        segment_bytes: 1024,
        snapshot_after_bytes: 200,
        ..VoterConfig::new("/d/quorum".into(), key(1))
    }
}

fn open(disk: &MemoryDisk) -> Result<SingleVoter<Lines>, OpenError> {
    SingleVoter::open(Arc::new(disk.clone()), &config(), Lines::default())
}

fn disk() -> MemoryDisk {
    MemoryDisk::with_directory("/d")
}

fn lines(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|number| format!("line {number}")).collect()
}

fn payloads(range: std::ops::Range<u64>) -> Vec<Bytes> {
    lines(range).into_iter().map(Bytes::from).collect()
}

#[test]
fn the_first_start_writes_the_membership_as_entry_0_and_a_blank_entry() {
    let disk = disk();
    let voter = open(&disk).unwrap();
    assert_eq!((voter.epoch(), voter.applied().index), (1, 1));
    let found = voter.log.read(0..2).unwrap();
    let kinds: Vec<_> = found.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::Membership, EntryKind::Blank]);
    assert_eq!(
        Membership::decode(&found[0].payload),
        Ok(Membership::single(key(1)))
    );
}

#[test]
fn every_start_is_a_new_epoch_and_applies_what_was_committed() {
    let disk = disk();
    for start in 0..4 {
        let mut voter = open(&disk).unwrap();
        assert_eq!(voter.epoch(), start + 1);
        assert_eq!(voter.machine().0, lines(0..start * 3));
        let last = voter.commit(payloads(start * 3..start * 3 + 3)).unwrap();
        assert_eq!((last, last.epoch), (voter.applied(), start + 1));
        assert_eq!(voter.machine().0, lines(0..start * 3 + 3));
        if start % 2 == 0 {
            voter.close().unwrap();
        }
    }
}

#[test]
fn snapshots_replace_the_log_without_anyone_noticing() {
    let disk = disk();
    let mut voter = open(&disk).unwrap();
    for round in 0..50 {
        voter.commit(payloads(round * 4..round * 4 + 4)).unwrap();
        voter.snapshot_if_due();
    }
    assert!(150 < voter.log.first_index());
    let expected = voter.machine().clone();
    let voter = open(&disk).unwrap();
    assert_eq!(*voter.machine(), expected);
    assert!(matches!(
        open(&disk).unwrap().membership,
        (LogId { index: 0, .. }, _)
    ));
}

#[test]
fn a_snapshot_that_finds_no_room_is_put_off() {
    let disk = disk();
    let mut voter = open(&disk).unwrap();
    voter.commit(payloads(0..60)).unwrap();
    disk.fail_writes_after(0);
    voter.bytes_since_snapshot = usize::MAX;
    let first = voter.log.first_index();
    // The state file is written first; its failure takes the log offline, as any failed write.
    voter.snapshot_if_due();
    assert_eq!(voter.log.first_index(), first);
    disk.heal();
    assert_eq!(open(&disk).unwrap().machine().0, lines(0..60));
}

#[test]
fn a_directory_of_another_voter_is_refused() {
    let disk = disk();
    drop(open(&disk).unwrap());
    for other in [
        key(2),
        ReplicaKey {
            directory_id: Uuid::from_u128(2),
            ..key(1)
        },
    ] {
        let config = VoterConfig {
            key: other,
            ..config()
        };
        let result = SingleVoter::open(Arc::new(disk.clone()), &config, Lines::default());
        assert!(matches!(result, Err(OpenError::OtherMembers { .. })));
    }
    open(&disk).unwrap();
}

#[test]
fn an_entry_that_the_state_machine_refuses_stops_this_start_and_the_next() {
    let disk = disk();
    let mut voter = open(&disk).unwrap();
    voter.commit(payloads(0..1)).unwrap();
    let refused = voter.commit([Bytes::from("refuse")]);
    assert!(matches!(
        refused,
        Err(CommitError::Refused { index: 3, .. })
    ));
    assert!(matches!(
        open(&disk),
        Err(OpenError::Refused { index: 3, .. })
    ));
}

#[test]
fn committed_payloads_survive_a_power_loss_at_any_point() {
    let disk = disk();
    // After so many operations, so many lines were acknowledged, in this epoch.
    let mut acknowledged = vec![(0, 0, 0)];
    let mut written = 0;
    for round in 0..8_u64 {
        let mut voter = open(&disk).unwrap();
        for size in [1, 3, 9] {
            voter.commit(payloads(written..written + size)).unwrap();
            written += size;
            acknowledged.push((disk.operation_count(), written, voter.epoch()));
            voter.snapshot_if_due();
        }
        if round % 2 == 0 {
            voter.close().unwrap();
        }
    }
    let (recording, mut states) = (disk.recording(), 0);
    for prefix in 0..=disk.operation_count() {
        let known = acknowledged.iter().rev().find(|(at, ..)| *at <= prefix);
        let (_, lines_min, epoch_before) = *known.unwrap();
        recording.crash_images(prefix, |image, dropped| {
            states += 1;
            let voter = open(&MemoryDisk::from_image(image))
                .unwrap_or_else(|error| panic!("{prefix} operations, {dropped}: {error}"));
            let found = &voter.machine().0;
            assert!(
                lines_min <= found.len() as u64,
                "{prefix} operations, {dropped}"
            );
            assert_eq!(
                *found,
                lines(0..found.len() as u64),
                "{prefix} operations, {dropped}"
            );
            assert!(
                epoch_before < voter.epoch(),
                "{prefix} operations, {dropped}"
            );
        });
    }
    println!("{states} crashed disks opened");
    assert!(
        500 < states,
        "the sweep has become too small to mean anything: {states}"
    );
}

#[test]
fn opening_and_the_first_commit_on_a_real_disk_take_milliseconds() {
    let directory = tempfile::tempdir().unwrap();
    let config = VoterConfig::new(directory.path().join("quorum"), key(1));
    let disk = Arc::new(crate::RealDisk);
    let mut voter = SingleVoter::open(disk.clone(), &config, Lines::default()).unwrap();
    voter.commit(payloads(0..1)).unwrap();
    drop(voter);
    let voter = SingleVoter::open(disk, &config, Lines::default()).unwrap();
    assert_eq!(voter.machine().0, lines(0..1));
    assert!(Path::new(&config.directory).join("quorum-state").exists());
}
