//! How far groups are behind the ends of what they read: for Prometheus and for people.
//!
//! Nothing is kept up to date for this: it is computed when somebody asks, from the committed
//! offsets and the partitions' high watermarks.
//!
//! **Bound:** one scrape shows at most [`SERIES_MAX`] partitions of groups, first of those groups
//! that have members; how many more there are is a metric of its own.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use super::{
    Coordinator,
    group::{GroupError, GroupState},
    shard::Entry,
};

/// Series of lag in one scrape. A series takes about 100 bytes of the answer.
pub(crate) const SERIES_MAX: usize = 10_000;

/// How far a group has read one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionLag {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    /// The offset of the next record that the group will read.
    pub(crate) committed: i64,
    /// The offset behind the last record that it could read; `None` if the partition is not
    /// served here.
    pub(crate) end: Option<i64>,
}

/// The lag of all groups at one moment.
#[derive(Debug, Default)]
struct Lags {
    shown: Vec<(Arc<str>, PartitionLag)>,
    /// Committed offsets that are not shown.
    omitted: usize,
}

impl PartitionLag {
    /// Records that the group has not read. A position behind the end, from before records were
    /// lost, is not behind.
    pub(crate) fn records(&self) -> Option<i64> {
        self.end
            .map(|end| end.saturating_sub(self.committed).max(0))
    }
}

impl Coordinator {
    /// How far a group has read, by topic and partition. Nothing of a group that does not exist.
    pub(crate) fn lag_of(&self, group: &str) -> Result<Vec<PartitionLag>, GroupError> {
        let shard = self.shard_of(group)?;
        let mut lags: Vec<_> = match shard.active()?.groups.get(group) {
            Some(entry) => positions(entry).collect(),
            None => return Ok(Vec::new()),
        };
        for lag in &mut lags {
            self.look_up_end(lag);
        }
        Ok(lags)
    }

    fn lags(&self) -> Lags {
        let mut lags = Lags::default();
        let shards = self.shards();
        for with_members in [true, false] {
            for shard in &shards {
                // A shard that is being loaded shows its groups later.
                let Ok(state) = shard.active() else { continue };
                for (group, entry) in &state.groups {
                    if (entry.group.state() == GroupState::Empty) != with_members {
                        lags.add(group, entry);
                    }
                }
            }
        }
        for (_, lag) in &mut lags.shown {
            self.look_up_end(lag);
        }
        lags
    }

    fn look_up_end(&self, lag: &mut PartitionLag) {
        let partition = self.replicas.partition(&lag.topic, lag.partition);
        lag.end = partition.ok().map(|partition| partition.high_watermark());
    }
}

impl Lags {
    fn add(&mut self, group: &Arc<str>, entry: &Entry) {
        let room = SERIES_MAX.saturating_sub(self.shown.len());
        let before = self.shown.len();
        let positions = positions(entry).take(room);
        self.shown
            .extend(positions.map(|lag| (Arc::clone(group), lag)));
        let added = self.shown.len() - before;
        self.omitted += entry.offsets.entries().saturating_sub(added);
    }
}

/// The positions of a group, without the ends.
fn positions(entry: &Entry) -> impl Iterator<Item = PartitionLag> {
    let all = entry.offsets.iter();
    all.map(|(topic, partition, committed)| PartitionLag {
        topic: Arc::clone(topic),
        partition,
        committed: committed.offset,
        end: None,
    })
}

/// Shows the lag of all groups to Prometheus.
#[derive(Debug)]
pub(crate) struct LagMetrics(pub(crate) Arc<Coordinator>);

impl Collector for LagMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Lags { shown, omitted } = self.0.lags();
        let gauge = ConstGauge::new(omitted as u64);
        let descriptor = encoder.encode_descriptor(
            "odradek_consumer_group_lag_omitted",
            "Committed offsets whose lag is not shown because there are too many",
            None,
            gauge.metric_type(),
        )?;
        gauge.encode(descriptor)?;
        if shown.is_empty() {
            return Ok(());
        }
        let mut family = encoder.encode_descriptor(
            "odradek_consumer_group_lag",
            "Records that a group has not read, by its committed offset",
            None,
            MetricType::Gauge,
        )?;
        for (group, lag) in &shown {
            let Some(records) = lag.records() else {
                continue;
            };
            let labels = [
                ("group", group.to_string()),
                ("topic", lag.topic.to_string()),
                ("partition", lag.partition.to_string()),
            ];
            ConstGauge::new(records).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_what_is_left_to_read_and_never_negative() {
        let lag = |committed, end| PartitionLag {
            topic: "t".into(),
            partition: 0,
            committed,
            end,
        };
        assert_eq!(lag(3, Some(10)).records(), Some(7));
        assert_eq!(lag(10, Some(10)).records(), Some(0));
        assert_eq!(lag(12, Some(10)).records(), Some(0));
        assert_eq!(lag(3, None).records(), None);
    }
}
