//! ListPartitionReassignments: the partitions on their way to other brokers (KIP-455). None ever
//! is: see `reassign_partitions` in the metadata's decisions.

use odradek_protocol::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use super::context::RequestContext;

/// Lists none, whatever was asked about: Kafka too leaves out what does not move or exist.
pub(super) async fn handle(
    _: &RequestContext,
    _: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
}
