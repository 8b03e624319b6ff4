//! Running cases: one process for each, several at a time, none for longer than its limit.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::Path,
    process::ExitStatus,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context;

use super::{
    cases::Case,
    client::{Program, last_line},
};
use crate::process::wait_at_most;

/// Programs give up by themselves after about 60 s; this is for one that hangs.
const CASE_LIMIT: Duration = Duration::from_mins(3);
/// By this a program says that its client cannot do the case.
const CANNOT: i32 = 77;

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    /// The client has no means for it; what it says about that.
    Cannot(String),
    /// What it says about that.
    Failed(String),
}

/// Where and under which name cases run.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// The folder's name of the client.
    pub(super) client: &'a str,
    pub(super) bootstrap: &'a str,
    /// Where each case's output goes, as `CASE.out` and `CASE.err`.
    pub(super) logs: &'a Path,
    /// Cases at a time.
    pub(super) jobs: usize,
}

/// Runs the cases and returns their outcomes in the same order.
pub(super) fn run_all(
    program: &Program,
    place: &Place<'_>,
    cases: &[&'static Case],
) -> anyhow::Result<Vec<Outcome>> {
    let next = AtomicUsize::new(0);
    let finished = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..place.jobs {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(number) else {
                        return;
                    };
                    let outcome = run(program, place, case);
                    let mut finished = finished.lock().expect("nobody panics while it is held");
                    finished.push((number, outcome));
                }
            });
        }
    });
    let mut finished = finished.into_inner().expect("no thread panicked");
    finished.sort_by_key(|(number, _)| *number);
    finished.into_iter().map(|(_, outcome)| outcome).collect()
}

fn run(program: &Program, place: &Place<'_>, case: &Case) -> anyhow::Result<Outcome> {
    let log = |ending: &str| place.logs.join(case.name).with_extension(ending);
    let mut command = program.command();
    command
        .arg(place.bootstrap)
        .arg(format!("{}-{}", place.client, case.name))
        .arg(case.name)
        .stdout(fs::File::create(log("out"))?)
        .stderr(fs::File::create(log("err"))?)
        .process_group(0);
    let child = command
        .spawn()
        .with_context(|| format!("start {command:?}"))?;
    let status = wait_at_most(child, CASE_LIMIT)?;
    let said = |ending: &str| last_line(&fs::read_to_string(log(ending)).unwrap_or_default());
    Ok(match status {
        Some(status) => judge(status, said("out"), said("err")),
        None => Outcome::Failed(format!("no end within {} s", CASE_LIMIT.as_secs())),
    })
}

fn judge(status: ExitStatus, output: Option<String>, errors: Option<String>) -> Outcome {
    let silent = || "it does not say why".to_owned();
    match status.code() {
        Some(0) => Outcome::Passed,
        Some(CANNOT) => Outcome::Cannot(output.unwrap_or_else(silent)),
        _ => Outcome::Failed(errors.or(output).unwrap_or_else(|| status.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn check(code: i32, output: &str, errors: &str) -> Outcome {
        judge(
            ExitStatus::from_raw(code << 8),
            last_line(output),
            last_line(errors),
        )
    }

    #[test]
    fn the_exit_code_and_the_last_line_tell_how_it_went() {
        assert_eq!(check(0, "a", "b"), Outcome::Passed);
        assert_eq!(check(77, "a", "b"), Outcome::Cannot("a".to_owned()));
        assert_eq!(check(1, "a", "b"), Outcome::Failed("b".to_owned()));
        assert_eq!(check(1, "a", ""), Outcome::Failed("a".to_owned()));
        let status = Outcome::Failed("exit status: 3".to_owned());
        assert_eq!(check(3, "", ""), status);
    }
}
