//! The records of `__consumer_offsets`, byte for byte as Apache Kafka writes them.
//!
//! ```text
//! key:    version (i16) says what kind of key it is, then its fields in classic form
//!         0, 1: group (string), topic (string), partition (i32)     a committed offset
//!         2:    group (string)                                      a group's metadata
//!         other kinds belong to protocols that are not served here (KIP-848, KIP-932)
//! value:  version (i16), then the fields of that version; from version 4 in flexible form
//! ```
//! A record without a value is a tombstone: its key has no meaning any more.
//!
//! Every version that Kafka ever wrote is read; what is written is what Kafka 4.3 writes, so a
//! broker of either kind and every tool can read what the other left behind.
//!
//! Deliberately absent: when a record is written, and what follows from it.

use bytes::Bytes;
use uuid::Uuid;

use crate::message::message;
use crate::primitives::{DecodeError, Decoder, EncodeError, Encoder, Format, Wire};

/// The version of an offset's value, as Kafka writes it.
const OFFSET_VALUE_VERSION: i16 = 4;
/// The version of a group's value, as Kafka writes it (KIP-345 brought the instance id).
const GROUP_VALUE_VERSION: i16 = 3;
/// The newest version of either value that can be read.
const VALUE_VERSION_MAX: i16 = 4;
/// Values are in flexible form from this version on (KIP-482).
const FLEXIBLE_FROM: i16 = 4;

const OFFSET_KEY_VERSION: i16 = 1;
const GROUP_KEY_VERSION: i16 = 2;

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StateKey {
    /// The position of a group in one partition.
    Offset {
        /// `group.id`.
        group: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// The generation of a group and its members.
    Group {
        /// `group.id`.
        group: String,
    },
    /// A kind of key that is not known here. Such records are kept and ignored.
    Unknown {
        /// The number of the kind.
        version: i16,
    },
}

message! {
    /// A committed position.
    pub struct OffsetValue {
        /// The offset of the next record to read.
        pub offset: i64;
        /// The leader epoch of the last record read, or -1 (KIP-320).
        pub leader_epoch: i32 = -1, in 3..;
        /// What the client keeps with the position.
        pub metadata: String;
        /// When it was committed, in ms since the Unix epoch.
        pub commit_timestamp_ms: i64;
        /// When it expires whatever its group does, in ms since the Unix epoch, or -1. Only clients
        /// from before KIP-211 ask for it.
        pub expire_timestamp_ms: i64 = -1, in 1..=1;
        /// The id of the topic that it was committed for, or zero where that is not known.
        pub topic_id: Uuid, tag 0 in 4..;
    }

    /// A generation of a group.
    pub struct GroupValue {
        /// `consumer`, `connect` or whatever the members have in common; empty in a group that has
        /// only offsets.
        pub protocol_type: String;
        /// The generation.
        pub generation: i32;
        /// The protocol that the members agreed on, or null without members.
        pub protocol: Option<String>, null in 0..;
        /// The leader's member id, or null without members.
        pub leader: Option<String>, null in 0..;
        /// Since when the group is in its state, in ms since the Unix epoch, or -1.
        pub current_state_timestamp_ms: i64 = -1, in 2..;
        /// The members; none in an empty group.
        pub members: Vec<MemberValue>;
    }

    /// A member of a generation.
    pub struct MemberValue {
        /// The member id.
        pub member_id: String;
        /// The static member's lasting name, or null (KIP-345).
        pub group_instance_id: Option<String>, in 3.., null in 3..;
        /// What the client calls itself.
        pub client_id: String;
        /// Where it came from, with a slash in front.
        pub client_host: String;
        /// How long a rebalance waits for it, in ms.
        pub rebalance_timeout_ms: i32, in 1..;
        /// After which silence it is gone, in ms.
        pub session_timeout_ms: i32;
        /// What it subscribed to: its metadata for the chosen protocol.
        pub subscription: Bytes;
        /// What the leader gave it.
        pub assignment: Bytes;
    }
}

impl StateKey {
    /// The key of a committed offset.
    pub fn offset(group: &str, topic: &str, partition: i32) -> Self {
        Self::Offset {
            group: group.to_owned(),
            topic: topic.to_owned(),
            partition,
        }
    }

    /// The key of a group's metadata.
    pub fn group(group: &str) -> Self {
        Self::Group {
            group: group.to_owned(),
        }
    }

    /// The key as bytes.
    ///
    /// # Errors
    /// If a name is longer than Kafka's strings can be.
    ///
    /// # Panics
    /// Never for keys made here: nobody writes a kind that is not known.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let mut encoder = Encoder::new();
        match self {
            Self::Offset {
                group,
                topic,
                partition,
            } => {
                encoder.write_i16(OFFSET_KEY_VERSION);
                let format = classic(OFFSET_KEY_VERSION);
                encoder.write_nullable_string(Some(group), format)?;
                encoder.write_nullable_string(Some(topic), format)?;
                encoder.write_i32(*partition);
            }
            Self::Group { group } => {
                encoder.write_i16(GROUP_KEY_VERSION);
                encoder.write_nullable_string(Some(group), classic(GROUP_KEY_VERSION))?;
            }
            Self::Unknown { version } => encoder.write_i16(*version),
        }
        Ok(finish(encoder))
    }

    /// Reads a key.
    ///
    /// # Errors
    /// If the bytes end early, or a name is null.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let version = decoder.read_i16()?;
        let format = classic(version);
        Ok(match version {
            0..=OFFSET_KEY_VERSION => Self::Offset {
                group: Wire::decode(&mut decoder, format)?,
                topic: Wire::decode(&mut decoder, format)?,
                partition: decoder.read_i32()?,
            },
            GROUP_KEY_VERSION => Self::Group {
                group: Wire::decode(&mut decoder, format)?,
            },
            _ => Self::Unknown { version },
        })
    }
}

impl OffsetValue {
    /// The value as bytes. A position with an expiry of its own needs the one version that has a
    /// place for it, and loses its leader epoch, as in Kafka.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        let version = if self.expire_timestamp_ms < 0 {
            OFFSET_VALUE_VERSION
        } else {
            1
        };
        encode_value(self, version)
    }

    /// Reads a value of any version.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode_value(bytes)
    }
}

impl GroupValue {
    /// The value as bytes.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        encode_value(self, GROUP_VALUE_VERSION)
    }

    /// Reads a value of any version.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        decode_value(bytes)
    }
}

fn encode_value(value: &impl Wire, version: i16) -> Result<Bytes, EncodeError> {
    let mut encoder = Encoder::new();
    encoder.write_i16(version);
    value.encode(&mut encoder, value_format(version))?;
    Ok(finish(encoder))
}

fn decode_value<V: Wire>(bytes: &Bytes) -> Result<V, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let version = decoder.read_i16()?;
    if !(0..=VALUE_VERSION_MAX).contains(&version) {
        return Err(DecodeError::UnsupportedVersion { version });
    }
    V::decode(&mut decoder, value_format(version))
}

fn value_format(version: i16) -> Format {
    Format {
        version,
        flexible: FLEXIBLE_FROM <= version,
    }
}

const fn classic(version: i16) -> Format {
    Format {
        version,
        flexible: false,
    }
}

fn finish(encoder: Encoder) -> Bytes {
    let (bytes, gaps) = encoder.into_parts();
    debug_assert!(gaps.is_empty(), "no field of these records is a gap");
    bytes.into()
}

#[cfg(test)]
#[path = "group_records_tests.rs"]
mod tests;
