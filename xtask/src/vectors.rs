//! Runs tests/vectors/Vectors.java: what Apache Kafka's Java client computes, for tests to compare.

use std::process::Command;

use crate::{peer::Peer, workspace};

pub(crate) fn run() -> anyhow::Result<()> {
    let peer = Peer::fetch()?;
    let folder = workspace::root().join("tests/vectors");
    let mut command = Command::new("java");
    command
        .arg("-cp")
        .arg(format!("{}/*", peer.jars().display()))
        .arg(folder.join("Vectors.java"))
        .arg(&folder);
    workspace::run(&mut command)
}
