#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use uuid::Uuid;

use super::*;
use crate::{RealDisk, ReplicaKey, disk::memory::MemoryDisk, state_machine::StateMachineError};

/// Payloads in the order they were applied, with their indexes.
type Applied = Arc<Mutex<Vec<(u64, Bytes)>>>;

struct Recorder(Applied);

impl StateMachine for Recorder {
    fn apply(&mut self, id: LogId, payload: &Bytes) -> Result<(), StateMachineError> {
        self.0.lock().unwrap().push((id.index, payload.clone()));
        Ok(())
    }

    fn snapshot(&self) -> Bytes {
        Bytes::new()
    }

    fn restore(&mut self, _last: LogId, _data: &Bytes) -> Result<(), StateMachineError> {
        Ok(())
    }
}

fn start(disk: Arc<dyn Disk>, directory: &str) -> (Quorum, Applied) {
    let key = ReplicaKey {
        node_id: 1,
        directory_id: Uuid::from_u128(1),
    };
    let config = VoterConfig::new(directory.into(), key);
    let applied = Applied::default();
    let quorum = Quorum::start(disk, &config, Recorder(Arc::clone(&applied))).unwrap();
    (quorum, applied)
}

#[tokio::test]
async fn a_proposal_is_answered_after_it_was_applied() {
    let (quorum, applied) = start(Arc::new(MemoryDisk::with_directory("/d")), "/d/quorum");
    let proposer = quorum.proposer().clone();
    let id = proposer
        .propose(vec!["a".into(), "b".into()])
        .await
        .unwrap();
    assert_eq!((id.index, id.epoch), (3, proposer.epoch()));
    assert_eq!(
        *applied.lock().unwrap(),
        [(2, Bytes::from("a")), (3, Bytes::from("b"))]
    );
    drop(proposer);
    quorum.join();
}

#[tokio::test]
async fn concurrent_proposals_are_applied_whole_and_each_learns_its_own_index() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("quorum");
    let (quorum, applied) = start(Arc::new(RealDisk), path.to_str().unwrap());
    let tasks: Vec<_> = (0..200_u32)
        .map(|number| {
            let proposer = quorum.proposer().clone();
            let payload = Bytes::from(number.to_string());
            tokio::spawn(async move {
                let id = proposer
                    .propose(vec![payload.clone(), payload.clone()])
                    .await
                    .unwrap();
                (id.index, payload)
            })
        })
        .collect();
    for task in tasks {
        let (last, payload) = task.await.unwrap();
        let found = applied.lock().unwrap();
        assert!(found.contains(&(last - 1, payload.clone())) && found.contains(&(last, payload)));
    }
    quorum.join();
    assert_eq!(applied.lock().unwrap().len(), 400);
}

#[tokio::test]
async fn a_failed_write_is_told_to_the_proposer_and_to_the_next() {
    let disk = MemoryDisk::with_directory("/d");
    let (quorum, _) = start(Arc::new(disk.clone()), "/d/quorum");
    assert_eq!(quorum.health().failure(), None);
    disk.fail_writes_after(0);
    for expected in ["write", "offline"] {
        let result = quorum.proposer().propose(vec!["x".into()]).await;
        let Err(ProposeError::Commit(cause)) = result else {
            panic!("{result:?}")
        };
        assert!(cause.to_string().contains(expected), "{cause}");
        let failure = quorum.health().failure().unwrap();
        assert!(failure.contains("write /d/quorum/"), "{failure}");
        disk.heal();
    }
    quorum.join();
}

#[tokio::test]
async fn an_oversized_entry_fails_alone() {
    let (quorum, _) = start(Arc::new(MemoryDisk::with_directory("/d")), "/d/quorum");
    let large = Bytes::from(vec![0; ENTRY_BYTES_MAX + 1]);
    let result = quorum.proposer().propose(vec![large]).await;
    assert!(matches!(result, Err(ProposeError::TooLarge { .. })));
    quorum.proposer().propose(vec!["x".into()]).await.unwrap();
    quorum.join();
}
