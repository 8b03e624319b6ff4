//! The workspace on disk: paths, its files, the programs built from it, tools it needs.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};

/// The folder of the root manifest.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the workspace")
}

/// A folder under `target/` for downloads and runs, created if needed.
pub(crate) fn target_folder(name: &str) -> anyhow::Result<PathBuf> {
    let folder = root().join("target").join(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder)
}

/// Every file of the repository as it would be committed now, relative to the root, sorted.
pub(crate) fn files() -> anyhow::Result<Vec<String>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let mut command = Command::new("git");
    let listing = output(command.current_dir(root()).args(arguments))?;
    let mut files: Vec<String> = listing.lines().map(str::to_owned).collect();
    // Deleted, and not yet committed as such.
    files.retain(|file| root().join(file).is_file());
    files.sort();
    files.dedup();
    Ok(files)
}

/// Builds a package optimised and returns the path of its program.
pub(crate) fn build_release(package: &str, program: &str) -> anyhow::Result<PathBuf> {
    build(package, &["--release"])?;
    Ok(root().join("target/release").join(program))
}

/// Builds a package as the tests do and returns the path of its program.
pub(crate) fn build_debug(package: &str, program: &str) -> anyhow::Result<PathBuf> {
    build(package, &[])?;
    Ok(root().join("target/debug").join(program))
}

fn build(package: &str, flags: &[&str]) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(root())
        .args(["build", "--quiet", "--package", package])
        .args(flags);
    run(&mut command)
}

/// Runs a command to its end with our own input and output.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("start {command:?}"))?;
    ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

/// Runs a command to its end and returns what it printed.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .output()
        .with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed: {}\n{errors}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program can be started at all.
pub(crate) fn is_installed(program: &str, version_flag: &str) -> bool {
    Command::new(program)
        .arg(version_flag)
        .output()
        .is_ok_and(|output| output.status.success())
}
