//! What consumers of a classic group tell each other through the coordinator: whom they subscribe
//! to, and what they are assigned. To the coordinator both are opaque bytes.
//!
//! Both begin with a version. A reader takes what it knows of a newer one and leaves the rest, so
//! that members of several versions share a group.

use bytes::Bytes;

use crate::message::message;
use crate::primitives::{DecodeError, Decoder, EncodeError, Encoder, Format, Wire};

/// The newest version written here.
const VERSION_MAX: i16 = 3;

message! {
    /// What a member wants, as it says in JoinGroup.
    pub struct Subscription {
        /// The topics it subscribes to.
        pub topics: Vec<String>;
        /// What its assignor adds.
        pub user_data: Option<Bytes>;
        /// What it owns, and gives up only when it is told to (KIP-429).
        pub owned_partitions: Vec<TopicPartitions>, in 1..;
        /// The generation in which it got that; -1 before the first (KIP-792).
        pub generation_id: i32 = -1, in 2..;
        /// Where it is (KIP-881).
        pub rack_id: Option<String>, in 3..;
    }

    /// What a member gets, as SyncGroup says.
    pub struct Assignment {
        /// Its partitions.
        pub assigned_partitions: Vec<TopicPartitions>;
        /// What its assignor adds.
        pub user_data: Option<Bytes>;
    }

    /// What Java's `StickyAssignor` adds to a subscription: its members give everything up before
    /// they join, so that the subscription itself says nothing of it (KIP-54, KIP-341). It begins
    /// with no version.
    pub struct StickyUserData {
        /// What the member had.
        pub previous_assignment: Vec<TopicPartitions>;
        /// The generation in which it got that; the oldest members do not say.
        pub generation: i32 = -1, in 1..;
    }

    /// What Java's `CooperativeStickyAssignor` adds to a subscription. It begins with no version.
    pub struct CooperativeStickyUserData {
        /// The generation in which the member got what it owns; -1 before the first.
        pub generation: i32 = -1;
    }

    /// Partitions of one topic.
    pub struct TopicPartitions {
        /// The topic's name.
        pub topic: String;
        /// The partitions' numbers.
        pub partitions: Vec<i32>;
    }
}

impl Subscription {
    /// The bytes for JoinGroup.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        encode(self)
    }

    /// Reads what a member said, in whatever version.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode(bytes)
    }
}

impl Assignment {
    /// The bytes for SyncGroup.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        encode(self)
    }

    /// Reads what the leader assigned, in whatever version. No bytes at all are no partitions.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        decode(bytes)
    }
}

impl StickyUserData {
    /// The bytes for [`Subscription::user_data`].
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        encode_bare(self)
    }

    /// Reads what a member added, with or without a generation.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let with_generation = decode_bare(bytes, 1);
        with_generation.or_else(|_| decode_bare(bytes, 0))
    }
}

impl CooperativeStickyUserData {
    /// The bytes for [`Subscription::user_data`].
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        encode_bare(self)
    }

    /// Reads what a member added.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode_bare(bytes, 0)
    }
}

const fn format(version: i16) -> Format {
    Format {
        version,
        flexible: false,
    }
}

fn encode<T: Wire>(body: &T) -> Result<Bytes, EncodeError> {
    let mut encoder = Encoder::new();
    encoder.write_i16(VERSION_MAX);
    body.encode(&mut encoder, format(VERSION_MAX))?;
    Ok(encoder.into_parts().0.into())
}

/// The newest form, without a version before it.
fn encode_bare<T: Wire>(body: &T) -> Result<Bytes, EncodeError> {
    let mut encoder = Encoder::new();
    body.encode(&mut encoder, format(VERSION_MAX))?;
    Ok(encoder.into_parts().0.into())
}

fn decode_bare<T: Wire>(bytes: &Bytes, version: i16) -> Result<T, DecodeError> {
    T::decode(&mut Decoder::new(bytes), format(version))
}

fn decode<T: Wire>(bytes: &Bytes) -> Result<T, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let version = decoder.read_i16()?;
    if version < 0 {
        return Err(DecodeError::UnsupportedVersion { version });
    }
    T::decode(&mut decoder, format(version.min(VERSION_MAX)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn partitions(topic: &str, partitions: &[i32]) -> TopicPartitions {
        TopicPartitions {
            topic: topic.to_owned(),
            partitions: partitions.to_vec(),
        }
    }

    #[test]
    fn both_survive_the_round_trip() {
        let subscription = Subscription {
            topics: vec!["a".to_owned(), "b".to_owned()],
            owned_partitions: vec![partitions("a", &[0, 2])],
            generation_id: 7,
            rack_id: Some("r".to_owned()),
            ..Default::default()
        };
        let bytes = subscription.encode().unwrap();
        assert_eq!(Subscription::decode(&bytes), Ok(subscription));
        let assignment = Assignment {
            assigned_partitions: vec![partitions("a", &[1])],
            ..Default::default()
        };
        let bytes = assignment.encode().unwrap();
        assert_eq!(Assignment::decode(&bytes), Ok(assignment));
    }

    #[test]
    fn the_oldest_version_and_what_is_newer_than_all_are_read() {
        let oldest = Bytes::from_static(b"\0\0\0\0\0\x01\0\x01a\xff\xff\xff\xff");
        let subscription = Subscription::decode(&oldest).unwrap();
        assert_eq!(subscription.topics, ["a"]);
        assert_eq!(subscription.generation_id, -1);
        let mut newer = Subscription::default().encode().unwrap().to_vec();
        newer[1] = 9;
        newer.extend_from_slice(b"something new");
        assert_eq!(
            Subscription::decode(&newer.into()),
            Ok(Subscription::default())
        );
    }

    #[test]
    fn what_sticky_assignors_add_is_read_with_and_without_a_generation() {
        let added = StickyUserData {
            previous_assignment: vec![partitions("a", &[0, 2])],
            generation: 7,
        };
        let bytes = added.encode().unwrap();
        assert_eq!(StickyUserData::decode(&bytes), Ok(added.clone()));
        let without = bytes.slice(..bytes.len() - 4);
        let expected = StickyUserData {
            generation: -1,
            ..added
        };
        assert_eq!(StickyUserData::decode(&without), Ok(expected));
        assert!(StickyUserData::decode(&bytes.slice(..7)).is_err());
        let generation = CooperativeStickyUserData { generation: 7 };
        let bytes = generation.encode().unwrap();
        assert_eq!(&bytes[..], [0, 0, 0, 7]);
        assert_eq!(CooperativeStickyUserData::decode(&bytes), Ok(generation));
    }

    #[test]
    fn nonsense_is_an_error_and_nothing_is_nothing() {
        assert!(Subscription::decode(&Bytes::from_static(b"\0\0\x7f\xff\xff\xff")).is_err());
        assert!(Subscription::decode(&Bytes::from_static(b"\xff\xff")).is_err());
        assert_eq!(Assignment::decode(&Bytes::new()), Ok(Assignment::default()));
    }
}
