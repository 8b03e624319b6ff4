//! Why a member or a request about a group is refused, in the words of the classic protocol.

use crate::coordinator::state_log::StateLogError;

/// See the module's documentation. Kafka's numbers for them are in `api/error_code.rs`.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum GroupError {
    /// The group's partition of `__consumer_offsets` is not led from here.
    #[error("another broker coordinates the group")]
    NotCoordinator,
    /// That partition is still being replayed.
    #[error("the group is still being loaded")]
    Loading,
    /// Where a group must have a name.
    #[error("the group id is empty")]
    InvalidGroupId,
    /// Outside `group.min.session.timeout.ms` to `group.max.session.timeout.ms`.
    #[error("the session timeout is not allowed")]
    InvalidSessionTimeout,
    /// There is no such group.
    #[error("the group does not exist")]
    NotFound,
    /// Only a group without members can be deleted.
    #[error("the group has members")]
    NotEmpty,
    /// As many members as `group.max.size` allows.
    #[error("the group is full")]
    Full,
    /// The member is given its id, and must come again with it (KIP-394).
    #[error("the member must come again with its id")]
    MemberIdRequired,
    /// Nobody of that id or instance id is in the group.
    #[error("the member is not in the group")]
    UnknownMember,
    /// Another member has taken over the instance id (KIP-345).
    #[error("another member has taken over the instance id")]
    FencedInstance,
    /// The member is in another generation.
    #[error("the generation is not the group's")]
    IllegalGeneration,
    /// The member must join again.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// The member has another protocol type, or no protocol that all others know.
    #[error("the protocols do not go together with the group's")]
    InconsistentProtocol,
    /// The group's state could not be written.
    #[error("store the group")]
    NotStored(#[from] StateLogError),
}
