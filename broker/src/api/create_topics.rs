//! CreateTopics: asks the controller, and answers with what each topic became.

use std::{collections::HashSet, time::Duration};

use odradek_metadata::decide::{
    Refusal,
    create_topics::{CreatedTopic, NewTopic},
};
use odradek_protocol::messages::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse,
};
use uuid::Uuid;

use super::{
    context::RequestContext,
    effective_config::{self, EffectiveConfig},
    error_code,
};
use crate::{config::Config, metadata::controller::TopicSettings};

/// Creates topics, or checks whether they could be created.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let (services, config) = (&ctx.services, &ctx.services.config);
    let settings = TopicSettings {
        validate_only: request.validate_only,
        ..settings(config)
    };
    let timeout = wait(request.timeout_ms);
    let names: Vec<_> = request
        .topics
        .iter()
        .map(|topic| topic.name.clone())
        .collect();
    let topics = request.topics.into_iter().map(new_topic).collect();
    let mut topics: Vec<_> = match services
        .metadata
        .create_topics(topics, settings, timeout)
        .await
    {
        Ok(outcomes) => names
            .into_iter()
            .zip(outcomes)
            .map(|(name, outcome)| match outcome {
                Ok(created) => succeeded(config, created, request.validate_only),
                Err(refusal) => failed(name, refusal),
            })
            .collect(),
        Err(error) => {
            let refusal = error_code::of_change(&error);
            names
                .into_iter()
                .map(|name| failed(name, refusal.clone()))
                .collect()
        }
    };
    // A topic named more than once has one entry, which says so.
    let mut seen = HashSet::new();
    topics.retain(|topic| seen.insert(topic.name.clone()));
    CreateTopicsResponse {
        topics,
        ..Default::default()
    }
}

/// What the broker's configuration says of new topics.
pub(super) fn settings(config: &Config) -> TopicSettings {
    TopicSettings {
        default_partitions: config.topics.partitions,
        default_replication_factor: config.topics.replication_factor,
        validate_only: false,
    }
}

/// How long to wait for what a request asked. A negative time is none.
pub(super) fn wait(timeout_ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0))
}

fn new_topic(topic: CreatableTopic) -> NewTopic {
    let assignments = topic.assignments.into_iter();
    let configs = topic.configs.into_iter();
    NewTopic {
        name: topic.name,
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments
            .map(|one| (one.partition_index, one.broker_ids))
            .collect(),
        configs: configs.map(|config| (config.name, config.value)).collect(),
    }
}

fn succeeded(config: &Config, created: CreatedTopic, validate_only: bool) -> CreatableTopicResult {
    let configs = effective_config::of_topic(config, &created.configs)
        .into_iter()
        .map(described);
    CreatableTopicResult {
        name: created.name,
        // A topic that was only checked has no id.
        topic_id: if validate_only {
            Uuid::nil()
        } else {
            created.id
        },
        num_partitions: created.partitions,
        replication_factor: created.replication_factor,
        configs: Some(configs.collect()),
        ..Default::default()
    }
}

fn failed(name: String, refusal: Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name,
        error_code: refusal.code,
        error_message: Some(refusal.message),
        ..Default::default()
    }
}

fn described(config: EffectiveConfig) -> CreatableTopicConfigs {
    CreatableTopicConfigs {
        name: config.name.to_owned(),
        value: config.value,
        read_only: config.is_read_only,
        config_source: config.source,
        is_sensitive: config.is_sensitive,
    }
}
