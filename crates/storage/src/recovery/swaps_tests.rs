#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use odradek_protocol::records::BatchBuilder;

use super::*;
use crate::disk::RealDisk;

struct Dir(tempfile::TempDir);

impl Dir {
    /// Files with these names; those of batches hold one batch for each of `offsets`.
    fn with(names: &[&str], offsets: &[i64]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let batch = |offset: &i64| {
            let batch = BatchBuilder::new().base_offset(*offset);
            batch.record(0, Some(b"k"), None).build().to_bytes()
        };
        let batches = Bytes::from(offsets.iter().map(batch).collect::<Vec<_>>().concat());
        for name in names {
            let is_new = name.ends_with(".log.swap");
            let content = if is_new {
                &batches[..]
            } else {
                name.as_bytes()
            };
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        Self(dir)
    }

    fn finish(&self) -> Result<(), OpenError> {
        let files = FileCache::new(Arc::new(RealDisk), 8);
        finish_swaps(&files, self.0.path())
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn content(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(name)).unwrap()
    }
}

const OLD: [&str; 9] = [
    "00000000000000000000.index",
    "00000000000000000000.log",
    "00000000000000000000.timeindex",
    "00000000000000000005.index",
    "00000000000000000005.log",
    "00000000000000000005.timeindex",
    "00000000000000000009.index",
    "00000000000000000009.log",
    "00000000000000000009.timeindex",
];

#[test]
fn a_whole_segment_replaces_those_that_begin_within_it() {
    let new = [
        "00000000000000000000.index.swap",
        "00000000000000000000.log.swap",
        "00000000000000000000.timeindex.swap",
    ];
    let dir = Dir::with(&[&OLD[..], &new].concat(), &[2, 8]);
    dir.finish().unwrap();
    assert_eq!(dir.names(), [&OLD[..3], &OLD[6..]].concat());
    assert_eq!(dir.content(OLD[0]), new[0].as_bytes());
    assert_ne!(dir.content(OLD[1]), OLD[1].as_bytes());
    dir.finish().unwrap();
    assert_eq!(dir.names().len(), 6);
}

#[test]
fn an_old_index_does_not_survive_its_segment() {
    // Of the new segment, only the name of the batches became durable.
    let dir = Dir::with(
        &[&OLD[..], &["00000000000000000000.log.swap"]].concat(),
        &[4],
    );
    dir.finish().unwrap();
    let names = dir.names();
    assert_eq!(names[0], "00000000000000000000.log");
    assert_eq!(names[1], "00000000000000000005.index");
}

#[test]
fn an_index_of_which_nobody_knows_whether_it_is_old_is_built_anew() {
    let left = [
        "00000000000000000000.index",
        "00000000000000000000.log.swap",
        "00000000000000000000.timeindex.swap",
    ];
    let dir = Dir::with(&left, &[4]);
    dir.finish().unwrap();
    assert_eq!(dir.names(), OLD[1..3]);
}

#[test]
fn a_segment_that_is_not_whole_is_an_error_and_nothing_is_removed() {
    let dir = Dir::with(
        &[&OLD[..], &["00000000000000000000.log.swap"]].concat(),
        &[4],
    );
    let path = dir.0.path().join("00000000000000000000.log.swap");
    let mut torn = std::fs::read(&path).unwrap();
    torn.truncate(torn.len() - 1);
    std::fs::write(&path, torn).unwrap();
    assert!(matches!(dir.finish(), Err(OpenError::Corrupt { .. })));
    assert_eq!(dir.names().len(), 10);
}

#[test]
fn a_directory_that_does_not_exist_has_nothing_to_finish() {
    let files = FileCache::new(Arc::new(RealDisk), 8);
    finish_swaps(&files, Path::new("/does/not/exist")).unwrap();
}
