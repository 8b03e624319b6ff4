//! What is measured, and how each figure is obtained.

use std::{
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::{
    Bench, clients, list,
    report::{Figures, OTHERS, Table},
};
use crate::{
    broker::Broker,
    process::{Running, machine_busy_seconds, memory_available, warm_memory},
};

pub(super) const GB: u64 = 1_000_000_000;
/// What each broker is given before it is measured: a Java program is slow until then.
const WARM_UP_BYTES: u64 = 2 * GB;
/// What is touched before each run, so that its memory is there.
const WARM_MEMORY_BYTES: u64 = 4 * GB;
pub(super) const STOP_LIMIT: Duration = Duration::from_mins(2);

/// One thing to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Row {
    /// 1 GB of 1 KB records, acks=all, 6 partitions.
    Produce,
    /// The same topic back, from the page cache.
    Consume,
    /// 5 000 records of 1 KB a second, acks=all.
    Latency,
    /// From exec to the first answered Metadata, empty folder; memory 5 s later.
    Start,
    /// The same with 1 000 partitions, after a clean stop.
    Start1000,
    /// Memory after 2 GB went in and out.
    Memory,
    /// From exec to the first acknowledged record, after SIGKILL, with 4 GB of data.
    Restart,
    /// Four clients in turn on one broker of ours: 1 GB in and out.
    Clients,
    /// The tool that lists topics, from exec to its end.
    List,
}

impl Row {
    pub(super) const ALL: &[Self] = &[
        Self::Produce,
        Self::Consume,
        Self::Latency,
        Self::Start,
        Self::Start1000,
        Self::Memory,
        Self::Restart,
        Self::Clients,
        Self::List,
    ];

    /// Whether it is measured on brokers that run through several rows.
    pub(super) fn shares_brokers(self) -> bool {
        matches!(self, Self::Produce | Self::Consume | Self::Latency)
    }
}

/// A broker that runs through several rows.
struct Subject {
    broker: Broker,
    running: Running,
}

/// Rows on two running brokers, in alternation.
pub(super) fn run_shared(
    bench: &Bench,
    rows: &[Row],
    runs: u32,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let mut subjects = Vec::new();
    for broker in bench.brokers()? {
        let (running, _) = broker.start(&bench.log(&broker))?;
        println!("warming up {}", broker.name());
        create_topic(bench, &broker, "warm-up", 6)?;
        produce(bench, &broker, "warm-up", WARM_UP_BYTES)?;
        subjects.push(Subject { broker, running });
    }
    for run in 0..runs {
        for subject in &mut subjects {
            subject.running.check_alive()?;
            let topic = format!("run-{run}");
            create_topic(bench, &subject.broker, &topic, 6)?;
            if !rows.contains(&Row::Produce) && rows.contains(&Row::Consume) {
                produce(bench, &subject.broker, &topic, GB)?;
            }
            for row in rows {
                warm()?;
                println!("{row:?} run {} {}", run + 1, subject.broker.name());
                match row {
                    Row::Produce => measure_produce(bench, subject, &topic, figures)?,
                    Row::Consume => measure_consume(bench, subject, &topic, figures)?,
                    _ => measure_latency(bench, subject, &topic, figures)?,
                }
            }
        }
    }
    for subject in subjects {
        subject.running.terminate(STOP_LIMIT)?;
    }
    Ok(())
}

/// Rows that start brokers of their own.
pub(super) fn run_own(
    bench: &Bench,
    row: Row,
    runs: u32,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    match row {
        Row::Clients => return clients::run(bench, runs, figures),
        Row::List => return list::run(bench, runs, figures),
        _ => {}
    }
    for run in 0..runs {
        for broker in bench.brokers()? {
            warm()?;
            println!("{row:?} run {} {}", run + 1, broker.name());
            match row {
                Row::Start => measure_start(bench, &broker, figures)?,
                Row::Start1000 => measure_start_1000(bench, &broker, figures)?,
                Row::Memory => measure_memory(bench, &broker, figures)?,
                _ => measure_restart(bench, &broker, figures)?,
            }
        }
    }
    Ok(())
}

fn measure_produce(
    bench: &Bench,
    subject: &Subject,
    topic: &str,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let cost = Cost::begin(&subject.running)?;
    let report = produce(bench, &subject.broker, topic, GB)?;
    cost.end("produce 1 KB acks=all", subject, &report, figures)
}

fn measure_consume(
    bench: &Bench,
    subject: &Subject,
    topic: &str,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let cost = Cost::begin(&subject.running)?;
    let report = consume(bench, &subject.broker, topic, GB)?;
    cost.end("consume 1 KB hot", subject, &report, figures)
}

fn measure_latency(
    bench: &Bench,
    subject: &Subject,
    topic: &str,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let (cpu, busy) = (subject.running.cpu()?, machine_busy_seconds()?);
    let report = client(bench, &subject.broker, &["latency", "--topic", topic])?;
    let spent = subject.running.cpu()?.since(cpu);
    // 15 s that count and 5 s before.
    let other = (machine_busy_seconds()? - busy - spent.total()) / 20.0;
    let name = subject.broker.name();
    let row = "ack latency at 5 000/s";
    for (figure, field) in [
        ("p50 ms", "p50_ms"),
        ("p99 ms", "p99_ms"),
        ("p99.9 ms", "p999_ms"),
    ] {
        figures.add(Table::Products, row, figure, name, number(&report, field)?);
    }
    figures.add(
        Table::Products,
        row,
        "broker CPU, % of a core",
        name,
        spent.total() / 20.0 * 100.0,
    );
    figures.add(
        Table::Products,
        row,
        OTHERS,
        name,
        other - number(&report, "client_cpu_seconds")? / 20.0,
    );
    Ok(())
}

fn measure_start(bench: &Bench, broker: &Broker, figures: &mut Figures) -> anyhow::Result<()> {
    let (running, took) = broker.start(&bench.log(broker))?;
    figures.add(
        Table::Products,
        "start, empty",
        "ms to ready",
        broker.name(),
        took.as_secs_f64() * 1000.0,
    );
    sleep(Duration::from_secs(5));
    figures.add(
        Table::Products,
        "start, empty",
        "idle memory MB",
        broker.name(),
        running.memory_mb("VmRSS")?,
    );
    running.terminate(STOP_LIMIT)?;
    Ok(())
}

fn measure_start_1000(bench: &Bench, broker: &Broker, figures: &mut Figures) -> anyhow::Result<()> {
    let (running, _) = broker.start(&bench.log(broker))?;
    create_topic(bench, broker, "thousand", 1000)?;
    running.terminate(STOP_LIMIT)?;
    let (running, took) = broker.start(&bench.log(broker))?;
    let row = "start, 1 000 partitions";
    figures.add(
        Table::Products,
        row,
        "ms to ready",
        broker.name(),
        took.as_secs_f64() * 1000.0,
    );
    figures.add(
        Table::Products,
        row,
        "memory MB",
        broker.name(),
        running.memory_mb("VmRSS")?,
    );
    running.terminate(STOP_LIMIT)?;
    Ok(())
}

fn measure_memory(bench: &Bench, broker: &Broker, figures: &mut Figures) -> anyhow::Result<()> {
    let (running, _) = broker.start(&bench.log(broker))?;
    create_topic(bench, broker, "memory", 6)?;
    produce(bench, broker, "memory", 2 * GB)?;
    consume(bench, broker, "memory", 2 * GB)?;
    let row = "after 2 GB in and out";
    figures.add(
        Table::Products,
        row,
        "memory MB",
        broker.name(),
        running.memory_mb("VmRSS")?,
    );
    figures.add(
        Table::Products,
        row,
        "highest memory MB",
        broker.name(),
        running.memory_mb("VmHWM")?,
    );
    running.terminate(STOP_LIMIT)?;
    Ok(())
}

fn measure_restart(bench: &Bench, broker: &Broker, figures: &mut Figures) -> anyhow::Result<()> {
    let (mut running, _) = broker.start(&bench.log(broker))?;
    create_topic(bench, broker, "restart", 6)?;
    produce(bench, broker, "restart", 4 * GB)?;
    running.kill_now()?;

    let mut waiting = start_client(bench, broker, &["first-ack", "--topic", "restart"])?;
    // The client has to be in its retry loop, which starting a process takes less than this for.
    sleep(Duration::from_millis(300));
    let exec_epoch_ms = epoch_ms();
    let running = broker.spawn(&bench.log(broker));
    if running.is_err() {
        waiting.kill()?;
    }
    let running = running?;
    let first_ack_epoch_ms = number(&finish_client(waiting)?, "first_ack_epoch_ms")?;
    let row = "restart after SIGKILL, 4 GB";
    figures.add(
        Table::Products,
        row,
        "ms to first ack",
        broker.name(),
        first_ack_epoch_ms - exec_epoch_ms,
    );
    running.terminate(STOP_LIMIT)?;
    Ok(())
}

/// What a broker and everybody else spent while a client ran.
struct Cost {
    cpu: crate::process::Cpu,
    busy: f64,
}

impl Cost {
    fn begin(running: &Running) -> anyhow::Result<Self> {
        Ok(Self {
            cpu: running.cpu()?,
            busy: machine_busy_seconds()?,
        })
    }

    fn end(
        self,
        row: &'static str,
        subject: &Subject,
        report: &Value,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let spent = subject.running.cpu()?.since(self.cpu);
        let busy = machine_busy_seconds()? - self.busy;
        let gb = number(report, "bytes")? / GB as f64;
        let seconds = number(report, "seconds")?;
        let client = number(report, "client_cpu_seconds")?;
        let other = ((busy - spent.total() - client) / seconds).max(0.0);
        let name = subject.broker.name();
        figures.add(Table::Products, row, "MB/s", name, gb * 1000.0 / seconds);
        figures.add(
            Table::Products,
            row,
            "broker user s/GB",
            name,
            spent.user / gb,
        );
        figures.add(
            Table::Products,
            row,
            "broker user+system s/GB",
            name,
            spent.total() / gb,
        );
        figures.add(Table::Products, row, "client s/GB", name, client / gb);
        figures.add(Table::Products, row, OTHERS, name, other);
        Ok(())
    }
}

pub(super) fn warm() -> anyhow::Result<()> {
    if memory_available()? < 2 * WARM_MEMORY_BYTES {
        println!("too little memory to warm it: system time will be too high");
        return Ok(());
    }
    warm_memory(WARM_MEMORY_BYTES)
}

pub(super) fn create_topic(
    bench: &Bench,
    broker: &Broker,
    name: &str,
    partitions: u32,
) -> anyhow::Result<()> {
    let partitions = partitions.to_string();
    client(
        bench,
        broker,
        &["topics", "--name", name, "--partitions", &partitions],
    )?;
    Ok(())
}

fn produce(bench: &Bench, broker: &Broker, topic: &str, bytes: u64) -> anyhow::Result<Value> {
    client(
        bench,
        broker,
        &["produce", "--topic", topic, "--bytes", &bytes.to_string()],
    )
}

fn consume(bench: &Bench, broker: &Broker, topic: &str, bytes: u64) -> anyhow::Result<Value> {
    client(
        bench,
        broker,
        &["consume", "--topic", topic, "--bytes", &bytes.to_string()],
    )
}

/// Runs the client and returns its report.
fn client(bench: &Bench, broker: &Broker, arguments: &[&str]) -> anyhow::Result<Value> {
    finish_client(start_client(bench, broker, arguments)?)
}

fn start_client(bench: &Bench, broker: &Broker, arguments: &[&str]) -> anyhow::Result<Child> {
    let mut command = Command::new(bench.load());
    command
        .args(["--broker", &broker.address()])
        .args(arguments)
        .stdout(Stdio::piped());
    command.spawn().context("start the client")
}

pub(super) fn finish_client(child: Child) -> anyhow::Result<Value> {
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "the client failed: {}",
        output.status
    );
    serde_json::from_slice(&output.stdout).context("read the client's report")
}

pub(super) fn number(report: &Value, field: &str) -> anyhow::Result<f64> {
    report[field]
        .as_f64()
        .with_context(|| format!("find {field} in {report}"))
}

fn epoch_ms() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64() * 1000.0)
}
