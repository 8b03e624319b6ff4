//! DescribeConfigs: what is configured for a topic or for this broker, and where it comes from.

use odradek_metadata::{ConfigResource, ResourceKind, decide::Refusal, topic_name};
use odradek_protocol::{
    ErrorCode,
    messages::describe_configs::{
        DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
        DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
    },
};

use super::{
    config_resource,
    context::{RequestContext, Services},
    effective_config::{self, EffectiveConfig},
};

/// Describes each resource by itself.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let results = request.resources.iter().map(|resource| {
        let outcome = describe(&ctx.services, resource);
        let (configs, refusal) = match outcome {
            Ok(configs) => (configs, None),
            Err(refusal) => (Vec::new(), Some(refusal)),
        };
        let configs = configs
            .into_iter()
            .filter(|config| is_wanted(resource, config))
            .map(|config| described(config, &request));
        DescribeConfigsResult {
            error_code: refusal
                .as_ref()
                .map_or(ErrorCode::None, |refusal| refusal.code),
            error_message: refusal.map(|refusal| refusal.message),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            configs: configs.collect(),
        }
    });
    DescribeConfigsResponse {
        results: results.collect(),
        ..Default::default()
    }
}

fn describe(
    services: &Services,
    resource: &DescribeConfigsResource,
) -> Result<Vec<EffectiveConfig>, Refusal> {
    let (config, name) = (&services.config, resource.resource_name.as_str());
    let described = config_resource::resolve(config.node_id, resource.resource_type, name)?;
    let image = services.metadata.image();
    let own = image.configs.of(&described);
    if described == ConfigResource::all_brokers() {
        return Ok(effective_config::of_all_brokers(&own));
    }
    let in_force = config.overlaid(&image.configs);
    if described.kind == ResourceKind::Broker {
        return Ok(effective_config::of_broker(&in_force));
    }
    topic_name::check(name)
        .map_err(|error| Refusal::new(ErrorCode::InvalidTopicException, error.to_string()))?;
    if image.topic(name).is_none() {
        let message = format!("There is no topic named {name}.");
        return Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, message));
    }
    Ok(effective_config::of_topic(&in_force, &own))
}

/// Null asks for every key, and so does an empty list.
fn is_wanted(resource: &DescribeConfigsResource, config: &EffectiveConfig) -> bool {
    match &resource.configuration_keys {
        Some(keys) if !keys.is_empty() => keys.iter().any(|key| key == config.name),
        _ => true,
    }
}

fn described(
    config: EffectiveConfig,
    request: &DescribeConfigsRequest,
) -> DescribeConfigsResourceResult {
    let synonyms = config
        .synonyms
        .into_iter()
        .filter(|_| request.include_synonyms);
    DescribeConfigsResourceResult {
        name: config.name.to_owned(),
        value: config.value,
        read_only: config.is_read_only,
        config_source: config.source,
        is_sensitive: config.is_sensitive,
        synonyms: synonyms
            .map(|synonym| DescribeConfigsSynonym {
                name: synonym.name.to_owned(),
                value: synonym.value,
                source: synonym.source,
            })
            .collect(),
        config_type: config.config_type,
        documentation: request
            .include_documentation
            .then(|| config.documentation.to_owned()),
    }
}
