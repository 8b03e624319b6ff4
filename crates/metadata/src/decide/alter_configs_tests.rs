#![allow(clippy::unwrap_used)]

use super::*;
use crate::{decide::sample_schema::SampleSchema, records::TopicRecord};
use uuid::Uuid;

fn broker(name: &str) -> ConfigResource {
    ConfigResource {
        kind: ResourceKind::Broker,
        name: name.into(),
    }
}

/// The topics `a` and `b`; `a` keeps its records for 5 ms and is compacted.
fn image() -> MetadataImage {
    let mut image = MetadataImage::default();
    for (name, id) in [("a", 1), ("b", 2)] {
        let topic = TopicRecord {
            name: name.into(),
            topic_id: Uuid::from_u128(id),
        };
        image.apply(topic.into(), 1).unwrap();
    }
    let resource = ConfigResource::topic("a");
    for (key, value) in [("retention.ms", "5"), ("cleanup.policy", "compact")] {
        let record = config_record(&resource, key, Some(value));
        image.apply(record.into(), 2).unwrap();
    }
    image
}

fn each(resource: ConfigResource, operations: &[(&str, Operation)]) -> Alteration {
    let operations = operations.iter().cloned();
    let changes = operations.map(|(key, operation)| (key.to_owned(), operation));
    Alteration {
        resource,
        changes: Changes::Each(changes.collect()),
    }
}

fn replace(name: &str, configs: &[(&str, &str)]) -> Alteration {
    let configs = configs.iter();
    let configs = configs.map(|&(key, value)| (key.to_owned(), Some(value.to_owned())));
    Alteration {
        resource: ConfigResource::topic(name),
        changes: Changes::Replace(configs.collect()),
    }
}

fn set(value: &str) -> Operation {
    Operation::Set(Some(value.to_owned()))
}

fn append(value: &str) -> Operation {
    Operation::Append(Some(value.to_owned()))
}

fn subtract(value: &str) -> Operation {
    Operation::Subtract(Some(value.to_owned()))
}

/// What the resource is configured to afterwards.
fn after(alteration: Alteration) -> Result<Vec<(String, String)>, Refusal> {
    let mut image = image();
    let resource = alteration.resource.clone();
    let outcome = alter_configs(&image, &[alteration], &SampleSchema).remove(0);
    for record in outcome? {
        image.apply(record, 3).unwrap();
    }
    let configs = image.configs.of(&resource);
    let text = configs.iter();
    Ok(text
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect())
}

#[track_caller]
fn check(alteration: Alteration, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(after(alteration), Ok(expected));
}

#[track_caller]
fn check_refused(alteration: Alteration, code: ErrorCode, part: &str) {
    let refusal = after(alteration).unwrap_err();
    assert_eq!(refusal.code, code, "{refusal}");
    assert!(refusal.message.contains(part), "{refusal}");
}

fn a(operations: &[(&str, Operation)]) -> Alteration {
    each(ConfigResource::topic("a"), operations)
}

#[test]
fn operations_change_their_keys_and_no_others() {
    let compact = ("cleanup.policy", "compact");
    check(
        a(&[("retention.ms", set("7"))]),
        &[compact, ("retention.ms", "7")],
    );
    check(a(&[("retention.ms", Operation::Delete)]), &[compact]);
    check(
        a(&[("retention.ms", set(" 7 "))]),
        &[compact, ("retention.ms", "7")],
    );
    // What is not set can be deleted, also what does not exist.
    let nothing = a(&[
        ("retention.bytes", Operation::Delete),
        ("nope", Operation::Delete),
    ]);
    check(nothing, &[compact, ("retention.ms", "5")]);
}

#[test]
fn lists_are_added_to_and_subtracted_from() {
    let retention = ("retention.ms", "5");
    for (operation, expected) in [
        (append("delete"), "compact,delete"),
        (append(" delete , compact,"), "compact,delete"),
        (append(""), "compact"),
        (subtract("delete"), "compact"),
        (subtract("delete,compact"), ""),
    ] {
        let expected = [("cleanup.policy", expected), retention];
        check(a(&[("cleanup.policy", operation)]), &expected);
    }
    // A list that nobody has set begins with its default.
    let b = each(
        ConfigResource::topic("b"),
        &[("cleanup.policy", append("compact"))],
    );
    check(b, &[("cleanup.policy", "delete,compact")]);
    check_refused(
        a(&[("retention.ms", append("1"))]),
        ErrorCode::InvalidConfig,
        "no list",
    );
    check_refused(
        a(&[("cleanup.policy", append("shred"))]),
        ErrorCode::InvalidConfig,
        "shred",
    );
}

#[test]
fn replacing_removes_what_is_not_named() {
    check(
        replace("a", &[("retention.bytes", "9")]),
        &[("retention.bytes", "9")],
    );
    check(replace("a", &[]), &[]);
}

#[test]
fn what_changes_nothing_has_no_records() {
    let same = [("retention.ms", "5"), ("cleanup.policy", "compact")];
    for alteration in [
        replace("a", &same),
        a(&[("retention.ms", set("5"))]),
        a(&[]),
    ] {
        let outcome = alter_configs(&image(), &[alteration], &SampleSchema);
        assert_eq!(outcome, [Ok(Vec::new())]);
    }
}

#[test]
fn one_bad_key_keeps_its_whole_resource_as_it_was_and_no_other() {
    let mixed = a(&[("retention.ms", set("7")), ("nope", set("1"))]);
    let good = each(ConfigResource::topic("b"), &[("retention.ms", set("7"))]);
    let lost = each(ConfigResource::topic("c"), &[("retention.ms", set("7"))]);
    let outcome = alter_configs(&image(), &[mixed, good, lost], &SampleSchema);
    let codes: Vec<_> = outcome
        .iter()
        .map(|outcome| {
            outcome
                .as_ref()
                .map(Vec::len)
                .map_err(|refusal| refusal.code)
        })
        .collect();
    let expected = [
        Err(ErrorCode::InvalidConfig),
        Ok(1),
        Err(ErrorCode::UnknownTopicOrPartition),
    ];
    assert_eq!(codes, expected);
}

#[test]
fn a_resource_or_a_key_named_twice_is_refused() {
    let change = a(&[("retention.ms", set("7"))]);
    let twice = [change.clone(), replace("b", &[]), change];
    let outcome = alter_configs(&image(), &twice, &SampleSchema);
    let codes: Vec<_> = outcome
        .iter()
        .map(|outcome| outcome.as_ref().err().map(|refusal| refusal.code))
        .collect();
    let refused = Some(ErrorCode::InvalidRequest);
    assert_eq!(codes, [refused, None, refused]);

    let key_twice = a(&[("retention.ms", set("7")), ("retention.ms", set("8"))]);
    check_refused(key_twice, ErrorCode::InvalidRequest, "more than once");
    let key_twice = replace("a", &[("retention.ms", "7"), ("retention.ms", "8")]);
    check_refused(key_twice, ErrorCode::InvalidRequest, "more than once");
}

#[test]
fn values_that_are_missing_too_long_or_impossible_together_are_refused() {
    check_refused(
        a(&[("retention.ms", Operation::Set(None))]),
        ErrorCode::InvalidRequest,
        "Null value",
    );
    check_refused(
        a(&[("cleanup.policy", Operation::Append(None))]),
        ErrorCode::InvalidRequest,
        "Null value",
    );
    let null = Alteration {
        resource: ConfigResource::topic("a"),
        changes: Changes::Replace(vec![("retention.ms".to_owned(), None)]),
    };
    check_refused(null, ErrorCode::InvalidRequest, "Null value");
    let long = "1".repeat(VALUE_BYTES_MAX + 1);
    check_refused(
        a(&[("retention.ms", set(&long))]),
        ErrorCode::InvalidConfig,
        "32768 bytes",
    );
    // Retention is 5 already.
    check_refused(
        a(&[("local.retention.ms", set("6"))]),
        ErrorCode::InvalidConfig,
        "together",
    );
}

#[test]
fn topics_must_exist_and_brokers_need_not() {
    let retention = [("retention.ms", set("7"))];
    let topic = |name: &str| each(ConfigResource::topic(name), &retention);
    check_refused(topic("c"), ErrorCode::UnknownTopicOrPartition, "'c'");
    check_refused(topic("a b"), ErrorCode::InvalidTopicException, "a b");
    check_refused(topic(""), ErrorCode::InvalidRequest, "all topics");
    check(each(broker("7"), &retention), &[("retention.ms", "7")]);
    check(each(broker(""), &retention), &[("retention.ms", "7")]);
}
