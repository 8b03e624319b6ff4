//! Configuration as written: the `.properties` text and the `--override` flags, not yet understood.
//!
//! The text follows the rules of Java's `Properties`: `#` and `!` begin a comment line; a line
//! that ends in an odd number of backslashes continues on the next; the first unescaped `=`, `:`
//! or white space ends the key; `\t`, `\n`, `\r`, `\f` and `\u` with four hex digits are escapes
//! and any other escaped character stands for itself. Two things differ, on purpose: the file is
//! UTF-8, and a key written twice is reported (the last one wins, as in Java). Nothing here knows
//! which keys exist.

use std::fmt;

/// One `key=value` with the place it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, unescaped.
    pub key: String,
    /// The value, unescaped and trimmed.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody wrote it.
    Default,
    /// Line `line` of the properties file, counted from 1.
    File {
        /// The file, as named by the user.
        name: String,
        /// The line on which the key begins.
        line: usize,
    },
    /// An `--override key=value` flag.
    Override,
    /// A client, for all brokers, while they run.
    AllBrokers,
    /// A client, for this broker, while it runs.
    ThisBroker,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Override => f.write_str("--override"),
            Self::AllBrokers => f.write_str("set for all brokers"),
            Self::ThisBroker => f.write_str("set for this broker"),
        }
    }
}

/// A place in the text that no rule explains.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// `\u` without four hexadecimal digits after it, or naming half of a pair.
    #[error("{origin}: \\u must be followed by the four hexadecimal digits of a character")]
    Unicode {
        /// The line it stands on.
        origin: Origin,
    },
    /// An override without `=`.
    #[error("--override {text}: write it as --override key=value")]
    Override {
        /// What was written.
        text: String,
    },
}

/// Reads a properties text. `name` is the file's name for messages.
pub fn parse_properties(name: &str, text: &str) -> Result<Vec<Entry>, Vec<SyntaxError>> {
    let mut entries = Vec::new();
    let mut errors = Vec::new();
    for (line, text) in logical_lines(text) {
        let origin = Origin::File {
            name: name.to_owned(),
            line,
        };
        let (key, value) = split_entry(&text);
        match (unescape(key), unescape(value)) {
            (Some(key), Some(value)) => {
                entries.push(Entry {
                    key,
                    value: value.trim().to_owned(),
                    origin,
                });
            }
            _ => errors.push(SyntaxError::Unicode { origin }),
        }
    }
    if errors.is_empty() {
        Ok(entries)
    } else {
        Err(errors)
    }
}

/// Reads one `key=value` of the command line. Nothing is escaped there: the shell did that.
pub fn parse_override(text: &str) -> Result<Entry, SyntaxError> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok(Entry {
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
            origin: Origin::Override,
        }),
        _ => Err(SyntaxError::Override {
            text: text.to_owned(),
        }),
    }
}

/// Joins continued lines and drops comments and blank lines. Yields the number of the first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut logical: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let comment = line.is_empty() || line.starts_with(['#', '!']);
        if comment && !continues {
            continue;
        }
        let backslashes = line.bytes().rev().take_while(|byte| *byte == b'\\').count();
        let goes_on = backslashes % 2 == 1;
        let body = if goes_on {
            &line[..line.len() - 1]
        } else {
            line
        };
        match logical.last_mut() {
            Some((_, whole)) if continues => whole.push_str(body),
            _ => logical.push((index + 1, body.to_owned())),
        }
        continues = goes_on;
    }
    logical
}

/// Splits at the first unescaped separator: white space, then at most one `=` or `:`.
fn split_entry(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let separator = !escaped && (c == '=' || c == ':' || c.is_whitespace());
        escaped = c == '\\' && !escaped;
        separator
    });
    let Some(end) = end else { return (line, "") };
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, value.trim_start())
}

/// Resolves escapes. `None` when a `\u` is broken. Two `\u` may name one character, as in Java.
fn unescape(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let resolved = match c {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    units.push(hexadecimal_unit(&mut chars)?);
                    continue;
                }
                Some(other) => other,
                None => continue,
            },
            plain => plain,
        };
        units.extend_from_slice(resolved.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).ok()
}

fn hexadecimal_unit(chars: &mut std::str::Chars<'_>) -> Option<u16> {
    (0..4).try_fold(0u16, |unit, _| {
        let digit = chars.next()?.to_digit(16)?;
        Some(unit << 4 | digit as u16)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(text: &str, expected: &[(usize, &str, &str)]) {
        let entries = parse_properties("f", text).unwrap();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| match &entry.origin {
                Origin::File { line, .. } => (*line, &entry.key[..], &entry.value[..]),
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn separators_comments_and_blank_lines_follow_java() {
        check(
            "a=1\nb:2\nc 3\nd = 4\ne\t:\t5",
            &[
                (1, "a", "1"),
                (2, "b", "2"),
                (3, "c", "3"),
                (4, "d", "4"),
                (5, "e", "5"),
            ],
        );
        check(
            "# note\n\n  ! other\r\n  key = x=y:z \r\n",
            &[(4, "key", "x=y:z")],
        );
        check("alone\n=value", &[(1, "alone", ""), (2, "", "value")]);
    }

    #[test]
    fn a_backslash_at_the_end_continues_the_line_and_two_do_not() {
        check(
            "k=a,\\\n   b,\\\n   c\nn=1",
            &[(1, "k", "a,b,c"), (4, "n", "1")],
        );
        check("k=a\\\\\nn=1", &[(1, "k", "a\\"), (2, "n", "1")]);
        check(
            "k=a\\\n# still the value",
            &[(1, "k", "a# still the value")],
        );
    }

    #[test]
    fn escapes_resolve_and_escaped_separators_belong_to_the_key() {
        check(r"a\:b\=c\ d=e", &[(1, "a:b=c d", "e")]);
        check(r"k=\u00e9\ud83e\uddf5\q", &[(1, "k", "\u{e9}\u{1f9f5}q")]);
        check("k=a\\tb", &[(1, "k", "a\tb")]);
    }

    #[test]
    fn every_broken_escape_is_reported_with_its_line() {
        let errors = parse_properties("f", "a=\\u12\nb=1\nc=\\ud83e").unwrap_err();
        let shown: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert!(
            shown[0].starts_with("f:1: ") && shown[1].starts_with("f:3: "),
            "{shown:?}"
        );
    }

    #[test]
    fn an_override_splits_at_its_first_equals_sign() {
        let entry = parse_override("listeners=PLAINTEXT://h:1?a=b").unwrap();
        assert_eq!(
            (&entry.key[..], &entry.value[..]),
            ("listeners", "PLAINTEXT://h:1?a=b")
        );
        assert!(parse_override("listeners").is_err());
        assert!(parse_override("=1").is_err());
    }
}
