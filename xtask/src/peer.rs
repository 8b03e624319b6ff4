//! Apache Kafka itself, from its published artifacts: the broker to compare with, and the tools.
//!
//! Maven fetches the jars once into `target/peer`; Java runs them with the settings of Kafka's own
//! start scripts. Nothing is installed outside `target/`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};

use crate::{broker::Kafka, workspace};

/// Garbage collection as Kafka's scripts set it.
const JAVA_FLAGS: &[&str] = &[
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:MaxInlineLevel=15",
    "-Djava.awt.headless=true",
];

/// The broker's heap, as Kafka's scripts set it.
pub(crate) const BROKER_HEAP: &[&str] = &["-Xmx1G", "-Xms1G"];
const TOOL_HEAP: &[&str] = &["-Xmx512M"];

/// For tools that run for a second: neither many threads nor a compiler that takes its time.
const SHORT_LIFE: &[&str] = &[
    "-Xmx256M",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-Xlog:disable",
];

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: PeerCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PeerCommand {
    /// Fetches the jars.
    Fetch,
    /// Runs one broker on 127.0.0.1:PORT until interrupted, with its data in DIR. The port should
    /// be below 32768.
    Start {
        /// The port for clients; the controller takes the next one.
        port: u16,
        /// The data folder.
        directory: PathBuf,
    },
    /// Runs one of Kafka's classes, for example
    /// `org.apache.kafka.tools.DumpLogSegments --files some.log`.
    Run {
        /// The class and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<String>,
    },
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let peer = Peer::fetch()?;
    match &arguments.command {
        PeerCommand::Fetch => println!("{}", peer.jars.display()),
        PeerCommand::Start { port, directory } => {
            let kafka = Kafka::new(peer, *port, directory, &[])?;
            workspace::run(&mut kafka.command())?;
        }
        PeerCommand::Run { words } => {
            let (class, rest) = words.split_first().context("name a class")?;
            workspace::run(peer.java(TOOL_HEAP, class).args(rest))?;
        }
    }
    Ok(())
}

/// The fetched jars.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    jars: PathBuf,
}

impl Peer {
    /// Why Kafka cannot be run here, if so.
    pub(crate) fn missing() -> Option<String> {
        if let Err(error) = java_version() {
            return Some(format!("{error:#}"));
        }
        let fetched = workspace::root()
            .join("target/peer/jars/complete")
            .is_file();
        let maven = fetched || workspace::is_installed("mvn", "--version");
        (!maven).then(|| "Maven is not installed (package maven)".to_owned())
    }

    /// Fetches the jars if they are not there yet.
    pub(crate) fn fetch() -> anyhow::Result<Self> {
        if let Some(missing) = Self::missing() {
            bail!("cannot run Apache Kafka: {missing}");
        }
        let jars = workspace::target_folder("peer")?.join("jars");
        let complete = jars.join("complete");
        if !complete.is_file() {
            println!("fetching Apache Kafka's jars (56 MB)");
            let pom = workspace::root().join("xtask/peer/pom.xml");
            let mut command = Command::new("mvn");
            command
                .args([
                    "--quiet",
                    "--batch-mode",
                    "--no-transfer-progress",
                    "--file",
                ])
                .arg(pom);
            command.args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
            command.arg(format!("-DoutputDirectory={}", jars.display()));
            workspace::run(&mut command)?;
            fs::write(&complete, "")?;
        }
        Ok(Self { jars })
    }

    /// The folder of the jars, for a class path.
    pub(crate) fn jars(&self) -> &Path {
        &self.jars
    }

    /// Java about to run a class of Kafka's.
    pub(crate) fn java(&self, heap: &[&str], class: &str) -> Command {
        let mut command = Command::new(java());
        command.args(heap).args(JAVA_FLAGS);
        self.run_class(command, class)
    }

    /// Java about to run a tool of Kafka's, which logs as that configuration of log4j says.
    pub(crate) fn tool(&self, logging: &Path, class: &str) -> Command {
        // Without the archive it starts too, in twice the time.
        let archive = format!("-XX:SharedArchiveFile={}", self.archive().display());
        self.short_lived(&archive, logging, class)
    }

    /// Keeps the classes that every client of Kafka's loads as Java wants to find them: with
    /// hundreds of tools to start, that is half of the time.
    pub(crate) fn archive_classes(&self, logging: &Path) -> anyhow::Result<()> {
        if self.archive().is_file() {
            return Ok(());
        }
        let archive = format!("-XX:ArchiveClassesAtExit={}", self.archive().display());
        let mut command =
            self.short_lived(&archive, logging, "org.apache.kafka.tools.ConsoleProducer");
        // With nothing to send it dials nobody.
        command.args(["--bootstrap-server", "127.0.0.1:1", "--topic", "none"]);
        workspace::output(command.stdin(Stdio::null()))?;
        Ok(())
    }

    fn archive(&self) -> PathBuf {
        self.jars.with_file_name("classes.jsa")
    }

    fn short_lived(&self, archive: &str, logging: &Path, class: &str) -> Command {
        let mut command = Command::new(java());
        command.args(SHORT_LIFE).arg(archive);
        command.arg(format!("-Dlog4j2.configurationFile={}", logging.display()));
        self.run_class(command, class)
    }

    fn run_class(&self, mut java: Command, class: &str) -> Command {
        java.arg("-cp")
            .arg(format!("{}/*", self.jars.display()))
            .arg(class);
        java
    }

    /// Formats a data folder, as Kafka demands before its first start.
    pub(crate) fn format(&self, properties: &Path) -> anyhow::Result<()> {
        let mut command = self.java(TOOL_HEAP, "kafka.tools.StorageTool");
        command.args([
            "format",
            "--standalone",
            "--cluster-id",
            "b2RyYWRlay1wZWVyLTAwMA",
        ]);
        command
            .arg("--config")
            .arg(properties)
            .stdout(Stdio::null());
        workspace::run(&mut command)
    }
}

/// The version of Kafka that is fetched, as `xtask/peer/pom.xml` has it.
pub(crate) fn version() -> anyhow::Result<String> {
    let pom = fs::read_to_string(workspace::root().join("xtask/peer/pom.xml"))?;
    let (_, rest) = pom
        .split_once("<kafka.version>")
        .context("find kafka.version")?;
    let (version, _) = rest
        .split_once('<')
        .context("find the end of kafka.version")?;
    Ok(version.to_owned())
}

fn java() -> PathBuf {
    std::env::var_os("JAVA_HOME").map_or_else(
        || PathBuf::from("java"),
        |home| PathBuf::from(home).join("bin/java"),
    )
}

/// Kafka 4's broker needs Java 17.
fn java_version() -> anyhow::Result<u32> {
    let output = Command::new(java())
        .arg("-version")
        .output()
        .context("Java is not installed")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let version = text
        .split('"')
        .nth(1)
        .and_then(|quoted| quoted.split('.').next()?.parse().ok());
    let version: u32 = version.context("java -version says nothing that is understood")?;
    ensure!(
        17 <= version,
        "Java {version} is too old, 17 or newer is needed"
    );
    Ok(version)
}
