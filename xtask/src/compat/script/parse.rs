//! The script: what is typed, and what is known to differ.
//!
//! Plain text under `tests/compat/script`, one thing a line, told by its first character;
//! tests/compat/script/README.md explains it to whoever writes one.

use std::{fs, time::Duration};

use anyhow::{Context, bail, ensure};

use crate::workspace;

/// Commands that belong together, with topics and groups of their own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
}

/// One line that does something, with the lines that say more about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// As written, without the first character.
    pub(super) text: String,
    pub(super) action: Action,
    /// Of standard input.
    pub(super) input: Option<String>,
    pub(super) views: Vec<View>,
    pub(super) until: Option<Until>,
    pub(super) listed: Vec<Listed>,
}

/// What a step does.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Runs a tool to its end.
    Run(Vec<String>),
    /// Starts a tool under a name of the script's.
    Start(String, Vec<String>),
    /// Sends a signal to what runs under that name, and waits for its end.
    Stop(String, Signal),
    /// Writes a file into the folder of the scenario.
    Write(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Interrupt,
    Terminate,
}

/// How standard output is looked at before it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// Lines in any order.
    Sorted,
    /// Every number is the same: times, speeds, sizes.
    Shape,
    /// Only the first line.
    Head,
    /// Not at all.
    Nothing,
}

/// Repeat a command until it says something: what it asks about takes a while.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Until {
    Says(String),
    SaysNot(String),
}

/// A difference from Apache Kafka's tools on Apache Kafka that is known and explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) whose: Whose,
    pub(super) stream: Stream,
    /// A key of reasons.toml.
    pub(super) reason: String,
}

/// With whom a difference comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whose {
    /// Our tools, on either broker.
    Tools,
    /// Our broker, under either tools.
    Broker,
}

/// What is compared of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stream {
    Exit,
    Output,
    Errors,
}

impl Stream {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Exit => "exit code",
            Self::Output => "stdout",
            Self::Errors => "stderr",
        }
    }
}

/// How long `until` may take, and a command that does not end by itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(40);

/// The scenarios of all files, those of one file in its order.
pub(super) fn all() -> anyhow::Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    for file in workspace::files()? {
        if file.starts_with("tests/compat/script/") && file.ends_with(".script") {
            let text = fs::read_to_string(workspace::root().join(&file))?;
            scenarios.extend(parse(&text).with_context(|| file)?);
        }
    }
    Ok(scenarios)
}

fn parse(text: &str) -> anyhow::Result<Vec<Scenario>> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        add(&mut scenarios, line).with_context(|| format!("line {number}: {line}"))?;
    }
    Ok(scenarios)
}

fn add(scenarios: &mut Vec<Scenario>, line: &str) -> anyhow::Result<()> {
    let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
    if mark == "==" {
        let known = scenarios.iter().any(|scenario| scenario.name == rest);
        ensure!(!known, "there is a scenario of that name");
        scenarios.push(Scenario {
            name: rest.to_owned(),
            steps: Vec::new(),
        });
        return Ok(());
    }
    if mark.is_empty() || mark == "#" {
        return Ok(());
    }
    let steps = scenarios.last_mut().map(|scenario| &mut scenario.steps);
    let steps = steps.context("it belongs to no scenario: `== NAME` begins one")?;
    if let Some(action) = action(mark, rest)? {
        steps.push(Step {
            text: rest.to_owned(),
            action,
            input: None,
            views: Vec::new(),
            until: None,
            listed: Vec::new(),
        });
        return Ok(());
    }
    let step = steps.last_mut().context("it belongs to no command")?;
    match mark {
        "<" => {
            let input = step.input.get_or_insert_default();
            input.push_str(&rest.replace("\\t", "\t"));
            input.push('\n');
        }
        "~" => look(step, rest)?,
        "?" => step.listed.push(listed(rest)?),
        _ => bail!("no line begins with {mark}"),
    }
    Ok(())
}

/// What the line does, if it is one that does something.
fn action(mark: &str, rest: &str) -> anyhow::Result<Option<Action>> {
    let named = || rest.split_once(' ').context("a name and more");
    Ok(Some(match mark {
        "$" => Action::Run(words(rest)?),
        "&" => {
            let (name, command) = named()?;
            Action::Start(name.to_owned(), words(command)?)
        }
        "!" => {
            let (name, signal) = named()?;
            let signal = match signal {
                "INT" => Signal::Interrupt,
                "TERM" => Signal::Terminate,
                _ => bail!("INT or TERM"),
            };
            Action::Stop(name.to_owned(), signal)
        }
        "@" => Action::Write(named()?.0.to_owned()),
        _ => return Ok(None),
    }))
}

fn look(step: &mut Step, how: &str) -> anyhow::Result<()> {
    match how.split_once(' ') {
        Some(("until", text)) => step.until = Some(Until::Says(text.to_owned())),
        Some(("until-not", text)) => step.until = Some(Until::SaysNot(text.to_owned())),
        _ => step.views.push(match how {
            "sorted" => View::Sorted,
            "shape" => View::Shape,
            "head" => View::Head,
            "nothing" => View::Nothing,
            _ => bail!("sorted, shape, head, nothing, until TEXT or until-not TEXT"),
        }),
    }
    Ok(())
}

fn listed(text: &str) -> anyhow::Result<Listed> {
    let words: Vec<_> = text.split_whitespace().collect();
    let [whose, stream, reason] = words[..] else {
        bail!("WHOSE STREAM REASON")
    };
    Ok(Listed {
        whose: match whose {
            "tools" => Whose::Tools,
            "broker" => Whose::Broker,
            _ => bail!("tools or broker"),
        },
        stream: match stream {
            "exit" => Stream::Exit,
            "stdout" => Stream::Output,
            "stderr" => Stream::Errors,
            _ => bail!("exit, stdout or stderr"),
        },
        reason: reason.to_owned(),
    })
}

/// Words as a shell tells them apart, with quotes of both kinds and without anything else.
fn words(text: &str) -> anyhow::Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in text.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    ensure!(quote.is_none(), "a quote is not closed");
    words.extend(word);
    ensure!(!words.is_empty(), "name a tool");
    Ok(words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_scenario_of_the_repository_is_understood() {
        assert!(!all().unwrap().is_empty());
    }

    #[test]
    fn a_command_comes_with_what_is_said_about_it() {
        let text = "# how\n\n== one\n$ topics B --topic 'a b'\n< 1\\t2\n~ sorted\n~ until a b\n\
                    ? tools stderr log-line\n! member INT\n";
        let scenarios = parse(text).unwrap();
        let [command, stop] = &scenarios[0].steps[..] else {
            panic!("{scenarios:?}")
        };
        let expected = ["topics", "B", "--topic", "a b"].map(str::to_owned);
        assert_eq!(command.action, Action::Run(expected.to_vec()));
        assert_eq!(command.input.as_deref(), Some("1\t2\n"));
        assert_eq!(command.views, [View::Sorted]);
        assert_eq!(command.until, Some(Until::Says("a b".to_owned())));
        assert_eq!(command.listed[0].whose, Whose::Tools);
        let expected = Action::Stop("member".to_owned(), Signal::Interrupt);
        assert_eq!(stop.action, expected);
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        for text in ["$ topics", "== a\n< x", "== a\n$ t\n~ odd", "== a\n$ 'x"] {
            let error = parse(text).unwrap_err();
            assert!(error.to_string().starts_with("line "), "{error}");
        }
    }

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(words("a 'b c'd \"\"").unwrap(), ["a", "b cd", ""]);
    }
}
