#![allow(clippy::unwrap_used)]

use odradek_protocol::records::{
    BatchBuilder,
    control::{EndTransactionMarker, Outcome},
};

use super::*;

const NOW_MS: i64 = 1_000_000;
const RETENTION_MS: u64 = 500;

/// A map that knows these keys and their last offsets.
fn map(last_offsets: &[(&str, i64)]) -> OffsetMap {
    let mut map = OffsetMap::new(100, 1 << 20, 0.9);
    for (key, offset) in last_offsets {
        map.put(key.as_bytes(), *offset);
    }
    map
}

fn filter(last_offsets: &OffsetMap) -> Filter<'_> {
    Filter {
        last_offsets,
        mapped_to: 100,
        producers: HashMap::new(),
        now_ms: NOW_MS,
        delete_retention_ms: RETENTION_MS,
        open_transactions: HashSet::new(),
    }
}

/// Records with these keys, at offsets 10, 11, …; those without a value are tombstones.
fn batch(records: &[(&str, Option<&str>)]) -> BatchBuilder {
    let builder = BatchBuilder::new().base_offset(10);
    records.iter().fold(builder, |builder, (key, value)| {
        builder.record(7, Some(key.as_bytes()), value.map(str::as_bytes))
    })
}

fn offsets(fate: &Fate) -> Vec<i64> {
    let Fate::Replace(batch) = fate else {
        panic!("{fate:?}");
    };
    let records = BatchRecords::read(batch).unwrap();
    records
        .iter()
        .map(|record| record.unwrap().offset)
        .collect()
}

fn marker(producer: i64) -> RecordBatch {
    let marker = EndTransactionMarker {
        outcome: Outcome::Commit,
        coordinator_epoch: 3,
    };
    BatchBuilder::end_transaction(producer, 0, marker, 7)
        .base_offset(20)
        .build()
}

#[test]
fn a_batch_of_last_records_stays_byte_by_byte() {
    let map = map(&[("a", 10), ("b", 5)]);
    let batch = batch(&[("a", Some("1")), ("c", Some("2"))]).build();
    assert!(matches!(
        filter(&map).apply(&batch, false).unwrap(),
        Fate::Keep
    ));
}

#[test]
fn of_a_batch_the_records_stay_that_no_later_one_hides() {
    let map = map(&[("a", 11), ("b", 50)]);
    let batch = batch(&[("a", Some("1")), ("a", Some("2")), ("b", None)]).build();
    assert_eq!(offsets(&filter(&map).apply(&batch, false).unwrap()), [11]);
}

#[test]
fn what_the_map_does_not_reach_is_not_looked_at() {
    let map = map(&[("a", 50)]);
    let mut filter = filter(&map);
    filter.mapped_to = 10;
    let batch = batch(&[("a", None)]).build();
    assert!(matches!(filter.apply(&batch, false).unwrap(), Fate::Keep));
}

#[test]
fn a_batch_without_records_stays_only_for_its_producer_or_its_segment() {
    let map = map(&[("a", 50)]);
    let batch = batch(&[("a", Some("1"))]).producer(4, 0, 0).build();
    let fate = |filter: &mut Filter<'_>, ends_segment| filter.apply(&batch, ends_segment).unwrap();
    assert!(matches!(fate(&mut filter(&map), false), Fate::Drop));
    assert_eq!(offsets(&fate(&mut filter(&map), true)), []);
    let mut remembered = filter(&map);
    remembered.producers.insert(4, 10);
    let emptied = fate(&mut remembered, false);
    assert_eq!(offsets(&emptied), []);

    // The next pass finds it empty.
    let Fate::Replace(empty) = emptied else {
        panic!("{emptied:?}");
    };
    assert!(matches!(
        remembered.apply(&empty, false).unwrap(),
        Fate::Keep
    ));
    // Until the producer has written something else, or is forgotten.
    remembered.producers.insert(4, 30);
    assert!(matches!(
        remembered.apply(&empty, false).unwrap(),
        Fate::Drop
    ));
}

#[test]
fn a_tombstone_is_stamped_once_and_goes_after_its_horizon() {
    let map = map(&[("a", 10), ("b", 11)]);
    let original = batch(&[("a", None), ("b", Some("1"))]).build();
    let stamped = filter(&map).apply(&original, false).unwrap();
    assert_eq!(offsets(&stamped), [10, 11]);
    let Fate::Replace(stamped) = stamped else {
        panic!("{stamped:?}");
    };
    let horizon = NOW_MS + RETENTION_MS as i64;
    assert_eq!(stamped.header().base_timestamp, horizon);
    let mut later = filter(&map);
    later.now_ms = horizon - 1;
    assert!(matches!(later.apply(&stamped, false).unwrap(), Fate::Keep));
    later.now_ms = horizon;
    assert_eq!(offsets(&later.apply(&stamped, false).unwrap()), [11]);
}

#[test]
fn a_tombstone_with_an_impossible_timestamp_stays_as_it_is() {
    let map = map(&[("a", 10), ("b", 50)]);
    let far = i64::MIN + 5;
    let alone = BatchBuilder::new()
        .base_offset(10)
        .record(far, Some(b"a"), None);
    let both = alone.clone().record(far, Some(b"b"), Some(b"1"));
    let fate = filter(&map).apply(&alone.build(), false).unwrap();
    assert_eq!(offsets(&fate), [10]);
    assert_eq!(
        offsets(&filter(&map).apply(&both.build(), false).unwrap()),
        [10]
    );
}

#[test]
fn the_end_of_a_transaction_stays_as_long_as_its_data() {
    let map = map(&[("a", 50)]);
    let data = batch(&[("a", Some("1"))]).producer(4, 0, 0).transactional();
    let mut filter = filter(&map);
    // Whether it was aborted is not known here.
    assert!(matches!(
        filter.apply(&data.build(), false).unwrap(),
        Fate::Keep
    ));
    assert!(matches!(
        filter.apply(&marker(4), false).unwrap(),
        Fate::Keep
    ));
    // The next one of that producer ends a transaction without data.
    let Fate::Replace(stamped) = filter.apply(&marker(4), false).unwrap() else {
        panic!("a marker without data is stamped");
    };
    assert!(stamped.header().attributes.is_control());
    filter.now_ms += RETENTION_MS as i64 - 1;
    assert!(matches!(filter.apply(&stamped, false).unwrap(), Fate::Keep));
    filter.now_ms += 1;
    assert!(matches!(filter.apply(&stamped, false).unwrap(), Fate::Drop));
    filter.producers.insert(4, 20);
    assert_eq!(offsets(&filter.apply(&stamped, false).unwrap()), []);
}

#[test]
fn records_of_transactions_hide_no_others() {
    let mut last_offsets = map(&[]);
    map_keys(
        &batch(&[("a", None)])
            .producer(4, 0, 0)
            .transactional()
            .build(),
        0,
        &mut last_offsets,
    )
    .unwrap();
    assert_eq!(last_offsets.get(b"a"), None);
    map_keys(&marker(4), 0, &mut last_offsets).unwrap();
    let plain = batch(&[("a", None), ("b", Some("1")), ("a", Some("2"))]).build();
    map_keys(&plain, 11, &mut last_offsets).unwrap();
    assert_eq!(last_offsets.get(b"a"), Some(12));
    assert_eq!(last_offsets.get(b"b"), Some(11));
}
