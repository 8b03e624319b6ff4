//! The command line: one script of commands, with both sets of tools on both brokers.
//!
//! What Apache Kafka's tools say on Apache Kafka is what the other three combinations have to say;
//! where they do not, the script lists it with a reason.
//!
//! - [`parse`]: the script
//! - [`tools`]: the two sets of tools
//! - [`play`]: one combination, from the first command to the last
//! - [`view`]: what of an output can be compared
//! - [`compare`]: what differs, and whether that is known

pub(super) mod compare;
mod parse;
mod play;
mod tools;
mod view;

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, ensure};

use self::{
    compare::{Comparison, Transcript},
    parse::Scenario,
    play::{Said, Stage},
    tools::Tools,
    view::Surroundings,
};
use super::{STOP_LIMIT, Subject, remove};
use crate::{
    broker::{Broker, Kafka, Odradek},
    peer::Peer,
    workspace,
};

/// Whose tools, on whose broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Side {
    tools: Subject,
    broker: Subject,
}

impl Side {
    /// The reference first.
    const ALL: [Self; 4] = [
        Self::new(Subject::Kafka, Subject::Kafka),
        Self::new(Subject::Odradek, Subject::Kafka),
        Self::new(Subject::Kafka, Subject::Odradek),
        Self::new(Subject::Odradek, Subject::Odradek),
    ];

    const fn new(tools: Subject, broker: Subject) -> Self {
        Self { tools, broker }
    }

    fn name(self) -> String {
        let (tools, broker) = (self.tools.name(), self.broker.name());
        format!("tools of {tools} on {broker}")
    }
}

/// Both brokers, alike in what shows in the output of tools, and without the pause in which a new
/// group waits for more members: each console consumer would wait for it.
const SETTINGS: &[&str] = &["group.initial.rebalance.delay.ms=0"];

/// What a run of the script needs.
pub(super) struct Ground {
    pub(super) peer: Peer,
    /// The broker's program.
    pub(super) odradek: PathBuf,
    /// `target/compat`.
    pub(super) folder: PathBuf,
    /// Where to look for free ports.
    pub(super) port: u16,
}

/// Plays the scenarios of these names, or all, in all combinations at the same time.
pub(super) fn run(ground: &Ground, names: &[String]) -> anyhow::Result<Comparison> {
    let mut scenarios = parse::all()?;
    compare::check_reasons(&scenarios)?;
    let unknown = |name: &&String| scenarios.iter().all(|scenario| scenario.name != **name);
    ensure!(
        !names.iter().any(|name| unknown(&name)),
        "there are: {}",
        list(&scenarios)
    );
    scenarios.retain(|scenario| names.is_empty() || names.contains(&scenario.name));
    let ours = workspace::build_debug("odradek-cli", "odradek")?;
    let ours = Tools::odradek(&ours)?;
    let theirs = Tools::kafka(ground.peer.clone())?;
    let mut port = ground.port;
    let mut places = Vec::new();
    for side in Side::ALL {
        port = super::free_ports(port)?;
        places.push((side, port));
        port += 2;
    }
    let transcripts = thread::scope(|scope| {
        let sides: Vec<_> = places
            .into_iter()
            .map(|(side, port)| {
                let tools = match side.tools {
                    Subject::Odradek => &ours,
                    Subject::Kafka => &theirs,
                };
                let scenarios = &scenarios;
                scope.spawn(move || ground.play(side, port, tools, scenarios))
            })
            .collect();
        let finished = sides
            .into_iter()
            .map(|side| side.join().expect("it does not panic"));
        finished.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let (reference, others) = transcripts
        .split_first()
        .context("the reference was played")?;
    let mut comparison = Comparison::default();
    for (number, scenario) in scenarios.iter().enumerate() {
        let found: Vec<_> = Side::ALL
            .into_iter()
            .skip(1)
            .zip(others)
            .map(|(side, transcript)| (side, of(transcript, number)))
            .collect();
        comparison.add(scenario, of(reference, number), &found);
    }
    Ok(comparison)
}

fn of(transcript: &Transcript, scenario: usize) -> &[Option<Said>] {
    transcript.get(scenario).map_or(&[], Vec::as_slice)
}

fn list(scenarios: &[Scenario]) -> String {
    let names: Vec<_> = scenarios.iter().map(|it| it.name.as_str()).collect();
    names.join(", ")
}

impl Ground {
    /// Plays everything in one combination, on a broker of its own.
    fn play(
        &self,
        side: Side,
        port: u16,
        tools: &Tools,
        scenarios: &[Scenario],
    ) -> anyhow::Result<Transcript> {
        let name = side.name();
        let data = self.folder.join(format!("data-{port}"));
        let folder = self.folder.join("script").join(name.replace(' ', "-"));
        remove(&data)?;
        remove(&folder)?;
        let log = folder.with_extension("broker.log");
        fs::create_dir_all(&folder)?;
        let broker = self.broker(side.broker, port, &data)?;
        let (running, _) = broker.start(&log).context(name.clone())?;
        let stage = Stage {
            tools,
            surroundings: Surroundings { port, data: &data },
            folder: &folder,
        };
        let begin = std::time::Instant::now();
        let mut transcript = Transcript::new();
        for scenario in scenarios {
            transcript.push(stage.play(scenario).context(name.clone())?);
        }
        println!("{name}: {} s", begin.elapsed().as_secs());
        running.terminate(STOP_LIMIT)?;
        remove(&data)?;
        let _ = fs::remove_file(data.with_extension("properties"));
        write(&folder.with_extension("txt"), scenarios, &transcript)?;
        Ok(transcript)
    }

    fn broker(&self, subject: Subject, port: u16, data: &Path) -> anyhow::Result<Broker> {
        Ok(match subject {
            Subject::Odradek => {
                let settings = [SETTINGS, &["node.id=1"]].concat();
                Broker::Odradek(Odradek::new(&self.odradek, port, data, &settings))
            }
            Subject::Kafka => Broker::Kafka(Kafka::new(self.peer.clone(), port, data, SETTINGS)?),
        })
    }
}

/// Everything that was said, for whoever wants to look.
fn write(path: &Path, scenarios: &[Scenario], transcript: &Transcript) -> anyhow::Result<()> {
    let mut text = String::new();
    for (scenario, said) in scenarios.iter().zip(transcript) {
        writeln!(text, "== {}", scenario.name)?;
        for (step, said) in scenario.steps.iter().zip(said) {
            writeln!(text, "$ {}", step.text)?;
            if let Some(said) = said {
                write!(text, "{}", said.output)?;
                writeln!(text, "[err] {}\n[{}]", said.errors, said.exit)?;
            }
        }
    }
    fs::write(path, text)?;
    Ok(())
}
