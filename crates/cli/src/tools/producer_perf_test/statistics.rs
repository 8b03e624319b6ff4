//! How fast records were acknowledged, in the lines of Kafka's tool. Pure: times are since the
//! begin of the test.

use std::time::Duration;

/// Latencies kept for percentiles: enough for the 99.9th, few enough for any length of a test.
const SAMPLES_MAX: u64 = 500_000;

/// What Kafka's tools call a MB.
const MB: f64 = 1_048_576.0;

/// Records of some time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sum {
    begun: Duration,
    records: u64,
    bytes: u64,
    latency_ms: u64,
    latency_ms_max: u64,
}

impl Sum {
    fn begin(now: Duration) -> Self {
        Self {
            begun: now,
            ..Self::default()
        }
    }

    fn add(&mut self, latency_ms: u64, bytes: u64) {
        self.records += 1;
        self.bytes += bytes;
        self.latency_ms += latency_ms;
        self.latency_ms_max = self.latency_ms_max.max(latency_ms);
    }

    /// Records and MB, each per second.
    fn rates(&self, now: Duration) -> (f64, f64) {
        let seconds = now.saturating_sub(self.begun).as_secs_f64();
        let records = self.records as f64;
        (per(records, seconds), per(self.bytes as f64 / MB, seconds))
    }

    fn latency_ms_mean(&self) -> f64 {
        self.latency_ms as f64 / self.records as f64
    }
}

fn per(amount: f64, seconds: f64) -> f64 {
    if amount == 0.0 { 0.0 } else { amount / seconds }
}

/// All records from some time on.
#[derive(Debug)]
pub(crate) struct Statistics {
    name: &'static str,
    sum: Sum,
    window: Sum,
    /// Every how many records one latency is kept.
    sample_every: u64,
    samples: Vec<u32>,
}

impl Statistics {
    /// Begins to count. `name` is what the summary calls the records, of which that many are
    /// expected.
    pub(crate) fn begin(name: &'static str, records: u64, now: Duration) -> Self {
        Self {
            name,
            sum: Sum::begin(now),
            window: Sum::begin(now),
            sample_every: records.div_ceil(SAMPLES_MAX).max(1),
            samples: Vec::new(),
        }
    }

    /// One record more was acknowledged.
    pub(crate) fn add(&mut self, latency: Duration, bytes: u64) {
        let latency_ms = latency.as_millis() as u64;
        if self.sum.records.is_multiple_of(self.sample_every) {
            self.samples
                .push(u32::try_from(latency_ms).unwrap_or(u32::MAX));
        }
        self.sum.add(latency_ms, bytes);
        self.window.add(latency_ms, bytes);
    }

    /// The line about what came since the last of these lines.
    pub(crate) fn window_line(&mut self, now: Duration) -> String {
        let window = std::mem::replace(&mut self.window, Sum::begin(now));
        let (records, mb) = window.rates(now);
        format!(
            "{} records sent, {records:.1} records/sec ({mb:.2} MB/sec), {:.1} ms avg latency, \
             {:.1} ms max latency.",
            window.records,
            window.latency_ms_mean(),
            window.latency_ms_max as f64,
        )
    }

    /// When the next of these lines is due.
    pub(crate) fn window_ends(&self, interval: Duration) -> Duration {
        self.window.begun + interval
    }

    /// The line about all of it.
    pub(crate) fn summary_line(&mut self, now: Duration) -> String {
        self.samples.sort_unstable();
        let (records, mb) = self.sum.rates(now);
        let [half, most, nearly_all, all] =
            [500, 950, 990, 999].map(|thousandths| self.percentile(thousandths));
        format!(
            "{} {} sent, {records:.6} records/sec ({mb:.2} MB/sec), {:.2} ms avg latency, {:.2} \
             ms max latency, {half} ms 50th, {most} ms 95th, {nearly_all} ms 99th, {all} ms \
             99.9th.",
            self.sum.records,
            self.name,
            self.sum.latency_ms_mean(),
            self.sum.latency_ms_max as f64,
        )
    }

    /// Of samples that are sorted.
    fn percentile(&self, thousandths: usize) -> u32 {
        let index = self.samples.len() * thousandths / 1_000;
        self.samples.get(index).copied().unwrap_or_default()
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
        let mut statistics = Statistics::begin("records", 1000, ms(0));
        for latency in 1..=1000 {
            statistics.add(ms(latency), 1_048_576);
        }
        let expected = "1000 records sent, 500.000000 records/sec (500.00 MB/sec), 500.50 ms avg \
                        latency, 1000.00 ms max latency, 501 ms 50th, 951 ms 95th, 991 ms 99th, \
                        1000 ms 99.9th.";
        assert_eq!(statistics.summary_line(ms(2000)), expected);
    }

    #[test]
    fn a_window_counts_from_the_one_before() {
        let mut statistics = Statistics::begin("records", 10, ms(0));
        statistics.add(ms(10), 100);
        assert_eq!(statistics.window_ends(ms(5000)), ms(5000));
        statistics.window_line(ms(5000));
        statistics.add(ms(2), 1_048_576);
        statistics.add(ms(5), 1_048_576);
        let expected = "2 records sent, 0.5 records/sec (0.50 MB/sec), 3.5 ms avg latency, 5.0 ms \
                        max latency.";
        assert_eq!(statistics.window_line(ms(9000)), expected);
    }

    #[test]
    fn nothing_sent_is_shown_as_kafka_shows_it() {
        let expected = "0 records sent, 0.000000 records/sec (0.00 MB/sec), NaN ms avg latency, \
                        0.00 ms max latency, 0 ms 50th, 0 ms 95th, 0 ms 99th, 0 ms 99.9th.";
        let mut statistics = Statistics::begin("records", 5, ms(0));
        assert_eq!(statistics.summary_line(ms(0)), expected);
    }

    #[test]
    fn a_long_test_keeps_a_sample_of_its_latencies() {
        let mut statistics = Statistics::begin("records", 4 * SAMPLES_MAX, ms(0));
        for _ in 0..100 {
            statistics.add(ms(1), 1);
        }
        assert_eq!(statistics.samples.len(), 25);
    }
}
