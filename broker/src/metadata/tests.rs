//! The metadata of one node on a real disk: what is promised to callers, and what survives.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, time::Duration};

use odradek_metadata::{
    MetadataImage,
    decide::{create_topics::NewTopic, delete_topics::TopicReference},
    records::RegisterBrokerRecord,
};
use odradek_protocol::ErrorCode;
use uuid::Uuid;

use super::{controller::TopicSettings, *};

const VOTER: ReplicaKey = ReplicaKey {
    node_id: 1,
    directory_id: Uuid::from_u128(7),
};

const SETTINGS: TopicSettings = TopicSettings {
    default_partitions: 2,
    default_replication_factor: 1,
    validate_only: false,
};

/// Nobody plays the replica manager here, so nobody is waited for.
const NO_WAIT: Duration = Duration::ZERO;

async fn start(directory: &Path) -> Metadata {
    let metadata = Metadata::start(directory, VOTER).unwrap();
    let broker = RegisterBrokerRecord {
        broker_id: 1,
        ..Default::default()
    };
    metadata
        .handle()
        .register_broker("cluster".to_owned(), broker)
        .await
        .unwrap();
    metadata
}

fn topic(name: &str) -> NewTopic {
    NewTopic {
        name: name.into(),
        partitions: -1,
        replication_factor: -1,
        ..Default::default()
    }
}

async fn create(handle: &MetadataHandle, name: &str) -> Uuid {
    let outcome = handle
        .create_topics(vec![topic(name)], SETTINGS, NO_WAIT)
        .await
        .unwrap();
    outcome.into_iter().next().unwrap().unwrap().id
}

/// The image without what is new with each start.
fn lasting(image: &MetadataImage) -> MetadataImage {
    let MetadataImage { brokers, .. } = MetadataImage::default();
    MetadataImage {
        applied_index: 0,
        applied_epoch: 0,
        brokers,
        ..image.clone()
    }
}

#[tokio::test]
async fn topics_configs_and_producer_ids_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let metadata = start(directory.path()).await;
    let with_config = NewTopic {
        configs: vec![("retention.ms".to_owned(), Some("1000".to_owned()))],
        ..topic("configured")
    };
    let handle = metadata.handle();
    handle
        .create_topics(vec![with_config], SETTINGS, NO_WAIT)
        .await
        .unwrap();
    let id = create(handle, "a").await;
    assert_eq!(handle.next_producer_id().await.unwrap(), 0);
    let before = handle.image();
    metadata.stop();

    let metadata = start(directory.path()).await;
    let handle = metadata.handle();
    let after = handle.image();
    assert_eq!(lasting(&after), lasting(&before));
    assert_eq!(after.topic("a").unwrap().id, id);
    assert!(before.applied_epoch < after.applied_epoch);
    // The rest of the block is lost, no id is given twice.
    assert_eq!(handle.next_producer_id().await.unwrap(), 1000);
    metadata.stop();
}

#[tokio::test]
async fn a_created_topic_is_in_the_image_when_the_call_returns() {
    let directory = tempfile::tempdir().unwrap();
    let metadata = start(directory.path()).await;
    let handle = metadata.handle();
    for name in ["a", "b", "c"] {
        let id = create(handle, name).await;
        assert_eq!(handle.image().topic(name).unwrap().id, id);
    }
    let reference = TopicReference::Name("b".to_owned());
    handle
        .delete_topics(vec![reference], NO_WAIT)
        .await
        .unwrap()[0]
        .as_ref()
        .unwrap();
    assert!(handle.image().topic("b").is_none());
    metadata.stop();
}

#[tokio::test]
async fn creating_waits_until_the_broker_has_acted() {
    let directory = tempfile::tempdir().unwrap();
    let metadata = start(directory.path()).await;
    let handle = metadata.handle().clone();
    let mut images = handle.watch();
    let long = Duration::from_mins(1);
    let creating = tokio::spawn({
        let handle = handle.clone();
        async move { handle.create_topics(vec![topic("a")], SETTINGS, long).await }
    });
    images
        .wait_for(|image| image.topic("a").is_some())
        .await
        .unwrap();
    assert!(!creating.is_finished());
    handle.acted().advance(handle.image().applied_index);
    creating.await.unwrap().unwrap()[0].as_ref().unwrap();
    metadata.stop();
}

#[tokio::test]
async fn validate_only_creates_nothing_and_refusals_are_those_of_creation() {
    let directory = tempfile::tempdir().unwrap();
    let metadata = start(directory.path()).await;
    let handle = metadata.handle();
    create(handle, "taken").await;
    let before = handle.image();
    let settings = TopicSettings {
        validate_only: true,
        ..SETTINGS
    };
    let asked = vec![topic("free"), topic("taken")];
    let outcome = handle
        .create_topics(asked, settings, NO_WAIT)
        .await
        .unwrap();
    assert_eq!(outcome[0].as_ref().unwrap().partitions, 2);
    assert_eq!(
        outcome[1].as_ref().unwrap_err().code,
        ErrorCode::TopicAlreadyExists
    );
    assert_eq!(handle.image(), before);
    metadata.stop();
}

#[tokio::test]
async fn of_many_who_create_the_same_topic_at_once_one_succeeds() {
    let directory = tempfile::tempdir().unwrap();
    let metadata = start(directory.path()).await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let handle = metadata.handle().clone();
            tokio::spawn(async move {
                handle
                    .create_topics(vec![topic("a")], SETTINGS, NO_WAIT)
                    .await
            })
        })
        .collect();
    let mut created = 0;
    for task in tasks {
        match &task.await.unwrap().unwrap()[0] {
            Ok(_) => created += 1,
            Err(refusal) => assert_eq!(refusal.code, ErrorCode::TopicAlreadyExists),
        }
    }
    assert_eq!(created, 1);
    metadata.stop();
}

#[tokio::test]
async fn producer_ids_are_unique_across_blocks_and_askers() {
    let directory = tempfile::tempdir().unwrap();
    let metadata = start(directory.path()).await;
    let tasks: Vec<_> = (0..25)
        .map(|_| {
            let handle = metadata.handle().clone();
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for _ in 0..100 {
                    ids.push(handle.next_producer_id().await.unwrap());
                }
                ids
            })
        })
        .collect();
    let mut ids = BTreeSet::new();
    for task in tasks {
        ids.extend(task.await.unwrap());
    }
    assert_eq!(ids.len(), 2500);
    metadata.stop();
}

#[tokio::test]
async fn a_directory_of_another_cluster_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let metadata = start(directory.path()).await;
    let broker = RegisterBrokerRecord {
        broker_id: 1,
        ..Default::default()
    };
    let refused = metadata
        .handle()
        .register_broker("another".to_owned(), broker)
        .await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("belongs to cluster another")
    );
    metadata.stop();
}

#[tokio::test]
async fn after_a_stop_a_request_fails_and_the_last_image_stays() {
    let directory = tempfile::tempdir().unwrap();
    let metadata = start(directory.path()).await;
    let handle = metadata.handle().clone();
    create(&handle, "a").await;
    metadata.stop();
    let result = handle
        .create_topics(vec![topic("b")], SETTINGS, NO_WAIT)
        .await;
    assert!(matches!(result, Err(ChangeError::Stopped)), "{result:?}");
    assert!(handle.image().topic("a").is_some());
}
