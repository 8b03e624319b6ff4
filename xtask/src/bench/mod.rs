//! The figures of docs/benchmarks.md: Odradek and Apache Kafka on one machine, in one run, in
//! alternation; the brokers under a client that belongs to neither.
//!
//! - [`rows`]: what is measured, and the rows about brokers.
//! - [`clients`]: our client beside others.
//! - [`list`]: our tool that lists topics beside Kafka's.
//! - [`report`]: the figures as JSON and as tables.
//!
//! Traps that cost us, and how they are avoided: a virtual machine pays for memory that its host
//! took back, so memory is warmed before every run; a Java program is slow for its first
//! gigabytes, so both brokers are warmed up before they are measured; other work on the machine
//! shows in every clock, so what it used is reported beside each figure and processor time is
//! compared before throughput; two brokers are never loaded at the same time.

mod clients;
mod list;
mod report;
mod rows;

use std::path::{Path, PathBuf};

use anyhow::Context;

use self::{report::Figures, rows::Row};
use crate::{
    broker::{Broker, Kafka, Odradek},
    peer::Peer,
    workspace,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these rows, separated by commas; without it all of them.
    #[arg(long, value_delimiter = ',')]
    rows: Vec<Row>,
    /// Runs of each row and broker.
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Measure Odradek alone.
    #[arg(long)]
    no_kafka: bool,
    /// Write the table into docs/benchmarks.md and the figures into docs/benchmarks.json.
    #[arg(long)]
    save: bool,
    /// The first of four ports, below 32768.
    #[arg(long, default_value_t = 19492)]
    port: u16,
}

/// The programs and the folder of one bench.
#[derive(Debug)]
pub(crate) struct Bench {
    odradek: PathBuf,
    peer: Option<Peer>,
    load: PathBuf,
    folder: PathBuf,
    port: u16,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let bench = Bench::prepare(arguments)?;
    let rows = if arguments.rows.is_empty() {
        Row::ALL.to_vec()
    } else {
        arguments.rows.clone()
    };
    let mut figures = Figures::default();
    // Rows that share two running brokers come first, then those that start their own.
    let (shared, own): (Vec<Row>, Vec<Row>) = rows.iter().partition(|row| row.shares_brokers());
    if !shared.is_empty() {
        rows::run_shared(&bench, &shared, arguments.runs, &mut figures)?;
    }
    for row in own {
        rows::run_own(&bench, row, arguments.runs, &mut figures)?;
    }
    println!("\n{}", figures.tables());
    if arguments.save {
        report::save(&figures)?;
    }
    Ok(())
}

impl Bench {
    fn prepare(arguments: &Arguments) -> anyhow::Result<Self> {
        let peer = match Peer::missing() {
            _ if arguments.no_kafka => None,
            Some(missing) => {
                println!("without Apache Kafka: {missing}");
                None
            }
            None => Some(Peer::fetch()?),
        };
        println!("building the broker and the client");
        Ok(Self {
            odradek: workspace::build_release("odradek-broker", "odradek-broker")?,
            load: workspace::build_release("odradek-load", "odradek-load")?,
            peer,
            folder: workspace::target_folder("bench")?,
            port: arguments.port,
        })
    }

    /// New brokers with empty folders, in the order in which they are measured.
    fn brokers(&self) -> anyhow::Result<Vec<Broker>> {
        let folder = self.empty_folder("odradek")?;
        let odradek = Odradek::new(&self.odradek, self.port, &folder, &[]);
        let mut brokers = vec![Broker::Odradek(odradek)];
        if let Some(peer) = &self.peer {
            let folder = self.empty_folder("kafka")?;
            brokers.push(Broker::Kafka(Kafka::new(
                peer.clone(),
                self.port + 2,
                &folder,
                &[],
            )?));
        }
        Ok(brokers)
    }

    fn empty_folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("empty {}", folder.display()))?;
        }
        Ok(folder)
    }

    fn log(&self, broker: &Broker) -> PathBuf {
        self.folder.join(broker.name()).with_extension("log")
    }

    fn load(&self) -> &Path {
        &self.load
    }
}
