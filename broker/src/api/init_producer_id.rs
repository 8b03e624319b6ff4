//! InitProducerId: a producer id for an idempotent producer.
//!
//! An id is all that idempotence needs: a producer without transactional id gets a new one whenever
//! it asks, and raises its epoch by itself (KIP-360). There are no transactions yet, and a client
//! that wants them learns it here and now, as a fatal error.

use odradek_protocol::{
    ErrorCode,
    messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
};

use super::{context::RequestContext, error_code};
use crate::error_chain::ErrorChain;

/// In place of a producer id or epoch: none.
const NONE: i16 = -1;

/// Gives out a producer id with epoch 0.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    match producer_id(ctx, &request).await {
        Ok(producer_id) => InitProducerIdResponse {
            producer_id,
            ..Default::default()
        },
        Err(error_code) => InitProducerIdResponse {
            error_code,
            producer_epoch: NONE,
            ..Default::default()
        },
    }
}

async fn producer_id(
    ctx: &RequestContext,
    request: &InitProducerIdRequest,
) -> Result<i64, ErrorCode> {
    if let Some(transactional_id) = &request.transactional_id {
        tracing::debug!(
            transactional_id,
            "transactional producer refused: not supported yet"
        );
        return Err(error_code::TRANSACTIONS_NOT_SUPPORTED);
    }
    let has_id = request.producer_id != i64::from(NONE);
    if has_id != (request.producer_epoch != NONE) {
        return Err(ErrorCode::InvalidRequest);
    }
    ctx.services
        .metadata
        .next_producer_id()
        .await
        .map_err(|error| {
            tracing::warn!(error = %ErrorChain(&error), "no producer id can be given out");
            // Every client simply asks again, as for the metadata log being slow it should.
            ErrorCode::CoordinatorLoadInProgress
        })
}
