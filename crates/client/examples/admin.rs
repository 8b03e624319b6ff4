//! Shows a cluster, creates a topic in it, changes what it is configured to, and deletes it again:
//! `cargo run --example admin -- HOST:PORT TOPIC`.

use std::collections::BTreeMap;

use odradek_client::{
    Address, Admin, ClientConfig,
    admin::{
        configs::{ConfigChange, ConfigDetail, ConfigResource},
        records::DeleteBefore,
        topics::NewTopic,
    },
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let (Some(servers), Some(topic)) = (arguments.next(), arguments.next()) else {
        return Err("usage: admin HOST:PORT TOPIC".into());
    };
    let admin = Admin::new(ClientConfig::new(Address::parse_list(&servers)?));
    show_cluster(&admin).await?;

    let wanted = NewTopic::new(&topic)
        .partitions(3)
        .config("retention.ms", "3600000");
    for (name, created) in admin.create_topics(vec![wanted]).await? {
        say(&format!("created {name}: {:?}", created?.partitions));
    }
    change_configs(&admin, &topic).await?;
    let everything = (0..3).map(|index| ((topic.clone(), index), DeleteBefore::HighWatermark));
    for ((topic, index), deleted) in admin.delete_records(&everything.collect()).await {
        say(&format!("{topic}-{index} begins at {}", deleted?));
    }
    for (name, deleted) in admin.delete_topics(&[topic]).await? {
        deleted?;
        say(&format!("deleted {name}"));
    }
    Ok(())
}

async fn show_cluster(admin: &Admin) -> Outcome {
    let cluster = admin.describe_cluster().await?;
    say(&format!(
        "cluster {}",
        cluster.cluster_id.unwrap_or_default()
    ));
    let ids: Vec<_> = cluster.brokers.keys().copied().collect();
    for broker in cluster.brokers.values() {
        let served = admin.describe_versions(broker.id).await?.apis.len();
        say(&format!(
            "broker {} at {}: {served} APIs",
            broker.id, broker.address
        ));
    }
    for (broker, directories) in admin.describe_log_dirs(&ids).await {
        for directory in directories? {
            let bytes: i64 = directory.replicas.values().map(|it| it.bytes).sum();
            say(&format!(
                "broker {broker} has {bytes} bytes in {}",
                directory.path
            ));
        }
    }
    Ok(())
}

/// What belongs together changes together; what the broker would refuse is found out first.
async fn change_configs(admin: &Admin, topic: &str) -> Outcome {
    let resource = ConfigResource::Topic(topic.to_owned());
    let changes = [
        ("retention.ms", ConfigChange::Delete),
        ("cleanup.policy", ConfigChange::Append("compact".to_owned())),
    ];
    let changes = changes.map(|(key, change)| (key.to_owned(), change));
    let changes = BTreeMap::from([(resource.clone(), changes.into())]);
    for checked in admin.validate_configs(&changes).await.into_values() {
        checked?;
    }
    for changed in admin.alter_configs(&changes).await.into_values() {
        changed?;
    }
    let detail = ConfigDetail {
        synonyms: false,
        documentation: true,
    };
    for configs in admin
        .describe_configs(&[resource], detail)
        .await
        .into_values()
    {
        for config in configs?
            .iter()
            .filter(|config| config.name == "cleanup.policy")
        {
            let value = config.value.as_deref().unwrap_or("unset");
            let meaning = config.documentation.as_deref().unwrap_or_default();
            say(&format!("{}={value}: {meaning}", config.name));
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what an example is for")]
fn say(line: &str) {
    println!("{line}");
}
