//! The metadata log of `tests/golden/quorum-v1` was written once and opens for ever.
//!
//! The directory holds what the format can: a snapshot, purged and later segments, several epochs,
//! a removed topic, a clean and an unclean end. It must never be written anew: a change of the
//! format gets a directory of its own beside it.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use odradek_metadata::{
    MetadataImage,
    decide::registration,
    records::{
        BrokerEndpoint, ConfigRecord, PartitionRecord, ProducerIdsRecord, Record,
        RegisterBrokerRecord, RemoveTopicRecord, TopicRecord, encode_batch,
    },
};
use odradek_quorum::SingleVoter;
use uuid::Uuid;

use super::*;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/quorum-v1");

const CLUSTER_ID: &str = "4L6g3nShT-eMCtK--X86sw";

const VOTER: ReplicaKey = ReplicaKey {
    node_id: 1,
    directory_id: Uuid::from_u128(0xd1),
};

fn config(directory: &Path) -> VoterConfig {
    VoterConfig {
        segment_bytes: 1024,
        snapshot_after_bytes: 1500,
        ..VoterConfig::new(directory.to_owned(), VOTER)
    }
}

/// Opens the log as one more start of the node, and hands each batch to the quorum.
fn live(directory: &Path, batches: &[Vec<Record>]) -> SingleVoter<Publisher> {
    let (publisher, _) = Publisher::new();
    let mut voter = SingleVoter::open(Arc::new(RealDisk), &config(directory), publisher).unwrap();
    for batch in batches {
        voter.commit([encode_batch(batch)]).unwrap();
        voter.snapshot_if_due();
    }
    voter
}

/// The life of a small cluster.
fn write(directory: &Path) {
    let founding =
        registration::register_broker(&MetadataImage::default(), CLUSTER_ID, broker(1)).unwrap();
    let first = [
        founding,
        topic("flights", 1, 3),
        vec![config_of("flights", "retention.ms")],
    ];
    live(directory, &first).close().unwrap();
    let second = [vec![broker(2).into()], topic("gone", 2, 1), vec![ids(1000)]];
    drop(live(directory, &second));
    let removal = RemoveTopicRecord {
        topic_id: Uuid::from_u128(2),
    };
    let mut third = vec![vec![broker(3).into()], vec![removal.into()]];
    third.extend((3..15).map(|number| topic(&format!("topic-{number}"), number, 2)));
    third.extend([
        vec![ids(2000)],
        vec![config_of("topic-14", "cleanup.policy")],
    ]);
    drop(live(directory, &third));
}

/// The broker as it registered at its `start`th start.
fn broker(start: u128) -> RegisterBrokerRecord {
    let endpoint = BrokerEndpoint {
        listener: "PLAINTEXT".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: 9092,
        security_protocol: 0,
    };
    RegisterBrokerRecord {
        broker_id: 1,
        incarnation_id: Uuid::from_u128(start),
        endpoints: vec![endpoint],
        directories: vec![VOTER.directory_id],
        rack: Some("zone-a".to_owned()),
        ..Default::default()
    }
}

fn topic(name: &str, id: u128, partitions: i32) -> Vec<Record> {
    let topic_id = Uuid::from_u128(id);
    let partitions = (0..partitions).map(|partition| {
        Record::from(PartitionRecord {
            topic_id,
            partition,
            replicas: vec![1],
            directories: vec![VOTER.directory_id],
            isr: vec![1],
            leader: 1,
            leader_epoch: partition,
            partition_epoch: 2 * partition,
        })
    });
    let topic = TopicRecord {
        name: name.to_owned(),
        topic_id,
    };
    [topic.into()].into_iter().chain(partitions).collect()
}

fn config_of(topic: &str, key: &str) -> Record {
    ConfigRecord {
        resource_type: 2,
        resource_name: topic.to_owned(),
        key: key.to_owned(),
        value: Some("a value".to_owned()),
    }
    .into()
}

fn ids(next: i64) -> Record {
    ProducerIdsRecord { next }.into()
}

/// Names and bytes of the files in a directory.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into(), fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn the_golden_directory_opens_with_everything_in_it() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join(DIRECTORY);
    fs::create_dir(&directory).unwrap();
    for (name, bytes) in files(Path::new(GOLDEN)) {
        fs::write(directory.join(name), bytes).unwrap();
    }
    let metadata = Metadata::start(parent.path(), VOTER).unwrap();
    let image = metadata.handle().image();
    assert_eq!(image.cluster_id.as_deref(), Some(CLUSTER_ID));
    assert_eq!(image.features.get("metadata.version"), Some(&1));
    let names = image.topics.names().map(ToString::to_string);
    let expected = (3..15)
        .map(|number| format!("topic-{number}"))
        .chain(["flights".to_owned()]);
    assert_eq!(names.collect::<BTreeSet<_>>(), expected.collect());
    let flights = image.topic("flights").unwrap();
    assert_eq!(
        (flights.id, flights.partitions.len()),
        (Uuid::from_u128(1), 3)
    );
    let partition = flights.partition(2).unwrap();
    assert_eq!((partition.leader_epoch, partition.partition_epoch), (2, 4));
    for (topic, key) in [("flights", "retention.ms"), ("topic-14", "cleanup.policy")] {
        let value = image.configs.of_topic(topic).get(key).cloned();
        assert_eq!(value.as_deref(), Some("a value"));
    }
    assert_eq!(image.next_producer_id, 2000);
    let broker = &image.brokers[&1];
    assert_eq!(broker.incarnation_id, Uuid::from_u128(3));
    assert_eq!(
        broker.endpoint("PLAINTEXT").map(|endpoint| endpoint.port),
        Some(9092)
    );
    assert_eq!(broker.rack.as_deref(), Some("zone-a"));
    // The golden directory saw three starts; this is the fourth.
    assert_eq!(
        (image.applied_epoch, metadata.quorum.proposer().epoch()),
        (3, 4)
    );
    metadata.stop();
}

#[test]
fn this_program_still_writes_the_golden_bytes() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join(DIRECTORY);
    write(&directory);
    let (written, golden) = (files(&directory), files(Path::new(GOLDEN)));
    assert_eq!(
        written.keys().collect::<Vec<_>>(),
        golden.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in &golden {
        assert!(written[name] == *bytes, "{} differs", name.display());
    }
}
