//! Clients beside each other on one broker of ours, in alternation: throughput, and what it costs
//! the client.
//!
//! All of them have the same size of batches, the same linger and idempotence; each warms up before
//! its clock starts, which matters most to Java.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::Context;

use super::{
    Bench,
    report::{Figures, OTHERS, Table},
    rows::{GB, STOP_LIMIT, create_topic, finish_client, number, warm},
};
use crate::{
    broker::{Broker, Odradek},
    process::{Running, machine_busy_seconds},
    workspace,
};

const WARM_UP_BYTES: u64 = GB / 2;
const BATCH_BYTES: u64 = 256 * 1024;

/// A program that puts load on a broker through one client.
enum Client {
    Odradek,
    Librdkafka,
    FranzGo(PathBuf),
    Java(PathBuf),
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    Produce,
    Consume,
}

impl Job {
    const fn verb(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Consume => "consume",
        }
    }

    const fn row(self) -> &'static str {
        match self {
            Self::Produce => "produce 1 KB acks=all",
            Self::Consume => "consume 1 KB hot",
        }
    }
}

pub(super) fn run(bench: &Bench, runs: u32, figures: &mut Figures) -> anyhow::Result<()> {
    let clients = prepare(bench)?;
    for run in 0..runs {
        let folder = bench.empty_folder("odradek")?;
        let broker = Broker::Odradek(Odradek::new(&bench.odradek, bench.port, &folder, &[]));
        let (mut running, _) = broker.start(&bench.log(&broker))?;
        for client in &clients {
            running.check_alive()?;
            let topic = client.name();
            create_topic(bench, &broker, topic, 6)?;
            for job in [Job::Produce, Job::Consume] {
                warm()?;
                println!("{} run {} {}", job.verb(), run + 1, client.name());
                measure(bench, client, job, &broker, &running, figures)?;
            }
        }
        running.terminate(STOP_LIMIT)?;
    }
    Ok(())
}

fn prepare(bench: &Bench) -> anyhow::Result<Vec<Client>> {
    let mut clients = vec![Client::Odradek, Client::Librdkafka];
    if workspace::is_installed("go", "version") {
        clients.push(Client::FranzGo(build_franz_go()?));
    } else {
        println!("without franz-go: Go is not installed");
    }
    if bench.peer.is_some() && workspace::is_installed("javac", "-version") {
        clients.push(Client::Java(build_java(bench)?));
    } else {
        println!("without Java: a JDK or its client is missing");
    }
    Ok(clients)
}

fn build_franz_go() -> anyhow::Result<PathBuf> {
    let program = workspace::target_folder("bench/franz-go")?.join("load");
    let mut command = Command::new("go");
    command
        .current_dir(workspace::root().join("xtask/clients/franz-go"))
        .args(["build", "-o"])
        .arg(&program)
        .arg(".");
    workspace::run(&mut command)?;
    Ok(program)
}

/// Compiles it; returns the class path.
fn build_java(bench: &Bench) -> anyhow::Result<PathBuf> {
    let peer = bench.peer.as_ref().context("find Kafka's jars")?;
    let classes = workspace::target_folder("bench/java")?;
    let jars = peer.jars().join("*");
    let mut command = Command::new("javac");
    command
        .arg("-cp")
        .arg(&jars)
        .arg("-d")
        .arg(&classes)
        .arg(workspace::root().join("xtask/clients/java/Load.java"));
    workspace::run(&mut command)?;
    Ok(PathBuf::from(format!(
        "{}:{}",
        classes.display(),
        jars.display()
    )))
}

impl Client {
    const fn name(&self) -> &'static str {
        match self {
            Self::Odradek => "odradek",
            Self::Librdkafka => "librdkafka",
            Self::FranzGo(_) => "franz-go",
            Self::Java(_) => "java",
        }
    }

    /// The program about to do a job on the topic that has its name.
    fn command(&self, bench: &Bench, job: Job, broker: &str) -> Command {
        let numbers = match job {
            Job::Produce => vec![WARM_UP_BYTES, GB, BATCH_BYTES],
            // Polls end where they like: something has to be left behind the last byte that counts.
            Job::Consume => vec![WARM_UP_BYTES / 2, GB],
        };
        let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
        let mut command = match self {
            Self::Odradek | Self::Librdkafka => Command::new(bench.load()),
            Self::FranzGo(program) => Command::new(program),
            Self::Java(class_path) => {
                let mut command = Command::new("java");
                // The heap of Kafka's brokers: its tools have half of that, too little for the
                // buffers that all clients have here.
                command.args(["-Xmx1G", "-Xms1G", "-cp"]).arg(class_path);
                command.arg("Load");
                command
            }
        };
        match self {
            Self::Odradek | Self::Librdkafka => {
                let own = if matches!(self, Self::Odradek) {
                    "own-"
                } else {
                    ""
                };
                command
                    .args(["--broker", broker])
                    .arg(format!("{own}{}", job.verb()))
                    .args(["--topic", self.name()]);
                let flags = ["--warm-up", "--bytes", "--batch-bytes"];
                for (flag, number) in flags.iter().zip(&numbers) {
                    command.args([flag, number.as_str()]);
                }
            }
            Self::FranzGo(_) | Self::Java(_) => {
                command.args([broker, job.verb(), self.name()]);
                command.args(&numbers);
            }
        }
        command
    }
}

fn measure(
    bench: &Bench,
    client: &Client,
    job: Job,
    broker: &Broker,
    running: &Running,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let log = bench.folder.join(client.name()).with_extension("err");
    let mut command = client.command(bench, job, &broker.address());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&log)?);
    let (broker_cpu, busy, begin) = (running.cpu()?, machine_busy_seconds()?, Instant::now());
    let child = command
        .spawn()
        .with_context(|| format!("start {command:?}"))?;
    let report = finish_client(child).with_context(|| format!("see {}", log.display()))?;

    let spent_by_broker = running.cpu()?.since(broker_cpu).total();
    let spent_by_all = machine_busy_seconds()? - busy;
    // The warm-up included, unlike the other figures.
    let spent_by_client = number(&report, "process_cpu_seconds")?;
    let other = spent_by_all - spent_by_broker - spent_by_client;
    let other = (other / begin.elapsed().as_secs_f64()).max(0.0);
    let gb = number(&report, "bytes")? / GB as f64;
    let mut add = |name, value| figures.add(Table::Clients, job.row(), name, client.name(), value);
    add("MB/s", gb * 1000.0 / number(&report, "seconds")?);
    add("client s/GB", number(&report, "client_cpu_seconds")? / gb);
    add(OTHERS, other);
    Ok(())
}
