//! Topics, configuration, groups from outside, and the errors of each.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use odradek_client::{
    Error, ErrorCode,
    admin::{
        configs::{ConfigChange, ConfigDetail, ConfigResource, ConfigSource, ConfigValue},
        group_offsets::CommittedOffset,
        group_state::GroupState,
        groups::GroupFilter,
        offsets::OffsetSpec,
        records::DeleteBefore,
        topics::{NewPartitions, NewTopic},
    },
    producer::record::ProducerRecord,
};

use crate::client::{Client, SHORT, equal, only, refused, value};

/// The one result of a call that was given one thing.
fn one<K, T>(results: BTreeMap<K, Result<T, Error>>) -> anyhow::Result<T> {
    let (_, result) = results.into_iter().next().context("no result")?;
    Ok(result?)
}

pub(crate) async fn offsets(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let mut consumer = client.subscriber(&[("max.poll.records", "5")])?;
    client.read(&mut consumer, 5).await?;
    consumer.commit().await?;
    consumer.close().await?;
    ensure!(is_listed(client).await?, "it is not listed");
    let names = [client.name.clone()];
    let described = one(client.admin.describe_groups(&names).await)?;
    equal(described.state, GroupState::Empty)?;
    equal(committed(client).await?, Some(5))?;
    let place = (client.name.clone(), 0);
    let changed = CommittedOffset {
        offset: 2,
        leader_epoch: None,
        metadata: String::new(),
    };
    let changed = BTreeMap::from([(place.clone(), changed)]);
    let admin = &client.admin;
    one(admin.alter_group_offsets(&client.name, &changed).await?)?;
    equal(committed(client).await?, Some(2))?;
    one(admin.delete_group_offsets(&client.name, &[place]).await?)?;
    equal(committed(client).await?, None)?;
    // With its last offset an empty group may be gone too, unless it is made again.
    one(admin.alter_group_offsets(&client.name, &changed).await?)?;
    one(admin.delete_groups(&names).await)?;
    ensure!(!is_listed(client).await?, "it is still listed");
    Ok(())
}

async fn is_listed(client: &Client) -> anyhow::Result<bool> {
    let groups = client.admin.list_groups(&GroupFilter::default()).await?;
    Ok(groups.contains_key(&client.name))
}

async fn committed(client: &Client) -> anyhow::Result<Option<i64>> {
    let offsets = client.admin.group_offsets(&client.name).await?;
    let of_partition = offsets.get(&(client.name.clone(), 0));
    Ok(of_partition.map(|committed| committed.offset))
}

pub(crate) async fn create_topic(client: &Client) -> anyhow::Result<()> {
    client
        .create_topic(3, &[("retention.ms", "3600000")])
        .await?;
    equal(client.partition_count().await?, 3)?;
    let retention = setting(client, topic(client), "retention.ms").await?;
    equal(retention.value.as_deref(), Some("3600000"))
}

fn topic(client: &Client) -> ConfigResource {
    ConfigResource::Topic(client.name.clone())
}

/// One key of something's configuration.
async fn setting(client: &Client, of: ConfigResource, name: &str) -> anyhow::Result<ConfigValue> {
    let detail = ConfigDetail::default();
    let described = client.admin.describe_configs(&[of], detail).await;
    let mut values = one(described)?.into_iter();
    values
        .find(|value| value.name == name)
        .with_context(|| format!("{name} is not described"))
}

pub(crate) async fn describe_configs(client: &Client) -> anyhow::Result<()> {
    client
        .create_topic(1, &[("retention.ms", "3600000")])
        .await?;
    let retention = setting(client, topic(client), "retention.ms").await?;
    equal(retention.source, ConfigSource::Topic)?;
    let policy = setting(client, topic(client), "cleanup.policy").await?;
    equal(policy.source, ConfigSource::Default)?;
    equal(policy.value.as_deref(), Some("delete"))?;
    let cluster = client.admin.describe_cluster().await?;
    let broker = *cluster
        .brokers
        .keys()
        .next()
        .context("a broker is listed")?;
    let limit = setting(client, ConfigResource::Broker(broker), "message.max.bytes").await?;
    equal(limit.value.as_deref(), Some("1048588"))?;
    let id = setting(client, ConfigResource::Broker(broker), "node.id").await?;
    ensure!(id.read_only, "node.id can be changed");
    Ok(())
}

pub(crate) async fn incremental_alter_configs(client: &Client) -> anyhow::Result<()> {
    client
        .create_topic(1, &[("retention.ms", "3600000")])
        .await?;
    change(
        client,
        [
            ("max.message.bytes", ConfigChange::Set("2000".to_owned())),
            ("cleanup.policy", ConfigChange::Append("compact".to_owned())),
        ],
    )
    .await?;
    settle(
        client,
        &[
            ("max.message.bytes", "2000"),
            ("retention.ms", "3600000"),
            ("cleanup.policy", "delete,compact"),
        ],
    )
    .await?;
    change(
        client,
        [
            ("retention.ms", ConfigChange::Delete),
            (
                "cleanup.policy",
                ConfigChange::Subtract("delete".to_owned()),
            ),
        ],
    )
    .await?;
    settle(
        client,
        &[("retention.ms", "604800000"), ("cleanup.policy", "compact")],
    )
    .await
}

async fn change(client: &Client, changes: [(&str, ConfigChange); 2]) -> anyhow::Result<()> {
    let changes = changes.map(|(name, change)| (name.to_owned(), change));
    let changes = BTreeMap::from([(topic(client), BTreeMap::from(changes))]);
    one(client.admin.alter_configs(&changes).await)
}

/// Changes are answered when they are decided; the broker that is asked follows.
async fn settle(client: &Client, expected: &[(&str, &str)]) -> anyhow::Result<()> {
    for (name, expected) in expected {
        loop {
            let found = setting(client, topic(client), name).await?.value;
            if found.as_deref() == Some(*expected) {
                break;
            }
            client.check_time(&format!("{name} is {found:?}"))?;
            tokio::time::sleep(SHORT).await;
        }
    }
    Ok(())
}

pub(crate) async fn delete_records(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let below = BTreeMap::from([((client.name.clone(), 0), DeleteBefore::Offset(4))]);
    equal(one(client.admin.delete_records(&below).await)?, 4)?;
    let first = client.offset(0, OffsetSpec::Earliest).await?;
    equal(first.offset, Some(4))?;
    let last = client.offset(0, OffsetSpec::Latest).await?;
    equal(last.offset, Some(10))?;
    let found = client.read(&mut client.subscriber(&[])?, 1).await?;
    equal(found.first().map(|record| record.offset), Some(4))
}

pub(crate) async fn create_partitions(client: &Client) -> anyhow::Result<()> {
    client.create_topic(2, &[]).await?;
    grow(client, 4).await?;
    while client.partition_count().await? < 4 {
        client.check_time("the topic does not grow")?;
        tokio::time::sleep(SHORT).await;
    }
    let record = ProducerRecord::new(client.name.as_str(), "new").partition(3);
    client.produce(vec![record], &[]).await?;
    let found = client.read_from(3, 0, 1).await?;
    equal(found.first().map(value), Some("new".to_owned()))
}

async fn grow(client: &Client, total: i32) -> anyhow::Result<()> {
    let wanted = NewPartitions {
        topic: client.name.clone(),
        total,
        assignments: Vec::new(),
    };
    only(client.admin.create_partitions(vec![wanted]).await?)
}

pub(crate) async fn delete_topic(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let names = [client.name.clone()];
    only(client.admin.delete_topics(&names).await?)?;
    while client
        .admin
        .list_topics()
        .await?
        .contains_key(client.name.as_str())
    {
        client.check_time("it is still there")?;
        tokio::time::sleep(SHORT).await;
    }
    Ok(())
}

pub(crate) async fn list_offsets(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    for (spec, expected) in [
        (OffsetSpec::Earliest, 0),
        (OffsetSpec::Latest, 10),
        (OffsetSpec::MaxTimestamp, 9),
        (OffsetSpec::Timestamp(client.first_timestamp + 4500), 5),
    ] {
        let found = client.offset(0, spec).await?;
        equal((spec, found.offset), (spec, Some(expected)))?;
    }
    Ok(())
}

pub(crate) async fn describe_cluster(client: &Client) -> anyhow::Result<()> {
    let cluster = client.admin.describe_cluster().await?;
    let id = cluster.cluster_id.as_deref();
    ensure!(id.is_some_and(|id| !id.is_empty()), "no cluster id");
    let brokers = cluster.brokers.values();
    let addresses: Vec<_> = brokers.map(|broker| broker.address.to_string()).collect();
    equal(addresses, vec![client.bootstrap.clone()])?;
    equal(
        cluster.controller_id,
        cluster.brokers.keys().next().copied(),
    )
}

pub(crate) async fn unknown_topic(client: &Client) -> anyhow::Result<()> {
    let names = [client.name.clone()];
    let described = client.admin.describe_topics(&names).await?;
    refused(only(described), ErrorCode::UnknownTopicOrPartition)?;
    equal(
        client
            .admin
            .list_topics()
            .await?
            .contains_key(client.name.as_str()),
        false,
    )
}

pub(crate) async fn too_large_record(client: &Client) -> anyhow::Result<()> {
    client
        .create_topic(1, &[("max.message.bytes", "10000")])
        .await?;
    let record = ProducerRecord::new(client.name.as_str(), vec![0; 20_000]);
    refused(
        client.produce(vec![record], &[]).await,
        ErrorCode::MessageTooLarge,
    )
}

pub(crate) async fn invalid_topic_name(client: &Client) -> anyhow::Result<()> {
    let topic = NewTopic::new("not a name").partitions(1);
    refused(
        only(client.admin.create_topics(vec![topic]).await?),
        ErrorCode::InvalidTopicException,
    )
}

pub(crate) async fn duplicate_topic(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    refused(
        client.create_topic(1, &[]).await,
        ErrorCode::TopicAlreadyExists,
    )
}

pub(crate) async fn bad_partition_count(client: &Client) -> anyhow::Result<()> {
    client.create_topic(3, &[]).await?;
    refused(grow(client, 2).await, ErrorCode::InvalidPartitions)
}

pub(crate) async fn unknown_group(client: &Client) -> anyhow::Result<()> {
    let names = [client.name.clone()];
    let deleted = one(client.admin.delete_groups(&names).await);
    refused(deleted, ErrorCode::GroupIdNotFound)
}
