//! A start that cannot work says so: everything that is wrong, what to do about it, and no trace.

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Command, Output},
};

use odradek_tests::{
    broker::{self, Broker},
    port,
};
use tempfile::TempDir;

/// Starts a broker that is expected to refuse, and returns its lines.
fn refused(command: &mut Command) -> Vec<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = broker::run(command);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert_eq!(status.code(), Some(1), "{stdout}{stderr}");
    assert!(stdout.is_empty(), "{stdout}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr.lines().map(str::to_owned).collect()
}

/// A broker with these keys over a directory and ports that it could use.
fn command(directory: &Path, overrides: &[&str]) -> Command {
    let mut command = Command::new(broker::binary());
    let data = directory.join("data");
    let defaults = [
        format!("log.dirs={}", data.display()),
        format!("listeners=PLAINTEXT://127.0.0.1:{}", port::unused()),
        format!("admin.listener=127.0.0.1:{}", port::unused()),
    ];
    for text in defaults
        .iter()
        .map(String::as_str)
        .chain(overrides.iter().copied())
    {
        command.args(["--override", text]);
    }
    command
}

fn assert_no_trace(directory: &Path) {
    let left: Vec<_> = fs::read_dir(directory).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn each_mistake_has_one_clear_line_and_leaves_no_trace() {
    let cases: &[(&str, &[&str])] = &[
        ("num.partition=3", &["num.partition", "num.partitions"]),
        ("utter.nonsense=3", &["utter.nonsense"]),
        ("num.partitions=many", &["num.partitions", "many"]),
        ("num.partitions=0", &["num.partitions", "1"]),
        ("log.dirs=/one,/two", &["log.dirs", "one"]),
        (
            "listeners=PLAINTEXT://0.0.0.0:9092",
            &["listeners", "advertised.listeners"],
        ),
        ("listeners=SSL://127.0.0.1:9093", &["listeners", "SSL"]),
        ("listeners=127.0.0.1:9092", &["listeners", "PLAINTEXT://"]),
        (
            "advertised.listeners=OTHER://host:1",
            &["advertised.listeners", "OTHER"],
        ),
        (
            "listener.security.protocol.map=A:B",
            &["listener.security.protocol.map", "PLAINTEXT"],
        ),
        (
            "inter.broker.listener.name=INSIDE",
            &["inter.broker.listener.name", "INSIDE"],
        ),
        (
            "default.replication.factor=3",
            &["default.replication.factor"],
        ),
        (
            "admin.listener=everywhere",
            &["admin.listener", "host:port"],
        ),
        ("no equals sign", &["no equals sign"]),
    ];
    for &(mistake, parts) in cases {
        let directory = TempDir::new().unwrap();
        let lines = refused(&mut command(directory.path(), &[mistake]));
        let told: Vec<_> = lines
            .iter()
            .filter(|line| line.contains(parts[0]))
            .collect();
        assert!(!told.is_empty(), "{mistake}: {lines:?}");
        for part in parts {
            assert!(
                told.iter().any(|line| line.contains(part)),
                "{mistake}: {lines:?}"
            );
        }
        assert_no_trace(directory.path());
    }
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_with_their_lines() {
    let directory = TempDir::new().unwrap();
    let file = TempDir::new().unwrap();
    let path = file.path().join("server.properties");
    fs::write(
        &path,
        "# five mistakes\n\
         num.network.threads=none\n\
         log.retention.hour=3\n\
         listeners=PLAINTEXT://0.0.0.0:9092\n\
         log.dirs=/var/a,/var/b\n\
         message.max.bytes=-5\n",
    )
    .unwrap();
    let mut command = Command::new(broker::binary());
    let lines = refused(command.arg(&path).current_dir(directory.path()));
    for (number, key) in [
        (2, "num.network.threads"),
        (3, "log.retention.hours"),
        (4, "advertised.listeners"),
        (5, "log.dirs"),
        (6, "message.max.bytes"),
    ] {
        let place = format!("server.properties:{number}");
        let told: Vec<_> = lines.iter().filter(|line| line.contains(&place)).collect();
        assert_eq!(told.len(), 1, "{place}: {lines:?}");
        assert!(told[0].contains(key), "{told:?}");
    }
    assert_no_trace(directory.path());
}

#[test]
fn a_file_that_is_not_there_is_missed() {
    let lines = refused(Command::new(broker::binary()).arg("/no/such/server.properties"));
    assert!(
        lines
            .iter()
            .any(|line| line.contains("/no/such/server.properties")),
        "{lines:?}"
    );
}

#[test]
fn ports_in_use_and_a_locked_directory_are_told_together() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_port = taken.local_addr().unwrap().port();
    let other = Broker::start();
    let before = listing(&other.log_dir());
    let mut second = command(
        Path::new("/nonexistent"),
        &[
            &format!("listeners=PLAINTEXT://127.0.0.1:{taken_port}"),
            &format!("admin.listener=127.0.0.1:{}", other.admin_port()),
            &format!("log.dirs={}", other.log_dir().display()),
        ],
    );
    let lines = refused(&mut second);
    for parts in [
        ["listeners", &taken_port.to_string(), "in use"],
        ["admin.listener", &other.admin_port().to_string(), "in use"],
        ["log.dirs", other.log_dir().to_str().unwrap(), "in use"],
    ] {
        let told = lines
            .iter()
            .filter(|line| parts.iter().all(|part| line.contains(part)));
        assert_eq!(told.count(), 1, "{parts:?}: {lines:?}");
    }
    assert_eq!(listing(&other.log_dir()), before);
}

fn listing(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn a_directory_that_may_not_be_written_is_named() {
    let directory = TempDir::new().unwrap();
    let refusals = |data: &Path| {
        let log_dirs = format!("log.dirs={}", data.display());
        let mut command = command(directory.path(), &[&log_dirs]);
        // Nothing is forbidden to root: become somebody else. A copy of the broker, because the
        // one in the target directory may be out of everybody else's reach.
        let copy = directory.path().join("broker");
        if rustix::process::geteuid().is_root() {
            fs::copy(broker::binary(), &copy).unwrap();
            let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
            command = Command::new(&copy);
            command.args(arguments).uid(65534).gid(65534);
        }
        refused(&mut command)
    };
    fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let forbidden = directory.path().join("forbidden");
    fs::create_dir(&forbidden).unwrap();
    fs::set_permissions(&forbidden, PermissionsExt::from_mode(0o555)).unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for data in [
        forbidden.clone(),
        forbidden.join("below"),
        file.clone(),
        file.join("below"),
    ] {
        let lines = refusals(&data);
        let existing = if data.starts_with(&file) {
            &file
        } else {
            &forbidden
        };
        let shown = existing.display().to_string();
        assert!(
            lines
                .iter()
                .any(|line| line.contains("log.dirs") && line.contains(&shown)),
            "{data:?}: {lines:?}"
        );
    }
    assert_eq!(listing(&forbidden), Vec::<String>::new());
}

#[test]
fn a_directory_of_another_broker_is_refused() {
    let mut broker = Broker::start();
    assert!(broker.stop().success());
    let log_dirs = format!("log.dirs={}", broker.log_dir().display());
    let mut other = command(Path::new("/nonexistent"), &[&log_dirs, "node.id=2"]);
    let lines = refused(&mut other);
    let told = |line: &String| line.contains("node.id") && line.contains("log.dirs");
    assert!(lines.iter().any(told), "{lines:?}");
    // It is still the first one's.
    broker.start_again();
}

#[test]
fn a_key_without_effect_costs_one_warning_and_no_start() {
    let broker = Broker::start_with(&[("log.preallocate", "true")]);
    let printed = broker.printed();
    let warnings = printed
        .lines()
        .filter(|line| line.contains("log.preallocate"));
    assert_eq!(warnings.count(), 1, "{printed}");
}
