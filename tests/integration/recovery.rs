//! What a start finds after a stop, a crash, a power loss and a bad disk.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use odradek_protocol::{
    ErrorCode, Uuid,
    messages::{fetch::FetchResponse, produce::ProduceResponse},
    records::BatchHeader,
};
use odradek_tests::{broker::Broker, wait};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    admin::status,
    client::{create_topic, producer, read, send_all, topic_id, values, watermarks},
    fetch_raw::{self, asked, batches, fetch},
    produce_raw::{self, batch_of, produce},
    topics::config_of,
    wire::Wire,
};

/// Lets the next start take the page cache for lost, as after a power loss.
pub(crate) fn forget_boot(broker: &Broker) {
    let file = broker.log_dir().join(".boot-identity");
    let text = fs::read_to_string(&file).unwrap();
    let (_, rest) = text.split_once("boot.id=").unwrap();
    let (_, mount) = rest.split_once('\n').unwrap();
    fs::write(file, format!("version=0\nboot.id=another-boot\n{mount}")).unwrap();
}

/// What the last start had to repair.
#[derive(Debug)]
struct Report {
    previous_stop: String,
    bytes_scanned: u64,
    bytes_truncated: u64,
}

impl Report {
    fn of(broker: &Broker) -> Self {
        let status = status(broker);
        let recovery = &status["recovery"];
        let number = |name: &str| recovery[name].as_u64().unwrap();
        Self {
            previous_stop: recovery["previous_stop"].as_str().unwrap().to_owned(),
            bytes_scanned: number("bytes_scanned"),
            bytes_truncated: number("bytes_truncated"),
        }
    }
}

/// The `.log` file of a partition's only segment.
fn only_segment(broker: &Broker, partition: &str) -> PathBuf {
    broker
        .log_dir()
        .join(partition)
        .join(format!("{:020}.log", 0))
}

/// Offsets of the checkpoint file of recovery points, as `partition -> offset`.
fn recovery_points(broker: &Broker) -> Vec<(String, i64)> {
    let path = broker.log_dir().join("recovery-point-offset-checkpoint");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .skip(2)
        .filter_map(|line| {
            let (partition, offset) = line.rsplit_once(' ')?;
            Some((partition.replace(' ', "-"), offset.parse().ok()?))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_full_speed_before_a_checkpoint_it_scans_next_to_nothing() {
    killed_at_full_speed(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_power_loss_it_scans_no_more_than_what_came_since_the_last_checkpoint() {
    killed_at_full_speed(true).await;
}

/// The flusher's period in the test; the default is ten times as long.
const FLUSH_INTERVAL: Duration = Duration::from_secs(3);

/// So many bytes per second have to be written when the broker is killed.
const SPEED: f64 = 100e6;

/// Partitions that the load is spread over.
const PARTITIONS: i32 = 6;

/// What one batch of the load holds.
const BATCH_VALUE_BYTES: usize = 500_000;

async fn killed_at_full_speed(page_cache_lost: bool) {
    let interval_ms = FLUSH_INTERVAL.as_millis().to_string();
    let mut broker = Broker::start_with(&[("log.recovery.flush.interval.ms", &interval_ms)]);
    create_topic(&broker, "load", PARTITIONS, &[]).await;
    let load = Load::new(topic_id(&mut Wire::connect(&broker), "load"));
    let speed = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| load.run(&broker));
        }
        let speed = load.until_fast_before_a_checkpoint(&broker);
        load.stopping.store(true, Ordering::Relaxed);
        broker.signal(Signal::KILL);
        speed
    });
    broker.kill();
    let flushed: i64 = recovery_points(&broker)
        .iter()
        .map(|&(_, offset)| offset)
        .sum();
    let unflushed = on_disk(&broker) - flushed as u64 * load.batch_bytes();
    if page_cache_lost {
        forget_boot(&broker);
    }
    broker.start_again();

    let report = Report::of(&broker);
    println!(
        "killed at {:.0} MB/s after {} MB, of which {} MB were unflushed: scanned {} KB, ready after {:?}",
        speed / 1e6,
        load.written.load(Ordering::Relaxed) / 1_000_000,
        unflushed / 1_000_000,
        report.bytes_scanned / 1000,
        broker.start_to_ready()
    );
    assert!(SPEED <= speed, "only {speed} bytes/s were written");
    let one_batch_each = PARTITIONS as u64 * load.batch_bytes();
    if page_cache_lost {
        assert_eq!(report.previous_stop, "page-cache-lost");
        assert!(
            report.bytes_scanned <= unflushed + one_batch_each,
            "{report:?}"
        );
    } else {
        assert_eq!(report.previous_stop, "process-died");
        assert!(report.bytes_scanned <= 2 * one_batch_each, "{report:?}");
    }
    load.assert_all_there(&broker);
}

/// Bytes in the `.log` files of all partitions.
fn on_disk(broker: &Broker) -> u64 {
    (0..PARTITIONS)
        .map(|partition| {
            fs::metadata(only_segment(broker, &format!("load-{partition}")))
                .unwrap()
                .len()
        })
        .sum()
}

/// Producers that write as fast as they can until the broker dies.
struct Load {
    topic: Uuid,
    batch: Bytes,
    written: AtomicU64,
    /// For each partition, the first offset that was not acknowledged.
    acknowledged: Vec<AtomicU64>,
    stopping: AtomicBool,
}

impl Load {
    fn new(topic: Uuid) -> Self {
        Self {
            topic,
            batch: batch_of(1, BATCH_VALUE_BYTES),
            written: AtomicU64::new(0),
            acknowledged: (0..PARTITIONS).map(|_| AtomicU64::new(0)).collect(),
            stopping: AtomicBool::new(false),
        }
    }

    fn batch_bytes(&self) -> u64 {
        self.batch.len() as u64
    }

    /// One connection with three batches under way.
    fn run(&self, broker: &Broker) {
        let mut wire = Wire::connect(broker);
        let end = (|| {
            let mut in_flight = 0;
            for number in 0.. {
                let partition = number % PARTITIONS;
                let request = produce_raw::request(self.topic, partition, self.batch.clone());
                wire.try_send(produce_raw::VERSION, &request)?;
                in_flight += 1;
                if in_flight == 3 {
                    let response: ProduceResponse = wire.try_receive(produce_raw::VERSION)?;
                    self.count(&response);
                    in_flight -= 1;
                }
            }
            Ok::<_, std::io::Error>(())
        })();
        assert!(
            self.stopping.load(Ordering::Relaxed),
            "the connection broke: {end:?}"
        );
    }

    /// Waits until the next checkpoint is nearly due after a time in which much was written, and
    /// returns how much per second. When others use the machine, that may take several periods.
    fn until_fast_before_a_checkpoint(&self, broker: &Broker) -> f64 {
        let mut speed = 0.0;
        let mut points = Vec::new();
        for _ in 0..6 {
            // Written partition by partition: the checkpoint is there when all have moved.
            points = wait::until("a checkpoint is written under load", || {
                let now = recovery_points(broker);
                let moved = |(at, point)| points.get(at).is_none_or(|before| before < point);
                (now.len() == PARTITIONS as usize && now.iter().enumerate().all(moved))
                    .then_some(now)
            });
            let before = self.written.load(Ordering::Relaxed);
            let began = Instant::now();
            thread::sleep(FLUSH_INTERVAL * 9 / 10);
            let since = self.written.load(Ordering::Relaxed) - before;
            speed = since as f64 / began.elapsed().as_secs_f64();
            if SPEED <= speed {
                break;
            }
        }
        speed
    }

    fn count(&self, response: &ProduceResponse) {
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, ErrorCode::None);
        let end = partition.base_offset as u64 + 1;
        self.acknowledged[partition.index as usize].fetch_max(end, Ordering::Relaxed);
        self.written
            .fetch_add(self.batch_bytes(), Ordering::Relaxed);
    }

    /// Reads everything back: every acknowledged offset is there, and whole.
    fn assert_all_there(&self, broker: &Broker) {
        let mut wire = Wire::connect(broker);
        for (partition, end) in (0..).zip(&self.acknowledged) {
            let end = end.load(Ordering::Relaxed) as i64;
            let mut offset = 0;
            while offset < end {
                let mut request = fetch_raw::request(self.topic, vec![asked(partition, offset)]);
                request.topics[0].partitions[0].partition_max_bytes = 16 << 20;
                let response: FetchResponse = wire.call(fetch_raw::VERSION, &request);
                let found = batches(fetch_raw::only_partition(&response));
                assert!(
                    !found.is_empty(),
                    "partition {partition} ends at {offset}, not {end}"
                );
                for batch in found {
                    assert_eq!(batch.header().base_offset, offset);
                    batch.verify_crc().unwrap();
                    offset = batch.header().next_offset();
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_stop_leaves_nothing_to_recover() {
    let mut broker = Broker::start();
    create_topic(&broker, "clean", 3, &[]).await;
    let client = producer(&broker, &[]);
    send_all(&client, "clean", Some(2), &values("v", 500)).await;
    assert!(broker.stop().success());
    broker.start_again();
    let report = Report::of(&broker);
    assert_eq!(
        (report.previous_stop.as_str(), report.bytes_scanned),
        ("clean", 0)
    );
    assert_eq!(report.bytes_truncated, 0);
    // The clean stop is believed once.
    broker.kill();
    broker.start_again();
    assert_eq!(Report::of(&broker).previous_stop, "process-died");
    assert_eq!(read(&broker, "clean", 2, 0, 500).len(), 500);
}

/// Leaves a file as a crash may.
type Tear = fn(&Path);

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_tail_is_cut_and_the_log_goes_on_before_it() {
    let torn: [(&str, Tear); 4] = [
        ("garbage", |file| append(file, &[0xa5; 777])),
        ("zeros", |file| append(file, &[0; 4096])),
        ("half a batch", |file| {
            append(file, &batch_of(1, 1000)[..600]);
        }),
        ("a batch with a wrong checksum", |file| {
            let mut batch = batch_of(1, 1000).to_vec();
            batch[..8].copy_from_slice(&20_i64.to_be_bytes());
            batch[500] ^= 1;
            append(file, &batch);
        }),
    ];
    for (what, tear) in torn {
        for page_cache_lost in [false, true] {
            let mut broker = Broker::start();
            create_topic(&broker, "torn", 1, &[]).await;
            let client = producer(&broker, &[("linger.ms", "0"), ("batch.num.messages", "1")]);
            send_all(&client, "torn", Some(0), &values("v", 20)).await;
            drop(client);
            broker.kill();
            let file = only_segment(&broker, "torn-0");
            let before = fs::metadata(&file).unwrap().len();
            tear(&file);
            let torn_bytes = fs::metadata(&file).unwrap().len() - before;
            if page_cache_lost {
                forget_boot(&broker);
            }
            broker.start_again();
            assert_eq!(Report::of(&broker).bytes_truncated, torn_bytes, "{what}");
            assert_eq!(fs::metadata(&file).unwrap().len(), before, "{what}");
            assert_eq!(watermarks(&broker, "torn", 0), (0, 20), "{what}");
            let client = producer(&broker, &[]);
            assert_eq!(
                send_all(&client, "torn", Some(0), &values("w", 1)).await,
                [(0, 20)]
            );
            assert_eq!(read(&broker, "torn", 0, 0, 21).len(), 21);
        }
    }
}

/// Power was lost before the end of the log was on the disk: it is gone, and what came before is
/// not.
#[tokio::test(flavor = "multi_thread")]
async fn a_last_batch_that_was_half_written_takes_nothing_else_along() {
    let mut broker = Broker::start();
    create_topic(&broker, "half", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "half");
    for _ in 0..10 {
        produce(&mut wire, id, 0, batch_of(1, 1000)).unwrap();
    }
    broker.kill();
    let file = File::options()
        .write(true)
        .open(only_segment(&broker, "half-0"))
        .unwrap();
    let whole = file.metadata().unwrap().len();
    file.set_len(whole - 10).unwrap();
    forget_boot(&broker);
    broker.start_again();
    let mut wire = Wire::connect(&broker);
    let report = Report::of(&broker);
    assert_eq!(report.bytes_truncated, whole / 10 - 10);
    assert_eq!(watermarks(&broker, "half", 0), (0, 9));
    assert_eq!(produce(&mut wire, id, 0, batch_of(1, 10)).unwrap(), 9);
}

fn append(file: &Path, bytes: &[u8]) {
    File::options()
        .append(true)
        .open(file)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

/// Flips one bit.
fn flip(file: &Path, position: u64) {
    let file = File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, position).unwrap();
    file.write_all_at(&[byte[0] ^ 1], position).unwrap();
}

/// What was on the disk already does not tear. Found damaged, its partition stops serving rather
/// than to forget more, and says where; nobody else notices.
#[tokio::test(flavor = "multi_thread")]
async fn damage_below_the_recovery_point_takes_only_its_own_partition_offline() {
    let mut broker = Broker::start_with(&[("log.recovery.flush.interval.ms", "50")]);
    create_topic(&broker, "damaged", 2, &[]).await;
    create_topic(&broker, "whole", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let (damaged, whole) = (topic_id(&mut wire, "damaged"), topic_id(&mut wire, "whole"));
    let logs = [(damaged, 0), (damaged, 1), (whole, 0)];
    for (topic, partition) in logs {
        for _ in 0..10 {
            produce(&mut wire, topic, partition, batch_of(1, 200)).unwrap();
        }
    }
    wait::until("everything is on the disk", || {
        let points = recovery_points(&broker);
        (points.len() == 3 && points.iter().all(|&(_, offset)| offset == 10)).then_some(())
    });
    broker.kill();
    let file = only_segment(&broker, "damaged-1");
    let batch_bytes = fs::metadata(&file).unwrap().len() / 10;
    flip(&file, 4 * batch_bytes + 100);
    forget_boot(&broker);
    for _ in 0..2 {
        // It stays so over a restart, and over any number of them.
        broker.start_again();
        let mut wire = Wire::connect(&broker);
        let offline = status(&broker)["offline_partitions"].clone();
        println!("{offline}");
        assert_eq!(offline.as_array().map(Vec::len), Some(1));
        assert_eq!(
            (&offline[0]["topic"], &offline[0]["partition"]),
            (&"damaged".into(), &1.into())
        );
        let reason = offline[0]["reason"].as_str().unwrap();
        let position = (4 * batch_bytes).to_string();
        assert!(
            reason.contains("damaged-1/00000000000000000000.log"),
            "{reason}"
        );
        assert!(reason.contains(&position), "{reason}");

        assert_eq!(
            fetch(&mut wire, damaged, 1, 0).error_code,
            ErrorCode::KafkaStorageError
        );
        let refused = produce(&mut wire, damaged, 1, batch_of(1, 10)).unwrap_err();
        assert_eq!(refused.error_code, ErrorCode::KafkaStorageError);
        for (topic, partition) in [logs[0], logs[2]] {
            assert_eq!(batches(&fetch(&mut wire, topic, partition, 0)).len(), 10);
        }
        broker.stop();
    }
    // Nothing was cut away: whoever repairs the file finds all of it.
    flip(&file, 4 * batch_bytes + 100);
    broker.start_again();
    let mut wire = Wire::connect(&broker);
    assert_eq!(
        status(&broker)["offline_partitions"],
        Value::Array(Vec::new())
    );
    assert_eq!(batches(&fetch(&mut wire, damaged, 1, 0)).len(), 10);
}

/// Damage in an old segment is met when somebody reads there: that reader gets an error, and
/// everybody else is served.
#[tokio::test(flavor = "multi_thread")]
async fn damage_in_an_old_segment_fails_only_the_reads_that_meet_it() {
    let mut broker = Broker::start();
    let entries = [
        ("segment.bytes", "1048576"),
        ("index.interval.bytes", "1000000"),
    ];
    create_topic(&broker, "old", 1, &entries).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "old");
    for _ in 0..30 {
        produce(&mut wire, id, 0, batch_of(1, 100_000)).unwrap();
    }
    assert!(broker.stop().success());
    let file = only_segment(&broker, "old-0");
    let mut bytes = File::open(&file).unwrap();
    let mut header = vec![0; 61];
    bytes.read_exact(&mut header).unwrap();
    let batch_bytes = BatchHeader::parse(&header).unwrap().total_len() as u64;
    // The length of the fourth batch: from there on nobody knows where the next one begins.
    flip(&file, 3 * batch_bytes + 8);
    broker.start_again();
    let mut wire = Wire::connect(&broker);
    let at = |wire: &mut Wire, offset| {
        let found = fetch(wire, id, 0, offset);
        (
            found.error_code,
            batches(&found)
                .first()
                .map(|batch| batch.header().base_offset),
        )
    };
    assert_eq!(at(&mut wire, 0), (ErrorCode::None, Some(0)));
    assert_eq!(at(&mut wire, 5).0, ErrorCode::KafkaStorageError);
    assert_eq!(at(&mut wire, 15), (ErrorCode::None, Some(15)));
    assert_eq!(produce(&mut wire, id, 0, batch_of(1, 10)).unwrap(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_with_their_ids_and_configurations_survive_every_kind_of_end() {
    let mut broker = Broker::start();
    create_topic(&broker, "plain", 1, &[]).await;
    create_topic(&broker, "special", 7, &[("retention.ms", "12345678")]).await;
    create_topic(&broker, "deleted", 2, &[]).await;
    crate::client::delete_topic(&broker, "deleted").await;
    let cluster_id = status(&broker)["cluster_id"].clone();
    let ids = |broker: &Broker| {
        let mut wire = Wire::connect(broker);
        ["plain", "special", "deleted"].map(|topic| topic_id(&mut wire, topic))
    };
    let before = ids(&broker);
    assert_eq!(before[2], Uuid::nil());
    let ends: [fn(&mut Broker); 3] = [
        |broker| broker.kill(),
        |broker| assert!(broker.stop().success()),
        |broker| {
            broker.kill();
            forget_boot(broker);
        },
    ];
    for end in ends {
        end(&mut broker);
        broker.start_again();
        assert_eq!(ids(&broker), before);
        assert_eq!(config_of(&broker, "special", "retention.ms"), "12345678");
        assert_eq!(status(&broker)["partitions"], 8);
        assert_eq!(status(&broker)["cluster_id"], cluster_id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_topics_come_and_go_it_starts_with_those_that_were_acknowledged() {
    let mut broker = Broker::start();
    let mut expected = Vec::new();
    for round in 0..5 {
        for number in 0..4 {
            let name = format!("t-{round}-{number}");
            create_topic(&broker, &name, 2, &[]).await;
            expected.push(name);
        }
        let gone = expected.remove(0);
        crate::client::delete_topic(&broker, &gone).await;
        broker.kill();
        broker.start_again();
        let mut wire = Wire::connect(&broker);
        for name in &expected {
            let id = topic_id(&mut wire, name);
            assert!(id != Uuid::nil(), "{name}");
            produce(&mut wire, id, 1, batch_of(1, 10)).unwrap();
        }
        assert_eq!(topic_id(&mut wire, &gone), Uuid::nil());
    }
}
