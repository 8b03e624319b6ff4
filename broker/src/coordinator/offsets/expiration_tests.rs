#![allow(clippy::unwrap_used)]
use bytes::{BufMut, Bytes};
use odradek_protocol::group_records::{GroupValue, MemberValue};
use tokio::time::Instant;
use uuid::Uuid;

use super::*;
use crate::coordinator::group::{Now, Settings};

const NOW_MS: i64 = 1_000_000;
const RETENTION_MS: i64 = 10_000;

fn settings() -> Arc<Settings> {
    Arc::new(Settings {
        session_timeout: Duration::from_secs(6)..=Duration::from_mins(30),
        members_max: 100,
        initial_rebalance_delay: Duration::ZERO,
    })
}

fn now() -> Now {
    Now {
        instant: Instant::now(),
        wall_ms: NOW_MS,
    }
}

/// A group of consumers with a member that is subscribed to these topics.
fn subscribed_to(topics: &[&str]) -> GroupValue {
    let mut subscription = Vec::new();
    subscription.put_i16(0);
    subscription.put_i32(topics.len() as i32);
    for topic in topics {
        subscription.put_i16(topic.len() as i16);
        subscription.put_slice(topic.as_bytes());
    }
    let member = MemberValue {
        member_id: "m".to_owned(),
        subscription: subscription.into(),
        ..MemberValue::default()
    };
    GroupValue {
        members: vec![member],
        ..empty_since(0)
    }
}

fn empty_since(current_state_timestamp_ms: i64) -> GroupValue {
    GroupValue {
        protocol_type: "consumer".to_owned(),
        generation: 3,
        protocol: Some("range".to_owned()),
        current_state_timestamp_ms,
        ..GroupValue::default()
    }
}

fn group(value: GroupValue) -> Group {
    Group::restore("g".into(), value, &settings(), now())
}

fn committed_at(commit_timestamp_ms: i64) -> CommittedOffset {
    CommittedOffset {
        offset: 5,
        leader_epoch: -1,
        metadata: "".into(),
        commit_timestamp_ms,
        expire_timestamp_ms: None,
        topic_id: Uuid::nil(),
    }
}

fn has_expired(group: &Group, committed: &CommittedOffset) -> bool {
    let expiry = Expiry::new(NOW_MS, Duration::from_millis(RETENTION_MS as u64));
    expiry.has_expired(group, "t", committed)
}

#[test]
fn positions_of_an_empty_group_age_from_when_it_lost_its_last_member() {
    let old = committed_at(0);
    let oldest = NOW_MS - RETENTION_MS;
    assert!(has_expired(&group(empty_since(oldest)), &old));
    assert!(!has_expired(&group(empty_since(oldest + 1)), &old));
    // Groups from before Kafka wrote that time down.
    assert!(has_expired(&group(empty_since(-1)), &committed_at(oldest)));
    assert!(!has_expired(
        &group(empty_since(-1)),
        &committed_at(oldest + 1)
    ));
}

#[test]
fn positions_of_a_consumer_that_assigns_itself_age_from_their_commit() {
    let simple = Group::new("g".into(), &settings(), now());
    let oldest = NOW_MS - RETENTION_MS;
    assert!(has_expired(&simple, &committed_at(oldest)));
    assert!(!has_expired(&simple, &committed_at(oldest + 1)));
    assert!(
        !has_expired(&simple, &committed_at(NOW_MS + 1)),
        "from a clock ahead"
    );
}

#[test]
fn while_a_group_has_members_only_what_nobody_is_subscribed_to_ages() {
    let old = committed_at(0);
    assert!(!has_expired(&group(subscribed_to(&["s", "t"])), &old));
    assert!(has_expired(&group(subscribed_to(&["s"])), &old));
    // Of other protocols, and of subscriptions that cannot be read, nobody knows.
    let connect = GroupValue {
        protocol_type: "connect".to_owned(),
        ..subscribed_to(&["s"])
    };
    assert!(!has_expired(&group(connect), &old));
    let mut unreadable = subscribed_to(&["s"]);
    unreadable.members[0].subscription = Bytes::from_static(b"?");
    assert!(!has_expired(&group(unreadable), &old));
}

#[test]
fn a_time_that_the_client_set_counts_instead() {
    let until = |expire_ms| CommittedOffset {
        expire_timestamp_ms: Some(expire_ms),
        ..committed_at(0)
    };
    let simple = Group::new("g".into(), &settings(), now());
    assert!(has_expired(&simple, &until(NOW_MS)));
    assert!(!has_expired(&simple, &until(NOW_MS + 1)));
    assert!(!has_expired(&group(subscribed_to(&["t"])), &until(NOW_MS)));
}
