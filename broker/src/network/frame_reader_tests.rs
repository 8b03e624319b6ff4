//! Frames over real sockets: how they are cut, what they hold, when reading waits.
#![allow(clippy::unwrap_used)]

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpListener, time::timeout};

use super::*;
use crate::{
    disk::pool::DiskPool,
    network::{buffer_pool::BufferPool, memory_budget::MemoryBudget},
};

const REQUEST_BYTES_MAX: usize = 64 << 20;
const LONG: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(20);

/// A frame that begins with the API key of Produce, so that it may have any length.
fn produce_frame(len: usize) -> Vec<u8> {
    let body = (0..len).map(|i| if i < 2 { 0 } else { i as u8 });
    i32::try_from(len)
        .unwrap()
        .to_be_bytes()
        .into_iter()
        .chain(body)
        .collect()
}

fn resources(budget_bytes: usize) -> Resources {
    Resources {
        budget: MemoryBudget::new(budget_bytes),
        pool: BufferPool::new(),
        disk: DiskPool::start(NonZeroUsize::MIN).unwrap(),
        request_bytes_max: REQUEST_BYTES_MAX,
        stall_timeout: Duration::from_secs(30),
    }
}

/// Both ends of a connection: the client's and the broker's.
async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    client.set_nodelay(true).unwrap();
    (client, listener.accept().await.unwrap().0)
}

async fn next_frame(
    reader: &mut FrameReader,
    socket: &TcpStream,
    resources: &Resources,
) -> Option<Frame> {
    loop {
        if let Some(frame) = reader.take_frame(resources).unwrap() {
            return Some(frame);
        }
        if timeout(LONG, reader.fill(socket, resources, true))
            .await
            .unwrap()
            .unwrap()
            == 0
        {
            return None;
        }
    }
}

#[tokio::test]
async fn frames_of_all_sizes_arrive_whole_and_in_order_however_they_are_split() {
    let (mut client, server) = connected().await;
    let resources = resources(usize::MAX);
    let sizes = [
        2, 3, 100, 4090, 4096, 4100, 16_380, 16_384, 20_000, 65_532, 65_536, 70_000, 300_000, 2,
        1_048_572, 1_048_576, 5_000_000, 0, 7,
    ];
    let sent: Vec<u8> = sizes.iter().flat_map(|&len| produce_frame(len)).collect();
    let sender = tokio::spawn(async move {
        for (number, piece) in sent.chunks(10_007).enumerate() {
            client.write_all(piece).await.unwrap();
            if number % 16 == 0 {
                tokio::task::yield_now().await;
            }
        }
    });
    let mut reader = FrameReader::default();
    for size in sizes {
        let frame = next_frame(&mut reader, &server, &resources).await.unwrap();
        assert_eq!(
            frame.bytes,
            produce_frame(size)[4..],
            "the frame of {size} bytes"
        );
    }
    sender.await.unwrap();
    assert!(next_frame(&mut reader, &server, &resources).await.is_none());
    assert_eq!(resources.budget.used_bytes(), 0, "every buffer went back");
}

#[tokio::test]
async fn bytes_that_come_one_at_a_time_make_a_frame() {
    let (mut client, server) = connected().await;
    let resources = resources(usize::MAX);
    let mut reader = FrameReader::default();
    for byte in produce_frame(40) {
        assert!(reader.take_frame(&resources).unwrap().is_none());
        client.write_all(&[byte]).await.unwrap();
        assert_eq!(reader.fill(&server, &resources, true).await.unwrap(), 1);
    }
    assert_eq!(
        reader.take_frame(&resources).unwrap().unwrap().bytes.len(),
        40
    );
}

#[tokio::test]
async fn a_declared_length_reserves_nothing() {
    let (mut client, server) = connected().await;
    let resources = resources(usize::MAX);
    let mut reader = FrameReader::default();
    client
        .write_all(&(60i32 << 20).to_be_bytes())
        .await
        .unwrap();
    client.write_all(&[0; 6]).await.unwrap();
    while reader
        .partial
        .as_ref()
        .is_none_or(|partial| partial.buffer.filled().len() < 10)
    {
        reader.fill(&server, &resources, true).await.unwrap();
        assert!(reader.take_frame(&resources).unwrap().is_none());
    }
    assert!(resources.budget.used_bytes() <= FREE_BYTES);
}

#[tokio::test]
async fn illegal_lengths_are_refused_as_soon_as_they_are_known() {
    let too_large_for_metadata = [&(3i32 << 20).to_be_bytes()[..], &[0, 3]].concat();
    let too_large_for_all = (65i32 << 20).to_be_bytes().to_vec();
    let negative = (-2i32).to_be_bytes().to_vec();
    for sent in [too_large_for_metadata, too_large_for_all, negative] {
        let (mut client, server) = connected().await;
        let resources = resources(usize::MAX);
        let mut reader = FrameReader::default();
        client.write_all(&sent).await.unwrap();
        let refused = loop {
            match reader.take_frame(&resources) {
                Ok(frame) => assert!(frame.is_none()),
                Err(error) => break error,
            }
            timeout(LONG, reader.fill(&server, &resources, true))
                .await
                .unwrap()
                .unwrap();
        };
        assert!(matches!(
            refused,
            FrameError::Negative(-2) | FrameError::TooLarge { .. }
        ));
    }
}

#[tokio::test]
async fn small_requests_pass_while_the_budget_is_used_up_and_large_ones_wait() {
    let resources = resources(1_000_000);
    let full = resources.budget.charge(1_000_000);
    let turn = resources.budget.room_or_turn(100_000).await;

    let (mut client, server) = connected().await;
    let mut reader = FrameReader::default();
    client.write_all(&produce_frame(500)).await.unwrap();
    assert!(next_frame(&mut reader, &server, &resources).await.is_some());

    client.write_all(&produce_frame(100_000)).await.unwrap();
    let waits = timeout(SHORT, next_frame(&mut reader, &server, &resources)).await;
    assert!(waits.is_err(), "a large request is not read");
    assert!(resources.budget.used_bytes() <= 1_000_000 + FREE_BYTES);
    assert!(reader.pace().is_none(), "the peer is not blamed for it");

    drop(full);
    let frame = next_frame(&mut reader, &server, &resources).await.unwrap();
    assert_eq!(frame.bytes.len(), 100_000);
    assert!(frame.turn.is_none());
    drop(turn);
}

#[tokio::test]
async fn one_request_larger_than_the_budget_passes_and_takes_the_turn_with_it() {
    let resources = resources(10_000);
    let (mut client, server) = connected().await;
    let mut reader = FrameReader::default();
    let sender = tokio::spawn(async move {
        client.write_all(&produce_frame(1_000_000)).await.unwrap();
        client
    });
    let frame = next_frame(&mut reader, &server, &resources).await.unwrap();
    assert_eq!(frame.bytes.len(), 1_000_000);
    assert!(frame.turn.is_some());
    assert!(
        timeout(SHORT, resources.budget.room_or_turn(100_000))
            .await
            .is_err()
    );
    drop(frame);
    assert!(resources.budget.room_or_turn(100_000).await.is_none());
    sender.await.unwrap();
}

#[tokio::test]
async fn who_may_not_read_still_learns_that_the_peer_left_and_loses_no_bytes() {
    let (mut client, server) = connected().await;
    let resources = resources(usize::MAX);
    let mut reader = FrameReader::default();
    client.write_all(&produce_frame(300)).await.unwrap();
    let watching = timeout(SHORT, reader.fill(&server, &resources, false)).await;
    assert!(watching.is_err(), "bytes alone are no news");
    let frame = next_frame(&mut reader, &server, &resources).await.unwrap();
    assert_eq!(frame.bytes.len(), 300);

    client.write_all(&produce_frame(300)).await.unwrap();
    drop(client);
    let ended = timeout(LONG, reader.fill(&server, &resources, false))
        .await
        .unwrap();
    assert_eq!(ended.unwrap(), 0);
}

/// The first read after a while of not reading may take less than there is. The kernel told of the
/// rest when nobody wanted to read, and will not tell again: producers stalled until given up.
#[tokio::test]
async fn what_piled_up_while_nobody_read_is_read_to_its_end() {
    let (mut client, server) = connected().await;
    let resources = resources(10);
    let used_up = resources.budget.charge(10);
    let mut reader = FrameReader::default();
    client.write_all(&produce_frame(20_000)).await.unwrap();
    let watching = timeout(SHORT, reader.fill(&server, &resources, false)).await;
    assert!(watching.is_err(), "bytes alone are no news");
    let first = reader.fill(&server, &resources, true).await.unwrap();
    assert_eq!(first, FREE_BYTES);
    drop(used_up);
    let frame = next_frame(&mut reader, &server, &resources).await.unwrap();
    assert_eq!(frame.bytes.len(), 20_000);
}

#[tokio::test]
async fn between_two_requests_no_buffer_is_held() {
    let (mut client, server) = connected().await;
    let resources = resources(usize::MAX);
    let mut reader = FrameReader::default();
    for len in [100, 50_000, 2_000_000] {
        let sending = produce_frame(len);
        let sender = tokio::spawn(async move {
            client.write_all(&sending).await.unwrap();
            client
        });
        drop(next_frame(&mut reader, &server, &resources).await.unwrap());
        client = sender.await.unwrap();
        assert!(reader.take_frame(&resources).unwrap().is_none());
        assert!(!reader.is_amid_frame());
        assert_eq!(resources.budget.used_bytes(), 0);
    }
    assert_eq!(Arc::strong_count(&resources.pool), 1);
}
