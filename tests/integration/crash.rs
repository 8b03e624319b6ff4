//! SIGKILL costs nothing that was acknowledged; SIGTERM costs nothing at all.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use odradek_protocol::{ErrorCode, Uuid, messages::produce::ProduceResponse, records::BatchHeader};
use odradek_tests::{broker::Broker, wait};
use rdkafka::producer::FutureRecord;
use rustix::process::Signal;

use crate::{
    admin::status,
    client::{create_topic, producer, read, send_all, topic_id, values, watermarks},
    fetch_raw::{batches, fetch},
    produce_raw::{self, batch_of},
    recovery::forget_boot,
    wire::Wire,
};

#[tokio::test(flavor = "multi_thread")]
async fn after_a_clean_stop_everything_is_there_and_nothing_is_recovered() {
    let mut broker = Broker::start();
    create_topic(&broker, "kept", 2, &[]).await;
    let client = producer(&broker, &[("enable.idempotence", "true")]);
    send_all(&client, "kept", Some(1), &values("before", 100)).await;
    drop(client);
    assert!(broker.stop().success());
    broker.start_again();
    assert_eq!(watermarks(&broker, "kept", 1), (0, 100));
    let client = producer(&broker, &[("enable.idempotence", "true")]);
    let delivered = send_all(&client, "kept", Some(1), &values("after", 1)).await;
    assert_eq!(delivered, [(1, 100)]);
    assert_eq!(read(&broker, "kept", 1, 0, 101).len(), 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_signals_that_ask_for_an_end_get_an_orderly_one_under_load() {
    let mut broker = Broker::start();
    create_topic(&broker, "asked", 1, &[]).await;
    for signal in [Signal::TERM, Signal::INT] {
        let client = producer(&broker, &[("message.timeout.ms", "120000")]);
        let sent = values("v", 20_000);
        let deliveries: Vec<_> = sent
            .iter()
            .map(|(_, value)| {
                let record = FutureRecord::<str, _>::to("asked")
                    .partition(0)
                    .payload(value);
                client
                    .send_result(record)
                    .map_err(|(error, _)| error)
                    .unwrap()
            })
            .collect();
        wait::until("some records are there", || {
            (0 < watermarks(&broker, "asked", 0).1).then_some(())
        });
        assert!(broker.stop_by(signal).success());
        broker.start_again();
        assert_eq!(status(&broker)["recovery"]["previous_stop"], "clean");
        for delivery in deliveries {
            delivery.await.unwrap().map_err(|(error, _)| error).unwrap();
        }
    }
    let (_, end) = watermarks(&broker, "asked", 0);
    // Without idempotence some may be there twice; none may be missing.
    assert!(40_000 <= end, "{end}");
}

/// An idempotent producer keeps sending while the broker is killed again and again. Each value
/// must be there exactly once, in order: neither lost nor doubled by the retries.
#[tokio::test(flavor = "multi_thread")]
async fn killed_under_load_it_loses_and_doubles_nothing() {
    const RECORDS: usize = 3000;
    let mut broker = Broker::start();
    create_topic(&broker, "killed", 1, &[]).await;
    let client = Arc::new(producer(
        &broker,
        &[
            ("enable.idempotence", "true"),
            ("linger.ms", "1"),
            ("batch.num.messages", "20"),
            ("message.timeout.ms", "120000"),
            ("retry.backoff.ms", "20"),
        ],
    ));
    let sender = Arc::clone(&client);
    let sending = tokio::spawn(async move {
        let mut deliveries = Vec::new();
        for number in 0..RECORDS {
            let value = number.to_string();
            let record = FutureRecord::<str, _>::to("killed")
                .partition(0)
                .payload(&value);
            deliveries.push(
                sender
                    .send_result(record)
                    .map_err(|(error, _)| error)
                    .unwrap(),
            );
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
        for delivery in deliveries {
            delivery.await.unwrap().map_err(|(error, _)| error).unwrap();
        }
    });
    for kill in 1..=3_i64 {
        let reached = kill * (RECORDS as i64) / 5;
        wait::until("the load goes on", || {
            (reached < watermarks(&broker, "killed", 0).1).then_some(())
        });
        broker.kill();
        broker.start_again();
    }
    sending.await.unwrap();
    assert_eq!(watermarks(&broker, "killed", 0), (0, RECORDS as i64));
    let records = read(&broker, "killed", 0, 0, RECORDS);
    for (number, record) in records.iter().enumerate() {
        assert_eq!(record.offset, number as i64);
        assert_eq!(record.value, number.to_string().as_bytes());
    }
}

/// Producers without idempotence write small and large batches to many partitions while the broker
/// is killed again and again, every second time as if the power had failed with everything written
/// back. Whatever was acknowledged is where it was said to be, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_stays_where_it_was_said_to_be() {
    const PARTITIONS: i32 = 6;
    let rounds = std::env::var("ODRADEK_CRASH_ROUNDS").map_or(6, |text| text.parse().unwrap());
    let mut broker = Broker::start_with(&[("log.recovery.flush.interval.ms", "150")]);
    create_topic(
        &broker,
        "stays",
        PARTITIONS,
        &[("segment.bytes", "1048576")],
    )
    .await;
    let topic = topic_id(&mut Wire::connect(&broker), "stays");
    let acknowledged = Mutex::new(Acknowledged::new());
    let mut checked = [0; PARTITIONS as usize];
    for round in 0..rounds {
        let dying = AtomicBool::new(false);
        thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (broker, acknowledged, dying) = (&broker, &acknowledged, &dying);
                scope.spawn(move || {
                    let mut wire = Wire::connect(broker);
                    let ended =
                        write_until_killed(&mut wire, topic, round * 4 + thread, acknowledged);
                    assert!(dying.load(Ordering::Relaxed), "{ended:?}");
                });
            }
            thread::sleep(Duration::from_millis(150 + round * 97 % 400));
            dying.store(true, Ordering::Relaxed);
            broker.signal(Signal::KILL);
        });
        broker.kill();
        if round % 2 == 1 {
            forget_boot(&broker);
        }
        broker.start_again();
        // What the round has written; and in the end all of it.
        let known = acknowledged.lock().unwrap();
        for (partition, from) in (0..).zip(&mut checked) {
            let from = if round + 1 == rounds { &mut 0 } else { from };
            assert_found(&broker, topic, partition, from, &known);
        }
    }
    let found = acknowledged.lock().unwrap().len();
    println!("{rounds} kills, {found} batches acknowledged and found again");
}

/// Partition and offset of each acknowledged batch, and its checksum.
type Acknowledged = BTreeMap<(i32, i64), u32>;

/// Reads a partition from `from` to its end, and moves it there. Every acknowledged batch is met.
fn assert_found(
    broker: &Broker,
    topic: Uuid,
    partition: i32,
    from: &mut i64,
    acknowledged: &Acknowledged,
) {
    let mut wire = Wire::connect(broker);
    let mut expected = acknowledged.range((partition, *from)..(partition + 1, 0));
    let mut next = expected.next();
    loop {
        let found = batches(&fetch(&mut wire, topic, partition, *from));
        if found.is_empty() {
            break;
        }
        for batch in found {
            batch.verify_crc().unwrap();
            let header = batch.header();
            assert_eq!(header.base_offset, *from);
            if next.is_some_and(|(&(_, offset), _)| offset == *from) {
                assert_eq!(next, Some((&(partition, *from), &header.crc)));
                next = expected.next();
            }
            *from = header.next_offset();
        }
    }
    assert_eq!(next, None, "partition {partition} ends at {from}");
}

/// Sends batches of many sizes to all partitions in turn, some of them at once, and notes where
/// each was said to be, with its checksum.
fn write_until_killed(
    wire: &mut Wire,
    topic: Uuid,
    seed: u64,
    acknowledged: &Mutex<Acknowledged>,
) -> io::Result<()> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    loop {
        let mut sent = Vec::new();
        for _ in 0..=random(4) {
            let bytes = if random(8) == 0 {
                random(200_000)
            } else {
                random(2000)
            };
            let batch = batch_of(1 + random(3) as usize, bytes as usize);
            let crc = BatchHeader::parse(&batch).unwrap().crc;
            let partition = random(6) as i32;
            wire.try_send(
                produce_raw::VERSION,
                &produce_raw::request(topic, partition, batch),
            )?;
            sent.push((partition, crc));
        }
        for (partition, crc) in sent {
            let response: ProduceResponse = wire.try_receive(produce_raw::VERSION)?;
            let answer = &response.responses[0].partition_responses[0];
            assert_eq!(
                (answer.index, answer.error_code),
                (partition, ErrorCode::None)
            );
            let before = acknowledged
                .lock()
                .unwrap()
                .insert((partition, answer.base_offset), crc);
            assert_eq!(before, None, "an offset was given twice");
        }
    }
}
