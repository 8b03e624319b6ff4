//! The test of a full disk on a real one: an ext4 of 64 MiB on a loop device.
//!
//! It is mounted in a mount namespace that ends with the test, so nothing stays mounted, whatever
//! happens. That needs root and loop devices; without them it says what is missing and skips.

use std::{
    fs::File,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use crate::workspace;

const DISK_BYTES: u64 = 64 << 20;

/// Mounts the image `$1` on the folder `$0` and becomes the rest of the arguments.
const MOUNT_AND_RUN: &str = r#"mount -o loop "$1" "$0" && shift && exec "$@""#;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Fails where it would skip.
    #[arg(long)]
    require: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = workspace::target_folder("full-disk")?;
    let (image, mount) = (folder.join("disk.img"), folder.join("mount"));
    if let Err(missing) = prepare(&image, &mount) {
        ensure!(!arguments.require, "{missing:#}");
        println!("skipped the test of a full disk: {missing:#}");
        return Ok(());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", MOUNT_AND_RUN])
        .args([&mount, &image])
        .arg(cargo)
        .args(["test", "--quiet", "--package", "odradek-tests"])
        .args(["--test", "integration", "full_disk::", "--", "--nocapture"])
        .env("ODRADEK_FULL_DISK", &mount);
    let tested = workspace::run(&mut command);
    std::fs::remove_file(&image)?;
    tested
}

/// Makes the disk, and finds out whether it can be mounted.
fn prepare(image: &Path, mount: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(mount)?;
    File::create(image)?.set_len(DISK_BYTES)?;
    let mut make = Command::new("mkfs.ext4");
    quietly(make.arg("-q").arg(image)).context("mkfs.ext4 made no file system")?;
    let mut attempt = Command::new("unshare");
    attempt.args(["--mount", "sh", "-c", MOUNT_AND_RUN]);
    quietly(attempt.args([mount, image]).arg("true"))
        .context("a loop device cannot be mounted here (it takes root)")
}

fn quietly(command: &mut Command) -> anyhow::Result<()> {
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status()?;
    ensure!(status.success(), "{status}");
    Ok(())
}
