//! Recovers from a crash and compares what is there with what must be.

use std::collections::BTreeMap;

use bytes::Bytes;
use odradek_protocol::records::Batches;
use odradek_storage::append::{AppendContext, AppendOrigin, AppendRequest};
use odradek_storage::checkpoint::Offsets;
use odradek_storage::disk::memory::MemoryDisk;
use odradek_storage::disk::{Disk, read_file};
use odradek_storage::log::Log;
use odradek_storage::log_dir::{PreviousStop, TopicPartition};
use odradek_storage::read::{Located, LogView, ReadRequest};
use odradek_storage::timestamps::TimestampQuery;

use crate::check_compacted::check_compacted;
use crate::fact::StoredBatch;
use crate::host::{COMPACTED, Host, LATER_MS, Problem, config, log_dir_path, open_dir, topic_id};
use crate::world::{LogWorld, World};
use uuid::Uuid;

/// Opens what a crash left and checks everything that can be known about it.
pub(crate) fn recovers(disk: &MemoryDisk, world: &World) -> Result<Host, Problem> {
    for (topic, id) in &world.topics {
        let partition = TopicPartition::new(topic.clone(), 0);
        let found = topic_id(disk, &partition)?;
        ensure(world.logs[id].end_min == 0 || found == Some(*id), || {
            format!("{topic} has records, but its directory belongs to {found:?}")
        })?;
    }
    let dir = open_dir(disk, Uuid::from_u128(2))?;
    let found = dir.identity().directory_id;
    ensure(world.directory_id.is_none_or(|id| id == found), || {
        format!("the directory has another id: {found}")
    })?;
    let stop = dir.previous_stop();
    let is_clean = stop == PreviousStop::Clean;
    ensure(
        world.is_clean.is_none_or(|expected| expected == is_clean),
        || format!("the previous stop looks like {stop:?}"),
    )?;
    let mut host = Host::open(dir, &world.topics, LATER_MS)?;
    let recovery_points = host
        .dir
        .recovery_points()
        .map_err(|error| format!("{error:?}"))?;
    for (topic, log) in &mut host.logs {
        let known = &world.logs[&world.topics[topic]];
        check_indexes(disk, topic)
            .and_then(|()| check_log(topic, log, known, &recovery_points))
            .map_err(|problem| format!("{topic}: {problem}"))?;
    }
    Ok(host)
}

/// Every sealed segment has an offset index whose entries are right and close to each other.
fn check_indexes(disk: &MemoryDisk, topic: &str) -> Result<(), Problem> {
    let dir = log_dir_path().join(format!("{topic}-0"));
    let read = |name: &str| {
        read_file(disk, &dir.join(name)).map_err(|error| format!("read {name}: {error:?}"))
    };
    let names = disk
        .list(&dir)
        .map_err(|error| format!("list {topic}: {error:?}"))?;
    let mut segments: Vec<String> = names
        .iter()
        .filter_map(|entry| entry.name.strip_suffix(".log").map(str::to_owned))
        .collect();
    segments.sort();
    let next_segments = segments.clone().into_iter().skip(1);
    for (segment, next_segment) in segments.into_iter().zip(next_segments) {
        let base_offset: i64 = segment.parse().map_err(|_| "a segment without an offset")?;
        let log = read(&format!("{segment}.log"))?;
        let mut positions = BTreeMap::new();
        let (mut end, mut largest, mut next_offset) = (0, 0, base_offset);
        for batch in Batches::new(Bytes::from(log)) {
            let header = *batch
                .map_err(|error| format!("{segment}: {error:?}"))?
                .header();
            next_offset = header.next_offset();
            positions.insert(end, header.last_offset() - base_offset);
            largest = largest.max(header.total_len());
            end += header.total_len();
        }
        ensure(next_segment.parse() == Ok(next_offset), || {
            format!("{segment} ends at {next_offset}, not at {next_segment}")
        })?;
        let mut last = 0;
        for entry in read(&format!("{segment}.index"))?.as_chunks::<8>().0 {
            let [o1, o2, o3, o4, position @ ..] = *entry;
            let offset = i64::from(i32::from_be_bytes([o1, o2, o3, o4]));
            let position = i32::from_be_bytes(position) as usize;
            let is_right = positions.get(&position) == Some(&offset) && last < position;
            ensure(is_right, || {
                format!("{segment}.index has {offset} at {position}")
            })?;
            last = position;
        }
        let bound = config().index_interval_bytes as usize + 2 * largest;
        ensure(end - last <= bound, || {
            format!("{segment}.index ends at {last} of {end}")
        })?;
    }
    Ok(())
}

/// Checks a log, then appends to it.
pub(crate) fn check_log(
    topic: &str,
    log: &mut Log,
    world: &LogWorld,
    recovery_points: &Offsets,
) -> Result<(), Problem> {
    let view = log.view().clone();
    let (start, end) = (view.log_start_offset(), view.log_end_offset());
    ensure(end >= world.end_min, || {
        format!("ends at {end}, but {} was promised", world.end_min)
    })?;
    ensure((world.start_min..=world.start_max).contains(&start), || {
        format!(
            "starts at {start}, not within {}..={}",
            world.start_min, world.start_max
        )
    })?;
    ensure(start <= end, || {
        format!("starts at {start}, behind its end {end}")
    })?;
    let point = recovery_points
        .get(&TopicPartition::new(topic, 0))
        .copied()
        .unwrap_or_default();
    ensure(point <= end, || {
        format!("recovery point {point} is ahead of the end {end}")
    })?;

    let found = read_all(&view)?;
    if topic == COMPACTED {
        let lineage = check_compacted(&view, &found, world)?;
        return check_producers(log, &lineage);
    }
    let lineage = check_content(&found, world, start, end)?;
    check_lookups(&view, &found, start)?;
    check_epochs(&view, &found, end)?;
    check_producers(log, &lineage)
}

/// Every batch from the log's start to its end, in order.
fn read_all(view: &LogView) -> Result<Vec<StoredBatch>, Problem> {
    let mut offset = view.log_start_offset();
    let mut found = Vec::new();
    while offset < view.log_end_offset() {
        let batches = read_at(view, offset)?;
        let next = batches
            .last()
            .map(|batch| batch.end_offset)
            .unwrap_or_default();
        ensure(next > offset, || {
            format!("nothing to read at offset {offset}")
        })?;
        offset = next;
        found.extend(batches);
    }
    Ok(found)
}

pub(crate) fn read_at(view: &LogView, offset: i64) -> Result<Vec<StoredBatch>, Problem> {
    let request = ReadRequest {
        offset,
        upper_offset: i64::MAX,
        max_bytes: 1000,
        at_least_one: true,
    };
    let located = view
        .locate_on_disk(&request)
        .map_err(|error| format!("locate: {error:?}"))?;
    let Located::Slice(slice) = located else {
        return Err(format!("offset {offset} is {located:?}"));
    };
    let mut bytes = vec![0; slice.len as usize];
    slice
        .file
        .read_exact_at(&mut bytes, slice.position)
        .map_err(|error| format!("read offset {offset}: {error:?}"))?;
    let mut batches = Vec::new();
    for batch in Batches::new(Bytes::from(bytes)) {
        let batch = batch.map_err(|error| format!("batch at offset {offset}: {error:?}"))?;
        batch
            .verify_crc()
            .map_err(|error| format!("batch at offset {offset}: {error:?}"))?;
        let header = batch.header();
        batches.push(StoredBatch {
            base_offset: header.base_offset,
            end_offset: header.next_offset(),
            leader_epoch: header.partition_leader_epoch,
            producer_id: header.producer_id,
            timestamp: header.max_timestamp,
            sent: Bytes::new(),
            stored: batch.to_bytes(),
        });
    }
    Ok(batches)
}

/// No phantom, nothing reordered, no gap. Returns every batch that is or was in this log, deleted
/// ones included.
fn check_content<'a>(
    found: &[StoredBatch],
    world: &'a LogWorld,
    start: i64,
    end: i64,
) -> Result<Vec<&'a StoredBatch>, Problem> {
    let mut next = start;
    let mut lineage: Vec<&StoredBatch> = Vec::new();
    for batch in found {
        let contains = batch.base_offset <= next && next < batch.end_offset;
        let fine = if lineage.is_empty() {
            contains
        } else {
            batch.base_offset == next
        };
        ensure(fine, || {
            format!(
                "batch {}..{} at {next}",
                batch.base_offset, batch.end_offset
            )
        })?;
        let newest_epoch = lineage.last().map_or(0, |before| before.leader_epoch);
        ensure(newest_epoch <= batch.leader_epoch, || {
            format!("offset {next} goes back to epoch {}", batch.leader_epoch)
        })?;
        next = batch.end_offset;
        let appended = world
            .possible
            .iter()
            .find(|known| known.stored == batch.stored);
        let appended = appended
            .ok_or_else(|| format!("batch at offset {} was never sent", batch.base_offset))?;
        if lineage.is_empty() {
            let before = |known: &&StoredBatch| known.end_offset <= batch.base_offset;
            lineage.extend(world.possible.iter().filter(before));
        }
        lineage.push(appended);
    }
    ensure(next == end, || {
        format!("batches end at {next}, the log at {end}")
    })?;
    if found.is_empty() {
        lineage.extend(
            world
                .possible
                .iter()
                .filter(|known| known.end_offset <= end),
        );
    }
    Ok(lineage)
}

/// Each offset is found by number and by time.
fn check_lookups(view: &LogView, found: &[StoredBatch], start: i64) -> Result<(), Problem> {
    for batch in found {
        let last = batch.end_offset - 1;
        let at = read_at(view, last)?;
        ensure(
            at.first().is_some_and(|first| first.stored == batch.stored),
            || format!("looking for offset {last} finds another batch"),
        )?;
        let by_time = view
            .offset_for_timestamp(TimestampQuery::AtOrAfter(batch.timestamp))
            .map_err(|error| format!("look up a timestamp: {error:?}"))?;
        let expected = batch.base_offset.max(start);
        ensure(
            by_time.is_some_and(|by_time| by_time.offset == expected),
            || {
                format!(
                    "timestamp {} finds {by_time:?}, not {expected}",
                    batch.timestamp
                )
            },
        )?;
    }
    Ok(())
}

/// Each epoch ends where the next one starts.
fn check_epochs(view: &LogView, found: &[StoredBatch], end: i64) -> Result<(), Problem> {
    for (index, batch) in found.iter().enumerate() {
        let next = found[index..]
            .iter()
            .find(|later| later.leader_epoch > batch.leader_epoch);
        let expected = next.map_or(end, |next| next.base_offset);
        let answer = view.end_offset_for_epoch(batch.leader_epoch);
        ensure(
            answer.is_some_and(|answer| {
                answer.epoch == batch.leader_epoch && answer.end_offset == expected
            }),
            || {
                format!(
                    "epoch {} ends at {answer:?}, not {expected}",
                    batch.leader_epoch
                )
            },
        )?;
    }
    Ok(())
}

/// Each producer's last five batches are known as duplicates, its next one is accepted, and the one
/// after that, sent too early, is not.
fn check_producers(log: &mut Log, lineage: &[&StoredBatch]) -> Result<(), Problem> {
    let mut by_producer: BTreeMap<i64, Vec<&StoredBatch>> = BTreeMap::new();
    for batch in lineage.iter().filter(|batch| batch.producer_id >= 0) {
        by_producer
            .entry(batch.producer_id)
            .or_default()
            .push(batch);
    }
    for (producer_id, batches) in by_producer {
        for batch in batches.iter().rev().take(5) {
            let appended = send(log, batch.sent.clone())?;
            ensure(appended == Ok((true, batch.base_offset)), || {
                format!(
                    "a retry by producer {producer_id} at {}: {appended:?}",
                    batch.base_offset
                )
            })?;
        }
        let newest = batches.last().expect("every producer here has a batch");
        let header = *Batches::new(newest.sent.clone())
            .next()
            .and_then(Result::ok)
            .ok_or("a batch of the workload")?
            .header();
        let next = |ahead: i32| {
            odradek_protocol::records::BatchBuilder::new()
                .producer(producer_id, 0, header.last_sequence() + 1 + ahead)
                .record(LATER_MS, Some(b"key"), Some(b"after the crash"))
                .build()
                .to_bytes()
        };
        let early = send(log, next(1))?;
        ensure(early.is_err(), || {
            format!("producer {producer_id} may skip a record")
        })?;
        let end = log.view().log_end_offset();
        let continued = send(log, next(0))?;
        ensure(continued == Ok((false, end)), || {
            format!("producer {producer_id} cannot continue: {continued:?}")
        })?;
    }
    Ok(())
}

/// Whether it was a duplicate, and its offset; or why it was refused.
fn send(log: &mut Log, records: Bytes) -> Result<Result<(bool, i64), String>, Problem> {
    let context = AppendContext {
        origin: AppendOrigin::Client,
        leader_epoch: 100,
        now_ms: LATER_MS,
    };
    let mut outcome = log.append_group(&[AppendRequest { records }], context);
    let result = outcome.results.pop().ok_or("no result")?;
    Ok(result
        .map(|appended| (appended.duplicate, appended.base_offset))
        .map_err(|error| format!("{error:?}")))
}

pub(crate) fn ensure(condition: bool, problem: impl FnOnce() -> Problem) -> Result<(), Problem> {
    if condition { Ok(()) } else { Err(problem()) }
}
