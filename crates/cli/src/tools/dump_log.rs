//! `kafka-dump-log`: prints what is in the files of a partition's directory.
//!
//! - `segment`: `.log` files, batch by batch and record by record
//! - `indexes`: `.index`, `.timeindex` and `.txnindex`, compared with the segment they point into
//! - `producers`: `.snapshot`, what a log remembers of its producers
//! - `decoder`: keys and values of records as text
//! - `group_records`: those of `__consumer_offsets`
//!
//! It reads files and asks no broker. What is damaged is told where it stands, and what can be read
//! is printed all the same. As with Kafka's tool, a torn end, a wrong checksum and entries that do
//! not match are findings, and no failures of the tool: the exit code tells only whether the files
//! could be read to their end.
//!
//! Not here: the transaction log and the metadata log of Apache Kafka.

mod decoder;
mod group_records;
mod indexes;
mod producers;
mod segment;

use std::{
    io,
    path::{Path, PathBuf},
};

use decoder::{Decoder, Primitive};
use odradek_protocol::records::BatchError;

use crate::{Outcome, output};

/// Prints what is in the files of a partition: segments, indexes, producer snapshots.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-dump-log")]
pub(crate) struct Options {
    /// The files, separated by commas.
    #[arg(long, required = true, value_delimiter = ',')]
    files: Vec<PathBuf>,
    /// Print the keys and values of records too; implies --deep-iteration.
    #[arg(long)]
    print_data_log: bool,
    /// Go into batches: print each record.
    #[arg(long)]
    deep_iteration: bool,
    /// Print only keys and values of records, and not their offsets, times and sizes.
    #[arg(long)]
    skip_record_metadata: bool,
    /// Print keys and values as those of __consumer_offsets; implies --deep-iteration.
    #[arg(long)]
    offsets_decoder: bool,
    /// Print keys as StringDecoder, IntegerDecoder, LongDecoder or DoubleDecoder.
    #[arg(long, default_value = "StringDecoder")]
    key_decoder_class: Primitive,
    /// Print values as StringDecoder, IntegerDecoder, LongDecoder or DoubleDecoder.
    #[arg(long, default_value = "StringDecoder")]
    value_decoder_class: Primitive,
    /// Only check indexes the way a broker does when it opens them.
    #[arg(long)]
    index_sanity_check: bool,
    /// Compare indexes with their segment, and do not print their entries.
    #[arg(long)]
    verify_index_only: bool,
    /// The largest batch to look for where an index points, in bytes.
    #[arg(long, default_value_t = 5 * 1024 * 1024)]
    max_message_size: u32,
    /// How much of a segment to read, in bytes.
    #[arg(long, default_value_t = i32::MAX as u32, hide_default_value = true)]
    max_bytes: u32,
}

/// Why a file was not printed to its end.
#[derive(Debug, thiserror::Error)]
enum DumpError {
    #[error("read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: the name of a segment's file begins with its base offset", .0.display())]
    NoBaseOffset(PathBuf),
    #[error("{}: the batch at position {position} is damaged: {reason}", path.display())]
    Batch {
        path: PathBuf,
        position: u64,
        reason: BatchError,
    },
    #[error("{}: record {ordinal} of the batch at position {position} cannot be read: {reason}",
        path.display())]
    Record {
        path: PathBuf,
        position: u64,
        /// Counted from 1.
        ordinal: usize,
        reason: String,
    },
    #[error("{}: not everything could be printed: {batches} of its batches are damaged",
        path.display())]
    Incomplete { path: PathBuf, batches: usize },
    #[error("{}: found {bytes} bytes, which is no multiple of {entry}", path.display())]
    TornIndex {
        path: PathBuf,
        bytes: usize,
        entry: usize,
    },
    #[error("{}: {reason}", path.display())]
    Index { path: PathBuf, reason: String },
}

impl DumpError {
    fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Unreadable { path, source }
    }
}

#[expect(clippy::unused_async, reason = "as every tool is run")]
pub(crate) async fn run(options: Options) -> Outcome {
    for path in &options.files {
        output::line(&format!("Dumping {}", path.display()));
        if let Err(error) = dump(path, &options) {
            output::flush();
            output::error(&error.to_string());
            return Outcome::Failed;
        }
    }
    Outcome::Done
}

fn dump(path: &Path, options: &Options) -> Result<(), DumpError> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let indexes = indexes::How {
        only_sanity: options.index_sanity_check,
        print_entries: !options.verify_index_only,
        batch_bytes_max: options.max_message_size,
    };
    match extension {
        Some("log") => segment::dump(path, &how(options)),
        Some("index") => indexes::dump_offsets(path, indexes),
        Some("timeindex") => indexes::dump_times(path, indexes),
        Some("txnindex") => indexes::dump_aborted_transactions(path),
        Some("snapshot") => producers::dump(path),
        _ => {
            output::flush();
            output::error(&format!("Ignoring unknown file {}", path.display()));
            Ok(())
        }
    }
}

fn how(options: &Options) -> segment::How {
    let contents = if options.offsets_decoder {
        Some(Decoder::GroupRecords)
    } else if options.print_data_log {
        Some(Decoder::Primitives {
            key: options.key_decoder_class,
            value: options.value_decoder_class,
        })
    } else {
        None
    };
    segment::How {
        records: options.deep_iteration || contents.is_some(),
        record_metadata: !options.skip_record_metadata,
        contents,
        bytes_max: u64::from(options.max_bytes),
        tells_trailing: i32::MAX as u32 <= options.max_bytes,
    }
}

/// The base offset in the name of a segment's file.
fn base_offset(path: &Path) -> Result<i64, DumpError> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    // Files on their way out have more behind the offset.
    let digits = stem.and_then(|stem| stem.split('.').next());
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| DumpError::NoBaseOffset(path.to_owned()))
}

/// The path as findings tell it: they may be read elsewhere than they were made.
fn absolute(path: &Path) -> String {
    let absolute = std::path::absolute(path);
    absolute.as_deref().unwrap_or(path).display().to_string()
}

/// As Java prints an optional number.
fn optional(number: Option<i64>) -> String {
    match number {
        Some(number) => format!("OptionalLong[{number}]"),
        None => "OptionalLong.empty".to_owned(),
    }
}
