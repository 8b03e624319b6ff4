//! Whatever a tool is given wrongly: it says so, ends with 1, and neither panics nor hangs.
//!
//! One table of tools; each check is made with every tool of it. A tool without a row fails.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use odradek_tests::{broker::Broker, port, program, wait};
use tempfile::TempDir;

use crate::cli::{said, said_by};

/// A tool, and calls of it. `BROKER` stands for an address, `FILE` for a file that fits.
struct Tool {
    name: &'static str,
    /// Everything that it needs.
    call: &'static str,
    /// The content of `FILE`.
    file: &'static str,
    /// Options that it cannot do without, with the words that leave one out.
    required: &'static [(&'static str, &'static str)],
    /// A call about a topic that does not exist; what is said about it, and the exit code.
    no_topic: Option<(&'static str, &'static str, i32)>,
}

const OFFSETS: &str =
    r#"{"partitions": [{"topic": "t", "partition": 0, "offset": 0}], "version": 1}"#;

const TOPICS: &str = r#"{"topics": [{"topic": "t"}], "version": 1}"#;

/// By name.
const TOOLS: &[Tool] = &[
    Tool {
        name: "broker-api-versions",
        call: "--bootstrap-server BROKER",
        file: "",
        required: &[("", "bootstrap-server")],
        no_topic: None,
    },
    Tool {
        name: "cluster",
        call: "cluster-id --bootstrap-server BROKER",
        file: "",
        required: &[("cluster-id", "bootstrap-server")],
        no_topic: None,
    },
    Tool {
        name: "configs",
        call: "--bootstrap-server BROKER --describe --topic t",
        file: "",
        required: &[("--describe --topic t", "bootstrap-server")],
        no_topic: Some(("--describe --topic nope", "nope", 0)),
    },
    Tool {
        name: "console-consumer",
        call: "--bootstrap-server BROKER --topic t --from-beginning --max-messages 1",
        file: "",
        required: &[
            ("--topic t", "bootstrap-server"),
            ("--bootstrap-server BROKER", "topic"),
        ],
        no_topic: None,
    },
    Tool {
        name: "console-producer",
        call: "--bootstrap-server BROKER --topic t",
        file: "",
        required: &[
            ("--topic t", "bootstrap-server"),
            ("--bootstrap-server BROKER", "topic"),
        ],
        no_topic: None,
    },
    Tool {
        name: "consumer-groups",
        call: "--bootstrap-server BROKER --list",
        file: "",
        required: &[("--list", "bootstrap-server")],
        no_topic: None,
    },
    Tool {
        name: "consumer-perf-test",
        call: "--bootstrap-server BROKER --topic t --num-records 1",
        file: "",
        required: &[
            ("--topic t --num-records 1", "bootstrap-server"),
            ("--bootstrap-server BROKER --topic t", "num-records"),
        ],
        no_topic: None,
    },
    Tool {
        name: "delete-records",
        call: "--bootstrap-server BROKER --offset-json-file FILE",
        file: OFFSETS,
        required: &[
            ("--offset-json-file FILE", "bootstrap-server"),
            ("--bootstrap-server BROKER", "offset-json-file"),
        ],
        no_topic: None,
    },
    Tool {
        name: "dump-log",
        call: "--files /no/such/00000000000000000000.log",
        file: "",
        required: &[("", "files")],
        no_topic: None,
    },
    Tool {
        name: "features",
        call: "--bootstrap-server BROKER describe",
        file: "",
        required: &[("describe", "bootstrap-server")],
        no_topic: None,
    },
    Tool {
        name: "get-offsets",
        call: "--bootstrap-server BROKER --topic t",
        file: "",
        required: &[("--topic t", "bootstrap-server")],
        no_topic: Some((
            "--topic nope",
            "Could not match any topic-partitions with the specified filters",
            1,
        )),
    },
    Tool {
        name: "groups",
        call: "--bootstrap-server BROKER --list",
        file: "",
        required: &[("--list", "bootstrap-server")],
        no_topic: None,
    },
    Tool {
        name: "leader-election",
        call: "--bootstrap-server BROKER --election-type preferred --all-topic-partitions",
        file: "",
        required: &[
            (
                "--election-type preferred --all-topic-partitions",
                "bootstrap-server",
            ),
            (
                "--bootstrap-server BROKER --all-topic-partitions",
                "election-type",
            ),
        ],
        no_topic: None,
    },
    Tool {
        name: "log-dirs",
        call: "--bootstrap-server BROKER --describe",
        file: "",
        required: &[("--describe", "bootstrap-server")],
        no_topic: None,
    },
    Tool {
        name: "metadata-quorum",
        call: "--bootstrap-server BROKER describe --status",
        file: "",
        required: &[("describe --status", "bootstrap-server")],
        no_topic: None,
    },
    Tool {
        name: "producer-perf-test",
        call: "--bootstrap-server BROKER --topic t --num-records 1 --record-size 1 --throughput -1",
        file: "",
        required: &[(
            "--bootstrap-server BROKER --num-records 1 --record-size 1 --throughput -1",
            "topic",
        )],
        no_topic: None,
    },
    Tool {
        name: "reassign-partitions",
        call: "--bootstrap-server BROKER --topics-to-move-json-file FILE --broker-list 1 \
               --generate",
        file: TOPICS,
        required: &[
            (
                "--topics-to-move-json-file FILE --broker-list 1 --generate",
                "bootstrap-server",
            ),
            (
                "--bootstrap-server BROKER --broker-list 1 --generate",
                "topics-to-move-json-file",
            ),
        ],
        no_topic: None,
    },
    Tool {
        name: "topics",
        call: "--bootstrap-server BROKER --list",
        file: "",
        required: &[
            ("--list", "bootstrap-server"),
            ("--bootstrap-server BROKER --create", "topic"),
        ],
        no_topic: Some((
            "--describe --topic nope",
            "Topic 'nope' does not exist as expected",
            1,
        )),
    },
];

impl Tool {
    fn asks_brokers(&self) -> bool {
        self.call.contains("BROKER")
    }

    /// Runs a call with those words behind it. Standard input is one record.
    fn run(&self, call: &str, more: &str, broker: &str) -> (i32, String, String) {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, self.file).unwrap();
        let words = format!("{} {call} {more}", self.name)
            .replace("BROKER", broker)
            .replace("FILE", file.to_str().unwrap());
        let (code, out, error) = run(words.split_whitespace());
        assert!(!error.contains("panicked"), "{words}: {error}");
        (code, out, error)
    }
}

/// Exit code, standard output, standard error of a call that has to end in time.
fn run<'a>(arguments: impl Iterator<Item = &'a str>) -> (i32, String, String) {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("in"), "record\n").unwrap();
    let arguments: Vec<_> = arguments.collect();
    let mut child = Command::new(program::cli())
        .args(&arguments)
        .stdin(File::open(path("in")).unwrap())
        .stdout(File::create(path("out")).unwrap())
        .stderr(File::create(path("error")).unwrap())
        .spawn()
        .unwrap();
    let status = ended(&mut child, &arguments.join(" "));
    let text = |name| fs::read_to_string(path(name)).unwrap();
    (status.code().unwrap(), text("out"), text("error"))
}

/// The end of a program; one that hangs is killed before the test fails.
fn ended(child: &mut Child, call: &str) -> ExitStatus {
    let deadline = Instant::now() + wait::PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if deadline < Instant::now() {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{call}: still running after {:?}", wait::PATIENCE);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Each tool at once, since most of them only wait.
fn with_each(check: impl Fn(&Tool) + Sync) {
    thread::scope(|scope| {
        for tool in TOOLS {
            scope.spawn(|| check(tool));
        }
    });
}

#[test]
fn every_tool_is_in_the_table() {
    let (code, help, _) = run(["--help"].into_iter());
    assert_eq!(code, 0);
    let listed = help.rsplit("tools: ").next().unwrap().trim().split(", ");
    let listed: BTreeSet<_> = listed.filter(|name| *name != "completions").collect();
    let tabled: BTreeSet<_> = TOOLS.iter().map(|tool| tool.name).collect();
    assert_eq!(listed, tabled);
}

#[test]
fn an_unknown_option_is_told_with_the_usage() {
    with_each(|tool| {
        let (code, out, error) = tool.run(tool.call, "--no-such-option", "127.0.0.1:1");
        assert_eq!((code, out.as_str()), (1, ""), "{}: {error}", tool.name);
        let expected = "no-such-option is not a recognized option";
        assert!(error.contains(expected), "{}: {error}", tool.name);
        assert!(error.contains("Usage: "), "{}: {error}", tool.name);
    });
}

#[test]
fn a_missing_option_is_named() {
    with_each(|tool| {
        for (call, missing) in tool.required {
            let (code, out, error) = tool.run(call, "", "127.0.0.1:1");
            assert_eq!((code, out.as_str()), (1, ""), "{} {call}", tool.name);
            assert!(error.contains(missing), "{} {call}: {error}", tool.name);
        }
    });
}

#[test]
fn a_file_of_properties_that_cannot_be_used_is_told_with_the_reason() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("client.properties");
    fs::write(&file, "request.timeout.ms=soon\nretry.backof.ms=1\n").unwrap();
    with_each(|tool| {
        if !tool.asks_brokers() {
            return;
        }
        // Beside the servers: some tools take both before their command only.
        let with = |file: &str| format!("127.0.0.1:1 --command-config {file}");
        let (code, _, error) = tool.run(tool.call, "", &with(file.to_str().unwrap()));
        assert_eq!(code, 1, "{}: {error}", tool.name);
        for expected in ["request.timeout.ms", "did you mean retry.backoff.ms?"] {
            assert!(error.contains(expected), "{}: {error}", tool.name);
        }
        let (code, _, error) = tool.run(tool.call, "", &with("/no/such/file"));
        assert_eq!(code, 1, "{}: {error}", tool.name);
        assert!(error.contains("No such file"), "{}: {error}", tool.name);
    });
}

#[test]
fn an_address_that_is_none_is_refused() {
    with_each(|tool| {
        if tool.asks_brokers() {
            let (code, _, error) = tool.run(tool.call, "", "127.0.0.1:port");
            assert_eq!(code, 1, "{}: {error}", tool.name);
            assert!(error.contains("127.0.0.1:port"), "{}: {error}", tool.name);
        }
    });
}

#[test]
fn a_broker_that_is_not_there_is_told_by_every_tool_within_its_time() {
    let address = format!("127.0.0.1:{}", port::unused());
    with_each(|tool| {
        if tool.asks_brokers() {
            let (code, out, error) = tool.run(tool.call, "", &address);
            assert_eq!(code, 1, "{}: {out}{error}", tool.name);
            let said = format!("{out}{error}");
            assert!(said.contains(&address), "{}: {said}", tool.name);
        }
    });
}

#[test]
fn a_topic_that_is_not_there_is_told() {
    let broker = Broker::start();
    with_each(|tool| {
        let Some((call, expected, code_expected)) = tool.no_topic else {
            return;
        };
        let call = format!("{call} --bootstrap-server BROKER");
        let (code, out, error) = tool.run(&call, "", &broker.bootstrap());
        assert_eq!(code, code_expected, "{}: {out}{error}", tool.name);
        assert!(
            format!("{out}{error}").contains(expected),
            "{}: {out}{error}",
            tool.name
        );
    });
}

#[test]
fn a_reader_that_is_gone_ends_every_tool_quietly() {
    let broker = Broker::start();
    said(&broker, "topics --create --topic t", "");
    said(&broker, "console-producer --topic t", "record\n");
    with_each(|tool| {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, tool.file).unwrap();
        let call = tool
            .call
            .replace("BROKER", &broker.bootstrap())
            .replace("FILE", file.to_str().unwrap());
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let error_path = directory.path().join("error");
        let mut child = Command::new(program::cli())
            .arg(tool.name)
            .args(call.split_whitespace())
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(File::create(&error_path).unwrap())
            .spawn()
            .unwrap();
        ended(&mut child, tool.name);
        let error = fs::read_to_string(error_path).unwrap();
        for word in ["panicked", "roken pipe"] {
            assert!(!error.contains(word), "{}: {error}", tool.name);
        }
    });
}

#[test]
fn a_topic_with_nearly_that_name_is_suggested_beside_kafkas_line() {
    let broker = Broker::start();
    said(&broker, "topics --create --topic orders", "");
    let (code, out, error) = said(&broker, "topics --describe --topic oders", "");
    let expected =
        "Error while executing topic command : Topic 'oders' does not exist as expected\n";
    assert_eq!((code, out.as_str()), (1, expected));
    assert!(error.contains("did you mean 'orders'?"), "{error}");
}

#[test]
fn what_is_no_tool_is_told_with_what_was_meant() {
    let (code, out, error) = said_by("127.0.0.1:1", "topic --list", "");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(error.contains("did you mean topics?"), "{error}");
}
