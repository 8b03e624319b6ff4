//! Topics come, are described, go, and come again.

use odradek_protocol::{
    ErrorCode, Uuid,
    messages::{
        create_topics::{
            CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
        },
        delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse},
        describe_cluster::{DescribeClusterRequest, DescribeClusterResponse},
        describe_configs::{
            DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
            DescribeConfigsResponse,
        },
        list_offsets::LATEST_TIMESTAMP,
        metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse},
    },
};
use odradek_tests::{broker::Broker, wait};

use crate::{
    client::{create_topic, delete_topic, topic_id, watermarks},
    fetch_raw::fetch,
    list_offsets::offset_at,
    produce_raw::{batch_of, produce},
    wire::Wire,
};

/// Kinds of resources in DescribeConfigs.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Sources of a value in DescribeConfigs.
const SET_FOR_TOPIC: i8 = 1;
const FROM_FILE: i8 = 4;
const DEFAULT: i8 = 5;

fn describe_configs(
    broker: &Broker,
    resource_type: i8,
    name: &str,
) -> Result<Vec<DescribeConfigsResourceResult>, ErrorCode> {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type,
            resource_name: name.to_owned(),
            configuration_keys: None,
        }],
        include_synonyms: true,
        include_documentation: true,
    };
    let mut response: DescribeConfigsResponse = Wire::connect(broker).call(4, &request);
    let result = response.results.remove(0);
    match result.error_code {
        ErrorCode::None => Ok(result.configs),
        code => Err(code),
    }
}

fn entry(broker: &Broker, resource_type: i8, name: &str, key: &str) -> (String, i8) {
    let configs = describe_configs(broker, resource_type, name).unwrap();
    let entry = configs.into_iter().find(|entry| entry.name == key).unwrap();
    (entry.value.unwrap_or_default(), entry.config_source)
}

/// The effective value of a topic's key.
pub(crate) fn config_of(broker: &Broker, topic: &str, key: &str) -> String {
    entry(broker, TOPIC, topic, key).0
}

fn metadata(wire: &mut Wire, topics: Option<Vec<MetadataRequestTopic>>) -> MetadataResponse {
    let request = MetadataRequest {
        topics,
        allow_auto_topic_creation: false,
        ..Default::default()
    };
    wire.call(12, &request)
}

fn create(wire: &mut Wire, topic: CreatableTopic, validate_only: bool) -> (ErrorCode, String) {
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: 10_000,
        validate_only,
    };
    let response: CreateTopicsResponse = wire.call(7, &request);
    let result = &response.topics[0];
    (
        result.error_code,
        result.error_message.clone().unwrap_or_default(),
    )
}

fn topic(name: &str, configs: &[(&str, &str)]) -> CreatableTopic {
    let configs = configs.iter().map(|&(name, value)| CreatableTopicConfig {
        name: name.to_owned(),
        value: Some(value.to_owned()),
    });
    CreatableTopic {
        name: name.to_owned(),
        num_partitions: -1,
        replication_factor: -1,
        configs: configs.collect(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_created_again_under_its_name_is_another_topic_and_empty() {
    let broker = Broker::start();
    let mut wire = Wire::connect(&broker);
    let mut ids = Vec::new();
    for round in 0..3 {
        create_topic(&broker, "again", 2, &[]).await;
        let id = topic_id(&mut wire, "again");
        assert!(id != Uuid::nil() && !ids.contains(&id));
        assert_eq!(watermarks(&broker, "again", 1), (0, 0), "round {round}");
        assert_eq!(produce(&mut wire, id, 1, batch_of(3, 10)).unwrap(), 0);
        if let Some(&former) = ids.last() {
            assert_eq!(
                fetch(&mut wire, former, 1, 0).error_code,
                ErrorCode::UnknownTopicId
            );
            let refused = produce(&mut wire, former, 1, batch_of(1, 10)).unwrap_err();
            assert_eq!(refused.error_code, ErrorCode::UnknownTopicId);
        }
        delete_topic(&broker, "again").await;
        ids.push(id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_leaves_no_files_behind() {
    let mut broker = Broker::start_with(&[("log.segment.delete.delay.ms", "50")]);
    create_topic(&broker, "leaves", 3, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "leaves");
    produce(&mut wire, id, 0, batch_of(3, 10)).unwrap();
    delete_topic(&broker, "leaves").await;
    let left = |broker: &Broker| {
        let entries = std::fs::read_dir(broker.log_dir()).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("leaves"))
            .count()
    };
    wait::until("the directories are gone", || {
        (left(&broker) == 0).then_some(())
    });

    // The same when the broker dies before it came to it.
    broker.set("log.segment.delete.delay.ms", "600000");
    broker.stop();
    broker.start_again();
    create_topic(&broker, "leaves", 3, &[]).await;
    delete_topic(&broker, "leaves").await;
    assert_eq!(left(&broker), 3);
    broker.kill();
    broker.start_again();
    wait::until("the directories are gone", || {
        (left(&broker) == 0).then_some(())
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_created_checked_and_refused_one_by_one() {
    let broker = Broker::start_with(&[("num.partitions", "4")]);
    let mut wire = Wire::connect(&broker);
    let ok = (ErrorCode::None, String::new());
    assert_eq!(create(&mut wire, topic("checked", &[]), true), ok);
    assert_eq!(topic_id(&mut wire, "checked"), Uuid::nil(), "only checked");
    assert_eq!(create(&mut wire, topic("checked", &[]), false), ok);
    let code = |answer: (ErrorCode, String)| {
        assert!(!answer.1.is_empty(), "{answer:?}");
        answer.0
    };
    let again = create(&mut wire, topic("checked", &[]), false);
    assert_eq!(code(again), ErrorCode::TopicAlreadyExists);
    for (key, value) in [
        ("retention.msec", "1"),
        ("retention.ms", "soon"),
        ("segment.bytes", "13"),
        ("cleanup.policy", "shred"),
    ] {
        let refused = create(&mut wire, topic("refused", &[(key, value)]), false);
        assert!(refused.1.contains(key), "{refused:?}");
        assert_eq!(code(refused), ErrorCode::InvalidConfig);
    }
    let answer = metadata(&mut wire, None);
    assert_eq!(answer.topics.len(), 1);
    let partitions = &answer.topics[0].partitions;
    assert_eq!(partitions.len(), 4);
    for (index, partition) in (0..).zip(partitions) {
        assert_eq!(partition.partition_index, index);
        assert_eq!((partition.leader_id, partition.leader_epoch), (1, 0));
        assert_eq!(
            (&partition.replica_nodes, &partition.isr_nodes),
            (&vec![1], &vec![1])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_deleted_by_name_or_by_id() {
    let broker = Broker::start();
    let mut wire = Wire::connect(&broker);
    let mut delete = |name: Option<&str>, topic_id| {
        let request = DeleteTopicsRequest {
            topics: vec![DeleteTopicState {
                name: name.map(str::to_owned),
                topic_id,
            }],
            timeout_ms: 10_000,
            ..Default::default()
        };
        let response: DeleteTopicsResponse = wire.call(6, &request);
        response.responses[0].error_code
    };
    create_topic(&broker, "by-id", 1, &[]).await;
    let id = topic_id(&mut Wire::connect(&broker), "by-id");
    assert_eq!(delete(None, Uuid::from_u128(5)), ErrorCode::UnknownTopicId);
    assert_eq!(delete(None, id), ErrorCode::None);
    assert_eq!(delete(None, id), ErrorCode::UnknownTopicId);
    assert_eq!(
        delete(Some("by-id"), Uuid::nil()),
        ErrorCode::UnknownTopicOrPartition
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_names_topics_by_id_and_does_not_create_what_it_was_not_allowed_to() {
    let broker = Broker::start_with(&[("broker.rack", "zone-b")]);
    create_topic(&broker, "named", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "named");
    let by_id = |topic_id| {
        let topic = MetadataRequestTopic {
            topic_id,
            name: None,
        };
        Some(vec![topic])
    };
    let answer = metadata(&mut wire, by_id(id));
    assert_eq!(answer.topics[0].name.as_deref(), Some("named"));
    let answer = metadata(&mut wire, by_id(Uuid::from_u128(9)));
    assert_eq!(answer.topics[0].error_code, ErrorCode::UnknownTopicId);
    let unknown = MetadataRequestTopic {
        name: Some("unknown".to_owned()),
        ..Default::default()
    };
    let answer = metadata(&mut wire, Some(vec![unknown]));
    assert_eq!(
        answer.topics[0].error_code,
        ErrorCode::UnknownTopicOrPartition
    );
    assert_eq!(metadata(&mut wire, None).topics.len(), 1);
    assert!(metadata(&mut wire, Some(Vec::new())).topics.is_empty());

    let [ref node] = answer.brokers[..] else {
        panic!("{answer:?}");
    };
    assert_eq!((node.node_id, node.rack.as_deref()), (1, Some("zone-b")));
    assert_eq!(
        (node.host.as_str(), node.port),
        ("127.0.0.1", i32::from(broker.port()))
    );
    let request = DescribeClusterRequest::default();
    let cluster: DescribeClusterResponse = wire.call(2, &request);
    assert_eq!(Some(cluster.cluster_id), answer.cluster_id);
    assert_eq!((cluster.controller_id, cluster.brokers.len()), (1, 1));
    assert!(!cluster.brokers[0].is_fenced);
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_tell_their_value_and_where_it_comes_from() {
    let broker = Broker::start_with(&[("log.segment.bytes", "2000000")]);
    create_topic(&broker, "described", 1, &[("retention.ms", "5000000")]).await;
    let topic = |key| entry(&broker, TOPIC, "described", key);
    assert_eq!(topic("retention.ms"), ("5000000".to_owned(), SET_FOR_TOPIC));
    assert_eq!(topic("segment.bytes"), ("2000000".to_owned(), FROM_FILE));
    assert_eq!(topic("cleanup.policy"), ("delete".to_owned(), DEFAULT));
    let broker_key = |key| entry(&broker, BROKER, "1", key);
    assert_eq!(
        broker_key("log.segment.bytes"),
        ("2000000".to_owned(), FROM_FILE)
    );
    assert_eq!(broker_key("num.io.threads"), ("4".to_owned(), DEFAULT));
    let unknown = describe_configs(&broker, TOPIC, "nobody").unwrap_err();
    assert_eq!(unknown, ErrorCode::UnknownTopicOrPartition);
    assert!(describe_configs(&broker, BROKER, "7").is_err());
}

/// Partitions are files; a thousand of them must not make the start slow.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_partitions_are_there_at_once_after_a_restart() {
    let mut broker = Broker::start();
    println!("start to ready, empty: {:?}", broker.start_to_ready());
    create_topic(&broker, "thousand", 1000, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "thousand");
    for partition in (0..1000).step_by(50) {
        produce(&mut wire, id, partition, batch_of(1, 100)).unwrap();
    }
    broker.stop();
    broker.start_again();
    println!(
        "start to ready, 1000 partitions, clean: {:?}",
        broker.start_to_ready()
    );
    broker.kill();
    broker.start_again();
    println!(
        "start to ready, 1000 partitions, killed: {:?}",
        broker.start_to_ready()
    );
    let mut wire = Wire::connect(&broker);
    for partition in (0..1000).step_by(50) {
        let found = fetch(&mut wire, id, partition, 0);
        assert_eq!(
            (found.error_code, found.high_watermark),
            (ErrorCode::None, 1)
        );
    }
    assert_eq!(offset_at(&mut wire, "thousand", LATEST_TIMESTAMP).0, 1);
}
