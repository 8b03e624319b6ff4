//! Power loss at every point of a workload: what the log acknowledged must be there afterwards.
//!
//! A workload runs on a recording disk. For each prefix of the recorded operations, every disk that
//! a power loss could leave (see `disk::memory`) is opened and compared with what was acknowledged
//! by then. The same sweep must fail when any one kind of sync is left out.
#![allow(clippy::unwrap_used)]
#![expect(
    clippy::print_stdout,
    reason = "the sweep reports the states it explored"
)]

use std::{
    collections::{BTreeMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    ops::Range,
    path::Path,
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    disk::memory::{Image, MemoryDisk},
    entry::{Entry, EntryKind, LogId},
    error::LogError,
    log::QuorumLog,
    snapshot::{Snapshot, SnapshotMeta},
    state_file::{HardState, ReplicaKey, Vote},
};

const DIRECTORY: &str = "/d/quorum";

/// Small enough that a few entries fill one, and of sizes that put its end elsewhere each time.
const SEGMENT_BYTES: [usize; 4] = [700, 1536, 2048, 4000];

/// What a log holds, as far as its callers can tell.
#[derive(Debug, Clone, Default, PartialEq)]
struct Content {
    state: HardState,
    next: u64,
    entries: BTreeMap<u64, Entry>,
    snapshot: Option<Snapshot>,
}

/// One call: the operations it made on the disk, and what held before and after it.
#[derive(Debug)]
struct Step {
    operations: Range<usize>,
    before: Content,
    after: Content,
}

fn open(disk: &MemoryDisk, segment_bytes: usize) -> Result<QuorumLog, LogError> {
    QuorumLog::open(Arc::new(disk.clone()), Path::new(DIRECTORY), segment_bytes)
}

fn content(log: &QuorumLog) -> Result<Content, LogError> {
    let entries = log.read(log.first_index()..log.next_index())?;
    Ok(Content {
        state: *log.state(),
        next: log.next_index(),
        entries: entries
            .into_iter()
            .map(|entry| (entry.id.index, entry))
            .collect(),
        snapshot: log.read_snapshot()?,
    })
}

/// A log under way, remembering its steps.
struct Workload {
    disk: MemoryDisk,
    segment_bytes: usize,
    log: Option<QuorumLog>,
    now: Content,
    epoch: u64,
    steps: Vec<Step>,
}

impl Workload {
    /// A log not yet opened.
    fn on(disk: MemoryDisk, segment_bytes: usize) -> Self {
        let (now, steps) = (Content::default(), Vec::new());
        Self {
            disk,
            segment_bytes,
            log: None,
            now,
            epoch: 1,
            steps,
        }
    }

    /// Runs `call`, notes its operations, and takes what the log then holds as acknowledged.
    fn step(&mut self, call: impl FnOnce(&mut QuorumLog)) {
        let start = self.disk.operation_count();
        call(self.log.as_mut().unwrap());
        self.acknowledge(start);
    }

    /// The process dies and starts again: nothing is lost, nothing becomes durable by that.
    fn restart(&mut self) {
        let start = self.disk.operation_count();
        self.log = Some(open(&self.disk, self.segment_bytes).unwrap());
        self.acknowledge(start);
    }

    fn acknowledge(&mut self, start: usize) {
        let after = content(self.log.as_ref().unwrap()).unwrap();
        let before = std::mem::replace(&mut self.now, after.clone());
        let operations = start..self.disk.operation_count();
        self.steps.push(Step {
            operations,
            before,
            after,
        });
    }

    fn entries(&self, count: u64, bytes: usize) -> Vec<Entry> {
        let payload = |index: u64| Bytes::from(vec![index as u8 | 0x80; bytes + index as usize]);
        (self.now.next..self.now.next + count)
            .map(|index| Entry {
                id: LogId {
                    epoch: self.epoch,
                    leader: 1,
                    index,
                },
                kind: EntryKind::Normal,
                payload: payload(index),
            })
            .collect()
    }

    fn append(&mut self, count: u64, bytes: usize) {
        let entries = self.entries(count, bytes);
        self.step(|log| log.append(&entries).unwrap());
    }

    /// An append whose sync never happened, because the process died between the two.
    fn append_killed_before_sync(&mut self, count: u64, bytes: usize) {
        let entries = self.entries(count, bytes);
        let start = self.disk.operation_count();
        self.disk.fail_writes_after(1);
        self.log.as_mut().unwrap().append(&entries).unwrap_err();
        self.disk.heal();
        self.log = Some(open(&self.disk, self.segment_bytes).unwrap());
        self.acknowledge(start);
    }

    fn vote(&mut self) {
        self.epoch += 1;
        let key = ReplicaKey {
            node_id: 1,
            directory_id: uuid::Uuid::from_u128(7),
        };
        let vote = Vote {
            epoch: self.epoch,
            voted_for: Some(key),
            committed: true,
        };
        self.step(|log| log.save_vote(vote).unwrap());
    }

    fn snapshot_and_purge(&mut self, index: u64) {
        let last = self.now.entries[&index].id;
        let meta = SnapshotMeta {
            last,
            membership: Some((last, Bytes::from_static(b"member"))),
        };
        let data = Bytes::from(format!("state as of {index} ").repeat(40));
        self.step(|log| log.save_snapshot(&Snapshot { meta, data }).unwrap());
        self.step(|log| log.purge(last).unwrap());
    }

    /// Everything a log is asked to do, in an order that lets each sync matter.
    fn run(segment_bytes: usize, skipped_sync: Option<&str>) -> Self {
        let disk = MemoryDisk::with_directory("/d");
        if let Some(label) = skipped_sync {
            disk.skip_syncs(label);
        }
        let mut workload = Self::on(disk, segment_bytes);
        workload.restart();
        workload.vote();
        workload.append(1, 10);
        workload.append(3, 200);
        workload.append_killed_before_sync(1, 300);
        workload.append(2, 300);
        workload.append(1, 2000);
        workload.append(2, 5);
        workload.append_killed_before_sync(2, 400);
        workload.append(1, 1200);
        workload.vote();
        workload.step(|log| log.truncate_after(8).unwrap());
        workload.append(2, 100);
        workload.snapshot_and_purge(7);
        workload.append(3, 400);
        workload.restart();
        let last = workload.log.as_ref().unwrap().last().unwrap();
        workload.step(|log| log.save_committed(last).unwrap());
        workload.snapshot_and_purge(last.index);
        workload.append(1, 10);
        workload.vote();
        workload
    }
}

/// Checks one crashed disk against the step that was under way; says what is wrong.
fn check(log: Result<QuorumLog, LogError>, step: &Step, finished: bool) -> Result<(), String> {
    let found = log
        .and_then(|log| content(&log))
        .map_err(|error| format!("open: {error}"))?;
    let Step { before, after, .. } = step;
    if finished {
        return if found == *after {
            Ok(())
        } else {
            Err(format!("acknowledged {after:?}\n but found {found:?}"))
        };
    }
    let either = |holds: &dyn Fn(&Content) -> bool| holds(before) || holds(after);
    let next = before.next.min(after.next)..=before.next.max(after.next);
    let is_fine = either(&|c| c.state.vote == found.state.vote)
        && either(&|c| c.state.purged == found.state.purged)
        && either(&|c| c.snapshot == found.snapshot)
        && next.contains(&found.next)
        && found
            .entries
            .values()
            .all(|entry| either(&|c| c.entries.get(&entry.id.index) == Some(entry)));
    if is_fine {
        Ok(())
    } else {
        Err(format!(
            "between {before:?}\n and {after:?}\n found {found:?}"
        ))
    }
}

/// After a crash and a start, a further entry and a further crash.
fn check_second_crash(image: &Image, segment_bytes: usize) -> Result<usize, String> {
    let mut workload = Workload::on(MemoryDisk::from_image(image.clone()), segment_bytes);
    workload.epoch = 9;
    workload.restart();
    let opened = workload.disk.operation_count();
    workload.append(1, 20);
    sweep(&workload, opened, &mut |_| Ok(0))
}

/// Opens every disk that a crash after operation `from` or later could leave. Returns how many.
fn sweep(
    workload: &Workload,
    from: usize,
    again: &mut impl FnMut(&Image) -> Result<usize, String>,
) -> Result<usize, String> {
    let recording = workload.disk.recording();
    let mut states = 0;
    for step in &workload.steps {
        for prefix in step.operations.start.max(from)..=step.operations.end {
            let finished = prefix == step.operations.end;
            let mut result = Ok(());
            recording.crash_images(prefix, |image, dropped| {
                if result.is_err() {
                    return;
                }
                states += 1;
                let crashed = open(
                    &MemoryDisk::from_image(image.clone()),
                    workload.segment_bytes,
                );
                result = check(crashed, step, finished)
                    .and_then(|()| {
                        states += again(&image)?;
                        Ok(())
                    })
                    .map_err(|what| format!("after {prefix} operations, {dropped}: {what}"));
            });
            result?;
        }
    }
    Ok(states)
}

fn hash_of(image: &Image) -> u64 {
    let mut hasher = DefaultHasher::new();
    image.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn whatever_was_acknowledged_survives_a_power_loss_at_any_point() {
    let (mut states, mut distinct) = (0, 0);
    for segment_bytes in SEGMENT_BYTES {
        let workload = Workload::run(segment_bytes, None);
        let mut seen = HashSet::new();
        let result = sweep(&workload, 0, &mut |image| {
            let is_new = seen.insert(hash_of(image));
            if is_new {
                check_second_crash(image, segment_bytes)
            } else {
                Ok(0)
            }
        });
        states += result.unwrap_or_else(|what| panic!("segments of {segment_bytes}: {what}"));
        distinct += seen.len();
    }
    println!("{states} crashed disks opened; {distinct} were distinct after one crash");
    assert!(
        10_000 < states,
        "the sweep has become too small to mean anything: {states}"
    );
}

#[test]
fn without_any_one_of_its_syncs_the_log_loses_something() {
    let [_, segment_bytes, ..] = SEGMENT_BYTES;
    let labels = Workload::run(segment_bytes, None).disk.sync_labels();
    assert_eq!(labels.len(), 10, "{labels:?}");
    for label in &labels {
        match sweep(&Workload::run(segment_bytes, Some(label)), 0, &mut |_| {
            Ok(0)
        }) {
            Ok(states) => panic!("no loss in {states} states without the sync «{label}»"),
            Err(what) => println!("{label}: {what:.200}"),
        }
    }
}
