//! Groups of librdkafka's consumers: who reads what, as members come and go.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use odradek_tests::{broker::Broker, wait};
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::{
    client::{self, create_topic, send_all, values},
    groups_raw::document,
};

/// A consumer of `topic` with these settings of its own.
fn consumer(broker: &Broker, topic: &str, settings: &[(&str, &str)]) -> BaseConsumer {
    let mut config = client::config(broker, settings);
    config
        .set("group.id", "readers")
        .set("auto.offset.reset", "earliest")
        // Nobody dies here, however busy the machine is.
        .set("session.timeout.ms", "60000")
        .set("heartbeat.interval.ms", "200");
    let consumer: BaseConsumer = config.create().unwrap();
    consumer.subscribe(&[topic]).unwrap();
    consumer
}

fn assigned(consumer: &BaseConsumer) -> BTreeSet<i32> {
    let assignment = consumer.assignment().unwrap();
    let partitions = assignment.elements();
    partitions
        .iter()
        .map(rdkafka::topic_partition_list::TopicPartitionListElem::partition)
        .collect()
}

/// Lets them consume until each of `0..partitions` belongs to one of them and shares are as equal
/// as can be.
fn balance(consumers: &[BaseConsumer], partitions: i32) {
    let fair = partitions as usize / consumers.len();
    wait::until("the partitions are shared", || {
        for consumer in consumers {
            while consumer.poll(Duration::ZERO).is_some() {}
        }
        let mut owners: BTreeMap<i32, usize> = BTreeMap::new();
        let shares: Vec<_> = consumers.iter().map(assigned).collect();
        for partition in shares.iter().flatten() {
            *owners.entry(*partition).or_default() += 1;
        }
        let whole =
            owners.len() == partitions as usize && owners.values().all(|&owners| owners == 1);
        let equal = shares
            .iter()
            .all(|share| (fair..=fair + 1).contains(&share.len()));
        (whole && equal).then_some(())
    });
}

async fn partitions_are_shared(strategy: &str) {
    let broker = Broker::start_with(&[("group.initial.rebalance.delay.ms", "200")]);
    create_topic(&broker, "shared", 6, &[]).await;
    let settings = [("partition.assignment.strategy", strategy)];
    let mut consumers = vec![consumer(&broker, "shared", &settings)];
    balance(&consumers, 6);
    consumers.push(consumer(&broker, "shared", &settings));
    balance(&consumers, 6);
    consumers.push(consumer(&broker, "shared", &settings));
    balance(&consumers, 6);
    // It says goodbye when it is dropped.
    consumers.remove(0);
    balance(&consumers, 6);
    let seen = document(&broker, "readers");
    assert_eq!(seen["protocol"], strategy);
    assert_eq!(seen["members_total"], 2);
    let shares: usize = (0..2)
        .map(|member| {
            let share = &seen["members"][member]["assignment"]["shared"];
            share.as_array().map_or(0, Vec::len)
        })
        .sum();
    assert_eq!(shares, 6, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn eager_consumers_share_the_partitions() {
    partitions_are_shared("range").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cooperative_consumers_share_the_partitions() {
    partitions_are_shared("cooperative-sticky").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spare_member_idles_until_it_is_needed() {
    let broker = Broker::start_with(&[("group.initial.rebalance.delay.ms", "200")]);
    create_topic(&broker, "few", 2, &[]).await;
    let mut consumers: Vec<_> = (0..3).map(|_| consumer(&broker, "few", &[])).collect();
    balance(&consumers, 2);
    let working = consumers
        .iter()
        .position(|one| !assigned(one).is_empty())
        .unwrap();
    consumers.remove(working);
    balance(&consumers, 2);
    assert!(consumers.iter().all(|one| assigned(one).len() == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_go_on_after_the_broker_was_killed() {
    let mut broker = Broker::start_with(&[("group.initial.rebalance.delay.ms", "200")]);
    create_topic(&broker, "going", 2, &[]).await;
    let consumers: Vec<_> = (0..2).map(|_| consumer(&broker, "going", &[])).collect();
    balance(&consumers, 2);
    let generation = document(&broker, "readers")["generation"].clone();
    broker.kill();
    broker.start_again();
    let producer = client::producer(&broker, &[]);
    for partition in 0..2 {
        send_all(&producer, "going", Some(partition), &values("after", 1)).await;
    }
    let mut seen = BTreeSet::new();
    wait::until("both go on reading", || {
        for consumer in &consumers {
            while let Some(Ok(message)) = consumer.poll(Duration::ZERO) {
                seen.insert(rdkafka::Message::partition(&message));
            }
        }
        (seen.len() == 2).then_some(())
    });
    balance(&consumers, 2);
    assert_eq!(document(&broker, "readers")["generation"], generation);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_consumer_that_restarts_finds_its_partitions_again() {
    let broker = Broker::start_with(&[("group.initial.rebalance.delay.ms", "200")]);
    create_topic(&broker, "kept", 4, &[]).await;
    let named = |name| consumer(&broker, "kept", &[("group.instance.id", name)]);
    let mut consumers = vec![named("one"), named("two")];
    balance(&consumers, 4);
    let generation = document(&broker, "readers")["generation"].clone();
    let share = assigned(&consumers[1]);
    // A static member does not say goodbye.
    drop(consumers.pop());
    consumers.push(named("two"));
    balance(&consumers, 4);
    assert_eq!(assigned(&consumers[1]), share);
    assert_eq!(document(&broker, "readers")["generation"], generation);
}
