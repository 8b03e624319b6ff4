//! Committed offsets: what is stored, what is refused, what is left after a crash.

use std::{fs, time::Duration};

use odradek_protocol::{
    ErrorCode,
    messages::produce::{ProduceRequest, ProduceResponse},
    records::BatchBuilder,
};
use odradek_tests::{broker::Broker, http, wait};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
};

use crate::{
    admin::metric,
    client::{config, create_topic, delete_topic, producer, send_all, topic_id, values},
    offsets_raw::{
        Committed, Offsets, Position, commit, commit_as, commit_for, delete, fetch, fetch_all,
        fetch_groups, find_coordinator, is_loaded,
    },
    produce_raw::{self, batch_of},
    wire::Wire,
};

/// A segment of `__consumer_offsets` as Apache Kafka wrote it.
const KAFKAS_OFFSETS: &[u8] =
    include_bytes!("../../crates/protocol/tests/golden/group_records/offsets.log");

/// A connection to a broker that coordinates groups already.
pub(crate) fn coordinator(broker: &Broker) -> Wire {
    let mut wire = Wire::connect(broker);
    find_coordinator(&mut wire, "any");
    wait::until("the offsets are loaded", || {
        is_loaded(&mut wire).then_some(())
    });
    wire
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_offsets_survive_a_kill_with_leader_epoch_and_metadata() {
    let mut broker = Broker::start();
    create_topic(&broker, "t", 3, &[]).await;
    let mut wire = coordinator(&broker);
    for group in ["one", "two"] {
        let positions = [
            Position::at("t", 0, 5).epoch(0).metadata("note"),
            Position::at("t", 2, 7),
        ];
        let answer = commit(&mut wire, group, &positions);
        assert_eq!(answer, [ErrorCode::None; 2], "{group}");
    }
    // The last of several commits counts.
    for offset in [8, 9, 10] {
        commit(&mut wire, "two", &[Position::at("t", 0, offset)]);
    }
    broker.kill();
    broker.start_again();
    let mut wire = coordinator(&broker);
    let first = Committed {
        offset: 5,
        leader_epoch: 0,
        metadata: "note".to_owned(),
        error: ErrorCode::None,
    };
    let expected = [("t", 0, first), ("t", 2, Committed::at(7))];
    assert_eq!(fetch_all(&mut wire, "one"), Offsets::of(&expected));
    let expected = [("t", 0, Committed::at(10)), ("t", 2, Committed::at(7))];
    assert_eq!(fetch_all(&mut wire, "two"), Offsets::of(&expected));
    let printed = broker.printed();
    assert!(printed.contains("loaded groups and offsets"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_kafka_wrote_are_loaded_and_broken_ones_are_left_out() {
    let mut broker = Broker::start();
    create_topic(&broker, "t", 1, &[]).await;
    coordinator(&broker);
    broker.kill();
    // The group `simple` belongs to this partition; the record has offset 7.
    let broken = BatchBuilder::new()
        .base_offset(7)
        .record(1, Some(b"?"), Some(b"?"));
    let segment = [KAFKAS_OFFSETS, &*broken.build().to_bytes()].concat();
    let directory = broker.log_dir().join("__consumer_offsets-26");
    fs::write(directory.join("00000000000000000000.log"), segment).unwrap();
    broker.start_again();
    let mut wire = coordinator(&broker);
    // The position in partition 1 is in a topic of another id, and the group `other` is deleted.
    let expected = Committed {
        metadata: "ho".to_owned(),
        ..Committed::at(3)
    };
    let expected = Offsets::of(&[("t", 0, expected)]);
    wait::until("positions in another topic are forgotten", || {
        (fetch_all(&mut wire, "simple") == expected).then_some(())
    });
    assert_eq!(fetch_all(&mut wire, "other"), Offsets::of(&[]));
    assert!(broker.printed().contains("broken_records=1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_refused_and_the_rest_is_stored() {
    let broker = Broker::start();
    create_topic(&broker, "t", 1, &[]).await;
    let mut wire = coordinator(&broker);
    let longest = "x".repeat(4096);
    let too_long = "x".repeat(4097);
    let answer = commit(
        &mut wire,
        "g",
        &[
            Position::at("nowhere", 0, 1),
            Position::at("t", 1, 1),
            Position::at("t", -1, 1),
            Position::at("t", 0, 3).metadata(&longest),
        ],
    );
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(answer, [unknown, unknown, unknown, ErrorCode::None]);
    let answer = commit(
        &mut wire,
        "g",
        &[Position::at("t", 0, 4).metadata(&too_long)],
    );
    assert_eq!(answer, [ErrorCode::OffsetMetadataTooLarge]);
    let stored = fetch(&mut wire, "g", &[("t", 0), ("t", 1), ("nowhere", 0)]);
    let expected = Committed {
        metadata: longest,
        ..Committed::at(3)
    };
    let expected = [
        ("t", 0, expected),
        ("t", 1, Committed::none()),
        ("nowhere", 0, Committed::none()),
    ];
    assert_eq!(stored, Offsets::of(&expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_another_generation_changes_nothing() {
    let broker = Broker::start();
    create_topic(&broker, "t", 1, &[]).await;
    let mut wire = coordinator(&broker);
    let position = [Position::at("t", 0, 5)];
    // Of a group that does not exist.
    let answer = commit_as(&mut wire, "g", "somebody", 3, &position);
    assert_eq!(answer, [ErrorCode::IllegalGeneration]);
    let half_known = [Position::at("nowhere", 0, 5), Position::at("t", 0, 5)];
    let answer = commit_as(&mut wire, "g", "somebody", 3, &half_known);
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(answer, [unknown, ErrorCode::IllegalGeneration]);
    // Of an empty one, which takes commits from outside and no others.
    assert_eq!(commit(&mut wire, "g", &position), [ErrorCode::None]);
    let position = [Position::at("t", 0, 6)];
    let answer = commit_as(&mut wire, "g", "somebody", 0, &position);
    assert_eq!(answer, [ErrorCode::UnknownMemberId]);
    let expected = [("t", 0, Committed::at(5))];
    assert_eq!(fetch_all(&mut wire, "g"), Offsets::of(&expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_from_outside_is_refused_while_the_group_has_members() {
    let broker = Broker::start();
    create_topic(&broker, "t", 1, &[]).await;
    let consumer = consumer(&broker, "g");
    consumer.subscribe(&["t"]).unwrap();
    wait::until("the member has its partition", || {
        let _ = consumer.poll(Duration::from_millis(20));
        (consumer.assignment().unwrap().count() == 1).then_some(())
    });
    let mut wire = coordinator(&broker);
    let answer = commit(&mut wire, "g", &[Position::at("t", 0, 5)]);
    assert_eq!(answer, [ErrorCode::UnknownMemberId]);
    let subscribed = delete(&mut wire, "g", &[("t", 0)]);
    assert_eq!(subscribed, Ok(vec![ErrorCode::GroupSubscribedToTopic]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_can_ask_for_several_groups_and_for_all_positions() {
    let broker = Broker::start();
    create_topic(&broker, "a", 2, &[]).await;
    create_topic(&broker, "b", 1, &[]).await;
    let mut wire = coordinator(&broker);
    commit(
        &mut wire,
        "g",
        &[Position::at("a", 1, 5), Position::at("b", 0, 6)],
    );
    commit(&mut wire, "h", &[Position::at("a", 0, 7)]);
    let wanted = [
        ("g", None),
        ("h", Some(vec![("a", 0), ("a", 1)])),
        ("never seen", None),
        ("never seen either", Some(vec![("a", 0)])),
    ];
    let none = ("a", 0, Committed::none());
    let expected = vec![
        Offsets::of(&[("a", 1, Committed::at(5)), ("b", 0, Committed::at(6))]),
        Offsets::of(&[("a", 0, Committed::at(7)), ("a", 1, Committed::none())]),
        Offsets::of(&[]),
        Offsets::of(&[none]),
    ];
    for version in [8, 9] {
        assert_eq!(fetch_groups(&mut wire, version, &wanted), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_position_stays_deleted() {
    let mut broker = Broker::start();
    create_topic(&broker, "t", 2, &[]).await;
    let mut wire = coordinator(&broker);
    let missing = delete(&mut wire, "g", &[("t", 0)]);
    assert_eq!(missing, Err(ErrorCode::GroupIdNotFound));
    commit(
        &mut wire,
        "g",
        &[Position::at("t", 0, 5), Position::at("t", 1, 6)],
    );
    let answer = delete(&mut wire, "g", &[("t", 0), ("t", 7), ("nowhere", 0)]);
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(answer, Ok(vec![ErrorCode::None, unknown, unknown]));
    let expected = Offsets::of(&[("t", 1, Committed::at(6))]);
    assert_eq!(fetch_all(&mut wire, "g"), expected);
    broker.kill();
    broker.start_again();
    let mut wire = coordinator(&broker);
    assert_eq!(fetch_all(&mut wire, "g"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_takes_its_positions_with_it() {
    let mut broker = Broker::start();
    for topic in ["gone", "gone-too", "stays"] {
        create_topic(&broker, topic, 1, &[]).await;
    }
    let mut wire = coordinator(&broker);
    let positions = ["gone", "gone-too", "stays"].map(|topic| Position::at(topic, 0, 5));
    commit(&mut wire, "g", &positions);
    delete_topic(&broker, "gone").await;
    create_topic(&broker, "gone", 1, &[]).await;
    let expected = Offsets::of(&[
        ("gone-too", 0, Committed::at(5)),
        ("stays", 0, Committed::at(5)),
    ]);
    wait::until("the position is forgotten", || {
        (fetch_all(&mut wire, "g") == expected).then_some(())
    });
    commit(&mut wire, "g", &[Position::at("gone", 0, 1)]);
    // Perhaps before the coordinator has heard of it.
    delete_topic(&broker, "gone-too").await;
    broker.kill();
    broker.start_again();
    create_topic(&broker, "gone-too", 1, &[]).await;
    let mut wire = coordinator(&broker);
    let expected = Offsets::of(&[
        ("gone", 0, Committed::at(1)),
        ("stays", 0, Committed::at(5)),
    ]);
    assert_eq!(fetch_all(&mut wire, "g"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_expire_and_their_group_with_the_last_of_them() {
    let mut broker = Broker::start_with(&[("offsets.retention.check.interval.ms", "50")]);
    create_topic(&broker, "t", 2, &[]).await;
    let mut wire = coordinator(&broker);
    // Version 2 lets the client say for how long, which makes this test a short one.
    let soon = [Position::at("t", 0, 5)];
    assert_eq!(commit_for(&mut wire, "mixed", 1, &soon), [ErrorCode::None]);
    commit(&mut wire, "mixed", &[Position::at("t", 1, 6)]);
    commit_for(&mut wire, "all", 1, &soon);
    let expected = Offsets::of(&[("t", 1, Committed::at(6))]);
    wait::until("what has expired is gone", || {
        (fetch_all(&mut wire, "mixed") == expected).then_some(())
    });
    wait::until("the group is gone", || {
        (delete(&mut wire, "all", &[("t", 0)]) == Err(ErrorCode::GroupIdNotFound)).then_some(())
    });
    broker.kill();
    broker.start_again();
    let mut wire = coordinator(&broker);
    assert_eq!(fetch_all(&mut wire, "mixed"), expected);
    assert_eq!(
        delete(&mut wire, "all", &[("t", 0)]),
        Err(ErrorCode::GroupIdNotFound)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_broker_writes_to_the_topic_of_the_offsets() {
    let broker = Broker::start();
    let mut wire = coordinator(&broker);
    let id = topic_id(&mut wire, "__consumer_offsets");
    let refused = produce_raw::produce(&mut wire, id, 0, batch_of(1, 10)).unwrap_err();
    assert_eq!(refused.error_code, ErrorCode::InvalidTopicException);
    let batch = BatchBuilder::new().record(1, Some(b"k"), None).build();
    let request = produce_raw::request(id, 0, batch.to_bytes());
    let request = ProduceRequest { acks: 1, ..request };
    let answer: ProduceResponse = wire.call(produce_raw::VERSION, &request);
    let partition = &answer.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, ErrorCode::InvalidTopicException);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_goes_on_where_its_group_stopped() {
    let mut broker = Broker::start();
    create_topic(&broker, "t", 1, &[]).await;
    let client = producer(&broker, &[]);
    send_all(&client, "t", Some(0), &values("v", 10)).await;
    let first = consumer(&broker, "g");
    first.subscribe(&["t"]).unwrap();
    for expected in 0..4 {
        assert_eq!(next(&first), expected);
    }
    first.commit_consumer_state(CommitMode::Sync).unwrap();
    drop(first);
    broker.stop();
    broker.start_again();
    let second = consumer(&broker, "g");
    second.subscribe(&["t"]).unwrap();
    assert_eq!(next(&second), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lag_of_a_group_is_a_metric() {
    let broker = Broker::start();
    create_topic(&broker, "t", 2, &[]).await;
    let client = producer(&broker, &[]);
    send_all(&client, "t", Some(0), &values("v", 10)).await;
    let mut wire = coordinator(&broker);
    commit(
        &mut wire,
        "g\"h",
        &[Position::at("t", 0, 3), Position::at("t", 1, 0)],
    );
    let (_, metrics) = http::get(broker.admin_port(), "/metrics").unwrap();
    for line in [
        "odradek_consumer_group_lag{group=\"g\\\"h\",topic=\"t\",partition=\"0\"} 7",
        "odradek_consumer_group_lag{group=\"g\\\"h\",topic=\"t\",partition=\"1\"} 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{metrics}");
    }
    assert!(metric(&broker, "odradek_consumer_group_lag_omitted").abs() < 0.5);
}

fn consumer(broker: &Broker, group: &str) -> BaseConsumer {
    config(
        broker,
        &[
            ("group.id", group),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "false"),
        ],
    )
    .create()
    .unwrap()
}

/// The offset of the next record.
fn next(consumer: &BaseConsumer) -> i64 {
    wait::until("there is a record", || {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(record)) => Some(record.offset()),
            Some(Err(_)) | None => None,
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_assigns_itself_can_commit_too() {
    let broker = Broker::start();
    create_topic(&broker, "t", 1, &[]).await;
    let consumer = consumer(&broker, "g");
    let mut positions = TopicPartitionList::new();
    positions
        .add_partition_offset("t", 0, Offset::Offset(42))
        .unwrap();
    consumer.commit(&positions, CommitMode::Sync).unwrap();
    let committed = consumer
        .committed_offsets(positions, wait::PATIENCE)
        .unwrap();
    assert_eq!(
        committed.find_partition("t", 0).unwrap().offset(),
        Offset::Offset(42)
    );
}
