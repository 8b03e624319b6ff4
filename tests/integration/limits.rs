//! What clients may cost: memory, connections, patience.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use odradek_protocol::{
    ErrorCode,
    messages::{
        api_versions::{ApiVersionsRequest, ApiVersionsResponse},
        fetch::{FetchRequest, FetchResponse},
    },
    records::BatchBuilder,
};
use odradek_tests::{broker::Broker, http, wait};

use crate::{
    admin::status,
    client::{create_topic, producer, read, send_all, topic_id, values, watermarks},
    fetch_raw::{self, asked},
    produce_raw::{batch_of, now_ms, produce},
    wire::Wire,
};

/// By so much may the broker grow, whatever its clients do.
const GROWTH_MAX: u64 = 32 << 20;

/// Asks for 50 MB of partition 0 from its start.
fn large_fetch(wire: &mut Wire, topic: &str) -> FetchRequest {
    let id = topic_id(wire, topic);
    let mut request = fetch_raw::request(id, vec![asked(0, 0)]);
    request.max_bytes = 50_000_000;
    request.topics[0].partitions[0].partition_max_bytes = 50_000_000;
    request
}

/// A topic with 60 MB in one partition.
async fn large_topic(broker: &Broker, name: &str) {
    create_topic(broker, name, 1, &[]).await;
    let mut wire = Wire::connect(broker);
    let id = topic_id(&mut wire, name);
    let batch = batch_of(1, 1_000_000);
    for _ in 0..60 {
        produce(&mut wire, id, 0, batch.clone()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_clients_that_ask_for_50_mb_and_never_read_cost_next_to_nothing() {
    let mut broker = Broker::start();
    large_topic(&broker, "large").await;
    for cold in [false, true] {
        if cold {
            // After a restart nothing is known of where batches begin: other paths are taken.
            broker.stop();
            broker.start_again();
        }
        let mut wire = Wire::connect(&broker);
        let request = large_fetch(&mut wire, "large");
        // Once for all that is allocated at first use.
        let response: FetchResponse = wire.call(fetch_raw::VERSION, &request);
        assert_eq!(response.error_code, ErrorCode::None);
        drop(response);
        let before = broker.resident_bytes();
        let deaf: Vec<_> = (0..100)
            .map(|_| {
                let mut wire = Wire::connect(&broker);
                wire.send(fetch_raw::VERSION, &request);
                wire
            })
            .collect();
        // Their answers have begun to leave.
        for wire in &deaf {
            wire.stream.peek(&mut [0; 1]).unwrap();
        }
        let topic = format!("good-{cold}");
        create_topic(&broker, &topic, 1, &[]).await;
        let client = producer(&broker, &[]);
        let began = Instant::now();
        send_all(&client, &topic, Some(0), &values("v", 1000)).await;
        assert_eq!(read(&broker, &topic, 0, 0, 1000).len(), 1000);
        let took = began.elapsed();
        let grown = broker.resident_bytes().saturating_sub(before);
        println!(
            "100 deaf clients (cold: {cold}): grown by {} KiB; a good client took {took:?}",
            grown / 1024
        );
        assert!(grown < GROWTH_MAX, "grown by {grown} bytes");
        drop(deaf);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_take_an_answer_is_closed_and_whoever_is_slow_is_not() {
    let broker = Broker::start_with(&[("socket.stall.timeout.ms", "1000")]);
    large_topic(&broker, "slow").await;
    let mut deaf = Wire::connect(&broker);
    let request = large_fetch(&mut deaf, "slow");
    let mut slow = Wire::connect(&broker);
    deaf.send(fetch_raw::VERSION, &request);
    slow.send(fetch_raw::VERSION, &request);
    // Half a megabyte every 50 ms: always some progress, for five seconds.
    let began = Instant::now();
    let mut buffer = vec![0; 500_000];
    slow.stream.read_exact(&mut buffer[..4]).unwrap();
    let mut left = u32::from_be_bytes(buffer[..4].try_into().unwrap()) as usize;
    assert!(40_000_000 < left, "{left}");
    while 0 < left {
        let step = left.min(buffer.len());
        slow.stream.read_exact(&mut buffer[..step]).unwrap();
        left -= step;
        thread::sleep(Duration::from_millis(50));
    }
    assert!(Duration::from_secs(2) < began.elapsed());
    // The deaf one finds what the kernel had taken for it, and then the end.
    let mut taken = 0;
    let end = loop {
        match deaf.stream.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(n) => taken += n,
            Err(error) => break Err(error),
        }
    };
    println!("a deaf client was given {taken} bytes, then {end:?}");
    assert!(taken < 40_000_000, "{taken}");
    let complaint = "the client does not take its answers";
    assert!(broker.printed().contains(complaint), "{}", broker.printed());
}

#[test]
fn a_request_that_stops_arriving_is_given_up_and_one_that_trickles_is_not() {
    let broker = Broker::start_with(&[("socket.stall.timeout.ms", "1000")]);
    let mut stopped = Wire::connect(&broker);
    stopped.stream.write_all(&[0, 0, 1, 0, 0, 18]).unwrap();
    let began = Instant::now();
    let mut trickling = Wire::connect(&broker);
    // ApiVersions 0, correlation id 7, no client id: a byte every 200 ms.
    for byte in [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 255, 255] {
        trickling.stream.write_all(&[byte]).unwrap();
        thread::sleep(Duration::from_millis(200));
    }
    let answer: ApiVersionsResponse = trickling.receive(0);
    assert_eq!(answer.error_code, ErrorCode::None);
    assert!(stopped.is_closed());
    assert!(Duration::from_secs(1) <= began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_and_one_that_waits_for_records_is_not() {
    let broker = Broker::start_with(&[("connections.max.idle.ms", "2000")]);
    create_topic(&broker, "idle", 1, &[]).await;
    let mut polling = Wire::connect(&broker);
    let id = topic_id(&mut polling, "idle");
    let mut poll = fetch_raw::request(id, vec![asked(0, 0)]);
    poll.max_wait_ms = 5000;
    polling.send(fetch_raw::VERSION, &poll);

    let mut silent = Wire::connect(&broker);
    let mut spoke = Wire::connect(&broker);
    let ask = |wire: &mut Wire| {
        let answer: ApiVersionsResponse = wire.call(0, &ApiVersionsRequest::default());
        assert_eq!(answer.error_code, ErrorCode::None);
    };
    let began = Instant::now();
    ask(&mut spoke);
    let mut talking = Wire::connect(&broker);
    let talk = thread::spawn(move || {
        for _ in 0..16 {
            ask(&mut talking);
            thread::sleep(Duration::from_millis(250));
        }
    });
    assert!(spoke.is_closed());
    let closed_after = began.elapsed();
    assert!(silent.is_closed());
    println!("an idle connection was closed after {closed_after:?}");
    assert!(Duration::from_secs(2) <= closed_after, "{closed_after:?}");
    talk.join().unwrap();
    let response: FetchResponse = polling.receive(fetch_raw::VERSION);
    assert_eq!(response.error_code, ErrorCode::None);
    assert!(polling.is_closed());
}

/// Whether the broker talks with the one behind this connection.
fn is_served(wire: &mut Wire) -> bool {
    wire.try_send(0, &ApiVersionsRequest::default()).is_ok()
        && wire.try_receive::<ApiVersionsResponse>(0).is_ok()
}

#[test]
fn above_max_connections_newcomers_are_closed_until_somebody_leaves() {
    let broker = Broker::start_with(&[("max.connections", "4")]);
    let mut served: Vec<_> = (0..4).map(|_| Wire::connect(&broker)).collect();
    assert!(served.iter_mut().all(is_served));
    for _ in 0..3 {
        assert!(!is_served(&mut Wire::connect(&broker)));
    }
    assert!(served.iter_mut().all(is_served));
    served.pop();
    wait::until("the free place can be had", || {
        is_served(&mut Wire::connect(&broker)).then_some(())
    });
    assert!(served.iter_mut().all(is_served));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_take_the_places_of_others() {
    let broker = Broker::start_with(&[("max.connections.per.ip", "2")]);
    let mut greedy: Vec<_> = (0..2).map(|_| Wire::connect(&broker)).collect();
    assert!(greedy.iter_mut().all(is_served));
    assert!(!is_served(&mut Wire::connect(&broker)));
    let mut other = Wire::over(connect_from(Ipv4Addr::new(127, 0, 0, 2), broker.port()).await);
    assert!(is_served(&mut other));
}

/// A connection to a local port from another of this machine's own addresses.
async fn connect_from(address: Ipv4Addr, port: u16) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    let stream = socket
        .connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .await
        .unwrap();
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream
}

/// More bytes of requests at once than the broker will hold: they wait in their sockets.
#[tokio::test(flavor = "multi_thread")]
async fn more_produce_requests_than_memory_wait_their_turn() {
    let broker = Broker::start();
    create_topic(&broker, "crowd", 8, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "crowd");
    let batch = batch_of(1, 1_000_000);
    produce(&mut wire, id, 0, batch.clone()).unwrap();
    let before = broker.resident_bytes();
    let mut peak = 0;
    thread::scope(|scope| {
        let senders: Vec<_> = (0..100)
            .map(|number| {
                let (broker, batch) = (&broker, batch.clone());
                scope.spawn(move || {
                    let mut wire = Wire::connect(broker);
                    produce(&mut wire, id, number % 8, batch).unwrap();
                })
            })
            .collect();
        while senders.iter().any(|sender| !sender.is_finished()) {
            peak = peak.max(broker.resident_bytes());
            thread::sleep(Duration::from_millis(1));
        }
    });
    let grown = peak.saturating_sub(before);
    println!(
        "100 MB of requests at once: grown by {} KiB at most",
        grown / 1024
    );
    assert!(grown < GROWTH_MAX, "grown by {grown} bytes");
    let records: i64 = (0..8)
        .map(|partition| watermarks(&broker, "crowd", partition).1)
        .sum();
    assert_eq!(records, 101);
}

/// A request may be larger than all the memory that requests share: it then passes alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_larger_than_the_whole_budget_passes_and_leaves_nothing_behind() {
    let broker = Broker::start_with(&[("queued.max.request.bytes", "4194304")]);
    create_topic(&broker, "huge", 2, &[("max.message.bytes", "60000000")]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "huge");
    let (huge, small) = (batch_of(1, 40_000_000), batch_of(1, 100));
    for _ in 0..2 {
        thread::scope(|scope| {
            for partition in 0..2 {
                let (broker, huge, small) = (&broker, huge.clone(), small.clone());
                scope.spawn(move || {
                    let mut wire = Wire::connect(broker);
                    for _ in 0..20 {
                        produce(&mut wire, id, partition, small.clone()).unwrap();
                    }
                    produce(&mut wire, id, partition, huge).unwrap();
                });
            }
        });
    }
    for partition in 0..2 {
        assert_eq!(watermarks(&broker, "huge", partition), (0, 42));
    }
    let held = wait::until("the memory is given back", || {
        let held = broker.resident_bytes();
        (held < 64 << 20).then_some(held)
    });
    println!("after four requests of 40 MB: {} KiB resident", held / 1024);
}

/// Whoever does not take answers cannot keep the broker from ending in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_nobody_for_long_and_says_meanwhile_that_it_is_not_ready() {
    let mut broker = Broker::start();
    large_topic(&broker, "last").await;
    let mut polling = Wire::connect(&broker);
    let request = large_fetch(&mut polling, "last");
    let deaf: Vec<_> = (0..20)
        .map(|_| {
            let mut wire = Wire::connect(&broker);
            wire.send(fetch_raw::VERSION, &request);
            wire.stream.peek(&mut [0; 1]).unwrap();
            wire
        })
        .collect();
    let mut poll = fetch_raw::request(request.topics[0].topic_id, vec![asked(0, 60)]);
    poll.max_wait_ms = 60_000;
    polling.send(fetch_raw::VERSION, &poll);
    let began = Instant::now();
    broker.signal(rustix::process::Signal::TERM);
    // Alive, and not ready any more; then gone.
    let admin = |path| http::get(broker.admin_port(), path).map(|(status, _)| status);
    wait::until("it is not ready any more", || {
        (!matches!(admin("/readyz"), Ok(200))).then_some(())
    });
    if let Ok(alive) = admin("/livez") {
        assert_eq!(alive, 200);
    }
    assert!(broker.wait_for_end().success());
    let took = began.elapsed();
    println!("stopped {took:?} after SIGTERM, with 20 clients who do not take their answers");
    assert!(took < Duration::from_secs(45), "{took:?}");
    drop(deaf);
    broker.start_again();
    assert_eq!(status(&broker)["recovery"]["previous_stop"], "clean");
}

/// Each producer id costs the partition some memory, and anybody can have as many as they like.
#[tokio::test(flavor = "multi_thread")]
async fn producers_without_number_do_not_make_the_broker_grow() {
    const PRODUCERS: i64 = 16_000;
    let mut broker = Broker::start();
    create_topic(&broker, "producers", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "producers");
    let mut grown = Vec::new();
    let mut before = broker.resident_bytes();
    for half in [0..PRODUCERS / 2, PRODUCERS / 2..PRODUCERS] {
        for producer_id in half {
            let batch =
                BatchBuilder::new()
                    .producer(producer_id, 0, 0)
                    .record(now_ms(), None, None);
            produce(&mut wire, id, 0, batch.build().to_bytes()).unwrap();
        }
        let now = broker.resident_bytes();
        grown.push(now.saturating_sub(before));
        before = now;
    }
    println!(
        "grown by {grown:?} bytes with each {} producers",
        PRODUCERS / 2
    );
    assert!(grown[1] < 2 << 20, "{grown:?}");
    broker.kill();
    broker.start_again();
    // The newest are known: a retry is a retry.
    let again = BatchBuilder::new()
        .producer(PRODUCERS - 1, 0, 0)
        .record(now_ms(), None, None);
    let offset = produce(&mut Wire::connect(&broker), id, 0, again.build().to_bytes()).unwrap();
    assert_eq!(offset, PRODUCERS - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_another_session_a_client_does_without() {
    let broker = Broker::start_with(&[("max.incremental.fetch.session.cache.slots", "2")]);
    create_topic(&broker, "sessions", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "sessions");
    produce(&mut wire, id, 0, batch_of(1, 10)).unwrap();
    let mut session = || {
        let mut first = fetch_raw::request(id, vec![asked(0, 0)]);
        first.session_epoch = 0;
        let response: FetchResponse = wire.call(fetch_raw::VERSION, &first);
        assert_eq!(
            fetch_raw::batches(fetch_raw::only_partition(&response)).len(),
            1
        );
        response.session_id
    };
    let (first, second) = (session(), session());
    assert!(0 < first && 0 < second && first != second);
    assert_eq!(session(), 0);
}
