//! The records of `__consumer_offsets` as JSON, in the form of Kafka's tool: each field that the
//! version of the record has, under Kafka's name.
//!
//! Groups of the classic protocol only. Records of others (KIP-848, KIP-932) are named by their
//! number and passed over.

use bytes::{Buf, Bytes};
use odradek_protocol::{
    consumer_protocol::{self, TopicPartitions},
    group_records::{GroupValue, MemberValue, OffsetValue, StateKey},
    primitives::DecodeError,
    uuid_text,
};
use serde::Serialize;

use super::decoder::NotDecoded;

/// The protocol type whose subscriptions and assignments can be read.
const CONSUMER: &str = "consumer";

#[derive(Debug, Serialize)]
struct Key<'a> {
    #[serde(rename = "type")]
    kind: String,
    data: KeyData<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum KeyData<'a> {
    Offset {
        group: &'a str,
        topic: &'a str,
        partition: i32,
    },
    Group {
        group: &'a str,
    },
}

#[derive(Debug, Serialize)]
struct Payload<T> {
    version: String,
    data: T,
}

// A field that is an option is left out where the version of the record lacks it.

/// Null where a text is absent.
#[derive(Debug, Serialize)]
struct Nullable(Option<String>);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OffsetData {
    offset: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    leader_epoch: Option<i32>,
    metadata: String,
    commit_timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupData {
    protocol_type: String,
    generation: i32,
    protocol: Nullable,
    leader: Nullable,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_state_timestamp: Option<i64>,
    members: Vec<MemberData>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberData {
    member_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_instance_id: Option<Nullable>,
    client_id: String,
    client_host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rebalance_timeout: Option<i32>,
    session_timeout: i32,
    subscription: Embedded<Subscription>,
    assignment: Embedded<Assignment>,
}

/// What members tell each other: read, or as base64 if it is not consumers' language.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Embedded<T> {
    Read(T),
    Bytes(String),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    topics: Vec<String>,
    user_data: Nullable,
    #[serde(skip_serializing_if = "Option::is_none")]
    owned_partitions: Option<Vec<Partitions>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rack_id: Option<Nullable>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Assignment {
    assigned_partitions: Vec<Partitions>,
    user_data: Nullable,
}

#[derive(Debug, Serialize)]
struct Partitions {
    topic: String,
    partitions: Vec<i32>,
}

/// What to print of a record: its key, and its value or that there is none.
pub(super) fn contents(
    offset: i64,
    key: &Bytes,
    value: Option<&Bytes>,
) -> Result<String, NotDecoded> {
    let decoded = StateKey::decode(key).map_err(NotDecoded::Key)?;
    let data = match &decoded {
        StateKey::Offset {
            group,
            topic,
            partition,
        } => KeyData::Offset {
            group,
            topic,
            partition: *partition,
        },
        StateKey::Group { group } => KeyData::Group { group },
        StateKey::Unknown { version } => {
            return Ok(format!(
                "key: Unknown record type {version} at offset {offset}, skipping."
            ));
        }
    };
    let kind = version(key).to_string();
    let payload = match value {
        None => "<DELETE>".to_owned(),
        Some(value) => payload(&decoded, value)
            .unwrap_or_else(|error| format!("Damaged value at offset {offset}: {error}")),
    };
    Ok(format!(
        "key: {} payload: {payload}",
        json(&Key { kind, data })
    ))
}

fn payload(key: &StateKey, value: &Bytes) -> Result<String, DecodeError> {
    let number = version(value);
    let version = number.to_string();
    if matches!(key, StateKey::Offset { .. }) {
        let data = offset_data(number, OffsetValue::decode(value)?);
        return Ok(json(&Payload { version, data }));
    }
    let data = group_data(number, GroupValue::decode(value)?);
    Ok(json(&Payload { version, data }))
}

fn offset_data(version: i16, value: OffsetValue) -> OffsetData {
    let has_topic_id = 4 <= version && !value.topic_id.is_nil();
    OffsetData {
        offset: value.offset,
        leader_epoch: (3 <= version).then_some(value.leader_epoch),
        metadata: value.metadata,
        commit_timestamp: value.commit_timestamp_ms,
        expire_timestamp: (version == 1).then_some(value.expire_timestamp_ms),
        topic_id: has_topic_id.then(|| uuid_text::encode(value.topic_id)),
    }
}

fn group_data(version: i16, value: GroupValue) -> GroupData {
    let is_consumer = value.protocol_type == CONSUMER;
    let members = value.members.into_iter();
    GroupData {
        protocol_type: value.protocol_type,
        generation: value.generation,
        protocol: Nullable(value.protocol),
        leader: Nullable(value.leader),
        current_state_timestamp: (2 <= version).then_some(value.current_state_timestamp_ms),
        members: members
            .map(|member| member_data(version, member, is_consumer))
            .collect(),
    }
}

fn member_data(version: i16, member: MemberValue, is_consumer: bool) -> MemberData {
    MemberData {
        member_id: member.member_id,
        group_instance_id: (3 <= version).then_some(Nullable(member.group_instance_id)),
        client_id: member.client_id,
        client_host: member.client_host,
        rebalance_timeout: (1 <= version).then_some(member.rebalance_timeout_ms),
        session_timeout: member.session_timeout_ms,
        subscription: embedded(&member.subscription, is_consumer, subscription),
        assignment: embedded(&member.assignment, is_consumer, assignment),
    }
}

fn embedded<T>(
    bytes: &Bytes,
    is_consumer: bool,
    read: impl Fn(&Bytes) -> Result<T, DecodeError>,
) -> Embedded<T> {
    match read(bytes) {
        Ok(read) if is_consumer => Embedded::Read(read),
        _ => Embedded::Bytes(base64(bytes)),
    }
}

fn subscription(bytes: &Bytes) -> Result<Subscription, DecodeError> {
    let version = version(bytes);
    let read = consumer_protocol::Subscription::decode(bytes)?;
    let owned = || read.owned_partitions.into_iter().map(partitions).collect();
    Ok(Subscription {
        topics: read.topics,
        user_data: Nullable(read.user_data.as_deref().map(base64)),
        owned_partitions: (1 <= version).then(owned),
        generation_id: (2 <= version).then_some(read.generation_id),
        rack_id: (3 <= version).then_some(Nullable(read.rack_id)),
    })
}

fn assignment(bytes: &Bytes) -> Result<Assignment, DecodeError> {
    let read = consumer_protocol::Assignment::decode(bytes)?;
    let assigned = read.assigned_partitions.into_iter().map(partitions);
    Ok(Assignment {
        assigned_partitions: assigned.collect(),
        user_data: Nullable(read.user_data.as_deref().map(base64)),
    })
}

fn partitions(topic: TopicPartitions) -> Partitions {
    let TopicPartitions { topic, partitions } = topic;
    Partitions { topic, partitions }
}

/// Every key and value begins with its version.
fn version(bytes: &Bytes) -> i16 {
    bytes.clone().try_get_i16().unwrap_or(-1)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers are always JSON")
}

/// Bytes as JSON has them: base64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) & 63;
            let digit = ALPHABET.get(digit as usize).copied().unwrap_or(b'=');
            text.push(if place <= chunk.len() {
                digit.into()
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn printed(key: &StateKey, value: Option<&Bytes>) -> String {
        contents(5, &key.encode().unwrap(), value).unwrap()
    }

    #[test]
    fn a_position_is_printed_with_the_fields_of_its_version() {
        let key = StateKey::offset("g", "t", 3);
        let value = OffsetValue {
            offset: 7,
            metadata: "m".to_owned(),
            commit_timestamp_ms: 9,
            ..Default::default()
        };
        let text = printed(&key, Some(&value.encode().unwrap()));
        let expected = concat!(
            r#"key: {"type":"1","data":{"group":"g","topic":"t","partition":3}} "#,
            r#"payload: {"version":"4","data":{"offset":7,"leaderEpoch":-1,"metadata":"m","#,
            r#""commitTimestamp":9}}"#
        );
        assert_eq!(text, expected);
        assert!(printed(&key, None).ends_with("payload: <DELETE>"));
    }

    #[test]
    fn what_a_member_subscribed_to_is_read_and_what_is_not_a_consumers_is_base64() {
        let subscription = consumer_protocol::Subscription {
            topics: vec!["t".to_owned()],
            ..Default::default()
        };
        let member = MemberValue {
            subscription: subscription.encode().unwrap(),
            assignment: Bytes::from_static(b"\x01\x02\x03\x04"),
            ..Default::default()
        };
        let mut group = GroupValue {
            protocol_type: CONSUMER.to_owned(),
            members: vec![member],
            ..Default::default()
        };
        let key = StateKey::group("g");
        let text = printed(&key, Some(&group.encode().unwrap()));
        let expected = concat!(
            r#""subscription":{"topics":["t"],"userData":null,"ownedPartitions":[],"#,
            r#""generationId":-1,"rackId":null},"assignment":"AQIDBA==""#
        );
        assert!(text.contains(expected), "{text}");
        group.protocol_type = "connect".to_owned();
        let text = printed(&key, Some(&group.encode().unwrap()));
        assert!(text.contains(r#""subscription":"AA"#), "{text}");
    }

    #[test]
    fn other_kinds_and_damaged_values_are_told() {
        let key = Bytes::from_static(&[0, 8, 1, 2]);
        let expected = "key: Unknown record type 8 at offset 5, skipping.";
        assert_eq!(contents(5, &key, None).unwrap(), expected);
        let damaged = Bytes::from_static(&[0, 3, 0, 9]);
        let text = printed(&StateKey::group("g"), Some(&damaged));
        assert!(
            text.contains("payload: Damaged value at offset 5"),
            "{text}"
        );
        assert!(contents(5, &Bytes::from_static(&[0]), None).is_err());
    }

    #[test]
    fn base64_has_its_padding() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }
}
