//! Groups of this project's own consumers and librdkafka's together.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use odradek_tests::{broker::Broker, wait::PATIENCE};
use rdkafka::{
    Message,
    consumer::{BaseConsumer, Consumer as _},
};
use tokio::time::Instant;

use crate::{
    client::{self, create_topic, send_all, values},
    groups_raw::document,
    own_group_members::{broker, reader, share, times_read},
};

const TOPIC: &str = "mixed";
const PARTITIONS: i32 = 6;

/// The members, and what they have read.
struct Group {
    ours: Vec<odradek_client::Consumer>,
    theirs: Vec<BaseConsumer>,
    read: BTreeMap<String, usize>,
}

fn theirs(broker: &Broker, assignor: &str) -> BaseConsumer {
    let config = client::config(
        broker,
        &[
            ("group.id", "readers"),
            ("auto.offset.reset", "earliest"),
            ("session.timeout.ms", "60000"),
            ("heartbeat.interval.ms", "100"),
            ("partition.assignment.strategy", assignor),
        ],
    );
    let consumer: BaseConsumer = config.create().unwrap();
    consumer.subscribe(&[TOPIC]).unwrap();
    consumer
}

impl Group {
    async fn poll_until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            let shares = self.shares();
            assert!(
                Instant::now() < deadline,
                "in vain: {what}; {shares:?}; {:?}",
                self.read
            );
            for ours in &mut self.ours {
                let records = ours.poll(Duration::from_millis(10)).await.unwrap();
                for (value, times) in times_read(&records) {
                    *self.read.entry(value).or_default() += times;
                }
            }
            for theirs in &self.theirs {
                while let Some(message) = theirs.poll(Duration::ZERO) {
                    let message = message.unwrap();
                    let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
                    *self.read.entry(value).or_default() += 1;
                }
            }
        }
    }

    fn shares(&self) -> Vec<BTreeSet<i32>> {
        let theirs = self.theirs.iter().map(|consumer| {
            let assignment = consumer.assignment().unwrap();
            let elements = assignment.elements();
            let each = elements.iter();
            each.map(rdkafka::topic_partition_list::TopicPartitionListElem::partition)
                .collect()
        });
        let ours = self.ours.iter().map(|consumer| share(consumer, TOPIC));
        ours.chain(theirs).collect()
    }

    /// Whether each partition belongs to exactly one, and all have as much.
    fn is_shared(&self) -> bool {
        let shares = self.shares();
        let fair = PARTITIONS as usize / shares.len();
        let all: BTreeSet<i32> = shares.iter().flatten().copied().collect();
        let equal = shares
            .iter()
            .all(|share| (fair..=fair + 1).contains(&share.len()));
        let total: usize = shares.iter().map(BTreeSet::len).sum();
        equal && total == PARTITIONS as usize && all.len() == total
    }

    async fn settle(&mut self, what: &str) {
        self.poll_until(what, Self::is_shared).await;
    }
}

async fn both_kinds_share(assignor: &str) {
    let broker = broker();
    create_topic(&broker, TOPIC, PARTITIONS, &[]).await;
    let producer = client::producer(&broker, &[]);
    let settings = [("partition.assignment.strategy", assignor)];
    let mut group = Group {
        ours: vec![reader(&broker, TOPIC, &settings)],
        theirs: Vec::new(),
        read: BTreeMap::new(),
    };
    let mut sent = 0;
    for round in 0..6 {
        match round {
            0 => {}
            1 | 3 => group.theirs.push(theirs(&broker, assignor)),
            2 => group.ours.push(reader(&broker, TOPIC, &settings)),
            // The eldest goes, who is likely to be the leader; then one of the others.
            4 => group.ours.remove(0).close().await.unwrap(),
            _ => drop(group.theirs.remove(0)),
        }
        group.settle(&format!("{assignor}, round {round}")).await;
        let prefix = format!("round-{round}-");
        send_all(&producer, TOPIC, None, &values(&prefix, 120)).await;
        sent += 120;
        group
            .poll_until("all is read", |group| group.read.len() == sent)
            .await;
    }
    assert_eq!(document(&broker, "readers")["protocol"], assignor);
    let twice = group.read.values().filter(|times| **times != 1).count();
    assert_eq!(
        twice, 0,
        "{assignor}: read more than once: {:?}",
        group.read
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_shared_with_librdkafka_without_loss_or_repetition() {
    both_kinds_share("range").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_dealt_among_both_kinds_without_loss_or_repetition() {
    both_kinds_share("roundrobin").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cooperative_members_of_both_kinds_share_without_loss_or_repetition() {
    both_kinds_share("cooperative-sticky").await;
}
