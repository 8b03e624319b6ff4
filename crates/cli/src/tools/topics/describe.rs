//! `--describe`: a line for each topic, and below it one for each of its partitions.
//!
//! Fields are separated by tabs, as scripts expect; on a terminal they are aligned as well.

use odradek_client::{
    Admin,
    admin::{
        configs::{ByResource, ConfigDetail, ConfigResource, ConfigSource, ConfigValue},
        eligible_leaders::{EligibleByTopic, EligibleLeaders},
    },
    cluster::image::{Partition, Topic},
    uuid_text,
};

use super::{Failure, Options, Topics};
use crate::output;

/// Describes these topics.
pub(super) async fn describe(
    admin: &Admin,
    options: &Options,
    topics: &Topics,
) -> Result<(), Failure> {
    let names: Vec<String> = topics.keys().map(ToString::to_string).collect();
    if names.is_empty() {
        return Ok(());
    }
    let configs = configs_of(admin, &names).await;
    let eligible = admin
        .eligible_leaders(&names, options.partition_size_limit_per_response)
        .await?;
    let is_of_partitions = options.only_some_partitions();
    for topic in topics.values() {
        let resource = ConfigResource::Topic(topic.name.to_string());
        let configs = match configs.get(&resource) {
            Some(Ok(configs)) => configs.as_slice(),
            _ => &[],
        };
        let overrides = overrides(configs);
        if options.topics_with_overrides && overrides.is_empty() {
            continue;
        }
        if !is_of_partitions {
            output::line(&topic_line(topic, &overrides));
        }
        if options.topics_with_overrides {
            continue;
        }
        let in_sync_min = in_sync_min(configs);
        let wanted = topic
            .partitions
            .values()
            .filter(|partition| options.wants(partition, in_sync_min));
        print(wanted.map(|it| fields(topic, it, eligible.as_ref())));
    }
    Ok(())
}

async fn configs_of(
    admin: &Admin,
    names: &[String],
) -> ByResource<Result<Vec<ConfigValue>, odradek_client::Error>> {
    let resources = names.iter().cloned().map(ConfigResource::Topic);
    let resources: Vec<_> = resources.collect();
    admin
        .describe_configs(&resources, ConfigDetail::default())
        .await
}

impl Options {
    fn only_some_partitions(&self) -> bool {
        self.under_replicated_partitions
            || self.unavailable_partitions
            || self.under_min_isr_partitions
            || self.at_min_isr_partitions
    }

    fn wants(&self, partition: &Partition, in_sync_min: usize) -> bool {
        let is_led = partition.leader.is_some();
        let in_sync = partition.isr.len();
        !self.only_some_partitions()
            || self.under_replicated_partitions && in_sync < partition.replicas.len()
            || self.unavailable_partitions && !is_led
            || self.under_min_isr_partitions && (!is_led || in_sync < in_sync_min)
            || self.at_min_isr_partitions && in_sync == in_sync_min
    }
}

/// Every config that is not the built-in default, whoever set it.
fn overrides(configs: &[ConfigValue]) -> String {
    let set = configs
        .iter()
        .filter(|config| config.source != ConfigSource::Default)
        .map(|config| format!("{}={}", config.name, config.value.as_deref().unwrap_or("")));
    set.collect::<Vec<_>>().join(",")
}

/// `min.insync.replicas`; 1 where it cannot be seen, which is Kafka's default.
fn in_sync_min(configs: &[ConfigValue]) -> usize {
    let config = configs
        .iter()
        .find(|config| config.name == "min.insync.replicas");
    let value = config.and_then(|config| config.value.as_deref()?.parse().ok());
    value.unwrap_or(1)
}

fn topic_line(topic: &Topic, overrides: &str) -> String {
    let replicas = topic.partitions.values().next();
    let factor = replicas.map_or(0, |partition| partition.replicas.len());
    format!(
        "Topic: {}\tTopicId: {}\tPartitionCount: {}\tReplicationFactor: {factor}\t\
         Configs: {overrides}",
        topic.name,
        uuid_text(topic.id),
        topic.partitions.len(),
    )
}

fn fields(topic: &Topic, partition: &Partition, eligible: Option<&EligibleByTopic>) -> [String; 7] {
    let leader = partition
        .leader
        .map_or_else(|| "none".to_owned(), |leader| leader.to_string());
    let unknown = || ("N/A".to_owned(), "N/A".to_owned());
    let (eligible, last_known) = eligible.map_or_else(unknown, |all| {
        let of_topic = all.get(&*topic.name);
        let leaders = of_topic.and_then(|partitions| partitions.get(&partition.index));
        let EligibleLeaders {
            eligible,
            last_known,
        } = leaders.cloned().unwrap_or_default();
        (joined(&eligible), joined(&last_known))
    });
    [
        format!("Topic: {}", topic.name),
        format!("Partition: {}", partition.index),
        format!("Leader: {leader}"),
        format!("Replicas: {}", joined(&partition.replicas)),
        format!("Isr: {}", joined(&partition.isr)),
        format!("Elr: {eligible}"),
        format!("LastKnownElr: {last_known}"),
    ]
}

fn joined(brokers: &[i32]) -> String {
    let brokers: Vec<_> = brokers.iter().map(ToString::to_string).collect();
    brokers.join(",")
}

fn print(rows: impl Iterator<Item = [String; 7]>) {
    if !output::is_terminal() {
        for row in rows {
            output::line(&format!("\t{}", row.join("\t")));
        }
        return;
    }
    for line in aligned(&rows.collect::<Vec<_>>()) {
        output::line(&line);
    }
}

fn aligned(rows: &[[String; 7]]) -> Vec<String> {
    let mut widths = [0; 7];
    for row in rows {
        for (width, field) in widths.iter_mut().zip(row) {
            *width = (*width).max(field.chars().count());
        }
    }
    let line = |row: &[String; 7]| {
        let padded = row.iter().zip(widths);
        let padded = padded.map(|(field, width)| format!("  {field:width$}"));
        padded.collect::<String>().trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_below_each_other_on_a_terminal() {
        let row = |partition: &str, isr: &str| {
            let [a, b, c, d] = ["t", partition, "1", isr].map(str::to_owned);
            [a, b, c, d, String::new(), "e".to_owned(), String::new()]
        };
        let lines = aligned(&[row("9", "1,2"), row("10", "1")]);
        assert_eq!(lines, ["  t  9   1  1,2    e", "  t  10  1  1      e"]);
    }
}
