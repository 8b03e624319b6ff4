//! How fast records were read, in the lines of Kafka's tool. Pure: times are since the begin of
//! the test.

use std::time::Duration;

/// What Kafka's tools call a MB.
const MB: f64 = 1_048_576.0;

/// What was read by some time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Progress {
    /// When.
    pub(crate) at: Duration,
    /// Keys and values.
    pub(crate) bytes: u64,
    /// How many.
    pub(crate) records: u64,
    /// The part of the time in which no partition was assigned.
    pub(crate) joining: Duration,
}

/// The names of the columns of a summary.
pub(crate) const SUMMARY_HEADER: &str = "start.time, end.time, data.consumed.in.MB, MB.sec, \
    data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, \
    fetch.nMsg.sec";

/// The names of the columns of the lines of each interval.
pub(crate) const INTERVAL_HEADER: &str = "time, threadId, data.consumed.in.MB, MB.sec, \
    data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, \
    fetch.nMsg.sec";

impl Progress {
    /// The columns behind the dates of a summary: everything.
    pub(crate) fn summary(&self) -> String {
        self.columns(&Self::default())
    }

    /// The columns behind the date of an interval, which began at `before`: amounts from the
    /// begin, rates of the interval.
    pub(crate) fn interval(&self, before: &Self) -> String {
        format!("0, {}", self.columns(before))
    }

    fn columns(&self, before: &Self) -> String {
        let mb = |bytes: u64| bytes as f64 / MB;
        let new_mb = mb(self.bytes - before.bytes);
        let new_records = (self.records - before.records) as f64;
        let time = self.at.saturating_sub(before.at);
        let joining = self.joining.saturating_sub(before.joining);
        let fetching = time.saturating_sub(joining);
        format!(
            "{:.4}, {:.4}, {}, {:.4}, {}, {}, {:.4}, {:.4}",
            mb(self.bytes),
            per_second(new_mb, time),
            self.records,
            per_second(new_records, time),
            joining.as_millis(),
            fetching.as_millis(),
            per_second(new_mb, fetching),
            per_second(new_records, fetching),
        )
    }
}

/// In whole milliseconds, as they are shown.
fn per_second(amount: f64, time: Duration) -> f64 {
    match time.as_millis() {
        0 => 0.0,
        ms => amount * 1_000.0 / ms as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_summary_is_kafkas_line() {
        let all = Progress {
            at: ms(4362),
            bytes: 300_000,
            records: 3000,
            joining: ms(4047),
        };
        let expected = "0.2861, 0.0656, 3000, 687.7579, 4047, 315, 0.9083, 9523.8095";
        assert_eq!(all.summary(), expected);
        assert_eq!(
            SUMMARY_HEADER.split(", ").count(),
            2 + all.summary().split(", ").count()
        );
    }

    #[test]
    fn an_interval_has_its_own_rates() {
        let before = Progress {
            at: ms(1000),
            bytes: 1_048_576,
            records: 10,
            joining: ms(500),
        };
        let now = Progress {
            at: ms(3000),
            bytes: 3 * 1_048_576,
            records: 40,
            joining: ms(500),
        };
        let expected = "0, 3.0000, 1.0000, 40, 15.0000, 0, 2000, 1.0000, 15.0000";
        assert_eq!(now.interval(&before), expected);
        assert_eq!(
            INTERVAL_HEADER.split(", ").count(),
            1 + now.interval(&before).split(", ").count()
        );
    }

    #[test]
    fn no_time_is_no_rate() {
        assert_eq!(
            Progress::default().summary(),
            "0.0000, 0.0000, 0, 0.0000, 0, 0, 0.0000, 0.0000"
        );
    }
}
