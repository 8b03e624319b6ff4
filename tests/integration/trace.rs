//! What a broker asks of the kernel, by strace.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use odradek_tests::{broker::Broker, wait};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// strace on all threads of a broker, with the files behind descriptors.
pub(crate) struct Trace {
    strace: Child,
    directory: TempDir,
}

impl Trace {
    /// Traces these system calls. `None`, with the reason printed, where nobody may be traced.
    pub(crate) fn begin(broker: &Broker, calls: &str) -> Option<Self> {
        Self::attach(broker, &format!("trace={calls}"))
    }

    /// Makes these system calls fail with EIO from now on. `None` as [`begin`](Self::begin).
    pub(crate) fn fail(broker: &Broker, calls: &str) -> Option<Self> {
        Self::attach(broker, &format!("inject={calls}:error=EIO"))
    }

    fn attach(broker: &Broker, expression: &str) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let spawned = Command::new("strace")
            .args(["-f", "-y", "-e", expression])
            .args(["-p", &broker.pid().to_string()])
            .arg("-o")
            .arg(directory.path().join("trace"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(directory.path().join("errors")).unwrap())
            .spawn();
        let Ok(mut strace) = spawned else {
            println!("SKIPPED: strace is not installed");
            return None;
        };
        let tasks = format!("/proc/{}/task", broker.pid());
        let all_traced = || {
            fs::read_dir(&tasks).unwrap().all(|task| {
                let status = task
                    .ok()
                    .map(|task| fs::read_to_string(task.path().join("status")));
                status.is_none_or(|status| {
                    // A thread that has ended meanwhile need not be traced.
                    status.map_or(true, |status| !status.contains("TracerPid:\t0\n"))
                })
            })
        };
        let attached = wait::until("strace is attached", || {
            if strace.try_wait().unwrap().is_some() {
                return Some(false);
            }
            all_traced().then_some(true)
        });
        if !attached {
            let errors = fs::read_to_string(directory.path().join("errors")).unwrap();
            println!("SKIPPED: strace may not attach: {errors}");
            return None;
        }
        Some(Self { strace, directory })
    }

    /// Ends it and returns its lines.
    pub(crate) fn end(mut self) -> Vec<String> {
        kill_process(Pid::from_child(&self.strace), Signal::INT).unwrap();
        self.strace.wait().unwrap();
        let lines = fs::read_to_string(self.directory.path().join("trace")).unwrap();
        lines.lines().map(str::to_owned).collect()
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // It has ended already unless the test failed.
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}
