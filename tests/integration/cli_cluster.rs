//! The tools for the cluster's inside: who leads, where partitions live, who keeps the metadata,
//! and what is in the files.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use odradek_protocol::ErrorCode;
use odradek_tests::{broker::Broker, program};

use crate::{
    cli::said,
    offsets::coordinator,
    offsets_raw::{Position, commit},
};

fn created(broker: &Broker, topic: &str) {
    let create = format!("topics --create --topic {topic} --partitions 2");
    assert_eq!(said(broker, &create, "").0, 0);
}

fn file(dir: &tempfile::TempDir, name: &str, content: &str) -> String {
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Options of this tool's commands stand behind those of the connection.
fn quorum(broker: &Broker, command: &str) -> (i32, String, String) {
    let bootstrap = broker.bootstrap();
    tool(&format!(
        "metadata-quorum --bootstrap-server {bootstrap} {command}"
    ))
}

fn tool(arguments: &str) -> (i32, String, String) {
    let output = Command::new(program::cli())
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

#[test]
fn a_quorum_of_one_describes_itself() {
    let broker = Broker::start();
    let (code, status, _) = quorum(&broker, "describe --status");
    assert_eq!(code, 0);
    let lines: Vec<_> = status.lines().collect();
    assert_eq!(lines.len(), 8, "{status}");
    for (line, begin) in [
        (1, "LeaderId:               1"),
        (2, "LeaderEpoch:            1"),
        (4, "MaxFollowerLag:         0"),
        (
            6,
            "CurrentVoters:          [{\"id\": 1, \"directoryId\": \"",
        ),
        (7, "CurrentObservers:       []"),
    ] {
        assert!(lines[line].starts_with(begin), "{}", lines[line]);
    }
    let high_watermark = || {
        let (_, status, _) = quorum(&broker, "describe --status");
        let line = status.lines().nth(3).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().parse::<i64>().unwrap()
    };
    let before = high_watermark();
    created(&broker, "t");
    assert!(before < high_watermark());

    let (code, table, _) = quorum(&broker, "describe --replication");
    assert_eq!(code, 0);
    let row = table.lines().nth(1).unwrap();
    assert!(
        row.starts_with("1     \t") && row.ends_with("\tLeader\t"),
        "{row}"
    );
    let (code, _, problem) = quorum(&broker, "describe");
    assert_eq!(code, 1);
    assert!(
        problem.starts_with("One of --status or --replication"),
        "{problem}"
    );
    let (code, _, problem) = quorum(&broker, "remove-controller -i 3");
    assert_eq!(code, 1);
    assert!(problem.contains("cannot be changed"), "{problem}");
}

#[test]
fn nothing_is_elected_where_the_first_replica_leads() {
    let broker = Broker::start();
    created(&broker, "t");
    let elect = |rest: &str| {
        said(
            &broker,
            &format!("leader-election --election-type {rest}"),
            "",
        )
    };
    let valid = "Valid replica already elected for partitions t-0\n";
    for kind in ["preferred", "UNCLEAN"] {
        let (code, output, _) = elect(&format!("{kind} --topic t --partition 0"));
        assert_eq!((code, output.as_str()), (0, valid));
    }
    let (code, output, _) = elect("preferred --all-topic-partitions");
    assert_eq!((code, output.as_str()), (0, ""));

    let dir = tempfile::tempdir().unwrap();
    let entry = |topic: &str, index: i32| format!(r#"{{"topic":"{topic}","partition":{index}}}"#);
    let entries = [entry("t", 0), entry("nope", 0), entry("t", 9)].join(",");
    let path = file(
        &dir,
        "elect.json",
        &format!(r#"{{"partitions":[{entries}]}}"#),
    );
    let (code, output, problem) = elect(&format!("preferred --path-to-json-file {path}"));
    assert_eq!(code, 1);
    assert!(output.starts_with(valid), "{output}");
    assert!(
        output.contains("partition: nope-0: No such topic as nope"),
        "{output}"
    );
    assert!(
        output.contains("partition: t-9: No such partition as t-9"),
        "{output}"
    );
    assert_eq!(problem, "2 replica(s) could not be elected\n");

    let (code, _, problem) = elect("preferred --topic t");
    assert_eq!(code, 1);
    assert!(
        problem.starts_with("Missing required option(s): partition"),
        "{problem}"
    );
}

#[test]
fn partitions_stay_where_the_only_broker_is() {
    let broker = Broker::start();
    created(&broker, "t");
    let dir = tempfile::tempdir().unwrap();
    let reassign = |rest: &str| said(&broker, &format!("reassign-partitions {rest}"), "");
    let (code, output, _) = reassign("--list");
    assert_eq!(
        (code, output.as_str()),
        (0, "No partition reassignments found.\n")
    );

    let topics = file(
        &dir,
        "topics.json",
        r#"{"topics":[{"topic":"t"}],"version":1}"#,
    );
    let generate = format!("--generate --broker-list 1 --topics-to-move-json-file {topics}");
    let (code, output, _) = reassign(&generate);
    assert_eq!(code, 0);
    let proposed = output.lines().last().unwrap();
    let expected = concat!(
        r#"{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1],"#,
        r#""log_dirs":["any"]},{"topic":"t","partition":1,"replicas":[1],"log_dirs":["any"]}]}"#
    );
    assert_eq!(proposed, expected);

    let plan = file(&dir, "plan.json", proposed);
    let with =
        |action: &str, plan: &str| reassign(&format!("--{action} --reassignment-json-file {plan}"));
    let (code, output, _) = with("execute", &plan);
    assert_eq!(code, 0);
    assert!(output.ends_with("Successfully started partition reassignments for t-0,t-1\n"));
    // What was printed for going back names directories, and is taken.
    let before = output.lines().nth(2).unwrap();
    assert!(before.contains(r#""log_dirs":["/"#), "{before}");
    let back = file(&dir, "back.json", before);
    assert_eq!(with("execute", &back).0, 0);
    let (code, output, _) = with("verify", &plan);
    assert_eq!(code, 0);
    assert!(
        output.contains("Reassignment of partition t-1 is completed.\n"),
        "{output}"
    );
    assert!(
        output.ends_with("Clearing topic-level throttles on topic t\n"),
        "{output}"
    );
    let (code, output, _) = with("cancel", &plan);
    assert_eq!(code, 0);
    assert!(output.starts_with("None of the specified partition reassignments are active.\n"));

    let elsewhere = r#"{"partitions":[{"topic":"t","partition":0,"replicas":[2]}]}"#;
    let elsewhere = file(&dir, "elsewhere.json", elsewhere);
    let (code, output, _) = with("execute", &elsewhere);
    assert_eq!((code, output.as_str()), (1, "Error: Unknown broker id 2\n"));
    let unknown = r#"{"partitions":[{"topic":"nope","partition":0,"replicas":[1]}]}"#;
    let unknown = file(&dir, "unknown.json", unknown);
    let (code, output, _) = with("execute", &unknown);
    assert_eq!(
        (code, output.as_str()),
        (1, "Error: Topic nope not found.\n")
    );
    let (code, output, _) = with("verify", &elsewhere);
    assert_eq!(code, 0);
    assert!(
        output.contains("t-0, but replica set is 1 rather than 2."),
        "{output}"
    );
}

/// The first segment of a partition in a data folder.
fn segment(data: &Path, partition: &str, extension: &str) -> PathBuf {
    data.join(partition).join(format!("{:020}.{extension}", 0))
}

fn dump(path: &Path, rest: &str) -> (i32, String, String) {
    tool(&format!("dump-log --files {} {rest}", path.display()))
}

#[test]
fn the_files_of_a_partition_are_dumped_and_damage_is_told() {
    let broker = Broker::start();
    created(&broker, "t");
    let produce = "console-producer --topic t --reader-property parse.key=true \
                   --reader-property key.separator=:";
    assert_eq!(said(&broker, produce, "k1:v1\nk1:v2\n").0, 0);
    let data = broker.log_dir();
    let partitions = ["t-0", "t-1"].map(|partition| segment(&data, partition, "log"));
    let path = partitions
        .iter()
        .find(|path| fs::metadata(path).unwrap().len() != 0);
    let path = path.expect("one key leads to one partition");

    let (code, output, problem) = dump(path, "--print-data-log");
    assert_eq!((code, problem.as_str()), (0, ""));
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[0], format!("Dumping {}", path.display()));
    assert_eq!(lines[1], "Log starting offset: 0");
    assert!(
        lines[2].starts_with("baseOffset: 0 lastOffset: "),
        "{}",
        lines[2]
    );
    assert!(lines[2].ends_with("isvalid: true"), "{}", lines[2]);
    assert!(
        lines[3].starts_with("| offset: 0 CreateTime: "),
        "{}",
        lines[3]
    );
    assert!(lines[3].contains("keySize: 2 valueSize: 2 sequence: 0 headerKeys: [] key: k1"));
    assert!(output.trim_end().ends_with("payload: v2"), "{output}");

    let dir = tempfile::tempdir().unwrap();
    let bytes = fs::read(path).unwrap();
    let damaged = dir.path().join("00000000000000000000.log");
    fs::write(&damaged, &bytes[..bytes.len() - 3]).unwrap();
    let (code, output, _) = dump(&damaged, "");
    assert_eq!(code, 0);
    assert!(
        output.contains("invalid bytes at the end of 00000000000000000000.log"),
        "{output}"
    );
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&damaged, &flipped).unwrap();
    let (code, output, _) = dump(&damaged, "");
    assert_eq!(code, 0);
    assert!(output.trim_end().ends_with("isvalid: false"), "{output}");
    fs::write(&damaged, [&bytes[..], &[0; 100]].concat()).unwrap();
    let (code, _, problem) = dump(&damaged, "");
    assert_eq!(code, 1);
    let expected = format!("the batch at position {} is damaged", bytes.len());
    assert!(problem.contains(&expected), "{problem}");
}

#[test]
fn committed_positions_are_dumped_as_json() {
    let broker = Broker::start();
    created(&broker, "t");
    let mut wire = coordinator(&broker);
    let position = Position::at("t", 1, 7).metadata("m");
    assert_eq!(commit(&mut wire, "g", &[position]), [ErrorCode::None]);
    let data = broker.log_dir();
    let partitions = fs::read_dir(&data).unwrap();
    let dumped: String = partitions
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains("__consumer_offsets-"))
        .map(|path| path.join("00000000000000000000.log"))
        .filter(|path| path.exists())
        .map(|path| {
            let (code, output, problem) = dump(&path, "--offsets-decoder");
            assert_eq!((code, problem.as_str()), (0, ""));
            output
        })
        .collect();
    let key = r#"key: {"type":"1","data":{"group":"g","topic":"t","partition":1}} "#;
    assert!(dumped.contains(key), "{dumped}");
    assert!(dumped.contains(
        r#"payload: {"version":"4","data":{"offset":7,"leaderEpoch":-1,"metadata":"m","#
    ));
}
