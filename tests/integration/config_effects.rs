//! A change of configuration takes effect without a restart: on logs that are open, on records that
//! are there already, on whoever connects next.

use std::fs;

use odradek_protocol::{
    ErrorCode, Uuid,
    messages::{
        api_versions::{ApiVersionsRequest, ApiVersionsResponse},
        list_offsets::EARLIEST_TIMESTAMP,
    },
};
use odradek_tests::{broker::Broker, wait};

use crate::{
    admin::metric,
    client::{create_topic, topic_id},
    config_raw::{ALL_BROKERS, BROKER, TOPIC, delete, set},
    fetch_raw::{batches, fetch},
    list_offsets::offset_at,
    produce_raw::{batch_of, now_ms, produce},
    wire::Wire,
};

/// Ten such records fill the smallest segment.
const VALUE_BYTES: usize = 100_000;

/// The counter of flushes.
const FLUSHES: &str = "odradek_log_flush_duration_seconds_count";

/// A topic, a connection, and the topic's id.
async fn topic(broker: &Broker, name: &str, entries: &[(&str, &str)]) -> (Wire, Uuid) {
    create_topic(broker, name, 1, entries).await;
    let mut wire = Wire::connect(broker);
    let id = topic_id(&mut wire, name);
    (wire, id)
}

/// What is said of a batch of that many bytes.
fn produced(wire: &mut Wire, id: Uuid, value_bytes: usize) -> ErrorCode {
    match produce(wire, id, 0, batch_of(1, value_bytes)) {
        Ok(_) => ErrorCode::None,
        Err(refused) => refused.error_code,
    }
}

/// Old segments go once retention is changed: for the topic, for the broker, for all brokers.
#[tokio::test(flavor = "multi_thread")]
async fn a_shorter_retention_deletes_what_is_there_already() {
    let broker = Broker::start_with(&[
        ("log.retention.check.interval.ms", "100"),
        ("log.segment.bytes", "1048576"),
    ]);
    for (name, resource_type, resource, key) in [
        ("by-topic", TOPIC, "by-topic", "retention.ms"),
        ("by-broker", BROKER, "1", "log.retention.ms"),
        ("by-all", BROKER, ALL_BROKERS, "log.retention.ms"),
    ] {
        let (mut wire, id) = topic(&broker, name, &[]).await;
        for _ in 0..25 {
            produce(&mut wire, id, 0, batch_of(1, VALUE_BYTES)).unwrap();
        }
        assert_eq!(offset_at(&mut wire, name, EARLIEST_TIMESTAMP).0, 0);
        set(&broker, resource_type, resource, key, "1");
        wait::until("old segments are deleted", || {
            (20 <= offset_at(&mut wire, name, EARLIEST_TIMESTAMP).0).then_some(())
        });
        delete(&broker, resource_type, resource, key);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_batch_follows_topic_broker_and_all_brokers() {
    let broker = Broker::start();
    let (mut wire, id) = topic(&broker, "t", &[]).await;
    let too_large = ErrorCode::MessageTooLarge;
    assert_eq!(produced(&mut wire, id, 50_000), ErrorCode::None);
    set(&broker, BROKER, ALL_BROKERS, "message.max.bytes", "10000");
    assert_eq!(produced(&mut wire, id, 50_000), too_large);
    set(&broker, BROKER, "1", "message.max.bytes", "60000");
    assert_eq!(produced(&mut wire, id, 50_000), ErrorCode::None);
    set(&broker, TOPIC, "t", "max.message.bytes", "20000");
    assert_eq!(produced(&mut wire, id, 50_000), too_large);
    assert_eq!(produced(&mut wire, id, 15_000), ErrorCode::None);
    // New topics begin with it too.
    let (mut wire, younger) = topic(&broker, "younger", &[]).await;
    assert_eq!(produced(&mut wire, younger, 55_000), ErrorCode::None);
    assert_eq!(produced(&mut wire, younger, 65_000), too_large);
    delete(&broker, TOPIC, "t", "max.message.bytes");
    assert_eq!(produced(&mut wire, id, 50_000), ErrorCode::None);
    delete(&broker, BROKER, "1", "message.max.bytes");
    delete(&broker, BROKER, ALL_BROKERS, "message.max.bytes");
    assert_eq!(produced(&mut wire, id, 500_000), ErrorCode::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_without_keys_are_refused_while_a_topic_is_compacted() {
    let broker = Broker::start();
    let (mut wire, id) = topic(&broker, "t", &[]).await;
    assert_eq!(produced(&mut wire, id, 10), ErrorCode::None);
    set(&broker, TOPIC, "t", "cleanup.policy", "compact,delete");
    assert_eq!(produced(&mut wire, id, 10), ErrorCode::InvalidRecord);
    set(&broker, TOPIC, "t", "cleanup.policy", "delete");
    assert_eq!(produced(&mut wire, id, 10), ErrorCode::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn smaller_segments_begin_with_the_next_append() {
    let broker = Broker::start();
    let (mut wire, id) = topic(&broker, "t", &[]).await;
    let directory = broker.log_dir().join("t-0");
    let segments = || {
        let entries = fs::read_dir(&directory).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .count()
    };
    for _ in 0..15 {
        produce(&mut wire, id, 0, batch_of(1, VALUE_BYTES)).unwrap();
    }
    assert_eq!(segments(), 1);
    set(&broker, TOPIC, "t", "segment.bytes", "1048576");
    produce(&mut wire, id, 0, batch_of(1, VALUE_BYTES)).unwrap();
    assert_eq!(segments(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamps_are_the_brokers_as_soon_as_that_is_asked_for() {
    let broker = Broker::start();
    let (mut wire, id) = topic(&broker, "t", &[]).await;
    let old = now_ms() - 1_000_000;
    let batch = || crate::produce_raw::batch_at(old, 1, 10);
    produce(&mut wire, id, 0, batch()).unwrap();
    set(
        &broker,
        TOPIC,
        "t",
        "message.timestamp.type",
        "LogAppendTime",
    );
    produce(&mut wire, id, 0, batch()).unwrap();
    let timestamp = |wire: &mut Wire, offset| {
        let found = fetch(wire, id, 0, offset);
        batches(&found)[0].header().max_timestamp
    };
    assert_eq!(timestamp(&mut wire, 0), old);
    assert!(old < timestamp(&mut wire, 1));
    set(
        &broker,
        BROKER,
        "1",
        "log.message.timestamp.before.max.ms",
        "1000",
    );
    delete(&broker, TOPIC, "t", "message.timestamp.type");
    let refused = produce(&mut wire, id, 0, batch()).unwrap_err();
    assert_eq!(refused.error_code, ErrorCode::InvalidTimestamp);
}

/// The background flusher has nothing to do for half a minute, so only `flush.ms` can flush.
#[tokio::test(flavor = "multi_thread")]
async fn flush_ms_flushes_a_quiet_partition_also_what_it_held_before() {
    let broker = Broker::start();
    let (mut wire, default) = topic(&broker, "default", &[]).await;
    let (_, careful) = topic(&broker, "careful", &[("flush.ms", "50")]).await;
    produce(&mut wire, default, 0, batch_of(1, 1000)).unwrap();
    let unflushed = || metric(&broker, "odradek_storage_unflushed_bytes");
    let left = unflushed();
    assert!(1000.0 < left, "{left}");

    let flushes = metric(&broker, FLUSHES);
    produce(&mut wire, careful, 0, batch_of(1, 5000)).unwrap();
    wait::until("the careful topic is flushed", || {
        (flushes < metric(&broker, FLUSHES)).then_some(())
    });
    wait::until("the other one is left", || {
        ((unflushed() - left).abs() < 0.5).then_some(())
    });

    set(&broker, TOPIC, "default", "flush.ms", "50");
    wait::until("what was there before is flushed", || {
        (unflushed() < 0.5).then_some(())
    });
}

/// With `flush.ms=0` every append is on the disk before it is acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn flush_ms_zero_flushes_each_append_from_the_change_on() {
    let broker = Broker::start();
    let (mut wire, id) = topic(&broker, "t", &[]).await;
    let mut flushes_of_ten = || {
        let before = metric(&broker, FLUSHES);
        for _ in 0..10 {
            produce(&mut wire, id, 0, batch_of(1, 100)).unwrap();
        }
        metric(&broker, FLUSHES) - before
    };
    assert!(flushes_of_ten() < 0.5);
    set(&broker, BROKER, "1", "log.flush.interval.ms", "0");
    assert!(10.0 <= flushes_of_ten());
}

/// Whether the broker talks with the one behind this connection.
fn is_served(wire: &mut Wire) -> bool {
    wire.try_send(0, &ApiVersionsRequest::default()).is_ok()
        && wire.try_receive::<ApiVersionsResponse>(0).is_ok()
}

#[test]
fn connections_are_limited_from_the_change_on_and_nobody_is_thrown_out() {
    for key in ["max.connections.per.ip", "max.connections"] {
        let broker = Broker::start();
        let mut guests: Vec<_> = (0..3).map(|_| Wire::connect(&broker)).collect();
        assert!(guests.iter_mut().all(is_served));
        set(&broker, BROKER, "1", key, "2");
        wait::until("the connection of the change is gone", || {
            (metric(&broker, "odradek_connections") <= 3.0).then_some(())
        });
        assert!(!is_served(&mut Wire::connect(&broker)), "{key}");
        assert!(guests.iter_mut().all(is_served), "{key}");
        drop(guests);
        wait::until("a place is free", || {
            is_served(&mut Wire::connect(&broker)).then_some(())
        });
    }
}
