//! Every API in every version against `kafka-protocol`, a codec generated from Kafka's own schemas.
//!
//! For random values: what we write, the oracle reads and writes back byte for byte; what the
//! oracle writes, we read as the value we began with; and both print the same, so that fields have
//! Kafka's names, order and defaults and not only its widths.
//!
//! Where the oracle cannot judge:
//!
//! | What | Why | Instead |
//! |---|---|---|
//! | null records in a Fetch response | we write empty, on purpose | unit tests of `Records` |
//! | fields of versions we do not speak | the oracle prints their defaults | [`BEYOND_OURS`] |
//! | presets of fields a version lacks | Kafka has some empty, we have null | [`PRESET_EMPTY`] |
//! | error codes | plain numbers in the oracle | compared by number |
//! | tagged fields whose size lies | the oracle accepts them | unit tests of `Decoder` |
//! | nulls where the version has none | the oracle panics or errs as it likes | `hostile_frames` |
#![allow(clippy::unwrap_used)]

#[macro_use]
mod apis;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable};
use odradek_protocol::messages as ours;
use odradek_protocol::primitives::{Sample, SampleSource};
use odradek_protocol::{ApiKey, Decoder, Encoder, ErrorCode, Format, Message};
use std::fmt::{Debug, Write};

/// Random values for each message and version.
const SAMPLES: u64 = 300;

/// How the oracle prints fields of versions above ours. Each is at its default.
const BEYOND_OURS: &[(ApiKey, &str)] = &[
    (ApiKey::Fetch, ", high_watermark: 9223372036854775807"),
    (
        ApiKey::InitProducerId,
        ", enable_2_pc: false, keep_prepared_txn: false",
    ),
    (
        ApiKey::InitProducerId,
        ", ongoing_txn_producer_id: -1, ongoing_txn_producer_epoch: -1",
    ),
    (
        ApiKey::OffsetCommit,
        ", topic_id: 00000000-0000-0000-0000-000000000000",
    ),
    (
        ApiKey::OffsetFetch,
        ", topic_id: 00000000-0000-0000-0000-000000000000",
    ),
];

/// Nullable fields that Kafka presets with an empty value where the version lacks them, and we with
/// null, which says what is the case. As the oracle prints them, and as we do.
const PRESET_EMPTY: &[(ApiKey, &str, &str)] = &[
    (
        ApiKey::CreateTopics,
        "configs: Some([]) }",
        "configs: None }",
    ),
    (
        ApiKey::DescribeConfigs,
        "documentation: Some(\"\")",
        "documentation: None",
    ),
    (
        ApiKey::DescribeQuorum,
        "error_message: Some(\"\")",
        "error_message: None",
    ),
    (
        ApiKey::FindCoordinator,
        "error_message: Some(\"\")",
        "error_message: None",
    ),
    (
        ApiKey::OffsetFetch,
        "topics: Some([]), groups",
        "topics: None, groups",
    ),
];

/// Structures that the oracle has twice, and we once.
const ONE_FOR_TWO: &[(&str, &str)] = &[
    ("OffsetFetchRequestTopics", "OffsetFetchRequestTopic"),
    ("OffsetFetchResponseTopics", "OffsetFetchResponseTopic"),
    (
        "OffsetFetchResponsePartitions",
        "OffsetFetchResponsePartition",
    ),
];

/// Structures of requests and responses that the oracle names alike, and we by what they are.
const TWO_FOR_ONE: &[(ApiKey, &str, &str)] = &[
    (ApiKey::DescribeQuorum, "TopicRequest", "TopicData"),
    (ApiKey::DescribeQuorum, "TopicResponse", "TopicData"),
    (ApiKey::DescribeQuorum, "PartitionRequest", "PartitionData"),
    (ApiKey::DescribeQuorum, "PartitionResponse", "PartitionData"),
];

/// One test for each API, and the list of APIs that have one.
macro_rules! differential {
    ($( $module:ident $key:ident: $request:ident, $response:ident; )*) => {
        const CHECKED: &[ApiKey] = &[$(ApiKey::$key),*];
        $(
            #[test]
            fn $module() {
                check::<ours::$module::$request, theirs::$request>(ApiKey::$key);
                check::<ours::$module::$response, theirs::$response>(ApiKey::$key);
            }
        )*
    };
}

for_each_api! { differential }

#[test]
fn every_api_of_the_table_is_checked() {
    assert_eq!(CHECKED, ApiKey::ALL);
}

fn check<Ours, Theirs>(key: ApiKey)
where
    Ours: Message + Sample + Debug + PartialEq,
    Theirs: Encodable + Decodable + Debug,
{
    assert_eq!(Ours::KEY, key, "the message belongs to another API");
    assert_eq!(
        Ours::VERSIONS,
        key.supported(),
        "the table and the message differ"
    );
    for version in Ours::VERSIONS.iter() {
        assert_eq!(
            Ours::flexible(version),
            key.is_flexible(version),
            "version {version}"
        );
        for seed in 0..SAMPLES {
            let mut source = SampleSource::new(seed);
            let format = Format {
                version,
                flexible: Ours::flexible(version),
            };
            check_value::<Ours, Theirs>(&Ours::sample(&mut source, format), version);
        }
    }
}

fn check_value<Ours, Theirs>(value: &Ours, version: i16)
where
    Ours: Message + Debug + PartialEq,
    Theirs: Encodable + Decodable + Debug,
{
    let mut encoder = Encoder::new();
    Message::encode(value, &mut encoder, version).unwrap();
    let ours = Bytes::from(encoder.into_parts().0);

    let mut unread = ours.clone();
    let their_value = Theirs::decode(&mut unread, version)
        .unwrap_or_else(|error| panic!("{error} in version {version} of {value:?}"));
    assert!(
        unread.is_empty(),
        "the oracle leaves bytes of version {version} of {value:?}"
    );
    assert_eq!(
        our_text(Ours::KEY, &format!("{value:?}")),
        their_text(Ours::KEY, &format!("{their_value:?}")),
        "version {version}"
    );

    let mut theirs = BytesMut::new();
    their_value.encode(&mut theirs, version).unwrap();
    let theirs = theirs.freeze();
    assert_eq!(theirs, ours, "version {version} of {value:?}");

    let mut decoder = Decoder::new(&theirs);
    let back = <Ours as Message>::decode(&mut decoder, version).unwrap();
    decoder.expect_end().unwrap();
    assert_eq!(&back, value, "version {version}");
}

/// Our value as the oracle prints it: error codes as numbers, record sets as optional bytes.
fn our_text(key: ApiKey, text: &str) -> String {
    let mut numbered = String::new();
    let mut parts = text.split("error_code: ");
    numbered.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find([',', ' ', '}']).unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        let code = ErrorCode::ALL
            .iter()
            .find(|code| format!("{code:?}") == name)
            .unwrap();
        write!(numbered, "error_code: {}{rest}", code.number()).unwrap();
    }
    let mut text = numbered.replace("records: Empty", "records: Some(b\"\")");
    for (_, ours, one) in TWO_FOR_ONE.iter().filter(|(of, _, _)| *of == key) {
        text = text.replace(&format!("{ours} {{"), &format!("{one} {{"));
    }
    preset_to_null(key, text.replace("Inline(", "Some("))
}

/// The oracle's value as we print it: without what we do not have.
fn their_text(key: ApiKey, text: &str) -> String {
    let mut text = text
        .replace(", unknown_tagged_fields: {}", "")
        .replace(" unknown_tagged_fields: {} ", "");
    for (_, field) in BEYOND_OURS.iter().filter(|(of, _)| *of == key) {
        text = text.replace(field, "");
    }
    for (name, one) in ONE_FOR_TWO {
        text = text.replace(&format!("{name} {{"), &format!("{one} {{"));
    }
    preset_to_null(key, text)
}

/// Done on both sides, for an empty value may also have been drawn.
fn preset_to_null(key: ApiKey, mut text: String) -> String {
    for (_, empty, null) in PRESET_EMPTY.iter().filter(|(of, _, _)| *of == key) {
        text = text.replace(empty, null);
    }
    text
}
