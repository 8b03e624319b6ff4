//! Every operation of the file system fails once below a whole broker's partitions, each in turn.
//!
//! Whatever fails: nothing hangs, nothing acknowledged is lost, the log directory goes offline when
//! it must (after a failed sync) and not when the disk was only full; and then, with space again,
//! everything works as before.
#![allow(clippy::unwrap_used)]
#![expect(
    clippy::print_stdout,
    reason = "the sweep reports how many failures it tried"
)]

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use bytes::Bytes;
use odradek_protocol::records::{BatchRecords, Batches};
use odradek_storage::{
    disk::memory::{MemoryDisk, crash::Kept},
    error::AppendError as LogAppendError,
    read::{Located, ReadRequest},
};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    AppendError, Partition,
    checkpoints::CheckpointWriter,
    test_support::{ProbedDisk, TestBroker, enqueue, records},
};

/// No work on a disk in memory takes so long.
const HANGS_AFTER: Duration = Duration::from_mins(1);

/// A topic that flushes before each acknowledgement.
const CAREFUL: &str = "careful";
/// One that loses its old segments to retention.
const SHORT: &str = "short";
/// One that is deleted, and created again under its name.
const PASSING: &str = "passing";
/// The groups' offsets.
const OFFSETS: &str = "__consumer_offsets";

/// A broker that works although one operation fails, and what it promised.
struct Run {
    broker: TestBroker,
    /// Values that were acknowledged, by the topic's id, the partition and the offset.
    acknowledged: BTreeMap<(Uuid, i32, i64), Bytes>,
    appends: usize,
}

impl Run {
    async fn new() -> Self {
        let mut broker = TestBroker::new().await;
        broker.create(CAREFUL, 2, &[("flush.messages", "1")]).await;
        broker
            .create(SHORT, 1, &[("retention.bytes", "1000")])
            .await;
        for topic in [CAREFUL, SHORT] {
            // Smaller than anybody may configure, so that a few appends fill a segment.
            broker.configure(topic, "segment.bytes", "1500").await;
        }
        Self {
            broker,
            acknowledged: BTreeMap::new(),
            appends: 0,
        }
    }

    /// Appends to a partition, if it is there, and remembers what was acknowledged.
    async fn append(&mut self, topic: &str, index: i32) -> Result<(), AppendError> {
        let Ok(partition) = self.broker.manager.partition(topic, index) else {
            return Err(LogAppendError::Offline.into());
        };
        self.appends += 1;
        let value = format!("{:0300}", self.appends);
        let reply = enqueue(&partition, records(&[&value])).await;
        let appended = reply.expect("no append panics, and the broker is not stopping")?;
        let topic_id = partition.identity().topic_id;
        let place = (topic_id, index, appended.base_offset);
        let before = self.acknowledged.insert(place, value.into());
        assert_eq!(before, None, "an offset was given twice");
        Ok(())
    }

    async fn append_everywhere(&mut self) -> Vec<Result<(), AppendError>> {
        let mut results = Vec::new();
        let topics = [
            (CAREFUL, 0),
            (CAREFUL, 1),
            (SHORT, 0),
            (PASSING, 0),
            (OFFSETS, 0),
        ];
        for (topic, index) in topics {
            if self.broker.image.topic(topic).is_some() {
                results.push(self.append(topic, index).await);
            }
        }
        results
    }

    /// What a broker does in its life. Whatever fails is skipped.
    async fn work(&mut self) {
        for round in 0..3 {
            self.broker.create(PASSING, 1, &[]).await;
            if round == 0 {
                self.broker.create(OFFSETS, 1, &[]).await;
            }
            for _ in 0..3 {
                self.append_everywhere().await;
            }
            self.keep_house().await;
            self.append_everywhere().await;
            let deleted = self.broker.image.topic(PASSING).unwrap().id;
            self.acknowledged.retain(|(id, _, _), _| *id != deleted);
            self.broker.delete(PASSING).await;
            for deletion in self.broker.manager.deletions().take_due(i64::MAX) {
                self.broker.manager.remove(deletion).await;
            }
        }
        self.broker.create(PASSING, 1, &[]).await;
        self.append_everywhere().await;
    }

    /// Flushes, checkpoints and applies retention, as the background tasks do.
    async fn keep_house(&mut self) {
        let manager = Arc::clone(&self.broker.manager);
        for partition in manager.online() {
            manager.flush(partition).await;
        }
        manager.checkpoint(CheckpointWriter::write_all).await;
        for partition in manager.online() {
            manager.clean_up(partition).await;
        }
    }

    /// The disk has space again: everything goes on.
    async fn has_space_again(&mut self) {
        let manager = Arc::clone(&self.broker.manager);
        manager.space().forget_failed_write();
        manager.open_those_that_need_space().await;
        let offline = manager.offline();
        assert!(offline.is_empty(), "{offline:?}");
        for result in self.append_everywhere().await {
            result.expect("there is space again");
        }
        self.keep_house().await;
    }

    /// Whether everything acknowledged that has to survive is found by a broker on `disk`.
    async fn check_on(&self, disk: MemoryDisk, must_survive: impl Fn(&str) -> bool) {
        let disk = ProbedDisk::over(disk);
        let found = TestBroker::start(disk, Arc::clone(&self.broker.image), "").await;
        let offline = found.manager.offline();
        assert!(offline.is_empty(), "{offline:?}");
        for ((id, index, offset), value) in &self.acknowledged {
            let topic = found.image.topic_by_id(*id).unwrap();
            if !must_survive(&topic.name) {
                continue;
            }
            let partition = found.partition(&topic.name, *index);
            if offset < &partition.log_start() {
                assert_eq!(&*topic.name, SHORT, "only retention takes records");
                continue;
            }
            let place = format!("{}-{index} at {offset}", topic.name);
            assert_eq!(
                value_at(&partition, *offset).as_ref(),
                Some(value),
                "{place}"
            );
        }
        found.pool.stop();
    }
}

/// The value of the only record in the batch at that offset.
fn value_at(partition: &Partition, offset: i64) -> Option<Bytes> {
    let request = ReadRequest {
        offset,
        upper_offset: partition.high_watermark(),
        max_bytes: 1,
        at_least_one: true,
    };
    let Located::Slice(slice) = partition.view().locate_on_disk(&request).unwrap() else {
        return None;
    };
    let mut bytes = vec![0; slice.len as usize];
    slice
        .file
        .read_exact_at(&mut bytes, slice.position)
        .unwrap();
    let batch = Batches::new(bytes.into()).next()?.unwrap();
    batch.verify_crc().unwrap();
    assert_eq!(batch.header().base_offset, offset);
    let records = BatchRecords::read(&batch).unwrap();
    let record = records.into_iter().next()?.unwrap();
    Some(Bytes::copy_from_slice(record.value?))
}

/// Says which operation failed when the test does.
struct Where(io::ErrorKind, usize);

impl Drop for Where {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{:?} at operation {}", self.0, self.1);
        }
    }
}

/// How one operation of a disk is made to fail: after so many others, in that way.
type Fail = fn(&MemoryDisk, usize, io::ErrorKind);

/// Makes each operation of the work fail in turn. Returns how many there are.
async fn each_operation_fails(fail: Fail, error: io::ErrorKind) -> usize {
    for operation in 0.. {
        let mut run = Run::new().await;
        let memory = run.broker.disk.memory.clone();
        let syncs_failed_before = memory.failed_syncs();
        fail(&memory, operation, error);
        timeout(HANGS_AFTER, run.work())
            .await
            .unwrap_or_else(|_| panic!("{error:?} at operation {operation}: it hangs"));
        if memory.fault_pending() {
            println!("{error:?} at each of {operation} operations");
            return operation;
        }
        let _where = Where(error, operation);
        let sync_failed = syncs_failed_before < memory.failed_syncs();
        let offline = run.broker.manager.logs.dir.health().offline().is_some();
        assert!(
            offline || !sync_failed,
            "a failed sync is not believed to be none"
        );
        if error == io::ErrorKind::StorageFull && !sync_failed {
            assert!(!offline, "a full disk is not a broken one");
            run.has_space_again().await;
        }
        if offline {
            for result in run.append_everywhere().await {
                result.expect_err("nothing is appended to a directory that has failed");
            }
        }
        let (mut died, mut lost_power) = (None, None);
        let events = memory.event_count();
        memory.history().for_each_point(None, |point| {
            if point.events() == events {
                died = Some(point.after_process_death(None));
                lost_power = Some(point.after_power_loss(|_| Kept::Nothing));
            }
        });
        run.check_on(died.unwrap(), |_| true).await;
        run.check_on(lost_power.unwrap(), |topic| topic == CAREFUL)
            .await;
        run.broker.pool.stop();
    }
    unreachable!("the work ends")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_once_costs_only_what_was_refused() {
    let operations = each_operation_fails(MemoryDisk::fail, io::ErrorKind::StorageFull).await;
    assert!(100 < operations, "{operations}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_breaks_once_costs_nothing_that_was_acknowledged() {
    let operations = each_operation_fails(MemoryDisk::fail, io::ErrorKind::Other).await;
    assert!(100 < operations, "{operations}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_cannot_be_read_once_costs_nothing_that_was_acknowledged() {
    let looks = each_operation_fails(MemoryDisk::fail_look, io::ErrorKind::Other).await;
    assert!(20 < looks, "{looks}");
}

/// The start itself: it may fail, and the next one finds everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_a_disk_that_fails_once_harms_nothing() {
    let failures: [(Fail, _); 3] = [
        (MemoryDisk::fail, io::ErrorKind::StorageFull),
        (MemoryDisk::fail, io::ErrorKind::Other),
        (MemoryDisk::fail_look, io::ErrorKind::Other),
    ];
    for (fail, error) in failures {
        let mut run = Run::new().await;
        run.work().await;
        run.broker.pool.stop();
        let left = run.broker.disk.memory.clone();
        for operation in 0.. {
            let mut disk = None;
            let events = left.event_count();
            left.history().for_each_point(None, |point| {
                if point.events() == events {
                    disk = Some(point.after_process_death(None));
                }
            });
            let memory = disk.unwrap();
            fail(&memory, operation, error);
            let disk = ProbedDisk::over(memory.clone());
            let image = Arc::clone(&run.broker.image);
            let started = timeout(HANGS_AFTER, TestBroker::try_start(disk, image, "")).await;
            let started = started.expect("a start does not hang");
            if error == io::ErrorKind::StorageFull && memory.failed_syncs() == 0 {
                let broker = started.as_ref().expect("a full disk stops no start");
                assert!(broker.manager.logs.dir.health().offline().is_none());
            }
            if let Ok(broker) = started {
                broker.pool.stop();
            }
            if memory.fault_pending() {
                assert!(3 < operation, "{operation}");
                break;
            }
            run.check_on(memory, |_| true).await;
        }
    }
}
