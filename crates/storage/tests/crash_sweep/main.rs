//! Crash sweep: the log engine run on a file system that remembers everything, crashed at every
//! point of what it did, in every way that POSIX allows, and recovered.
//!
//! - [`host`]: the log engine put together as the broker does it
//! - [`workload`]: what is done to it, in scripts
//! - [`run`], [`fact`]: carrying a script out, and keeping account of what was promised meanwhile
//! - [`world`]: what must and what may be there after a crash at some point
//! - [`check`], [`check_compacted`]: recovers and compares
//! - [`sweep`]: chooses the crashes
//! - [`faults`], [`clean_faults`]: operations that fail instead
//!
//! Two kinds of crash: a *power loss* leaves any subset of what was not synced; the *death of the
//! process* leaves everything, but for the end of the write under way.

#![allow(clippy::unwrap_used)]

mod check;
mod check_compacted;
mod clean_faults;
mod fact;
mod faults;
mod host;
mod run;
mod sweep;
mod workload;
mod world;

use std::collections::BTreeSet;

use sweep::{Depth, Outcome, sweep};
use workload::Workload;

/// Sweeps a workload, fails on the first bad state, and says how many states were tried.
#[expect(
    clippy::print_stdout,
    reason = "the figure is part of the test's result"
)]
fn assert_survives(name: &str, workload: &Workload) {
    match sweep(workload, None, Depth::Everything) {
        Outcome::Survived { states } => {
            println!("crash sweep over {name}: {states} states, all recovered");
            assert!(states > 250, "only {states} states of {name}");
        }
        Outcome::Failed { state, problem } => panic!("{name}: {state}: {problem}"),
    }
}

#[test]
fn no_crash_while_appending_and_flushing_loses_what_was_promised() {
    assert_survives("append and flush", &Workload::append());
}

#[test]
fn no_crash_while_rolling_segments_loses_what_was_promised() {
    assert_survives("roll", &Workload::roll());
}

#[test]
fn no_crash_while_old_segments_are_deleted_loses_what_was_promised() {
    assert_survives("retention", &Workload::retention());
}

#[test]
fn no_crash_while_checkpoints_are_written_loses_what_was_promised() {
    assert_survives("checkpoint", &Workload::checkpoint());
}

#[test]
fn no_crash_while_topics_are_created_and_deleted_loses_what_was_promised() {
    assert_survives("topic deletion", &Workload::topic_deletion());
}

#[test]
fn no_crash_while_truncating_loses_what_was_promised() {
    assert_survives("truncation", &Workload::truncation());
}

#[test]
fn no_crash_around_a_clean_stop_loses_what_was_promised() {
    assert_survives("clean stop", &Workload::clean_stop());
}

#[test]
fn no_crash_around_the_recovery_from_a_dead_process_loses_what_was_promised() {
    assert_survives("process death", &Workload::process_death());
}

#[test]
fn no_crash_around_the_recovery_from_a_power_loss_loses_what_was_promised() {
    assert_survives("power loss", &Workload::power_loss());
}

#[test]
fn no_crash_while_lost_indexes_are_built_anew_loses_what_was_promised() {
    assert_survives("lost indexes", &Workload::lost_indexes());
}

#[test]
fn no_crash_after_a_creation_was_cut_short_loses_what_was_promised() {
    assert_survives("creation cut short", &Workload::creation_cut_short());
}

#[test]
fn no_crash_after_a_power_loss_that_left_a_hole_loses_what_was_promised() {
    assert_survives(
        "power loss with a hole",
        &Workload::power_loss_with_a_hole(),
    );
}

#[test]
fn no_crash_after_the_process_died_in_retention_loses_what_was_promised() {
    assert_survives(
        "process death in retention",
        &Workload::process_death_in_retention(),
    );
}

#[test]
fn no_crash_while_a_log_is_compacted_loses_what_was_promised() {
    assert_survives("compaction", &Workload::compaction());
}

#[test]
fn no_crash_after_the_process_died_in_compaction_loses_what_was_promised() {
    assert_survives(
        "process death in compaction",
        &Workload::process_death_in_compaction(),
    );
}

/// Without the syncs of any one place in the code, some crash loses something.
#[test]
#[expect(
    clippy::print_stdout,
    reason = "the figure is part of the test's result"
)]
fn every_sync_in_the_code_is_needed() {
    let workloads: Vec<(Workload, BTreeSet<String>)> = Workload::all()
        .into_iter()
        .map(|(_, workload)| {
            let sites = workload.history().sync_sites();
            (workload, sites)
        })
        .collect();
    let sites: BTreeSet<&String> = workloads.iter().flat_map(|(_, sites)| sites).collect();
    let is_needed = |site: &str| {
        [Depth::Singles, Depth::Everything]
            .into_iter()
            .any(|depth| {
                workloads
                    .iter()
                    .filter(|(_, sites)| sites.contains(site))
                    .any(|(workload, _)| sweep(workload, Some(site), depth).is_failure())
            })
    };
    let unneeded: Vec<&String> = sites
        .iter()
        .copied()
        .filter(|site| !is_needed(site))
        .collect();
    println!("syncs from {} places; needed: {sites:#?}", sites.len());
    assert!(
        unneeded.is_empty(),
        "nothing is lost without these syncs: {unneeded:#?}"
    );
}
