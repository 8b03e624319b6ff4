//! Fetch as the wire shows it: limits, long polls, sessions.

use std::{
    thread,
    time::{Duration, Instant},
};

use odradek_protocol::{
    ErrorCode, Uuid,
    messages::fetch::{FetchPartition, FetchRequest, FetchResponse},
};
use odradek_tests::{broker::Broker, wait};

use crate::{
    admin::metric,
    client::{create_topic, delete_topic, topic_id},
    fetch_raw::{VERSION, asked, batches, only_partition, request},
    produce_raw::{batch_of, produce},
    wire::Wire,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_inside_a_batch_returns_the_whole_batch() {
    let broker = Broker::start();
    create_topic(&broker, "middle", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "middle");
    for _ in 0..3 {
        produce(&mut wire, id, 0, batch_of(10, 10)).unwrap();
    }
    let response: FetchResponse = wire.call(VERSION, &request(id, vec![asked(0, 15)]));
    let batches = batches(only_partition(&response));
    assert_eq!(batches.first().unwrap().header().base_offset, 10);
    assert_eq!(batches.last().unwrap().header().last_offset(), 29);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_batch_comes_whole_even_above_every_limit() {
    let broker = Broker::start();
    create_topic(&broker, "large", 2, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "large");
    for partition in 0..2 {
        produce(&mut wire, id, partition, batch_of(1, 100_000)).unwrap();
        produce(&mut wire, id, partition, batch_of(1, 100_000)).unwrap();
    }
    let small = |partition| FetchPartition {
        partition_max_bytes: 1000,
        ..asked(partition, 0)
    };
    let mut fetch = request(id, vec![small(0), small(1)]);
    fetch.max_bytes = 1000;
    let response: FetchResponse = wire.call(VERSION, &fetch);
    let partitions = &response.responses[0].partitions;
    let counts: Vec<_> = partitions.iter().map(|data| batches(data).len()).collect();
    assert_eq!(counts, [1, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_outside_the_log_and_wrong_epochs_have_their_own_errors() {
    let broker = Broker::start();
    create_topic(&broker, "edges", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "edges");
    produce(&mut wire, id, 0, batch_of(5, 10)).unwrap();
    let mut error = |asked: FetchPartition| {
        let response: FetchResponse = wire.call(VERSION, &request(id, vec![asked]));
        only_partition(&response).error_code
    };
    assert_eq!(error(asked(0, 5)), ErrorCode::None);
    assert_eq!(error(asked(0, 6)), ErrorCode::OffsetOutOfRange);
    assert_eq!(error(asked(0, -1)), ErrorCode::OffsetOutOfRange);
    assert_eq!(error(asked(7, 0)), ErrorCode::UnknownTopicOrPartition);
    let epoch = |current_leader_epoch| FetchPartition {
        current_leader_epoch,
        ..asked(0, 0)
    };
    assert_eq!(error(epoch(0)), ErrorCode::None);
    assert_eq!(error(epoch(1)), ErrorCode::UnknownLeaderEpoch);
    let response: FetchResponse =
        wire.call(VERSION, &request(Uuid::from_u128(7), vec![asked(0, 0)]));
    assert_eq!(
        only_partition(&response).error_code,
        ErrorCode::UnknownTopicId
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_ends_with_the_first_record_and_not_before_its_time_without_one() {
    let broker = Broker::start();
    create_topic(&broker, "poll", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "poll");
    let mut fetch = request(id, vec![asked(0, 0)]);
    fetch.max_wait_ms = 300;
    let began = Instant::now();
    let response: FetchResponse = wire.call(VERSION, &fetch);
    assert!(Duration::from_millis(300) <= began.elapsed());
    assert!(batches(only_partition(&response)).is_empty());

    fetch.max_wait_ms = 60_000;
    wire.send(VERSION, &fetch);
    let mut other = Wire::connect(&broker);
    produce(&mut other, id, 0, batch_of(1, 10)).unwrap();
    let response: FetchResponse = wire.receive(VERSION);
    assert_eq!(batches(only_partition(&response)).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_waits_for_its_minimum_over_several_partitions() {
    let broker = Broker::start();
    create_topic(&broker, "minimum", 2, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "minimum");
    let mut fetch = request(id, vec![asked(0, 0), asked(1, 0)]);
    fetch.max_wait_ms = 60_000;
    fetch.min_bytes = 1500;
    wire.send(VERSION, &fetch);
    let mut other = Wire::connect(&broker);
    produce(&mut other, id, 0, batch_of(1, 1000)).unwrap();
    produce(&mut other, id, 1, batch_of(1, 1000)).unwrap();
    let response: FetchResponse = wire.receive(VERSION);
    let counts: Vec<_> = response.responses[0]
        .partitions
        .iter()
        .map(|data| batches(data).len())
        .collect();
    assert_eq!(counts, [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_over_a_thousand_partitions_is_answered_in_under_a_hundred_bytes() {
    let broker = Broker::start();
    create_topic(&broker, "wide", 1000, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "wide");
    let mut first = request(id, (0..1000).map(|index| asked(index, 0)).collect());
    first.session_epoch = 0;
    let response: FetchResponse = wire.call(VERSION, &first);
    let session_id = response.session_id;
    assert!(0 < session_id);
    assert_eq!(response.responses[0].partitions.len(), 1000);

    let mut epoch = 0;
    let mut next = |partitions| {
        epoch += 1;
        FetchRequest {
            session_id,
            session_epoch: epoch,
            ..request(id, partitions)
        }
    };
    wire.send(VERSION, &next(Vec::new()));
    let (response, bytes): (FetchResponse, _) = wire.receive_sized(VERSION);
    assert!(response.responses.is_empty());
    assert!(bytes < 100, "{bytes}");

    // A record in one partition: that one and no other is told, until the client moves on.
    let mut other = Wire::connect(&broker);
    produce(&mut other, id, 700, batch_of(1, 10)).unwrap();
    for _ in 0..2 {
        let response: FetchResponse = wire.call(VERSION, &next(Vec::new()));
        let partitions = &response.responses[0].partitions;
        assert_eq!((partitions.len(), partitions[0].partition_index), (1, 700));
        assert_eq!(batches(&partitions[0]).len(), 1);
    }
    let response: FetchResponse = wire.call(VERSION, &next(vec![asked(700, 1)]));
    assert!(response.responses.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_knows_its_requests_by_their_epoch() {
    let broker = Broker::start();
    create_topic(&broker, "session", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "session");
    let first = FetchRequest {
        session_epoch: 0,
        ..request(id, vec![asked(0, 0)])
    };
    let response: FetchResponse = wire.call(VERSION, &first);
    let session_id = response.session_id;
    let mut error = |session_id, session_epoch| {
        let fetch = FetchRequest {
            session_id,
            session_epoch,
            ..request(id, Vec::new())
        };
        wire.call::<_, FetchResponse>(VERSION, &fetch).error_code
    };
    assert_eq!(error(session_id, 1), ErrorCode::None);
    assert_eq!(error(session_id, 1), ErrorCode::InvalidFetchSessionEpoch);
    assert_eq!(error(session_id ^ 1, 1), ErrorCode::FetchSessionIdNotFound);
    assert_eq!(error(session_id, 2), ErrorCode::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_ends_the_long_polls_on_it() {
    let broker = Broker::start();
    create_topic(&broker, "gone", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "gone");
    let mut fetch = request(id, vec![asked(0, 0)]);
    fetch.max_wait_ms = 60_000;
    wire.send(VERSION, &fetch);
    delete_topic(&broker, "gone").await;
    let response: FetchResponse = wire.receive(VERSION);
    assert_eq!(
        only_partition(&response).error_code,
        ErrorCode::UnknownTopicId
    );
}

/// Threads of the broker and how often each was scheduled in and gave up the processor by itself.
fn voluntary_switches(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok())
        .filter_map(|status| {
            let line = status
                .lines()
                .find(|line| line.starts_with("voluntary_ctxt_switches"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_idle_long_polls_wake_nobody_and_go_with_their_connections() {
    let broker = Broker::start();
    create_topic(&broker, "quiet", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "quiet");
    let mut fetch = request(id, vec![asked(0, 0)]);
    fetch.max_wait_ms = 120_000;
    let mut polls: Vec<_> = (0..1000).map(|_| Wire::connect(&broker)).collect();
    for poll in &mut polls {
        poll.send(VERSION, &fetch);
    }
    // Quiet once the last poll has arrived: from then on count over two seconds.
    let mut before = voluntary_switches(broker.pid());
    let woken = wait::until("the broker is quiet", || {
        thread::sleep(Duration::from_secs(2));
        let now = voluntary_switches(broker.pid());
        let woken = now - std::mem::replace(&mut before, now);
        (woken < 200).then_some(woken)
    });
    println!("wake-ups of the whole process in 2 s with 1000 long polls: {woken}");
    drop(polls);
    wait::until("the connections are gone", || {
        (metric(&broker, "odradek_connections") <= 2.0).then_some(())
    });
}
