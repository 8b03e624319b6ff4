//! The broker's command: flags, configuration, start, wait for a signal, stop.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::{Parser, ValueEnum};
use odradek_broker::{
    broker::Broker,
    config::{self, Surroundings},
    telemetry::logging,
};

/// A Kafka-compatible broker. Without arguments it serves 127.0.0.1:9092 from a folder of yours.
#[derive(Debug, Parser)]
#[command(name = "odradek-broker", version)]
struct Flags {
    /// The configuration, in the form of Kafka's server.properties; what it leaves out has
    /// defaults.
    #[arg(value_name = "server.properties")]
    file: Option<PathBuf>,
    /// Sets one configuration key, over the file; may be repeated.
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Who reads the log on standard error.
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
    /// What is logged: a level, or a list such as info,odradek_broker::network=debug.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log_filter: logging::Filter,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// One readable line per event.
    Text,
    /// One JSON object per line.
    Json,
}

fn main() -> ExitCode {
    match run(Instant::now(), Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(
                clippy::print_stderr,
                reason = "the last words, wherever the log may go"
            )]
            {
                eprintln!("{error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(began: Instant, flags: Flags) -> anyhow::Result<()> {
    let surroundings = Surroundings::of_this_process();
    let loaded = config::load(flags.file.as_deref(), &flags.overrides, &surroundings)?;
    let format = match flags.log_format {
        LogFormat::Text => logging::Format::Text,
        LogFormat::Json => logging::Format::Json,
    };
    logging::begin(format, flags.log_filter)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let mut broker = Broker::start(loaded.config, began)?;
    broker.wait_for_signal();
    broker.stop();
    Ok(())
}
