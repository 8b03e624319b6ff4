//! Belonging to a consumer group: who shares the partitions, and where the group goes on.
//!
//! - [`assignor`]: the ways of sharing that a member knows
//! - [`listener`]: what the owner of a consumer is told
//! - `subscription`: which topics are wanted
//! - `events`: what a membership hears and wants
//! - `membership`: being a member, from the first join to the last goodbye; pure
//! - `balance`: what members tell each other, and what the leader hands out; pure
//! - `member`: carries out what the membership wants
//! - `office`: what is asked of the coordinator for it
//! - `link`: where the consumer and its membership leave each other messages
//! - `coordinator`: a way to the broker that keeps the group
//! - `offsets`, [`committer`]: the group's positions

pub mod assignor;
mod balance;
pub mod committer;
pub(crate) mod coordinator;
pub(crate) mod events;
pub(crate) mod link;
pub mod listener;
pub(crate) mod member;
mod membership;
pub(crate) mod office;
pub(crate) mod offsets;
pub(crate) mod subscription;

use std::sync::Arc;

use self::{committer::Commits, coordinator::CoordinatorLink, link::Link, office::Office};

/// A consumer's side of its group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) coordinator: Arc<CoordinatorLink>,
    pub(crate) link: Arc<Link>,
    pub(crate) commits: Commits,
    pub(crate) office: Arc<Office>,
}

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
