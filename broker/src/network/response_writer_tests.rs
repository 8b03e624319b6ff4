//! Answers over real sockets: memory and file ranges, in order; slow and absent readers.
#![allow(clippy::unwrap_used)]

use std::{io::Write, num::NonZeroUsize, path::Path, time::Duration};

use odradek_protocol::{Gap, frame::EncodedFrame};
use odradek_storage::disk::{Disk, OpenMode, RealDisk};
use tokio::{io::AsyncReadExt, net::TcpListener, time::timeout};

use super::*;
use crate::{
    disk::pool::DiskPool,
    network::{buffer_pool::BufferPool, memory_budget::MemoryBudget},
};

const LONG: Duration = Duration::from_mins(1);

fn resources(stall_timeout: Duration) -> Arc<Resources> {
    Arc::new(Resources {
        budget: MemoryBudget::new(1 << 20),
        pool: BufferPool::new(),
        disk: DiskPool::start(NonZeroUsize::new(2).unwrap()).unwrap(),
        request_bytes_max: 1 << 20,
        stall_timeout,
    })
}

async fn connected() -> (TcpStream, ResponseWriter) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    (
        client,
        ResponseWriter::new(Arc::new(listener.accept().await.unwrap().0)),
    )
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

/// A file of `len` bytes as the log engine opens it.
fn file(directory: &Path, len: usize) -> Arc<dyn DiskFile> {
    let path = directory.join("00000000000000000000.log");
    std::fs::File::create(&path)
        .unwrap()
        .write_all(&content(len))
        .unwrap();
    RealDisk.open(&path, OpenMode::Read).unwrap()
}

fn range(file: &Arc<dyn DiskFile>, position: u64, len: u32, hot: bool) -> LogSlice {
    let file = Arc::clone(file);
    LogSlice {
        file,
        position,
        len,
        hot,
        first_offset: 0,
        end_offset: None,
    }
}

fn response(bytes: &[u8], gaps: &[(usize, u32)], ranges: Vec<LogSlice>) -> EncodedResponse {
    let gaps = gaps.iter().map(|&(at, len)| Gap { at, len }).collect();
    EncodedResponse {
        frame: EncodedFrame {
            bytes: bytes.to_vec(),
            gaps,
        },
        ranges,
    }
}

/// Sends `answers` and returns what the client got.
async fn exchange(answers: Vec<EncodedResponse>) -> Vec<u8> {
    let resources = resources(LONG);
    let (mut client, mut writer) = connected().await;
    let memory: usize = answers.iter().map(|answer| answer.frame.bytes.len()).sum();
    for answer in answers {
        writer.queue(answer, None, &resources).unwrap();
    }
    assert_eq!(resources.budget.used_bytes(), memory);
    let sender = tokio::spawn(async move {
        writer.flush(&resources).await.unwrap();
        assert_eq!(resources.budget.used_bytes(), 0);
    });
    let mut received = Vec::new();
    timeout(LONG, client.read_to_end(&mut received))
        .await
        .unwrap()
        .unwrap();
    sender.await.unwrap();
    received
}

#[tokio::test]
async fn ranges_fill_the_gaps_and_answers_leave_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path(), 3_000_000);
    let content = content(3_000_000);
    for hot in [true, false] {
        let long = vec![
            range(&file, 0, 2_000_000, hot),
            range(&file, 2_500_000, 5, hot),
        ];
        let two = vec![range(&file, 10, 3, hot), range(&file, 99, 4, hot)];
        let received = exchange(vec![
            response(b"first", &[], vec![]),
            response(b"abcdef", &[(2, 2_000_000), (4, 5), (6, 0)], long),
            response(b"xyz", &[(0, 7)], two),
            response(b"last", &[], vec![]),
        ]);
        let expected = [
            b"first",
            &b"ab"[..],
            &content[..2_000_000],
            b"cd",
            &content[2_500_000..2_500_005],
            b"ef",
            &content[10..13],
            &content[99..103],
            b"xyz",
            b"last",
        ];
        assert!(received.await == expected.concat(), "hot: {hot}");
    }
}

#[tokio::test]
async fn many_small_answers_leave_together() {
    let answers = (0..100).map(|i| response(&[i, i], &[], vec![])).collect();
    let expected: Vec<u8> = (0..100).flat_map(|i| [i, i]).collect();
    assert_eq!(exchange(answers).await, expected);
}

#[tokio::test]
async fn a_file_that_is_shorter_than_promised_ends_the_connection() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path(), 100);
    for hot in [true, false] {
        let resources = resources(LONG);
        let (_client, mut writer) = connected().await;
        let answer = response(b"abcd", &[(4, 50)], vec![range(&file, 80, 50, hot)]);
        writer.queue(answer, None, &resources).unwrap();
        let flushed = timeout(LONG, writer.flush(&resources)).await.unwrap();
        assert!(matches!(flushed, Err(WriteError::FileEnded)));
    }
}

#[tokio::test]
async fn gaps_and_ranges_that_disagree_are_never_sent() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path(), 100);
    let resources = resources(LONG);
    let (_client, mut writer) = connected().await;
    for (gaps, ranges) in [
        (&[(2, 10)][..], vec![]),
        (&[(2, 10)], vec![range(&file, 0, 11, true)]),
        (
            &[(2, 10)],
            vec![range(&file, 0, 10, true), range(&file, 0, 1, true)],
        ),
        (&[(9, 10)], vec![range(&file, 0, 10, true)]),
    ] {
        let queued = writer.queue(response(b"abcd", gaps, ranges), None, &resources);
        assert!(matches!(queued, Err(WriteError::GapsAndRangesDiffer)));
    }
}

#[tokio::test]
async fn a_client_that_never_reads_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path(), 50_000_000);
    let resources = resources(Duration::from_millis(200));
    let (_client, mut writer) = connected().await;
    let answer = response(
        b"abcd",
        &[(4, 50_000_000)],
        vec![range(&file, 0, 50_000_000, true)],
    );
    writer.queue(answer, None, &resources).unwrap();
    let flushed = timeout(LONG, writer.flush(&resources)).await.unwrap();
    assert!(matches!(flushed, Err(WriteError::Stalled)));
}

#[tokio::test]
async fn who_holds_memory_without_reading_is_given_up_sooner_while_others_wait_for_it() {
    let resources = resources(Duration::from_hours(1));
    let (_client, mut writer) = connected().await;
    // More than both socket buffers take.
    writer
        .queue(response(&vec![0; 64 << 20], &[], vec![]), None, &resources)
        .unwrap();
    let waiting = tokio::spawn({
        let resources = Arc::clone(&resources);
        async move { resources.budget.no_longer_overdrawn().await }
    });
    let flushed = timeout(LONG, writer.flush(&resources)).await.unwrap();
    assert!(matches!(flushed, Err(WriteError::Stalled)));
    drop(writer);
    timeout(LONG, waiting).await.unwrap().unwrap();
}
