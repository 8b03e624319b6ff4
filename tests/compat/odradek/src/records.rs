//! Producing and consuming.

use anyhow::{Context, ensure};
use bytes::Bytes;
use odradek_client::{admin::offsets::OffsetSpec, producer::record::ProducerRecord};

use crate::client::{Client, Settings, equal, now_ms, value};

const RECORDS: usize = 1000;
const PARTITIONS: usize = 3;

/// Keys, headers, timestamps and values come back as they were sent.
pub(crate) async fn round_trip(client: &Client, settings: Settings<'_>) -> anyhow::Result<()> {
    client.create_topic(PARTITIONS as i32, &[]).await?;
    let now = now_ms()?;
    let record = |i: usize| ProducerRecord {
        timestamp_ms: Some(now + i as i64),
        ..ProducerRecord::new(client.name.as_str(), format!("value-{i}").repeat(10))
            .partition((i % PARTITIONS) as i32)
            .key(format!("key-{i}"))
            .header("n", format!("header-{i}"))
    };
    let sent: Vec<_> = (0..RECORDS).map(record).collect();
    client.produce(sent.clone(), settings).await?;
    for partition in 0..PARTITIONS {
        let sent: Vec<_> = sent.iter().skip(partition).step_by(PARTITIONS).collect();
        let found = client.read_from(partition as i32, 0, sent.len()).await?;
        equal(found.len(), sent.len())?;
        for (sent, found) in sent.into_iter().zip(&found) {
            let headers = sent.headers.iter();
            let headers: Vec<_> = headers
                .map(|(key, value)| (Bytes::from(key.clone()), value.clone()))
                .collect();
            let same = found.key == sent.key
                && found.value == sent.value
                && Some(found.timestamp_ms) == sent.timestamp_ms
                && found.headers == headers;
            ensure!(same, "{sent:?} came back as {found:?}");
        }
    }
    Ok(())
}

pub(crate) async fn consume_from_beginning(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let mut reader = client.reader(&[])?;
    reader.assign(&[(client.name.clone(), 0)])?;
    let found = client.read(&mut reader, 10).await?;
    equal(
        found.iter().map(value).collect(),
        (0..10).map(|i| format!("value-{i}")).collect::<Vec<_>>(),
    )
}

pub(crate) async fn consume_from_timestamp(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let at = client.first_timestamp + 4500;
    let found = client.offset(0, OffsetSpec::Timestamp(at)).await?;
    equal(found.offset, Some(5))?;
    let mut reader = client.reader(&[])?;
    reader.assign(&[(client.name.clone(), 0)])?;
    reader.seek_to(&client.name, 0, OffsetSpec::Timestamp(at))?;
    let records = client.read(&mut reader, 1).await?;
    equal(records.first().map(value), Some("value-5".to_owned()))
}

pub(crate) async fn seek(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    client.produce_values(10).await?;
    let mut reader = client.reader(&[("max.poll.records", "1")])?;
    reader.assign(&[(client.name.clone(), 0)])?;
    client.read(&mut reader, 1).await?;
    for offset in [7, 2, 9] {
        reader.seek(&client.name, 0, offset)?;
        let found = client.read(&mut reader, 1).await?;
        equal(found.first().map(|record| record.offset), Some(offset))?;
        let next = reader.position(&client.name, 0);
        equal(next.context("it stands somewhere")?, offset + 1)?;
    }
    Ok(())
}

pub(crate) async fn large_message(client: &Client) -> anyhow::Result<()> {
    client.create_topic(1, &[]).await?;
    let sent = "large".repeat(180_000);
    let record = ProducerRecord::new(client.name.as_str(), sent.clone());
    client.produce(vec![record], &[]).await?;
    let found = client.read_from(0, 0, 1).await?;
    ensure!(
        found.first().map(value) == Some(sent),
        "it came back different"
    );
    Ok(())
}
