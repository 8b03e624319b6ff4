//! Appending a group of requests: each gets its place or its error, all share one write.
//!
//! Batches are placed one behind the other in a *run*, which is written at once when the group
//! ends or when the next batch needs a new segment. Bodies are never copied: the write takes each
//! patched header and, from the frame it came in, the body.

use std::sync::Arc;

use odradek_protocol::records::{RecordBatch, TimestampType};

use crate::{
    append::{AppendContext, AppendOrigin, AppendRequest, Appended, CheckedBatches, check},
    error::{AppendError, IoError, LogError},
    leader_epoch::LeaderEpochCache,
    log::Log,
    producer_state::{PendingProducers, SequencedBatch, TransactionMarker, Verdict},
    replay::transaction_marker,
    segment_writer::{PlacedBatch, WriteError},
};

/// See [`Log::append_group`].
pub(crate) fn append_group(
    log: &mut Log,
    requests: &[AppendRequest],
    context: AppendContext,
) -> Vec<Result<Appended, AppendError>> {
    if log.check_writable().is_err() {
        return requests.iter().map(|_| Err(AppendError::Offline)).collect();
    }
    let run = Run::starting_at(log.state.log_end_offset(), 0);
    let mut group = Group {
        log,
        context,
        run,
        results: Vec::new(),
        failed: None,
    };
    for request in requests {
        let result = match &group.failed {
            Some(error) => Err(error.clone()),
            None => check(request, &group.log.config, context)
                .and_then(|batches| group.place_all(batches)),
        };
        group.results.push(result);
    }
    // A failure is in the results already.
    let _ = group.write_run();
    group.results
}

struct Group<'a> {
    log: &'a mut Log,
    context: AppendContext,
    run: Run,
    results: Vec<Result<Appended, AppendError>>,
    /// A write failed: nothing more of this group is tried.
    failed: Option<AppendError>,
}

/// Batches that are placed but not written.
struct Run {
    batches: Vec<PlacedBatch>,
    bytes: u64,
    next_offset: i64,
    producers: PendingProducers,
    /// Transactions that end in these batches, and where.
    markers: Vec<(TransactionMarker, i64)>,
    /// The first request with batches in this run: it and those behind fail with the write.
    first_request: usize,
}

impl Run {
    fn starting_at(next_offset: i64, first_request: usize) -> Self {
        Self {
            batches: Vec::new(),
            bytes: 0,
            next_offset,
            producers: PendingProducers::default(),
            markers: Vec::new(),
            first_request,
        }
    }
}

impl Group<'_> {
    fn place_all(&mut self, batches: CheckedBatches) -> Result<Appended, AppendError> {
        let mut whole: Option<Appended> = None;
        for batch in batches {
            let placed = self.place(batch)?;
            whole = Some(whole.map_or(placed, |whole| Appended {
                last_offset: placed.last_offset,
                ..whole
            }));
        }
        whole.ok_or(AppendError::NotOneBatch { found: 0 })
    }

    /// Gives a batch its place in the run, after writing the run if the batch needs a new segment.
    fn place(&mut self, mut batch: RecordBatch) -> Result<Appended, AppendError> {
        let sequenced = SequencedBatch::from_header(batch.header());
        match self.context.origin {
            AppendOrigin::Client => {
                if let Some(original) = self.check_sequence(sequenced.as_ref())? {
                    return Ok(original);
                }
                batch.assign(self.run.next_offset, self.context.leader_epoch);
            }
            AppendOrigin::Leader => {
                let base_offset = batch.header().base_offset;
                let log_end_offset = self.run.next_offset;
                if base_offset < log_end_offset {
                    return Err(AppendError::OutOfOrderOffsets {
                        base_offset,
                        log_end_offset,
                    });
                }
            }
        }
        let header = *batch.header();
        let placed = PlacedBatch {
            header: header.encode(),
            body: batch.body().clone(),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            max_timestamp: header.max_timestamp,
        };
        self.make_room_for(&placed)?;
        self.enter_epoch(header.partition_leader_epoch, placed.base_offset)?;
        if let Some(sequenced) = sequenced {
            let producers = self.log.state.producers.lock();
            self.run
                .producers
                .append(&producers, &sequenced, placed.base_offset);
        } else if let Some(marker) = transaction_marker(&batch) {
            self.run.markers.push((marker, placed.base_offset));
        }
        let appended = Appended {
            base_offset: placed.base_offset,
            last_offset: placed.last_offset,
            log_append_time_ms: self.log_append_time(placed.max_timestamp),
            log_start_offset: self.log.state.log_start_offset(),
            duplicate: false,
        };
        self.run.bytes += u64::from(placed.len());
        self.run.next_offset = placed.last_offset + 1;
        self.run.batches.push(placed);
        Ok(appended)
    }

    /// The answer to an earlier request, if this is a repetition of it.
    fn check_sequence(
        &self,
        sequenced: Option<&SequencedBatch>,
    ) -> Result<Option<Appended>, AppendError> {
        let Some(sequenced) = sequenced else {
            return Ok(None);
        };
        let producers = self.log.state.producers.lock();
        let verdict = self.run.producers.check(&producers, sequenced);
        match verdict.map_err(AppendError::Sequence)? {
            Verdict::Append => Ok(None),
            Verdict::Duplicate {
                base_offset,
                last_offset,
                timestamp,
            } => Ok(Some(Appended {
                base_offset,
                last_offset,
                log_append_time_ms: self.log_append_time(timestamp),
                log_start_offset: self.log.state.log_start_offset(),
                duplicate: true,
            })),
        }
    }

    fn log_append_time(&self, timestamp: i64) -> Option<i64> {
        (self.log.config.timestamp_type == TimestampType::LogAppendTime).then_some(timestamp)
    }

    fn make_room_for(&mut self, batch: &PlacedBatch) -> Result<(), AppendError> {
        let Self {
            log, run, context, ..
        } = self;
        let jitter_ms = log.roll_jitter_ms();
        let now_ms = context.now_ms;
        if !log
            .writer
            .is_full_for(batch, run.bytes, &log.config, jitter_ms, now_ms)
        {
            return Ok(());
        }
        self.write_run()?;
        self.log.roll(now_ms).map_err(|error| self.fail(error))
    }

    /// The first batch of a new epoch: the epoch's start has to be known before the batch is.
    fn enter_epoch(&mut self, epoch: i32, start_offset: i64) -> Result<(), AppendError> {
        let latest = self.log.state.epochs.read().latest();
        let has_records = latest.is_some_and(|latest| {
            epoch < latest.epoch || epoch == latest.epoch && latest.start_offset < start_offset
        });
        if has_records {
            return Ok(());
        }
        // Saved even if `start_leader_epoch` has told of it: that is in memory.
        let enter = |epochs: &mut LeaderEpochCache| {
            epochs.assign(epoch, start_offset);
            true
        };
        self.log
            .change_epochs(enter)
            .map_err(|error| self.fail(error))
    }

    /// Writes what is placed and shows it to readers.
    fn write_run(&mut self) -> Result<(), AppendError> {
        let fresh = Run::starting_at(self.run.next_offset, self.results.len());
        let run = std::mem::replace(&mut self.run, fresh);
        if run.batches.is_empty() {
            return Ok(());
        }
        let Self { log, context, .. } = self;
        let spare_bytes = log.state.context.health.spare_bytes();
        let written = log
            .writer
            .write(&run.batches, &log.config, spare_bytes, context.now_ms);
        if let Err(error) = written {
            let error = self.write_failed(error);
            for result in self.results.iter_mut().skip(run.first_request) {
                if result.is_ok() {
                    *result = Err(error.clone());
                }
            }
            return Err(error);
        }
        let position = log.writer.segment().size();
        {
            let mut producers = log.state.producers.lock();
            producers.commit(run.producers);
            for (marker, offset) in &run.markers {
                producers.replay_marker(marker, *offset);
            }
            log.writer
                .publish(&run.batches, &log.state.context.positions);
            log.state.set_log_end_offset(run.next_offset);
        }
        log.writer.index(&run.batches, position, &log.config);
        Ok(())
    }

    fn write_failed(&mut self, error: WriteError) -> AppendError {
        let error = match error {
            WriteError::NotStarted(error) => AppendError::Io(Arc::new(error)),
            WriteError::Undone(error) if error.is_no_space() => AppendError::NoSpace,
            WriteError::Undone(error) | WriteError::Torn(error) => self.poison(error),
        };
        self.failed.insert(error).clone()
    }

    fn poison(&self, error: IoError) -> AppendError {
        self.log.state.poison(error);
        AppendError::Offline
    }

    /// A change that an append needs first failed. Nothing was written for it.
    fn fail(&mut self, error: LogError) -> AppendError {
        let error = match error {
            error if error.is_no_space() => AppendError::NoSpace,
            LogError::Io(error) => AppendError::Io(Arc::new(error)),
            error => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    dir = %self.log.state.dir().display(),
                    "append refused"
                );
                AppendError::Offline
            }
        };
        self.failed.insert(error).clone()
    }
}
