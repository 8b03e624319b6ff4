//! Reads topics together with the other members of a group, and commits what it has processed:
//! `cargo run --example consumer_group -- HOST:PORT GROUP TOPIC...`. Ctrl-C leaves the group.
//!
//! Start it twice to see partitions move.

#![expect(clippy::print_stdout, reason = "what is read is what it is for")]

use std::time::Duration;

use odradek_client::{
    Address, ClientConfig, Consumer,
    consumer::{
        config::{ConsumerConfig, OffsetReset},
        group::listener::{Call, RebalanceListener},
    },
};

struct Announcer;

impl RebalanceListener for Announcer {
    fn assigned<'a>(&'a mut self, _: &'a Consumer, partitions: &'a [(String, i32)]) -> Call<'a> {
        Box::pin(async move { println!("now also reading {partitions:?}") })
    }

    fn revoked<'a>(
        &'a mut self,
        consumer: &'a Consumer,
        partitions: &'a [(String, i32)],
    ) -> Call<'a> {
        Box::pin(async move {
            println!("giving up {partitions:?}");
            if let Err(error) = consumer.commit().await {
                println!("somebody will read some records again: {error}");
            }
        })
    }

    fn lost<'a>(&'a mut self, _: &'a Consumer, partitions: &'a [(String, i32)]) -> Call<'a> {
        Box::pin(async move { println!("lost {partitions:?}") })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [servers, group, topics @ ..] = &arguments[..] else {
        return Err("usage: consumer_group HOST:PORT GROUP TOPIC...".into());
    };
    let cluster = ClientConfig::new(Address::parse_list(servers)?);
    let mut consumer = Consumer::new(ConsumerConfig {
        offset_reset: OffsetReset::Earliest,
        auto_commit: false,
        ..ConsumerConfig::new(cluster).in_group(group)
    });
    consumer.set_rebalance_listener(Box::new(Announcer));
    consumer.subscribe(topics)?;
    loop {
        let records = tokio::select! {
            records = consumer.poll(Duration::from_secs(1)) => records?,
            _ = tokio::signal::ctrl_c() => break,
        };
        for record in &records {
            let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default());
            println!(
                "{}-{} @{}: {value}",
                record.topic, record.partition, record.offset
            );
        }
        if !records.is_empty() {
            consumer.commit().await?;
        }
    }
    consumer.close().await?;
    Ok(())
}
