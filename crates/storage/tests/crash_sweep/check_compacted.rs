//! What must be true of a log that is compacted: whoever reads it to its end knows the last value
//! of every key, whatever a crash interrupted.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use odradek_protocol::records::{BatchRecords, RecordBatch};
use odradek_storage::read::LogView;
use odradek_storage::timestamps::TimestampQuery;

use crate::check::{ensure, read_at};
use crate::fact::StoredBatch;
use crate::host::Problem;
use crate::world::LogWorld;

/// A record, as far as compaction must not change it.
type Record = (Bytes, Option<Bytes>, i64);

/// Checks a compacted log. Returns every batch that was appended to it.
pub(crate) fn check_compacted<'a>(
    view: &LogView,
    found: &[StoredBatch],
    world: &'a LogWorld,
) -> Result<Vec<&'a StoredBatch>, Problem> {
    let end = view.log_end_offset();
    let appended = world.possible.iter().filter(|it| it.end_offset <= end);
    let lineage: Vec<&StoredBatch> = appended.collect();
    let written = records(lineage.iter().copied())?;
    let left = records(found)?;
    for (offset, record) in &left {
        ensure(written.get(offset) == Some(record), || {
            format!("the record at {offset} was never sent")
        })?;
    }
    ensure(last_by_key(&left) == last_by_key(&written), || {
        let (left, written) = (last_by_key(&left), last_by_key(&written));
        format!("the last records are at {left:?}, not {written:?}")
    })?;
    let mut seen = BTreeSet::new();
    for (offset, (key, ..)) in left.range(..world.cleaned_to) {
        ensure(seen.insert(key), || {
            format!("an earlier record with the key of {offset} is back")
        })?;
    }
    for batch in found {
        check_lookups(view, batch, &lineage)?;
    }
    Ok(lineage)
}

fn records<'a>(
    batches: impl IntoIterator<Item = &'a StoredBatch>,
) -> Result<BTreeMap<i64, Record>, Problem> {
    let mut records = BTreeMap::new();
    for batch in batches {
        let batch = RecordBatch::parse(&batch.stored).map_err(|error| format!("{error:?}"))?;
        let of_batch = BatchRecords::read(&batch).map_err(|error| format!("{error:?}"))?;
        for record in &of_batch {
            let record = record.map_err(|error| format!("{error:?}"))?;
            let owned = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
            let key = record.key.map(owned).unwrap_or_default();
            let content = (key, record.value.map(owned), record.timestamp);
            records.insert(record.offset, content);
        }
    }
    Ok(records)
}

fn last_by_key(records: &BTreeMap<i64, Record>) -> BTreeMap<&Bytes, i64> {
    let keys = records.iter().map(|(offset, (key, ..))| (key, *offset));
    keys.collect()
}

/// A batch is found by number and by time, and its epoch ends where the next one began.
fn check_lookups(
    view: &LogView,
    batch: &StoredBatch,
    lineage: &[&StoredBatch],
) -> Result<(), Problem> {
    let at = read_at(view, batch.end_offset - 1)?;
    ensure(
        at.first().is_some_and(|it| it.stored == batch.stored),
        || {
            format!(
                "looking for offset {} finds another batch",
                batch.end_offset - 1
            )
        },
    )?;
    if let Some(first) = records([batch])?.keys().next() {
        let by_time = view
            .offset_for_timestamp(TimestampQuery::AtOrAfter(batch.timestamp))
            .map_err(|error| format!("look up a timestamp: {error:?}"))?;
        ensure(by_time.is_some_and(|it| it.offset == *first), || {
            format!(
                "timestamp {} finds {by_time:?}, not {first}",
                batch.timestamp
            )
        })?;
    }
    let next_epoch = lineage
        .iter()
        .find(|later| batch.leader_epoch < later.leader_epoch);
    let epoch_end = next_epoch.map_or_else(|| view.log_end_offset(), |next| next.base_offset);
    let answer = view.end_offset_for_epoch(batch.leader_epoch);
    ensure(answer.is_some_and(|it| it.end_offset == epoch_end), || {
        format!(
            "epoch {} ends at {answer:?}, not {epoch_end}",
            batch.leader_epoch
        )
    })
}
