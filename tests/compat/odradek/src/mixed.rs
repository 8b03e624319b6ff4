//! For the group of different clients: a member, and the producer that writes for all of them.
//!
//! Both end when their standard input does, and print what the runner compares: a line for each
//! record, and one whenever the member's partitions change.

use std::{io, time::Duration};

use odradek_client::producer::record::ProducerRecord;
use tokio::sync::oneshot;

use crate::client::{Client, SHORT};

const PARTITIONS: i32 = 6;

/// Prints what it is assigned and what it reads.
pub(crate) async fn member(client: &Client, assignor: &str) -> anyhow::Result<()> {
    let mut consumer = client.subscriber(&[
        ("partition.assignment.strategy", assignor),
        ("enable.auto.commit", "true"),
    ])?;
    let mut over = end_of_input();
    let mut told = None;
    while over.try_recv().is_err() {
        for record in consumer.poll(SHORT).await? {
            println!("{}:{}", record.partition, record.offset);
        }
        let assignment = consumer.assignment().into_iter();
        let mut found: Vec<_> = assignment.map(|(_, partition)| partition).collect();
        found.sort_unstable();
        if told.as_ref() != Some(&found) {
            let numbers: Vec<_> = found.iter().map(ToString::to_string).collect();
            println!("= {}", numbers.join(" "));
            told = Some(found);
        }
    }
    // It reads nothing any more; the others may have its partitions as soon as it has left.
    println!("=");
    consumer.close().await?;
    Ok(())
}

/// Creates the topic and fills it at a steady pace; prints what was acknowledged.
pub(crate) async fn writer(client: &Client) -> anyhow::Result<()> {
    client.create_topic(PARTITIONS, &[]).await?;
    let producer = client.producer(&[])?;
    let mut over = end_of_input();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    while over.try_recv().is_err() {
        pace.tick().await;
        let mut deliveries = Vec::new();
        for partition in 0..PARTITIONS {
            let record = ProducerRecord::new(client.name.as_str(), "value").partition(partition);
            deliveries.push(producer.send(record).await?);
        }
        for delivery in deliveries {
            let written = delivery.wait().await?;
            if let Some(offset) = written.offset {
                println!("{}:{offset}", written.partition);
            }
        }
    }
    producer.close().await?;
    Ok(())
}

/// Told when standard input has ended.
fn end_of_input() -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        // An error ends it as well, and nobody may be waiting any more.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        let _ = sender.send(());
    });
    receiver
}
