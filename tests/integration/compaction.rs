//! Compacted topics on the real broker: under load, with readers, killed in the middle, damaged.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use odradek_tests::{broker::Broker, wait};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::KafkaError,
    producer::{FutureProducer, FutureRecord},
    types::RDKafkaErrorCode,
};

use crate::{
    admin::{metric, status},
    client::{config, create_topic, producer, watermarks},
};

/// Looks for work all the time, and removes what was replaced at once.
const EAGER: &[(&str, &str)] = &[
    ("log.cleaner.backoff.ms", "50"),
    ("log.segment.delete.delay.ms", "0"),
];

/// About 130 records of the load fill a segment.
const COMPACTED: &[(&str, &str)] = &[
    ("cleanup.policy", "compact"),
    ("segment.bytes", "1048576"),
    ("min.cleanable.dirty.ratio", "0.01"),
];

const KEYS: usize = 60;

const VALUE_BYTES: usize = 8000;

/// Text that no codec makes much smaller.
static NOISE: LazyLock<String> = LazyLock::new(|| {
    let mut word: u64 = 1;
    let mut noise = String::new();
    for _ in 0..1 << 14 {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        write!(noise, "{word:016x}").unwrap();
    }
    noise
});

/// Key and value of the record with that number.
fn record(number: usize) -> (String, String) {
    let from = number * 8123 % (NOISE.len() - VALUE_BYTES);
    let filler = &NOISE[from..from + VALUE_BYTES];
    (
        format!("key-{}", number * 7 % KEYS),
        format!("{number}:{filler}"),
    )
}

fn number_in(value: &[u8]) -> usize {
    let text = std::str::from_utf8(value).unwrap();
    text.split(':').next().unwrap().parse().unwrap()
}

/// Sends the records with these numbers, in order; returns when all are acknowledged.
async fn send(client: &FutureProducer, topic: &str, numbers: std::ops::Range<usize>) {
    let mut deliveries = Vec::new();
    for number in numbers {
        let (key, value) = record(number);
        let record = FutureRecord::to(topic)
            .partition(0)
            .key(&key)
            .payload(&value);
        let sent = client.send_result(record).map_err(|(error, _)| error);
        deliveries.push(sent.unwrap());
        // So that there is something to compact before all is sent.
        if number % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    for delivery in deliveries {
        let delivered = delivery.await.unwrap().map_err(|(error, _)| error);
        delivered.unwrap();
    }
}

/// What is read from the beginning to the end: value by offset.
fn read_to_end(broker: &Broker, topic: &str) -> BTreeMap<i64, (String, Option<Vec<u8>>)> {
    let settings = [
        ("group.id", "unused"),
        ("enable.auto.commit", "false"),
        ("enable.partition.eof", "true"),
        ("check.crcs", "true"),
    ];
    let consumer: BaseConsumer = config(broker, &settings).create().unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(topic, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&assignment).unwrap();
    let mut records = BTreeMap::new();
    wait::until("the end of the topic is reached", || {
        loop {
            match consumer.poll(Duration::from_millis(50))? {
                Ok(message) => {
                    let last = records.last_key_value().map(|(offset, _)| *offset);
                    assert!(last < Some(message.offset()), "offsets ascend");
                    let key = String::from_utf8(message.key().unwrap().to_vec()).unwrap();
                    let value = message.payload().map(<[u8]>::to_vec);
                    records.insert(message.offset(), (key, value));
                }
                Err(KafkaError::PartitionEOF(_)) => return Some(()),
                Err(error) => panic!("{error}"),
            }
        }
    });
    records
}

/// Whoever read all of it knows the last value of every key; and each record is where it was sent.
fn assert_last_values(records: &BTreeMap<i64, (String, Option<Vec<u8>>)>, sent: usize) {
    let mut last = BTreeMap::new();
    for (offset, (key, value)) in records {
        let number = number_in(value.as_ref().unwrap());
        assert_eq!(*offset, number as i64);
        let (sent_key, sent_value) = record(number);
        assert_eq!(
            (key, value.as_deref()),
            (&sent_key, Some(sent_value.as_bytes()))
        );
        last.insert(key.clone(), number);
    }
    let expected: BTreeMap<String, usize> =
        (0..sent).map(|number| (record(number).0, number)).collect();
    assert_eq!(last, expected);
}

fn segments(broker: &Broker, topic: &str) -> Vec<PathBuf> {
    let dir = broker.log_dir().join(format!("{topic}-0"));
    let mut segments: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    segments.sort();
    segments
}

fn size(paths: &[PathBuf]) -> u64 {
    // One may just have been replaced.
    let len = |path: &PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.len());
    paths.iter().map(len).sum()
}

fn load(broker: &Broker, codec: &str) -> FutureProducer {
    let settings = [
        ("enable.idempotence", "true"),
        ("compression.codec", codec),
        ("linger.ms", "2"),
        ("batch.num.messages", "10"),
        ("message.timeout.ms", "120000"),
        ("retry.backoff.ms", "20"),
    ];
    producer(broker, &settings)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_compacted_under_load_while_consumers_read() {
    const RECORDS: usize = 1500;
    let broker = Arc::new(Broker::start_with(EAGER));
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for codec in ["none", "zstd"] {
        create_topic(&broker, codec, 1, COMPACTED).await;
        let (broker, done) = (Arc::clone(&broker), Arc::clone(&done));
        readers.push(std::thread::spawn(move || {
            while !done.load(Ordering::Acquire) {
                read_to_end(&broker, codec);
            }
        }));
    }
    for codec in ["none", "zstd"] {
        send(&load(&broker, codec), codec, 0..RECORDS).await;
    }
    done.store(true, Ordering::Release);
    for reader in readers {
        reader.join().unwrap();
    }
    let mut broker = Arc::into_inner(broker).unwrap();
    for codec in ["none", "zstd"] {
        // At most a few segments are left of more than ten: the active one, and those before.
        wait::until("the topic is compacted", || {
            (size(&segments(&broker, codec)) < 3 << 20).then_some(())
        });
        assert_last_values(&read_to_end(&broker, codec), RECORDS);
        assert_eq!(watermarks(&broker, codec, 0), (0, RECORDS as i64));
    }
    assert!(1.0 <= metric(&broker, "odradek_log_cleaner_runs_total"));
    let before = metric(&broker, "odradek_log_cleaner_before_bytes_total");
    let after = metric(&broker, "odradek_log_cleaner_after_bytes_total");
    assert!(after < before, "{before} {after}");

    assert!(broker.stop().success());
    let checkpoint = broker.log_dir().join("cleaner-offset-checkpoint");
    let checkpoint = fs::read_to_string(checkpoint).unwrap();
    assert!(checkpoint.contains("\nzstd 0 "), "{checkpoint}");
    broker.start_again();
    for codec in ["none", "zstd"] {
        assert_last_values(&read_to_end(&broker, codec), RECORDS);
        assert_eq!(watermarks(&broker, codec, 0), (0, RECORDS as i64));
    }
}

/// The broker dies in the middle of compaction, again and again, while records come in.
#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_compacts_it_loses_nothing() {
    const RECORDS: usize = 1600;
    let mut broker = Broker::start_with(EAGER);
    create_topic(&broker, "killed", 1, COMPACTED).await;
    let client = Arc::new(load(&broker, "lz4"));
    let sender = Arc::clone(&client);
    let sending = tokio::spawn(async move { send(&sender, "killed", 0..RECORDS).await });
    for kill in 1..=4 {
        wait::until("the load goes on", || {
            (kill * RECORDS as i64 / 6 < watermarks(&broker, "killed", 0).1).then_some(())
        });
        // Nearly always there is something to compact; try to hit it.
        wait::until("a compaction is under way, or was", || {
            let dir = broker.log_dir().join("killed-0");
            let is_under_way = fs::read_dir(dir).unwrap().any(|entry| {
                let name = entry.unwrap().file_name();
                let name = name.to_string_lossy();
                name.ends_with(".cleaned") || name.ends_with(".swap")
            });
            let runs = metric(&broker, "odradek_log_cleaner_runs_total");
            (is_under_way || 0.0 < runs || sending.is_finished()).then_some(())
        });
        broker.kill();
        broker.start_again();
    }
    sending.await.unwrap();
    assert_eq!(watermarks(&broker, "killed", 0), (0, RECORDS as i64));
    assert_last_values(&read_to_end(&broker, "killed"), RECORDS);
    wait::until("the topic is compacted", || {
        (size(&segments(&broker, "killed")) < 3 << 20).then_some(())
    });
    assert_last_values(&read_to_end(&broker, "killed"), RECORDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_takes_its_key_away_and_goes_too() {
    let broker = Broker::start_with(EAGER);
    let entries = [COMPACTED, &[("delete.retention.ms", "1")]].concat();
    create_topic(&broker, "deleted", 1, &entries).await;
    let client = load(&broker, "gzip");
    send(&client, "deleted", 0..KEYS).await;
    for key in 0..KEYS / 2 {
        let key = format!("key-{key}");
        let tombstone = FutureRecord::<_, [u8]>::to("deleted")
            .partition(0)
            .key(&key);
        client.send(tombstone, wait::PATIENCE).await.unwrap();
    }
    // The tombstones have to be met twice. Each round gives compaction something new to do.
    let mut round = 0;
    wait::until("the tombstones are gone", || {
        round += 1;
        for number in 0..150 {
            let (_, value) = record(number);
            let key = format!("other-{number}");
            let record = FutureRecord::to("deleted")
                .partition(0)
                .key(&key)
                .payload(&value);
            drop(
                client
                    .send_result(record)
                    .map_err(|(error, _)| error)
                    .unwrap(),
            );
        }
        let records = read_to_end(&broker, "deleted");
        let left = records.values().filter(|(_, value)| value.is_none());
        (left.count() == 0).then_some(())
    });
    let records = read_to_end(&broker, "deleted");
    let mut keys: Vec<&String> = records
        .values()
        .map(|(key, _)| key)
        .filter(|key| key.starts_with("key-"))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), KEYS / 2, "after {round} rounds: {keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_a_key_is_refused() {
    let broker = Broker::start();
    create_topic(&broker, "keyed", 1, &[("cleanup.policy", "compact,delete")]).await;
    let client = producer(&broker, &[]);
    let keyless = FutureRecord::<[u8], _>::to("keyed").payload("value");
    let (error, _) = client.send(keyless, wait::PATIENCE).await.unwrap_err();
    assert_eq!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::InvalidRecord)
    );
    assert_eq!(watermarks(&broker, "keyed", 0), (0, 0));
}

/// One flipped bit: the partition is named, the others are compacted, and nothing is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_segment_is_reported_and_holds_up_no_other_topic() {
    const RECORDS: usize = 800;
    let mut broker = Broker::start_with(&[("log.cleaner.enable", "false")]);
    for topic in ["damaged", "sound"] {
        create_topic(&broker, topic, 1, COMPACTED).await;
        send(&load(&broker, "none"), topic, 0..RECORDS).await;
    }
    let all = segments(&broker, "damaged");
    assert!(4 < all.len(), "nothing is compacted without a cleaner");
    assert!(broker.stop().success());
    flip_a_bit(&all[1]);
    broker.set("log.cleaner.enable", "true");
    broker.set("log.cleaner.backoff.ms", "50");
    broker.set("log.segment.delete.delay.ms", "0");
    broker.start_again();

    let uncleanable = wait::until("the damage is reported", || {
        let status = status(&broker);
        let uncleanable = status["uncleanable_partitions"].as_array().unwrap();
        // It is tried again, too.
        let first = uncleanable.first()?;
        (1 < first["attempts"].as_u64().unwrap()).then(|| uncleanable.clone())
    });
    assert_eq!(uncleanable.len(), 1);
    assert_eq!(uncleanable[0]["topic"], "damaged");
    let reason = uncleanable[0]["reason"].as_str().unwrap();
    let name = all[1].file_name().unwrap().to_str().unwrap();
    assert!(reason.contains(name), "{reason}");
    assert!(1.0 < metric(&broker, "odradek_log_cleaner_failures_total"));
    let gauge = "kafka_log_logcleanermanager_uncleanable_partitions_count";
    assert!((metric(&broker, gauge) - 1.0).abs() < f64::EPSILON);

    wait::until("the other topic is compacted", || {
        (size(&segments(&broker, "sound")) < 3 << 20).then_some(())
    });
    assert_last_values(&read_to_end(&broker, "sound"), RECORDS);
    assert_eq!(segments(&broker, "damaged"), all);
}

/// Committed offsets live in a compacted topic: however often they are committed, it stays small,
/// and a restart knows the last ones.
#[tokio::test(flavor = "multi_thread")]
async fn the_topic_of_committed_offsets_stays_small() {
    const PARTITIONS: i32 = 200;
    let settings = [
        ("offsets.topic.num.partitions", "1"),
        ("offsets.topic.segment.bytes", "1048576"),
        ("log.cleaner.min.cleanable.ratio", "0.01"),
    ];
    let mut broker = Broker::start_with(&[EAGER, &settings].concat());
    create_topic(&broker, "read", PARTITIONS, &[]).await;
    let commit = |broker: &Broker, offset: i64| {
        let consumer: BaseConsumer = config(broker, &[("group.id", "reader")]).create().unwrap();
        let mut offsets = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            let offset = Offset::Offset(offset + i64::from(partition));
            offsets
                .add_partition_offset("read", partition, offset)
                .unwrap();
        }
        consumer.commit(&offsets, CommitMode::Sync).unwrap();
    };
    let committed = |broker: &Broker| {
        let consumer: BaseConsumer = config(broker, &[("group.id", "reader")]).create().unwrap();
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_range("read", 0, PARTITIONS - 1);
        let committed = consumer.committed_offsets(offsets, wait::PATIENCE).unwrap();
        let offset = |partition| {
            committed
                .find_partition("read", partition)
                .unwrap()
                .offset()
        };
        (0..PARTITIONS).map(offset).collect::<Vec<_>>()
    };
    let expected = |offset: i64| -> Vec<Offset> {
        let offsets = (0..PARTITIONS).map(|partition| offset + i64::from(partition));
        offsets.map(Offset::Offset).collect()
    };
    for round in 0..150 {
        commit(&broker, round * 1000);
    }
    wait::until("the offsets topic is compacted", || {
        let runs = metric(&broker, "odradek_log_cleaner_runs_total");
        let bytes = size(&segments(&broker, "__consumer_offsets"));
        (0.0 < runs && bytes < 2 << 20).then_some(())
    });
    assert_eq!(committed(&broker), expected(149_000));
    broker.kill();
    broker.start_again();
    assert_eq!(committed(&broker), expected(149_000));
}

fn flip_a_bit(path: &Path) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let mut content = fs::read(path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    file.seek(SeekFrom::Start(middle as u64)).unwrap();
    file.write_all(&content[middle..=middle]).unwrap();
}
