//! Records compared with those of a real Apache Kafka: see `tests/golden/group_records/README.md`.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::records::{BatchRecords, Batches};

const MEMBER: &[u8] = include_bytes!("../tests/golden/group_records/member.log");
const STATIC_MEMBER: &[u8] = include_bytes!("../tests/golden/group_records/static-member.log");
const OFFSETS: &[u8] = include_bytes!("../tests/golden/group_records/offsets.log");

/// Keys and values in the order of the log.
fn records(segment: &'static [u8]) -> Vec<(Bytes, Option<Bytes>)> {
    let mut records = Vec::new();
    for batch in Batches::new(Bytes::from_static(segment)) {
        for record in &BatchRecords::read(&batch.unwrap()).unwrap() {
            let record = record.unwrap();
            let key = Bytes::copy_from_slice(record.key.unwrap());
            records.push((key, record.value.map(Bytes::copy_from_slice)));
        }
    }
    records
}

#[test]
fn every_record_that_kafka_wrote_is_read_and_written_back_byte_for_byte() {
    for segment in [MEMBER, STATIC_MEMBER, OFFSETS] {
        for (bytes, value) in records(segment) {
            let key = StateKey::decode(&bytes).unwrap();
            assert_eq!(key.encode().unwrap(), bytes, "{key:?}");
            let Some(bytes) = value else { continue };
            match &key {
                StateKey::Offset { .. } => {
                    let value = OffsetValue::decode(&bytes).unwrap();
                    assert_eq!(value.encode().unwrap(), bytes, "{key:?} {value:?}");
                }
                StateKey::Group { .. } => {
                    let value = GroupValue::decode(&bytes).unwrap();
                    assert_eq!(value.encode().unwrap(), bytes, "{key:?} {value:?}");
                }
                StateKey::Unknown { .. } => panic!("{key:?}"),
            }
        }
    }
}

#[test]
fn a_committed_offset_is_read_as_kafkas_own_tool_shows_it() {
    let records = records(OFFSETS);
    let (key, value) = &records[2];
    assert_eq!(
        StateKey::decode(key).unwrap(),
        StateKey::offset("simple", "t", 0)
    );
    let value = OffsetValue::decode(value.as_ref().unwrap()).unwrap();
    let expected = OffsetValue {
        offset: 3,
        metadata: "ho".to_owned(),
        commit_timestamp_ms: 1_795_345_896_891,
        expire_timestamp_ms: 1_795_349_496_891,
        ..OffsetValue::default()
    };
    assert_eq!(value, expected);

    let (_, value) = &records[0];
    let value = OffsetValue::decode(value.as_ref().unwrap()).unwrap();
    let expected = OffsetValue {
        offset: 0,
        leader_epoch: -1,
        commit_timestamp_ms: 1_795_344_872_522,
        expire_timestamp_ms: -1,
        topic_id: value.topic_id,
        ..OffsetValue::default()
    };
    assert_eq!(value, expected);
    assert!(!value.topic_id.is_nil());

    let (key, value) = records.last().unwrap();
    assert_eq!(
        StateKey::decode(key).unwrap(),
        StateKey::group("other"),
        "the last record"
    );
    assert_eq!(*value, None);
}

#[test]
fn a_group_is_read_as_kafkas_own_tool_shows_it() {
    let (key, value) = &records(STATIC_MEMBER)[1];
    assert_eq!(StateKey::decode(key).unwrap(), StateKey::group("static"));
    let value = GroupValue::decode(value.as_ref().unwrap()).unwrap();
    assert_eq!(
        (&*value.protocol_type, value.generation),
        ("consumer", 1),
        "{value:?}"
    );
    assert_eq!(value.protocol.as_deref(), Some("range"));
    assert_eq!(value.current_state_timestamp_ms, 1_795_345_988_147);
    let [member] = &value.members[..] else {
        panic!("{value:?}");
    };
    assert_eq!(value.leader.as_deref(), Some(&*member.member_id));
    assert_eq!(member.group_instance_id.as_deref(), Some("inst-1"));
    assert_eq!(
        (&*member.client_id, &*member.client_host),
        ("cli", "/127.0.0.1")
    );
    assert_eq!(
        (member.rebalance_timeout_ms, member.session_timeout_ms),
        (300_000, 45_000)
    );
    assert!(!member.subscription.is_empty() && !member.assignment.is_empty());
}

#[test]
fn values_of_every_older_version_are_read() {
    let written = OffsetValue {
        offset: 7,
        leader_epoch: 5,
        metadata: "m".to_owned(),
        commit_timestamp_ms: 11,
        expire_timestamp_ms: 13,
        topic_id: Uuid::from_u128(17),
    };
    for version in 0..=VALUE_VERSION_MAX {
        let read = OffsetValue::decode(&encode_value(&written, version).unwrap()).unwrap();
        let expected = OffsetValue {
            leader_epoch: if 3 <= version { 5 } else { -1 },
            expire_timestamp_ms: if version == 1 { 13 } else { -1 },
            topic_id: if 4 <= version {
                written.topic_id
            } else {
                Uuid::nil()
            },
            ..written.clone()
        };
        assert_eq!(read, expected, "version {version}");
    }
    let written = GroupValue {
        protocol_type: "consumer".to_owned(),
        generation: 3,
        current_state_timestamp_ms: 19,
        members: vec![MemberValue {
            member_id: "a".to_owned(),
            rebalance_timeout_ms: 23,
            ..MemberValue::default()
        }],
        ..GroupValue::default()
    };
    for version in 0..=VALUE_VERSION_MAX {
        let read = GroupValue::decode(&encode_value(&written, version).unwrap()).unwrap();
        assert_eq!(
            (
                read.current_state_timestamp_ms,
                read.members[0].rebalance_timeout_ms
            ),
            (
                if 2 <= version { 19 } else { -1 },
                if 1 <= version { 23 } else { 0 }
            ),
            "version {version}"
        );
    }
}

#[test]
fn what_is_not_known_is_told_apart_from_what_is_broken() {
    let share_group = Bytes::from_static(&[0, 11, 1, 2, 3]);
    assert_eq!(
        StateKey::decode(&share_group).unwrap(),
        StateKey::Unknown { version: 11 }
    );
    for (key, value) in records(MEMBER) {
        for len in 0..key.len() {
            assert!(
                StateKey::decode(&key.slice(..len)).is_err(),
                "{key:?} {len}"
            );
        }
        let Some(value) = value else { continue };
        for len in 0..value.len() {
            let value = value.slice(..len);
            assert!(OffsetValue::decode(&value).is_err() || GroupValue::decode(&value).is_err());
        }
    }
    let from_the_future = Bytes::from_static(&[0, 5, 0, 0]);
    assert!(OffsetValue::decode(&from_the_future).is_err());
    assert!(GroupValue::decode(&from_the_future).is_err());
}
