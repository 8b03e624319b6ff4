#![allow(clippy::unwrap_used)]

use odradek_metadata::{
    MetadataImage,
    records::{BrokerEndpoint, PartitionRecord, RegisterBrokerRecord, TopicRecord},
};

use super::*;

const A: Uuid = Uuid::from_u128(0xa);
const B: Uuid = Uuid::from_u128(0xb);

/// Broker 1 with both listeners, broker 2 with `INTERNAL` alone, broker 3 fenced; topics `a` and
/// `b`, whose partitions 0, 1 and 2 are led by brokers 1, 2 and 3.
fn image() -> MetadataImage {
    let mut image = MetadataImage::default();
    for (broker_id, listeners) in [
        (1, &["PUBLIC", "INTERNAL"][..]),
        (2, &["INTERNAL"]),
        (3, &["PUBLIC"]),
    ] {
        let endpoints = listeners.iter().map(|listener| BrokerEndpoint {
            listener: (*listener).to_owned(),
            host: format!("{}-{broker_id}", listener.to_lowercase()),
            port: 9092,
            security_protocol: 0,
        });
        let broker = RegisterBrokerRecord {
            broker_id,
            endpoints: endpoints.collect(),
            fenced: broker_id == 3,
            ..Default::default()
        };
        image.apply(broker.into(), 1).unwrap();
    }
    for (name, topic_id) in [("b", B), ("a", A)] {
        image
            .apply(
                TopicRecord {
                    name: name.to_owned(),
                    topic_id,
                }
                .into(),
                2,
            )
            .unwrap();
        for partition in 0..3 {
            let leader = partition + 1;
            let (replicas, isr) = (vec![leader, 1], vec![leader]);
            let record = PartitionRecord {
                topic_id,
                partition,
                replicas,
                isr,
                leader,
                leader_epoch: 5,
                ..Default::default()
            };
            image.apply(record.into(), 2).unwrap();
        }
    }
    image
}

fn view<'a>(image: &'a MetadataImage, listener: &'a str, version: i16) -> View<'a> {
    View {
        seen_by: Reachability {
            image,
            listener,
            node_id: 1,
            offline_here: &|_| Vec::new(),
        },
        version,
        with_topic_operations: false,
    }
}

fn request(topics: Option<&[(Option<&str>, Uuid)]>) -> MetadataRequest {
    let topics = topics.map(|topics| {
        let topic = |(name, topic_id): &(Option<&str>, Uuid)| MetadataRequestTopic {
            topic_id: *topic_id,
            name: name.map(str::to_owned),
        };
        topics.iter().map(topic).collect()
    });
    MetadataRequest {
        topics,
        ..Default::default()
    }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn an_empty_list_means_all_in_version_0_and_none_after() {
    assert_eq!(wanted(&request(Some(&[])), 0), Wanted::All);
    let none = Wanted::Some {
        names: BTreeSet::new(),
        ids: BTreeSet::new(),
    };
    assert_eq!(wanted(&request(Some(&[])), 1), none);
    assert_eq!(wanted(&request(None), 1), Wanted::All);
}

#[test]
fn topics_are_named_once_and_in_order() {
    let (nil, asked) = (Uuid::nil(), [Some("b"), Some("a"), Some("b")]);
    let asked: Vec<_> = asked
        .into_iter()
        .map(|name| (name, nil))
        .chain([(None, B)])
        .collect();
    let expected = Wanted::Some {
        names: names(&["a", "b"]),
        ids: BTreeSet::from([B]),
    };
    assert_eq!(wanted(&request(Some(&asked)), 12), expected);
}

#[test]
fn ids_are_refused_in_versions_that_could_not_use_them() {
    for asked in [(None, A), (Some("a"), A), (None, Uuid::nil())] {
        let request = request(Some(&[asked]));
        let Wanted::Malformed(topics) = wanted(&request, 11) else {
            panic!("{asked:?}")
        };
        let response = refused(&topics[0]);
        assert_eq!(response.error_code, ErrorCode::InvalidRequest);
        assert!(response.name.is_some());
        assert!(matches!(wanted(&request, 12), Wanted::Some { .. }));
    }
}

#[test]
fn clients_are_told_the_addresses_of_the_listener_they_came_in_by() {
    let image = image();
    let brokers = |listener| {
        let brokers = view(&image, listener, 13)
            .response(Vec::new(), false)
            .brokers;
        brokers
            .into_iter()
            .map(|broker| (broker.node_id, broker.host))
            .collect::<Vec<_>>()
    };
    assert_eq!(brokers("PUBLIC"), [(1, "public-1".to_owned())]);
    assert_eq!(
        brokers("INTERNAL"),
        [(1, "internal-1".to_owned()), (2, "internal-2".to_owned())]
    );
}

#[test]
fn all_topics_come_sorted_by_name() {
    let image = image();
    let topics = view(&image, "PUBLIC", 13).all_topics();
    let found: Vec<_> = topics
        .iter()
        .map(|topic| topic.name.as_deref().unwrap())
        .collect();
    assert_eq!(found, ["a", "b"]);
}

#[test]
fn a_leader_that_cannot_be_reached_is_an_error_of_its_partition() {
    let image = image();
    let partitions = |listener, version| {
        view(&image, listener, version).all_topics()[0]
            .partitions
            .clone()
    };
    let codes = |listener, version| {
        let partitions = partitions(listener, version);
        partitions
            .into_iter()
            .map(|partition| partition.error_code)
            .collect::<Vec<_>>()
    };
    let (none, unavailable) = (ErrorCode::None, ErrorCode::LeaderNotAvailable);
    assert_eq!(
        codes("PUBLIC", 6),
        [none, ErrorCode::ListenerNotFound, unavailable]
    );
    assert_eq!(codes("PUBLIC", 5), [none, unavailable, unavailable]);
    assert_eq!(codes("INTERNAL", 6), [none, none, unavailable]);
    let found = partitions("PUBLIC", 6);
    assert_eq!((found[0].leader_id, found[0].leader_epoch), (1, 5));
    assert_eq!(
        (found[2].leader_id, &*found[2].offline_replicas),
        (-1, &[3][..])
    );
}

#[test]
fn a_partition_whose_log_is_offline_here_has_no_leader() {
    let image = image();
    let mut view = view(&image, "INTERNAL", 13);
    view.seen_by.offline_here = &|topic| if topic == "a" { vec![0, 1] } else { Vec::new() };
    let topics = view.all_topics();
    let seen = |topic: usize, partition: usize| {
        let partition = &topics[topic].partitions[partition];
        (
            partition.error_code,
            partition.leader_id,
            partition.offline_replicas.clone(),
        )
    };
    assert_eq!(seen(0, 0), (ErrorCode::LeaderNotAvailable, -1, vec![1, 1]));
    // Broker 2 leads this one; only the replica here is down.
    assert_eq!(seen(0, 1), (ErrorCode::None, 2, vec![1]));
    assert_eq!(seen(1, 0), (ErrorCode::None, 1, vec![]));
}

#[test]
fn what_is_not_there_says_why() {
    let image = image();
    let (ids, none) = (BTreeSet::from([A, Uuid::from_u128(9)]), ErrorCode::None);
    let refused = BTreeMap::from([("c.d".to_owned(), ErrorCode::InvalidReplicationFactor)]);
    let topics = view(&image, "PUBLIC", 12).topics(names(&["b", "c", "c d", "c.d"]), ids, &refused);
    let found: Vec<_> = topics
        .iter()
        .map(|topic| (topic.name.as_deref(), topic.error_code))
        .collect();
    let expected = [
        (Some("b"), none),
        (Some("c"), ErrorCode::UnknownTopicOrPartition),
        (Some("c d"), ErrorCode::InvalidTopicException),
        (Some("c.d"), ErrorCode::InvalidReplicationFactor),
        (Some("a"), none),
        (None, ErrorCode::UnknownTopicId),
    ];
    // By name first, then by id: which id is smaller is no promise.
    assert_eq!(found.len(), expected.len());
    assert_eq!(found[..4], expected[..4]);
    assert!(expected[4..].iter().all(|known| found[4..].contains(known)));
}

#[test]
fn operations_are_told_only_to_those_who_ask() {
    let image = image();
    let silent = view(&image, "PUBLIC", 9);
    let response = silent.response(silent.all_topics(), false);
    assert_eq!(response.cluster_authorized_operations, i32::MIN);
    assert_eq!(response.topics[0].topic_authorized_operations, i32::MIN);
    let asked = View {
        with_topic_operations: true,
        ..silent
    };
    let response = asked.response(asked.all_topics(), true);
    assert_eq!(
        response.cluster_authorized_operations,
        authorized_operations::OF_CLUSTER
    );
    assert_eq!(
        response.topics[0].topic_authorized_operations,
        authorized_operations::OF_TOPIC
    );
}
