//! Many groups, many offsets: how long it takes, and how much memory.

use std::{thread, time::Instant};

use odradek_protocol::{ErrorCode, messages::offset_commit::OffsetCommitResponse};
use odradek_tests::{broker::Broker, wait};

use crate::{
    client::create_topic,
    offsets::coordinator,
    offsets_raw::{Committed, Offsets, Position, commit_codes, commit_request, fetch},
    wire::Wire,
};

const GROUPS: usize = 100_000;
const CONNECTIONS: usize = 8;

/// Requests of one connection that are under way.
const WINDOW: usize = 200;

fn name(index: usize) -> String {
    format!("a-group-with-a-usual-name-{index}")
}

/// Commits one offset in each of these groups.
fn commit_each(broker: &Broker, groups: impl Iterator<Item = usize>) {
    let mut wire = Wire::connect(broker);
    let groups: Vec<_> = groups.collect();
    for window in groups.chunks(WINDOW) {
        for &index in window {
            let position = Position::at("t", 0, index as i64);
            wire.send(9, &commit_request(&name(index), &[position]));
        }
        for _ in window {
            let answer: OffsetCommitResponse = wire.receive(9);
            assert_eq!(commit_codes(&answer), [ErrorCode::None]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_groups_are_kept_in_little_memory_and_loaded_quickly() {
    let mut broker = Broker::start();
    create_topic(&broker, "t", 1, &[]).await;
    coordinator(&broker);
    let before = broker.resident_bytes();
    let began = Instant::now();
    thread::scope(|scope| {
        for first in 0..CONNECTIONS {
            let broker = &broker;
            scope.spawn(move || commit_each(broker, (first..GROUPS).step_by(CONNECTIONS)));
        }
    });
    println!("committed in {:?}", began.elapsed());
    let grown = broker.resident_bytes().saturating_sub(before);
    println!("{} bytes of memory for each group", grown / GROUPS as u64);
    assert!(grown < 150 << 20, "{grown} bytes");

    broker.kill();
    broker.start_again();
    let began = Instant::now();
    let mut wire = coordinator(&broker);
    println!("loaded in {:?}", began.elapsed());
    assert!(began.elapsed() < wait::PATIENCE / 2);
    for index in (0..GROUPS).step_by(997) {
        let expected = [("t", 0, Committed::at(index as i64))];
        let found = fetch(&mut wire, &name(index), &[("t", 0)]);
        assert_eq!(found, Offsets::of(&expected), "{index}");
    }
    let printed = broker.printed();
    assert!(printed.contains(&format!("records={GROUPS} ")), "{printed}");
}
