//! Small text files that are replaced whole: Kafka's checkpoint formats.
//!
//! - [`write_offsets`], [`read_offsets`]: `recovery-point-offset-checkpoint`,
//!   `replication-offset-checkpoint`, `log-start-offset-checkpoint` and
//!   `cleaner-offset-checkpoint`, one per log directory;
//! - [`write_epochs`], [`read_epochs`]: `leader-epoch-checkpoint`, one per partition;
//! - [`PartitionMetadata`]: `partition.metadata`, one per partition;
//! - [`write_identity`], [`read_identity`]: `meta.properties`, one per log directory.
//!
//! After a crash a file has either its old content or its new one. A file that does not read as
//! written is an error, never a guess; a missing one is an ordinary answer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;
use uuid::Uuid;

use crate::disk::{Disk, read_file, replace_file, write_file_atomically};
use crate::leader_epoch::EpochEntry;
use crate::log_dir::{DirIdentity, TopicPartition};
use crate::uuid_text;

/// A checkpoint file that cannot be read or written.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("access {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The content is not in the expected format.
    #[error("{} line {line}: expected {expected}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// What should have stood there.
        expected: &'static str,
    },
}

/// Offsets by partition.
pub type Offsets = BTreeMap<TopicPartition, i64>;

/// Replaces an offset checkpoint durably.
pub fn write_offsets(
    disk: &dyn Disk,
    path: &Path,
    offsets: &Offsets,
) -> Result<(), CheckpointError> {
    let rows = offsets.iter();
    let rows = rows.map(|(at, offset)| format!("{} {} {offset}", at.topic, at.partition));
    write_table(disk, path, rows)
}

/// Reads an offset checkpoint; a missing file is empty.
pub fn read_offsets(disk: &dyn Disk, path: &Path) -> Result<Offsets, CheckpointError> {
    let rows = read_table(disk, path, "a topic, a partition and an offset", |row| {
        let [topic, partition, offset] = fields(row)?;
        Some((
            TopicPartition::new(topic, natural(partition)?),
            natural(offset)?,
        ))
    })?;
    Ok(rows.into_iter().collect())
}

/// Replaces a leader epoch checkpoint durably.
pub fn write_epochs(
    disk: &dyn Disk,
    path: &Path,
    entries: &[EpochEntry],
) -> Result<(), CheckpointError> {
    let rows = entries.iter();
    write_table(
        disk,
        path,
        rows.map(|entry| format!("{} {}", entry.epoch, entry.start_offset)),
    )
}

/// Reads a leader epoch checkpoint; a missing file is empty.
pub fn read_epochs(disk: &dyn Disk, path: &Path) -> Result<Vec<EpochEntry>, CheckpointError> {
    read_table(disk, path, "an epoch and its start offset", |row| {
        let [epoch, start_offset] = fields(row)?;
        Some(EpochEntry {
            epoch: natural(epoch)?,
            start_offset: natural(start_offset)?,
        })
    })
}

/// `partition.metadata`: which topic a partition directory belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// The topic's id (KIP-516).
    pub topic_id: Uuid,
}

impl PartitionMetadata {
    /// The file's name in the partition directory.
    pub const FILE_NAME: &str = "partition.metadata";

    /// Writes the file. It is durable after the log's first flush, which syncs the names in the
    /// directory; before, there are no records that could be taken for another topic's.
    pub fn write(&self, disk: &dyn Disk, partition_dir: &Path) -> Result<(), CheckpointError> {
        let path = partition_dir.join(Self::FILE_NAME);
        let text = format!(
            "version: 0\ntopic_id: {}\n",
            uuid_text::encode(self.topic_id)
        );
        replace_file(disk, &path, text.as_bytes()).map_err(io_error(&path))
    }

    /// Reads the file; `None` if there is none.
    pub fn read(disk: &dyn Disk, partition_dir: &Path) -> Result<Option<Self>, CheckpointError> {
        let path = partition_dir.join(Self::FILE_NAME);
        let Some(text) = read_text(disk, &path)? else {
            return Ok(None);
        };
        let mut lines = Lines::new(&path, &text);
        lines.parse("`version: 0`", |line| (line == "version: 0").then_some(()))?;
        let topic_id = lines.parse("`topic_id: ` and 22 characters of base64", |line| {
            uuid_text::decode(line.strip_prefix("topic_id: ")?)
        })?;
        Ok(Some(Self { topic_id }))
    }
}

/// Replaces `meta.properties` (version 1) durably.
pub fn write_identity(
    disk: &dyn Disk,
    path: &Path,
    identity: &DirIdentity,
) -> Result<(), CheckpointError> {
    let text = format!(
        "version=1\ncluster.id={}\nnode.id={}\ndirectory.id={}\n",
        identity.cluster_id,
        identity.node_id,
        uuid_text::encode(identity.directory_id)
    );
    write_text(disk, path, &text)
}

/// Reads `meta.properties`; `None` if there is none. Comments and unknown keys are skipped.
pub fn read_identity(disk: &dyn Disk, path: &Path) -> Result<Option<DirIdentity>, CheckpointError> {
    let Some(text) = read_text(disk, path)? else {
        return Ok(None);
    };
    let value = |key: &str, expected| {
        let found = text.lines().enumerate().find_map(|(index, line)| {
            let value = line.strip_prefix(key)?.strip_prefix('=')?;
            Some((index + 1, value.trim_end()))
        });
        let missing = || malformed(path, text.lines().count() + 1, expected);
        found.ok_or_else(missing)
    };
    let (line, version) = value("version", "`version=1`")?;
    if version != "1" {
        return Err(malformed(path, line, "`version=1`"));
    }
    let (line, node_id) = value("node.id", "`node.id=` and a number")?;
    let node_id =
        natural(node_id).ok_or_else(|| malformed(path, line, "`node.id=` and a number"))?;
    let (_, cluster_id) = value("cluster.id", "`cluster.id=` and the cluster's id")?;
    let expected = "`directory.id=` and 22 characters of base64";
    let (line, directory_id) = value("directory.id", expected)?;
    let directory_id =
        uuid_text::decode(directory_id).ok_or_else(|| malformed(path, line, expected))?;
    Ok(Some(DirIdentity {
        cluster_id: cluster_id.to_owned(),
        node_id,
        directory_id,
    }))
}

/// A version line, a line with the number of rows, the rows.
fn write_table(
    disk: &dyn Disk,
    path: &Path,
    rows: impl ExactSizeIterator<Item = String>,
) -> Result<(), CheckpointError> {
    let mut text = format!("0\n{}\n", rows.len());
    for row in rows {
        writeln!(text, "{row}").expect("writing to a string cannot fail");
    }
    write_text(disk, path, &text)
}

fn read_table<T>(
    disk: &dyn Disk,
    path: &Path,
    expected: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, CheckpointError> {
    let Some(text) = read_text(disk, path)? else {
        return Ok(Vec::new());
    };
    let mut lines = Lines::new(path, &text);
    lines.parse("version 0", |line| (line == "0").then_some(()))?;
    let count: usize = lines.parse("the number of rows", natural)?;
    let rows = (0..count)
        .map(|_| lines.parse(expected, &parse))
        .collect::<Result<_, _>>()?;
    lines.end()?;
    Ok(rows)
}

/// The lines of a file, with the place for error messages.
struct Lines<'a> {
    path: &'a Path,
    rest: std::str::Lines<'a>,
    number: usize,
}

impl<'a> Lines<'a> {
    fn new(path: &'a Path, text: &'a str) -> Self {
        Self {
            path,
            rest: text.lines(),
            number: 0,
        }
    }

    fn parse<T>(
        &mut self,
        expected: &'static str,
        parse: impl FnOnce(&'a str) -> Option<T>,
    ) -> Result<T, CheckpointError> {
        self.number += 1;
        self.rest
            .next()
            .and_then(parse)
            .ok_or_else(|| malformed(self.path, self.number, expected))
    }

    fn end(mut self) -> Result<(), CheckpointError> {
        match self.rest.next() {
            None => Ok(()),
            Some(_) => Err(malformed(self.path, self.number + 1, "the end of the file")),
        }
    }
}

fn malformed(path: &Path, line: usize, expected: &'static str) -> CheckpointError {
    CheckpointError::Malformed {
        path: path.to_owned(),
        line,
        expected,
    }
}

fn fields<const N: usize>(row: &str) -> Option<[&str; N]> {
    row.split(' ').collect::<Vec<_>>().try_into().ok()
}

/// A number of digits alone: no sign, no blank.
fn natural<T: FromStr>(text: &str) -> Option<T> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

fn write_text(disk: &dyn Disk, path: &Path, text: &str) -> Result<(), CheckpointError> {
    write_file_atomically(disk, path, text.as_bytes()).map_err(io_error(path))
}

fn read_text(disk: &dyn Disk, path: &Path) -> Result<Option<String>, CheckpointError> {
    match read_file(disk, path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(malformed(path, 1, "UTF-8 text")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io_error(path)(source)),
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    let path = path.to_owned();
    move |source| CheckpointError::Io { path, source }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
