//! Configuration is changed while the broker runs: which changes are made, which are refused and
//! how, and what is described afterwards.

use std::collections::{BTreeMap, BTreeSet};

use odradek_protocol::{
    ErrorCode,
    messages::alter_configs::{
        AlterConfigsRequest, AlterConfigsResource, AlterConfigsResponse, AlterableConfig,
    },
};
use odradek_tests::broker::Broker;
use rdkafka::{
    admin::{AdminClient, AdminOptions, AlterConfig, ConfigSource, ResourceSpecifier},
    client::DefaultClientContext,
};

use crate::{
    client::{config, create_topic, delete_topic},
    config_raw::{
        ALL_BROKERS, APPEND, BROKER, DEFAULT, DELETE, FROM_FILE, SET, SET_FOR_ALL_BROKERS,
        SET_FOR_BROKER, SET_FOR_TOPIC, SUBTRACT, TOPIC, accepted, alter, changes, delete, describe,
        described, set, value,
    },
    wire::Wire,
};

/// What Kafka describes; see the file's own first lines.
const KEYS_OF_KAFKA: &str = include_str!("config_keys_of_kafka.txt");

/// The explicit configuration of a topic.
fn own(broker: &Broker, topic: &str) -> BTreeMap<String, String> {
    let configs = describe(broker, TOPIC, topic).into_iter();
    let own = configs.filter(|found| found.config_source == SET_FOR_TOPIC);
    own.map(|found| (found.name, found.value.unwrap_or_default()))
        .collect()
}

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_one_by_one_and_the_others_stay() {
    let broker = Broker::start();
    create_topic(&broker, "t", 1, &[("segment.bytes", "2000000")]).await;
    let change = |operations: &[_]| {
        let outcome = alter(&broker, vec![changes(TOPIC, "t", operations)], false);
        assert_eq!(outcome, [accepted()], "{operations:?}");
        own(&broker, "t")
    };
    let segment = ("segment.bytes", "2000000");
    assert_eq!(
        change(&[("retention.ms", SET, Some(" 5000 "))]),
        map(&[segment, ("retention.ms", "5000")])
    );
    assert_eq!(
        change(&[
            ("retention.ms", DELETE, None),
            ("cleanup.policy", APPEND, Some("compact")),
        ]),
        map(&[segment, ("cleanup.policy", "delete,compact")])
    );
    assert_eq!(
        change(&[("cleanup.policy", SUBTRACT, Some("delete"))]),
        map(&[segment, ("cleanup.policy", "compact")])
    );
    // What is not set can be deleted.
    assert_eq!(
        change(&[
            ("cleanup.policy", DELETE, None),
            ("retention.bytes", DELETE, None)
        ]),
        map(&[segment])
    );
    assert_eq!(change(&[]), map(&[segment]));

    // A topic created again under the name begins anew.
    delete_topic(&broker, "t").await;
    create_topic(&broker, "t", 1, &[]).await;
    assert_eq!(own(&broker, "t"), map(&[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_a_configuration_removes_what_is_not_named() {
    let broker = Broker::start();
    create_topic(&broker, "t", 1, &[("segment.bytes", "2000000")]).await;
    let admin: AdminClient<DefaultClientContext> = config(&broker, &[]).create().unwrap();
    let change = AlterConfig::new(ResourceSpecifier::Topic("t")).set("retention.ms", "5000");
    let outcome = admin.alter_configs([&change], &AdminOptions::new()).await;
    assert_eq!(outcome.unwrap().len(), 1);
    assert_eq!(own(&broker, "t"), map(&[("retention.ms", "5000")]));
    let topic = [&ResourceSpecifier::Topic("t")];
    let mut found = admin
        .describe_configs(topic, &AdminOptions::new())
        .await
        .unwrap();
    let found = found.remove(0).unwrap();
    let entry = found.get("retention.ms").unwrap();
    assert_eq!(
        (entry.value.as_deref(), &entry.source),
        (Some("5000"), &ConfigSource::DynamicTopic)
    );

    let replace = |configs: &[(&str, Option<&str>)]| {
        let configs = configs.iter().map(|&(name, value)| AlterableConfig {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        });
        let request = AlterConfigsRequest {
            resources: vec![AlterConfigsResource {
                resource_type: TOPIC,
                resource_name: "t".to_owned(),
                configs: configs.collect(),
            }],
            validate_only: false,
        };
        let response: AlterConfigsResponse = Wire::connect(&broker).call(2, &request);
        response.responses[0].error_code
    };
    assert_eq!(
        replace(&[("retention.ms", None)]),
        ErrorCode::InvalidRequest
    );
    assert_eq!(
        replace(&[("retention.ms", Some("7")), ("nope", Some("7"))]),
        ErrorCode::InvalidConfig
    );
    assert_eq!(own(&broker, "t"), map(&[("retention.ms", "5000")]));
    assert_eq!(replace(&[]), ErrorCode::None);
    assert_eq!(own(&broker, "t"), map(&[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_resource_has_its_own_outcome_and_a_check_changes_nothing() {
    let broker = Broker::start();
    create_topic(&broker, "one", 1, &[]).await;
    create_topic(&broker, "two", 1, &[]).await;
    let retention = [("retention.ms", SET, Some("5000"))];
    let request = || {
        vec![
            changes(TOPIC, "one", &retention),
            changes(TOPIC, "nobody", &retention),
            changes(
                TOPIC,
                "two",
                &[retention[0], ("segment.bytes", SET, Some("1"))],
            ),
            changes(BROKER, "1", &[("log.retention.ms", SET, Some("6000"))]),
        ]
    };
    let expected = [
        ErrorCode::None,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::InvalidConfig,
        ErrorCode::None,
    ];
    let codes = |validate_only| -> Vec<_> {
        let outcome = alter(&broker, request(), validate_only).into_iter();
        outcome.map(|(code, _)| code).collect()
    };
    let state = || {
        let broker_value = value(&broker, BROKER, "1", "log.retention.ms").0;
        (own(&broker, "one"), own(&broker, "two"), broker_value)
    };
    assert_eq!(codes(true), expected);
    assert_eq!(state(), (map(&[]), map(&[]), String::new()));
    assert_eq!(codes(false), expected);
    let changed = map(&[("retention.ms", "5000")]);
    assert_eq!(state(), (changed, map(&[]), "6000".to_owned()));
}

/// Resource type and name, key, operation, value; the code and a part of the sentence.
type Refused<'a> = (
    i8,
    &'a str,
    &'a str,
    i8,
    Option<&'a str>,
    ErrorCode,
    &'a str,
);

const CONFIG: ErrorCode = ErrorCode::InvalidConfig;
const REQUEST: ErrorCode = ErrorCode::InvalidRequest;

#[rustfmt::skip]
const REFUSED: &[Refused<'_>] = &[
    (TOPIC, "t", "nope", SET, Some("1"), CONFIG, "nope"),
    (TOPIC, "t", "", SET, Some("1"), CONFIG, "Unknown"),
    (TOPIC, "t", "log.retention.ms", SET, Some("1"), CONFIG, " retention.ms?"),
    (TOPIC, "t", "retention.ms", SET, Some("soon"), CONFIG, "soon"),
    (TOPIC, "t", "retention.ms", SET, Some(""), CONFIG, "whole number"),
    (TOPIC, "t", "retention.ms", SET, None, REQUEST, "Null"),
    (TOPIC, "t", "retention.ms", SET, Some("-2"), CONFIG, "-1 or more"),
    (TOPIC, "t", "retention.ms", SET, Some("9223372036854775808"), CONFIG, "whole number"),
    (TOPIC, "t", "retention.ms", APPEND, Some("1"), CONFIG, "no list"),
    (TOPIC, "t", "retention.ms", 9, Some("1"), REQUEST, "operation 9"),
    (TOPIC, "t", "segment.bytes", SET, Some("1048575"), CONFIG, "1048576 or more"),
    (TOPIC, "t", "preallocate", SET, Some("yes"), CONFIG, "true or false"),
    (TOPIC, "t", "cleanup.policy", APPEND, Some("shred"), CONFIG, "shred"),
    (TOPIC, "t", "min.insync.replicas", SET, Some("0"), CONFIG, "1 or more"),
    (TOPIC, "t", "max.compaction.lag.ms", SET, Some("0"), CONFIG, "1 or more"),
    (TOPIC, "t", "min.cleanable.dirty.ratio", SET, Some("NaN"), CONFIG, "0 to 1"),
    (TOPIC, "t", "compression.type", SET, Some("brotli"), CONFIG, "zstd"),
    (TOPIC, "t", "remote.storage.enable", SET, Some("true"), CONFIG, "tiered"),
    (TOPIC, "a b", "retention.ms", SET, Some("1"), ErrorCode::InvalidTopicException, "a b"),
    (TOPIC, "nobody", "retention.ms", SET, Some("1"), ErrorCode::UnknownTopicOrPartition, "nobody"),
    (TOPIC, "", "retention.ms", SET, Some("1"), REQUEST, "brokers"),
    (BROKER, "1", "nope", SET, Some("1"), CONFIG, "nope"),
    (BROKER, "1", "retention.ms", SET, Some("1"), CONFIG, " log.retention.ms?"),
    (BROKER, "1", "num.partitions", SET, Some("3"), REQUEST, "file"),
    (BROKER, ALL_BROKERS, "num.partitions", SET, Some("3"), REQUEST, "file"),
    (BROKER, "1", "log.retention.ms", SET, Some("soon"), REQUEST, "soon"),
    (BROKER, "1", "max.connections", SET, Some("0"), REQUEST, "1 or more"),
    (BROKER, "1", "compression.type", SET, Some("gzip"), REQUEST, "no effect"),
    (BROKER, "1", "ssl.keystore.location", SET, Some("/a"), REQUEST, "TLS"),
    (BROKER, "7", "log.retention.ms", SET, Some("1"), REQUEST, "expected 1"),
    (BROKER, "x", "log.retention.ms", SET, Some("1"), REQUEST, "integer"),
    (8, "1", "root", SET, Some("DEBUG"), REQUEST, "logger"),
    (16, "c", "interval.ms", SET, Some("1"), REQUEST, "metrics from clients"),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_with_kafkas_code_and_a_reason() {
    let broker = Broker::start();
    create_topic(&broker, "t", 1, &[]).await;
    let before = describe(&broker, TOPIC, "t");
    for &(resource_type, name, key, operation, value, code, part) in REFUSED {
        let change = changes(resource_type, name, &[(key, operation, value)]);
        let (found, message) = alter(&broker, vec![change], false).remove(0);
        assert_eq!(found, code, "{name} {key}: {message}");
        assert!(message.contains(part), "{name} {key}: {message}");
    }
    let lags = [
        ("min.compaction.lag.ms", SET, Some("10")),
        ("max.compaction.lag.ms", SET, Some("5")),
    ];
    let together = alter(&broker, vec![changes(TOPIC, "t", &lags)], false);
    assert_eq!(together[0].0, CONFIG);
    assert_eq!(describe(&broker, TOPIC, "t"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_twice_is_not_changed() {
    let broker = Broker::start();
    create_topic(&broker, "t", 1, &[]).await;
    create_topic(&broker, "u", 1, &[]).await;
    let retention = ("retention.ms", SET, Some("5"));
    let key_twice = changes(TOPIC, "t", &[retention, ("retention.ms", DELETE, None)]);
    let outcome = alter(&broker, vec![key_twice], false);
    assert_eq!(outcome[0].0, ErrorCode::InvalidRequest);
    let request = ["t", "u", "t"].map(|name| changes(TOPIC, name, &[retention]));
    let outcome = alter(&broker, request.into(), false);
    let codes = outcome.iter().map(|(code, _)| *code);
    let refused = REQUEST;
    assert!(codes.eq([refused, ErrorCode::None, refused]));
    assert_eq!(own(&broker, "t"), map(&[]));
    assert_eq!(own(&broker, "u"), map(&[("retention.ms", "5")]));
}

/// Where a value comes from, the place that counts first: key, value, source.
fn places(broker: &Broker, resource_type: i8, name: &str, key: &str) -> Vec<(String, String, i8)> {
    let found = described(broker, resource_type, name, key);
    let synonyms = found.synonyms.into_iter();
    synonyms
        .map(|one| (one.name, one.value.unwrap_or_default(), one.source))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_comes_from_the_nearest_place_that_has_one() {
    let mut broker = Broker::start_with(&[("message.max.bytes", "4000")]);
    create_topic(&broker, "t", 1, &[]).await;
    let topic = |broker: &Broker| value(broker, TOPIC, "t", "max.message.bytes");
    let of_broker = |broker: &Broker| value(broker, BROKER, "1", "message.max.bytes");
    let is = |text: &str, source| (text.to_owned(), source);
    assert_eq!(topic(&broker), is("4000", FROM_FILE));
    assert_eq!(of_broker(&broker), is("4000", FROM_FILE));

    set(&broker, BROKER, ALL_BROKERS, "message.max.bytes", "5000");
    assert_eq!(topic(&broker), is("5000", SET_FOR_ALL_BROKERS));
    set(&broker, BROKER, "1", "message.max.bytes", "6000");
    assert_eq!(topic(&broker), is("6000", SET_FOR_BROKER));
    assert_eq!(of_broker(&broker), is("6000", SET_FOR_BROKER));
    set(&broker, TOPIC, "t", "max.message.bytes", "7000");
    assert_eq!(topic(&broker), is("7000", SET_FOR_TOPIC));
    let place = |key: &str, value: &str, source| (key.to_owned(), value.to_owned(), source);
    let expected = [
        place("max.message.bytes", "7000", SET_FOR_TOPIC),
        place("message.max.bytes", "6000", SET_FOR_BROKER),
        place("message.max.bytes", "5000", SET_FOR_ALL_BROKERS),
        place("message.max.bytes", "4000", FROM_FILE),
        place("message.max.bytes", "1048588", DEFAULT),
    ];
    assert_eq!(places(&broker, TOPIC, "t", "max.message.bytes"), expected);
    let found = places(&broker, BROKER, "1", "message.max.bytes");
    assert_eq!(found, expected[1..]);
    let all = describe(&broker, BROKER, ALL_BROKERS);
    let all: Vec<_> = all.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(all, ["message.max.bytes"]);

    // All of it is there after a restart, and goes in the order in which it came.
    broker.stop();
    broker.start_again();
    assert_eq!(places(&broker, TOPIC, "t", "max.message.bytes"), expected);
    delete(&broker, TOPIC, "t", "max.message.bytes");
    assert_eq!(topic(&broker), is("6000", SET_FOR_BROKER));
    delete(&broker, BROKER, "1", "message.max.bytes");
    assert_eq!(topic(&broker), is("5000", SET_FOR_ALL_BROKERS));
    delete(&broker, BROKER, ALL_BROKERS, "message.max.bytes");
    assert_eq!(topic(&broker), is("4000", FROM_FILE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_was_answered_survives_a_kill() {
    let mut broker = Broker::start();
    create_topic(&broker, "t", 1, &[]).await;
    for round in 1..=5 {
        let retention = (round * 1000).to_string();
        set(&broker, TOPIC, "t", "retention.ms", &retention);
        set(&broker, BROKER, "1", "log.retention.ms", &retention);
        broker.kill();
        broker.start_again();
        assert_eq!(own(&broker, "t"), map(&[("retention.ms", &retention)]));
        let of_broker = value(&broker, BROKER, "1", "log.retention.ms");
        assert_eq!(of_broker, (retention, SET_FOR_BROKER));
    }
}

/// Kafka's name for the number of a type.
fn type_name(number: i8) -> &'static str {
    const NAMES: [&str; 9] = [
        "boolean", "string", "int", "short", "long", "double", "list", "class", "password",
    ];
    NAMES[usize::try_from(number).unwrap() - 1]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_described_are_kafkas_with_kafkas_types() {
    let broker = Broker::start();
    create_topic(&broker, "t", 1, &[]).await;
    let kafkas = KEYS_OF_KAFKA.lines().filter(|line| !line.starts_with('#'));
    let kafkas: BTreeMap<(&str, &str), (&str, bool)> = kafkas
        .map(|line| {
            let [resource, key, kind, change] =
                line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            ((resource, key), (kind, change == "running"))
        })
        .collect();
    let (topic, of_broker) = (
        describe(&broker, TOPIC, "t"),
        describe(&broker, BROKER, "1"),
    );
    let ours = topic.iter().map(|found| ("topic", found));
    let ours = ours.chain(of_broker.iter().map(|found| ("broker", found)));
    let mut unseen: BTreeSet<_> = kafkas.keys().collect();
    let mut own = Vec::new();
    for (resource, found) in ours {
        let key = (resource, found.name.as_str());
        assert!(
            !found.documentation.as_deref().unwrap().is_empty(),
            "{key:?}"
        );
        let Some((kind, can_change)) = kafkas.get(&key) else {
            own.push(found.name.as_str());
            continue;
        };
        unseen.remove(&key);
        assert_eq!(type_name(found.config_type), *kind, "{key:?}");
        // Less can be changed while we run, and never more.
        assert!(found.read_only || *can_change, "{key:?}");
    }
    assert!(unseen.is_empty(), "{unseen:?}");
    assert_eq!(
        own,
        [
            "admin.listener",
            "log.recovery.flush.bytes",
            "log.recovery.flush.interval.ms",
            "socket.stall.timeout.ms",
            "storage.min.free.bytes",
        ]
    );
}
