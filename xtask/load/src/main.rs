//! Puts load on a broker through librdkafka, a client that is not ours, and prints what happened
//! as one JSON object per line.
//!
//! - [`topics`]: creates topics.
//! - [`produce`]: as many records as fast as possible.
//! - [`consume`]: the same way back.
//! - [`own`]: both by this project's own client, to compare it.
//! - [`latency`]: time to acknowledgement at a fixed rate, by an open loop.
//! - [`first_ack`]: when a broker that is being started acknowledges its first record.
//! - [`flights`]: real records, keyed, and the proof that each arrived once and in order.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its report is its output"
)]

mod client;
mod consume;
mod first_ack;
mod flights;
mod latency;
mod own;
mod produce;
mod topics;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Load on a broker through librdkafka, and where the command says so through our own client.
#[derive(Debug, Parser)]
struct Arguments {
    /// The broker, as host:port.
    #[arg(long)]
    broker: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Creates topics and waits until every partition has a leader.
    Topics(topics::Arguments),
    /// Produces with acks=all as fast as possible.
    Produce(produce::Arguments),
    /// Consumes a topic from its beginning to its end.
    Consume(consume::Arguments),
    /// As `produce`, with this project's own client.
    OwnProduce(produce::Arguments),
    /// As `consume`, with this project's own client.
    OwnConsume(consume::Arguments),
    /// Measures the time to acknowledgement at a fixed rate.
    Latency(latency::Arguments),
    /// Waits for a broker to acknowledge one record.
    FirstAck(first_ack::Arguments),
    /// Produces flights from a CSV file, consumes them and compares.
    Flights(flights::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<serde_json::Value> {
    let Arguments { broker, command } = arguments;
    match command {
        Command::Topics(arguments) => topics::run(&broker, &arguments),
        Command::Produce(arguments) => produce::run(&broker, &arguments),
        Command::Consume(arguments) => consume::run(&broker, &arguments),
        Command::OwnProduce(arguments) => own::produce(&broker, &arguments),
        Command::OwnConsume(arguments) => own::consume(&broker, &arguments),
        Command::Latency(arguments) => latency::run(&broker, &arguments),
        Command::FirstAck(arguments) => first_ack::run(&broker, &arguments),
        Command::Flights(arguments) => flights::run(&broker, &arguments),
    }
}
