//! A broker in its own process.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{http, port, program, wait};

/// A running broker with its own directory and ports. Killed when dropped.
#[derive(Debug)]
pub struct Broker {
    child: Child,
    directory: TempDir,
    port: u16,
    admin_port: u16,
    setup: Setup,
    start_to_ready: Duration,
}

/// How a broker is started, besides its ports and its directory.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    arguments: Vec<String>,
    /// Soft and hard limit.
    descriptors: Option<(u64, u64)>,
    /// Where `log.dirs` is made; by default beside what the broker prints.
    disk: Option<PathBuf>,
}

impl Setup {
    /// Sets a configuration key; the last value counts.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.arguments.extend(overriding(key, value));
        self
    }

    /// Adds flags of the command line.
    #[must_use]
    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.arguments
            .extend(flags.iter().map(|&flag| flag.to_owned()));
        self
    }

    /// Limits its file descriptors.
    #[must_use]
    pub fn descriptors(mut self, soft: u64, hard: u64) -> Self {
        self.descriptors = Some((soft, hard));
        self
    }

    /// Puts the data into a new folder of this one, which may be another disk.
    #[must_use]
    pub fn on_disk(mut self, disk: &Path) -> Self {
        self.disk = Some(disk.to_owned());
        self
    }

    fn log_dir(&self, directory: &Path) -> PathBuf {
        self.disk.as_deref().unwrap_or(directory).join("data")
    }

    /// Starts a broker on an empty directory and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready; the message holds what it printed.
    pub fn start(self) -> Broker {
        self.start_on(|_| {})
    }

    /// The same on a directory that `prepare` fills: it is given the path that will be `log.dirs`,
    /// where nothing is yet.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_on(self, prepare: impl FnOnce(&Path)) -> Broker {
        let directory = TempDir::new().expect("a temporary directory can be made");
        prepare(&self.log_dir(directory.path()));
        let (port, admin_port) = (port::unused(), port::unused());
        let began = Instant::now();
        let child = self.spawn(directory.path(), port, admin_port);
        let mut broker = Broker {
            child,
            directory,
            port,
            admin_port,
            setup: self,
            start_to_ready: Duration::ZERO,
        };
        broker.wait_until_ready(began);
        broker
    }

    fn spawn(&self, directory: &Path, port: u16, admin: u16) -> Child {
        let printed = File::options()
            .create(true)
            .append(true)
            .open(directory.join("printed"))
            .expect("the temporary directory is writable");
        let mut command = match self.descriptors {
            None => Command::new(binary()),
            Some((soft, hard)) => {
                let mut shell = Command::new("sh");
                let limited =
                    format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
                shell.arg("-c").arg(limited).arg(binary());
                shell
            }
        };
        command
            .args(overriding(
                "listeners",
                &format!("PLAINTEXT://127.0.0.1:{port}"),
            ))
            .args(overriding("admin.listener", &format!("127.0.0.1:{admin}")))
            .args(overriding(
                "log.dirs",
                &self.log_dir(directory).to_string_lossy(),
            ))
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(printed.try_clone().expect("a file handle can be copied"))
            .stderr(printed)
            .spawn()
            .expect("the broker's binary can be started")
    }
}

impl Broker {
    /// Starts a broker on an empty directory and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready; the message holds what it printed.
    pub fn start() -> Self {
        Setup::default().start()
    }

    /// The same with configuration keys set.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_with(overrides: &[(&str, &str)]) -> Self {
        let setup = Setup::default();
        overrides
            .iter()
            .fold(setup, |setup, &(key, value)| setup.set(key, value))
            .start()
    }

    /// `127.0.0.1:PORT`, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port of Kafka's protocol.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of the admin API.
    pub fn admin_port(&self) -> u16 {
        self.admin_port
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where the partitions' directories are.
    pub fn log_dir(&self) -> PathBuf {
        self.setup.log_dir(self.directory.path())
    }

    /// How long the last start took, from the start of the process to `/readyz`.
    pub fn start_to_ready(&self) -> Duration {
        self.start_to_ready
    }

    /// Everything that the broker has printed so far, over all its starts.
    pub fn printed(&self) -> String {
        fs::read_to_string(self.directory.path().join("printed")).unwrap_or_default()
    }

    /// Resident memory in bytes.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .expect("the broker's process exists");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line
            .and_then(|line| line.split_whitespace().nth(1))
            .and_then(|n| n.parse().ok());
        kib.map_or(0, |kib: u64| kib * 1024)
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill(&mut self) {
        // Fails only if it is gone already.
        let _ = self.child.kill();
        self.child.wait().expect("our own child can be waited for");
    }

    /// SIGTERM, and waits until the process is gone. Returns how it ended.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn stop(&mut self) -> ExitStatus {
        self.stop_by(Signal::TERM)
    }

    /// The same by another signal.
    ///
    /// # Panics
    /// As [`stop`](Self::stop).
    pub fn stop_by(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.wait_for_end()
    }

    /// Waits until the process is gone, and returns how it ended.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        wait::until("the broker ends", || {
            self.child
                .try_wait()
                .expect("our own child can be waited for")
        })
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("our own child can be signalled");
    }

    /// Starts it again on the same directory and ports, after [`kill`](Self::kill) or
    /// [`stop`](Self::stop), and waits until it is ready.
    pub fn start_again(&mut self) {
        let began = Instant::now();
        self.child = self
            .setup
            .spawn(self.directory.path(), self.port, self.admin_port);
        self.wait_until_ready(began);
    }

    /// Changes a configuration key for the next start.
    pub fn set(&mut self, key: &str, value: &str) {
        self.setup.arguments.extend(overriding(key, value));
    }

    fn wait_until_ready(&mut self, began: Instant) {
        let admin_port = self.admin_port;
        wait::until("the broker becomes ready", || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!(
                    "the broker ended with {status}; it printed:\n{}",
                    self.printed()
                );
            }
            matches!(http::get(admin_port, "/readyz"), Ok((200, _))).then_some(())
        });
        self.start_to_ready = began.elapsed();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            // The test's output is the place where the broker's last words are looked for.
            #[expect(
                clippy::print_stderr,
                reason = "shown by the test runner for a failed test"
            )]
            {
                let printed = self.printed();
                let tail: Vec<_> = printed.lines().rev().take(40).collect();
                for line in tail.iter().rev() {
                    eprintln!("broker: {line}");
                }
            }
        }
    }
}

/// Runs a command that should end by itself, and returns exit status and output.
///
/// # Panics
/// When it does not end in time; it is killed then.
pub fn run(command: &mut Command) -> Output {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command can be started");
    let deadline = Instant::now() + wait::PATIENCE;
    // What it prints fits into the pipes, so nobody has to read before it has ended.
    while child
        .try_wait()
        .expect("our own child can be waited for")
        .is_none()
    {
        if deadline < Instant::now() {
            // It may end at this very moment; then there is nothing to kill.
            let _ = child.kill();
            let output = child.wait_with_output();
            panic!("{command:?} does not end; it printed {output:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
    child
        .wait_with_output()
        .expect("the output of our own child can be read")
}

fn overriding(key: &str, value: &str) -> [String; 2] {
    ["--override".to_owned(), format!("{key}={value}")]
}

/// The broker's binary: the one that `ODRADEK_BROKER` names, or else built with the same profile as
/// this test.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| program::find("ODRADEK_BROKER", "odradek-broker", "odradek-broker"))
}
