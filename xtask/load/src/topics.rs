//! Creates topics through the admin client.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
};
use serde_json::{Value, json};

use crate::client;

const LIMIT: Duration = Duration::from_mins(2);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The topic, or the beginning of the names when there are several.
    #[arg(long)]
    name: String,
    /// How many topics.
    #[arg(long, default_value_t = 1)]
    count: usize,
    /// Partitions of each.
    #[arg(long)]
    partitions: i32,
    /// Topic configuration as key=value.
    #[arg(long = "config")]
    configs: Vec<String>,
}

pub(crate) fn run(broker: &str, arguments: &Arguments) -> anyhow::Result<Value> {
    let begin = Instant::now();
    let names: Vec<String> = match arguments.count {
        1 => vec![arguments.name.clone()],
        count => (0..count)
            .map(|number| format!("{}-{number}", arguments.name))
            .collect(),
    };
    create(broker, arguments, &names)?;
    wait_for_leaders(broker, &names, begin + LIMIT)?;
    Ok(json!({ "topics": names.len(), "seconds": begin.elapsed().as_secs_f64() }))
}

fn create(broker: &str, arguments: &Arguments, names: &[String]) -> anyhow::Result<()> {
    let mut topics = Vec::new();
    for name in names {
        let mut topic = NewTopic::new(name, arguments.partitions, TopicReplication::Fixed(1));
        for config in &arguments.configs {
            let (key, value) = config.split_once('=').context("write --config key=value")?;
            topic = topic.set(key, value);
        }
        topics.push(topic);
    }
    let admin: AdminClient<DefaultClientContext> = client::config(broker).create()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let options = AdminOptions::new().request_timeout(Some(LIMIT));
    for result in runtime.block_on(admin.create_topics(&topics, &options))? {
        result.map_err(|(name, error)| anyhow::anyhow!("create topic {name}: {error}"))?;
    }
    Ok(())
}

/// An answered CreateTopics does not promise that the partitions can be written to.
fn wait_for_leaders(broker: &str, names: &[String], deadline: Instant) -> anyhow::Result<()> {
    let consumer: BaseConsumer = client::config(broker).create()?;
    for name in names {
        loop {
            let metadata = consumer.fetch_metadata(Some(name), Duration::from_secs(10))?;
            let topic = metadata.topics().iter().find(|topic| topic.name() == name);
            let ready = topic.is_some_and(|topic| {
                !topic.partitions().is_empty()
                    && topic
                        .partitions()
                        .iter()
                        .all(|partition| 0 <= partition.leader())
            });
            if ready {
                break;
            }
            ensure!(
                Instant::now() < deadline,
                "{name} has no leaders after {LIMIT:?}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}
