//! House rules that neither rustfmt nor clippy knows, checked in seconds and without compiling.
//!
//! - [`source`]: each Rust file: module documentation, sizes of lines, functions and files.
//! - [`words`]: each text file: leftovers and paths of one machine.
//! - [`arrows`]: which crate may use which, and which module of the broker which.
//! - [`links`]: documents that point at something that is not there.
//! - [`config_keys`]: settings that nobody reads.
//!
//! Rules have no exceptions list: when one is wrong, it is changed for everybody.

#![expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the files of this repository are named by its own rules"
)]

mod arrows;
mod config_keys;
mod links;
mod source;
mod words;

use std::fs;

use anyhow::bail;

use crate::workspace;

/// One file of the repository.
struct File {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }
}

/// Collects what is wrong, as `file:line: what, and what to do`.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    /// `line` counts from 0, as iterators do; people count from 1.
    fn add(&mut self, file: &File, line: usize, what: impl AsRef<str>) {
        self.0
            .push(format!("{}:{}: {}", file.path, line + 1, what.as_ref()));
    }

    fn add_whole(&mut self, what: String) {
        self.0.push(what);
    }
}

pub(crate) fn run() -> anyhow::Result<()> {
    let files = read_files()?;
    let mut findings = Findings::default();
    for file in &files {
        words::check(file, &mut findings);
        if file.is_rust() {
            source::check(file, &mut findings);
            arrows::check_modules(file, &mut findings);
        }
        if file.is_markdown() {
            links::check(file, &mut findings);
        }
    }
    arrows::check_crates(&mut findings)?;
    config_keys::check(&files, &mut findings);
    for finding in &findings.0 {
        println!("{finding}");
    }
    match findings.0.len() {
        0 => println!("tidy: {} files", files.len()),
        count => bail!("{count} findings"),
    }
    Ok(())
}

/// Files that are text; what is not UTF-8 is data.
fn read_files() -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    for path in workspace::files()? {
        let bytes = fs::read(workspace::root().join(&path))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path, text });
        }
    }
    Ok(files)
}
