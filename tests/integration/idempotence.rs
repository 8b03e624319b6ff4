//! A retry is stored once: sequences, epochs, and what survives a crash.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use odradek_protocol::{
    ErrorCode, Uuid,
    messages::{
        init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
        list_offsets::LATEST_TIMESTAMP,
        produce::ProduceResponse,
    },
    records::BatchBuilder,
};
use odradek_tests::{broker::Broker, port, wait};
use rdkafka::producer::{BaseProducer, Producer as _};

use crate::{
    client::{config, create_topic, producer, read, send_all, topic_id, values, watermarks},
    list_offsets::offset_at,
    produce_raw::{self, now_ms, produce},
    recovery::forget_boot,
    wire::Wire,
};

fn init_producer_id(wire: &mut Wire) -> i64 {
    let response: InitProducerIdResponse = wire.call(5, &InitProducerIdRequest::default());
    assert_eq!(response.error_code, ErrorCode::None);
    assert_eq!(response.producer_epoch, 0);
    response.producer_id
}

/// What one producer sends to one partition.
struct Producer {
    topic: Uuid,
    id: i64,
    value_bytes: usize,
}

impl Producer {
    /// A batch of three records, the first of which has this sequence number.
    fn batch(&self, epoch: i16, sequence: i32) -> Bytes {
        let value = vec![b'x'; self.value_bytes];
        let batch = BatchBuilder::new().producer(self.id, epoch, sequence);
        (0..3)
            .fold(batch, |batch, _| batch.record(now_ms(), None, Some(&value)))
            .build()
            .to_bytes()
    }

    fn send(&self, wire: &mut Wire, epoch: i16, sequence: i32) -> Result<i64, ErrorCode> {
        produce(wire, self.topic, 0, self.batch(epoch, sequence))
            .map_err(|refused| refused.error_code)
    }
}

/// How a broker can end.
#[derive(Debug, Clone, Copy)]
enum End {
    /// SIGTERM.
    Stop,
    /// SIGKILL: the page cache lives.
    Kill,
    /// SIGKILL, and the next start must take the page cache for lost.
    KillAndForgetBoot,
}

#[tokio::test(flavor = "multi_thread")]
async fn five_batches_in_flight_get_their_original_offsets_when_they_are_sent_again() {
    for end in [End::Kill, End::KillAndForgetBoot, End::Stop] {
        // The large ones go through several segments, and so through snapshots.
        for value_bytes in [10, 120_000] {
            five_in_flight(end, value_bytes).await;
        }
    }
}

async fn five_in_flight(end: End, value_bytes: usize) {
    let case = format!("{end:?}, {value_bytes}");
    let mut broker = Broker::start();
    create_topic(&broker, "in-flight", 1, &[("segment.bytes", "1048576")]).await;
    let mut wire = Wire::connect(&broker);
    let producer = Producer {
        topic: topic_id(&mut wire, "in-flight"),
        id: init_producer_id(&mut wire),
        value_bytes,
    };
    for number in 0..4 {
        assert_eq!(
            producer.send(&mut wire, 0, number * 3),
            Ok(i64::from(number) * 3)
        );
    }
    // Appended, and nobody reads that they are.
    let in_flight: Vec<_> = (4..9)
        .map(|number| (number * 3, producer.batch(0, number * 3)))
        .collect();
    for (_, batch) in &in_flight {
        let request = produce_raw::request(producer.topic, 0, batch.clone());
        wire.send(produce_raw::VERSION, &request);
    }
    let mut other = Wire::connect(&broker);
    wait::until("all five are appended", || {
        (offset_at(&mut other, "in-flight", LATEST_TIMESTAMP).0 == 27).then_some(())
    });
    match end {
        End::Stop => assert!(broker.stop().success()),
        End::Kill => broker.kill(),
        End::KillAndForgetBoot => {
            broker.kill();
            forget_boot(&broker);
        }
    }
    broker.start_again();

    let mut wire = Wire::connect(&broker);
    for (sequence, batch) in in_flight {
        let again = produce(&mut wire, producer.topic, 0, batch);
        assert_eq!(again.unwrap(), i64::from(sequence), "{case}");
    }
    assert_eq!(producer.send(&mut wire, 0, 27), Ok(27), "{case}");
    assert_eq!(watermarks(&broker, "in-flight", 0), (0, 30), "{case}");
    assert!(init_producer_id(&mut wire) != producer.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sequence_has_no_gaps_and_wraps() {
    let broker = Broker::start();
    create_topic(&broker, "sequence", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let producer = Producer {
        topic: topic_id(&mut wire, "sequence"),
        id: init_producer_id(&mut wire),
        value_bytes: 1,
    };
    let mut send = |sequence| producer.send(&mut wire, 0, sequence);
    let gap = Err(ErrorCode::OutOfOrderSequenceNumber);
    assert_eq!(send(0), Ok(0));
    assert_eq!(send(6), gap);
    assert_eq!(send(3), Ok(3));
    assert_eq!(send(3), Ok(3), "a retry");
    assert_eq!(send(4), gap, "half a retry");
    // After five more the first is known to have been there, but no longer where.
    for number in 2..7 {
        assert_eq!(send(number * 3), Ok(i64::from(number) * 3));
    }
    assert_eq!(send(0), Err(ErrorCode::DuplicateSequenceNumber));
    assert_eq!(send(6), Ok(6), "the oldest of the last five");
    assert_eq!(send(24), gap);

    // A producer of whom nothing is known may start anywhere, also right before the wrap.
    let wrapping = Producer {
        id: producer.id + 1_000_000,
        ..producer
    };
    let mut send = |sequence| wrapping.send(&mut wire, 0, sequence);
    assert_eq!(send(i32::MAX - 1), Ok(21));
    assert_eq!(send(0), gap, "MAX - 1, MAX, 0: the last one is used");
    assert_eq!(send(1), Ok(24));
    assert_eq!(send(i32::MAX - 1), Ok(21));
    assert_eq!(send(4), Ok(27));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_epoch_is_fenced_and_a_newer_one_starts_at_zero() {
    let broker = Broker::start();
    create_topic(&broker, "fenced", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let producer = Producer {
        topic: topic_id(&mut wire, "fenced"),
        id: init_producer_id(&mut wire),
        value_bytes: 1,
    };
    let mut send = |epoch, sequence| producer.send(&mut wire, epoch, sequence);
    assert_eq!(send(0, 0), Ok(0));
    assert_eq!(send(1, 3), Err(ErrorCode::OutOfOrderSequenceNumber));
    assert_eq!(send(1, 0), Ok(3));
    assert_eq!(send(0, 3), Err(ErrorCode::InvalidProducerEpoch));
    assert_eq!(send(0, 0), Err(ErrorCode::InvalidProducerEpoch));
    assert_eq!(send(1, 3), Ok(6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_sent_twice_in_one_breath_is_stored_once() {
    let broker = Broker::start();
    create_topic(&broker, "twice", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let producer = Producer {
        topic: topic_id(&mut wire, "twice"),
        id: init_producer_id(&mut wire),
        value_bytes: 1,
    };
    for _ in 0..50 {
        let request = produce_raw::request(producer.topic, 0, producer.batch(0, 0));
        wire.send(produce_raw::VERSION, &request);
    }
    for _ in 0..50 {
        let response: ProduceResponse = wire.receive(produce_raw::VERSION);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(
            (partition.error_code, partition.base_offset),
            (ErrorCode::None, 0)
        );
    }
    assert_eq!(watermarks(&broker, "twice", 0), (0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_producer_id_is_given_out_twice() {
    let mut broker = Broker::start();
    let mut given = BTreeSet::new();
    for _ in 0..4 {
        let mut wire = Wire::connect(&broker);
        for _ in 0..300 {
            assert!(given.insert(init_producer_id(&mut wire)));
        }
        broker.kill();
        broker.start_again();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_wants_transactions_learns_at_once_that_there_are_none() {
    let broker = Broker::start();
    let settings = [("transactional.id", "wanted")];
    let client: BaseProducer = config(&broker, &settings).create().unwrap();
    let began = Instant::now();
    let refused = client
        .init_transactions(Duration::from_mins(1))
        .unwrap_err();
    let took = began.elapsed();
    println!("init_transactions failed after {took:?}: {refused}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let rdkafka::error::KafkaError::Transaction(error) = refused else {
        panic!("{refused}");
    };
    assert!(error.is_fatal(), "{error}");
}

/// librdkafka with idempotence through a proxy that swallows every few answers and cuts the
/// connection: what was appended is sent again.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_lost_on_the_way_cost_no_record_and_double_none() {
    let front = port::unused();
    let advertised = format!("PLAINTEXT://127.0.0.1:{front}");
    let broker = Broker::start_with(&[("advertised.listeners", &advertised)]);
    let cuts = swallow_answers(front, broker.port());
    create_topic(&broker, "lossy", 1, &[]).await;
    let settings = [
        ("enable.idempotence", "true"),
        ("batch.num.messages", "10"),
        ("linger.ms", "1"),
        ("retry.backoff.ms", "5"),
    ];
    let client = producer(&broker, &settings);
    let sent = values("once", 1500);
    send_all(&client, "lossy", Some(0), &sent).await;
    let lost = cuts.load(Ordering::Relaxed);
    println!("answers swallowed: {lost}");
    assert!(2 < lost, "{lost}");
    let records = read(&broker, "lossy", 0, 0, sent.len());
    for (record, (_, value)) in records.iter().zip(&sent) {
        assert_eq!(record.value, value.as_bytes());
    }
    assert_eq!(watermarks(&broker, "lossy", 0), (0, 1500));
}

/// Forwards connections from one port to another, but of each connection only the first 30 answers.
/// Returns how many were swallowed so far.
fn swallow_answers(front: u16, back: u16) -> Arc<AtomicU32> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, front)).unwrap();
    let cuts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&cuts);
    // These threads end with their connections, at the latest with the test's process.
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, back)) else {
                continue;
            };
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                // Either side may end the connection at any time.
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            let counted = Arc::clone(&counted);
            thread::spawn(move || {
                if forward_answers(server, &client, 30).is_ok() {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
    cuts
}

/// Forwards so many answers and takes one more without forwarding it.
fn forward_answers(
    mut server: TcpStream,
    mut client: &TcpStream,
    count: u32,
) -> std::io::Result<()> {
    for number in 0..=count {
        let mut len = [0; 4];
        server.read_exact(&mut len)?;
        let mut frame = vec![0; u32::from_be_bytes(len) as usize];
        server.read_exact(&mut frame)?;
        if number < count {
            client.write_all(&len)?;
            client.write_all(&frame)?;
        }
    }
    server.shutdown(Shutdown::Both)
}
