//! `.index`, `.timeindex` and `.txnindex` files. Entries of the first two are compared with the
//! segment beside them: each must point to a batch, and say what is true of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use odradek_storage::index::{
    offset::OffsetEntry, time::TimeEntry, transaction::AbortedTransaction,
};

use super::{
    DumpError, absolute, base_offset,
    segment::{Found, FoundBatch, Segment},
};
use crate::output;

/// What to do with an index.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    /// Only check it the way a broker does when it opens it.
    pub(super) only_sanity: bool,
    /// Print the entries, and not only those that are wrong.
    pub(super) print_entries: bool,
    /// The largest batch to look for where an entry points, in bytes.
    pub(super) batch_bytes_max: u32,
}

/// Prints an offset index.
pub(super) fn dump_offsets(path: &Path, how: How) -> Result<(), DumpError> {
    let base = base_offset(path)?;
    let bytes = fs::read(path).map_err(DumpError::unreadable(path))?;
    if bytes.is_empty() {
        output::line(&format!("{} is empty.", path.display()));
        return Ok(());
    }
    if how.only_sanity {
        let last = entries::<{ OffsetEntry::LEN }>(path, &bytes)?.last();
        let last = last.map(|entry| OffsetEntry::decode(*entry, base));
        check(
            path,
            last.is_none_or(|last| base <= last.last_offset),
            || format!("its last offset is less than the base offset {base}"),
        )?;
        passed(path);
        return Ok(());
    }
    let segment_path = segment_of(path);
    let segment = Segment::open(&segment_path, u64::MAX)?;
    let mut mismatches = Vec::new();
    let (whole, _torn) = bytes.as_chunks::<{ OffsetEntry::LEN }>();
    for (number, entry) in whole.iter().enumerate() {
        let entry = OffsetEntry::decode(*entry, base);
        if is_unwritten(number, entry.last_offset, base) {
            break;
        }
        let found = pointed_to(&segment, entry, how)?;
        let last_offset = found.map_or(-1, |batch| batch.last_offset());
        if last_offset != entry.last_offset {
            mismatches.push(format!(
                "  Index offset: {}, log offset: {last_offset}",
                entry.last_offset
            ));
        }
        if how.print_entries {
            output::line(&format!(
                "offset: {} position: {}",
                entry.last_offset, entry.position
            ));
        }
    }
    tell(&format!("Mismatches in :{}", absolute(path)), &mismatches);
    Ok(())
}

/// Prints a time index.
pub(super) fn dump_times(path: &Path, how: How) -> Result<(), DumpError> {
    let base = base_offset(path)?;
    let bytes = fs::read(path).map_err(DumpError::unreadable(path))?;
    if how.only_sanity {
        let entries = entries::<{ TimeEntry::LEN }>(path, &bytes)?;
        let decoded = |entry: Option<&[u8; TimeEntry::LEN]>| {
            entry.map(|entry| TimeEntry::decode(*entry, base))
        };
        let (first, last) = (decoded(entries.first()), decoded(entries.last()));
        if let (Some(first), Some(last)) = (first, last) {
            check(path, first.timestamp <= last.timestamp, || {
                format!(
                    "its last timestamp is {} which is less than the first, {}",
                    last.timestamp, first.timestamp
                )
            })?;
            check(path, base <= last.last_offset, || {
                format!("its last offset is less than the base offset {base}")
            })?;
        }
        passed(path);
        return Ok(());
    }
    let offsets = fs::read(path.with_extension("index")).unwrap_or_default();
    let segment_path = segment_of(path);
    let segment = Segment::open(&segment_path, u64::MAX)?;
    let mut findings = TimeFindings::default();
    let (whole, _torn) = bytes.as_chunks::<{ TimeEntry::LEN }>();
    for (number, entry) in whole.iter().enumerate() {
        let entry = TimeEntry::decode(*entry, base);
        if is_unwritten(number, entry.last_offset, base) {
            break;
        }
        let found = batch_with(&segment, &offsets, base, entry.last_offset)?;
        findings.see(entry, found.as_ref(), &segment);
        if how.print_entries {
            output::line(&format!(
                "timestamp: {} offset: {}",
                entry.timestamp, entry.last_offset
            ));
        }
    }
    findings.tell(path);
    Ok(())
}

/// Prints the index of aborted transactions.
pub(super) fn dump_aborted_transactions(path: &Path) -> Result<(), DumpError> {
    let bytes = fs::read(path).map_err(DumpError::unreadable(path))?;
    for entry in entries::<{ AbortedTransaction::LEN }>(path, &bytes)? {
        let entry = AbortedTransaction::decode(entry);
        output::line(&format!(
            "version: {} producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
            entry.version,
            entry.producer_id,
            entry.first_offset,
            entry.last_offset,
            entry.last_stable_offset,
        ));
    }
    Ok(())
}

/// The batch where an entry of the offset index points, if one begins there that is not too large.
fn pointed_to(
    segment: &Segment<'_>,
    entry: OffsetEntry,
    how: How,
) -> Result<Option<FoundBatch>, DumpError> {
    // What is no batch is no match: the entry is wrong, and not the file.
    let found = match segment.batch_at(u64::from(entry.position)) {
        Err(DumpError::Batch { .. }) | Ok(Some(Found::Unreadable { .. }) | None) => None,
        Ok(Some(Found::Batch(batch))) => Some(batch),
        Err(error) => return Err(error),
    };
    Ok(found.filter(|batch| batch.end() - batch.position <= u64::from(how.batch_bytes_max)))
}

/// The batch with that offset, or the first behind it: looked for from where the offset index says.
fn batch_with(
    segment: &Segment<'_>,
    offsets: &[u8],
    base: i64,
    offset: i64,
) -> Result<Option<FoundBatch>, DumpError> {
    let (entries, _torn) = offsets.as_chunks::<{ OffsetEntry::LEN }>();
    let entries = entries
        .iter()
        .map(|entry| OffsetEntry::decode(*entry, base));
    let below = entries.take_while(|entry| base < entry.last_offset && entry.last_offset <= offset);
    let mut position = below.last().map_or(0, |entry| u64::from(entry.position));
    while let Some(found) = segment.batch_at(position)? {
        position = match found {
            Found::Batch(batch) if offset <= batch.last_offset() => return Ok(Some(batch)),
            Found::Batch(batch) => batch.end(),
            Found::Unreadable { end, .. } => end,
        };
    }
    Ok(None)
}

/// What is wrong with a time index.
#[derive(Debug, Default)]
struct TimeFindings {
    mismatches: Vec<String>,
    out_of_order: Vec<String>,
    not_found: Vec<String>,
    before: Option<i64>,
}

impl TimeFindings {
    fn see(&mut self, entry: TimeEntry, found: Option<&FoundBatch>, segment: &Segment<'_>) {
        let found_offset = found.map_or(-1, FoundBatch::last_offset);
        if found_offset == entry.last_offset {
            let newest = found.map_or(-1, |batch| newest_timestamp(batch, segment));
            if newest != entry.timestamp {
                self.mismatches.push(format!(
                    "  Index timestamp: {}, log timestamp: {newest}",
                    entry.timestamp
                ));
            }
        } else {
            self.not_found.push(format!(
                "Indexed offset: {}, found log offset: {found_offset}",
                entry.last_offset
            ));
        }
        if let Some(before) = self.before
            && entry.timestamp <= before
        {
            self.out_of_order.push(format!(
                "  Index timestamp: {}, Previously indexed timestamp: {before}",
                entry.timestamp
            ));
        }
        self.before = Some(entry.timestamp);
    }

    fn tell(&self, path: &Path) {
        let path = absolute(path);
        tell(
            &format!("Found timestamp mismatch in :{path}"),
            &self.mismatches,
        );
        tell(
            &format!("Found out of order timestamp in :{path}"),
            &self.out_of_order,
        );
        tell(
            &format!("The following indexed offsets are not found in :{path}"),
            &self.not_found,
        );
    }
}

/// The largest timestamp of a batch's records, or what its header says if they cannot be read.
fn newest_timestamp(batch: &FoundBatch, segment: &Segment<'_>) -> i64 {
    let records = batch.records(segment.path).ok();
    let timestamps = records.and_then(|records| {
        let timestamps = records.iter().map(|it| it.ok().map(|it| it.timestamp));
        timestamps.collect::<Option<Vec<_>>>()
    });
    let newest = timestamps.map(|timestamps| timestamps.into_iter().max());
    newest.flatten().unwrap_or(batch.header.max_timestamp)
}

/// Whether an entry is one of the zeros that stand behind the last one in a file that was laid out
/// in advance: only the first entry may point to the segment's begin.
const fn is_unwritten(number: usize, offset: i64, base: i64) -> bool {
    0 < number && offset == base
}

fn entries<'a, const LEN: usize>(
    path: &Path,
    bytes: &'a [u8],
) -> Result<&'a [[u8; LEN]], DumpError> {
    let (entries, torn) = bytes.as_chunks::<LEN>();
    if torn.is_empty() {
        return Ok(entries);
    }
    Err(DumpError::TornIndex {
        path: path.to_owned(),
        bytes: bytes.len(),
        entry: LEN,
    })
}

fn check(path: &Path, holds: bool, reason: impl Fn() -> String) -> Result<(), DumpError> {
    if holds {
        return Ok(());
    }
    Err(DumpError::Index {
        path: path.to_owned(),
        reason: reason(),
    })
}

fn passed(path: &Path) {
    output::line(&format!("{} passed sanity check.", path.display()));
}

fn tell(title: &str, findings: &[String]) {
    if findings.is_empty() {
        return;
    }
    output::flush();
    output::error(title);
    for finding in findings {
        output::error(finding);
    }
}

fn segment_of(index: &Path) -> PathBuf {
    index.with_extension("log")
}
