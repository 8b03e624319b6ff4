//! Topics, configuration, groups from outside, and the errors of each.

use anyhow::ensure;
use odradek_client::{
    ErrorCode,
    admin::{
        offsets::OffsetSpec,
        topics::{NewPartitions, NewTopic},
    },
    producer::record::ProducerRecord,
};

use crate::client::{Client, SHORT, equal, only, refused, value};

pub(crate) async fn create_topic(client: &Client) -> anyhow::Result<()> {
    client
        .create_topic(3, &[("retention.ms", "3600000")])
        .await?;
    equal(client.partition_count().await?, 3)
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
    let deleted = client.admin.delete_group(&client.name).await;
    refused(deleted.map_err(Into::into), ErrorCode::GroupIdNotFound)
}
