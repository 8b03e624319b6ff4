//! The command-line tools as a script runs them.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use odradek_tests::{broker::Broker, port, program};

/// Runs a tool to its end with that input. Its own time limits end it.
fn run(broker: &str, arguments: &str, input: &str) -> Output {
    let mut child = Command::new(program::cli())
        .args(arguments.split_whitespace())
        .args(["--bootstrap-server", broker])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A tool that reads nothing may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Exit code, standard output, standard error.
pub(crate) fn said(broker: &Broker, arguments: &str, input: &str) -> (i32, String, String) {
    said_by(&broker.bootstrap(), arguments, input)
}

/// The same of a broker that may not be there.
pub(crate) fn said_by(broker: &str, arguments: &str, input: &str) -> (i32, String, String) {
    let output = run(broker, arguments, input);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn the_usual_tutorial_works_as_it_is_written() {
    let broker = Broker::start();
    let ok = |arguments: &str, input: &str| {
        let (code, out, error) = said(&broker, arguments, input);
        assert_eq!(code, 0, "{arguments}: {out}{error}");
        out
    };
    let create = "kafka-topics.sh --create --replication-factor 1 --partitions 3 --topic test";
    assert_eq!(ok(create, ""), "Created topic test.\n");
    assert_eq!(ok("kafka-topics --list", ""), "test\n");
    ok("console-producer --topic test", "one\ntwo\nthree\n");
    let consume = "console-consumer -topic test --from-beginning --max-messages 3";
    let read = ok(consume, "");
    let mut lines: Vec<_> = read.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["one", "three", "two"]);

    ok("topics --create --topic keyed --partitions 1", "");
    let with_keys = "--property parse.key=true --property key.separator=-";
    ok(
        &format!("console-producer --topic keyed {with_keys}"),
        "k1-v1\nk2-v2\n",
    );
    let shown = "--property print.key=true --property key.separator=- --property print.offset=true";
    let consume =
        format!("console-consumer --topic keyed --partition 0 --offset 1 {shown} --max-messages 1");
    assert_eq!(ok(&consume, ""), "Offset:1-k2-v2\n");
    assert_eq!(ok("get-offsets --topic keyed", ""), "keyed:0:2\n");
    assert_eq!(
        ok("get-offsets --topic keyed --time earliest", ""),
        "keyed:0:0\n"
    );

    ok("topics --alter --topic keyed --partitions 4", "");
    let described = ok("topics --describe --topic keyed", "");
    assert!(
        described.starts_with("Topic: keyed\tTopicId: "),
        "{described}"
    );
    assert!(described.contains("\tPartitionCount: 4\tReplicationFactor: 1\tConfigs: "));
    assert_eq!(described.lines().count(), 5);
    ok("topics --delete --topic keyed", "");
    assert_eq!(ok("topics --list --exclude-internal", ""), "test\n");
}

#[test]
fn failures_are_told_and_counted_as_by_kafkas_tools() {
    let broker = Broker::start();
    let fails = |arguments: &str, input: &str| {
        let (code, out, error) = said(&broker, arguments, input);
        assert_eq!(code, 1, "{arguments}: {out}{error}");
        (out, error)
    };
    said(&broker, "topics --create --topic t --partitions 2", "");
    let (out, _) = fails("topics --create --topic t", "");
    assert_eq!(
        out,
        "Error while executing topic command : Topic 't' already exists.\n"
    );
    let (code, out, _) = said(&broker, "topics --create --topic t --if-not-exists", "");
    assert_eq!((code, out.as_str()), (0, ""));
    let (out, _) = fails("topics --describe --topic nope", "");
    let expected =
        "Error while executing topic command : Topic 'nope' does not exist as expected\n";
    assert_eq!(out, expected);
    let (out, _) = fails("topics --alter --topic t --partitions 1", "");
    assert!(out.contains("1 would not be an increase"), "{out}");
    let (out, _) = fails("topics --create --topic u --partitions 0", "");
    assert!(
        out.contains("The partitions must be greater than 0"),
        "{out}"
    );
    let (_, error) = fails("topics --create", "");
    assert!(
        error.contains("Missing required argument \"[topic]\""),
        "{error}"
    );
    let (_, error) = fails("topics --list --topik t", "");
    assert!(error.contains("did you mean --topic?"), "{error}");
    let (_, error) = fails("get-offsets --topic nope", "");
    assert!(
        error.contains("Could not match any topic-partitions"),
        "{error}"
    );
    let (_, error) = fails(
        "console-producer --topic t --property parse.key=true",
        "plain\n",
    );
    assert!(
        error.contains("No key separator found on line number 1: 'plain'"),
        "{error}"
    );
    let (_, error) = fails(
        "console-producer --topic t --producer-property lingre.ms=1",
        "",
    );
    assert!(error.contains("did you mean linger.ms?"), "{error}");
    fails("no-such-tool", "");
}

#[test]
fn a_broker_that_is_not_there_is_told_within_the_time() {
    let address = format!("127.0.0.1:{}", port::unused());
    let output = run(&address, "topics --list", "");
    assert_eq!(output.status.code(), Some(1));
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("connect to 127.0.0.1"), "{out}");
}

#[test]
fn a_closed_pipe_ends_a_tool_quietly() {
    let broker = Broker::start();
    let lines: Vec<_> = (0..20_000)
        .map(|number| format!("record {number}"))
        .collect();
    let lines = lines.join(
        "
",
    );
    assert_eq!(said(&broker, "console-producer --topic t", &lines).0, 0);
    let script = format!(
        "'{}' console-consumer --bootstrap-server {} --topic t --from-beginning | head -n 1",
        program::cli().display(),
        broker.bootstrap(),
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "record 0\n");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
