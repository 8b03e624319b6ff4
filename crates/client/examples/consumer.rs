//! Prints the values of a topic from its beginning until there are no more:
//! `cargo run --example consumer -- HOST:PORT TOPIC`.

use std::{
    io::{BufWriter, Write},
    time::Duration,
};

use odradek_client::{
    Address, Admin, ClientConfig, Consumer,
    consumer::config::{ConsumerConfig, OffsetReset},
};

#[expect(clippy::print_stderr, reason = "what is not a record goes beside them")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(servers), Some(topic)) = (arguments.next(), arguments.next()) else {
        return Err("usage: consumer HOST:PORT TOPIC".into());
    };
    let cluster = ClientConfig::new(Address::parse_list(&servers)?);
    let admin = Admin::new(cluster.clone());
    let mut partitions = Vec::new();
    for (name, described) in admin.describe_topics(&[topic]).await? {
        let described = described?;
        partitions.extend(
            described
                .partitions
                .keys()
                .map(|index| (name.clone(), *index)),
        );
    }
    let mut consumer = Consumer::new(ConsumerConfig {
        offset_reset: OffsetReset::Earliest,
        ..ConsumerConfig::new(cluster)
    });
    consumer.assign(&partitions)?;
    let mut output = BufWriter::new(std::io::stdout().lock());
    let mut count = 0_u64;
    loop {
        let records = consumer.poll(Duration::from_secs(2)).await?;
        if records.is_empty() {
            break;
        }
        count += records.len() as u64;
        for record in records {
            output.write_all(&record.value.unwrap_or_default())?;
            output.write_all(b"\n")?;
        }
    }
    output.flush()?;
    eprintln!("{count} records");
    Ok(())
}
