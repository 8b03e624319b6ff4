//! The tables of `--describe`. Pure.

use std::{cmp::Reverse, collections::BTreeSet};

use odradek_client::admin::{
    group_offsets::{ByPartition, CommittedOffset},
    groups::{GroupDescription, GroupMember},
    offsets::TopicPartition,
};

use crate::table::{Column, Table};

/// Where a group is in one partition, and who reads it.
#[derive(Debug)]
pub(super) struct PositionRow<'a> {
    partition: &'a TopicPartition,
    committed: Option<&'a CommittedOffset>,
    end: Option<i64>,
    reader: Option<&'a GroupMember>,
}

/// A row for each partition that somebody reads, busiest members first, then those that were only
/// committed.
pub(super) fn positions<'a>(
    group: &'a GroupDescription,
    committed: &'a ByPartition<CommittedOffset>,
    ends: &ByPartition<i64>,
) -> Vec<PositionRow<'a>> {
    let row = |partition: &'a TopicPartition, reader| PositionRow {
        partition,
        committed: committed.get(partition),
        end: ends.get(partition).copied(),
        reader,
    };
    let mut rows = Vec::new();
    let mut assigned = BTreeSet::new();
    for member in busiest_first(group) {
        for partition in member.assignment.iter().flatten() {
            assigned.insert(partition);
            rows.push(row(partition, Some(member)));
        }
    }
    let others = committed.keys().filter(|it| !assigned.contains(it));
    rows.extend(others.map(|partition| row(partition, None)));
    rows
}

/// Offsets and lags.
pub(super) fn offsets(group: &str, rows: &[PositionRow<'_>], verbose: bool) -> Table {
    let mut columns = vec![
        Column::growing("GROUP", 15),
        Column::growing("TOPIC", 15),
        Column::fixed("PARTITION", 10),
    ];
    if verbose {
        columns.push(Column::fixed("LEADER-EPOCH", 15));
    }
    columns.extend([
        Column::fixed("CURRENT-OFFSET", 15),
        Column::fixed("LOG-END-OFFSET", 15),
        Column::fixed("LAG", 15),
        Column::growing("CONSUMER-ID", 15),
        Column::growing("HOST", 15),
        Column::fixed("CLIENT-ID", 0),
    ]);
    let mut table = Table::new(columns);
    for row in rows {
        let (topic, partition) = row.partition;
        let mut cells = vec![group.to_owned(), topic.clone(), partition.to_string()];
        let offset = row.committed.map(|it| it.offset);
        let lag = row.end.zip(offset).map(|(end, offset)| end - offset);
        if verbose {
            cells.push(or_dash(row.committed.and_then(|it| it.leader_epoch)));
        }
        cells.extend([or_dash(offset), or_dash(row.end), or_dash(lag)]);
        cells.extend([
            or_dash(row.reader.map(|it| &it.id)),
            or_dash(row.reader.map(|it| &it.host)),
            or_dash(row.reader.map(|it| &it.client_id)),
        ]);
        table.push(cells);
    }
    table
}

/// Members and what they read. Epochs belong to a protocol in which the coordinator assigns
/// (KIP-848); members of the classic one have none.
pub(super) fn members(group: &GroupDescription, verbose: bool) -> Table {
    let some_are_static = group.members.iter().any(|it| it.instance_id.is_some());
    let mut columns = vec![
        Column::growing("GROUP", 15),
        Column::growing("CONSUMER-ID", 15),
    ];
    if some_are_static {
        columns.push(Column::growing("GROUP-INSTANCE-ID", 17));
    }
    columns.extend([
        Column::growing("HOST", 15),
        Column::growing("CLIENT-ID", 15),
    ]);
    if verbose {
        columns.extend([
            Column::fixed("#PARTITIONS", 15),
            Column::fixed("CURRENT-EPOCH", 15),
            Column::growing("CURRENT-ASSIGNMENT", 20),
            Column::fixed("TARGET-EPOCH", 15),
            Column::growing("TARGET-ASSIGNMENT", 20),
        ]);
    } else {
        // A blank follows the column in Kafka's output too.
        columns.push(Column::fixed("#PARTITIONS", 16));
    }
    let mut table = Table::new(columns);
    for member in busiest_first(group) {
        let mut cells = vec![group.id.clone(), member.id.clone()];
        if some_are_static {
            cells.push(member.instance_id.clone().unwrap_or_default());
        }
        cells.extend([member.host.clone(), member.client_id.clone()]);
        cells.push(load(member).to_string());
        if verbose {
            let target = member.target.as_ref();
            cells.push(or_dash(target.map(|it| it.reached_epoch)));
            cells.push(assignment(member.assignment.iter().flatten()));
            cells.push(or_dash(group.epochs.map(|it| it.assignment)));
            cells.push(assignment(target.iter().flat_map(|it| &it.assignment)));
        }
        table.push(cells);
    }
    table
}

/// The group itself.
pub(super) fn state(group: &GroupDescription, verbose: bool) -> Table {
    let mut columns = vec![
        Column::growing("GROUP", 15),
        Column::growing("COORDINATOR (ID)", 25),
        Column::fixed("ASSIGNMENT-STRATEGY", 20),
        Column::fixed("STATE", 20),
    ];
    if verbose {
        columns.push(Column::fixed("GROUP-EPOCH", 15));
        columns.push(Column::fixed("TARGET-ASSIGNMENT-EPOCH", 25));
    }
    columns.push(Column::fixed("#MEMBERS", 0));
    let assignor = Some(&group.assignor).filter(|it| !it.is_empty());
    let mut cells = vec![
        group.id.clone(),
        format!("{}  ({})", group.coordinator.address, group.coordinator.id),
        or_dash(assignor),
        group.state.to_string(),
    ];
    if verbose {
        cells.push(or_dash(group.epochs.map(|it| it.group)));
        cells.push(or_dash(group.epochs.map(|it| it.assignment)));
    }
    cells.push(group.members.len().to_string());
    let mut table = Table::new(columns);
    table.push(cells);
    table
}

fn busiest_first(group: &GroupDescription) -> Vec<&GroupMember> {
    let mut members: Vec<_> = group.members.iter().collect();
    members.sort_by_key(|member| (Reverse(load(member)), &member.id));
    members
}

/// How many partitions a member reads.
fn load(member: &GroupMember) -> usize {
    member.assignment.as_ref().map_or(0, Vec::len)
}

/// `t1:0,1;t2:0`, or `-` for nothing.
fn assignment<'a>(partitions: impl Iterator<Item = &'a TopicPartition>) -> String {
    let mut text = String::new();
    let mut current = None;
    for (topic, partition) in partitions {
        if current == Some(topic) {
            text.push(',');
        } else {
            if current.is_some() {
                text.push(';');
            }
            text.push_str(topic);
            text.push(':');
            current = Some(topic);
        }
        text.push_str(&partition.to_string());
    }
    if text.is_empty() {
        "-".to_owned()
    } else {
        text
    }
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
