//! Writes the documents that come from the code: docs/configuration.md.
//!
//! The code itself writes it, in the test that otherwise checks it, so that there is one way to
//! make the document and xtask needs nothing of the broker.

use std::process::Command;

use crate::workspace;

pub(crate) fn run() -> anyhow::Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace::root())
        .args([
            "test",
            "--quiet",
            "--package",
            "odradek-broker",
            "--lib",
            "config::document",
        ])
        .env("ODRADEK_UPDATE_DOCS", "1");
    workspace::run(&mut command)?;
    println!("wrote docs/configuration.md");
    Ok(())
}
