//! A deadline that may move, and the ring that was ordered for it.
//!
//! Moving a deadline further away costs nothing: the ring comes too early, is found to be so, and
//! another one is ordered. So a member that sends heartbeats has one ring under way, not one for
//! each heartbeat.

use tokio::time::Instant;

/// See the module's documentation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Alarm {
    deadline: Option<Instant>,
    /// The earliest ring under way; never after `deadline` while there is one.
    rings_at: Option<Instant>,
}

/// What a ring turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ring {
    /// The deadline has passed. The alarm is off now.
    Due,
    /// The deadline has moved: ring again then.
    Later(Instant),
    /// The alarm is off, or another ring is under way.
    Idle,
}

impl Alarm {
    /// Sets or moves the deadline. Returns when to ring, if no ring under way is early enough.
    #[must_use]
    pub(super) fn set(&mut self, deadline: Instant) -> Option<Instant> {
        self.deadline = Some(deadline);
        if self.rings_at.is_some_and(|at| at <= deadline) {
            return None;
        }
        self.rings_at = Some(deadline);
        self.rings_at
    }

    /// Switches it off; rings under way come to nothing.
    pub(super) fn clear(&mut self) {
        self.deadline = None;
    }

    /// A ring has come.
    pub(super) fn rang(&mut self, now: Instant) -> Ring {
        if self.rings_at.is_some_and(|at| now < at) {
            return Ring::Idle;
        }
        self.rings_at = None;
        match self.deadline {
            None => Ring::Idle,
            Some(deadline) if now < deadline => {
                self.rings_at = Some(deadline);
                Ring::Later(deadline)
            }
            Some(_) => {
                self.deadline = None;
                Ring::Due
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_deadline_that_moves_away_needs_no_second_ring_until_the_first_has_come() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(at(10)), Some(at(10)));
        assert_eq!(alarm.set(at(15)), None);
        assert_eq!(alarm.rang(at(10)), Ring::Later(at(15)));
        assert_eq!(alarm.rang(at(15)), Ring::Due);
        assert_eq!(alarm.rang(at(15)), Ring::Idle);
    }

    #[test]
    fn a_deadline_that_moves_nearer_rings_in_time_and_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(at(10)), Some(at(10)));
        assert_eq!(alarm.set(at(5)), Some(at(5)));
        assert_eq!(alarm.rang(at(5)), Ring::Due);
        assert_eq!(alarm.set(at(20)), Some(at(20)));
        assert_eq!(alarm.rang(at(10)), Ring::Idle, "the first ring is stale");
        assert_eq!(alarm.rang(at(20)), Ring::Due);
    }

    #[test]
    fn an_alarm_that_is_off_stays_silent() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        assert_eq!(alarm.set(start), Some(start));
        alarm.clear();
        assert_eq!(alarm.rang(start), Ring::Idle);
        assert_eq!(alarm.set(start), Some(start));
    }
}
