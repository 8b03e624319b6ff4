//! Reading a tool's options, and saying what is wrong with them in the words of Kafka's tools.
//!
//! An option may be shortened as long as it stays unambiguous, as Kafka's tools allow.

use std::{error::Error, num::ParseIntError};

use clap::{
    Command, CommandFactory, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{Outcome, output};

/// What `--version` prints: ours, and whose options these are.
pub(crate) const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (odradek, with the options of Apache Kafka 4.3)"
);

/// Reads the options of a tool. Help and version go to standard output; a mistake goes to standard
/// error with the usage.
pub(crate) fn read<P: Parser>(arguments: &[String]) -> Result<P, Outcome> {
    let mut command = completed(P::command());
    let options = command
        .try_get_matches_from_mut(arguments)
        .and_then(|mut matches| P::from_arg_matches_mut(&mut matches));
    options.map_err(|error| tell(&error, &mut command))
}

/// Refuses a combination of options that was read but makes no sense, in Kafka's words.
pub(crate) fn refuse<P: CommandFactory>(problem: &str) -> Outcome {
    let mut command = completed(P::command());
    complain(problem, &mut command);
    Outcome::Failed
}

/// A tool's command with what all tools have.
pub(crate) fn completed(command: Command) -> Command {
    command.version(VERSION).infer_long_args(true)
}

fn tell(error: &clap::Error, command: &mut Command) -> Outcome {
    match error.kind() {
        ErrorKind::DisplayVersion => {
            output::line(VERSION);
            Outcome::Done
        }
        ErrorKind::DisplayHelp => {
            output::line(error.render().to_string().trim_end());
            Outcome::Done
        }
        _ => {
            complain(&in_kafkas_words(error), command);
            Outcome::Failed
        }
    }
}

fn complain(problem: &str, command: &mut Command) {
    let usage = command.render_usage();
    let usage = usage.to_string();
    output::error(&format!(
        "{problem}\n\n{usage}\n\n--help tells of every option."
    ));
}

/// The line that Kafka's tool begins with, and below it what may have been meant.
fn in_kafkas_words(error: &clap::Error) -> String {
    let invalid = texts(error, ContextKind::InvalidArg);
    let line = match error.kind() {
        ErrorKind::MissingRequiredArgument => {
            let missing = invalid.iter().map(|option| {
                let name = bare(option);
                format!("Missing required argument \"[{name}]\"")
            });
            missing.collect::<Vec<_>>().join("\n")
        }
        ErrorKind::ArgumentConflict => {
            let others: Vec<_> = texts(error, ContextKind::PriorArg)
                .iter()
                .map(|option| format!("\"[{}]\"", bare(option)))
                .collect();
            match (invalid.first(), others.is_empty()) {
                (Some(option), false) => format!(
                    "Option \"[{}]\" can't be used with option {}",
                    bare(option),
                    others.join(", ")
                ),
                _ => plain(error),
            }
        }
        ErrorKind::UnknownArgument => match invalid.first() {
            Some(option) if option.starts_with('-') => {
                format!("{} is not a recognized option", bare(option))
            }
            _ => plain(error),
        },
        ErrorKind::ValueValidation if is_no_number(error) => {
            let value = texts(error, ContextKind::InvalidValue);
            match (value.first(), invalid.first()) {
                (Some(value), Some(option)) => {
                    format!("Cannot parse argument '{value}' of option {}", bare(option))
                }
                _ => plain(error),
            }
        }
        _ => plain(error),
    };
    match texts(error, ContextKind::SuggestedArg).first() {
        Some(suggested) => format!("{line}\ndid you mean {suggested}?"),
        None => line,
    }
}

/// Whether a value should have been a whole number.
fn is_no_number(error: &clap::Error) -> bool {
    error
        .source()
        .is_some_and(<dyn std::error::Error + 'static>::is::<ParseIntError>)
}

/// clap's own first paragraph.
fn plain(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    paragraph
        .strip_prefix("error: ")
        .unwrap_or(paragraph)
        .to_owned()
}

fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// `--topic <TOPIC>` is `topic`; a group of options, `<--a|--b>`, stays as it is.
fn bare(option: &str) -> &str {
    match option.strip_prefix("--") {
        Some(name) => name.split([' ', '=']).next().unwrap_or(name),
        None => option,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "kafka-example")]
    struct Example {
        #[arg(long)]
        topic: String,
        #[arg(long)]
        partitions: Option<i32>,
        #[arg(long, conflicts_with = "partitions")]
        list: bool,
    }

    fn problem(arguments: &[&str]) -> String {
        let mut command = completed(Example::command());
        let all = std::iter::once(&"kafka-example").chain(arguments);
        in_kafkas_words(&command.try_get_matches_from_mut(all).unwrap_err())
    }

    #[test]
    fn mistakes_are_told_as_by_kafkas_tools() {
        for (arguments, expected) in [
            (&[][..], "Missing required argument \"[topic]\""),
            (
                &["--topic", "t", "--list", "--partitions", "1"],
                "Option \"[list]\" can't be used with option \"[partitions]\"",
            ),
            (
                &["--topik", "t"],
                "topik is not a recognized option\ndid you mean --topic?",
            ),
            (
                &["--topic", "t", "--partitions", "x"],
                "Cannot parse argument 'x' of option partitions",
            ),
            (&["--topic", "t", "u"], "unexpected argument 'u' found"),
        ] {
            assert_eq!(problem(arguments), expected);
        }
    }

    #[test]
    fn an_option_may_be_shortened_while_it_is_unambiguous() {
        let arguments = ["kafka-example", "--top=t", "--part", "3"].map(str::to_owned);
        let read = read::<Example>(&arguments).unwrap();
        assert_eq!(
            (read.topic.as_str(), read.partitions, read.list),
            ("t", Some(3), false)
        );
    }
}
