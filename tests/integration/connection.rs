//! One connection: its order, its ends, its listener, its limits on descriptors.

use std::{
    net::{Ipv4Addr, Shutdown, TcpStream},
    time::{Duration, Instant},
};

use odradek_protocol::{
    ErrorCode,
    messages::{
        api_versions::{ApiVersionsRequest, ApiVersionsResponse},
        fetch::FetchResponse,
        metadata::{MetadataRequest, MetadataResponse},
        produce::ProduceResponse,
    },
};
use odradek_tests::{
    broker::{Broker, Setup},
    port,
};

use crate::{
    client::{create_topic, topic_id, watermarks},
    fetch_raw::{self, asked, batches, only_partition},
    produce_raw::{self, batch_of},
    wire::Wire,
};

/// [`Wire`] checks the correlation id of each answer.
#[tokio::test(flavor = "multi_thread")]
async fn answers_leave_in_the_order_of_their_requests_however_long_one_takes() {
    let broker = Broker::start();
    create_topic(&broker, "order", 2, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "order");
    let mut poll = fetch_raw::request(id, vec![asked(1, 0)]);
    poll.max_wait_ms = 700;
    let began = Instant::now();
    for _ in 0..20 {
        let produce = produce_raw::request(id, 0, batch_of(1, 10));
        wire.send(produce_raw::VERSION, &produce);
    }
    wire.send(fetch_raw::VERSION, &poll);
    wire.send(0, &ApiVersionsRequest::default());
    for offset in 0..20 {
        let produced: ProduceResponse = wire.receive(produce_raw::VERSION);
        assert_eq!(
            produced.responses[0].partition_responses[0].base_offset,
            offset
        );
    }
    assert!(
        began.elapsed() < Duration::from_millis(700),
        "what came before it waits for no poll"
    );
    let polled: FetchResponse = wire.receive(fetch_raw::VERSION);
    assert!(batches(only_partition(&polled)).is_empty());
    let _: ApiVersionsResponse = wire.receive(0);
    assert!(Duration::from_millis(700) <= began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_asked_before_it_closed_its_side_is_done_and_answered() {
    let broker = Broker::start();
    create_topic(&broker, "half-closed", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "half-closed");
    for _ in 0..5 {
        let request = produce_raw::request(id, 0, batch_of(1, 10));
        wire.send(produce_raw::VERSION, &request);
    }
    wire.stream.shutdown(Shutdown::Write).unwrap();
    for offset in 0..5 {
        let produced: ProduceResponse = wire.receive(produce_raw::VERSION);
        assert_eq!(
            produced.responses[0].partition_responses[0].base_offset,
            offset
        );
    }
    assert!(wire.is_closed());
    assert_eq!(watermarks(&broker, "half-closed", 0), (0, 5));
}

#[test]
fn clients_are_told_the_address_of_the_listener_they_came_in_by() {
    let (inside, outside) = (port::unused(), port::unused());
    let listeners = format!("INSIDE://127.0.0.1:{inside},OUTSIDE://0.0.0.0:{outside}");
    let broker = Broker::start_with(&[
        ("listeners", &listeners),
        (
            "advertised.listeners",
            &format!("INSIDE://127.0.0.1:{inside},OUTSIDE://kafka.example:9093"),
        ),
        (
            "listener.security.protocol.map",
            "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT",
        ),
        ("inter.broker.listener.name", "INSIDE"),
    ]);
    let told = |port: u16| {
        let mut wire = Wire::over(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap());
        let request = MetadataRequest {
            topics: Some(Vec::new()),
            ..Default::default()
        };
        let answer: MetadataResponse = wire.call(12, &request);
        (answer.brokers[0].host.clone(), answer.brokers[0].port)
    };
    assert_eq!(told(inside), ("127.0.0.1".to_owned(), i32::from(inside)));
    assert_eq!(told(outside), ("kafka.example".to_owned(), 9093));
    drop(broker);
}

/// Shells give 1024 descriptors where 20 000 are allowed.
#[test]
fn the_limit_on_descriptors_is_raised_as_far_as_it_may_be() {
    let broker = Setup::default().descriptors(256, 3000).start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", broker.pid())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let fields: Vec<_> = line["Max open files".len()..].split_whitespace().collect();
    assert_eq!(fields[..2], ["3000", "3000"]);
}

/// Every partition has three files, and there are descriptors for a few only.
#[tokio::test(flavor = "multi_thread")]
async fn more_files_than_descriptors_are_no_reason_to_stop() {
    const PARTITIONS: i32 = 200;
    let mut broker = Setup::default().descriptors(256, 256).start();
    create_topic(&broker, "many", PARTITIONS, &[]).await;
    for round in 0..2 {
        let mut wire = Wire::connect(&broker);
        let id = topic_id(&mut wire, "many");
        for partition in 0..PARTITIONS {
            let offset = produce_raw::produce(&mut wire, id, partition, batch_of(1, 10));
            assert_eq!(offset.unwrap(), round);
        }
        for partition in (0..PARTITIONS).rev() {
            let found = batches(&fetch_raw::fetch(&mut wire, id, partition, 0));
            assert_eq!(found.len() as i64, round + 1);
        }
        broker.kill();
        broker.start_again();
    }
}

/// A producer's timestamps are believed within limits.
#[tokio::test(flavor = "multi_thread")]
async fn timestamps_outside_the_limits_of_the_topic_are_refused() {
    let broker = Broker::start();
    let entries = [
        ("message.timestamp.before.max.ms", "60000"),
        ("message.timestamp.after.max.ms", "60000"),
    ];
    create_topic(&broker, "clock", 1, &entries).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "clock");
    let now = produce_raw::now_ms();
    for (timestamp, expected) in [
        (now, Ok(0)),
        (now - 120_000, Err(ErrorCode::InvalidTimestamp)),
        (now + 120_000, Err(ErrorCode::InvalidTimestamp)),
        (now - 30_000, Ok(1)),
        (now + 30_000, Ok(2)),
    ] {
        let batch = produce_raw::batch_at(timestamp, 1, 10);
        let outcome = produce_raw::produce(&mut wire, id, 0, batch);
        assert_eq!(outcome.map_err(|refused| refused.error_code), expected);
    }
}
