//! Which partitions are read, and where each stands. Pure.
//!
//! Two sides share it: the poll hands records out, the fetcher brings more.
//!
//! **Invariants:**
//! - A partition is fetched only while nothing of it waits to be handed out: memory is bounded by
//!   one answer for each broker and partition.
//! - What was asked for before a seek, a pause or a new assignment is not handed out after it.

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::Instant;

use super::{
    chunk::{Chunk, Place},
    record::ConsumerRecord,
};
use crate::{admin::offsets::OffsetSpec, error::Error};

/// Where reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) offset: i64,
    /// The leader epoch of the record before it; -1 if it is not known.
    pub(crate) leader_epoch: i32,
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Where the group has committed; if it has not, as `auto.offset.reset` says.
    Committed,
    /// As `auto.offset.reset` says.
    Reset,
    /// There.
    Spec(OffsetSpec),
}

/// What is known of a partition's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// To be found.
    Unknown(Start),
    /// Somebody asks a broker.
    Asked,
    /// Known, but the leader is new, and is being asked whether its log is the same.
    InDoubt(Position),
    /// Known.
    At(Position),
}

/// One partition that is read.
#[derive(Debug)]
pub(crate) struct Assigned {
    pub(crate) whereabouts: Whereabouts,
    pub(crate) paused: bool,
    /// Counts what made earlier questions void.
    pub(crate) turn: u64,
    /// An answer that was not handed out wholly.
    pub(crate) chunk: Option<Chunk>,
    /// For the next poll to tell.
    pub(crate) error: Option<Error>,
    /// Not to be asked about before then.
    pub(crate) not_before: Option<Instant>,
    /// The epoch of the last leader whose log is known to hold the position; -1 if none is.
    pub(crate) validated_in: i32,
}

/// All partitions that are read.
#[derive(Debug, Default)]
pub(crate) struct Assignment {
    by_place: BTreeMap<Place, Assigned>,
    turns: u64,
    /// Where the last poll stopped: the next goes on behind it, so that none is left out.
    last_polled: Option<Place>,
}

impl Assignment {
    /// Reads these partitions and no others. Those that were read already go on where they are.
    pub(crate) fn assign(&mut self, places: impl IntoIterator<Item = (Place, Whereabouts)>) {
        let mut before = std::mem::take(&mut self.by_place);
        for (place, whereabouts) in places {
            let assigned = before.remove(&place).unwrap_or_else(|| Assigned {
                whereabouts,
                paused: false,
                turn: self.next_turn(),
                chunk: None,
                error: None,
                not_before: None,
                validated_in: -1,
            });
            self.by_place.insert(place, assigned);
        }
    }

    /// The partitions, with what is known of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Place, &Assigned)> {
        self.by_place.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&Place, &mut Assigned)> {
        self.by_place.iter_mut()
    }

    pub(crate) fn get_mut(&mut self, place: &Place) -> Option<&mut Assigned> {
        self.by_place.get_mut(place)
    }

    /// Goes on from elsewhere. False if the partition is not read.
    pub(crate) fn seek(&mut self, place: &Place, whereabouts: Whereabouts) -> bool {
        let turn = self.next_turn();
        let Some(assigned) = self.by_place.get_mut(place) else {
            return false;
        };
        *assigned = Assigned {
            whereabouts,
            paused: assigned.paused,
            turn,
            chunk: None,
            error: None,
            not_before: None,
            validated_in: -1,
        };
        true
    }

    /// The position of the next record to be handed out, if it is known.
    pub(crate) fn position(&self, place: &Place) -> Option<Position> {
        let assigned = self.by_place.get(place)?;
        match (&assigned.chunk, assigned.whereabouts) {
            (Some(chunk), _) => Some(chunk.reached()),
            (None, Whereabouts::At(position) | Whereabouts::InDoubt(position)) => Some(position),
            _ => None,
        }
    }

    /// Hands out up to so many records, of one partition after the other.
    pub(crate) fn poll(&mut self, records_max: usize) -> Result<Vec<ConsumerRecord>, Error> {
        let mut records = Vec::new();
        let last = self.last_polled.clone();
        let (before, behind): (Vec<_>, Vec<_>) = self
            .by_place
            .iter_mut()
            .filter(|(_, assigned)| !assigned.paused)
            .partition(|(place, _)| last.as_ref().is_some_and(|last| *place <= last));
        for (place, assigned) in behind.into_iter().chain(before) {
            if records_max <= records.len() {
                break;
            }
            if let Some(error) = assigned.error.take() {
                if records.is_empty() {
                    return Err(error);
                }
                // What was read before it comes first.
                assigned.error = Some(error);
                break;
            }
            let taken = records.len();
            assigned.take_records(&mut records, records_max);
            if taken < records.len() {
                self.last_polled = Some(place.clone());
            }
        }
        Ok(records)
    }

    fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }
}

impl Assigned {
    fn take_records(&mut self, records: &mut Vec<ConsumerRecord>, records_max: usize) {
        let Some(chunk) = &mut self.chunk else {
            return;
        };
        while records.len() < records_max {
            match chunk.next() {
                Some(Ok(record)) => records.push(record),
                end => {
                    self.whereabouts = Whereabouts::At(chunk.reached());
                    self.error = end.and_then(Result::err);
                    self.chunk = None;
                    return;
                }
            }
        }
    }

    /// Whether a broker may be asked about it: nothing has to be told first, and no pause is left.
    pub(crate) fn may_be_asked_about(&self, now: Instant) -> bool {
        self.error.is_none() && self.not_before.is_none_or(|not_before| not_before <= now)
    }

    /// Where it is to be fetched from, if it is to be fetched now.
    pub(crate) fn wants(&self, now: Instant) -> Option<Position> {
        match self.whereabouts {
            Whereabouts::At(position)
                if self.may_be_asked_about(now) && !self.paused && self.chunk.is_none() =>
            {
                Some(position)
            }
            _ => None,
        }
    }
}

/// A partition by names that are cheap to share.
pub(crate) fn place(topic: &str, partition: i32) -> Place {
    (Arc::from(topic), partition)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use odradek_protocol::records::BatchBuilder;

    use super::*;

    const START: Whereabouts = Whereabouts::At(Position {
        offset: 0,
        leader_epoch: -1,
    });

    fn chunk(place: &Place, records: usize) -> Chunk {
        let mut batch = BatchBuilder::new().leader_epoch(3);
        for _ in 0..records {
            batch = batch.record(1, None, Some(b"v"));
        }
        let bytes = batch.build().to_bytes();
        Chunk::new(place.clone(), 0, bytes, Vec::new(), true)
    }

    /// Two partitions with so many records each.
    fn assignment(records: [usize; 2]) -> Assignment {
        let mut assignment = Assignment::default();
        let places = [place("t", 0), place("t", 1)];
        assignment.assign(places.clone().map(|place| (place, START)));
        for (place, records) in places.iter().zip(records) {
            assignment.get_mut(place).unwrap().chunk = Some(chunk(place, records));
        }
        assignment
    }

    fn poll(assignment: &mut Assignment, records_max: usize) -> Vec<(i32, i64)> {
        let records = assignment.poll(records_max).unwrap();
        let each = records.iter();
        each.map(|record| (record.partition, record.offset))
            .collect()
    }

    #[test]
    fn every_partition_has_its_turn() {
        let mut assignment = assignment([3, 3]);
        assert_eq!(poll(&mut assignment, 2), [(0, 0), (0, 1)]);
        assert_eq!(poll(&mut assignment, 2), [(1, 0), (1, 1)]);
        assert_eq!(poll(&mut assignment, 9), [(0, 2), (1, 2)]);
    }

    #[test]
    fn the_position_follows_what_was_handed_out_and_then_more_is_wanted() {
        let mut assignment = assignment([2, 2]);
        let first = place("t", 0);
        let now = Instant::now();
        poll(&mut assignment, 1);
        assert_eq!(assignment.position(&first).unwrap().offset, 1);
        assert_eq!(assignment.get_mut(&first).unwrap().wants(now), None);
        poll(&mut assignment, 9);
        let position = Position {
            offset: 2,
            leader_epoch: 3,
        };
        assert_eq!(
            assignment.get_mut(&first).unwrap().wants(now),
            Some(position)
        );
    }

    #[test]
    fn a_seek_drops_what_was_fetched_before_it() {
        let mut assignment = assignment([2, 0]);
        let first = place("t", 0);
        let turn = assignment.get_mut(&first).unwrap().turn;
        assert!(assignment.seek(&first, Whereabouts::Unknown(Start::Reset)));
        assert_eq!(poll(&mut assignment, 9), []);
        assert_eq!(assignment.position(&first), None);
        assert_ne!(assignment.get_mut(&first).unwrap().turn, turn);
        assert!(!assignment.seek(&place("t", 7), START));
    }

    #[test]
    fn a_paused_partition_keeps_what_it_has() {
        let mut assignment = assignment([1, 1]);
        assignment.get_mut(&place("t", 0)).unwrap().paused = true;
        assert_eq!(poll(&mut assignment, 9), [(1, 0)]);
        assignment.get_mut(&place("t", 0)).unwrap().paused = false;
        assert_eq!(poll(&mut assignment, 9), [(0, 0)]);
    }

    #[test]
    fn partitions_that_stay_go_on_where_they_are() {
        let mut assignment = assignment([2, 2]);
        poll(&mut assignment, 1);
        assignment.assign([(place("t", 0), START), (place("u", 0), START)]);
        assert_eq!(assignment.position(&place("t", 0)).unwrap().offset, 1);
        assert_eq!(assignment.position(&place("t", 1)), None);
    }
}
