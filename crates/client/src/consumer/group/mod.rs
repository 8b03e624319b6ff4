//! Belonging to a consumer group: who shares the partitions, and where the group goes on.

pub mod assignor;
pub mod listener;

/// What a consumer is in its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMembership {
    /// `group.id`.
    pub group_id: String,
    /// `group.instance.id`.
    pub instance_id: Option<String>,
    /// The id that the coordinator gave; empty before.
    pub member_id: String,
    /// Counts rebalances; -1 while the consumer is in none.
    pub generation: i32,
}
