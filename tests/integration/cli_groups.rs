//! `kafka-consumer-groups` and `kafka-groups` as scripts run them, beside members of librdkafka.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use odradek_tests::{broker::Broker, port, wait};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use tempfile::NamedTempFile;

use crate::{
    cli::{said, said_by},
    client::{self, create_topic, delete_topic, producer, send_all, values},
};

/// Standard output of a command that succeeds; each line without what pads its last column.
fn out(broker: &Broker, arguments: &str) -> Vec<String> {
    let (code, out, error) = said(broker, arguments, "");
    assert_eq!(code, 0, "{arguments}: {out}{error}");
    lines(&out)
}

/// Standard output of a command that fails.
fn failure(broker: &Broker, arguments: &str) -> Vec<String> {
    let (code, out, error) = said(broker, arguments, "");
    assert_eq!(code, 1, "{arguments}: {out}{error}");
    lines(&out)
}

fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// The words of each line: what a table holds, however wide it is.
fn words(lines: &[String]) -> Vec<Vec<&str>> {
    let lines = lines.iter().filter(|line| !line.is_empty());
    lines
        .map(|line| line.split_whitespace().collect())
        .collect()
}

/// A broker with five records in each of three partitions of `test`.
async fn broker_with_records() -> Broker {
    let broker = Broker::start_with(&[("group.initial.rebalance.delay.ms", "100")]);
    create_topic(&broker, "test", 3, &[]).await;
    let client = producer(&broker, &[]);
    for partition in 0..3 {
        send_all(&client, "test", Some(partition), &values("v", 5)).await;
    }
    broker
}

/// A member that polls on a thread of its own until it is dropped.
struct Member {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Member {
    /// Returns once it has partitions, or nobody else would leave it any.
    fn join(broker: &Broker, group: &str, topic: &str, settings: &[(&str, &str)]) -> Self {
        let mut config = client::config(broker, settings);
        config
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            .set("session.timeout.ms", "60000")
            .set("heartbeat.interval.ms", "200");
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&[topic]).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                consumer.poll(Duration::from_millis(20));
            }
            // There may be nothing to commit.
            let _ = consumer.commit_consumer_state(CommitMode::Sync);
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Waits until the group is stable with so many members.
fn wait_for_members(broker: &Broker, group: &str, members: usize) {
    wait::until("the group is stable", || {
        let arguments = format!("consumer-groups --describe --group {group} --state");
        let (code, out, _) = said(broker, &arguments, "");
        let ends = format!("Stable               {members}\n");
        (code == 0 && out.ends_with(&ends)).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tutorials_commands_work_as_they_are_written() {
    let broker = broker_with_records().await;
    let tool = "kafka-consumer-groups.sh";
    assert!(out(&broker, &format!("{tool} --list")).is_empty());
    let (code, earliest, error) = said(
        &broker,
        &format!("{tool} --group testgroup --topic test --reset-offsets --to-earliest --execute"),
        "",
    );
    assert_eq!((code, error.as_str()), (0, ""));
    let expected = "\n\
        GROUP           TOPIC           PARTITION  NEW-OFFSET\n\
        testgroup       test            0          0\n\
        testgroup       test            1          0\n\
        testgroup       test            2          0\n";
    assert_eq!(earliest, expected);
    let to_10 = "--group testgroup --topic test:1 --reset-offsets --to-offset 10 --execute";
    let (code, moved, error) = said(&broker, &format!("{tool} {to_10}"), "");
    assert_eq!(code, 0, "{moved}{error}");
    let expected = "\n\
        GROUP           TOPIC           PARTITION  NEW-OFFSET\n\
        testgroup       test            1          5\n";
    assert_eq!(moved, expected);
    let warning = "WARN New offset (10) is higher than latest offset for topic partition test-1. \
                   Value will be set to 5";
    assert!(error.starts_with(warning), "{error}");
    assert_eq!(out(&broker, &format!("{tool} --list")), ["testgroup"]);

    let (code, described, error) =
        said(&broker, &format!("{tool} -group testgroup --describe"), "");
    assert_eq!(code, 0);
    let header = "GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  \
                  LAG             CONSUMER-ID     HOST            CLIENT-ID";
    let row = |partition, offset, lag| {
        format!(
            "testgroup       test            {partition}          {offset}               5         \
             \x20     {lag}               -               -               -"
        )
    };
    let expected = ["", header, &row(0, 0, 5), &row(1, 5, 0), &row(2, 0, 5)];
    assert_eq!(described.lines().collect::<Vec<_>>(), expected);
    assert_eq!(
        error,
        "\nConsumer group 'testgroup' has no active members.\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_with_members_is_shown_with_them_and_is_left_alone() {
    let broker = broker_with_records().await;
    let member = Member::join(&broker, "live", "test", &[("client.id", "alpha")]);
    wait_for_members(&broker, "live", 1);
    let state = out(&broker, "consumer-groups --describe --group live --state");
    let coordinator = broker.bootstrap();
    let expected = ["live", &coordinator, "(1)", "range", "Stable", "1"];
    assert_eq!(words(&state)[1], expected);
    let offsets = out(&broker, "consumer-groups --describe --group live");
    let rows = words(&offsets);
    assert_eq!(rows.len(), 4, "{offsets:?}");
    for (row, partition) in rows.iter().skip(1).zip(["0", "1", "2"]) {
        assert_eq!(row[..3], ["live", "test", partition]);
        assert!(
            row[6].starts_with("alpha-") || row[6].starts_with("rdkafka"),
            "{row:?}"
        );
        assert_eq!(row[7..], ["/127.0.0.1", "alpha"]);
    }
    let members = out(
        &broker,
        "consumer-groups --describe --group live --members --verbose",
    );
    let row = &words(&members)[1];
    assert_eq!(
        row[2..],
        ["/127.0.0.1", "alpha", "3", "-", "test:0,1,2", "-", "-"]
    );

    let listed = out(&broker, "consumer-groups --list --state stable --type");
    let expected = [
        vec!["GROUP", "TYPE", "STATE"],
        vec!["live", "Classic", "Stable"],
    ];
    assert_eq!(words(&listed), expected);
    assert_eq!(
        out(&broker, "consumer-groups --list --state empty").len(),
        1
    );
    let groups = out(&broker, "groups --list");
    assert_eq!(words(&groups)[1], ["live", "Classic", "consumer"]);

    let reset = "consumer-groups --reset-offsets --group live --topic test --to-earliest --execute";
    let expected = [
        "",
        "Error: Assignments can only be reset if the group 'live' is inactive, but the current \
         state is Stable.",
        "",
        "GROUP           TOPIC           PARTITION  NEW-OFFSET",
    ];
    assert_eq!(failure(&broker, reset), expected);
    let expected = [
        "",
        "Error: Deletion of some consumer groups failed:",
        "* Group 'live' could not be deleted due to: \
         org.apache.kafka.common.errors.GroupNotEmptyException: The group is not empty.",
    ];
    assert_eq!(
        failure(&broker, "consumer-groups --delete --group live"),
        expected
    );
    let delete = "consumer-groups --delete-offsets --group live --topic test:0";
    let expected = [
        "",
        "Error: Encountered some partition-level error, see the follow-up details.",
        "",
        "TOPIC           PARTITION  STATUS",
        "test            0          Error: \
         org.apache.kafka.common.errors.GroupSubscribedToTopicException: Deleting offsets of a \
         topic is forbidden while the consumer group is actively subscribed to it.",
    ];
    assert_eq!(failure(&broker, delete), expected);

    drop(member);
    wait::until("the member has left", || {
        let listed = out(&broker, "consumer-groups --list --state empty");
        (listed.len() == 2).then_some(())
    });
    assert_eq!(
        out(&broker, "consumer-groups --delete --group live"),
        ["Deletion of requested consumer groups ('live') was successful."]
    );
    assert!(out(&broker, "consumer-groups --list").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn static_members_and_those_without_work_are_shown() {
    let broker = broker_with_records().await;
    create_topic(&broker, "one", 1, &[]).await;
    let named = [("client.id", "beta"), ("group.instance.id", "inst-1")];
    let _one = Member::join(&broker, "mixed", "one", &named);
    let _other = Member::join(&broker, "mixed", "one", &[("client.id", "gamma")]);
    wait_for_members(&broker, "mixed", 2);
    let members = out(
        &broker,
        "consumer-groups --describe --group mixed --members",
    );
    let rows = words(&members);
    let titles = [
        "GROUP",
        "CONSUMER-ID",
        "GROUP-INSTANCE-ID",
        "HOST",
        "CLIENT-ID",
        "#PARTITIONS",
    ];
    assert_eq!(rows[0], titles);
    let loads: Vec<_> = rows[1..].iter().map(|row| *row.last().unwrap()).collect();
    assert_eq!(loads, ["1", "0"], "the busiest comes first");
    let named: Vec<_> = rows[1..].iter().filter(|row| row[2] == "inst-1").collect();
    assert_eq!(named.len(), 1);
    // Nobody without work is in the table of partitions.
    let offsets = out(
        &broker,
        "consumer-groups --describe --group mixed --verbose",
    );
    assert_eq!(words(&offsets).len(), 2);
    assert_eq!(words(&offsets)[0][3], "LEADER-EPOCH");
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_moved_by_every_spec_and_only_when_that_is_asked_for() {
    let broker = broker_with_records().await;
    let new_offsets = |rest: &str| {
        let lines = out(
            &broker,
            &format!("consumer-groups --reset-offsets --group g {rest}"),
        );
        let rows = words(&lines);
        let rows = rows.iter().filter(|row| row[0] == "g");
        let offsets = rows.map(|row| format!("{}:{}={}", row[1], row[2], row[3]));
        offsets.collect::<Vec<_>>().join(" ")
    };
    let committed = || new_offsets("--all-topics --to-current --dry-run");
    let at = |a, b, c| format!("test:0={a} test:1={b} test:2={c}");
    assert_eq!(committed(), "", "nothing is committed yet");
    // Where nothing is committed, current is the end.
    assert_eq!(
        new_offsets("--topic test --to-current --dry-run"),
        at(5, 5, 5)
    );
    assert_eq!(
        new_offsets("--topic test --to-offset 2 --execute"),
        at(2, 2, 2)
    );
    assert_eq!(
        new_offsets("--topic test:0,2 --shift-by -1 --execute"),
        "test:0=1 test:2=1"
    );
    assert_eq!(committed(), at(1, 2, 1));
    // Only planned, in so many words or by default.
    assert_eq!(
        new_offsets("--all-topics --to-latest --dry-run"),
        at(5, 5, 5)
    );
    assert_eq!(new_offsets("--all-topics --to-earliest"), at(0, 0, 0));
    assert_eq!(committed(), at(1, 2, 1));
    let two_topics = "--topic test:1 --topic test:2 --shift-by 100 --execute";
    assert_eq!(new_offsets(two_topics), "test:1=5 test:2=5");

    let long_ago = "--topic test --to-datetime 2020-01-01T00:00:00.000 --dry-run";
    assert_eq!(new_offsets(long_ago), at(0, 0, 0));
    assert_eq!(
        new_offsets("--topic test --by-duration P1D --dry-run"),
        at(0, 0, 0)
    );
    let (code, late, _) = said(
        &broker,
        "consumer-groups --reset-offsets --group g --topic test:1 --to-datetime \
         2199-01-01T00:00:00.000Z --dry-run",
        "",
    );
    let expected = "\nWarn: Partition 1 from topic test is empty. Falling back to latest known \
                    offset.\n\nGROUP           TOPIC           PARTITION  NEW-OFFSET\n\
                    g               test            1          5\n";
    assert_eq!((code, late.as_str()), (0, expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn exported_offsets_can_be_given_back() {
    let broker = broker_with_records().await;
    let reset = "consumer-groups --reset-offsets";
    out(
        &broker,
        &format!("{reset} --group a --topic test --to-offset 3 --execute"),
    );
    out(
        &broker,
        &format!("{reset} --group b --topic test:0 --to-offset 1 --execute"),
    );
    let export = "--all-topics --to-current --export --dry-run";
    let (_, of_one, error) = said(&broker, &format!("{reset} --group a {export}"), "");
    assert_eq!(
        (of_one.as_str(), error.as_str()),
        ("test,0,3\ntest,1,3\ntest,2,3\n\n", "")
    );
    let (_, of_all, _) = said(&broker, &format!("{reset} --all-groups {export}"), "");
    assert_eq!(of_all, "a,test,0,3\na,test,1,3\na,test,2,3\nb,test,0,1\n\n");

    let mut file = NamedTempFile::new().unwrap();
    file.write_all(of_all.as_bytes()).unwrap();
    let path = file.path().display();
    out(
        &broker,
        &format!("{reset} --all-groups --all-topics --to-latest --execute"),
    );
    out(
        &broker,
        &format!("{reset} --all-groups --from-file {path} --execute"),
    );
    let (_, back, _) = said(&broker, &format!("{reset} --all-groups {export}"), "");
    assert_eq!(back, of_all);
    fs::write(file.path(), "test,0,2\n\ntest,1\n").unwrap();
    let wrong = failure(
        &broker,
        &format!("{reset} --group a --from-file {path} --execute"),
    );
    assert!(
        wrong[1].contains("line 3: expected topic,partition,offset"),
        "{wrong:?}"
    );
    let missing = failure(
        &broker,
        &format!("{reset} --group a --from-file {path}.not --execute"),
    );
    assert!(missing[1].contains("Unable to read file"), "{missing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_deleted_one_by_one_and_groups_as_a_whole() {
    let broker = broker_with_records().await;
    let reset = "consumer-groups --reset-offsets --topic test --to-latest --execute";
    out(&broker, &format!("{reset} --group a --group b"));
    let expected = [
        "Request succeeded for deleting offsets from group a.",
        "",
        "TOPIC           PARTITION  STATUS",
        "test            1          Successful",
    ];
    let delete = "consumer-groups --delete-offsets --group";
    assert_eq!(
        out(&broker, &format!("{delete} a --topic test:1")),
        expected
    );
    let left = out(&broker, "consumer-groups --describe --group a");
    let left: BTreeSet<_> = words(&left)[1..].iter().map(|row| row[2]).collect();
    assert_eq!(left, BTreeSet::from(["0", "2"]));
    let refused = failure(&broker, &format!("{delete} a --topic nope"));
    let status = "nope            -          Error: \
                  org.apache.kafka.common.errors.UnknownTopicOrPartitionException: This server \
                  does not host this topic-partition.";
    assert_eq!(refused.last().map(String::as_str), Some(status));
    let refused = failure(&broker, &format!("{delete} nobody --topic test:0"));
    assert_eq!(refused[1], "Error: The group id does not exist.");

    let expected = [
        "",
        "Error: Deletion of some consumer groups failed:",
        "* Group 'nobody' could not be deleted due to: \
         org.apache.kafka.common.errors.GroupIdNotFoundException: The group id does not exist.",
        "",
        "These consumer groups were deleted successfully: 'a'",
    ];
    let delete = "consumer-groups --delete --group nobody --group a";
    assert_eq!(failure(&broker, delete), expected);
    assert_eq!(
        out(&broker, "consumer-groups --delete --all-groups"),
        ["Deletion of requested consumer groups ('b') was successful."]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_is_told_at_once() {
    let broker = broker_with_records().await;
    let began = std::time::Instant::now();
    let not_found = "Error: Executing consumer group command failed due to \
                     org.apache.kafka.common.errors.GroupIdNotFoundException: Group nope not \
                     found.";
    for view in ["", "--members", "--state"] {
        let said = failure(
            &broker,
            &format!("consumer-groups --describe --group nope {view}"),
        );
        assert_eq!(said, ["", not_found]);
    }
    let reset = "consumer-groups --reset-offsets --group g --to-earliest --execute";
    for (topic, reason) in [
        ("nope", "This server does not host this topic-partition."),
        ("nope:0", "This server does not host this topic-partition."),
        ("test:7", "The partitions \"test-7\" do not exist"),
    ] {
        let expected = format!("Error: Executing consumer group command failed due to {reason}");
        assert_eq!(
            failure(&broker, &format!("{reset} --topic {topic}")),
            ["", &expected]
        );
    }
    // Offsets of a topic that is gone have no end, and nobody waits for it to come back.
    create_topic(&broker, "gone", 1, &[]).await;
    out(&broker, &format!("{reset} --topic gone --topic test:0"));
    delete_topic(&broker, "gone").await;
    wait::until("the topic is gone", || {
        let topics = out(&broker, "topics --list");
        (!topics.contains(&"gone".to_owned())).then_some(())
    });
    let described = out(&broker, "consumer-groups --describe --group g");
    assert!(
        words(&described)
            .iter()
            .any(|row| row[1..3] == ["test", "0"]),
        "{described:?}"
    );
    // Retried for 15 s each, these would have taken minutes.
    assert!(began.elapsed() < wait::PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn wrong_options_and_a_missing_broker_are_told() {
    let nobody = format!("127.0.0.1:{}", port::unused());
    for (arguments, expected) in [
        ("", "Command must include exactly one action"),
        ("--list --delete", "exactly one action"),
        (
            "--describe",
            "Option [describe] takes one of these options: [all-groups], [group]",
        ),
        (
            "--delete",
            "Option [delete] takes one of these options: [all-groups], [group]",
        ),
        (
            "--list --state bogus",
            "Invalid state list 'bogus'. Valid states are: ",
        ),
        (
            "--reset-offsets --group g --topic t",
            "requires one of the following scenarios",
        ),
        (
            "--reset-offsets --group g --topic t:x --to-latest",
            "Invalid partition 'x'",
        ),
        (
            "--reset-offsets --group g --topic t --by-duration nonsense",
            "P1DT2H3M4S",
        ),
    ] {
        let (code, out, error) = said_by(&nobody, &format!("consumer-groups {arguments}"), "");
        assert_eq!((code, out.as_str()), (1, ""), "{arguments}");
        assert!(error.contains(expected), "{arguments}: {error}");
        assert!(error.contains("--help"), "{arguments}: {error}");
    }
    for (regex, expected) in [
        ("a.*", (0, "valid")),
        ("a(.*", (1, "invalid: unclosed group")),
    ] {
        let arguments = format!("consumer-groups --validate-regex {regex}");
        let (code, out, _) = said_by(&nobody, &arguments, "");
        let text = format!("The regular expression `{regex}` is {}.\n", expected.1);
        assert_eq!((code, out), (expected.0, text));
    }
    let (code, out, error) = said_by(&nobody, "consumer-groups --list --timeout 300", "");
    assert_eq!(code, 1);
    assert!(
        out.starts_with("\nError: Executing consumer group command failed due to "),
        "{out}"
    );
    assert!(error.contains("connect to 127.0.0.1"), "{error}");
}
