//! Documents: a link or a named file that is not there misleads the reader who needs it most.
//!
//! Checked are relative links, and in the documents about the whole repository also the file names
//! in backticks that look like paths of it.
//! Addresses on the net are not followed.

use std::path::Path;

use super::{File, Findings};
use crate::workspace;

pub(super) fn check(file: &File, findings: &mut Findings) {
    let folder = Path::new(&file.path)
        .parent()
        .unwrap_or_else(|| Path::new(""));
    for (number, line) in file.text.lines().enumerate() {
        for link in links(line) {
            let path = link.split('#').next().unwrap_or_default();
            let outside = link.contains("://") || link.starts_with("mailto:");
            if !outside && !path.is_empty() && !workspace::root().join(folder).join(path).exists() {
                findings.add(file, number, format!("the link {link} leads nowhere"));
            }
        }
        let about_the_whole = !file.path.contains('/') || file.path.starts_with("docs/");
        for path in paths_in_code(line).filter(|_| about_the_whole) {
            if !workspace::root().join(path).exists() {
                findings.add(file, number, format!("there is no {path}"));
            }
        }
    }
}

/// The targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

/// Backticked words that are paths below a folder of the root, such as `broker/src/main.rs`.
fn paths_in_code(line: &str) -> impl Iterator<Item = &str> {
    let is_path = |word: &&str| {
        let below_root = [
            "broker/", "crates/", "config/", "docs/", "tests/", "xtask/", "bin/",
        ];
        let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
        below_root.iter().any(|folder| word.starts_with(folder)) && word.chars().all(plain)
    };
    line.split('`').skip(1).step_by(2).filter(is_path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_paths_are_found_in_a_line() {
        let line =
            "See [a](b.md#c) and [d](https://e), `xtask/src/main.rs`, `crates/*/src`, `x/y`.";
        assert_eq!(links(line).collect::<Vec<_>>(), ["b.md#c", "https://e"]);
        assert_eq!(
            paths_in_code(line).collect::<Vec<_>>(),
            ["xtask/src/main.rs"]
        );
    }
}
