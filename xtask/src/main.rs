//! Automation for people who work on Odradek: `cargo xtask COMMAND`.
//!
//! - [`tidy`]: house rules that neither rustfmt nor clippy knows.
//! - [`docs`]: writes the documents that come from the code.
//! - [`fuzz`]: a bounded run of every fuzz target.
//! - [`demo`]: the main job on real data: the flights, with and without SIGKILL.
//! - [`full_disk`]: the test of a full disk on a loop device.
//! - [`bench`]: the figures of docs/benchmarks.md, beside Apache Kafka.
//! - [`compat`]: every client, every case, on both brokers.
//! - [`peer`]: Apache Kafka itself, from its published artifacts.
//! - [`vectors`]: what Kafka's Java client computes, as data for tests.
//!
//! and what they share: [`process`] (children that are always stopped), [`broker`] (Odradek and
//! Kafka behind one interface), [`workspace`] (paths, tools, release builds).
//!
//! Everything that needs a Kafka client is in the package `odradek-load`, built on demand, so that
//! `cargo xtask tidy` does not wait for librdkafka.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to a person"
)]

mod bench;
mod broker;
mod compat;
mod demo;
mod docs;
mod full_disk;
mod fuzz;
mod peer;
mod process;
mod tidy;
mod vectors;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Automation for people who work on Odradek.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks the house rules: sizes, words, module docs, arrows between crates and modules, links.
    Tidy,
    /// Writes the documents that come from the code.
    Docs,
    /// Runs every fuzz target for a while.
    Fuzz(fuzz::Arguments),
    /// Loads real flights through a real client, reads them back and compares.
    Demo(demo::Arguments),
    /// Fills an ext4 of 64 MiB on a loop device under load; takes root.
    FullDisk(full_disk::Arguments),
    /// Measures Odradek, beside Apache Kafka where Java and Maven are there.
    Bench(bench::Arguments),
    /// Runs the clients of tests/compat on Odradek and on Apache Kafka.
    Compat(compat::Arguments),
    /// Runs Apache Kafka or one of its tools: `peer start PORT DIR`, `peer run CLASS ARGS…`.
    Peer(peer::Arguments),
    /// Writes tests/vectors anew with Kafka's Java client.
    Vectors,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Tidy => tidy::run(),
        Command::Docs => docs::run(),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::FullDisk(arguments) => full_disk::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Compat(arguments) => compat::run(&arguments),
        Command::Peer(arguments) => peer::run(&arguments),
        Command::Vectors => vectors::run(),
    }
}
