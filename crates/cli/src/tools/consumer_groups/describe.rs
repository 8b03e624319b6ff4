//! `--describe`: asks what is to be shown of each group, and shows it.

use std::collections::{BTreeMap, BTreeSet};

use odradek_client::{
    Admin, Error, ErrorCode,
    admin::{
        group_offsets::{ByPartition, CommittedOffset},
        group_state::GroupState,
        groups::GroupDescription,
        offsets::OffsetSpec,
    },
};

use super::{
    complain,
    failure::{Failure, sentence},
    group_ids,
    options::{Groups, Subject, View},
    partitions::Existing,
    tables,
};
use crate::{output, table::Table};

/// Describes groups. One that is named and does not exist is an error of the whole command.
pub(super) async fn describe(admin: &Admin, groups: &Groups, view: View) -> Result<(), Failure> {
    let described = described(admin, groups).await?;
    match view.subject {
        Subject::Offsets => offsets(admin, &described, view.verbose).await?,
        Subject::Members => {
            for group in &described {
                warn_of_state(group);
                print(&tables::members(group, view.verbose));
            }
        }
        Subject::State => {
            for group in &described {
                warn_of_state(group);
                print(&tables::state(group, view.verbose));
            }
        }
    }
    Ok(())
}

async fn described(admin: &Admin, groups: &Groups) -> Result<Vec<GroupDescription>, Failure> {
    let ids = group_ids(admin, groups).await?;
    let mut described = Vec::new();
    for (_, result) in admin.describe_groups(&ids).await {
        match result {
            Ok(group) => described.push(group),
            // It was there when the groups were listed; the others are shown all the same.
            Err(error)
                if matches!(groups, Groups::All)
                    && error.code() == Some(ErrorCode::GroupIdNotFound) =>
            {
                complain(&format!("\nWarning: {}", sentence(&error)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(described)
}

async fn offsets(admin: &Admin, groups: &[GroupDescription], verbose: bool) -> Result<(), Error> {
    let mut committed = Vec::new();
    for group in groups {
        committed.push(admin.group_offsets(&group.id).await?);
    }
    let ends = ends(admin, groups, &committed).await?;
    for (group, committed) in groups.iter().zip(&committed) {
        warn_of_state(group);
        let rows = tables::positions(group, committed, &ends);
        if !rows.is_empty() {
            print(&tables::offsets(&group.id, &rows, verbose));
        }
    }
    Ok(())
}

/// Where the partitions end that any of the groups reads or has read. One whose topic is gone, or
/// has no leader, has no end.
async fn ends(
    admin: &Admin,
    groups: &[GroupDescription],
    committed: &[ByPartition<CommittedOffset>],
) -> Result<ByPartition<i64>, Error> {
    let assigned = groups.iter().flat_map(|group| &group.members);
    let assigned = assigned.filter_map(|member| member.assignment.as_ref());
    let partitions = assigned.flatten();
    let partitions = partitions.chain(committed.iter().flat_map(BTreeMap::keys));
    let partitions: BTreeSet<_> = partitions.collect();
    let existing = Existing::of(admin, partitions.iter().map(|(topic, _)| topic)).await?;
    let existing = partitions.into_iter().filter(|it| existing.has(it));
    let wanted = existing.map(|partition| (partition.clone(), OffsetSpec::Latest));
    let found = admin.list_offsets(&wanted.collect()).await.into_iter();
    let ends = found.filter_map(|(partition, found)| Some((partition, found.ok()?.offset?)));
    Ok(ends.collect())
}

/// Says on standard error why there is less to see than one might expect.
fn warn_of_state(group: &GroupDescription) {
    let id = &group.id;
    match group.state {
        GroupState::Empty => complain(&format!("\nConsumer group '{id}' has no active members.")),
        GroupState::PreparingRebalance
        | GroupState::CompletingRebalance
        | GroupState::Assigning
        | GroupState::Reconciling => {
            complain(&format!("\nWarning: Consumer group '{id}' is rebalancing."));
        }
        _ => {}
    }
}

fn print(table: &Table) {
    output::line("");
    output::table(table);
}
