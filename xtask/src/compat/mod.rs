//! Every client people use, every case, on a fresh Odradek and on a fresh Apache Kafka.
//!
//! In the order of a run:
//!
//! - [`client`]: the programs under `tests/compat`: what each needs, copied and built.
//! - [`cases`]: what each is asked to do.
//! - [`execution`]: one process per case.
//! - [`mixed`]: three different clients in one group.
//! - [`script`]: commands typed with Kafka's tools and with ours.
//! - [`report`]: the table, and docs/compatibility.md.
//!
//! It does not try twice: a case that passes only sometimes is a failure that was found late.

mod cases;
mod client;
mod execution;
mod mixed;
mod report;
mod script;

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use self::{
    cases::Case,
    client::{Build, Client},
    execution::Place,
    report::{Column, MixedResults, Results},
    script::{Ground, compare::Comparison},
};
use crate::{
    broker::{Broker, Kafka, Odradek},
    peer::Peer,
    workspace,
};

const STOP_LIMIT: Duration = Duration::from_mins(2);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only this part; without it everything, or the clients where some of their cases are chosen.
    #[arg(value_enum)]
    part: Option<Part>,
    /// Only these clients (folders of tests/compat), separated by commas.
    #[arg(long, value_delimiter = ',')]
    clients: Vec<String>,
    /// Only these cases (`cli`: scenarios of tests/compat/script), separated by commas.
    #[arg(long, value_delimiter = ',')]
    cases: Vec<String>,
    /// Against whom.
    #[arg(long, value_enum, default_value_t = Against::Both)]
    broker: Against,
    /// `all`: a client or broker that cannot run here is a failure.
    #[arg(long, value_enum)]
    require: Option<Require>,
    /// Write docs/compatibility.md; needs every part, client and case, and both brokers.
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
enum Part {
    /// Every client, case by case.
    Clients,
    /// Three different clients in one group.
    Mixed,
    /// The command line: both sets of tools on both brokers.
    Cli,
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
    folder: PathBuf,
    jobs: usize,
    port: u16,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let complete = arguments.part.is_none()
        && arguments.clients.is_empty()
        && arguments.cases.is_empty()
        && arguments.broker == Against::Both;
    ensure!(
        complete || !arguments.save,
        "--save is for all clients, all cases and both brokers"
    );
    let begin = Instant::now();
    let wants = |part| complete || arguments.part.unwrap_or(Part::Clients) == part;
    let run = Run::prepare(arguments)?;
    let clients = wants(Part::Clients).then(|| run.clients(arguments));
    let mixed = wants(Part::Mixed).then(|| run.mixed());
    // Without Apache Kafka there is nothing to compare with.
    let comparable = run.peer.is_some() || arguments.part == Some(Part::Cli);
    let commands = (wants(Part::Cli) && comparable).then(|| run.commands(arguments));
    let findings = Findings {
        clients: clients.transpose()?,
        mixed: mixed.transpose()?,
        commands: commands.transpose()?,
    };
    if let Some(mixed) = &findings.mixed {
        println!("\n{}", mixed.text());
    }
    println!("{} s", begin.elapsed().as_secs());
    if arguments.save {
        report::save(&findings)?;
    }
    findings.judge(arguments.require == Some(Require::All))
}

/// What each part found out, if it ran.
#[derive(Debug)]
struct Findings {
    clients: Option<Results>,
    mixed: Option<MixedResults>,
    commands: Option<Comparison>,
}

impl Findings {
    fn judge(&self, require_all: bool) -> anyhow::Result<()> {
        let skipped = self.clients.as_ref().map_or(0, Results::skipped)
            + self.mixed.as_ref().map_or(0, MixedResults::skipped);
        ensure!(
            !require_all || skipped == 0,
            "{skipped} clients were skipped, and all are required"
        );
        let failed = self.clients.as_ref().map_or(0, Results::failures);
        let groups = self.mixed.as_ref().map_or(0, MixedResults::failures);
        let different = self.commands.as_ref().map_or(0, Comparison::failures);
        ensure!(
            failed + groups + different == 0,
            "{failed} cases and {groups} mixed groups failed, {different} commands differ"
        );
        Ok(())
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
            folder,
            jobs: usize::from(arguments.jobs),
            port: arguments.port,
        })
    }

    fn clients(&self, arguments: &Arguments) -> anyhow::Result<Results> {
        let cases = cases::named(&arguments.cases)?;
        let mut results = Results::new(cases.clone(), self.subjects.clone());
        for client in client::find(&arguments.clients)? {
            results.add(self.column(client, &cases)?);
        }
        println!("\n{}", results.table());
        for remark in results.remarks() {
            println!("{remark}");
        }
        Ok(results)
    }

    fn commands(&self, arguments: &Arguments) -> anyhow::Result<Comparison> {
        let peer = self.peer.clone();
        let ground = Ground {
            peer: peer.context("nothing can be compared without Apache Kafka")?,
            odradek: self.odradek.clone().context("Odradek was built")?,
            folder: self.folder.clone(),
            port: self.port,
        };
        let comparison = script::run(&ground, &arguments.cases)?;
        println!("\n{}", comparison.text());
        Ok(comparison)
    }

    /// Builds a client and runs its cases on a fresh broker of each kind.
    fn column(&self, client: Client, cases: &[&'static Case]) -> anyhow::Result<Column> {
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
            let logs = logs.join(subject.name());
            let outcomes = self.on_a_fresh_broker(subject, &logs, |bootstrap| {
                let place = Place {
                    client: &column.client.id,
                    bootstrap,
                    logs: &logs,
                    jobs: self.jobs,
                };
                execution::run_all(&program, &place, cases)
            })?;
            let (id, name) = (&column.client.id, subject.name());
            println!("{id}: {name} in {} s", begin.elapsed().as_secs());
            column.outcomes.push((subject, outcomes));
        }
        Ok(column)
    }

    /// The group of different clients, on a fresh broker of each kind.
    fn mixed(&self) -> anyhow::Result<MixedResults> {
        let logs = self.folder.join("logs/mixed");
        fs::create_dir_all(&logs)?;
        let mut programs = BTreeMap::new();
        for id in mixed::CLIENTS {
            let client = client::find(&[id.to_owned()])?.pop();
            match client.context("it is there")?.build(&logs)? {
                Build::Ready(program) => programs.insert(id, program),
                Build::Skipped(reason) => {
                    return Ok(MixedResults::Skipped(format!("{id}: {reason}")));
                }
            };
        }
        let mut outcomes = Vec::new();
        for &subject in &self.subjects {
            let begin = Instant::now();
            let logs = logs.join(subject.name());
            let found = self.on_a_fresh_broker(subject, &logs, |bootstrap| {
                Ok(mixed::run(&programs, bootstrap, &logs))
            })?;
            println!(
                "mixed group: {} in {} s",
                subject.name(),
                begin.elapsed().as_secs()
            );
            outcomes.push((subject, found));
        }
        Ok(MixedResults::Played(outcomes))
    }

    /// Starts a broker for one purpose; its output goes into the folder.
    fn on_a_fresh_broker<T>(
        &self,
        subject: Subject,
        logs: &Path,
        purpose: impl FnOnce(&str) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        fs::create_dir_all(logs)?;
        let port = free_ports(self.port)?;
        let data = self.folder.join(format!("data-{port}"));
        remove(&data)?;
        let broker = self.broker(subject, port, &data)?;
        let log = logs.join("broker.log");
        let _ = fs::remove_file(&log);
        let (running, _) = broker.start(&log)?;
        let outcome = purpose(&broker.address())?;
        running.terminate(STOP_LIMIT)?;
        remove(&data)?;
        let _ = fs::remove_file(data.with_extension("properties"));
        Ok(outcome)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with_skipped_client(mixed: MixedResults) -> Findings {
        let mut results = Results::new(Vec::new(), vec![Subject::Odradek]);
        let client = client::find(&["kafkajs".to_owned()]).unwrap().remove(0);
        results.add(Column::skipped(client, "node is not installed".to_owned()));
        Findings {
            clients: Some(results),
            mixed: Some(mixed),
            commands: None,
        }
    }

    #[test]
    fn what_was_skipped_is_a_failure_where_everything_is_required() {
        let findings = with_skipped_client(MixedResults::Played(Vec::new()));
        assert!(findings.judge(false).is_ok());
        let error = findings.judge(true).unwrap_err().to_string();
        assert!(error.starts_with("1 clients were skipped"), "{error}");
        let findings = with_skipped_client(MixedResults::Skipped("no Java".to_owned()));
        let error = findings.judge(true).unwrap_err().to_string();
        assert!(error.starts_with("2 clients were skipped"), "{error}");
    }
}
