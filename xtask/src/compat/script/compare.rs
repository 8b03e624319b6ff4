//! What differs from Apache Kafka's tools on Apache Kafka, and whether that is known.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};

use super::{
    Side,
    parse::{Listed, Scenario, Step, Stream, Whose},
    play::Said,
};
use crate::{compat::Subject, workspace};

/// What each step of each scenario said to one combination.
pub(super) type Transcript = Vec<Vec<Option<Said>>>;

/// One stream of one command that is not as it is with Apache Kafka alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) scenario: String,
    pub(super) command: String,
    pub(super) side: Side,
    pub(super) stream: Stream,
    pub(super) expected: String,
    pub(super) found: String,
}

/// The outcome of all combinations.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// Commands that were compared.
    pub(super) commands: usize,
    /// Those that no list explains.
    pub(super) unknown: Vec<Difference>,
    /// What is listed and was not seen.
    pub(super) stale: Vec<String>,
    /// The commands of each reason that was seen, and with whom the difference comes.
    pub(super) known: BTreeMap<String, BTreeSet<(Whose, Stream, String)>>,
}

impl Comparison {
    /// Compares one scenario.
    pub(super) fn add(
        &mut self,
        scenario: &Scenario,
        expected: &[Option<Said>],
        found: &[(Side, &[Option<Said>])],
    ) {
        for (number, step) in scenario.steps.iter().enumerate() {
            let Some(Some(expected)) = expected.get(number) else {
                continue;
            };
            self.commands += 1;
            let mut seen = BTreeSet::new();
            for (side, said) in found {
                let Some(Some(said)) = said.get(number) else {
                    continue;
                };
                for (stream, expected, found) in streams(expected, said) {
                    if expected == found {
                        continue;
                    }
                    let listed = step.listed.iter().filter(|it| explains(it, *side, stream));
                    let mut listed = listed.peekable();
                    if listed.peek().is_none() {
                        self.unknown.push(Difference {
                            scenario: scenario.name.clone(),
                            command: step.text.clone(),
                            side: *side,
                            stream,
                            expected: expected.to_owned(),
                            found: found.to_owned(),
                        });
                    }
                    seen.extend(listed.map(|it| (it.whose, it.stream, it.reason.clone())));
                }
            }
            self.settle(scenario, step, seen);
        }
    }

    fn settle(
        &mut self,
        scenario: &Scenario,
        step: &Step,
        seen: BTreeSet<(Whose, Stream, String)>,
    ) {
        for listed in &step.listed {
            let key = (listed.whose, listed.stream, listed.reason.clone());
            if !seen.contains(&key) {
                let (stream, reason) = (listed.stream.name(), &listed.reason);
                self.stale.push(format!(
                    "{}: $ {}: {stream} is listed with \"{reason}\" and does not differ",
                    scenario.name, step.text
                ));
            }
        }
        for (whose, stream, reason) in seen {
            let commands = self.known.entry(reason).or_default();
            commands.insert((whose, stream, step.text.clone()));
        }
    }

    /// How much is not as it should be.
    pub(crate) fn failures(&self) -> usize {
        self.unknown.len() + self.stale.len()
    }

    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        let mut lines = Vec::new();
        // Two combinations often differ in the same way.
        let mut alike: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for it in &self.unknown {
            let key = (
                &it.scenario,
                &it.command,
                it.stream,
                &it.expected,
                &it.found,
            );
            alike.entry(key).or_default().push(it.side.name());
        }
        for ((scenario, command, stream, expected, found), sides) in alike {
            let (sides, stream) = (sides.join(", "), stream.name());
            lines.push(format!("{scenario}: $ {command}\n  {stream}, {sides}:"));
            lines.extend(excerpt("-", expected, found));
            lines.extend(excerpt("+", found, expected));
        }
        lines.extend(self.stale.iter().cloned());
        lines.push(format!(
            "{} commands with two sets of tools on two brokers: {} known differences, {} others",
            self.commands,
            self.known.values().map(BTreeSet::len).sum::<usize>(),
            self.failures(),
        ));
        lines.join("\n")
    }

    /// For docs/compatibility.md.
    pub(crate) fn markdown(&self) -> anyhow::Result<String> {
        let reasons = reasons()?;
        let mut text = format!(
            "{} commands, each with Apache Kafka's tools and with ours, on both brokers. Compared \
             are standard output, the exit code and the first line of standard error. All are the \
             same but these:\n\n",
            self.commands
        );
        for (name, commands) in &self.known {
            let reason = reasons.get(name);
            let reason = reason.with_context(|| format!("{name} is not in reasons.toml"))?;
            let examples: BTreeSet<_> = commands.iter().map(|(.., command)| command).collect();
            text.extend(["- ", reason.trim(), "\n"]);
            for example in examples {
                text.extend(["    - `", example, "`\n"]);
            }
        }
        Ok(text)
    }
}

/// Whether that is where and how the difference shows.
fn explains(listed: &Listed, side: Side, stream: Stream) -> bool {
    let concerned = match listed.whose {
        Whose::Tools => side.tools == Subject::Odradek,
        Whose::Broker => side.broker == Subject::Odradek,
    };
    concerned && listed.stream == stream
}

fn streams<'a>(expected: &'a Said, found: &'a Said) -> [(Stream, &'a str, &'a str); 3] {
    [
        (Stream::Exit, &expected.exit, &found.exit),
        (Stream::Output, &expected.output, &found.output),
        (Stream::Errors, &expected.errors, &found.errors),
    ]
}

/// The sentences of reasons.toml.
pub(super) fn reasons() -> anyhow::Result<BTreeMap<String, String>> {
    let path = workspace::root().join("tests/compat/script/reasons.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(toml::from_str(&text)?)
}

/// Every reason that a scenario gives has a sentence, and every sentence is used.
pub(super) fn check_reasons(scenarios: &[Scenario]) -> anyhow::Result<()> {
    let reasons = reasons()?;
    let steps = scenarios.iter().flat_map(|scenario| &scenario.steps);
    let used: BTreeSet<_> = steps
        .flat_map(|step| &step.listed)
        .map(|it| &it.reason)
        .collect();
    let known: BTreeSet<_> = reasons.keys().collect();
    let odd: Vec<_> = used.symmetric_difference(&known).collect();
    ensure!(odd.is_empty(), "given or explained, but not both: {odd:?}");
    Ok(())
}

/// The first lines of a text that the other one has not; all of them if only their order differs.
fn excerpt(mark: &str, text: &str, other: &str) -> Vec<String> {
    const LINES_MAX: usize = 8;
    let others: BTreeSet<_> = other.lines().collect();
    let mut lines: Vec<_> = text.lines().filter(|line| !others.contains(line)).collect();
    if lines.is_empty() {
        lines = text.lines().collect();
    }
    let lines = lines.into_iter().take(LINES_MAX);
    lines.map(|line| format!("    {mark} {line}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::compat::script::parse::{Action, View};

    const OURS: Side = Side {
        tools: Subject::Odradek,
        broker: Subject::Kafka,
    };

    fn scenario(listed: &[Listed]) -> Scenario {
        let step = Step {
            text: "topics B --list".to_owned(),
            action: Action::Run(vec!["topics".to_owned()]),
            input: None,
            views: Vec::<View>::new(),
            until: None,
            listed: listed.to_vec(),
        };
        Scenario {
            name: "topics".to_owned(),
            steps: vec![step],
        }
    }

    fn said(output: &str) -> Vec<Option<Said>> {
        vec![Some(Said {
            exit: "0".to_owned(),
            output: output.to_owned(),
            errors: String::new(),
        })]
    }

    fn compare(listed: &[Listed], found: &str) -> Comparison {
        let mut comparison = Comparison::default();
        comparison.add(&scenario(listed), &said("a\n"), &[(OURS, &said(found))]);
        comparison
    }

    fn listed(whose: Whose) -> Listed {
        Listed {
            whose,
            stream: Stream::Output,
            reason: "order".to_owned(),
        }
    }

    #[test]
    fn a_difference_that_nobody_listed_is_a_failure() {
        assert_eq!(compare(&[], "a\n").failures(), 0);
        let comparison = compare(&[], "b\n");
        assert_eq!(comparison.failures(), 1);
        assert!(comparison.text().contains("+ b"));
    }

    #[test]
    fn a_listed_difference_is_known_where_it_is_listed() {
        let comparison = compare(&[listed(Whose::Tools)], "b\n");
        assert_eq!((comparison.failures(), comparison.known.len()), (0, 1));
        // The difference is that of the tools: our broker has no part in it.
        assert_eq!(compare(&[listed(Whose::Broker)], "b\n").unknown.len(), 1);
    }

    #[test]
    fn a_list_that_is_longer_than_the_differences_is_a_failure() {
        assert_eq!(compare(&[listed(Whose::Tools)], "a\n").stale.len(), 1);
    }

    #[test]
    fn every_reason_has_its_sentence() {
        check_reasons(&super::super::parse::all().unwrap()).unwrap();
    }
}
