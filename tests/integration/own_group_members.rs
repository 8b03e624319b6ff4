//! Members of this project's own client, as tests of groups use them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use odradek_client::{
    Consumer, Properties,
    consumer::{
        config::ConsumerConfig,
        group::listener::{Call, RebalanceListener},
        record::ConsumerRecord,
    },
};
use odradek_tests::{broker::Broker, wait::PATIENCE};
use tokio::{sync::Mutex, time::Instant};

/// How long one poll of a member waits while others are to be polled too.
const TURN: Duration = Duration::from_millis(10);

/// A broker whose groups neither wait for more members nor mind short sessions.
pub(crate) fn broker() -> Broker {
    Broker::start_with(&[
        ("group.initial.rebalance.delay.ms", "100"),
        ("group.min.session.timeout.ms", "100"),
    ])
}

/// A member of the group `readers`, with these settings of its own.
pub(crate) fn member(broker: &Broker, settings: &[(&str, &str)]) -> Consumer {
    let properties = Properties::default()
        .with("bootstrap.servers", broker.bootstrap())
        .with("group.id", "readers")
        .with("auto.offset.reset", "earliest")
        // Nobody dies by chance here, however busy the machine is.
        .with("session.timeout.ms", "60000")
        .with("heartbeat.interval.ms", "100");
    let properties = settings
        .iter()
        .fold(properties, |properties, (key, value)| {
            properties.with(*key, *value)
        });
    Consumer::new(ConsumerConfig::from_properties(properties).unwrap())
}

/// The same, subscribed to a topic.
pub(crate) fn reader(broker: &Broker, topic: &str, settings: &[(&str, &str)]) -> Consumer {
    let member = member(broker, settings);
    member.subscribe(&[topic.to_owned()]).unwrap();
    member
}

/// Polls the members in turn until the condition holds; returns what they read meanwhile.
pub(crate) async fn poll_until(
    what: &str,
    members: &mut [Consumer],
    mut condition: impl FnMut(&[Consumer], &[ConsumerRecord]) -> bool,
) -> Vec<ConsumerRecord> {
    let deadline = Instant::now() + PATIENCE;
    let mut records = Vec::new();
    while !condition(members, &records) {
        assert!(
            Instant::now() < deadline,
            "waited in vain for: {what}; {members:?}"
        );
        for member in members.iter_mut() {
            records.extend(member.poll(TURN).await.unwrap());
        }
    }
    records
}

/// Whether each of so many partitions of a topic belongs to one of them, in shares as equal as can
/// be, and none to two.
pub(crate) fn is_shared(members: &[Consumer], topic: &str, partitions: i32) -> bool {
    let fair = partitions as usize / members.len();
    let mut owners: BTreeMap<i32, usize> = BTreeMap::new();
    for member in members {
        let share = share(member, topic);
        if !(fair..=fair + 1).contains(&share.len()) {
            return false;
        }
        for partition in share {
            *owners.entry(partition).or_default() += 1;
        }
    }
    owners.len() == partitions as usize && owners.values().all(|owners| *owners == 1)
}

/// The partitions of a topic that a member reads.
pub(crate) fn share(member: &Consumer, topic: &str) -> BTreeSet<i32> {
    let assignment = member.assignment().into_iter();
    let of_topic = assignment.filter(|(name, _)| name == topic);
    of_topic.map(|(_, partition)| partition).collect()
}

/// How often each value was read.
pub(crate) fn times_read(records: &[ConsumerRecord]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for record in records {
        let value = record.value.clone().unwrap_or_default();
        let value = String::from_utf8(value.to_vec()).unwrap();
        *times.entry(value).or_default() += 1;
    }
    times
}

/// Writes down what a listener hears, and whether a commit within the call succeeds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Diary {
    pub(crate) lines: Arc<Mutex<Vec<String>>>,
}

impl Diary {
    pub(crate) async fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().await)
    }

    fn write<'a>(
        &self,
        who: &'static str,
        consumer: &'a Consumer,
        partitions: &'a [(String, i32)],
    ) -> Call<'a> {
        let lines = Arc::clone(&self.lines);
        Box::pin(async move {
            let partitions = partitions
                .iter()
                .map(|(_, partition)| partition.to_string());
            let partitions = partitions.collect::<Vec<_>>().join(" ");
            let committed = if consumer.commit().await.is_ok() {
                ""
            } else {
                " (no commit)"
            };
            lines
                .lock()
                .await
                .push(format!("{who} {partitions}{committed}"));
        })
    }
}

impl RebalanceListener for Diary {
    fn assigned<'a>(&'a mut self, it: &'a Consumer, partitions: &'a [(String, i32)]) -> Call<'a> {
        self.write("assigned", it, partitions)
    }

    fn revoked<'a>(&'a mut self, it: &'a Consumer, partitions: &'a [(String, i32)]) -> Call<'a> {
        self.write("revoked", it, partitions)
    }

    fn lost<'a>(&'a mut self, it: &'a Consumer, partitions: &'a [(String, i32)]) -> Call<'a> {
        self.write("lost", it, partitions)
    }
}
