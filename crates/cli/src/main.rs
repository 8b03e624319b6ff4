//! Kafka's command-line tools in one binary.
//!
//! `odradek topics …`, or `kafka-topics …` and `kafka-topics.sh …` when it is linked under that
//! name. Names of options, output and exit codes are Apache Kafka's, so that scripts go on working.
//!
//! - `arguments`: which tool, and options in every spelling that Kafka takes
//! - `connection`: options that all tools share
//! - `json_file`: files of JSON, for options that name one
//! - `progress`: how far long work has come, on a terminal
//! - `properties_file`: files of properties, for options that name one
//! - `signals`: what asks a tool to end
//! - `suggest`: the name that may have been meant
//! - `table`: tables as Kafka's tools print them
//! - `tools`: one file per tool
//! - `topic_filter`: which topics an option means
//! - `usage`: reading their options, and saying what is wrong with them
//!
//! **Invariant:** a tool says everything through its [`Outcome`] or the standard streams; a closed
//! pipe ends it quietly.

mod arguments;
mod connection;
mod json_file;
mod output;
mod progress;
mod properties_file;
mod signals;
mod suggest;
mod table;
mod tools;
mod topic_filter;
mod usage;

use std::process::ExitCode;

use arguments::{Invocation, Request};

/// How a tool ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// As was asked for.
    Done,
    /// Not so, and everything has been said.
    Failed,
    /// As asked for by that signal.
    Signalled(i32),
}

fn main() -> ExitCode {
    let Invocation { tool, arguments } = match arguments::read(given()) {
        Ok(Request::Tool(invocation)) => invocation,
        Ok(Request::Help) => return said(&arguments::help()),
        Ok(Request::Version) => return said(usage::VERSION),
        Err(unknown) => {
            output::error(&unknown.to_string());
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error(&format!("start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(tool.run(arguments));
    output::flush();
    // Not waited for: a read of standard input cannot be called off.
    runtime.shutdown_background();
    match outcome {
        Outcome::Done => ExitCode::SUCCESS,
        Outcome::Failed => ExitCode::FAILURE,
        // As a shell tells of it.
        Outcome::Signalled(number) => {
            u8::try_from(128 + number).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

fn said(text: &str) -> ExitCode {
    output::line(text);
    output::flush();
    ExitCode::SUCCESS
}

/// What is no text becomes one that nothing is called, and is told as unknown.
fn given() -> Vec<String> {
    let arguments = std::env::args_os();
    arguments
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect()
}
