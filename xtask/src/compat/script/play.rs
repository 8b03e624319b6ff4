//! Plays the script with one set of tools on one broker.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Instant,
};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal as UnixSignal, kill_process};

use super::{
    parse::{Action, PATIENCE, Scenario, Signal, Step, Until},
    tools::Tools,
    view::Surroundings,
};
use crate::process::wait_at_most;

/// What a command said, as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// The exit code, or how else it ended.
    pub(super) exit: String,
    pub(super) output: String,
    /// The first line of standard error.
    pub(super) errors: String,
}

/// A set of tools, a broker, and a folder for what the script writes.
pub(super) struct Stage<'a> {
    pub(super) tools: &'a Tools,
    pub(super) surroundings: Surroundings<'a>,
    pub(super) folder: &'a Path,
}

/// A tool that was started and has not ended as far as the script knows.
struct Started {
    child: Child,
    files: Streams,
}

/// Where a tool's streams go.
struct Streams {
    output: PathBuf,
    errors: PathBuf,
}

/// How a tool ended, and all it said.
struct Ended {
    exit: String,
    output: String,
    errors: String,
}

impl Stage<'_> {
    /// What each step said; `None` for those that say nothing.
    pub(super) fn play(&self, scenario: &Scenario) -> anyhow::Result<Vec<Option<Said>>> {
        let folder = self.folder.join(scenario.name.replace(' ', "-"));
        fs::create_dir_all(&folder)?;
        let mut background = BTreeMap::new();
        let mut said = Vec::new();
        for step in &scenario.steps {
            let ended = self.step(step, &folder, &mut background);
            let ended = ended.with_context(|| format!("{}: {}", scenario.name, step.text))?;
            said.push(ended.map(|ended| Said {
                output: self.surroundings.output(&ended.output, &step.views),
                errors: self.surroundings.first_error(&ended.errors),
                exit: ended.exit,
            }));
        }
        ensure!(
            background.is_empty(),
            "{}: something still runs",
            scenario.name
        );
        Ok(said)
    }

    fn step(
        &self,
        step: &Step,
        folder: &Path,
        background: &mut BTreeMap<String, Started>,
    ) -> anyhow::Result<Option<Ended>> {
        Ok(match &step.action {
            Action::Run(words) => Some(self.run_until(step, words, folder)?),
            Action::Start(name, words) => {
                let started = self.start(words, step.input.as_deref(), folder, name)?;
                background.insert(name.clone(), started);
                None
            }
            Action::Stop(name, signal) => {
                let started = background
                    .remove(name)
                    .context("nothing runs under that name")?;
                let signal = match signal {
                    Signal::Interrupt => UnixSignal::INT,
                    Signal::Terminate => UnixSignal::TERM,
                };
                kill_process(Pid::from_child(&started.child), signal)?;
                Some(started.finish()?)
            }
            Action::Write(name) => {
                let text = step.text.split_once(' ').map(|(_, text)| text);
                fs::write(folder.join(name), text.unwrap_or_default())?;
                None
            }
        })
    }

    /// Runs a tool, and again until it says what is waited for.
    fn run_until(&self, step: &Step, words: &[String], folder: &Path) -> anyhow::Result<Ended> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let started = self.start(words, step.input.as_deref(), folder, "command")?;
            let mut ended = started.finish()?;
            let reached = match &step.until {
                None => true,
                Some(Until::Says(text)) => ended.output.contains(text),
                Some(Until::SaysNot(text)) => !ended.output.contains(text),
            };
            if reached {
                return Ok(ended);
            }
            if deadline < Instant::now() {
                ended
                    .output
                    .push_str("[what is waited for does not come]\n");
                return Ok(ended);
            }
        }
    }

    fn start(
        &self,
        words: &[String],
        input: Option<&str>,
        folder: &Path,
        name: &str,
    ) -> anyhow::Result<Started> {
        let files = Streams {
            output: folder.join(format!("{name}.out")),
            errors: folder.join(format!("{name}.err")),
        };
        let mut command = self.command(words)?;
        command
            .current_dir(folder)
            .stdin(match input {
                Some(_) => Stdio::piped(),
                None => Stdio::null(),
            })
            .stdout(File::create(&files.output)?)
            .stderr(File::create(&files.errors)?)
            .process_group(0);
        let mut child = command
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            // A tool that ends before it has read everything has said why.
            let _ = stdin.write_all(text.as_bytes());
        }
        Ok(Started { child, files })
    }

    /// The words of the script as a command: `B` is the option that names the broker, `DATA` the
    /// folder of its data.
    fn command(&self, words: &[String]) -> anyhow::Result<Command> {
        let (tool, rest) = words.split_first().context("name a tool")?;
        let mut command = self.tools.command(tool)?;
        let data = self.surroundings.data.display().to_string();
        for word in rest {
            if word == "B" {
                let address = format!("127.0.0.1:{}", self.surroundings.port);
                command.args(["--bootstrap-server", &address]);
            } else {
                command.arg(word.replace("DATA", &data));
            }
        }
        Ok(command)
    }
}

impl Started {
    fn finish(self) -> anyhow::Result<Ended> {
        let status = wait_at_most(self.child, PATIENCE)?;
        let read = |path: &Path| -> anyhow::Result<String> {
            Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
        };
        Ok(Ended {
            exit: status.map_or_else(|| "no end".to_owned(), exit),
            output: read(&self.files.output)?,
            errors: read(&self.files.errors)?,
        })
    }
}

/// A shell's number: a program that a signal ended has 128 more than the signal.
fn exit(status: ExitStatus) -> String {
    let code = status.code().or_else(|| Some(128 + status.signal()?));
    code.map_or_else(|| status.to_string(), |code| code.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_a_shells() {
        assert_eq!(exit(ExitStatus::from_raw(1 << 8)), "1");
        assert_eq!(exit(ExitStatus::from_raw(2)), "130");
    }
}
