#![allow(clippy::unwrap_used)]

use super::crash::{CrashPoint, Kept};
use super::*;
use crate::disk::{exists, read_file, remove_dir_all, write_file_atomically};

fn write(disk: &MemoryDisk, path: &str, position: u64, data: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.open(Path::new(path), OpenMode::Create).unwrap();
    file.write_all_at(&mut [IoSlice::new(data)], position)
        .unwrap();
    file
}

fn read(disk: &MemoryDisk, path: &str) -> Option<Vec<u8>> {
    let path = Path::new(path);
    exists(disk, path)
        .unwrap()
        .then(|| read_file(disk, path).unwrap())
}

/// Runs `check` at the end of the history.
fn at_the_end(disk: &MemoryDisk, ignored_site: Option<&str>, check: impl Fn(&CrashPoint)) {
    let events = disk.event_count();
    disk.history().for_each_point(ignored_site, |point| {
        if point.events() == events {
            check(point);
        }
    });
}

#[test]
fn it_behaves_as_a_file_system() {
    let disk = MemoryDisk::new();
    disk.create_dir(Path::new("/d")).unwrap();
    let file = write(&disk, "/d/a", 2, b"xyz");
    assert_eq!(read(&disk, "/d/a").unwrap(), b"\0\0xyz");
    file.set_len(3).unwrap();
    disk.rename(Path::new("/d/a"), Path::new("/d/b")).unwrap();
    file.write_all_at(&mut [IoSlice::new(b"1"), IoSlice::new(b"2")], 0)
        .unwrap();
    assert_eq!(read(&disk, "/d/b").unwrap(), b"12x");
    assert!(disk.remove_dir(Path::new("/d")).is_err());
    remove_dir_all(&disk, Path::new("/d")).unwrap();
    assert_eq!(disk.list(Path::new("/")).unwrap(), []);
    assert_eq!(file.len().unwrap(), 3, "an open handle outlives its name");
}

#[test]
fn a_lock_is_held_once() {
    let disk = MemoryDisk::new();
    let path = Path::new("/.lock");
    let lock = disk.lock(path).unwrap();
    assert!(lock.is_some());
    assert!(disk.lock(path).unwrap().is_none());
    drop(lock);
    assert!(disk.lock(path).unwrap().is_some());
}

#[test]
fn what_is_not_synced_may_be_lost_in_any_combination() {
    let disk = MemoryDisk::new();
    let file = write(&disk, "/a", 0, b"durable");
    disk.sync_dir(Path::new("/")).unwrap();
    file.sync_data().unwrap();
    write(&disk, "/a", 0, b"XX");
    write(&disk, "/a", 7, b"YY");
    at_the_end(&disk, None, |point| {
        assert_eq!(point.unsynced(), 2);
        let check = |kept: [Kept; 2], expected: &[u8]| {
            let after = point.after_power_loss(|index| kept[index]);
            assert_eq!(read(&after, "/a").unwrap(), expected);
        };
        check([Kept::Nothing, Kept::Nothing], b"durable");
        check([Kept::Whole, Kept::Nothing], b"XXrable");
        check([Kept::Nothing, Kept::Whole], b"durableYY");
        check([Kept::Nothing, Kept::LengthOnly], b"durable\0\0");
        check([Kept::Whole, Kept::Whole], b"XXrableYY");
    });
}

#[test]
fn a_name_without_a_directory_sync_may_be_lost() {
    let disk = MemoryDisk::new();
    write(&disk, "/a", 0, b"x").sync_data().unwrap();
    at_the_end(&disk, None, |point| {
        assert_eq!(point.unsynced(), 1);
        assert_eq!(read(&point.after_power_loss(|_| Kept::Nothing), "/a"), None);
        assert_eq!(
            read(&point.after_power_loss(|_| Kept::Whole), "/a").unwrap(),
            b"x"
        );
    });
}

#[test]
fn a_write_tears_at_sector_boundaries() {
    let disk = MemoryDisk::new();
    write(&disk, "/a", 500, &[7; 1100]);
    disk.sync_dir(Path::new("/")).unwrap();
    at_the_end(&disk, None, |point| {
        assert_eq!(point.tears(0), 3, "at 512, 1024 and 1536");
        let len = |kept| read(&point.after_power_loss(|_| kept), "/a").unwrap().len();
        assert_eq!(len(Kept::SectorsBefore(0)), 512);
        assert_eq!(len(Kept::SectorsBefore(2)), 1536);
        let tail = read(&point.after_power_loss(|_| Kept::SectorsFrom(1)), "/a").unwrap();
        assert_eq!(tail.len(), 1600);
        assert!(tail[..1024].iter().all(|byte| *byte == 0));
    });
}

#[test]
fn the_death_of_the_process_loses_nothing_but_the_end_of_the_last_write() {
    let disk = MemoryDisk::new();
    write(&disk, "/a", 0, b"one");
    write(&disk, "/a", 3, b"two");
    at_the_end(&disk, None, |point| {
        assert_eq!(point.last_write_len(), Some(3));
        assert_eq!(
            read(&point.after_process_death(None), "/a").unwrap(),
            b"onetwo"
        );
        assert_eq!(
            read(&point.after_process_death(Some(1)), "/a").unwrap(),
            b"onet"
        );
        let identity = |disk: &MemoryDisk| disk.page_cache_identity(Path::new("/")).unwrap();
        assert_eq!(identity(&point.after_process_death(None)), identity(&disk));
        assert_ne!(
            identity(&point.after_power_loss(|_| Kept::Whole)),
            identity(&disk)
        );
    });
}

#[test]
fn an_atomic_write_survives_whole_or_not_at_all() {
    let disk = MemoryDisk::new();
    write_file_atomically(&disk, Path::new("/c"), b"old").unwrap();
    let old = disk.event_count();
    write_file_atomically(&disk, Path::new("/c"), b"new").unwrap();
    let mut states = 0;
    disk.history().for_each_point(None, |point| {
        for subset in 0..1_u32 << point.unsynced() {
            let keep = |index| {
                if subset >> index & 1 == 1 {
                    Kept::Whole
                } else {
                    Kept::Nothing
                }
            };
            let content = read(&point.after_power_loss(keep), "/c");
            let fine = match &content {
                None => point.events() < old,
                Some(content) => content == b"old" || content == b"new" && point.events() > old,
            };
            assert!(fine, "{content:?} after {} events", point.events());
            states += 1;
        }
    });
    assert!(states > 20, "{states}");
}

#[test]
fn each_sync_of_an_atomic_write_can_be_missed() {
    let disk = MemoryDisk::new();
    disk.create_dir(Path::new("/d")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    write_file_atomically(&disk, Path::new("/d/c"), b"new").unwrap();
    let sites = disk.history().sync_sites();
    let expected = ["/: create d", "c.tmp: write", "d: rename to c"];
    assert_eq!(
        sites.iter().map(String::as_str).collect::<Vec<_>>(),
        expected
    );
    for site in sites {
        at_the_end(&disk, Some(&site), |point| {
            let after = point.after_power_loss(|_| Kept::Nothing);
            assert_ne!(read(&after, "/d/c").as_deref(), Some(&b"new"[..]), "{site}");
        });
    }
}

#[test]
fn the_chosen_operation_fails_once() {
    let disk = MemoryDisk::new();
    let file = write(&disk, "/a", 0, b"0123");
    disk.fail(1, io::ErrorKind::StorageFull);
    file.write_all_at(&mut [IoSlice::new(b"ab")], 4).unwrap();
    let error = file
        .write_all_at(&mut [IoSlice::new(b"cdef")], 6)
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(
        read(&disk, "/a").unwrap(),
        b"0123abcd",
        "half of the failed write"
    );
    assert!(!disk.fault_pending());
    file.write_all_at(&mut [IoSlice::new(b"z")], 8).unwrap();
}

#[test]
fn what_a_failed_sync_lost_no_later_sync_brings_back() {
    let disk = MemoryDisk::new();
    let file = write(&disk, "/a", 0, b"lost");
    disk.sync_dir(Path::new("/")).unwrap();
    disk.fail(0, io::ErrorKind::Other);
    assert!(file.sync_data().is_err());
    write(&disk, "/a", 4, b"kept");
    file.sync_data().unwrap();
    at_the_end(&disk, None, |point| {
        let after = point.after_power_loss(|_| Kept::Nothing);
        assert_eq!(read(&after, "/a").unwrap(), b"\0\0\0\0kept");
    });
}
