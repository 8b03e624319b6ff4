//! Taking records back from a log's end: a follower that must agree with its leader.
//!
//! Before either call the caller has to checkpoint a recovery point that is not above the end which
//! the log will have: otherwise a crash in between looks like the loss of synced records. That end
//! is the offset asked for, or a little less if a batch reaches across it.

use std::sync::{Arc, atomic::Ordering};

use crate::{
    cleaner::swap::finish_swap,
    error::{IoError, LogError},
    index::time::TimeEntry,
    log::Log,
    positions::BatchStart,
    producer_state::ProducerState,
    recovery::remove_files,
    replay::{list_snapshots, remove_snapshot, replay_producers},
    segment::Segment,
    segment_writer::SegmentWriter,
    segments::Segments,
};

impl Log {
    /// Drops everything at or above `offset`, and what else is in the batch that holds it.
    pub fn truncate_to(&mut self, offset: i64, now_ms: i64) -> Result<(), LogError> {
        self.check_writable()?;
        if self.state.log_end_offset() <= offset {
            return Ok(());
        }
        if offset <= self.state.segments().first().base_offset() {
            return self.truncate_fully_and_start_at(offset, now_ms);
        }
        self.writer.write_indexes()?;
        let state = Arc::clone(&self.state);
        let _no_cleaning = state.exclude_cleaning();
        let mut flushing = state.flushing.lock();
        let _deleted = finish_swap(&state, &mut flushing)?;
        let segments = Arc::clone(&*state.segments());
        // Whatever fails from here on leaves a log that only opening it again can put in order.
        self.broken = true;
        let index = segments
            .index_of(offset)
            .expect("above the first base offset");
        let segment = segments.get(index).expect("just found");
        let cut_at = segment.find_batch(offset)?;
        let end_offset = cut_at.map_or(offset, |batch| offset.min(batch.header.base_offset));
        let position = cut_at.map_or_else(|| segment.size(), |batch| batch.position);

        // Readers first: they must not be sent to what is about to go.
        state.set_log_start_offset(state.log_start_offset().min(end_offset));
        state.lower_recovery_point(end_offset);
        state.set_log_end_offset(end_offset);
        let kept = segments.first_only(index + 1);
        state.replace_segments(kept.clone());
        for later in segments.iter().skip(index + 1).rev() {
            remove_files(state.disk(), later)?;
        }
        state.names_unsynced.store(true, Ordering::Release);
        self.writer = cut_segment(segment, position, end_offset, now_ms)?;
        state.take_roll_snapshots();
        let replayed = replay_producers(&state.context, state.dir(), &kept, end_offset)?;
        *state.producers.lock() = replayed.producers;
        flushing.snapshot_offset = replayed.snapshot_offset;
        self.make_cut_durable(segment)?;
        self.change_epochs(|epochs| epochs.truncate_from_end(end_offset))?;
        self.broken = false;
        Ok(())
    }

    /// Drops everything; the next record gets `offset`.
    pub fn truncate_fully_and_start_at(
        &mut self,
        offset: i64,
        now_ms: i64,
    ) -> Result<(), LogError> {
        self.check_writable()?;
        self.broken = true;
        let state = Arc::clone(&self.state);
        let _no_cleaning = state.exclude_cleaning();
        let mut flushing = state.flushing.lock();
        let _deleted = finish_swap(&state, &mut flushing)?;
        let old = Arc::clone(&*state.segments());
        for segment in old.iter().rev() {
            remove_files(state.disk(), segment)?;
        }
        let segment = self.create_segment(offset)?;
        self.writer = SegmentWriter::new(Arc::clone(&segment), now_ms, None)?;
        state.replace_segments(Segments::new(vec![segment]));
        state.restart_at(offset);
        state.take_roll_snapshots();
        for snapshot in list_snapshots(state.disk(), state.dir())? {
            remove_snapshot(state.disk(), state.dir(), snapshot)?;
        }
        *state.producers.lock() = ProducerState::new(state.context.producers);
        flushing.snapshot_offset = None;
        self.make_cut_durable(self.writer.segment())?;
        self.change_epochs(|epochs| epochs.truncate_from_end(0))?;
        self.broken = false;
        Ok(())
    }
}

impl Log {
    /// Neither the records that were cut off nor snapshots that tell of them may come back once the
    /// log has others in their place.
    fn make_cut_durable(&self, segment: &Segment) -> Result<(), LogError> {
        let (state, dir) = (&self.state, self.state.dir());
        let synced = state.disk().sync_dir(dir).map_err(IoError::on("sync", dir));
        synced
            .and_then(|()| segment.sync())
            .map_err(|error| state.poison(error))
    }
}

/// Ends a segment at `position`, and prepares to write on from there.
fn cut_segment(
    segment: &Arc<Segment>,
    position: u32,
    end_offset: i64,
    now_ms: i64,
) -> Result<SegmentWriter, LogError> {
    segment.unseal();
    let relative_offset = segment.relative(end_offset);
    segment.positions.truncate(BatchStart {
        relative_offset,
        position,
    });
    segment.publish_size(position);
    let handle = segment.handle()?;
    handle
        .set_len(u64::from(position))
        .map_err(|source| segment.error("cut", source))?;
    segment.hold_unsynced(handle);
    segment.distrust_from(position);
    segment.offset_index.cut_to_valid(end_offset, position)?;
    let last_time = segment.time_index.cut_to_valid(end_offset)?;
    // The time index knows the largest timestamp up to its last entry; the rest has to be read.
    let mut largest = last_time;
    let known_to = last_time.map_or_else(|| segment.base_offset(), |entry| entry.last_offset);
    let mut walk = segment.walk_to(known_to)?;
    while let Some(batch) = walk.next_batch()? {
        let timestamp = batch.max_timestamp();
        if largest.is_none_or(|largest| largest.timestamp < timestamp) {
            let last_offset = batch.header.last_offset();
            largest = Some(TimeEntry {
                timestamp,
                last_offset,
            });
        }
    }
    segment.set_largest_timestamp(largest);
    Ok(SegmentWriter::new(Arc::clone(segment), now_ms, None)?)
}
