//! Whether a position is still in the log, after its leader has changed (KIP-320). Pure.
//!
//! A leader that was elected with less than its predecessor had may have other records at the same
//! offsets. The epoch of the last record that was read tells: the new leader says where that epoch
//! ends in its log.

use odradek_protocol::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopic,
};

use super::assignment::Position;
use crate::{
    admin::offsets::{ByPartition, TopicPartition},
    by_topic::by_topic,
    error::Error,
};

/// A consumer is no replica.
const NO_REPLICA: i32 = -1;

/// Where the leader's log ends, as far as records of an epoch go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochEnd {
    /// The largest epoch in the log that is not above the one asked for; -1 if there is none.
    pub(crate) leader_epoch: i32,
    /// The offset after its last record; -1 if there is none.
    pub(crate) end_offset: i64,
}

/// What has become of a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The log is the same up to it.
    Holds,
    /// The log is another one from there on, if that is known: records were lost.
    Diverged(Option<Position>),
}

/// Judges a position by where the epoch of the record before it ends.
pub(crate) fn judge(position: Position, end: EpochEnd) -> Verdict {
    if end.leader_epoch < 0 || end.end_offset < 0 {
        return Verdict::Diverged(None);
    }
    if position.offset <= end.end_offset {
        return Verdict::Holds;
    }
    Verdict::Diverged(Some(Position {
        offset: end.end_offset,
        leader_epoch: end.leader_epoch,
    }))
}

/// The question where the epochs of these positions end. The epoch that the leader is in is not
/// asked to be checked: the fetch that follows does that.
pub(crate) fn question(wanted: &[(&TopicPartition, &Position)]) -> OffsetForLeaderEpochRequest {
    let each = wanted.iter().map(|((topic, partition), position)| {
        let asked = OffsetForLeaderPartition {
            partition: *partition,
            leader_epoch: position.leader_epoch,
            ..Default::default()
        };
        (topic.as_str(), asked)
    });
    let topics = by_topic(each).map(|(topic, partitions)| OffsetForLeaderTopic {
        topic: topic.to_owned(),
        partitions,
    });
    OffsetForLeaderEpochRequest {
        replica_id: NO_REPLICA,
        topics: topics.collect(),
    }
}

/// What was answered about each.
pub(crate) fn answers(
    answer: OffsetForLeaderEpochResponse,
) -> ByPartition<Result<EpochEnd, Error>> {
    let each = answer.topics.into_iter().flat_map(|topic| {
        let partitions = topic.partitions.into_iter();
        let name = topic.topic;
        partitions.map(move |end| {
            let what = format!("the end of an epoch of {name}-{}", end.partition);
            let checked = Error::check(what, end.error_code, None);
            let end_of_epoch = EpochEnd {
                leader_epoch: end.leader_epoch,
                end_offset: end.end_offset,
            };
            (
                (name.clone(), end.partition),
                checked.map(|()| end_of_epoch),
            )
        })
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(offset: i64, leader_epoch: i32) -> Position {
        Position {
            offset,
            leader_epoch,
        }
    }

    fn judged(position: Position, leader_epoch: i32, end_offset: i64) -> Verdict {
        let end = EpochEnd {
            leader_epoch,
            end_offset,
        };
        judge(position, end)
    }

    #[test]
    fn a_position_up_to_the_end_of_its_epoch_holds() {
        assert_eq!(judged(at(10, 3), 3, 10), Verdict::Holds);
        assert_eq!(judged(at(10, 3), 3, 25), Verdict::Holds);
    }

    #[test]
    fn a_position_behind_the_end_of_its_epoch_goes_back_to_it() {
        let diverged = Verdict::Diverged(Some(at(8, 2)));
        assert_eq!(judged(at(10, 3), 2, 8), diverged);
    }

    #[test]
    fn of_a_log_that_knows_nothing_so_old_nothing_is_known() {
        assert_eq!(judged(at(10, 3), -1, -1), Verdict::Diverged(None));
    }
}
