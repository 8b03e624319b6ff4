//! AlterConfigs: replaces everything that is configured for topics or for this broker.

use std::time::Duration;

use odradek_metadata::{
    ConfigResource,
    decide::{
        Refusal,
        alter_configs::{Alteration, Changes},
    },
};
use odradek_protocol::{
    ErrorCode,
    messages::alter_configs::{
        AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse,
        AlterConfigsResponse,
    },
};

use super::{config_resource, context::RequestContext, error_code};

/// How long an answer waits until the change is in force here. It stays made, whatever happens.
const IN_FORCE_MAX: Duration = Duration::from_secs(10);

/// Changes each resource by itself, or checks whether it could be changed.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: AlterConfigsRequest,
) -> AlterConfigsResponse {
    let (mut named, mut asked) = (Vec::new(), Vec::new());
    for resource in request.resources {
        let AlterConfigsResource {
            resource_type,
            resource_name,
            configs,
        } = resource;
        let configs = configs
            .into_iter()
            .map(|config| (config.name, config.value));
        let changes = Changes::Replace(configs.collect());
        asked.push((resolve(ctx, resource_type, &resource_name), changes));
        named.push((resource_type, resource_name));
    }
    let outcomes = alter(ctx, asked, request.validate_only).await;
    let responses = named.into_iter().zip(outcomes).map(
        |((resource_type, resource_name), (error_code, error_message))| {
            AlterConfigsResourceResponse {
                error_code,
                error_message,
                resource_type,
                resource_name,
            }
        },
    );
    AlterConfigsResponse {
        responses: responses.collect(),
        ..Default::default()
    }
}

/// The resource of that type and name, if it can be configured here.
pub(super) fn resolve(
    ctx: &RequestContext,
    resource_type: i8,
    name: &str,
) -> Result<ConfigResource, Refusal> {
    config_resource::resolve(ctx.services.config.node_id, resource_type, name)
}

/// What the client is told of each resource, in order: a code, and a sentence if it failed.
pub(super) async fn alter(
    ctx: &RequestContext,
    asked: Vec<(Result<ConfigResource, Refusal>, Changes)>,
    validate_only: bool,
) -> Vec<(ErrorCode, Option<String>)> {
    let (mut outcomes, mut alterations) = (Vec::new(), Vec::new());
    for (resource, changes) in asked {
        outcomes.push(resource.map(|resource| {
            alterations.push(Alteration { resource, changes });
        }));
    }
    let count = alterations.len();
    let metadata = &ctx.services.metadata;
    let decided = match metadata
        .alter_configs(alterations, validate_only, IN_FORCE_MAX)
        .await
    {
        Ok(decided) => decided,
        Err(error) => vec![Err(error_code::of_change(&error)); count],
    };
    let mut decided = decided.into_iter();
    outcomes
        .into_iter()
        .map(|outcome| outcome.and_then(|()| decided.next().unwrap_or(Ok(()))))
        .map(|outcome| match outcome {
            Ok(()) => (ErrorCode::None, None),
            Err(refusal) => (refusal.code, Some(refusal.message)),
        })
        .collect()
}
