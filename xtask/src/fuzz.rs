//! A bounded run of every fuzz target of crates/protocol.
//!
//! cargo-fuzz wants a nightly compiler for its flags, not for our code: the pinned one does as well
//! when it is told so, as long as no sanitizer is asked for. Safe Rust has little use for one.

use std::{fs, path::Path, process::Command};

use anyhow::Context;

use crate::workspace;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only targets whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if !workspace::is_installed("cargo-fuzz", "--version") {
        println!("skipped: cargo-fuzz is not installed (cargo install cargo-fuzz)");
        return Ok(());
    }
    let package = workspace::root().join("crates/protocol");
    let mut targets = targets(&package.join("fuzz/fuzz_targets"))?;
    targets.retain(|target| target.contains(&arguments.only));
    for target in &targets {
        println!("fuzzing {target} for {} s", arguments.seconds);
        run_target(&package, target, arguments.seconds)?;
    }
    println!("{} targets, no crash", targets.len());
    Ok(())
}

fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        if let (Some("rs"), Some(name)) = (
            path.extension().and_then(|e| e.to_str()),
            path.file_stem().and_then(|n| n.to_str()),
        ) {
            targets.push(name.to_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

/// The corpus and findings stay in `fuzz/`, where cargo-fuzz keeps them.
fn run_target(package: &Path, target: &str, seconds: u32) -> anyhow::Result<()> {
    let mut command = Command::new("cargo-fuzz");
    command
        .current_dir(package)
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["fuzz", "run", "--sanitizer", "none", target, "--"])
        .arg(format!("-max_total_time={seconds}"))
        .args([
            "-rss_limit_mb=1024",
            "-timeout=10",
            "-print_final_stats=1",
            "-verbosity=0",
        ]);
    workspace::run(&mut command).with_context(|| format!("fuzz {target}"))
}
