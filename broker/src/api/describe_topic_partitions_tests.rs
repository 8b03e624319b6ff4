#![allow(clippy::unwrap_used)]

use odradek_metadata::{
    MetadataImage,
    records::{BrokerEndpoint, PartitionRecord, RegisterBrokerRecord, TopicRecord},
};
use odradek_protocol::messages::describe_topic_partitions::TopicRequest;

use super::*;

/// Broker 1, and the topics `a`, `b` and `c` with one, three and two partitions.
fn image() -> MetadataImage {
    let mut image = MetadataImage::default();
    let endpoint = BrokerEndpoint {
        listener: "PUBLIC".to_owned(),
        host: "host".to_owned(),
        port: 9092,
        security_protocol: 0,
    };
    let broker = RegisterBrokerRecord {
        broker_id: 1,
        endpoints: vec![endpoint],
        ..Default::default()
    };
    image.apply(broker.into(), 1).unwrap();
    for (name, partitions) in [("c", 2), ("a", 1), ("b", 3)] {
        let topic_id = Uuid::from_u128(partitions as u128);
        let topic = TopicRecord {
            name: name.to_owned(),
            topic_id,
        };
        image.apply(topic.into(), 2).unwrap();
        for partition in 0..partitions {
            let record = PartitionRecord {
                topic_id,
                partition,
                replicas: vec![1],
                isr: vec![1],
                leader: 1,
                leader_epoch: 4,
                ..Default::default()
            };
            image.apply(record.into(), 2).unwrap();
        }
    }
    image
}

fn request(
    topics: &[&str],
    limit: i32,
    cursor: Option<(&str, i32)>,
) -> DescribeTopicPartitionsRequest {
    let topics = topics.iter().map(|name| TopicRequest {
        name: (*name).to_owned(),
    });
    DescribeTopicPartitionsRequest {
        topics: topics.collect(),
        response_partition_limit: limit,
        cursor: cursor.map(|(topic, partition_index)| Cursor {
            topic_name: topic.to_owned(),
            partition_index,
        }),
    }
}

/// The answer of a broker that allows four partitions in a page, and has `b-1` offline.
fn ask(request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let offline = |topic: &str| if topic == "b" { vec![1] } else { Vec::new() };
    let seen_by = Reachability {
        image: &image(),
        listener: "PUBLIC",
        node_id: 1,
        offline_here: &offline,
    };
    respond(&seen_by, request, 4)
}

/// Topics with the numbers of their partitions.
type Described = Vec<(String, Vec<i32>)>;

/// What is on a page, and where the next one begins.
fn page(request: &DescribeTopicPartitionsRequest) -> (Described, Option<(String, i32)>) {
    let answer = ask(request);
    let topics = answer.topics.into_iter().map(|topic| {
        let partitions = topic
            .partitions
            .iter()
            .map(|partition| partition.partition_index);
        (topic.name.unwrap(), partitions.collect())
    });
    let next = answer.next_cursor;
    (
        topics.collect(),
        next.map(|next| (next.topic_name, next.partition_index)),
    )
}

fn topics(topics: &[(&str, &[i32])]) -> Described {
    let owned = topics
        .iter()
        .map(|(name, partitions)| ((*name).to_owned(), partitions.to_vec()));
    owned.collect()
}

fn at(topic: &str, partition: i32) -> (String, i32) {
    (topic.to_owned(), partition)
}

#[test]
fn pages_follow_each_other_without_gap_or_overlap() {
    for limit in [-1, 0, 1, 2, 3, 4, 5, 6, i32::MAX] {
        let (mut found, mut cursor) = (Vec::new(), None::<(String, i32)>);
        loop {
            let from = cursor
                .as_ref()
                .map(|(topic, partition)| (topic.as_str(), *partition));
            let (topics, next) = page(&request(&[], limit, from));
            let on_page: Vec<_> = topics
                .into_iter()
                .flat_map(|(topic, partitions)| {
                    partitions.into_iter().map(move |p| (topic.clone(), p))
                })
                .collect();
            assert!(on_page.len() <= usize::try_from(limit).unwrap_or(1).clamp(1, 4));
            found.extend(on_page);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        let found: Vec<_> = found
            .iter()
            .map(|(topic, partition)| (topic.as_str(), *partition))
            .collect();
        assert_eq!(
            found,
            [("a", 0), ("b", 0), ("b", 1), ("b", 2), ("c", 0), ("c", 1)]
        );
    }
}

#[test]
fn a_page_ends_inside_a_topic_or_before_the_next_one() {
    let all = topics(&[("a", &[0]), ("b", &[0, 1, 2])]);
    assert_eq!(page(&request(&[], 2000, None)), (all, Some(at("c", 0))));
    let part = topics(&[("a", &[0]), ("b", &[0, 1])]);
    assert_eq!(
        page(&request(&["b", "a"], 3, None)),
        (part, Some(at("b", 2)))
    );
    let rest = topics(&[("b", &[2]), ("c", &[0, 1])]);
    assert_eq!(page(&request(&[], 2000, Some(("b", 2)))), (rest, None));
}

#[test]
fn a_cursor_behind_a_topic_goes_on_with_the_next_one() {
    let rest = topics(&[("b", &[]), ("c", &[0, 1])]);
    assert_eq!(page(&request(&[], 9, Some(("b", 3)))), (rest, None));
    let gone = topics(&[("c", &[0, 1])]);
    assert_eq!(page(&request(&[], 9, Some(("bb", 7)))), (gone, None));
    assert_eq!(page(&request(&[], 9, Some(("x", 0)))), (Vec::new(), None));
}

#[test]
fn a_cursor_that_nobody_was_given_is_refused() {
    for cursor in [("x", 0), ("bb", 0), ("b", -1)] {
        let answer = ask(&request(&["c", "b"], 9, Some(cursor)));
        let codes: Vec<_> = answer.topics.iter().map(|topic| topic.error_code).collect();
        assert_eq!(codes, [ErrorCode::InvalidRequest; 2], "{cursor:?}");
    }
}

#[test]
fn topics_come_once_and_those_that_are_not_there_say_why() {
    let answer = ask(&request(&["c", "no", "c", "not legal", ""], 9, None));
    let found: Vec<_> = answer
        .topics
        .iter()
        .map(|topic| (topic.name.as_deref().unwrap(), topic.error_code))
        .collect();
    let expected = [
        ("", ErrorCode::InvalidTopicException),
        ("c", ErrorCode::None),
        ("no", ErrorCode::UnknownTopicOrPartition),
        ("not legal", ErrorCode::InvalidTopicException),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_partition_whose_log_is_offline_has_no_leader() {
    let answer = ask(&request(&["b"], 9, None));
    let partitions = &answer.topics[0].partitions;
    let seen: Vec<_> = partitions
        .iter()
        .map(|p| (p.error_code, p.leader_id, p.offline_replicas.len()))
        .collect();
    let (ok, failed) = (ErrorCode::None, ErrorCode::LeaderNotAvailable);
    assert_eq!(seen, [(ok, 1, 0), (failed, -1, 1), (ok, 1, 0)]);
    assert_eq!(
        (partitions[1].leader_epoch, &*partitions[1].isr_nodes),
        (4, &[1][..])
    );
}
