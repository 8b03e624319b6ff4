//! How fast data may be copied between brokers while partitions move: a rate for each broker, and
//! for each topic the replicas it holds for (KIP-73).

use std::collections::{BTreeMap, BTreeSet};

use odradek_client::{
    Admin,
    admin::{
        configs::{ByResource, ConfigChange, ConfigResource},
        offsets::ByPartition,
    },
};

use super::{Failure, ids, joined, plan::Plan};
use crate::output;

const BROKER_KEYS: [&str; 3] = [
    LEADER_RATE,
    FOLLOWER_RATE,
    "replica.alter.log.dirs.io.max.bytes.per.second",
];
const TOPIC_KEYS: [&str; 2] = [LEADER_REPLICAS, FOLLOWER_REPLICAS];

const LEADER_RATE: &str = "leader.replication.throttled.rate";
const FOLLOWER_RATE: &str = "follower.replication.throttled.rate";
const LEADER_REPLICAS: &str = "leader.replication.throttled.replicas";
const FOLLOWER_REPLICAS: &str = "follower.replication.throttled.replicas";

type Changes = ByResource<BTreeMap<String, ConfigChange>>;

/// Throttles what a plan copies: where from, and where to.
pub(super) async fn set(
    admin: &Admin,
    plan: &Plan,
    current: &ByPartition<Vec<i32>>,
    bytes_per_second: u64,
) -> Result<(), Failure> {
    change(admin, topic_throttles(plan, current)).await?;
    let brokers = plan.brokers().into_iter();
    let brokers: BTreeSet<_> = brokers.chain(current.values().flatten().copied()).collect();
    let rate = ConfigChange::Set(bytes_per_second.to_string());
    let rates = brokers.into_iter().map(|id| {
        let keys = [LEADER_RATE, FOLLOWER_RATE].map(|key| (key.to_owned(), rate.clone()));
        (ConfigResource::Broker(id), keys.into())
    });
    change(admin, rates.collect()).await
}

/// Removes the throttles of a plan, and says so.
pub(super) async fn clear(admin: &Admin, plan: &Plan) -> Result<(), Failure> {
    let brokers = ids(&admin.describe_cluster().await?);
    output::line(&format!(
        "Clearing broker-level throttles on broker{} {}",
        super::plural(brokers.len()),
        joined(&brokers)
    ));
    let brokers = brokers.into_iter().map(ConfigResource::Broker);
    let deleted = brokers.map(|broker| (broker, deleted(&BROKER_KEYS)));
    change(admin, deleted.collect()).await?;
    let topics = plan.topics();
    output::line(&format!(
        "Clearing topic-level throttles on topic{} {}",
        super::plural(topics.len()),
        joined(&topics)
    ));
    let topics = topics.into_iter().map(ConfigResource::Topic);
    let deleted = topics.map(|topic| (topic, self::deleted(&TOPIC_KEYS)));
    change(admin, deleted.collect()).await
}

fn deleted(keys: &[&str]) -> BTreeMap<String, ConfigChange> {
    let keys = keys.iter();
    keys.map(|key| ((*key).to_owned(), ConfigChange::Delete))
        .collect()
}

/// Every present replica sends, and every replica to come receives.
fn topic_throttles(plan: &Plan, current: &ByPartition<Vec<i32>>) -> Changes {
    let mut sending: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut receiving: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((topic, index), planned) in &plan.partitions {
        let present = current.get(&(topic.clone(), *index));
        let present = present.map(Vec::as_slice).unwrap_or_default();
        let named = |broker: &i32| format!("{index}:{broker}");
        sending
            .entry(topic)
            .or_default()
            .extend(present.iter().map(named));
        let coming = planned.replicas.iter().filter(|id| !present.contains(id));
        receiving
            .entry(topic)
            .or_default()
            .extend(coming.map(named));
    }
    let mut changes = Changes::new();
    for (key, replicas) in [(LEADER_REPLICAS, sending), (FOLLOWER_REPLICAS, receiving)] {
        for (topic, replicas) in replicas {
            if !replicas.is_empty() {
                let keys = changes
                    .entry(ConfigResource::Topic(topic.to_owned()))
                    .or_default();
                keys.insert(key.to_owned(), ConfigChange::Set(replicas.join(",")));
            }
        }
    }
    changes
}

async fn change(admin: &Admin, changes: Changes) -> Result<(), Failure> {
    for result in admin.alter_configs(&changes).await.into_values() {
        result?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_sends_and_what_comes_receives() {
        let partition = |index| ("t".to_owned(), index);
        let plan = Plan::anywhere([(partition(0), vec![2, 1]), (partition(1), vec![2, 3])].into());
        let current = [(partition(0), vec![1]), (partition(1), vec![2, 3])].into();
        let changes = topic_throttles(&plan, &current);
        let set = |text: &str| ConfigChange::Set(text.to_owned());
        let expected = [
            (LEADER_REPLICAS.to_owned(), set("0:1,1:2,1:3")),
            (FOLLOWER_REPLICAS.to_owned(), set("0:2")),
        ];
        let topic = ConfigResource::Topic("t".to_owned());
        assert_eq!(changes, [(topic, expected.into())].into());
    }
}
