//! Every client people use, every case, on a fresh Odradek and on a fresh Apache Kafka.
//!
//! In the order of a run:
//!
//! - [`client`]: the programs under `tests/compat`: what each needs, copied and built.
//! - [`cases`]: what each is asked to do.
//! - [`execution`]: one process per case.
//! - [`report`]: the table, and docs/compatibility.md.
//!
//! It does not try twice: a case that passes only sometimes is a failure that was found late.

mod cases;
mod client;
mod execution;
mod report;

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

use self::{
    cases::Case,
    client::{Build, Client, Program},
    execution::Place,
    report::{Column, Results},
};
use crate::{
    broker::{Broker, Kafka, Odradek},
    peer::Peer,
    workspace,
};

const STOP_LIMIT: Duration = Duration::from_mins(2);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these clients (folders of tests/compat), separated by commas.
    #[arg(long, value_delimiter = ',')]
    clients: Vec<String>,
    /// Only these cases, separated by commas.
    #[arg(long, value_delimiter = ',')]
    cases: Vec<String>,
    /// Against whom.
    #[arg(long, value_enum, default_value_t = Against::Both)]
    broker: Against,
    /// `all`: a client or broker that cannot run here is a failure.
    #[arg(long, value_enum)]
    require: Option<Require>,
    /// Write docs/compatibility.md; needs every client, every case and both brokers.
    #[arg(long)]
    save: bool,
    /// Cases of a client that run at the same time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Where to look for two free ports, from here on; below 32768.
    #[arg(long, default_value_t = 19592)]
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Against {
    Odradek,
    Kafka,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Require {
    All,
}

/// One of the two, as the table tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Odradek,
    Kafka,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Odradek => "odradek",
            Self::Kafka => "kafka",
        }
    }
}

/// What all clients of a run share.
struct Run {
    odradek: Option<PathBuf>,
    peer: Option<Peer>,
    subjects: Vec<Subject>,
    cases: Vec<&'static Case>,
    folder: PathBuf,
    jobs: usize,
    port: u16,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let complete = arguments.clients.is_empty()
        && arguments.cases.is_empty()
        && arguments.broker == Against::Both;
    ensure!(
        complete || !arguments.save,
        "--save is for all clients, all cases and both brokers"
    );
    let begin = Instant::now();
    let clients = client::find(&arguments.clients)?;
    let run = Run::prepare(arguments)?;
    let mut results = Results::new(run.cases.clone(), run.subjects.clone());
    for client in clients {
        results.add(run.column(client)?);
    }
    println!("\n{}", results.table());
    for remark in results.remarks() {
        println!("{remark}");
    }
    println!("{} s", begin.elapsed().as_secs());
    if arguments.save {
        report::save(&results)?;
    }
    judge(&results, arguments.require == Some(Require::All))
}

fn judge(results: &Results, require_all: bool) -> anyhow::Result<()> {
    let skipped = results.skipped();
    ensure!(
        !require_all || skipped == 0,
        "{skipped} clients were skipped, and all are required"
    );
    match results.failures() {
        0 => Ok(()),
        failures => bail!("{failures} cases failed"),
    }
}

impl Run {
    fn prepare(arguments: &Arguments) -> anyhow::Result<Self> {
        let mut subjects = match arguments.broker {
            Against::Odradek => vec![Subject::Odradek],
            Against::Kafka => vec![Subject::Kafka],
            Against::Both => vec![Subject::Odradek, Subject::Kafka],
        };
        let mut peer = None;
        if subjects.contains(&Subject::Kafka) {
            match Peer::missing() {
                None => peer = Some(Peer::fetch()?),
                Some(missing) => {
                    let must = arguments.broker == Against::Kafka || arguments.require.is_some();
                    ensure!(!must, "cannot run Apache Kafka: {missing}");
                    println!("without Apache Kafka: {missing}");
                    subjects.retain(|subject| *subject != Subject::Kafka);
                }
            }
        }
        let folder = workspace::target_folder("compat")?;
        let odradek = subjects.contains(&Subject::Odradek);
        let odradek = odradek.then(|| workspace::build_debug("odradek-broker", "odradek-broker"));
        Ok(Self {
            odradek: odradek.transpose()?,
            peer,
            subjects,
            cases: cases::named(&arguments.cases)?,
            folder,
            jobs: usize::from(arguments.jobs),
            port: arguments.port,
        })
    }

    /// Builds a client and runs its cases on a fresh broker of each kind.
    fn column(&self, client: Client) -> anyhow::Result<Column> {
        let logs = self.folder.join("logs").join(&client.id);
        fs::create_dir_all(&logs)?;
        println!("{}: building", client.id);
        let program = match client.build(&logs)? {
            Build::Ready(program) => program,
            Build::Skipped(reason) => {
                println!("{}: skipped: {reason}", client.id);
                return Ok(Column::skipped(client, reason));
            }
        };
        let mut column = Column::new(client);
        for &subject in &self.subjects {
            let begin = Instant::now();
            let outcomes = self.play(&program, &column.client.id, subject, &logs)?;
            let (id, name) = (&column.client.id, subject.name());
            println!("{id}: {name} in {} s", begin.elapsed().as_secs());
            column.outcomes.push((subject, outcomes));
        }
        Ok(column)
    }

    fn play(
        &self,
        program: &Program,
        client: &str,
        subject: Subject,
        logs: &Path,
    ) -> anyhow::Result<Vec<execution::Outcome>> {
        let logs = logs.join(subject.name());
        fs::create_dir_all(&logs)?;
        let port = free_ports(self.port)?;
        let data = self.folder.join(format!("data-{port}"));
        remove(&data)?;
        let broker = self.broker(subject, port, &data)?;
        let log = logs.join("broker.log");
        let _ = fs::remove_file(&log);
        let (running, _) = broker.start(&log)?;
        let place = Place {
            client,
            bootstrap: &broker.address(),
            logs: &logs,
            jobs: self.jobs,
        };
        let outcomes = execution::run_all(program, &place, &self.cases)?;
        running.terminate(STOP_LIMIT)?;
        remove(&data)?;
        let _ = fs::remove_file(data.with_extension("properties"));
        Ok(outcomes)
    }

    fn broker(&self, subject: Subject, port: u16, data: &Path) -> anyhow::Result<Broker> {
        Ok(match subject {
            Subject::Odradek => {
                let program = self.odradek.as_deref().context("Odradek was built")?;
                Broker::Odradek(Odradek::new(program, port, data, &[]))
            }
            Subject::Kafka => {
                let peer = self.peer.clone().context("Kafka was fetched")?;
                Broker::Kafka(Kafka::new(peer, port, data, &[])?)
            }
        })
    }
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display()))?;
    }
    Ok(())
}

/// The first of two free ports: for clients, and the next for the admin port or the controller.
fn free_ports(from: u16) -> anyhow::Result<u16> {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let mut pairs = (from..32766).step_by(2);
    pairs
        .find(|&port| is_free(port) && is_free(port + 1))
        .context("find two free ports below 32768")
}
