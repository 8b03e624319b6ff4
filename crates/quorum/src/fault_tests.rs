//! Every operation of the file system fails once, each in turn: what was committed stays, nothing
//! panics, and a log that goes on does so rightly.
#![allow(clippy::unwrap_used)]
#![expect(
    clippy::print_stdout,
    reason = "the sweep reports how many failures it tried"
)]

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use uuid::Uuid;

use crate::{
    disk::memory::{Image, MemoryDisk},
    entry::LogId,
    single_voter::{OpenError, SingleVoter, VoterConfig},
    state_file::ReplicaKey,
    state_machine::{StateMachine, StateMachineError},
};

/// Payloads in the order they were applied.
type Applied = Arc<Mutex<Vec<Bytes>>>;

#[derive(Debug, Default)]
struct Recorder(Applied);

impl StateMachine for Recorder {
    fn apply(&mut self, _id: LogId, payload: &Bytes) -> Result<(), StateMachineError> {
        self.0.lock().unwrap().push(payload.clone());
        Ok(())
    }

    fn snapshot(&self) -> Bytes {
        self.0.lock().unwrap().concat().into()
    }

    fn restore(&mut self, _last: LogId, data: &Bytes) -> Result<(), StateMachineError> {
        let mut applied = self.0.lock().unwrap();
        *applied = data
            .chunks(PAYLOAD_BYTES)
            .map(Bytes::copy_from_slice)
            .collect();
        Ok(())
    }
}

const PAYLOAD_BYTES: usize = 300;

/// Small segments and frequent snapshots: everything happens within a few commits.
fn config() -> VoterConfig {
    let key = ReplicaKey {
        node_id: 1,
        directory_id: Uuid::from_u128(1),
    };
    VoterConfig {
        segment_bytes: 2048,
        snapshot_after_bytes: 1500,
        ..VoterConfig::new(PathBuf::from("/d/quorum"), key)
    }
}

/// What was proposed, in order, and whether that was acknowledged.
type Proposed = Vec<(Bytes, bool)>;

fn open(disk: &MemoryDisk) -> Result<SingleVoter<Recorder>, OpenError> {
    SingleVoter::open(Arc::new(disk.clone()), &config(), Recorder::default())
}

/// Commits, takes snapshots, starts again: whatever fails is skipped.
fn work(disk: &MemoryDisk) -> Proposed {
    let mut proposed = Proposed::new();
    for start in 0..3 {
        let Ok(mut voter) = open(disk) else { continue };
        for commit in 0..8 {
            let payload = Bytes::from(vec![start * 8 + commit; PAYLOAD_BYTES]);
            let committed = voter.commit([payload.clone()]).is_ok();
            proposed.push((payload, committed));
            voter.snapshot_if_due();
            if !committed && voter.log_failure().is_none() {
                let again = Bytes::from(vec![100 + start * 8 + commit; PAYLOAD_BYTES]);
                voter
                    .commit([again.clone()])
                    .expect("the log says that it is well");
                proposed.push((again, true));
            }
        }
        if start == 1 {
            // Fails only if an earlier operation did.
            let _ = voter.close();
        }
    }
    proposed
}

/// Whether `found` is what was proposed, in order, lacking at most what was not acknowledged.
fn check(found: &[Bytes], proposed: &Proposed) -> Result<(), String> {
    let mut found = found.iter().peekable();
    for (payload, acknowledged) in proposed {
        if found.next_if_eq(&payload).is_none() && *acknowledged {
            return Err(format!(
                "the acknowledged {:?} is not there",
                payload.first()
            ));
        }
    }
    match found.next() {
        None => Ok(()),
        Some(extra) => Err(format!("{:?} is there and was not proposed", extra.first())),
    }
}

fn check_image(image: Image, proposed: &Proposed) -> Result<(), String> {
    let voter = open(&MemoryDisk::from_image(image)).map_err(|error| format!("open: {error}"))?;
    let applied = voter.machine().0.lock().unwrap();
    check(&applied, proposed)
}

/// Lets one operation after the other fail by `fail`, and looks at every disk that a power loss
/// afterwards could leave. Gives how many operations there were.
fn sweep(error: io::ErrorKind, fail: impl Fn(&MemoryDisk, usize)) -> usize {
    let mut states = 0;
    let operations = (0..1000)
        .find(|operation| {
            let disk = MemoryDisk::with_directory("/d");
            fail(&disk, *operation);
            let proposed = work(&disk);
            if disk.fault_pending() {
                return true;
            }
            let recording = disk.recording();
            recording.crash_images(disk.operation_count(), |image, dropped| {
                states += 1;
                if let Err(problem) = check_image(image, &proposed) {
                    panic!("{error:?} at operation {operation}, {dropped}: {problem}");
                }
            });
            false
        })
        .unwrap();
    println!("{error:?} at each of {operations} operations; {states} disks opened");
    operations
}

#[test]
fn whichever_change_fails_what_was_committed_stays() {
    for error in [io::ErrorKind::StorageFull, io::ErrorKind::Other] {
        let changes = sweep(error, |disk, nth| disk.fail_one_after(nth, error));
        assert!(100 < changes, "{changes}");
    }
}

#[test]
fn whichever_look_fails_what_was_committed_stays() {
    let error = io::ErrorKind::Other;
    let looks = sweep(error, |disk, nth| disk.fail_one_look_after(nth, error));
    assert!(20 < looks, "{looks}");
}
