//! The leader's arithmetic: who is in sync, who may be acknowledged, where the high watermark is.
//!
//! Pure: numbers in, numbers out. It does no IO, takes no lock and knows no clock, so that the
//! rules that decide what counts as committed can be read and tested on their own.
//!
//! **Invariant:** the high watermark never passes the log end of any in-sync replica, and does not
//! move at all while fewer replicas are in sync than the topic demands (KIP-966).

use smallvec::SmallVec;

/// Whether an append must be on every in-sync replica before it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequiredAcks {
    /// `acks=0`: the client does not listen for an answer.
    None,
    /// `acks=1`: once this leader has it.
    Leader,
    /// `acks=-1`: once every in-sync replica has it.
    All,
}

/// What the leader of one partition knows about its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leader {
    /// Log end offsets of the in-sync *followers*; the leader's own is passed in where needed.
    in_sync_followers: SmallVec<[i64; 4]>,
    /// `min.insync.replicas`, but never more than the replicas that exist.
    min_in_sync: usize,
}

/// Fewer replicas are in sync than `min.insync.replicas` demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{in_sync} replicas in sync, {required} required")]
pub(crate) struct NotEnoughReplicas {
    /// Replicas in sync, the leader included.
    pub(crate) in_sync: usize,
    /// How many the topic demands.
    pub(crate) required: usize,
}

impl Leader {
    /// A leader with `in_sync` replicas in sync out of `replicas`, itself included, where
    /// `min.insync.replicas` are demanded. How far the followers are it does not know yet.
    pub(super) fn new(in_sync: usize, replicas: usize, min_in_sync: usize) -> Self {
        Self {
            in_sync_followers: SmallVec::from_elem(0, in_sync.saturating_sub(1)),
            min_in_sync: min_in_sync.min(replicas),
        }
    }

    /// Whether a produce with `acks` may be appended at all, checked before the append.
    pub(crate) fn check(&self, acks: RequiredAcks) -> Result<(), NotEnoughReplicas> {
        if acks == RequiredAcks::All && self.in_sync() < self.min_in_sync {
            return Err(NotEnoughReplicas {
                in_sync: self.in_sync(),
                required: self.min_in_sync,
            });
        }
        Ok(())
    }

    /// The high watermark that follows from the leader's `log_end` and its followers' progress.
    ///
    /// `current` is returned unchanged when it may not move.
    pub(crate) fn high_watermark(&self, current: i64, log_end: i64) -> i64 {
        if self.in_sync() < self.min_in_sync {
            return current;
        }
        let committed = self
            .in_sync_followers
            .iter()
            .copied()
            .fold(log_end, i64::min);
        current.max(committed)
    }

    fn in_sync(&self) -> usize {
        1 + self.in_sync_followers.len()
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;

    #[test]
    fn alone_everything_appended_is_committed_even_where_two_replicas_were_demanded() {
        let leader = Leader::new(1, 1, 2);
        assert_eq!(leader.high_watermark(3, 9), 9);
        assert_eq!(leader.check(RequiredAcks::All), Ok(()));
    }

    #[test]
    fn the_slowest_in_sync_follower_holds_the_high_watermark() {
        let leader = Leader {
            in_sync_followers: smallvec![7, 5],
            min_in_sync: 2,
        };
        assert_eq!(leader.high_watermark(3, 9), 5);
    }

    #[test]
    fn a_follower_behind_the_watermark_does_not_take_it_back() {
        let leader = Leader {
            in_sync_followers: smallvec![2],
            min_in_sync: 2,
        };
        assert_eq!(leader.high_watermark(3, 9), 3);
    }

    #[test]
    fn below_the_minimum_nothing_is_committed_and_only_acks_all_is_refused() {
        let leader = Leader {
            in_sync_followers: smallvec![],
            min_in_sync: 2,
        };
        assert_eq!(leader.high_watermark(3, 9), 3);
        let refused = NotEnoughReplicas {
            in_sync: 1,
            required: 2,
        };
        assert_eq!(leader.check(RequiredAcks::All), Err(refused));
        assert_eq!(leader.check(RequiredAcks::Leader), Ok(()));
        assert_eq!(leader.check(RequiredAcks::None), Ok(()));
    }
}
