//! `--delete` and `--delete-offsets`: groups, or some of what they have committed.

use std::collections::{BTreeMap, BTreeSet};

use odradek_client::{Admin, Error, admin::offsets::TopicPartition};

use super::{
    failure::{Failure, exception, sentence},
    group_ids,
    options::{Groups, TopicScope},
    partitions::Existing,
    print_error,
};
use crate::{
    Outcome, output,
    table::{Column, Table},
};

pub(super) async fn groups(admin: &Admin, groups: &Groups) -> Result<Outcome, Failure> {
    let ids = group_ids(admin, groups).await?;
    let mut deleted = Vec::new();
    let mut failed = Vec::new();
    for (group, result) in admin.delete_groups(&ids).await {
        match result {
            Ok(()) => deleted.push(format!("'{group}'")),
            Err(error) => failed.push((group, error)),
        }
    }
    let deleted = deleted.join(", ");
    if failed.is_empty() {
        output::line(&format!(
            "Deletion of requested consumer groups ({deleted}) was successful."
        ));
        return Ok(Outcome::Done);
    }
    print_error("Deletion of some consumer groups failed:");
    for (group, error) in failed {
        output::line(&format!(
            "* Group '{group}' could not be deleted due to: {}",
            exception(&error)
        ));
    }
    if !deleted.is_empty() {
        output::line(&format!(
            "\nThese consumer groups were deleted successfully: {deleted}"
        ));
    }
    Ok(Outcome::Failed)
}

/// What is said of each partition, or of a topic that has none.
type Statuses = BTreeMap<(String, Option<i32>), Result<(), Error>>;

pub(super) async fn offsets(
    admin: &Admin,
    group: &str,
    topics: &[TopicScope],
) -> Result<Outcome, Failure> {
    let existing = Existing::of(admin, topics.iter().map(|it| &it.topic)).await?;
    let mut statuses = Statuses::new();
    let mut partitions = BTreeSet::new();
    for scope in topics {
        match existing.meant(scope) {
            Ok(meant) => partitions.extend(meant),
            Err(error) => {
                statuses.insert((scope.topic.clone(), None), Err(error));
            }
        }
    }
    let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
    let mut problem = None;
    match admin.delete_group_offsets(group, &partitions).await {
        Ok(results) => {
            let each = results.into_iter();
            statuses.extend(each.map(|((topic, it), result)| ((topic, Some(it)), result)));
        }
        Err(error @ Error::Refused { .. }) => {
            problem = Some(sentence(&error));
            let each = partitions.into_iter();
            let failed = each.map(|(topic, it)| ((topic, Some(it)), Err(error.clone())));
            statuses.extend(failed);
        }
        Err(error) => return Err(error.into()),
    }
    let has_failed = statuses.values().any(Result::is_err);
    if problem.is_none() && has_failed {
        let text = "Encountered some partition-level error, see the follow-up details.";
        problem = Some(text.to_owned());
    }
    match &problem {
        Some(problem) => print_error(problem),
        None => output::line(&format!(
            "Request succeeded for deleting offsets from group {group}."
        )),
    }
    output::line("");
    output::table(&table(&statuses));
    Ok(if has_failed {
        Outcome::Failed
    } else {
        Outcome::Done
    })
}

fn table(statuses: &Statuses) -> Table {
    let mut table = Table::new(vec![
        Column::growing("TOPIC", 15),
        Column::fixed("PARTITION", 10),
        Column::fixed("STATUS", 15),
    ]);
    for ((topic, partition), status) in statuses {
        let partition = partition.map_or_else(|| "-".to_owned(), |it| it.to_string());
        let status = match status {
            Ok(()) => "Successful".to_owned(),
            Err(error) => format!("Error: {}", exception(error)),
        };
        table.push(vec![topic.clone(), partition, status]);
    }
    table
}
