//! Which requests start when, and in which order answers come out.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use odradek_protocol::frame::EncodedFrame;
use tokio::sync::oneshot;

use super::*;

/// A request as a client sends it, without a body: nothing here decodes one.
fn request(api_key: i16, version: i16) -> Request {
    let mut frame = Vec::new();
    frame.extend(api_key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend((-1i16).to_be_bytes());
    frame.extend([0; 100]);
    Request::parse(&Bytes::from(frame)).unwrap()
}

fn produce() -> Request {
    request(0, 8)
}

fn fetch() -> Request {
    request(1, 11)
}

fn metadata() -> Request {
    request(3, 8)
}

/// Starts what waits with an answer that the returned sender gives; `None` if it did not start.
fn start(pipeline: &mut Pipeline, overdrawn: bool) -> Option<oneshot::Sender<u8>> {
    let mut sender = None;
    let started = pipeline.start(overdrawn, |_| {
        let (give, given) = oneshot::channel();
        sender = Some(give);
        Ok(Box::pin(async move {
            let frame = EncodedFrame {
                bytes: vec![given.await.unwrap()],
                gaps: vec![],
            };
            Ok(Some(EncodedResponse {
                frame,
                ranges: vec![],
            }))
        }))
    });
    started.unwrap();
    sender
}

fn push_and_start(pipeline: &mut Pipeline, request: Request) -> Option<oneshot::Sender<u8>> {
    assert!(pipeline.has_room(usize::MAX));
    pipeline.push(request, None);
    start(pipeline, false)
}

async fn next(pipeline: &mut Pipeline) -> u8 {
    pipeline.next().await.unwrap().response.unwrap().frame.bytes[0]
}

#[tokio::test]
async fn produces_are_under_way_together_and_answered_in_their_order() {
    let mut pipeline = Pipeline::default();
    let first = push_and_start(&mut pipeline, produce()).unwrap();
    let second = push_and_start(&mut pipeline, produce()).unwrap();
    second.send(2).unwrap();
    assert!(
        pipeline.next_if_ready().is_none(),
        "the first is not there yet"
    );
    first.send(1).unwrap();
    assert_eq!(next(&mut pipeline).await, 1);
    assert!(pipeline.next_if_ready().is_some());
    assert!(pipeline.is_empty());
}

#[tokio::test]
async fn anything_else_is_under_way_alone() {
    for (earlier, later) in [
        (produce as fn() -> Request, metadata as fn() -> Request),
        (metadata, produce),
        (metadata, metadata),
        (fetch, produce),
    ] {
        let mut pipeline = Pipeline::default();
        let answer = push_and_start(&mut pipeline, earlier()).unwrap();
        assert!(push_and_start(&mut pipeline, later()).is_none());
        assert!(!pipeline.has_room(usize::MAX), "one may wait, no more");
        assert!(!pipeline.waits_for_memory());
        answer.send(1).unwrap();
        assert_eq!(next(&mut pipeline).await, 1);
        start(&mut pipeline, false).unwrap().send(2).unwrap();
        assert_eq!(next(&mut pipeline).await, 2);
    }
}

#[tokio::test]
async fn requests_and_bytes_under_way_are_bounded_but_one_always_passes() {
    let mut pipeline = Pipeline::default();
    assert!(pipeline.has_room(0));
    let mut answers = vec![push_and_start(&mut pipeline, produce()).unwrap()];
    assert!(!pipeline.has_room(100));
    assert!(pipeline.has_room(101));
    while pipeline.has_room(usize::MAX) {
        answers.push(push_and_start(&mut pipeline, produce()).unwrap());
    }
    assert_eq!(answers.len(), REQUESTS_MAX);
    answers.remove(0).send(1).unwrap();
    next(&mut pipeline).await;
    assert!(pipeline.has_room(usize::MAX));
}

#[tokio::test]
async fn nothing_starts_while_memory_is_overdrawn() {
    let mut pipeline = Pipeline::default();
    pipeline.push(metadata(), None);
    assert!(start(&mut pipeline, true).is_none());
    assert!(pipeline.waits_for_memory());
    assert!(start(&mut pipeline, false).is_some());
    assert!(!pipeline.waits_for_memory());
}

#[tokio::test]
async fn only_a_fetch_is_not_worth_answering_to_a_peer_that_left() {
    for (request, abandoned) in [(produce(), false), (metadata(), false), (fetch(), true)] {
        let mut pipeline = Pipeline::default();
        assert!(pipeline.may_be_abandoned(), "nothing to answer");
        let _answer = push_and_start(&mut pipeline, request);
        assert_eq!(pipeline.may_be_abandoned(), abandoned);
    }
}
