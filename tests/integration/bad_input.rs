//! What a stranger can send before anybody knows who it is: the right error or a closed connection,
//! never a panic, a hang or a broker that grows.

use std::{io::Write, time::Duration};

use bytes::Bytes;
use odradek_protocol::{
    ErrorCode,
    messages::{
        api_versions::{ApiVersionsRequest, ApiVersionsResponse},
        create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse},
    },
    records::{
        BatchBuilder, Compression, HEADER_LEN,
        control::{EndTransactionMarker, Outcome},
    },
};
use odradek_tests::{broker::Broker, wait};

use crate::{
    client::{create_topic, producer, send_all, topic_id, values, watermarks},
    produce_raw::{self, produce},
    wire::Wire,
};

/// A request header without flexible parts: key, version, correlation id, no client id.
fn header(key: i16, version: i16) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(key.to_be_bytes());
    header.extend(version.to_be_bytes());
    header.extend(1_i32.to_be_bytes());
    header.extend((-1_i16).to_be_bytes());
    header
}

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

/// The broker still does its work.
fn assert_serves(broker: &Broker) {
    let answer: ApiVersionsResponse = Wire::connect(broker).call(0, &ApiVersionsRequest::default());
    assert_eq!(answer.error_code, ErrorCode::None);
    assert!(
        !broker.printed().contains("panicked"),
        "{}",
        broker.printed()
    );
}

#[test]
fn frames_that_cannot_be_meant_close_their_connection() {
    let broker = Broker::start();
    let produce_with = |rest: &[u8]| [header(0, 3), rest.to_vec()].concat();
    let frames: Vec<(&str, Vec<u8>)> = vec![
        ("negative length", (-1_i32).to_be_bytes().to_vec()),
        (
            "length above socket.request.max.bytes",
            0x7fff_ffff_u32.to_be_bytes().to_vec(),
        ),
        ("empty frame", framed(&[])),
        ("half a header", framed(&[0, 3, 0])),
        ("unknown key", framed(&header(999, 0))),
        ("negative key", framed(&header(-5, 0))),
        ("key of an API between brokers", framed(&header(4, 0))),
        ("version above ours", framed(&header(3, 99))),
        ("version below ours", framed(&header(1, 0))),
        ("negative version", framed(&header(3, -1))),
        ("body cut off", framed(&produce_with(&[0xff, 0xff, 0]))),
        (
            "count of 2^31-1 topics",
            framed(&[header(3, 1), vec![0x7f, 0xff, 0xff, 0xff]].concat()),
        ),
        (
            "count of -2 topics",
            framed(&[header(3, 1), vec![0xff, 0xff, 0xff, 0xfe]].concat()),
        ),
        (
            "a count that does not end",
            framed(&[header(3, 9), vec![0], vec![0xff; 12]].concat()),
        ),
        (
            "text of another protocol",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        ),
    ];
    for (what, frame) in frames {
        let mut wire = Wire::connect(&broker);
        wire.stream.write_all(&frame).unwrap();
        assert!(wire.is_closed(), "{what}: the connection stays open");
    }
    assert_serves(&broker);
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_zero_with_our_ranges() {
    let broker = Broker::start();
    let mut wire = Wire::connect(&broker);
    // Header version 2: an empty block of tagged fields; then whatever version 99 may hold.
    wire.stream
        .write_all(&framed(&[header(18, 99), vec![0, 1, 2, 3]].concat()))
        .unwrap();
    let answer: ApiVersionsResponse = wire.receive(0);
    assert_eq!(answer.error_code, ErrorCode::UnsupportedVersion);
    let own = answer
        .api_keys
        .iter()
        .find(|range| range.api_key == 18)
        .unwrap();
    assert_eq!((own.min_version, own.max_version), (0, 4));
    // And the connection goes on.
    let answer: ApiVersionsResponse = wire.call(
        3,
        &ApiVersionsRequest {
            client_software_name: "test".to_owned(),
            client_software_version: "1".to_owned(),
        },
    );
    assert_eq!(answer.error_code, ErrorCode::None);
}

#[test]
fn a_flood_of_tagged_fields_costs_no_more_than_its_bytes() {
    let broker = Broker::start();
    let before = broker.resident_bytes();
    // ApiVersions v3: header tags, two empty compact strings, then half a million unknown tags.
    let mut body = [header(18, 3), vec![0, 1, 1]].concat();
    let count = 500_000_u32;
    body.extend(unsigned_varint(count));
    for tag in 0..count {
        body.extend(unsigned_varint(tag));
        body.push(0);
    }
    let mut wire = Wire::connect(&broker);
    // Either is right: skipped fields and an answer, or a connection closed in the middle because
    // no request of this kind is so large.
    let _ = wire.stream.write_all(&framed(&body));
    let _ = wire.receive_frame();
    assert!(broker.resident_bytes() < before + (32 << 20));
    assert_serves(&broker);
}

fn unsigned_varint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while 0x7f < value {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_lie_are_refused_with_kafkas_codes_and_leave_no_trace() {
    let broker = Broker::start();
    create_topic(&broker, "lies", 1, &[("max.message.bytes", "1000000")]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "lies");
    let good = || {
        BatchBuilder::new()
            .record(1, None, Some(b"one"))
            .record(2, None, Some(b"two"))
    };
    let bytes = |builder: BatchBuilder| builder.build().to_bytes().to_vec();
    let crc_fixed = |mut batch: Vec<u8>| {
        let crc = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        batch
    };
    let with = |at: usize, value: &[u8]| {
        let mut batch = bytes(good());
        batch[at..at + value.len()].copy_from_slice(value);
        crc_fixed(batch)
    };
    let flipped = {
        let mut batch = bytes(good());
        *batch.last_mut().unwrap() ^= 1;
        batch
    };
    let commit = EndTransactionMarker {
        outcome: Outcome::Commit,
        coordinator_epoch: 0,
    };
    let oversized = bytes(BatchBuilder::new().record(1, None, Some(&vec![7; 1_000_001])));
    let cases: Vec<(&str, Vec<u8>, ErrorCode)> = vec![
        ("a flipped bit", flipped, ErrorCode::CorruptMessage),
        (
            "a false count",
            with(57, &5_i32.to_be_bytes()),
            ErrorCode::InvalidRecord,
        ),
        (
            "a negative count",
            with(57, &(-1_i32).to_be_bytes()),
            ErrorCode::InvalidRecord,
        ),
        (
            "a false last offset",
            with(23, &9_i32.to_be_bytes()),
            ErrorCode::InvalidRecord,
        ),
        (
            "an unknown codec",
            with(22, &[7]),
            ErrorCode::UnsupportedCompressionType,
        ),
        ("larger than allowed", oversized, ErrorCode::MessageTooLarge),
        (
            "half a batch",
            bytes(good())[..HEADER_LEN + 2].to_vec(),
            ErrorCode::CorruptMessage,
        ),
        (
            "two batches",
            [bytes(good()), bytes(good())].concat(),
            ErrorCode::InvalidRecord,
        ),
        (
            "a control batch",
            BatchBuilder::end_transaction(1, 0, commit, 0)
                .build()
                .to_bytes()
                .to_vec(),
            ErrorCode::InvalidRecord,
        ),
    ];
    for (what, batch, expected) in cases {
        let refused = produce(&mut wire, id, 0, batch.into()).unwrap_err();
        assert_eq!(refused.error_code, expected, "{what}");
    }
    assert_eq!(produce(&mut wire, id, 0, bytes(good()).into()).unwrap(), 0);
    assert_eq!(watermarks(&broker, "lies", 0), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn decompression_bombs_are_refused_in_bounded_memory() {
    let broker = Broker::start();
    create_topic(&broker, "bombs", 1, &[("max.message.bytes", "20000000")]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "bombs");
    // Warm: buffers, the codecs' own contexts.
    produce(
        &mut wire,
        id,
        0,
        BatchBuilder::new()
            .record(1, None, Some(b"x"))
            .build()
            .to_bytes(),
    )
    .unwrap();
    let before = broker.resident_bytes();
    // A little more than what the broker is willing to look at.
    let zeros = vec![0_u8; 260 << 20];
    for codec in [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let bomb = BatchBuilder::new()
            .compression(codec)
            .record(1, None, Some(&zeros))
            .build()
            .to_bytes();
        let outcome = produce(&mut wire, id, 0, bomb);
        assert!(outcome.is_err(), "{codec:?}");
        let grown = broker.resident_bytes().saturating_sub(before);
        assert!(grown < 64 << 20, "{codec:?}: grown by {grown} bytes");
    }
    assert_serves(&broker);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_partitions_have_their_code_and_do_not_hurt_their_neighbours() {
    let broker = Broker::start();
    create_topic(&broker, "known", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "known");
    let batch = || {
        BatchBuilder::new()
            .record(1, None, Some(b"x"))
            .build()
            .to_bytes()
    };
    let code = |result: Result<i64, _>| {
        result.map_err(
            |refused: odradek_protocol::messages::produce::PartitionProduceResponse| {
                refused.error_code
            },
        )
    };
    assert_eq!(
        code(produce(&mut wire, id, 5, batch())),
        Err(ErrorCode::UnknownTopicOrPartition)
    );
    let nobody = odradek_protocol::Uuid::from_u128(1);
    assert_eq!(
        code(produce(&mut wire, nobody, 0, batch())),
        Err(ErrorCode::UnknownTopicId)
    );
    assert_eq!(code(produce(&mut wire, id, 0, batch())), Ok(0));
}

#[test]
fn topics_that_cannot_be_are_refused_with_a_sentence() {
    let broker = Broker::start();
    let mut wire = Wire::connect(&broker);
    let topic = |name: &str, num_partitions, replication_factor| CreatableTopic {
        name: name.to_owned(),
        num_partitions,
        replication_factor,
        ..Default::default()
    };
    let long = "x".repeat(250);
    let cases = [
        (topic("", 1, 1), ErrorCode::InvalidTopicException),
        (topic("..", 1, 1), ErrorCode::InvalidTopicException),
        (topic("with space", 1, 1), ErrorCode::InvalidTopicException),
        (
            topic("../../etc/passwd", 1, 1),
            ErrorCode::InvalidTopicException,
        ),
        (topic(&long, 1, 1), ErrorCode::InvalidTopicException),
        (topic("ok", 0, 1), ErrorCode::InvalidPartitions),
        (topic("ok", -2, 1), ErrorCode::InvalidPartitions),
        (topic("ok", 1, 2), ErrorCode::InvalidReplicationFactor),
        (topic("ok", 1, 0), ErrorCode::InvalidReplicationFactor),
    ];
    for (asked, expected) in cases {
        let request = CreateTopicsRequest {
            topics: vec![asked.clone()],
            timeout_ms: 10_000,
            ..Default::default()
        };
        let answer: CreateTopicsResponse = wire.call(7, &request);
        let result = &answer.topics[0];
        assert_eq!(result.error_code, expected, "{asked:?}");
        assert!(
            result
                .error_message
                .as_ref()
                .is_some_and(|text| !text.is_empty()),
            "{asked:?}"
        );
    }
}

/// A thousand connections, each with something nasty half sent; the broker may grow by 32 MiB.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_hostile_connections_cost_little_and_a_good_client_is_served() {
    raise_descriptor_limit();
    let broker = Broker::start();
    create_topic(&broker, "good", 1, &[]).await;
    let client = producer(&broker, &[]);
    send_all(&client, "good", Some(0), &values("warm", 100)).await;
    let before = broker.resident_bytes();
    let mut hostile = Vec::new();
    for number in 0..1000_u32 {
        let mut wire = Wire::connect(&broker);
        let piece = match number % 4 {
            // A frame of 100 MB of which next to nothing comes.
            0 => [&100_000_000_u32.to_be_bytes()[..], &header(0, 9)].concat(),
            // A length and nothing else.
            1 => 50_000_000_u32.to_be_bytes().to_vec(),
            // A long poll on nothing, cut in the middle.
            2 => framed(&header(1, 12))[..9].to_vec(),
            // A megabyte announced, some of it sent.
            _ => [&1_000_000_u32.to_be_bytes()[..], &vec![0; 4000]].concat(),
        };
        wire.stream.write_all(&piece).unwrap();
        hostile.push(wire);
    }
    send_all(&client, "good", Some(0), &values("still", 1000)).await;
    let grown = broker.resident_bytes().saturating_sub(before);
    println!("1000 hostile connections: grown by {} KiB", grown / 1024);
    assert!(grown < 32 << 20, "grown by {grown} bytes");
    assert_eq!(watermarks(&broker, "good", 0), (0, 1100));
    drop(hostile);
    assert_serves(&broker);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections_that_never_speak_leave_room_for_one_that_does() {
    raise_descriptor_limit();
    let broker = Broker::start();
    create_topic(&broker, "room", 1, &[]).await;
    let before = broker.resident_bytes();
    let silent: Vec<_> = (0..10_000).map(|_| Wire::connect(&broker)).collect();
    let client = producer(&broker, &[]);
    send_all(&client, "room", Some(0), &values("v", 100)).await;
    assert_eq!(watermarks(&broker, "room", 0), (0, 100));
    let grown = broker.resident_bytes().saturating_sub(before);
    println!("10000 silent connections: grown by {} KiB", grown / 1024);
    drop(silent);
    wait::until("the connections are gone", || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", broker.pid()))
            .ok()?
            .count();
        (open < 1000).then_some(())
    });
}

/// Descriptors run out: accepting pauses, nothing dies, and it goes on when there are some again.
#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_the_broker_neither_dies_nor_spins() {
    let broker = Broker::start();
    create_topic(&broker, "scarce", 1, &[]).await;
    let client = producer(&broker, &[]);
    send_all(&client, "scarce", Some(0), &values("before", 10)).await;
    let open = std::fs::read_dir(format!("/proc/{}/fd", broker.pid()))
        .unwrap()
        .count() as u64;
    set_descriptor_limit_of(&broker, open + 20);
    let crowd: Vec<_> = (0..200)
        .filter_map(|_| Wire::try_connect(&broker).ok())
        .collect();
    let cpu_before = cpu_seconds(broker.pid());
    std::thread::sleep(Duration::from_secs(2));
    let used = cpu_seconds(broker.pid()) - cpu_before;
    assert!(used < 1.0, "the accept loop spins: {used} s of CPU in 2 s");
    drop(crowd);
    wait::until("new connections are served again", || {
        let mut wire = Wire::try_connect(&broker).ok()?;
        wire.stream
            .set_read_timeout(Some(Duration::from_millis(500)))
            .ok()?;
        wire.send(0, &ApiVersionsRequest::default());
        wire.receive_frame().ok()
    });
    send_all(&client, "scarce", Some(0), &values("after", 10)).await;
    assert_serves(&broker);
}

fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

fn set_descriptor_limit_of(broker: &Broker, descriptors: u64) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let pid = Pid::from_raw(broker.pid() as i32);
    let limit = Rlimit {
        current: Some(descriptors),
        maximum: Some(descriptors),
    };
    prlimit(pid, Resource::Nofile, limit).unwrap();
}

/// User and system time of a process, in seconds.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = |at: usize| {
        fields
            .split_whitespace()
            .nth(at)
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    (ticks(11) + ticks(12)) / 100.0
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unacknowledged_produce_that_fails_closes_its_connection() {
    let broker = Broker::start();
    create_topic(&broker, "acks-0-bad", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "acks-0-bad");
    let mut request = produce_raw::request(id, 7, Bytes::from_static(b"no batch"));
    request.acks = 0;
    wire.send(13, &request);
    assert!(wire.is_closed());
    assert_serves(&broker);
}

#[test]
fn a_flood_of_nonsense_leaves_few_lines_in_the_log() {
    let broker = Broker::start();
    let before = broker.printed().lines().count();
    for _ in 0..300 {
        let mut wire = Wire::connect(&broker);
        wire.stream.write_all(&framed(&header(999, 0))).unwrap();
        assert!(wire.is_closed());
    }
    let printed = broker.printed();
    let lines = printed.lines().count() - before;
    assert!((1..10).contains(&lines), "{printed}");
    assert!(printed.contains("999"), "{printed}");
}
