//! Where a reset moves one partition to. Pure.
//!
//! **Invariant:** a planned offset lies between where the partition begins and where it ends; only
//! what is already committed is kept as it is.

use std::time::Duration;

use odradek_client::admin::offsets::TopicPartition;

/// Where offsets are to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spec {
    Earliest,
    Latest,
    /// Where they are, or to the end where nothing is committed.
    Current,
    Offset(i64),
    /// By so many records, back if negative.
    ShiftBy(i64),
    /// To the first record of that time or later, in ms since the Unix epoch.
    Time(i64),
    /// The same, that long before now.
    Ago(Duration),
}

/// What is known of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The first offset that can be read.
    pub(super) begin: i64,
    /// The offset of the next record; `begin <= end`.
    pub(super) end: i64,
    /// What the group has committed.
    pub(super) committed: Option<i64>,
    /// The first offset of the time asked for, if any record is that late.
    pub(super) at_time: Option<i64>,
}

/// A new offset, and what there is to say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) offset: i64,
    pub(super) remark: Option<Remark>,
}

/// Why a new offset is not the one that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remark {
    /// The partition begins later than this offset.
    TooLow(i64),
    /// The partition ends before this offset.
    TooHigh(i64),
    /// No record is as late as the time asked for.
    NothingThatLate,
}

/// A group cannot be moved relative to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NothingCommitted;

/// The new offset of a partition.
pub(super) fn plan(spec: Spec, known: Known) -> Result<Planned, NothingCommitted> {
    let planned = match spec {
        Spec::Earliest => exactly(known.begin),
        Spec::Latest => exactly(known.end),
        Spec::Current => exactly(known.committed.unwrap_or(known.end)),
        Spec::Offset(offset) => within(offset, known),
        Spec::ShiftBy(records) => {
            let committed = known.committed.ok_or(NothingCommitted)?;
            within(committed.saturating_add(records), known)
        }
        Spec::Time(_) | Spec::Ago(_) => match known.at_time {
            Some(offset) => exactly(offset),
            None => Planned {
                offset: known.end,
                remark: Some(Remark::NothingThatLate),
            },
        },
    };
    Ok(planned)
}

const fn exactly(offset: i64) -> Planned {
    Planned {
        offset,
        remark: None,
    }
}

/// That offset as far as the partition has it.
fn within(offset: i64, known: Known) -> Planned {
    let remark = if offset < known.begin {
        Some(Remark::TooLow(offset))
    } else if known.end < offset {
        Some(Remark::TooHigh(offset))
    } else {
        None
    };
    Planned {
        // The end counts where a broker tells of an end before the beginning.
        offset: offset.max(known.begin).min(known.end),
        remark,
    }
}

impl Planned {
    /// The line about it, in Kafka's words.
    pub(super) fn warning(self, (topic, partition): &TopicPartition) -> Option<Warning> {
        let offset = self.offset;
        let text = match self.remark? {
            Remark::TooLow(asked) => format!(
                "New offset ({asked}) is lower than earliest offset for topic partition \
                 {topic}-{partition}. Value will be set to {offset}"
            ),
            Remark::TooHigh(asked) => format!(
                "New offset ({asked}) is higher than latest offset for topic partition \
                 {topic}-{partition}. Value will be set to {offset}"
            ),
            Remark::NothingThatLate => {
                let text = format!(
                    "Partition {partition} from topic {topic} is empty. Falling back to latest \
                     known offset."
                );
                return Some(Warning::Printed(text));
            }
        };
        Some(Warning::Logged(text))
    }
}

/// A line beside the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Warning {
    /// Kafka's tool prints it to standard output.
    Printed(String),
    /// Kafka's tool writes it to its log, which is standard error.
    Logged(String),
}

impl Spec {
    /// The time that is asked for, in ms since the Unix epoch. What lies before the epoch is the
    /// epoch: negative numbers mean other things on the wire.
    pub(super) fn timestamp_ms(self, now_ms: i64) -> Option<i64> {
        let ms = match self {
            Self::Time(ms) => ms,
            Self::Ago(duration) => {
                now_ms.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
            }
            _ => return None,
        };
        Some(ms.max(0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const KNOWN: Known = Known {
        begin: 10,
        end: 20,
        committed: Some(15),
        at_time: Some(12),
    };

    /// The new offset and the remark.
    fn planned(spec: Spec, known: Known) -> (i64, Option<Remark>) {
        let planned = plan(spec, known).unwrap();
        (planned.offset, planned.remark)
    }

    #[test]
    fn the_ends_and_what_is_committed_are_taken_as_they_are() {
        assert_eq!(planned(Spec::Earliest, KNOWN), (10, None));
        assert_eq!(planned(Spec::Latest, KNOWN), (20, None));
        assert_eq!(planned(Spec::Current, KNOWN), (15, None));
        let outside = Known {
            committed: Some(3),
            ..KNOWN
        };
        assert_eq!(planned(Spec::Current, outside), (3, None));
    }

    #[test]
    fn offsets_outside_the_partition_become_its_nearer_end() {
        for (asked, expected, remark) in [
            (10, 10, None),
            (20, 20, None),
            (9, 10, Some(Remark::TooLow(9))),
            (-1, 10, Some(Remark::TooLow(-1))),
            (21, 20, Some(Remark::TooHigh(21))),
            (i64::MAX, 20, Some(Remark::TooHigh(i64::MAX))),
        ] {
            assert_eq!(
                planned(Spec::Offset(asked), KNOWN),
                (expected, remark),
                "{asked}"
            );
        }
    }

    #[test]
    fn a_shift_begins_at_what_is_committed_and_stays_inside() {
        for (shift, expected, remark) in [
            (2, 17, None),
            (-5, 10, None),
            (-6, 10, Some(Remark::TooLow(9))),
            (6, 20, Some(Remark::TooHigh(21))),
            (i64::MAX, 20, Some(Remark::TooHigh(i64::MAX))),
            (i64::MIN, 10, Some(Remark::TooLow(i64::MIN + 15))),
        ] {
            assert_eq!(
                planned(Spec::ShiftBy(shift), KNOWN),
                (expected, remark),
                "{shift}"
            );
        }
    }

    #[test]
    fn without_a_commit_current_is_the_end_and_a_shift_is_impossible() {
        let new = Known {
            committed: None,
            ..KNOWN
        };
        assert_eq!(planned(Spec::Current, new), (20, None));
        assert_eq!(plan(Spec::ShiftBy(1), new), Err(NothingCommitted));
    }

    #[test]
    fn a_time_after_the_last_record_is_the_end_and_is_told() {
        let ago = Spec::Ago(Duration::from_secs(1));
        for spec in [Spec::Time(7), ago] {
            assert_eq!(planned(spec, KNOWN), (12, None));
            let late = Known {
                at_time: None,
                ..KNOWN
            };
            assert_eq!(planned(spec, late), (20, Some(Remark::NothingThatLate)));
        }
    }

    #[test]
    fn an_empty_partition_has_one_place_for_everybody() {
        let empty = Known {
            begin: 7,
            end: 7,
            committed: None,
            at_time: None,
        };
        for spec in [Spec::Earliest, Spec::Latest, Spec::Offset(0), Spec::Time(0)] {
            assert_eq!(planned(spec, empty).0, 7);
        }
    }

    #[test]
    fn warnings_name_the_partition_in_kafkas_words() {
        let partition = ("t1".to_owned(), 2);
        let of = |spec, known| plan(spec, known).unwrap().warning(&partition).unwrap();
        let high = "New offset (100) is higher than latest offset for topic partition t1-2. Value \
                    will be set to 20";
        assert_eq!(
            of(Spec::Offset(100), KNOWN),
            Warning::Logged(high.to_owned())
        );
        let late = Known {
            at_time: None,
            ..KNOWN
        };
        let empty = "Partition 2 from topic t1 is empty. Falling back to latest known offset.";
        assert_eq!(of(Spec::Time(1), late), Warning::Printed(empty.to_owned()));
    }

    #[test]
    fn durations_count_back_from_now_and_never_reach_behind_the_epoch() {
        assert_eq!(Spec::Time(7).timestamp_ms(100), Some(7));
        assert_eq!(Spec::Time(-2).timestamp_ms(100), Some(0));
        assert_eq!(
            Spec::Ago(Duration::from_millis(30)).timestamp_ms(100),
            Some(70)
        );
        assert_eq!(Spec::Ago(Duration::MAX).timestamp_ms(100), Some(0));
        assert_eq!(Spec::Latest.timestamp_ms(100), None);
    }
}
