#![allow(clippy::unwrap_used)]

use std::fs;

use tempfile::TempDir;

use super::*;

#[test]
fn more_parts_than_one_call_takes_are_all_written() {
    let dir = TempDir::new().unwrap();
    let file = RealDisk
        .open(&dir.path().join("file"), OpenMode::Create)
        .unwrap();
    let bytes: Vec<u8> = (0..5000_u32).map(|index| index as u8).collect();
    let mut parts: Vec<IoSlice<'_>> = bytes.chunks(2).map(IoSlice::new).collect();
    parts.insert(0, IoSlice::new(&[]));
    parts.insert(1500, IoSlice::new(&[]));
    file.write_all_at(&mut parts, 3).unwrap();
    file.write_all_at(&mut [], 0).unwrap();
    let mut read = vec![0; 6000];
    assert_eq!(file.read_at(&mut read, 3).unwrap(), 5000);
    assert_eq!(read[..5000], bytes);
    assert_eq!(file.len().unwrap(), 5003);
}

#[test]
fn preallocated_space_does_not_change_the_length() {
    let dir = TempDir::new().unwrap();
    let file = RealDisk
        .open(&dir.path().join("file"), OpenMode::Create)
        .unwrap();
    file.preallocate(0, 1 << 20).unwrap();
    assert_eq!(file.len().unwrap(), 0);
}

#[test]
fn reading_past_the_end_is_short_or_an_error() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "abc").unwrap();
    let file = RealDisk.open(&path, OpenMode::Read).unwrap();
    let mut buffer = [0; 8];
    assert_eq!(file.read_at(&mut buffer, 1).unwrap(), 2);
    assert_eq!(file.read_at(&mut buffer, 9).unwrap(), 0);
    let error = file.read_exact_at(&mut buffer, 0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn open_modes_create_and_empty_as_they_say() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    for mode in [OpenMode::Read, OpenMode::Write] {
        assert_eq!(
            RealDisk.open(&path, mode).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
    let write = |mode| {
        let file = RealDisk.open(&path, mode).unwrap();
        let len = file.len().unwrap();
        file.write_all_at(&mut [IoSlice::new(b"xyz")], len).unwrap();
        fs::read_to_string(&path).unwrap()
    };
    assert_eq!(write(OpenMode::Create), "xyz");
    assert_eq!(write(OpenMode::Create), "xyzxyz");
    assert_eq!(write(OpenMode::Write), "xyzxyzxyz");
    assert_eq!(write(OpenMode::CreateEmpty), "xyz");
}

#[test]
fn a_directory_is_removed_with_everything_in_it() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("clicks-0");
    fs::create_dir_all(root.join("inner")).unwrap();
    fs::write(root.join("a"), "").unwrap();
    fs::write(root.join("inner/b"), "").unwrap();
    remove_dir_all(&RealDisk, &root).unwrap();
    assert!(!exists(&RealDisk, &root).unwrap());
}

#[test]
fn the_page_cache_of_two_directories_of_one_mount_is_the_same() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    assert_eq!(
        RealDisk.page_cache_identity(one.path()).unwrap(),
        RealDisk.page_cache_identity(two.path()).unwrap()
    );
}
