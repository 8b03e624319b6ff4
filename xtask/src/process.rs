//! Child processes: always stopped, watched for an early death, measured through `/proc`.

use std::{
    fs,
    path::Path,
    process::{Child, Command, ExitStatus},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A child that is killed when this value goes away, so that no failure leaves a broker behind.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
}

/// Processor time of a process so far, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Cpu {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user - earlier.user,
            system: self.system - earlier.system,
        }
    }

    pub(crate) fn total(self) -> f64 {
        self.user + self.system
    }
}

impl Running {
    pub(crate) fn start(name: &str, command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("start {name}: {command:?}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails when the child has ended although it should run.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended early: {status}", self.name),
            None => Ok(()),
        }
    }

    /// SIGKILL, and gone.
    pub(crate) fn kill_now(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn terminate(mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM)?;
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if deadline < Instant::now() {
                bail!("{} did not end within {limit:?} of SIGTERM", self.name);
            }
            sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        let (_, fields) = text.rsplit_once(')').context("read /proc/PID/stat")?;
        let ticks: Vec<f64> = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|t| t.parse().ok())
            .collect();
        let [user, system] = ticks[..] else {
            bail!("read /proc/PID/stat")
        };
        let hertz = rustix::param::clock_ticks_per_second() as f64;
        Ok(Cpu {
            user: user / hertz,
            system: system / hertz,
        })
    }

    /// A figure of `/proc/PID/status` in MB (10^6 bytes), such as `VmRSS`.
    pub(crate) fn memory_mb(&self, field: &str) -> anyhow::Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kib.with_context(|| format!("find {field}"))? * 1024.0 / 1e6)
    }
}

/// Waits for the end of a child that leads its process group, and ends whoever is left of the
/// group. `None` if it did not end by itself.
pub(crate) fn wait_at_most(
    mut child: Child,
    limit: Duration,
) -> anyhow::Result<Option<ExitStatus>> {
    let group = Pid::from_child(&child);
    let deadline = Instant::now() + limit;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break Some(status),
            None if deadline < Instant::now() => break None,
            None => sleep(Duration::from_millis(20)),
        }
    };
    // Usually nobody is left, which is no error.
    let _ = kill_process_group(group, Signal::KILL);
    child.wait()?;
    Ok(status)
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Busy seconds of the whole machine so far, over all cores.
pub(crate) fn machine_busy_seconds() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("read /proc/stat")?;
    let ticks = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .map(|t| t.parse().unwrap_or(0.0));
    // Fields 3 and 4 are idle and waiting for the disk.
    let busy: f64 = ticks
        .enumerate()
        .filter(|(i, _)| !matches!(i, 3 | 4))
        .map(|(_, t)| t)
        .sum();
    Ok(busy / rustix::param::clock_ticks_per_second() as f64)
}

/// Takes memory from the host and gives it back to the kernel.
///
/// A virtual machine's host may have taken freed pages back, and the next program to use them pays
/// for their return with system time. Doing this before every run makes runs comparable.
pub(crate) fn warm_memory(bytes: u64) -> anyhow::Result<()> {
    const CHUNK: usize = 1 << 20;
    let path = Path::new("/dev/shm").join(format!("odradek-warm-{}", std::process::id()));
    let result = (|| {
        use std::io::Write;
        let mut file = fs::File::create(&path)?;
        let chunk = vec![0; CHUNK];
        (0..bytes / CHUNK as u64).try_for_each(|_| file.write_all(&chunk))
    })();
    fs::remove_file(&path)?;
    result.context("fill memory through /dev/shm")
}

/// Memory that could be used without swapping, in bytes.
pub(crate) fn memory_available() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kib.context("find MemAvailable")? * 1024)
}
