//! IncrementalAlterConfigs: changes single keys of topics or of this broker.

use odradek_metadata::decide::{
    Refusal,
    alter_configs::{Changes, Operation},
};
use odradek_protocol::{
    ErrorCode,
    messages::incremental_alter_configs::{
        AlterConfigsResourceResponse, AlterableConfig, IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsResponse,
    },
};

use super::{
    alter_configs::{alter, resolve},
    context::RequestContext,
};

/// Changes each resource by itself, or checks whether it could be changed.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let (mut named, mut asked) = (Vec::new(), Vec::new());
    for resource in request.resources {
        let name = resource.resource_name;
        let operations: Result<_, Refusal> = resource.configs.into_iter().map(operation).collect();
        let (target, operations) = match operations {
            Ok(operations) => (resolve(ctx, resource.resource_type, &name), operations),
            Err(refusal) => (Err(refusal), Vec::new()),
        };
        asked.push((target, Changes::Each(operations)));
        named.push((resource.resource_type, name));
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
    IncrementalAlterConfigsResponse {
        responses: responses.collect(),
        ..Default::default()
    }
}

fn operation(config: AlterableConfig) -> Result<(String, Operation), Refusal> {
    let operation = match config.config_operation {
        0 => Operation::Set(config.value),
        1 => Operation::Delete,
        2 => Operation::Append(config.value),
        3 => Operation::Subtract(config.value),
        unknown => {
            let message = format!("Unknown operation {unknown} for {}.", config.name);
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
    };
    Ok((config.name, operation))
}
