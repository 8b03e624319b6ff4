//! One operation of the file system fails while a log is compacted, each in turn: nothing is lost,
//! the log goes on, and the next attempt succeeds, unless it was a sync that failed.

use std::io;

use odradek_storage::cleaner::CleanError;
use odradek_storage::disk::memory::MemoryDisk;
use odradek_storage::disk::memory::crash::Kept;

use crate::check::{check_log, recovers};
use crate::host::{COMPACTED, Problem};
use crate::run::Run;
use crate::workload::Workload;
use crate::world::Crash;

/// Everything that a crash now could leave, as far as it is told apart here.
fn check_crashes(run: &Run) -> Result<(), Problem> {
    let events = run.disk.event_count();
    let mut left: Vec<(Crash, MemoryDisk)> = Vec::new();
    run.disk.history().for_each_point(None, |point| {
        if point.events() == events {
            left.push((Crash::ProcessDeath, point.after_process_death(None)));
            left.push((Crash::PowerLoss, point.after_power_loss(|_| Kept::Nothing)));
            left.push((Crash::PowerLoss, point.after_power_loss(|_| Kept::Whole)));
        }
    });
    assert_eq!(left.len(), 3);
    for (crash, disk) in left {
        recovers(&disk, &run.world(crash)).map_err(|problem| format!("{crash:?}: {problem}"))?;
    }
    Ok(())
}

/// What has to hold after an attempt during which one operation failed.
fn check(run: &mut Run, attempt: &Result<(), CleanError>) -> Result<(), Problem> {
    check_crashes(run).map_err(|problem| format!("after {attempt:?}: {problem}"))?;
    let is_offline = run.host().dir.health().offline().is_some();
    if is_offline {
        let again = run.try_clean(COMPACTED);
        return match again {
            Err(_) => Ok(()),
            Ok(()) => Err("it compacts although the directory is offline".to_owned()),
        };
    }
    run.append(COMPACTED, &[(1, 1, 100)]);
    run.try_clean(COMPACTED)
        .map_err(|error| format!("the next attempt: {error:?}"))?;
    check_crashes(run).map_err(|problem| format!("after the next attempt: {problem}"))?;
    let world = run.world(Crash::ProcessDeath);
    let known = &world.logs[&world.topics[COMPACTED]];
    let host = run.host();
    let points = host
        .dir
        .recovery_points()
        .map_err(|error| format!("{error:?}"))?;
    let log = host.logs.get_mut(COMPACTED).unwrap();
    check_log(COMPACTED, log, known, &points)
}

/// Makes each operation fail in turn until there are no more; returns how many there were.
fn each_operation_fails(error: io::ErrorKind) -> usize {
    for operation in 0.. {
        let mut run = Workload::to_be_compacted();
        run.disk.fail(operation, error);
        let attempt = run.try_clean(COMPACTED);
        if run.disk.fault_pending() {
            attempt.unwrap();
            return operation;
        }
        if let Err(problem) = check(&mut run, &attempt) {
            panic!("{error:?} at operation {operation}: {problem}");
        }
    }
    unreachable!("compaction ends")
}

#[test]
fn compaction_on_a_disk_that_is_full_once_loses_nothing_and_is_repeated() {
    let operations = each_operation_fails(io::ErrorKind::StorageFull);
    assert!(operations > 30, "{operations}");
}

#[test]
fn compaction_on_a_disk_that_fails_once_loses_nothing_and_is_repeated() {
    let operations = each_operation_fails(io::ErrorKind::Other);
    assert!(operations > 30, "{operations}");
}
