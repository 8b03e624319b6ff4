//! `odradek completions SHELL`: what makes a shell complete tools and options when Tab is pressed,
//! under `odradek` and under the names of Kafka's scripts.

use clap::Command;
use clap_complete::Shell;

use super::Tool;
use crate::{Outcome, output, usage};

/// Prints completions of odradek and of Kafka's scripts, for a shell to read.
///
/// bash: `source <(odradek completions bash)` in ~/.bashrc; zsh: the same with zsh, behind
/// compinit; fish: `odradek completions fish > ~/.config/fish/completions/odradek.fish`.
#[derive(Debug, clap::Parser)]
#[command(name = "odradek completions", bin_name = "odradek completions")]
pub(crate) struct Options {
    /// The shell.
    shell: Shell,
}

#[expect(clippy::unused_async, reason = "as every tool is run")]
pub(crate) async fn run(options: Options) -> Outcome {
    let tools = Tool::ALL
        .iter()
        .map(|tool| tool.command().name(tool.name()));
    print(
        options.shell,
        Command::new("odradek").subcommands(tools),
        "odradek",
    );
    for tool in Tool::ALL.iter().filter(|tool| **tool != Tool::Completions) {
        let name = format!("kafka-{}.sh", tool.name());
        print(options.shell, usage::completed(tool.command()), &name);
    }
    Outcome::Done
}

fn print(shell: Shell, mut command: Command, name: &str) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    output::bytes(&script);
}
