#![allow(clippy::unwrap_used)]
use super::*;

fn at(offset: i64) -> CommittedOffset {
    CommittedOffset {
        offset,
        leader_epoch: -1,
        metadata: "".into(),
        commit_timestamp_ms: 0,
        expire_timestamp_ms: None,
        topic_id: Uuid::nil(),
    }
}

fn committed(offsets: &GroupOffsets) -> Vec<(&str, i32, i64)> {
    let all = offsets.iter();
    all.map(|(topic, partition, committed)| (&**topic, partition, committed.offset))
        .collect()
}

#[test]
fn a_position_is_seen_when_its_commit_has_ended_and_not_before() {
    let mut offsets = GroupOffsets::default();
    let topic = Arc::from("t");
    offsets.begin_commit(&topic, 0);
    assert_eq!(offsets.get("t", 0), None);
    assert!(offsets.is_in_flight("t", 0) && !offsets.is_empty());
    offsets.end_commit(&topic, 0, Some(at(5)));
    assert_eq!(offsets.get("t", 0), Some(&at(5)));
    assert!(!offsets.is_in_flight("t", 0));

    offsets.begin_commit(&topic, 0);
    assert_eq!(
        offsets.get("t", 0),
        Some(&at(5)),
        "until the next has ended"
    );
    offsets.end_commit(&topic, 0, None);
    assert_eq!(
        offsets.get("t", 0),
        Some(&at(5)),
        "and when the log refused it"
    );
}

#[test]
fn nothing_is_left_of_a_commit_that_failed() {
    let mut offsets = GroupOffsets::default();
    let topic = Arc::from("t");
    offsets.begin_commit(&topic, 0);
    offsets.begin_commit(&topic, 0);
    offsets.end_commit(&topic, 0, None);
    assert!(offsets.is_in_flight("t", 0), "the second one");
    offsets.end_commit(&topic, 0, None);
    assert_eq!(offsets, GroupOffsets::default());
}

#[test]
fn positions_are_listed_by_topic_and_partition() {
    let mut offsets = GroupOffsets::default();
    for (topic, partition) in [("b", 2), ("a", 7), ("b", 0), ("c", 1), ("b", 1)] {
        offsets.set(&Arc::from(topic), partition, at(1));
    }
    offsets.begin_commit(&Arc::from("d"), 0);
    let expected = [
        ("a", 7, 1),
        ("b", 0, 1),
        ("b", 1, 1),
        ("b", 2, 1),
        ("c", 1, 1),
    ];
    assert_eq!(committed(&offsets), expected);
    assert_eq!(offsets.entries(), expected.len() + 1);
}

#[test]
fn a_position_can_be_forgotten_once() {
    let mut offsets = GroupOffsets::default();
    let topic = Arc::from("t");
    offsets.set(&topic, 0, at(1));
    offsets.set(&topic, 1, at(2));
    assert!(offsets.remove("t", 0));
    assert!(!offsets.remove("t", 0) && !offsets.remove("u", 0));
    assert_eq!(committed(&offsets), [("t", 1, 2)]);
    offsets.begin_commit(&topic, 1);
    assert!(offsets.remove("t", 1));
    assert!(offsets.is_known("t", 1), "its next commit is on its way");
}

#[test]
fn tombstones_cover_what_is_on_its_way_too() {
    let mut offsets = GroupOffsets::default();
    offsets.set(&Arc::from("t"), 1, at(1));
    offsets.begin_commit(&Arc::from("u"), 2);
    let keys: Vec<_> = offsets
        .tombstones("g")
        .unwrap()
        .into_iter()
        .map(|record| {
            assert_eq!(record.value, None);
            StateKey::decode(&record.key).unwrap()
        })
        .collect();
    let expected = [StateKey::offset("g", "t", 1), StateKey::offset("g", "u", 2)];
    assert_eq!(keys, expected);
}
