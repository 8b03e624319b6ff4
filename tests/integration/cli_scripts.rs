//! The scripts of `bin/`, under the names of Kafka's, as a tutorial calls them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use odradek_tests::{broker, port, program};
use tempfile::TempDir;

/// A folder to work in, with the programs where `ODRADEK_BIN_DIR` says.
struct Desk {
    directory: TempDir,
    address: String,
}

impl Desk {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let programs = directory.path().join("programs");
        fs::create_dir(&programs).unwrap();
        symlink(program::cli(), programs.join("odradek")).unwrap();
        symlink(broker::binary(), programs.join("odradek-broker")).unwrap();
        let address = format!("127.0.0.1:{}", port::unused());
        let config = format!(
            "node.id=1\nlisteners=PLAINTEXT://{address}\nadmin.listener=\nlog.dirs={}\n",
            directory.path().join("data").display()
        );
        fs::write(directory.path().join("server.properties"), config).unwrap();
        Self { directory, address }
    }

    /// Runs a script from the folder to its end. Its output goes to files: a pipe would be held
    /// open by a broker that it leaves behind.
    fn run(&self, script: &Path, arguments: &[&str]) -> (i32, String, String) {
        let path = |name: &str| self.directory.path().join(name);
        let (out, error) = (path("out"), path("error"));
        let status = self
            .command(script)
            .args(arguments)
            .stdout(fs::File::create(&out).unwrap())
            .stderr(fs::File::create(&error).unwrap())
            .status();
        let text = |path| fs::read_to_string(path).unwrap();
        (status.unwrap().code().unwrap(), text(out), text(error))
    }

    fn command(&self, script: &Path) -> Command {
        let mut command = Command::new(script);
        command
            .current_dir(self.directory.path())
            .env("ODRADEK_BIN_DIR", self.directory.path().join("programs"))
            .env("LOG_DIR", self.directory.path().join("logs"))
            .stdin(Stdio::null());
        command
    }

    fn topics(&self) -> (i32, String, String) {
        let arguments = ["--bootstrap-server", &self.address, "--list"];
        self.run(&script("kafka-topics.sh"), &arguments)
    }
}

impl Drop for Desk {
    /// A failed test leaves no broker behind.
    fn drop(&mut self) {
        let _: std::io::Result<Output> = self.command(&script("kafka-server-stop.sh")).output();
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../bin")
        .join(name)
}

#[test]
fn a_daemon_is_ready_when_its_script_ends_and_gone_when_it_was_stopped() {
    let desk = Desk::new();
    let start = script("kafka-server-start.sh");
    let arguments = [
        "-daemon",
        "server.properties",
        "--override",
        "num.partitions=3",
    ];
    let (code, out, error) = desk.run(&start, &arguments);
    assert_eq!(code, 0, "{out}{error}");
    let log = desk.directory.path().join("logs/broker.log");
    assert!(out.contains(log.to_str().unwrap()), "{out}");
    assert!(out.contains("is ready"), "{out}");
    let (code, out, error) = desk.topics();
    assert_eq!((code, out.as_str()), (0, "\n"), "{error}");

    let (code, _, error) = desk.run(&start, &arguments);
    assert_eq!(code, 1);
    assert!(error.contains("did not start"), "{error}");
    assert!(error.contains("in use by another"), "{error}");

    let stop = script("kafka-server-stop.sh");
    let (code, out, error) = desk.run(&stop, &[]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("has stopped"), "{out}");
    assert!(fs::read_to_string(log).unwrap().contains("stopped in"));
    let (code, out, _) = desk.run(&stop, &[]);
    assert_eq!((code, out.as_str()), (1, "No kafka server to stop\n"));
}

#[test]
fn a_start_that_fails_says_why() {
    let desk = Desk::new();
    let arguments = [
        "-daemon",
        "server.properties",
        "--override",
        "num.partitons=3",
    ];
    let (code, _, error) = desk.run(&script("kafka-server-start.sh"), &arguments);
    assert_eq!(code, 1);
    assert!(error.contains("num.partitions"), "{error}");
}

#[test]
fn scripts_work_through_links_and_say_where_they_looked_for_their_program() {
    let desk = Desk::new();
    let link = desk.directory.path().join("topics");
    symlink(script("kafka-topics.sh"), &link).unwrap();
    let (code, out, _) = desk.run(&link, &["--help"]);
    assert_eq!(code, 0);
    assert!(out.contains("Usage: kafka-topics"), "{out}");

    fs::remove_file(desk.directory.path().join("programs/odradek")).unwrap();
    let (code, out, error) = desk.run(&link, &["--help"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.contains("ODRADEK_BIN_DIR"), "{error}");
}

#[test]
fn there_is_a_script_for_every_tool() {
    let desk = Desk::new();
    let (_, help, _) = desk.run(program::cli(), &["--help"]);
    let tools = help.rsplit("tools: ").next().unwrap().trim().split(", ");
    for tool in tools.filter(|tool| *tool != "completions") {
        let path = script(&format!("kafka-{tool}.sh"));
        let (code, out, error) = desk.run(&path, &["--version"]);
        assert_eq!(code, 0, "{}: {error}", path.display());
        assert!(out.starts_with(env!("CARGO_PKG_VERSION")), "{out}");
    }
}

#[test]
fn old_tutorials_are_told_what_they_need_no_more() {
    let desk = Desk::new();
    let (code, out, _) = desk.run(
        &script("zookeeper-server-start.sh"),
        &["zookeeper.properties"],
    );
    assert_eq!((code, out.lines().count()), (0, 1));
    assert!(out.contains("no ZooKeeper to start"), "{out}");
    let (code, out, _) = desk.run(&script("kafka-storage.sh"), &["random-uuid"]);
    assert_eq!((code, out.trim().len()), (0, 22));
}
