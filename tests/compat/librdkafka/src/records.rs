//! Producing and consuming.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use rdkafka::{
    Message, Offset,
    consumer::Consumer,
    message::{Header, Headers, OwnedHeaders},
    producer::FutureRecord,
};

use crate::client::{CALL, Client, Record, equal, value};

const RECORDS: usize = 1000;
const PARTITIONS: usize = 3;

/// Keys, headers, timestamps and values come back as they were sent.
pub(crate) async fn round_trip(client: &Client, settings: &[(&str, &str)]) -> anyhow::Result<()> {
    client.create_topic(PARTITIONS as i32, &[]).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let keys: Vec<_> = (0..RECORDS).map(|i| format!("key-{i}")).collect();
    let values: Vec<_> = (0..RECORDS)
        .map(|i| format!("value-{i}").repeat(10))
        .collect();
    let record = |i: usize| -> Record<'_> {
        let header = Header {
            key: "n",
            value: Some(&keys[i]),
        };
        FutureRecord::to(&client.name)
            .partition((i % PARTITIONS) as i32)
            .key(keys[i].as_bytes())
            .payload(values[i].as_bytes())
            .timestamp(now + i as i64)
            .headers(OwnedHeaders::new().insert(header))
    };
    client
        .produce((0..RECORDS).map(record).collect(), settings)
        .await?;
    for partition in 0..PARTITIONS {
        let sent: Vec<_> = (partition..RECORDS).step_by(PARTITIONS).collect();
        let found = client.read_from(partition as i32, 0, sent.len())?;
        for (i, message) in sent.into_iter().zip(&found) {
            let header = message.headers().and_then(|headers| headers.iter().next());
            let same = message.key() == Some(keys[i].as_bytes())
                && message.payload() == Some(values[i].as_bytes())
                && message.timestamp().to_millis() == Some(now + i as i64)
                && header.and_then(|header| header.value) == Some(keys[i].as_bytes());
            ensure!(same, "record {i} of partition {partition} differs");
        }
    }
    Ok(())
}

pub(crate) async fn consume_from_beginning(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let found = client.read(&client.subscriber()?, 10)?;
    equal(
        found.iter().map(value).collect(),
        (0..10).map(|i| format!("value-{i}")).collect::<Vec<_>>(),
    )
}

pub(crate) async fn consume_from_timestamp(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let at = client.at(0, client.first_timestamp + 4500)?;
    let found = client.consumer()?.offsets_for_times(at, CALL)?;
    let offset = found
        .elements()
        .first()
        .context("an offset is found")?
        .offset();
    equal(offset, Offset::Offset(5))?;
    let records = client.read_from(0, 5, 1)?;
    equal(records.first().map(value), Some("value-5".to_owned()))
}

pub(crate) async fn seek(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let consumer = client.consumer()?;
    consumer.assign(&client.at(0, 0)?)?;
    client.read(&consumer, 1)?;
    for offset in [7, 2, 9] {
        consumer.seek(&client.name, 0, Offset::Offset(offset), CALL)?;
        let found = client.read(&consumer, 1)?;
        equal(found.first().map(Message::offset), Some(offset))?;
    }
    Ok(())
}

pub(crate) async fn large_message(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    let sent = "large".repeat(180_000);
    let record = FutureRecord::to(&client.name)
        .partition(0)
        .payload(sent.as_bytes());
    client.produce(vec![record], &[]).await?;
    let found = client.read_from(0, 0, 1)?;
    ensure!(
        found.first().map(value) == Some(sent),
        "it came back different"
    );
    Ok(())
}
