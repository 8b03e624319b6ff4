//! Which tool is meant, and its options in every spelling that Kafka's tools take.

use std::path::Path;

use crate::{suggest, tools::Tool};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A tool.
    Tool(Invocation),
    /// Which tools there are.
    Help,
    /// Which version this is.
    Version,
}

/// A tool and what it was given; the first argument is its name, for messages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) tool: Tool,
    pub(crate) arguments: Vec<String>,
}

/// Which tools there are, for people.
pub(crate) fn help() -> String {
    format!("usage: odradek TOOL [OPTIONS]\ntools: {}", Tool::names())
}

/// No tool has that name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnknownTool {
    #[error("{}", help())]
    None,
    #[error(
        "odradek: there is no tool \"{name}\"{}\ntools: {}",
        suggestion(name),
        Tool::names()
    )]
    Unknown { name: String },
}

fn suggestion(name: &str) -> String {
    match suggest::nearest(without_affixes(name), Tool::all_names()) {
        Some(nearest) => format!("; did you mean {nearest}?"),
        None => String::new(),
    }
}

/// The tool is the name under which the program was started, or else its first argument.
pub(crate) fn read(arguments: Vec<String>) -> Result<Request, UnknownTool> {
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_default();
    let linked_as = Path::new(&program)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let tool = if let Some(tool) = Tool::find(without_affixes(linked_as)) {
        tool
    } else {
        let name = arguments.next().ok_or(UnknownTool::None)?;
        match name.as_str() {
            "--help" | "-h" | "help" => return Ok(Request::Help),
            "--version" | "-V" => return Ok(Request::Version),
            _ => Tool::find(without_affixes(&name)).ok_or(UnknownTool::Unknown { name })?,
        }
    };
    let name = format!("kafka-{}", tool.name());
    let arguments = arguments.map(with_two_dashes);
    Ok(Request::Tool(Invocation {
        tool,
        arguments: std::iter::once(name).chain(arguments).collect(),
    }))
}

/// `kafka-topics.sh` and `kafka-topics` are both `topics`.
fn without_affixes(name: &str) -> &str {
    let name = name.strip_prefix("kafka-").unwrap_or(name);
    name.strip_suffix(".sh").unwrap_or(name)
}

/// Kafka's tools take `-group` for `--group`.
fn with_two_dashes(argument: String) -> String {
    let mut characters = argument.chars();
    let has_one_dash = characters.next() == Some('-');
    let is_word = characters.next().is_some_and(char::is_alphabetic) && characters.next().is_some();
    if has_one_dash && is_word {
        format!("-{argument}")
    } else {
        argument
    }
}

/// Reads the value of an option that is `key=value`.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.to_owned())),
        None => Err("expected key=value".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> Result<Request, UnknownTool> {
        read(arguments.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_tool_is_the_programs_name_or_its_first_argument() {
        for arguments in [
            &["/usr/bin/odradek", "topics", "--list"][..],
            &["odradek", "kafka-topics.sh", "--list"],
            &["bin/kafka-topics.sh", "--list"],
            &["kafka-topics", "--list"],
        ] {
            let expected = Invocation {
                tool: Tool::Topics,
                arguments: ["kafka-topics", "--list"].map(str::to_owned).to_vec(),
            };
            assert_eq!(of(arguments), Ok(Request::Tool(expected)));
        }
    }

    #[test]
    fn a_name_that_no_tool_has_is_told_with_those_that_there_are() {
        let error = of(&["odradek", "topic"])
            .err()
            .map(|error| error.to_string());
        assert!(error.is_some_and(
            |text| text.contains("did you mean topics?") && text.contains("get-offsets")
        ));
        assert_eq!(of(&["odradek"]), Err(UnknownTool::None));
        assert_eq!(of(&["odradek", "--help"]), Ok(Request::Help));
        assert_eq!(of(&["odradek", "--version"]), Ok(Request::Version));
    }

    #[test]
    fn long_options_may_have_one_dash() {
        let changed = |text: &str| with_two_dashes(text.to_owned());
        assert_eq!(changed("-group"), "--group");
        for same in ["--group", "-1", "-h", "group", "-", "--"] {
            assert_eq!(changed(same), same);
        }
    }
}
