//! A disk of 64 MiB that fills up under load: nobody is harmed, and nobody has to do more than make
//! room.
//!
//! The disk is a tmpfs in a namespace of its own, which needs no privileges: the test starts itself
//! again in there. `cargo xtask full-disk` gives it an ext4 on a loop device instead, by
//! [`DISK_VARIABLE`].

use std::{
    collections::BTreeMap,
    env,
    path::Path,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use odradek_protocol::{ErrorCode, Uuid};
use odradek_tests::{
    broker::{Broker, Setup},
    http, wait,
};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    admin::{metric, status},
    client::{create_topic, delete_topic, producer, read, topic_id, watermarks},
    offsets::coordinator,
    offsets_raw::{self, Committed, Offsets, Position},
    produce_raw::{batch_of, produce},
    wire::Wire,
};

/// Names the folder to be filled: a file system of about 64 MiB.
const DISK_VARIABLE: &str = "ODRADEK_FULL_DISK";

const GROUP: &str = "readers";
const BALLAST: &str = "ballast";
const LOAD: &str = "load";
const PARTITIONS: i32 = 3;
const PRODUCERS: u64 = 4;
const VALUE_BYTES: usize = 20_000;

#[test]
fn a_disk_that_fills_up_under_load_harms_nobody() {
    if let Some(disk) = env::var_os(DISK_VARIABLE) {
        return fill_up(Path::new(&disk));
    }
    let can_mount = Command::new("unshare")
        .args(["--map-root-user", "--mount", "mount", "-t", "tmpfs"])
        .args(["tmpfs", "/mnt"])
        .output();
    if !can_mount.is_ok_and(|tried| tried.status.success()) {
        println!("SKIPPED: there is no unshare here, or users may not have namespaces");
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut inside = Command::new("unshare");
    inside
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=64m tmpfs \"$0\" && exec \"$@\"")
        .arg(folder.path())
        .arg(env::current_exe().unwrap())
        .args(["full_disk::", "--nocapture"])
        .env(DISK_VARIABLE, folder.path());
    let output = inside.output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    println!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}", output.status);
}

fn fill_up(disk: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut broker = Setup::default().on_disk(disk).start();
    println!("{}", status(&broker)["storage"]);
    runtime.block_on(create_topic(&broker, BALLAST, 1, &[]));
    runtime.block_on(create_topic(&broker, LOAD, PARTITIONS, &[]));
    let ballast = topic_id(&mut Wire::connect(&broker), BALLAST);
    for _ in 0..20 {
        produce(
            &mut Wire::connect(&broker),
            ballast,
            0,
            batch_of(1, 1_000_000),
        )
        .unwrap();
    }
    commit(&broker, 1);

    let load = Load::default();
    thread::scope(|scope| {
        let _stopped = StopOnDrop(&load.stopping);
        // Librdkafka's own threads do the work; these wait for the reports.
        for number in 0..PRODUCERS {
            let settings = [
                ("enable.idempotence", "true"),
                ("linger.ms", "0"),
                ("message.timeout.ms", "60000"),
            ];
            let producer = producer(&broker, &settings);
            let load = &load;
            scope.spawn(move || load.run(&producer, number));
        }
        wait::until("produces are refused", || {
            is_refusing(&broker).then_some(())
        });
        println!("full after {} acknowledged records", load.count());
        assert_full_but_well(&broker, ballast);

        broker.signal(Signal::KILL);
        broker.kill();
        broker.start_again();
        println!(
            "ready on a full disk {:?} after the start",
            broker.start_to_ready()
        );
        assert!(broker.start_to_ready() < Duration::from_secs(10));
        // The dead process may have left some room that it had not used.
        wait::until("produces are refused again", || {
            is_refusing(&broker).then_some(())
        });
        let count = load.count();
        assert_full_but_well(&broker, ballast);
        assert!(
            load.count() <= count + PRODUCERS as usize,
            "the full disk acknowledges"
        );

        let began = Instant::now();
        runtime.block_on(delete_topic(&broker, BALLAST));
        // The same producers, which were told nothing.
        wait::until("producers go on", || {
            (count + 50 <= load.count()).then_some(())
        });
        println!("producers went on {:?} after the deletion", began.elapsed());
    });
    load.assert_all_there(&broker);
    assert!(broker.stop().success());
    broker.start_again();
    load.assert_all_there(&broker);
    let printed = broker.printed();
    assert!(printed.contains("the disk is nearly full"), "{printed}");
    assert!(printed.contains("the disk has room again"), "{printed}");
}

fn is_refusing(broker: &Broker) -> bool {
    status(broker)["storage"]["produces_refused"] == true
}

/// A broker with a full disk refuses produces, and does everything else.
fn assert_full_but_well(broker: &Broker, ballast: Uuid) {
    let mut wire = Wire::connect(broker);
    let refused = produce(&mut wire, ballast, 0, batch_of(1, 100)).unwrap_err();
    assert_eq!(refused.error_code, ErrorCode::NotEnoughReplicas);
    let message = refused.error_message.unwrap_or_default();
    assert!(message.contains("the disk is nearly full"), "{message}");
    for path in ["/readyz", "/livez"] {
        assert_eq!(
            http::get(broker.admin_port(), path).unwrap().0,
            200,
            "{path}"
        );
    }
    assert_eq!(metric(broker, "odradek_storage_produces_refused") as u64, 1);
    assert_eq!(
        metric(broker, "kafka_log_logmanager_offlinelogdirectorycount") as u64,
        0
    );
    assert_eq!(read(broker, BALLAST, 0, 0, 20).len(), 20);
    for offset in 1..20 {
        commit(broker, offset);
    }
}

fn commit(broker: &Broker, offset: i64) {
    let position = Position::at(BALLAST, 0, offset);
    let mut wire = coordinator(broker);
    let codes = offsets_raw::commit(&mut wire, GROUP, &[position]);
    assert_eq!(codes, [ErrorCode::None]);
    let found = offsets_raw::fetch(&mut wire, GROUP, &[(BALLAST, 0)]);
    let expected = [(BALLAST, 0, Committed::at(offset))];
    assert_eq!(found, Offsets::of(&expected));
}

/// Lets the load end when a test fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Producers that write until they are told to stop, and what was acknowledged to them.
#[derive(Default)]
struct Load {
    acknowledged: Mutex<BTreeMap<(i32, i64), Vec<u8>>>,
    stopping: AtomicBool,
}

impl Load {
    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// One record after the other: its number, repeated.
    fn run(&self, producer: &FutureProducer, number: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for count in 0.. {
            if self.stopping.load(Ordering::Relaxed) {
                break;
            }
            let value = (number << 32 | count).to_be_bytes().repeat(VALUE_BYTES / 8);
            let record = FutureRecord::<(), _>::to(LOAD)
                .partition((count % PARTITIONS as u64) as i32)
                .payload(&value);
            let sent = runtime.block_on(producer.send(record, Duration::ZERO));
            let delivery = match sent {
                Ok(delivery) => delivery,
                Err(_) if self.stopping.load(Ordering::Relaxed) => break,
                Err((error, _)) => panic!("a producer was told {error}"),
            };
            let place = (delivery.partition, delivery.offset);
            let before = self.acknowledged.lock().unwrap().insert(place, value);
            assert_eq!(before, None, "an offset was given twice");
        }
    }

    /// Everything acknowledged is where it was said to be, and nothing else.
    fn assert_all_there(&self, broker: &Broker) {
        let acknowledged = self.acknowledged.lock().unwrap();
        let mut found = BTreeMap::new();
        for partition in 0..PARTITIONS {
            let (_, end) = watermarks(broker, LOAD, partition);
            for record in read(broker, LOAD, partition, 0, end as usize) {
                found.insert((partition, record.offset), record.value);
            }
        }
        assert!(
            found == *acknowledged,
            "{} of {}",
            found.len(),
            acknowledged.len()
        );
        println!("{} acknowledged records are there, each once", found.len());
    }
}
