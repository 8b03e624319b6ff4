//! `--reset-offsets`: plans the new offsets of every group first, then sets them, then shows them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use odradek_client::{
    Admin, ErrorCode,
    admin::{
        group_offsets::{ByPartition, CommittedOffset},
        group_state::GroupState,
        offsets::{OffsetSpec, TopicPartition},
    },
};

use super::{
    failure::Failure,
    group_ids,
    offsets_file::{self, Plans},
    options::{Groups, Reset, Scope, Target},
    partitions::{Existing, find_offsets},
    print_error,
    reset_plan::{Known, Spec, Warning, plan},
};
use crate::{
    Outcome, output,
    table::{Column, Table},
};

pub(super) async fn reset(admin: &Admin, reset: &Reset) -> Result<Outcome, Failure> {
    let groups = group_ids(admin, &reset.groups).await?;
    let from_file = match &reset.target {
        Target::File(path) => read(path, &reset.groups)?,
        Target::Spec(..) => Plans::new(),
    };
    let (idle, mut outcome) = idle(admin, &groups).await?;
    let mut plans = Plans::new();
    for group in idle {
        let plan = match &reset.target {
            Target::Spec(scope, spec) => of_spec(admin, &group, scope, *spec).await?,
            Target::File(_) => {
                let Some(wanted) = from_file.get(&group) else {
                    print_error(&format!("No reset plan for group {group} found"));
                    outcome = Outcome::Failed;
                    continue;
                };
                of_file(admin, wanted).await?
            }
        };
        plans.insert(group, plan);
    }
    if reset.execute {
        for (group, plan) in &plans {
            set(admin, group, plan).await?;
        }
    }
    show(reset, &plans);
    Ok(outcome)
}

fn read(path: &Path, groups: &Groups) -> Result<Plans, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::Unreadable {
        path: path.to_owned(),
        error,
    })?;
    let only = match groups {
        Groups::Named(groups) if groups.len() == 1 => groups.first().map(String::as_str),
        _ => None,
    };
    offsets_file::parse(&text, only).map_err(|error| Failure::File {
        path: path.to_owned(),
        error,
    })
}

/// The groups without members, those that do not exist yet among them. The others are complained
/// of: their members would go on from where they are.
async fn idle(admin: &Admin, groups: &[String]) -> Result<(Vec<String>, Outcome), Failure> {
    let (mut idle, mut outcome) = (Vec::new(), Outcome::Done);
    for (group, described) in admin.describe_groups(groups).await {
        let state = match described {
            Ok(described) => described.state,
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => GroupState::Dead,
            Err(error) => return Err(error.into()),
        };
        if matches!(state, GroupState::Empty | GroupState::Dead) {
            idle.push(group);
        } else {
            print_error(&format!(
                "Assignments can only be reset if the group '{group}' is inactive, but the \
                 current state is {state}."
            ));
            outcome = Outcome::Failed;
        }
    }
    Ok((idle, outcome))
}

async fn of_spec(
    admin: &Admin,
    group: &str,
    scope: &Scope,
    spec: Spec,
) -> Result<ByPartition<i64>, Failure> {
    let committed = admin.group_offsets(group).await?;
    let partitions: BTreeSet<TopicPartition> = match scope {
        Scope::Committed => {
            let existing = Existing::of(admin, committed.keys().map(|(topic, _)| topic)).await?;
            existing.check(committed.keys())?;
            committed.keys().cloned().collect()
        }
        Scope::Topics(topics) => {
            let existing = Existing::of(admin, topics.iter().map(|it| &it.topic)).await?;
            let mut partitions = BTreeSet::new();
            for scope in topics {
                partitions.extend(existing.meant(scope).map_err(Failure::Topic)?);
            }
            existing.check(partitions.iter())?;
            partitions
        }
    };
    let wanted = partitions.iter().map(|it| (it.clone(), spec)).collect();
    let time = spec.timestamp_ms(now_ms());
    planned(admin, &partitions, &wanted, &committed, time).await
}

/// Offsets of a file are those of `--to-offset`, one for each partition.
async fn of_file(admin: &Admin, wanted: &ByPartition<i64>) -> Result<ByPartition<i64>, Failure> {
    let existing = Existing::of(admin, wanted.keys().map(|(topic, _)| topic)).await?;
    existing.check(wanted.keys())?;
    let partitions = wanted.keys().cloned().collect();
    let each = wanted.iter();
    let wanted = each.map(|(partition, offset)| (partition.clone(), Spec::Offset(*offset)));
    planned(
        admin,
        &partitions,
        &wanted.collect(),
        &BTreeMap::new(),
        None,
    )
    .await
}

/// Plans each partition and prints what there is to say about it.
async fn planned(
    admin: &Admin,
    partitions: &BTreeSet<TopicPartition>,
    wanted: &ByPartition<Spec>,
    committed: &ByPartition<CommittedOffset>,
    time_ms: Option<i64>,
) -> Result<ByPartition<i64>, Failure> {
    let begins = find_offsets(admin, partitions, OffsetSpec::Earliest).await?;
    let ends = find_offsets(admin, partitions, OffsetSpec::Latest).await?;
    let at_time = match time_ms {
        Some(ms) => find_offsets(admin, partitions, OffsetSpec::Timestamp(ms)).await?,
        None => BTreeMap::new(),
    };
    let mut offsets = BTreeMap::new();
    for (partition, spec) in wanted {
        let offset_in = |found: &ByPartition<Option<i64>>| found.get(partition).copied().flatten();
        let begin = offset_in(&begins).unwrap_or_default();
        let known = Known {
            begin,
            end: offset_in(&ends).unwrap_or(begin),
            committed: committed.get(partition).map(|it| it.offset),
            at_time: offset_in(&at_time),
        };
        let planned =
            plan(*spec, known).map_err(|_| Failure::NothingCommitted(partition.clone()))?;
        match planned.warning(partition) {
            Some(Warning::Printed(text)) => output::line(&format!("\nWarn: {text}")),
            Some(Warning::Logged(text)) => {
                super::complain(&format!("WARN {text} (kafka-consumer-groups)"));
            }
            None => {}
        }
        offsets.insert(partition.clone(), planned.offset);
    }
    Ok(offsets)
}

async fn set(admin: &Admin, group: &str, plan: &ByPartition<i64>) -> Result<(), Failure> {
    if plan.is_empty() {
        return Ok(());
    }
    let positions = plan.iter().map(|(partition, offset)| {
        let committed = CommittedOffset {
            offset: *offset,
            leader_epoch: None,
            metadata: String::new(),
        };
        (partition.clone(), committed)
    });
    let results = admin
        .alter_group_offsets(group, &positions.collect())
        .await?;
    for result in results.into_values() {
        result?;
    }
    Ok(())
}

fn show(reset: &Reset, plans: &Plans) {
    if reset.export {
        let several = match &reset.groups {
            Groups::All => true,
            Groups::Named(groups) => groups.len() != 1,
        };
        for line in offsets_file::format(plans, several) {
            output::line(&line);
        }
        output::line("");
        return;
    }
    let mut table = Table::new(vec![
        Column::growing("GROUP", 15),
        Column::growing("TOPIC", 15),
        Column::fixed("PARTITION", 10),
        Column::fixed("NEW-OFFSET", 0),
    ]);
    for (group, plan) in plans {
        for ((topic, partition), offset) in plan {
            let cells = [group, topic, &partition.to_string(), &offset.to_string()];
            table.push(cells.map(ToString::to_string).to_vec());
        }
    }
    output::line("");
    output::table(&table);
}

fn now_ms() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "--by-duration counts from now; what it leads to is planned with the time given"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}
