//! Offsets as lines of a file: `--export` writes them, `--from-file` reads them. Pure.
//!
//! A line is `topic,partition,offset`, or `group,topic,partition,offset` where there are several
//! groups. A group's name may hold anything: one with a comma or a quote stands in quotes.

use std::collections::BTreeMap;

use odradek_client::admin::{group_offsets::ByPartition, offsets::TopicPartition};

/// The new offsets of each group.
pub(super) type Plans = BTreeMap<String, ByPartition<i64>>;

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FileError {
    #[error("line {0}: expected topic,partition,offset or group,topic,partition,offset")]
    Line(usize),
    #[error("line {0}: expected group,topic,partition,offset, as there are several groups")]
    NoGroup(usize),
    #[error("line {0}: this partition has an offset already")]
    Twice(usize),
}

/// Reads a file. Lines without a group are those of `only`, if there is only one.
pub(super) fn parse(text: &str, only: Option<&str>) -> Result<Plans, FileError> {
    let mut plans = Plans::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() {
            continue;
        }
        let fields = fields(line).ok_or(FileError::Line(number))?;
        let (group, position) = match fields.as_slice() {
            [topic, partition, offset] => {
                let group = only.ok_or(FileError::NoGroup(number))?;
                (group, position(topic, partition, offset))
            }
            [group, topic, partition, offset] => {
                (group.as_str(), position(topic, partition, offset))
            }
            _ => return Err(FileError::Line(number)),
        };
        let (partition, offset) = position.ok_or(FileError::Line(number))?;
        let plan = plans.entry(group.to_owned()).or_default();
        let previous = plan.insert(partition, offset);
        if previous.is_some() {
            return Err(FileError::Twice(number));
        }
    }
    Ok(plans)
}

fn position(topic: &str, partition: &str, offset: &str) -> Option<(TopicPartition, i64)> {
    let partition = partition.trim().parse().ok().filter(|it| 0 <= *it)?;
    Some(((topic.to_owned(), partition), offset.trim().parse().ok()?))
}

/// The fields of a line; nothing if quotes are not closed, or closed in the middle of a field.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = if let Some(quoted) = rest.strip_prefix('"') {
            unquoted(quoted)?
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (field, after) = rest.split_at(end);
            (field.to_owned(), after)
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(fields),
        }
    }
}

/// What stands before the closing quote, and what follows it.
fn unquoted(mut rest: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    loop {
        let (text, after) = rest.split_once('"')?;
        field.push_str(text);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Some((field, after)),
        }
    }
}

/// Writes a file, with the groups if there may be several.
pub(super) fn format(plans: &Plans, with_group: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for (group, plan) in plans {
        for ((topic, partition), offset) in plan {
            let position = format!("{topic},{partition},{offset}");
            lines.push(if with_group {
                format!("{},{position}", quoted(group))
            } else {
                position
            });
        }
    }
    lines
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn plans(of: &[(&str, &str, i32, i64)]) -> Plans {
        let mut plans = Plans::new();
        for &(group, topic, partition, offset) in of {
            let plan = plans.entry(group.to_owned()).or_default();
            plan.insert((topic.to_owned(), partition), offset);
        }
        plans
    }

    #[test]
    fn what_was_written_is_read_again_with_groups_or_without() {
        let several = plans(&[("a", "t", 0, 3), ("a", "t", 1, 4), ("a,\"b\"", "u", 0, 0)]);
        let lines = format(&several, true);
        assert_eq!(lines, ["a,t,0,3", "a,t,1,4", "\"a,\"\"b\"\"\",u,0,0"]);
        assert_eq!(parse(&lines.join("\n"), None), Ok(several));
        let one = plans(&[("g", "t", 0, 3)]);
        let lines = format(&one, false);
        assert_eq!(lines, ["t,0,3"]);
        assert_eq!(parse(&lines.join("\n"), Some("g")), Ok(one));
    }

    #[test]
    fn empty_lines_and_blanks_around_numbers_do_no_harm() {
        let read = parse("t, 0, -4\r\n\r\nh,t,1,5\n\n", Some("g"));
        assert_eq!(read, Ok(plans(&[("g", "t", 0, -4), ("h", "t", 1, 5)])));
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named() {
        for (text, error) in [
            ("t,0,1\nt,0", FileError::Line(2)),
            ("t,x,1", FileError::Line(1)),
            ("t,-1,1", FileError::Line(1)),
            ("t,0,", FileError::Line(1)),
            ("g,t,0,1,2", FileError::Line(1)),
            ("\"g,t,0,1", FileError::Line(1)),
            ("\"g\"x,t,0,1", FileError::Line(1)),
            ("t,0,1\nt,0,2", FileError::Twice(2)),
        ] {
            assert_eq!(parse(text, Some("g")), Err(error), "{text}");
        }
        assert_eq!(parse("t,0,1", None), Err(FileError::NoGroup(1)));
    }
}
