//! Programs of this workspace, built for the tests that run them.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The program that the variable names, or else the package's `binary`, built with the same profile
/// as this test.
///
/// Cargo builds the binaries of a package only for that package's own tests, so it is asked here;
/// when nothing has changed that costs a fraction of a second.
///
/// # Panics
/// When it cannot be built.
pub(crate) fn find(variable: &str, package: &str, binary: &str) -> PathBuf {
    if let Some(path) = env::var_os(variable) {
        return PathBuf::from(path);
    }
    let test = env::current_exe().expect("a running program knows its file");
    let profile_dir = test
        .ancestors()
        .find(|dir| dir.ends_with("debug") || dir.ends_with("release"))
        .expect("tests run inside the target directory");
    let mut build = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--package", package]);
    if profile_dir.ends_with("release") {
        build.arg("--release");
    }
    let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(
        built.is_ok_and(|status| status.success()),
        "{package} cannot be built"
    );
    profile_dir.join(binary)
}

/// The command-line tools: the binary that `ODRADEK_CLI` names, or else the workspace's own.
pub fn cli() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| find("ODRADEK_CLI", "odradek-cli", "odradek"))
}
