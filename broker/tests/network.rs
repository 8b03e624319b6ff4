//! Connections to a broker in this process, frame by frame: what no client library would do, and
//! what every client relies on.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use bytes::Bytes;
use odradek_broker::{
    broker::Broker,
    config::{self, Surroundings},
};
use odradek_protocol::{
    ApiKey, Decoder, ErrorCode, Message, RequestHeader, ResponseHeader, frame,
    messages::{
        api_versions::{ApiVersionsRequest, ApiVersionsResponse},
        fetch::{FetchPartition, FetchRequest, FetchTopic},
        metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse},
        produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData},
    },
    records::BatchBuilder,
};
use tempfile::TempDir;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A broker with its own directory and port; stopped when dropped.
struct Served {
    broker: Option<Broker>,
    _directory: TempDir,
}

impl Served {
    fn start(overrides: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        settings.push("listeners=PLAINTEXT://127.0.0.1:0".to_owned());
        settings.push("admin.listener=".to_owned());
        settings.push(format!(
            "log.dirs={}",
            directory.path().join("data").display()
        ));
        let loaded = config::load(None, &settings, &Surroundings::default()).unwrap();
        let broker = Broker::start(loaded.config, Instant::now()).unwrap();
        Self {
            broker: Some(broker),
            _directory: directory,
        }
    }

    fn connect(&self) -> Client {
        let address = self.broker.as_ref().unwrap().listening_on().next().unwrap();
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Client { socket }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            broker.stop();
        }
    }
}

/// A connection that speaks frames.
struct Client {
    socket: TcpStream,
}

fn encoded<Q: Message>(request: &Q, version: i16, correlation_id: i32) -> Vec<u8> {
    let header = RequestHeader {
        api_key: Q::KEY,
        api_version: version,
        correlation_id,
        client_id: None,
    };
    frame::encode_request(&header, request).unwrap().bytes
}

impl Client {
    fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// The next answer; panics unless it has this correlation id.
    fn receive<A: Message>(&mut self, version: i16, correlation_id: i32) -> A {
        let mut length = [0; 4];
        self.socket.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
        self.socket.read_exact(&mut answer).unwrap();
        let answer = Bytes::from(answer);
        let mut decoder = Decoder::new(&answer);
        let header = ResponseHeader::decode(&mut decoder, A::KEY, version).unwrap();
        assert_eq!(header.correlation_id, correlation_id);
        Message::decode(&mut decoder, version).unwrap()
    }

    /// Waits until the broker closes the connection; what it sends before is of no interest.
    fn wait_until_closed(mut self) -> Duration {
        let began = Instant::now();
        let mut sink = [0; 4096];
        loop {
            match self.socket.read(&mut sink) {
                Ok(0) => return began.elapsed(),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return began.elapsed(),
                Err(error) => panic!("the broker did not close the connection: {error}"),
            }
        }
    }

    fn create_topic(&mut self, name: &str) {
        let topic = MetadataRequestTopic {
            name: Some(name.to_owned()),
            ..Default::default()
        };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: true,
            ..Default::default()
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            self.send(&encoded(&request, 9, 0));
            let answer: MetadataResponse = self.receive(9, 0);
            if answer.topics[0].error_code == ErrorCode::None {
                return;
            }
        }
        panic!("the topic {name} was not created");
    }
}

/// A produce request of one record to partition 0.
fn produce(topic: &str, acks: i16, value: &[u8]) -> ProduceRequest {
    let batch = BatchBuilder::new().record(1, None, Some(value)).build();
    let partition = PartitionProduceData {
        index: 0,
        records: Some(batch.to_bytes()),
    };
    let topic_data = vec![TopicProduceData {
        name: topic.to_owned(),
        partition_data: vec![partition],
        ..Default::default()
    }];
    ProduceRequest {
        acks,
        timeout_ms: 10_000,
        topic_data,
        ..Default::default()
    }
}

fn base_offset(answer: &ProduceResponse) -> i64 {
    let partition = &answer.responses[0].partition_responses[0];
    assert_eq!(partition.error_code, ErrorCode::None);
    partition.base_offset
}

/// A fetch that waits for records that never come.
fn long_poll(topic: &str) -> FetchRequest {
    let partition = FetchPartition {
        partition_max_bytes: 1 << 20,
        ..Default::default()
    };
    let topic = FetchTopic {
        topic: topic.to_owned(),
        partitions: vec![partition],
        ..Default::default()
    };
    FetchRequest {
        max_wait_ms: 600_000,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![topic],
        session_epoch: -1,
        ..Default::default()
    }
}

#[test]
fn requests_sent_in_one_go_are_answered_in_their_order_and_records_keep_it() {
    let served = Served::start(&[]);
    let mut client = served.connect();
    client.create_topic("t");
    let mut sent = Vec::new();
    for number in 0..300 {
        if number % 7 == 3 {
            sent.extend(encoded(&ApiVersionsRequest::default(), 0, number));
        } else {
            let value = vec![7; usize::try_from(number).unwrap() * 10];
            sent.extend(encoded(&produce("t", 1, &value), 8, number));
        }
    }
    client.send(&sent);
    let mut offset = 0;
    for number in 0..300 {
        if number % 7 == 3 {
            let answer: ApiVersionsResponse = client.receive(0, number);
            assert_eq!(answer.error_code, ErrorCode::None);
        } else {
            assert_eq!(base_offset(&client.receive(8, number)), offset);
            offset += 1;
        }
    }
}

#[test]
fn a_produce_without_acknowledgement_has_no_answer_and_keeps_its_place() {
    let served = Served::start(&[]);
    let mut client = served.connect();
    client.create_topic("t");
    client.send(&encoded(&produce("t", 0, b"silent"), 8, 1));
    client.send(&encoded(&produce("t", 1, b"told"), 8, 2));
    assert_eq!(base_offset(&client.receive(8, 2)), 1);
}

#[test]
fn a_client_that_ends_its_side_still_gets_what_it_asked_for() {
    let served = Served::start(&[]);
    let mut client = served.connect();
    client.create_topic("t");
    client.send(&encoded(&produce("t", -1, b"last words"), 8, 1));
    client.socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(base_offset(&client.receive(8, 1)), 0);
    client.wait_until_closed();
}

#[test]
fn a_long_poll_ends_when_its_client_leaves_even_with_requests_behind_it() {
    let served = Served::start(&[]);
    for behind in [0, 1, 1000] {
        let mut client = served.connect();
        client.create_topic("t");
        client.send(&encoded(&long_poll("t"), 11, 1));
        for number in 0..behind {
            client.send(&encoded(&ApiVersionsRequest::default(), 0, number));
        }
        client.socket.shutdown(Shutdown::Write).unwrap();
        assert!(client.wait_until_closed() < PATIENCE);
    }
}

#[test]
fn large_requests_that_stall_do_not_keep_others_from_the_memory() {
    let served = Served::start(&["queued.max.request.bytes=4000000"]);
    let mut good = served.connect();
    good.create_topic("t");
    // A few of these take the whole budget. Then the broker stops reading, so not all of it leaves.
    let hostile: Vec<Client> = std::iter::repeat_with(|| {
        let mut client = served.connect();
        client.send(&50_000_000_i32.to_be_bytes());
        client.socket.set_nonblocking(true).unwrap();
        let _ = client.socket.write(&vec![0; 1_000_000]);
        client
    })
    .take(40)
    .collect();
    for number in 0..10 {
        good.send(&encoded(&produce("t", 1, &vec![7; 500_000]), 8, number));
        assert_eq!(base_offset(&good.receive(8, number)), i64::from(number));
    }
    drop(hostile);
}

#[test]
fn requests_larger_than_the_whole_budget_pass_one_after_the_other() {
    let served = Served::start(&["queued.max.request.bytes=100000"]);
    let mut clients: Vec<Client> = (0..4).map(|_| served.connect()).collect();
    clients[0].create_topic("t");
    std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(move || {
                client.send(&encoded(&produce("t", 1, &vec![7; 1_000_000]), 8, 1));
                base_offset(&client.receive(8, 1));
            });
        }
    });
}

#[test]
fn requests_other_than_produce_may_not_be_huge() {
    let served = Served::start(&[]);
    for api_key in [ApiKey::Fetch, ApiKey::Metadata, ApiKey::ApiVersions] {
        let mut client = served.connect();
        client.send(&3_000_000_i32.to_be_bytes());
        client.send(&api_key.number().to_be_bytes());
        client.wait_until_closed();
    }
}

#[test]
fn a_stop_does_not_wait_for_long_polls() {
    let mut served = Served::start(&[]);
    let mut client = served.connect();
    client.create_topic("t");
    client.send(&encoded(&long_poll("t"), 11, 1));
    let began = Instant::now();
    served.broker.take().unwrap().stop();
    assert!(began.elapsed() < PATIENCE);
    client.wait_until_closed();
}
