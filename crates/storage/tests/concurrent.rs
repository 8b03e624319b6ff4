//! Readers and the flusher beside a writer that appends, rolls and deletes: nobody sees half a
//! batch, a gap, or anything beyond the end.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use bytes::Bytes;
use odradek_protocol::records::{BatchBuilder, Batches};
use odradek_storage::{
    append::{AppendContext, AppendOrigin, AppendRequest},
    config::LogConfig,
    disk::RealDisk,
    file_cache::FileCache,
    log::{Log, LogContext, OpenOptions},
    log_dir::{DirHealth, PreviousStop},
    positions::PositionBudget,
    producer_state::ProducerLimits,
    read::{Located, LogView, ReadRequest},
    timestamps::TimestampQuery,
};

const GROUPS: usize = 3_000;

#[test]
fn readers_and_flushes_beside_a_writer_see_whole_batches_in_order() {
    let root = tempfile::tempdir().unwrap();
    let context = LogContext {
        // Fewer files than segments, so that handles come and go.
        files: FileCache::new(Arc::new(RealDisk), 8),
        positions: Arc::new(PositionBudget::new(8 << 10)),
        producers: ProducerLimits::default(),
        health: Arc::new(DirHealth::default()),
    };
    let options = OpenOptions {
        dir: root.path().join("busy-0"),
        config: LogConfig {
            segment_bytes: 64 << 10,
            retention_ms: None,
            retention_bytes: Some(400 << 10),
            ..LogConfig::default()
        },
        recovery_point: 0,
        log_start_offset: 0,
        previous_stop: PreviousStop::Never,
        now_ms: 0,
    };
    let (mut log, _) = Log::open(&context, options).unwrap();
    let view = log.view().clone();
    let flusher = log.flusher();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for max_bytes in [1, 3_000, 1 << 20] {
            let (view, done) = (view.clone(), &done);
            scope.spawn(move || consume(&view, max_bytes, done));
        }
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let recovery_point = flusher.flush(0).unwrap();
                assert!(recovery_point <= view.log_end_offset());
                view.offset_for_timestamp(TimestampQuery::AtOrAfter(5))
                    .unwrap();
            }
        });
        write(&mut log);
        done.store(true, Ordering::Release);
    });
    assert_eq!(context.health.offline(), None);
}

fn write(log: &mut Log) {
    let context = AppendContext {
        origin: AppendOrigin::Client,
        leader_epoch: 0,
        now_ms: 0,
    };
    for group in 0..GROUPS {
        let requests: Vec<_> = (0..=group % 4)
            .map(|n| {
                let value = vec![b'v'; (group * 37 + n * 911) % 2_500];
                let records = BatchBuilder::new()
                    .record((group % 10) as i64, None, Some(&value))
                    .record(3, None, Some(b"second"))
                    .build()
                    .to_bytes();
                AppendRequest { records }
            })
            .collect();
        for result in log.append_group(&requests, context).results {
            result.unwrap();
        }
        if group % 100 == 0 {
            let end = log.view().log_end_offset();
            // Left on the disk until later, as the broker does.
            let _pending = log.delete_old_segments(end, 0).unwrap();
        }
    }
}

/// Reads from the log's start to its end, and what is appended meanwhile, until the writer is done.
fn consume(view: &LogView, max_bytes: u32, done: &AtomicBool) {
    let mut offset = view.log_start_offset();
    loop {
        let writer_was_done = done.load(Ordering::Acquire);
        let upper_offset = i64::MAX;
        let request = ReadRequest {
            offset,
            upper_offset,
            max_bytes,
            at_least_one: true,
        };
        let located = match view.locate(&request) {
            Located::NeedsDisk => view.locate_on_disk(&request),
            located => Ok(located),
        };
        match located {
            Ok(Located::Slice(slice)) => {
                let mut bytes = vec![0; slice.len as usize];
                slice
                    .file
                    .read_exact_at(&mut bytes, slice.position)
                    .unwrap();
                for batch in Batches::new(Bytes::from(bytes)) {
                    let batch = batch.unwrap();
                    batch.verify_crc().unwrap();
                    assert_eq!(batch.header().base_offset, offset);
                    offset = batch.header().next_offset();
                }
                assert_eq!(slice.end_offset, Some(offset));
                assert!(offset <= view.log_end_offset());
            }
            Ok(Located::Empty) if writer_was_done => {
                assert_eq!(offset, view.log_end_offset());
                return;
            }
            Ok(Located::Empty) => thread::yield_now(),
            // Retention was faster.
            Ok(Located::OutOfRange) => {
                assert!(offset < view.log_start_offset());
                offset = view.log_start_offset();
            }
            other => panic!("offset {offset}: {other:?}"),
        }
    }
}
