//! Odradek and Apache Kafka behind one interface: how each is started, and when it is ready.
//!
//! Both listen on loopback, on a fixed port below 32768: above begins the range from which the
//! kernel takes the ports of clients, and a client that polls such a port while nobody listens can
//! connect to itself.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use crate::{
    peer::{BROKER_HEAP, Peer},
    process::Running,
};

/// How long a start may take before it counts as failed.
const START_LIMIT: Duration = Duration::from_mins(2);

/// A broker that can be started, killed and started again on the same data.
#[derive(Debug)]
pub(crate) enum Broker {
    Odradek(Odradek),
    Kafka(Kafka),
}

#[derive(Debug)]
pub(crate) struct Odradek {
    program: PathBuf,
    port: u16,
    directory: PathBuf,
    settings: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Kafka {
    peer: Peer,
    port: u16,
    properties: PathBuf,
}

impl Odradek {
    pub(crate) fn new(program: &Path, port: u16, directory: &Path, settings: &[&str]) -> Self {
        Self {
            program: program.to_owned(),
            port,
            directory: directory.to_owned(),
            settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let mut set = |setting: &str| {
            command.args(["--override", setting]);
        };
        set(&format!("listeners=PLAINTEXT://127.0.0.1:{}", self.port));
        set(&format!("admin.listener=127.0.0.1:{}", self.port + 1));
        set(&format!("log.dirs={}", self.directory.display()));
        self.settings.iter().for_each(|setting| set(setting));
        command
    }
}

impl Kafka {
    /// Writes the properties file and formats a new data folder.
    pub(crate) fn new(
        peer: Peer,
        port: u16,
        directory: &Path,
        settings: &[&str],
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(directory)?;
        let properties = directory.with_extension("properties");
        let (data, controller) = (directory.display(), port + 1);
        let listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}");
        let mut text = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
             listeners={listeners}\nadvertised.listeners={listeners}\n\
             controller.listener.names=CONTROLLER\nlog.dirs={data}\n\
             offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\nnum.network.threads=3\nnum.io.threads=8\n\
             socket.send.buffer.bytes=102400\nsocket.receive.buffer.bytes=102400\n",
        );
        for setting in settings {
            text.push_str(setting);
            text.push('\n');
        }
        fs::write(&properties, text)?;
        if !directory.join("meta.properties").is_file() {
            peer.format(&properties)?;
        }
        Ok(Self {
            peer,
            port,
            properties,
        })
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = self.peer.java(BROKER_HEAP, "kafka.Kafka");
        command.arg(&self.properties);
        command
    }
}

impl Broker {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Odradek(_) => "odradek",
            Self::Kafka(_) => "kafka",
        }
    }

    fn port(&self) -> u16 {
        match self {
            Self::Odradek(odradek) => odradek.port,
            Self::Kafka(kafka) => kafka.port,
        }
    }

    /// What clients are told to dial.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// Starts it without waiting; its output goes to a file beside the data, `log`.
    pub(crate) fn spawn(&self, log: &Path) -> anyhow::Result<Running> {
        let mut command = match self {
            Self::Odradek(odradek) => odradek.command(),
            Self::Kafka(kafka) => kafka.command(),
        };
        let output = fs::OpenOptions::new().create(true).append(true).open(log)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        Running::start(self.name(), &mut command)
    }

    /// Starts it and waits until it answers; returns the time that took.
    pub(crate) fn start(&self, log: &Path) -> anyhow::Result<(Running, Duration)> {
        let begin = Instant::now();
        let mut running = self.spawn(log)?;
        let address = SocketAddr::from(([127, 0, 0, 1], self.port()));
        while !answers_metadata(address) {
            running.check_alive().with_context(|| tail(log))?;
            if START_LIMIT < begin.elapsed() {
                bail!(
                    "{} is not ready after {START_LIMIT:?}\n{}",
                    self.name(),
                    tail(log)
                );
            }
            sleep(Duration::from_millis(1));
        }
        Ok((running, begin.elapsed()))
    }
}

/// Whether a broker lists itself in Metadata: what every client asks before its first record.
fn answers_metadata(address: SocketAddr) -> bool {
    // Metadata (3) version 1, correlation id 7, no client id, an empty list of topics.
    let request = b"\0\0\0\x0e\0\x03\0\x01\0\0\0\x07\xff\xff\0\0\0\0";
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(request)?;
        // Length, correlation id, number of brokers.
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head[4..8] == [0, 0, 0, 7] && head[8..12] != [0; 4])
    };
    ask().unwrap_or(false)
}

/// The end of a broker's output, for an error message.
fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(20).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
