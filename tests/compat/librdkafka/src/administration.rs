//! Topics, configuration, groups from outside, and the errors of each.

use std::{thread, time::Duration};

use anyhow::{Context, bail, ensure};
use rdkafka::{
    Message, Offset,
    admin::{
        AdminOptions, AlterConfig, ConfigResource, ConfigSource, NewPartitions, NewTopic,
        ResourceSpecifier, TopicReplication,
    },
    consumer::{CommitMode, Consumer},
    error::KafkaError,
    producer::FutureRecord,
    types::RDKafkaErrorCode,
};

use crate::client::{CALL, Client, equal, only, value};

pub(crate) async fn offsets(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let consumer = client.subscriber()?;
    client.read(&consumer, 5)?;
    consumer.commit(&client.at(0, 5)?, CommitMode::Sync)?;
    drop(consumer);
    let state = || -> anyhow::Result<Option<String>> {
        let listed = client.admin.inner().fetch_group_list(None, CALL)?;
        let group = listed
            .groups()
            .iter()
            .find(|group| group.name() == client.name);
        Ok(group.map(|group| group.state().to_owned()))
    };
    equal(state()?, Some("Empty".to_owned()))?;
    // A commit without membership changes the offsets of an empty group.
    let outside = client.consumer()?;
    outside.commit(&client.at(0, 2)?, CommitMode::Sync)?;
    let found = outside.committed_offsets(client.at(0, 0)?, CALL)?;
    let found = found
        .find_partition(&client.name, 0)
        .context("it is answered")?;
    equal(found.offset(), Offset::Offset(2))?;
    drop(outside);
    delete_group(client).await?;
    equal(state()?, None)
}

async fn delete_group(client: &Client) -> anyhow::Result<()> {
    let options = AdminOptions::new();
    only(
        client
            .admin
            .delete_groups(&[&client.name], &options)
            .await?,
    )?;
    Ok(())
}

pub(crate) async fn create_topic(client: &Client) -> anyhow::Result<()> {
    client
        .create_topic(3, &[("retention.ms", "3600000")])
        .await?;
    equal(client.partition_count()?, 3)?;
    let config = topic_config(client).await?;
    let value = config
        .get("retention.ms")
        .and_then(|entry| entry.value.as_deref());
    equal(value, Some("3600000"))
}

pub(crate) async fn create_partitions(client: &Client) -> anyhow::Result<()> {
    client.create_topic(2, &[]).await?;
    grow(client, 4).await?;
    while client.partition_count()? < 4 {
        client.check_time("the topic does not grow")?;
        thread::sleep(Duration::from_millis(50));
    }
    let record = FutureRecord::to(&client.name)
        .partition(3)
        .payload(&b"new"[..]);
    client.produce(vec![record], &[]).await?;
    let found = client.read_from(3, 0, 1)?;
    equal(found.first().map(value), Some("new".to_owned()))
}

async fn grow(client: &Client, partitions: usize) -> anyhow::Result<()> {
    let wanted = NewPartitions::new(&client.name, partitions);
    let options = AdminOptions::new();
    only(client.admin.create_partitions([&wanted], &options).await?)?;
    Ok(())
}

pub(crate) async fn delete_topic(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let options = AdminOptions::new();
    only(
        client
            .admin
            .delete_topics(&[&client.name], &options)
            .await?,
    )?;
    loop {
        let metadata = client.admin.inner().fetch_metadata(None, CALL)?;
        if metadata
            .topics()
            .iter()
            .all(|topic| topic.name() != client.name)
        {
            return Ok(());
        }
        client.check_time("it is still there")?;
        thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) async fn delete_records(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let below = client.at(0, 4)?;
    let deleted = client
        .admin
        .delete_records(&below, &AdminOptions::new())
        .await?;
    let deleted = deleted
        .find_partition(&client.name, 0)
        .context("it is answered")?;
    equal(deleted.offset(), Offset::Offset(4))?;
    let watermarks = client
        .admin
        .inner()
        .fetch_watermarks(&client.name, 0, CALL)?;
    equal(watermarks, (4, 10))?;
    let found = client.read(&client.subscriber()?, 1)?;
    equal(found.first().map(Message::offset), Some(4))
}

async fn config(client: &Client, of: ResourceSpecifier<'_>) -> anyhow::Result<ConfigResource> {
    let described = client
        .admin
        .describe_configs([&of], &AdminOptions::new())
        .await?;
    Ok(described.into_iter().next().context("no result")??)
}

async fn topic_config(client: &Client) -> anyhow::Result<ConfigResource> {
    config(client, ResourceSpecifier::Topic(&client.name)).await
}

pub(crate) async fn describe_configs(client: &Client) -> anyhow::Result<()> {
    client
        .create_topic(1, &[("retention.ms", "3600000")])
        .await?;
    let topic = topic_config(client).await?;
    let source = |key| topic.get(key).map(|entry| &entry.source);
    equal(source("retention.ms"), Some(&ConfigSource::DynamicTopic))?;
    equal(source("cleanup.policy"), Some(&ConfigSource::Default))?;
    let metadata = client.admin.inner().fetch_metadata(None, CALL)?;
    let node = metadata
        .brokers()
        .first()
        .context("a broker is listed")?
        .id();
    let broker = config(client, ResourceSpecifier::Broker(node)).await?;
    let limit = broker
        .get("message.max.bytes")
        .context("message.max.bytes")?;
    equal(limit.value.as_deref(), Some("1048588"))?;
    ensure!(
        broker.get("node.id").context("node.id")?.is_read_only,
        "node.id can be changed"
    );
    Ok(())
}

pub(crate) async fn alter_configs(client: &Client) -> anyhow::Result<()> {
    client
        .create_topic(1, &[("retention.ms", "3600000")])
        .await?;
    let wanted = AlterConfig::new(ResourceSpecifier::Topic(&client.name));
    let wanted = wanted.set("max.message.bytes", "2000");
    only(
        client
            .admin
            .alter_configs([&wanted], &AdminOptions::new())
            .await?,
    )?;
    loop {
        let config = topic_config(client).await?;
        let value = |key| config.get(key).and_then(|entry| entry.value.clone());
        let found = (value("max.message.bytes"), value("retention.ms"));
        // What is not named goes back to its default.
        if found == (Some("2000".to_owned()), Some("604800000".to_owned())) {
            return Ok(());
        }
        client.check_time(&format!("found {found:?}"))?;
    }
}

pub(crate) async fn list_offsets(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let watermarks = client
        .admin
        .inner()
        .fetch_watermarks(&client.name, 0, CALL)?;
    equal(watermarks, (0, 10))?;
    let at = client.at(0, client.first_timestamp + 4500)?;
    let found = client.consumer()?.offsets_for_times(at, CALL)?;
    let found = found
        .find_partition(&client.name, 0)
        .context("it is answered")?;
    equal(found.offset(), Offset::Offset(5))
}

pub(crate) fn describe_cluster(client: &Client) -> anyhow::Result<()> {
    let id = client.admin.inner().fetch_cluster_id(CALL);
    ensure!(id.is_some_and(|id| !id.is_empty()), "no cluster id");
    let metadata = client.admin.inner().fetch_metadata(None, CALL)?;
    let nodes = metadata.brokers().iter();
    let addresses: Vec<_> = nodes
        .map(|node| format!("{}:{}", node.host(), node.port()))
        .collect();
    equal(addresses, vec![client.bootstrap.clone()])
}

/// The result has to be this error.
fn refused<T>(result: anyhow::Result<T>, expected: RDKafkaErrorCode) -> anyhow::Result<()> {
    let Err(error) = result else {
        bail!("no error")
    };
    let code = match error.downcast_ref::<KafkaError>() {
        Some(error) => error.rdkafka_error_code(),
        None => error.downcast_ref::<RDKafkaErrorCode>().copied(),
    };
    ensure!(code == Some(expected), "told as {error:#}");
    Ok(())
}

pub(crate) fn unknown_topic(client: &Client) -> anyhow::Result<()> {
    let settings = [("allow.auto.create.topics", "false")];
    let consumer: rdkafka::consumer::BaseConsumer = client.consumer_config(&settings).create()?;
    consumer.subscribe(&[&client.name])?;
    refused(
        client.read(&consumer, 1),
        RDKafkaErrorCode::UnknownTopicOrPartition,
    )
}

pub(crate) async fn too_large_record(client: &Client) -> anyhow::Result<()> {
    client
        .create_topic(1, &[("max.message.bytes", "10000")])
        .await?;
    let value = vec![0; 20_000];
    let record = FutureRecord::to(&client.name)
        .partition(0)
        .payload(&value[..]);
    let result = client.produce(vec![record], &[]).await;
    refused(result, RDKafkaErrorCode::MessageSizeTooLarge)
}

pub(crate) async fn invalid_topic_name(client: &Client) -> anyhow::Result<()> {
    let topic = NewTopic::new("not a name", 1, TopicReplication::Fixed(1));
    let results = client
        .admin
        .create_topics([&topic], &AdminOptions::new())
        .await?;
    refused(only(results), RDKafkaErrorCode::InvalidTopic)
}

pub(crate) async fn duplicate_topic(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    refused(
        client.create_topic(1, &[]).await,
        RDKafkaErrorCode::TopicAlreadyExists,
    )
}

pub(crate) async fn bad_partition_count(client: &Client) -> anyhow::Result<()> {
    client.create_topic(3, &[]).await?;
    refused(grow(client, 2).await, RDKafkaErrorCode::InvalidPartitions)
}

pub(crate) async fn unknown_group(client: &Client) -> anyhow::Result<()> {
    refused(
        delete_group(client).await,
        RDKafkaErrorCode::GroupIdNotFound,
    )
}
