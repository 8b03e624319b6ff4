//! Sends lines from standard input to a topic: `cargo run --example producer -- HOST:PORT TOPIC`.

use std::io::BufRead;

use odradek_client::{
    Address, ClientConfig, Producer,
    producer::{config::ProducerConfig, record::ProducerRecord},
};

#[expect(clippy::print_stderr, reason = "the example's only output")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(servers), Some(topic)) = (arguments.next(), arguments.next()) else {
        return Err("usage: producer HOST:PORT TOPIC".into());
    };
    let cluster = ClientConfig::new(Address::parse_list(&servers)?);
    let producer = Producer::new(ProducerConfig::new(cluster));
    let mut deliveries = Vec::new();
    for line in std::io::stdin().lock().lines() {
        deliveries.push(
            producer
                .send(ProducerRecord::new(topic.as_str(), line?))
                .await?,
        );
    }
    // Only now: the batches travel together.
    producer.flush().await;
    let count = deliveries.len();
    for delivery in deliveries {
        delivery.wait().await?;
    }
    producer.close().await?;
    eprintln!("{count} records acknowledged");
    Ok(())
}
