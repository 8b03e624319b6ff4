//! Metadata records: the smallest committed facts, with numbers that never change.
//!
//! One entry of the metadata log carries one batch of records, which take effect together or not
//! at all.
//! ```text
//!  batch:   format (1 byte) = 1, then records to the end
//!  record:  length (varint) of what follows
//!           type (varint), version (varint), fields in Kafka's flexible form, tagged fields
//! ```
//! Numbers of types and tags are persisted: they are never given a new meaning. A reader refuses a
//! type or version it does not know, because skipping a fact would let two brokers disagree. It
//! skips unknown tagged fields, which is where harmless additions go.

use bytes::Bytes;
use odradek_protocol::{DecodeError, Decoder, Encoder, Format, Wire, message};
use thiserror::Error;
use uuid::Uuid;

const BATCH_FORMAT: u8 = 1;

message! {
    /// The id of the cluster; the first record there is, written once.
    pub struct ClusterIdRecord {
        /// 22 characters of URL-safe base64.
        pub cluster_id: String;
    }

    /// A feature was finalized at a level (KIP-584).
    pub struct FeatureLevelRecord {
        /// The feature, such as `metadata.version`.
        pub name: String;
        /// The level; 0 removes the feature.
        pub level: i16;
    }

    /// A broker started, or changed how it is reached.
    pub struct RegisterBrokerRecord {
        /// `node.id`.
        pub broker_id: i32;
        /// Drawn anew at each start of the process.
        pub incarnation_id: Uuid;
        /// One for each listener.
        pub endpoints: Vec<BrokerEndpoint>;
        /// Ids of its log directories (KIP-858).
        pub directories: Vec<Uuid>;
        /// `broker.rack`.
        pub rack: Option<String>;
        /// Whether it is registered without serving yet.
        pub fenced: bool;
        /// The broker epoch, in snapshots; -1 stands for the index of the entry with this record.
        pub broker_epoch: i64 = -1;
    }

    /// Where one listener of a broker is reached.
    pub struct BrokerEndpoint {
        /// Listener name, such as `PLAINTEXT`.
        pub listener: String;
        /// Name or address as advertised.
        pub host: String;
        /// TCP port.
        pub port: u16;
        /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
        pub security_protocol: i16;
    }

    /// A topic came to be. Its partitions follow in the same batch.
    pub struct TopicRecord {
        /// Its name.
        pub name: String;
        /// Its id.
        pub topic_id: Uuid;
    }

    /// The whole state of one partition, new or changed.
    pub struct PartitionRecord {
        /// The topic it belongs to.
        pub topic_id: Uuid;
        /// Its number.
        pub partition: i32;
        /// Assigned brokers, preferred leader first.
        pub replicas: Vec<i32>;
        /// Log directory of each replica; all zeros where the broker chooses.
        pub directories: Vec<Uuid>;
        /// The replicas in sync.
        pub isr: Vec<i32>;
        /// The leader, or -1.
        pub leader: i32;
        /// Counts changes of leader.
        pub leader_epoch: i32;
        /// Counts changes of this state.
        pub partition_epoch: i32;
    }

    /// A topic is gone, with its partitions and configs.
    pub struct RemoveTopicRecord {
        /// Its id.
        pub topic_id: Uuid;
    }

    /// A config was set or removed.
    pub struct ConfigRecord {
        /// Kafka's number: 2 topic, 4 broker.
        pub resource_type: i8;
        /// Topic name or broker id.
        pub resource_name: String;
        /// The key.
        pub key: String;
        /// The value; null removes the key.
        pub value: Option<String>;
    }

    /// Producer ids below `next` were given to brokers.
    pub struct ProducerIdsRecord {
        /// The first one not given yet.
        pub next: i64;
    }
}

/// Why a batch of records cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The batch has another format.
    #[error("metadata batch format {0} is unknown, this program knows {BATCH_FORMAT}")]
    UnknownFormat(u8),
    /// No record type has that number.
    #[error("metadata record type {0} is unknown: written by a later version")]
    UnknownType(u32),
    /// The type has another version.
    #[error("version {version} of {name} is unknown: written by a later version")]
    UnknownVersion {
        /// The type.
        name: &'static str,
        /// Its version.
        version: u32,
    },
    /// The bytes are not what the type says.
    #[error("read a metadata record")]
    Malformed(#[from] DecodeError),
    /// No resource has that number.
    #[error("config resource type {0} is unknown")]
    UnknownResource(i8),
}

/// The format of every record body so far.
const FORMAT: Format = Format {
    version: 0,
    flexible: true,
};

macro_rules! record_types {
    ($( $number:literal $name:ident($body:ident) version $version:literal; )*) => {
        /// One committed fact.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Record {
            $( #[doc = concat!("See [`", stringify!($body), "`].")] $name($body), )*
        }

        $( impl From<$body> for Record {
            fn from(body: $body) -> Self {
                Self::$name(body)
            }
        } )*

        impl Record {
            fn encode(&self, encoder: &mut Encoder) {
                let (number, version, encoded) = match self {
                    $( Self::$name(body) => {
                        let mut encoder = Encoder::new();
                        body.encode(&mut encoder, FORMAT).expect("decisions bound every field");
                        ($number, $version, encoder)
                    } )*
                };
                let mut head = Encoder::new();
                head.write_unsigned_varint(number);
                head.write_unsigned_varint(version);
                let length = head.total_len() + encoded.total_len();
                encoder.write_unsigned_varint(length.try_into().expect("a record is small"));
                encoder.write_slice(head.buffer());
                encoder.write_slice(encoded.buffer());
            }

            fn decode(bytes: &Bytes) -> Result<Self, RecordError> {
                let mut decoder = Decoder::new(bytes);
                let number = decoder.read_unsigned_varint()?;
                let version = decoder.read_unsigned_varint()?;
                let record = match (number, version) {
                    $( ($number, $version) => Self::$name(Wire::decode(&mut decoder, FORMAT)?), )*
                    $( ($number, _) => {
                        let name = stringify!($name);
                        return Err(RecordError::UnknownVersion { name, version });
                    } )*
                    _ => return Err(RecordError::UnknownType(number)),
                };
                decoder.expect_end()?;
                Ok(record)
            }
        }

        #[cfg(test)]
        pub(crate) mod sample {
            use odradek_protocol::primitives::{Sample as _, SampleSource};

            use super::*;

            /// One record of each type with random fields.
            pub(crate) fn each(source: &mut SampleSource) -> Vec<Record> {
                vec![ $( $body::sample(source, FORMAT).into(), )* ]
            }
        }
    };
}

record_types! {
    1 ClusterId(ClusterIdRecord) version 0;
    2 FeatureLevel(FeatureLevelRecord) version 0;
    3 RegisterBroker(RegisterBrokerRecord) version 0;
    4 Topic(TopicRecord) version 0;
    5 Partition(PartitionRecord) version 0;
    6 RemoveTopic(RemoveTopicRecord) version 0;
    7 Config(ConfigRecord) version 0;
    8 ProducerIds(ProducerIdsRecord) version 0;
}

/// The bytes of a batch.
pub fn encode_batch<'a>(records: impl IntoIterator<Item = &'a Record>) -> Bytes {
    let mut encoder = Encoder::new();
    encoder.write_slice(&[BATCH_FORMAT]);
    for record in records {
        record.encode(&mut encoder);
    }
    encoder.into_parts().0.into()
}

/// Reads what [`encode_batch`] wrote.
pub fn decode_batch(bytes: &Bytes) -> Result<Vec<Record>, RecordError> {
    let mut decoder = Decoder::new(bytes);
    let [format] = decoder.read_array()?;
    if format != BATCH_FORMAT {
        return Err(RecordError::UnknownFormat(format));
    }
    let mut records = Vec::new();
    while decoder.remaining() > 0 {
        let length = decoder.read_unsigned_varint()? as usize;
        records.push(Record::decode(&decoder.read_bytes(length)?)?);
    }
    Ok(records)
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
