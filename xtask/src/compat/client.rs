//! A client program: a folder under `tests/compat`, what it needs, and how it is built.
//!
//! A folder is copied to `target/compat/build` and built there, so that what package managers
//! download and compilers write never lands beside the sources.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::{peer::Peer, process::wait_at_most, workspace};

/// What a client needs when it needs Apache Kafka's tools: not a program, but the fetched jars.
const KAFKA_TOOLS: &str = "kafka-tools";

/// For each step of a build: a network that swallows packets must not hold up the other clients.
const BUILD_LIMIT: Duration = Duration::from_mins(5);

/// `client.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// What people call it.
    pub(super) name: String,
    /// The pinned version.
    pub(super) version: String,
    /// Programs that must be on the PATH, or `kafka-tools`.
    #[serde(default)]
    needs: Vec<String>,
    /// Downloads what the build needs, or checks that it is there. Where this fails the client is
    /// skipped: a machine without a network is no reason to fail.
    prepare: Option<Vec<String>>,
    /// Compiles it, offline. Where this fails the run fails.
    build: Option<Vec<String>>,
    /// Runs one case: BOOTSTRAP PREFIX CASE are added.
    run: Vec<String>,
}

/// A client, found but not built.
#[derive(Debug)]
pub(super) struct Client {
    /// The folder's name, by which it is chosen.
    pub(super) id: String,
    pub(super) manifest: Manifest,
}

/// A client that can run cases.
#[derive(Debug)]
pub(super) struct Program {
    folder: PathBuf,
    argv: Vec<String>,
    environment: BTreeMap<&'static str, PathBuf>,
}

/// What came of building a client.
pub(super) enum Build {
    Ready(Program),
    /// Something is not there on this machine.
    Skipped(String),
}

/// The clients of these ids, sorted; all of them without an id.
pub(super) fn find(ids: &[String]) -> anyhow::Result<Vec<Client>> {
    let folder = workspace::root().join("tests/compat");
    let mut clients = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path().join("client.toml");
        if path.is_file() {
            clients.push(read(&path).with_context(|| format!("read {}", path.display()))?);
        }
    }
    clients.sort_by(|a, b| a.id.cmp(&b.id));
    if let Some(unknown) = ids
        .iter()
        .find(|id| clients.iter().all(|client| client.id != **id))
    {
        bail!("{unknown} is no folder of tests/compat with a client.toml");
    }
    clients.retain(|client| ids.is_empty() || ids.contains(&client.id));
    Ok(clients)
}

fn read(path: &Path) -> anyhow::Result<Client> {
    let manifest: Manifest = toml::from_str(&fs::read_to_string(path)?)?;
    ensure!(!manifest.run.is_empty(), "`run` is empty");
    let folder = path.parent().and_then(Path::file_name);
    let id = folder
        .context("name the folder")?
        .to_string_lossy()
        .into_owned();
    Ok(Client { id, manifest })
}

impl Client {
    /// Copies, prepares and builds it.
    ///
    /// # Errors
    ///
    /// When its own sources do not build; what a machine lacks is [`Build::Skipped`].
    pub(super) fn build(&self, logs: &Path) -> anyhow::Result<Build> {
        let mut environment = BTreeMap::new();
        for need in &self.manifest.needs {
            if need == KAFKA_TOOLS {
                match Peer::missing().map_or_else(Peer::fetch, |missing| bail!(missing)) {
                    Ok(peer) => environment.insert("KAFKA_JARS", peer.jars().to_owned()),
                    Err(error) => return Ok(Build::Skipped(format!("{error:#}"))),
                };
            } else if !is_on_path(need) {
                return Ok(Build::Skipped(format!("{need} is not installed")));
            }
        }
        let program = Program {
            folder: self.copy()?,
            argv: self.manifest.run.clone(),
            environment,
        };
        if let Some(argv) = &self.manifest.prepare {
            let log = logs.join(format!("{}.prepare.log", self.id));
            if let Err(reason) = program.finish(argv, &log)? {
                return Ok(Build::Skipped(format!("cannot be prepared: {reason}")));
            }
        }
        if let Some(argv) = &self.manifest.build {
            let log = logs.join(format!("{}.build.log", self.id));
            if let Err(reason) = program.finish(argv, &log)? {
                bail!(
                    "{} does not build: {reason} (see {})",
                    self.id,
                    log.display()
                );
            }
        }
        Ok(Build::Ready(program))
    }

    /// Brings the build folder up to date with the sources and leaves what was built there.
    fn copy(&self) -> anyhow::Result<PathBuf> {
        let prefix = format!("tests/compat/{}/", self.id);
        let build = workspace::target_folder(&format!("compat/build/{}", self.id))?;
        for file in workspace::files()? {
            let Some(name) = file.strip_prefix(&prefix) else {
                continue;
            };
            let target = build.join(name);
            let source = fs::read(workspace::root().join(&file))?;
            // An untouched file keeps its time, so that nothing is built again for it.
            if fs::read(&target).is_ok_and(|there| there == source) {
                continue;
            }
            fs::create_dir_all(target.parent().context("name the folder")?)?;
            fs::copy(workspace::root().join(&file), &target)
                .with_context(|| format!("copy {file}"))?;
        }
        Ok(build)
    }
}

impl Program {
    /// The command of one case, without its arguments.
    pub(super) fn command(&self) -> Command {
        self.start(&self.argv)
    }

    /// `{workspace}` in a word is the folder of the root manifest.
    fn start(&self, argv: &[String]) -> Command {
        let root = workspace::root().display().to_string();
        let mut words = argv.iter().map(|word| word.replace("{workspace}", &root));
        let program = words.next().unwrap_or_default();
        // A program of the folder itself is found there, one of the system on the PATH.
        let local = self.folder.join(&program);
        let mut command = if program.contains('/') && local.is_file() {
            Command::new(local)
        } else {
            Command::new(program)
        };
        command
            .args(words)
            .current_dir(&self.folder)
            .envs(&self.environment)
            .stdin(Stdio::null());
        command
    }

    /// Runs a step of the build to its end; `Err` inside holds the last line of its output.
    fn finish(&self, argv: &[String], log: &Path) -> anyhow::Result<Result<(), String>> {
        let output = fs::File::create(log)?;
        let mut command = self.start(argv);
        command
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0);
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Ok(Err(format!("{}: {error}", argv.join(" ")))),
        };
        Ok(match wait_at_most(child, BUILD_LIMIT)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => {
                let said = last_line(&fs::read_to_string(log).unwrap_or_default());
                Err(said.unwrap_or_else(|| status.to_string()))
            }
            None => Err(format!("no end within {} s", BUILD_LIMIT.as_secs())),
        })
    }
}

/// The last line with something on it.
pub(super) fn last_line(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(line.chars().take(300).collect())
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_of_the_repository_has_a_manifest_that_is_understood() {
        let clients = find(&[]).expect("the manifests are read");
        assert!(clients.iter().any(|client| client.id == "kcat"));
        assert!(find(&["no-such-client".to_owned()]).is_err());
    }

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        assert_eq!(last_line("a\n  b \n\n \n").as_deref(), Some("b"));
        assert_eq!(last_line(" \n"), None);
    }

    #[test]
    fn programs_are_looked_for_where_a_shell_would() {
        assert!(is_on_path("sh"));
        assert!(!is_on_path("no-such-program-anywhere"));
    }
}
