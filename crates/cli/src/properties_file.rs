//! Files of properties as Java's programs write and read them: `key=value`, comments, lines that go
//! on after a backslash, escapes.
//!
//! **Invariant:** what cannot be read is an error that names the line, never a guess.

use std::fs;

use odradek_client::Properties;

/// The entries of a file, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PropertiesFile(pub(crate) Vec<(String, String)>);

impl PropertiesFile {
    /// Sets the entries over what is there.
    pub(crate) fn over(&self, properties: Properties) -> Properties {
        let entries = self.0.iter();
        entries.fold(properties, |all, (key, value)| all.with(key, value))
    }
}

/// Reads the file that an option names.
pub(crate) fn read(path: &str) -> Result<PropertiesFile, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("read the file: {error}"))?;
    parse(&text).map(PropertiesFile)
}

fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut entries = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let mut whole = line.trim_start().to_owned();
        if whole.is_empty() || whole.starts_with(['#', '!']) {
            continue;
        }
        while goes_on(&whole) {
            whole.pop();
            match lines.next() {
                Some((_, next)) => whole.push_str(next.trim_start()),
                None => break,
            }
        }
        let entry = entry(&whole).map_err(|problem| format!("line {}: {problem}", index + 1))?;
        entries.push(entry);
    }
    Ok(entries)
}

/// An odd number of backslashes at the end: the last one escapes the end of the line.
fn goes_on(line: &str) -> bool {
    let backslashes = line
        .chars()
        .rev()
        .take_while(|&character| character == '\\');
    backslashes.count() % 2 == 1
}

/// The key ends at the first `=`, `:` or blank that is not escaped.
fn entry(line: &str) -> Result<(String, String), String> {
    let mut escaped = false;
    let end = line.char_indices().find(|&(_, character)| {
        let ends = !escaped && (matches!(character, '=' | ':') || character.is_whitespace());
        escaped = !escaped && character == '\\';
        ends
    });
    let (key, rest) = line.split_at(end.map_or(line.len(), |(at, _)| at));
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start();
    Ok((unescaped(key)?, unescaped(value)?))
}

fn unescaped(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok();
                let character = code.filter(|_| digits.len() == 4).and_then(char::from_u32);
                plain.push(character.ok_or_else(|| format!("\\u{digits} is no character"))?);
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let entries = parse(text).unwrap();
        let entries: Vec<_> = entries
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(entries, expected, "{text}");
    }

    #[test]
    fn entries_are_read_as_java_reads_them() {
        check(
            "a=1\n\n# no=1\n  ! no=2\nb = 2 \r\nc: 3\nd 4\ne",
            &[("a", "1"), ("b", "2 "), ("c", "3"), ("d", "4"), ("e", "")],
        );
        check(
            "servers=a:1,\\\n    b:2\nnext=x",
            &[("servers", "a:1,b:2"), ("next", "x")],
        );
        check(r"key.separator=\u003a", &[("key.separator", ":")]);
        check(r"tab=\t", &[("tab", "\t")]);
        check(r"a\=b=c=d", &[("a=b", "c=d")]);
        check(r"path=C:\\x\\", &[("path", r"C:\x\")]);
    }

    #[test]
    fn an_escape_that_is_no_character_is_told_with_its_line() {
        let error = parse("a=1\nb=\\u00").unwrap_err();
        assert_eq!(error, "line 2: \\u00 is no character");
        assert!(
            read("/no/such/file")
                .unwrap_err()
                .starts_with("read the file: ")
        );
    }
}
