//! Which partition a record goes to.

use std::{collections::HashMap, fmt, sync::Arc};

use parking_lot::Mutex;

use super::{murmur2, record::ProducerRecord};

/// What a partitioner sees of a topic.
#[derive(Clone, Copy)]
pub struct Partitions<'a> {
    count: usize,
    available: &'a dyn Fn() -> Vec<(i32, usize)>,
}

impl<'a> Partitions<'a> {
    /// A topic with so many partitions. `available` is asked only by those who want to know.
    pub fn new(count: usize, available: &'a dyn Fn() -> Vec<(i32, usize)>) -> Self {
        Self { count, available }
    }

    /// How many partitions the topic has; at least one.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Those that have a leader, each with the number of batches that wait for it. Empty when none
    /// has one. Looks at every partition: not for each record.
    pub fn available(&self) -> Vec<(i32, usize)> {
        (self.available)()
    }
}

impl fmt::Debug for Partitions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// Chooses partitions. One instance serves all threads.
pub trait Partitioner: fmt::Debug + Send + Sync {
    /// The partition of a record, from 0 below the count.
    fn partition(&self, record: &ProducerRecord, partitions: Partitions<'_>) -> i32;

    /// A batch of the topic was completed: those that stay with a partition may move on.
    fn batch_completed(&self, _topic: &str) {}
}

/// Kafka's default: the key decides (murmur2), and records without one stay with a random partition
/// until it has got a batch's worth of bytes, so that each gets as much, however fast it is
/// (KIP-794). Adaptively, partitions that lag are chosen less often.
#[derive(Debug)]
pub struct DefaultPartitioner {
    ignore_keys: bool,
    is_adaptive: bool,
    batch_bytes: usize,
    sticky: Mutex<HashMap<Arc<str>, Stay>>,
}

/// Where the records of a topic go for now.
#[derive(Debug)]
struct Stay {
    partition: i32,
    /// What has gone there meanwhile.
    bytes: usize,
}

impl DefaultPartitioner {
    /// With `partitioner.ignore.keys`, `partitioner.adaptive.partitioning.enable` and `batch.size`.
    pub fn new(ignore_keys: bool, is_adaptive: bool, batch_bytes: usize) -> Self {
        Self {
            ignore_keys,
            is_adaptive,
            batch_bytes: batch_bytes.max(1),
            sticky: Mutex::default(),
        }
    }
}

impl Partitioner for DefaultPartitioner {
    fn partition(&self, record: &ProducerRecord, partitions: Partitions<'_>) -> i32 {
        if let (Some(key), false) = (&record.key, self.ignore_keys) {
            return murmur2::partition_of(key, partitions.count()) as i32;
        }
        let bytes = record.bytes_max();
        let mut sticky = self.sticky.lock();
        if let Some(stay) = sticky.get_mut(&record.topic)
            // Twice as much only where batches are sent before they are full.
            && stay.bytes < 2 * self.batch_bytes
            && (stay.partition as usize) < partitions.count()
        {
            stay.bytes += bytes;
            return stay.partition;
        }
        let partition = choose(partitions, self.is_adaptive, fastrand::f64());
        sticky.insert(Arc::clone(&record.topic), Stay { partition, bytes });
        partition
    }

    fn batch_completed(&self, topic: &str) {
        let mut sticky = self.sticky.lock();
        let is_served = |stay: &Stay| self.batch_bytes <= stay.bytes;
        if sticky.get(topic).is_some_and(is_served) {
            sticky.remove(topic);
        }
    }
}

/// The partitions of each topic one after the other, whatever the key.
#[derive(Debug, Default)]
pub struct RoundRobinPartitioner {
    next: Mutex<HashMap<Arc<str>, usize>>,
}

impl RoundRobinPartitioner {
    fn next(&self, topic: &Arc<str>) -> usize {
        let mut next = self.next.lock();
        let next = next.entry(Arc::clone(topic)).or_default();
        let turn = *next;
        *next = turn.wrapping_add(1);
        turn
    }
}

impl Partitioner for RoundRobinPartitioner {
    fn partition(&self, record: &ProducerRecord, partitions: Partitions<'_>) -> i32 {
        let next = self.next(&record.topic);
        let available = partitions.available();
        let turn = next.checked_rem(available.len());
        match turn.and_then(|turn| available.get(turn)) {
            Some((partition, _)) => *partition,
            None => (next % partitions.count()) as i32,
        }
    }
}

/// A partition by chance. Adaptively, one with as many batches waiting as the longest queue gets
/// one share, an empty one as many shares as that queue is long and one more.
fn choose(partitions: Partitions<'_>, is_adaptive: bool, chance: f64) -> i32 {
    let available = partitions.available();
    if available.is_empty() {
        return (chance * partitions.count() as f64) as i32;
    }
    let longest = available.iter().map(|(_, waiting)| *waiting).max();
    let shares = |waiting: usize| match longest {
        Some(longest) if is_adaptive => longest + 1 - waiting,
        _ => 1,
    };
    let all: usize = available.iter().map(|(_, waiting)| shares(*waiting)).sum();
    let mut left = (chance * all as f64) as usize;
    for (partition, waiting) in &available {
        let mine = shares(*waiting);
        if left < mine {
            return *partition;
        }
        left -= mine;
    }
    available.last().map_or(0, |(partition, _)| *partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks about a topic of four partitions of which these are available.
    fn with<T>(available: &[(i32, usize)], ask: impl FnOnce(Partitions<'_>) -> T) -> T {
        ask(Partitions::new(4, &|| available.to_vec()))
    }

    #[test]
    fn records_without_a_key_stay_until_a_batchs_worth_has_gone() {
        let record = ProducerRecord::new("t", vec![0; 100]);
        let partitioner = DefaultPartitioner::new(false, true, 10 * record.bytes_max());
        let all = [(0, 0), (1, 0), (2, 0), (3, 0)];
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let chosen = with(&all, |it| partitioner.partition(&record, it));
            for _ in 1..10 {
                // Sent early: that does not let it move on.
                partitioner.batch_completed("t");
                assert_eq!(with(&all, |it| partitioner.partition(&record, it)), chosen);
            }
            partitioner.batch_completed("t");
            seen.insert(chosen);
        }
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn where_batches_never_fill_they_stay_for_twice_as_much() {
        let record = ProducerRecord::new("t", vec![0; 100]).key("ignored");
        let partitioner = DefaultPartitioner::new(true, true, 10 * record.bytes_max());
        let at = |only| with(&[(only, 0)], |it| partitioner.partition(&record, it));
        let chosen = [0; 20].map(|_| at(1));
        assert_eq!(chosen, [1; 20]);
        assert_eq!(at(3), 3);
    }

    #[test]
    fn a_key_leads_to_one_partition_whoever_is_available() {
        let partitioner = DefaultPartitioner::new(false, true, 100);
        let record = ProducerRecord::new("t", "value").key("key");
        let chosen = with(&[], |it| partitioner.partition(&record, it));
        let again = with(&[(3, 9)], |it| partitioner.partition(&record, it));
        assert_eq!(again, chosen);
    }

    #[test]
    fn partitions_that_lag_are_chosen_less_often() {
        let available = [(0, 3), (2, 0)];
        let of = |chance| with(&available, |it| choose(it, true, chance));
        // One share of five against four.
        assert_eq!([of(0.0), of(0.19), of(0.21), of(0.99)], [0, 0, 2, 2]);
        let evenly = |chance| with(&available, |it| choose(it, false, chance));
        assert_eq!([evenly(0.49), evenly(0.51)], [0, 2]);
    }

    #[test]
    fn round_robin_goes_over_those_that_are_available() {
        let partitioner = RoundRobinPartitioner::default();
        let record = ProducerRecord::new("t", "value").key("key");
        let available = [(1, 0), (3, 0)];
        let chosen = [0; 4].map(|_| with(&available, |it| partitioner.partition(&record, it)));
        assert_eq!(chosen, [1, 3, 1, 3]);
    }

    #[test]
    fn round_robin_counts_by_topic() {
        let partitioner = RoundRobinPartitioner::default();
        let all = [(0, 0), (1, 0)];
        let chosen = ["a", "b", "a", "b"].map(|topic| {
            let record = ProducerRecord::new(topic, "value");
            with(&all, |it| partitioner.partition(&record, it))
        });
        assert_eq!(chosen, [0, 0, 1, 1]);
    }
}
