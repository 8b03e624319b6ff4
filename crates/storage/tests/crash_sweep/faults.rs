//! One operation of the file system fails, each in turn: what was acknowledged stays, what was
//! refused stays out, and a full disk is over when there is space again.

use std::io;
use std::sync::Arc;

use odradek_protocol::records::BatchBuilder;
use odradek_storage::append::{AppendContext, AppendOrigin, AppendRequest};
use odradek_storage::checkpoint::Offsets;
use odradek_storage::config::LogConfig;
use odradek_storage::disk::Disk;
use odradek_storage::disk::memory::MemoryDisk;
use odradek_storage::disk::memory::crash::Kept;
use odradek_storage::error::AppendError;
use uuid::Uuid;

use crate::check::{check_log, recovers};
use crate::fact::StoredBatch;
use crate::host::{Host, Problem, Topics, config, open_dir};
use crate::world::{LogWorld, World};

const TOPIC: &str = "clicks";
const NOW_MS: i64 = 5000;

/// Runs the same steps whatever fails, and keeps account of what was promised.
struct Run {
    disk: MemoryDisk,
    host: Host,
    world: LogWorld,
    durable_end: i64,
    sequence: i32,
    topics: Topics,
}

impl Run {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        let topics = Topics::from([(TOPIC.to_owned(), Uuid::from_u128(7))]);
        let host = Host::open(
            open_dir(&disk, Uuid::from_u128(1)).unwrap(),
            &topics,
            NOW_MS,
        )
        .unwrap();
        let world = LogWorld::default();
        Self {
            disk,
            host,
            world,
            durable_end: 0,
            sequence: 0,
            topics,
        }
    }

    fn append(&mut self, size: usize) -> Result<(), AppendError> {
        let log = self.host.logs.get_mut(TOPIC).unwrap();
        let offset = log.view().log_end_offset();
        let timestamp = NOW_MS + 10 * i64::from(self.sequence);
        let mut batch = BatchBuilder::new()
            .producer(1, 0, self.sequence)
            .record(
                timestamp,
                Some(b"key"),
                Some(&vec![self.sequence as u8; size]),
            )
            .build();
        let sent = batch.to_bytes();
        let context = AppendContext {
            origin: AppendOrigin::Client,
            leader_epoch: 0,
            now_ms: NOW_MS,
        };
        let request = AppendRequest {
            records: sent.clone(),
        };
        let result = log.append_group(&[request], context).results.remove(0);
        batch.assign(offset, 0);
        let stored = batch.to_bytes();
        let stored = StoredBatch {
            base_offset: offset,
            end_offset: offset + 1,
            leader_epoch: 0,
            producer_id: 1,
            timestamp,
            sent,
            stored,
        };
        match result {
            Ok(appended) => {
                assert_eq!(appended.base_offset, offset);
                self.world.end_min = stored.end_offset;
                self.world.possible.push(stored);
                self.sequence += 1;
                Ok(())
            }
            // What a broken disk did with it nobody knows. A full disk did nothing.
            Err(AppendError::Offline) => {
                self.world.possible.push(stored);
                Err(AppendError::Offline)
            }
            Err(error) => Err(error),
        }
    }

    fn flush(&mut self) {
        let end = self.world.end_min;
        if self.host.logs.get_mut(TOPIC).unwrap().flush(NOW_MS).is_ok() {
            self.durable_end = end;
        }
    }

    /// Appends, flushes, rolls, deletes old segments and writes checkpoints. What fails is skipped.
    fn work(&mut self) {
        for step in 0..10 {
            let _ = self.append(300 + 50 * step);
            let _ = self.append(20);
            let log = self.host.logs.get_mut(TOPIC).unwrap();
            match step {
                2 | 6 => self.flush(),
                3 => drop(log.roll(NOW_MS)),
                4 => drop(log.flusher().flush(NOW_MS)),
                5 => drop(self.host.checkpoint()),
                8 => self.retain(),
                _ => {}
            }
        }
    }

    fn retain(&mut self) {
        let log = self.host.logs.get_mut(TOPIC).unwrap();
        log.update_config(LogConfig {
            retention_bytes: Some(1500),
            ..config()
        });
        let high_watermark = log.view().log_end_offset();
        let deletion = log.delete_old_segments(high_watermark, NOW_MS);
        if let Ok(Some(deletion)) = deletion {
            let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
            let _ = deletion.remove(&disk);
        }
        self.world.start_max = self.world.end_min;
    }

    /// What must be there after a crash now, of which only what is below `end_min` is certain.
    fn world(&self, end_min: i64) -> World {
        let log = LogWorld {
            possible: self.world.possible.clone(),
            end_min,
            start_min: 0,
            start_max: self.world.start_max,
            cleaned_to: self.world.cleaned_to,
        };
        World {
            topics: self.topics.clone(),
            logs: [(Uuid::from_u128(7), log)].into(),
            ..World::default()
        }
    }

    fn check_crashes(&self) -> Result<(), Problem> {
        let events = self.disk.event_count();
        let mut result = Ok(());
        self.disk.history().for_each_point(None, |point| {
            if point.events() == events {
                let died = point.after_process_death(None);
                let died = recovers(&died, &self.world(self.world.end_min));
                let lost = point.after_power_loss(|_| Kept::Nothing);
                let lost = recovers(&lost, &self.world(self.durable_end));
                result = match (died, lost) {
                    (Err(problem), _) => Err(format!("process death: {problem}")),
                    (_, Err(problem)) => Err(format!("power loss: {problem}")),
                    (Ok(_), Ok(_)) => Ok(()),
                };
            }
        });
        result
    }
}

/// Makes each operation fail in turn until there are no more; returns how many there were.
fn each_operation_fails(
    error: io::ErrorKind,
    check: impl Fn(&mut Run) -> Result<(), Problem>,
) -> usize {
    for operation in 0.. {
        let mut run = Run::new();
        run.disk.fail(operation, error);
        run.work();
        if run.disk.fault_pending() {
            return operation;
        }
        if let Err(problem) = check(&mut run) {
            panic!("{error:?} at operation {operation}: {problem}");
        }
    }
    unreachable!("the work ends")
}

#[test]
fn a_disk_that_is_full_once_costs_only_what_was_refused() {
    let operations = each_operation_fails(io::ErrorKind::StorageFull, |run| {
        if run.host.dir.health().offline().is_none() {
            run.append(100)
                .map_err(|error| format!("with space again: {error:?}"))?;
        }
        run.check_crashes()?;
        if run.host.dir.health().offline().is_none() {
            let world = &run.world(run.world.end_min).logs[&Uuid::from_u128(7)];
            let log = run.host.logs.get_mut(TOPIC).unwrap();
            check_log(TOPIC, log, world, &Offsets::new())?;
        }
        Ok(())
    });
    assert!(operations > 40, "{operations}");
}

#[test]
fn a_disk_that_breaks_once_costs_nothing_that_was_acknowledged() {
    let operations = each_operation_fails(io::ErrorKind::Other, |run| run.check_crashes());
    assert!(operations > 40, "{operations}");
}

#[test]
fn after_a_failed_sync_nothing_is_accepted_any_more() {
    let mut run = Run::new();
    run.append(100).unwrap();
    // The next operation is the sync of the directory or of the log.
    run.disk.fail(0, io::ErrorKind::Other);
    run.flush();
    assert!(!run.disk.fault_pending());
    assert!(run.host.dir.health().offline().is_some());
    assert!(matches!(run.append(100), Err(AppendError::Offline)));
    assert_eq!(run.durable_end, 0);
}
