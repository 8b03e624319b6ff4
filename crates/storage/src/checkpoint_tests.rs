#![allow(clippy::unwrap_used)]

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::disk::RealDisk;

fn content(name: &str, text: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    (dir, path)
}

#[test]
fn an_offset_checkpoint_reads_as_kafka_writes_it() {
    let (_dir, path) = content("recovery-point", "0\n2\nclicks 11 4711\na-b.c_d 0 0\n");
    let expected = Offsets::from([
        (TopicPartition::new("clicks", 11), 4711),
        (TopicPartition::new("a-b.c_d", 0), 0),
    ]);
    assert_eq!(read_offsets(&RealDisk, &path).unwrap(), expected);
}

#[test]
fn an_offset_checkpoint_is_written_as_kafka_reads_it() {
    let (_dir, path) = content(
        "recovery-point",
        "what was there before, and longer than the new",
    );
    let offsets = Offsets::from([(TopicPartition::new("clicks", 3), 12)]);
    write_offsets(&RealDisk, &path, &offsets).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "0\n1\nclicks 3 12\n");
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "no temporary file stays"
    );
}

#[test]
fn a_missing_checkpoint_is_empty() {
    let dir = TempDir::new().unwrap();
    assert!(
        read_offsets(&RealDisk, &dir.path().join("none"))
            .unwrap()
            .is_empty()
    );
    assert!(
        read_epochs(&RealDisk, &dir.path().join("none"))
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        PartitionMetadata::read(&RealDisk, dir.path()).unwrap(),
        None
    );
    assert_eq!(
        read_identity(&RealDisk, &dir.path().join("none")).unwrap(),
        None
    );
}

#[test]
fn a_damaged_checkpoint_is_an_error_that_names_the_line() {
    let check = |text: &str, bad_line: usize| {
        let (_dir, path) = content("checkpoint", text);
        match read_offsets(&RealDisk, &path) {
            Err(CheckpointError::Malformed { line, .. }) => assert_eq!(line, bad_line, "{text:?}"),
            other => panic!("{text:?}: {other:?}"),
        }
    };
    check("", 1);
    check("1\n0\n", 1);
    check("0\n", 2);
    check("0\n-1\n", 2);
    check("0\n1\n", 3);
    check("0\n2\nt 0 1\n", 4);
    check("0\n1\nt 0\n", 3);
    check("0\n1\nt 0 1 2\n", 3);
    check("0\n1\nt 0 +1\n", 3);
    check("0\n1\nt 0 99999999999999999999\n", 3);
    check("0\n1\nt 0 1\nt 1 1\n", 4);
    check("\0\0\0\0\0\0\0\0", 1);
}

#[test]
fn a_false_number_of_rows_reserves_no_memory() {
    let (_dir, path) = content("checkpoint", "0\n18446744073709551615\nt 0 1\n");
    assert!(read_offsets(&RealDisk, &path).is_err());
}

#[test]
fn leader_epochs_are_written_as_kafka_reads_them() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("leader-epoch-checkpoint");
    let entries = [
        EpochEntry {
            epoch: 0,
            start_offset: 0,
        },
        EpochEntry {
            epoch: 7,
            start_offset: 1_234_567_890_123,
        },
    ];
    write_epochs(&RealDisk, &path, &entries).unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "0\n2\n0 0\n7 1234567890123\n"
    );
    assert_eq!(read_epochs(&RealDisk, &path).unwrap(), entries);
}

#[test]
fn partition_metadata_is_written_as_kafka_reads_it() {
    let dir = TempDir::new().unwrap();
    let metadata = PartitionMetadata {
        topic_id: Uuid::from_u128(1),
    };
    metadata.write(&RealDisk, dir.path()).unwrap();
    let text = fs::read_to_string(dir.path().join("partition.metadata")).unwrap();
    assert_eq!(text, "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n");
    assert_eq!(
        PartitionMetadata::read(&RealDisk, dir.path()).unwrap(),
        Some(metadata)
    );
}

#[test]
fn meta_properties_read_as_kafka_writes_them() {
    let (_dir, path) = content(
        "meta.properties",
        "#\n#Sun Nov 22 07:00:00 UTC 2026\ncluster.id=4L6g3nShT-eMCtK--X86sw\n\
         directory.id=AAAAAAAAAAAAAAAAAAAAAQ\nnode.id=3\nversion=1\n",
    );
    let expected = DirIdentity {
        cluster_id: "4L6g3nShT-eMCtK--X86sw".to_owned(),
        node_id: 3,
        directory_id: Uuid::from_u128(1),
    };
    assert_eq!(
        read_identity(&RealDisk, &path).unwrap(),
        Some(expected.clone())
    );
    write_identity(&RealDisk, &path, &expected).unwrap();
    assert_eq!(read_identity(&RealDisk, &path).unwrap(), Some(expected));
}

#[test]
fn damaged_meta_properties_are_an_error() {
    let whole = "version=1\ncluster.id=c\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ\n";
    for (from, to) in [
        ("version=1\n", ""),
        ("version=1", "version=0"),
        ("cluster.id=c\n", ""),
        ("node.id=1", "node.id=-1"),
        ("node.id=1", "node.id="),
        ("AQ", ""),
    ] {
        let (_dir, path) = content("meta.properties", &whole.replace(from, to));
        let error = read_identity(&RealDisk, &path).unwrap_err();
        assert!(
            matches!(error, CheckpointError::Malformed { .. }),
            "{from} -> {to}: {error}"
        );
    }
}
