//! The console tools, the performance tests and get-offsets as a script runs them.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use odradek_tests::{
    broker::{Broker, Setup},
    program,
    wait::{self, PATIENCE},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::said;

/// A broker whose groups wait for nobody.
fn broker() -> Broker {
    quick_groups().start()
}

fn quick_groups() -> Setup {
    Setup::default().set("group.initial.rebalance.delay.ms", "0")
}

/// What a tool prints that does what was asked.
fn ok(broker: &Broker, arguments: &str, input: &str) -> String {
    let (code, out, error) = said(broker, arguments, input);
    assert_eq!(code, 0, "{arguments}: {out}{error}");
    out
}

/// What a tool says that fails.
fn failure(broker: &Broker, arguments: &str, input: &str) -> String {
    let (code, out, error) = said(broker, arguments, input);
    assert_eq!(code, 1, "{arguments}: {out}{error}");
    error
}

/// A tool that goes on until it is told to end.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(broker: &Broker, arguments: &str) -> Self {
        let mut child = Command::new(program::cli())
            .args(arguments.split_whitespace())
            .args(["--bootstrap-server", &broker.bootstrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (told, lines) = mpsc::channel();
        thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            // Nobody listens once the test is over.
            lines.map_while(|line| told.send(line).ok()).for_each(drop);
        });
        Self { child, lines }
    }

    fn next_line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// Exit code and standard error.
    fn end(mut self, signal: Signal) -> (i32, String) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let status = wait::until("the tool to end", || self.child.try_wait().unwrap());
        let mut error = String::new();
        let stderr = self.child.stderr.as_mut().unwrap();
        stderr.read_to_string(&mut error).unwrap();
        (status.code().unwrap(), error)
    }
}

fn members(broker: &Broker, group: &str) -> usize {
    let describe = format!("consumer-groups --describe --members --group {group}");
    let out = ok(broker, &describe, "");
    let rows = out.lines().filter(|line| line.starts_with(group));
    // A group without members has one row without a name.
    rows.filter(|row| row.contains("console-consumer")).count()
}

#[test]
fn the_usual_tutorial_with_a_group_works_as_it_is_written() {
    let broker = broker();
    let create = "kafka-topics.sh --create --replication-factor 1 --partitions 3 --topic test";
    ok(&broker, create, "");
    ok(
        &broker,
        "kafka-console-producer.sh --topic test",
        "one\ntwo\nthree\n",
    );
    let consume = "kafka-console-consumer.sh --topic test -group testgroup --from-beginning";
    let consume = format!("{consume} --max-messages");
    let read = ok(&broker, &format!("{consume} 3"), "");
    let mut lines: Vec<_> = read.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["one", "three", "two"]);
    assert!(ok(&broker, "kafka-consumer-groups.sh --list", "").contains("testgroup"));

    let with_keys = "--property parse.key=true --property key.separator=-";
    let produce = format!("kafka-console-producer.sh --topic test {with_keys}");
    let (code, out, error) = said(&broker, &produce, "k-v\n");
    assert_eq!((code, out.as_str()), (0, ""), "{error}");
    let expected = "Warning: --property is deprecated and will be removed in a future version. \
                    Use --reader-property instead.\n";
    assert_eq!(error, expected);
    let shown = "--property print.key=true --property key.separator=-";
    let read = ok(&broker, &format!("{consume} 1 {shown}"), "");
    assert_eq!(read, "k-v\n", "the group goes on behind what it has read");
}

#[test]
fn a_signal_ends_the_console_consumer_with_a_commit_and_a_goodbye() {
    let broker = broker();
    ok(&broker, "topics --create --topic t --partitions 1", "");
    ok(&broker, "console-producer --topic t", "1\n2\n3\n");
    for (group, signal, code) in [("int", Signal::INT, 130), ("term", Signal::TERM, 143)] {
        let consume = format!("console-consumer --topic t --group {group} --from-beginning");
        let consumer = Running::start(&broker, &consume);
        let read: Vec<_> = (0..3).map(|_| consumer.next_line()).collect();
        assert_eq!(read, ["1", "2", "3"]);
        assert_eq!(members(&broker, group), 1);
        let ended = consumer.end(signal);
        assert_eq!(
            ended,
            (code, "Processed a total of 3 messages\n".to_owned())
        );
        assert_eq!(members(&broker, group), 0);
        let described = ok(
            &broker,
            &format!("consumer-groups --describe --group {group}"),
            "",
        );
        let row = described
            .lines()
            .find(|line| line.starts_with(group))
            .unwrap();
        let columns: Vec<_> = row.split_whitespace().collect();
        assert_eq!(columns[2..6], ["0", "3", "3", "0"], "{described}");
    }
}

#[test]
fn only_what_was_shown_is_committed() {
    let broker = broker();
    ok(&broker, "topics --create --topic t --partitions 1", "");
    ok(&broker, "console-producer --topic t", "1\n2\n3\n4\n5\n");
    let consume = "console-consumer --topic t --group g --from-beginning --max-messages";
    assert_eq!(ok(&broker, &format!("{consume} 2"), ""), "1\n2\n");
    assert_eq!(ok(&broker, &format!("{consume} 1"), ""), "3\n");
    // Also where the reading ends at a record that cannot be shown.
    let long = "--value-deserializer org.apache.kafka.common.serialization.LongDeserializer";
    let error = failure(&broker, &format!("{consume} 2 {long}"), "");
    assert!(
        error.contains("Size of data received by LongDeserializer is not 8"),
        "{error}"
    );
    assert_eq!(ok(&broker, &format!("{consume} 2"), ""), "4\n5\n");
}

#[test]
fn a_closed_pipe_ends_the_console_consumer_quietly_and_out_of_its_group() {
    let broker = broker();
    ok(&broker, "topics --create --topic t --partitions 1", "");
    let lines: Vec<_> = (0..20_000)
        .map(|number| format!("record {number}\n"))
        .collect();
    ok(&broker, "console-producer --topic t", &lines.concat());
    let script = format!(
        "'{}' console-consumer --bootstrap-server {} --topic t --group g --from-beginning \
         | head -n 1",
        program::cli().display(),
        broker.bootstrap(),
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "record 0\n");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(members(&broker, "g"), 0);
}

#[test]
fn topics_that_match_a_pattern_are_read() {
    let broker = broker();
    for topic in ["logs-a", "logs-b", "other"] {
        ok(
            &broker,
            &format!("topics --create --topic {topic} --partitions 1"),
            "",
        );
        ok(
            &broker,
            &format!("console-producer --topic {topic}"),
            &format!("{topic}\n"),
        );
    }
    let consume = "console-consumer --include logs-.* --from-beginning --max-messages 2";
    let read = ok(&broker, consume, "");
    let mut lines: Vec<_> = read.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["logs-a", "logs-b"]);
}

#[test]
fn headers_keys_and_nulls_go_in_and_come_out() {
    let broker = broker();
    ok(&broker, "topics --create --topic t --partitions 1", "");
    let reader = "--reader-property parse.headers=true --reader-property parse.key=true \
                  --reader-property null.marker=NULL";
    let lines = "h1:a,h2:NULL\tk\tv\nNULL\tNULL\tNULL\n";
    ok(
        &broker,
        &format!("console-producer --topic t {reader}"),
        lines,
    );
    let shown = "--formatter-property print.headers=true --formatter-property print.key=true \
                 --formatter-property print.partition=true --formatter-property print.offset=true \
                 --formatter-property null.literal=-";
    let consume = format!("console-consumer --topic t --partition 0 --offset 0 {shown}");
    let expected = "Partition:0\tOffset:0\th1:a,h2:-\tk\tv\n\
                    Partition:0\tOffset:1\tNO_HEADERS\t-\t-\n";
    assert_eq!(
        ok(&broker, &format!("{consume} --max-messages 2"), ""),
        expected
    );

    ok(&broker, "console-producer --topic t", "12345678\n");
    let consume = "console-consumer --topic t --partition 0 --offset 0 --max-messages 3 \
                   --skip-message-on-error --value-deserializer \
                   org.apache.kafka.common.serialization.LongDeserializer";
    let (code, out, error) = said(&broker, consume, "");
    assert_eq!(
        (code, out.as_str()),
        (0, "null\n3544952156018063160\n"),
        "{error}"
    );
    assert!(
        error.contains("skipping this message: Size of data"),
        "{error}"
    );
    assert!(
        error.ends_with("Processed a total of 3 messages\n"),
        "{error}"
    );
}

#[test]
fn a_line_that_cannot_be_sent_does_not_take_others_with_it() {
    let broker = Setup::default()
        .set("auto.create.topics.enable", "false")
        .start();
    ok(&broker, "topics --create --topic t --partitions 1", "");
    let with_keys = "console-producer --topic t --reader-property parse.key=true \
                     --reader-property key.separator=-";
    let error = failure(&broker, with_keys, "a-1\nplain\nb-2\n");
    assert!(
        error.contains("No key separator found on line number 2: 'plain'"),
        "{error}"
    );
    assert_eq!(ok(&broker, "get-offsets --topic t", ""), "t:0:1\n");

    let lines = format!("before\n{}\nafter\n", "x".repeat(1_100_000));
    let error = failure(&broker, "console-producer --topic t", &lines);
    let expected = "ERROR Error when sending message to topic t with key: null, value: 1100000 \
                    bytes with error: ";
    assert!(error.starts_with(expected), "{error}");
    assert_eq!(ok(&broker, "get-offsets --topic t", ""), "t:0:3\n");
    // One at a time the first failure is the end.
    failure(&broker, "console-producer --topic t --sync", &lines);
    assert_eq!(ok(&broker, "get-offsets --topic t", ""), "t:0:4\n");

    let unknown = "console-producer --topic nope --max-block-ms 500";
    let error = failure(&broker, unknown, "x\n");
    assert!(error.contains("nope"), "{error}");
    let error = failure(&broker, "console-consumer --topic tt", "");
    let expected = "ERROR The topic 'tt' does not exist; did you mean 't'?\n";
    assert!(error.starts_with(expected), "{error}");
    let error = failure(&broker, "console-consumer --topic t --partition 7", "");
    assert!(error.contains("t has no partition 7"), "{error}");
}

#[test]
fn a_signal_ends_the_console_producer() {
    let broker = broker();
    ok(&broker, "topics --create --topic t --partitions 1", "");
    let mut producer = Running::start(&broker, "console-producer --topic t");
    let input = producer.child.stdin.as_mut().unwrap();
    input.write_all(b"1\n2\n").unwrap();
    wait::until("both lines to be sent, though the input goes on", || {
        (ok(&broker, "get-offsets --topic t", "") == "t:0:2\n").then_some(())
    });
    assert_eq!(producer.end(Signal::INT), (130, String::new()));
}

#[test]
fn the_producers_test_prints_kafkas_lines() {
    let broker = broker();
    ok(&broker, "topics --create --topic t --partitions 2", "");
    let test = "producer-perf-test --topic t --throughput";
    let given = format!("{test} -1 --num-records 1000 --record-size 100 --warmup-records 10");
    let out = ok(&broker, &given, "");
    let lines: Vec<_> = out.lines().collect();
    let [warmup, steady, all, without_warmup] = lines[..] else {
        panic!("{out}");
    };
    assert!(warmup.starts_with("Warmup first 10 records."), "{out}");
    assert_eq!(steady, "In steady state.");
    assert!(all.starts_with("1000 records sent, "), "{out}");
    assert!(all.ends_with(" ms 99.9th."), "{out}");
    assert!(
        without_warmup.starts_with("990 steady state records sent, "),
        "{out}"
    );

    // 20 records at 100 per second take 190 ms at least; nothing is sent ahead of its time.
    let given = format!("{test} 100 --num-records 20 --payload-monotonic --reporting-interval 50");
    let out = ok(&broker, &given, "");
    let (windows, summary) = out.trim_end().rsplit_once('\n').unwrap();
    assert!(summary.starts_with("20 records sent, "), "{out}");
    let rate: f64 = summary.split(' ').nth(3).unwrap().parse().unwrap();
    assert!((1.0..=106.0).contains(&rate), "{out}");
    assert!(
        windows
            .lines()
            .all(|line| line.ends_with(" ms max latency.")),
        "{out}"
    );

    let given = format!("{test} -1 --num-records 5 --record-size 2000000");
    let error = failure(&broker, &given, "");
    assert!(error.contains("max.request.size"), "{error}");
    let error = failure(&broker, &format!("{given} --transactional-id t"), "");
    assert!(error.contains("no transactions"), "{error}");
}

#[test]
fn the_consumers_test_prints_kafkas_lines() {
    let broker = broker();
    ok(&broker, "topics --create --topic t --partitions 2", "");
    let lines: Vec<_> = (0..2_000).map(|number| format!("{number:04}\n")).collect();
    ok(&broker, "console-producer --topic t", &lines.concat());
    let out = ok(
        &broker,
        "consumer-perf-test --topic t --num-records 2000",
        "",
    );
    let (header, row) = out.trim_end().split_once('\n').unwrap();
    let columns: Vec<_> = row.split(", ").collect();
    assert!(
        header.starts_with("start.time, end.time, data.consumed.in.MB, "),
        "{out}"
    );
    assert_eq!(columns.len(), header.split(", ").count(), "{out}");
    // 8000 bytes.
    assert_eq!((columns[2], columns[4]), ("0.0076", "2000"), "{out}");

    let given = "consumer-perf-test --topic t --messages 2001 --timeout 1 --hide-header";
    let (code, out, error) = said(&broker, given, "");
    assert_eq!(code, 0, "{error}");
    assert!(
        error.starts_with("Warning: --messages is deprecated."),
        "{error}"
    );
    assert!(
        out.starts_with("WARNING: Exiting before consuming the expected number"),
        "{out}"
    );
    let error = failure(
        &broker,
        "consumer-perf-test --topic nope --num-records 1",
        "",
    );
    assert!(error.contains("nope"), "{error}");
}

#[test]
fn offsets_of_partitions_that_rules_name_are_listed() {
    let broker = broker();
    ok(&broker, "topics --create --topic t1 --partitions 3", "");
    ok(&broker, "topics --create --topic t2 --partitions 1", "");
    ok(&broker, "console-producer --topic t2", "1\n2\n");
    let offsets = |arguments: &str| ok(&broker, &format!("get-offsets {arguments}"), "");
    assert_eq!(
        offsets("--topic t.* --partitions 0,2"),
        "t1:0:0\nt1:2:0\nt2:0:2\n"
    );
    assert_eq!(
        offsets("--topic-partitions t1:1-,t2"),
        "t1:1:0\nt1:2:0\nt2:0:2\n"
    );
    assert_eq!(offsets("--topic t2 --time -4"), "t2:0:0\n");
    for nothing in [
        "--topic t1 --time max-timestamp",
        "--topic t2 --time latest-tiered",
    ] {
        assert_eq!(offsets(nothing), "", "{nothing}");
    }
    for (wrong, expected) in [
        (
            "--topic-partitions t --topic t",
            "--topic-partitions cannot be used with --topic or --partitions",
        ),
        (
            "--topic t --partitions 0-2",
            "--partitions expects a comma separated list of numeric partition ids, but received: \
             0-2",
        ),
        ("--time foo", "Malformed time argument foo."),
        ("--topic-partitions t:x", "Invalid rule specification: t:x"),
    ] {
        let error = failure(&broker, &format!("get-offsets {wrong}"), "");
        assert!(
            error.starts_with(&format!("Error occurred: {expected}")),
            "{error}"
        );
    }
}

#[test]
fn properties_may_come_from_files() {
    let broker = broker();
    ok(&broker, "topics --create --topic t --partitions 1", "");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let reader = file("reader", "parse.key=true\nkey.separator=-\n");
    ok(
        &broker,
        &format!("console-producer --topic t --reader-config {reader}"),
        "k-v\n",
    );
    let formatter = file("formatter", "print.key=true\nkey.separator=+\n");
    let client = file("client", "auto.offset.reset=earliest\n");
    let consume = format!(
        "console-consumer --topic t --max-messages 1 --formatter-config {formatter} \
         --consumer.config {client}"
    );
    assert_eq!(ok(&broker, &consume, ""), "k+v\n");
    let error = failure(
        &broker,
        "console-producer --topic t --reader-config /no/such",
        "",
    );
    assert!(error.contains("--reader-config"), "{error}");
}
