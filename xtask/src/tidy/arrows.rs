//! The arrows of ARCHITECTURE.md: who may use whom.

use std::process::Command;

use anyhow::Context;
use serde::Deserialize;

use super::{File, Findings};
use crate::workspace;

/// What each package may use of our own. Tests of a package may use more.
const CRATES: &[(&str, &[&str])] = &[
    ("odradek-protocol", &[]),
    ("odradek-storage", &["odradek-protocol"]),
    ("odradek-metadata", &["odradek-protocol"]),
    ("odradek-connection", &["odradek-protocol"]),
    (
        "odradek-cli",
        &["odradek-client", "odradek-protocol", "odradek-storage"],
    ),
    (
        "odradek-client",
        &["odradek-connection", "odradek-protocol"],
    ),
    ("odradek-quorum", &[]),
    (
        "odradek-broker",
        &[
            "odradek-protocol",
            "odradek-storage",
            "odradek-metadata",
            "odradek-quorum",
        ],
    ),
    ("odradek-tests", &[]),
    ("odradek-compat-librdkafka", &[]),
    ("odradek-compat-odradek", &["odradek-client"]),
    ("odradek-load", &["odradek-client"]),
    ("xtask", &[]),
];

/// The broker's modules on the path of a request, upper ones first: each may use those below it.
const PATH: &[&str] = &["network", "api", "fetch", "replica", "disk"];

/// Modules beside the path, and those of the path that they may use.
const BESIDE: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("telemetry", &[]),
    ("clock", &[]),
    ("metadata", &[]),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

pub(super) fn check_crates(findings: &mut Findings) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace::root());
    command.args([
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--offline",
    ]);
    let metadata: Metadata =
        serde_json::from_str(&workspace::output(&mut command)?).context("read cargo metadata")?;
    let ours = |name: &str| metadata.packages.iter().any(|package| package.name == name);
    for package in &metadata.packages {
        let Some((_, allowed)) = CRATES.iter().find(|(name, _)| *name == package.name) else {
            findings.add_whole(format!(
                "{}: name it in xtask/src/tidy/arrows.rs",
                package.name
            ));
            continue;
        };
        let used = package
            .dependencies
            .iter()
            .filter(|used| used.kind.as_deref() != Some("dev"));
        for used in used.filter(|used| ours(&used.name)) {
            if !allowed.contains(&used.name.as_str()) {
                findings.add_whole(format!("{} may not use {}", package.name, used.name));
            }
        }
    }
    Ok(())
}

pub(super) fn check_modules(file: &File, findings: &mut Findings) {
    let Some(module) = module_of(&file.path) else {
        return;
    };
    let Some(allowed) = allowed(module) else {
        return;
    };
    let mut in_list = false;
    for (number, line) in file.text.lines().enumerate() {
        // What a file's own tests build around it is their business.
        if line == "#[cfg(test)]" {
            break;
        }
        let code = line.trim_start();
        if code.starts_with("//") {
            continue;
        }
        in_list = (in_list || code.starts_with("use crate::{")) && !code.starts_with("};");
        for used in PATH
            .iter()
            .filter(|used| **used != module && !allowed.contains(used))
        {
            let named = line.contains(&format!("crate::{used}::"));
            if named || in_list && code.starts_with(&format!("{used}::")) {
                findings.add(file, number, format!("{module} may not use {used}"));
            }
        }
    }
}

/// The top module of a file of the broker.
fn module_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("broker/src/")?;
    let module = inside.split('/').next()?;
    (!path.ends_with("_tests.rs")).then(|| module.trim_end_matches(".rs"))
}

fn allowed(module: &str) -> Option<&'static [&'static str]> {
    if let Some(level) = PATH.iter().position(|name| *name == module) {
        return PATH.get(level + 1..);
    }
    BESIDE
        .iter()
        .find(|(name, _)| *name == module)
        .map(|(_, allowed)| *allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, text: &str) -> usize {
        let file = File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let mut findings = Findings::default();
        check_modules(&file, &mut findings);
        findings.0.len()
    }

    #[test]
    fn lower_modules_do_not_use_upper_ones() {
        let used = "use crate::api::context::Services;\n";
        assert_eq!(check_text("broker/src/network/connection.rs", used), 0);
        assert_eq!(check_text("broker/src/replica/manager.rs", used), 1);
        assert_eq!(check_text("broker/src/clock.rs", used), 1);
        assert_eq!(check_text("broker/src/broker.rs", used), 0);
        let list = "use crate::{\n    api::context::Services,\n    disk::DiskPool,\n};\n";
        assert_eq!(check_text("broker/src/replica/manager.rs", list), 1);
        let in_tests = format!("#[cfg(test)]\n{used}");
        assert_eq!(check_text("broker/src/replica/manager.rs", &in_tests), 0);
    }
}
