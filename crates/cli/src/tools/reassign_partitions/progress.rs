//! How far moves have come.

use std::collections::BTreeSet;

use odradek_client::{
    Admin, ErrorCode,
    admin::{offsets::ByPartition, reassignments::OngoingReassignment},
};

use super::{
    Failure, joined,
    plan::{Plan, name},
    throttle,
};
use crate::output;

/// Lists every move under way.
pub(super) async fn list(admin: &Admin) -> Result<(), Failure> {
    let ongoing = admin.list_reassignments(None).await?;
    if ongoing.is_empty() {
        output::line("No partition reassignments found.");
        return Ok(());
    }
    output::line("Current partition reassignments:");
    for (partition, ongoing) in &ongoing {
        output::line(&format!("{}: {}", name(partition), told(ongoing)));
    }
    Ok(())
}

/// Tells how far each partition of a plan has come. When all have come to rest, the throttles go,
/// unless they shall stay.
pub(super) async fn verify(
    admin: &Admin,
    plan: &Plan,
    preserve_throttles: bool,
) -> Result<(), Failure> {
    let named: BTreeSet<_> = plan.partitions.keys().cloned().collect();
    let ongoing = admin.list_reassignments(Some(&named)).await?;
    let present = present(admin, plan).await?;
    output::line("Status of partition reassignment:");
    for line in states(plan, &ongoing, &present) {
        output::line(&line);
    }
    output::line("");
    if ongoing.is_empty() && !preserve_throttles {
        throttle::clear(admin, plan).await?;
    }
    Ok(())
}

/// The replicas of the partitions of a plan that there are.
async fn present(admin: &Admin, plan: &Plan) -> Result<ByPartition<Vec<i32>>, Failure> {
    let topics: Vec<_> = plan.topics().into_iter().collect();
    let mut present = ByPartition::new();
    if topics.is_empty() {
        return Ok(present);
    }
    for (topic, described) in admin.describe_topics(&topics).await? {
        match described {
            Ok(described) => {
                let partitions = described.partitions.into_values();
                present.extend(partitions.map(|it| ((topic.clone(), it.index), it.replicas)));
            }
            Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(present)
}

fn states(
    plan: &Plan,
    ongoing: &ByPartition<OngoingReassignment>,
    present: &ByPartition<Vec<i32>>,
) -> Vec<String> {
    let each = plan.partitions.iter().map(|(partition, planned)| {
        let replicas = present
            .get(partition)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let name = name(partition);
        if ongoing.contains_key(partition) {
            format!("Reassignment of partition {name} is still in progress.")
        } else if replicas == planned.replicas {
            format!("Reassignment of partition {name} is completed.")
        } else {
            format!(
                "There is no active reassignment of partition {name}, but replica set is {} \
                 rather than {}.",
                joined(replicas),
                joined(&planned.replicas)
            )
        }
    });
    each.collect()
}

fn told(ongoing: &OngoingReassignment) -> String {
    let named = |what: &str, brokers: &[i32]| {
        let some = !brokers.is_empty();
        some.then(|| format!("{what}: {}.", joined(brokers)))
    };
    let parts = [
        named("replicas", &ongoing.replicas),
        named("adding", &ongoing.adding),
        named("removing", &ongoing.removing),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ongoing() -> OngoingReassignment {
        OngoingReassignment {
            replicas: vec![2, 3, 1],
            adding: vec![2, 3],
            removing: vec![1],
        }
    }

    #[test]
    fn a_move_is_listed_with_who_comes_and_goes() {
        assert_eq!(
            told(&ongoing()),
            "replicas: 2,3,1. adding: 2,3. removing: 1."
        );
    }

    #[test]
    fn a_partition_moves_or_has_arrived_or_is_elsewhere() {
        let partition = |index| ("t".to_owned(), index);
        let plan = [0, 1, 2, 3].map(|index| (partition(index), vec![2, 3]));
        let present = [
            (partition(0), vec![2, 3, 1]),
            (partition(1), vec![2, 3]),
            (partition(2), vec![1, 2]),
        ];
        let ongoing = [(partition(0), ongoing())].into();
        let expected = [
            "Reassignment of partition t-0 is still in progress.",
            "Reassignment of partition t-1 is completed.",
            "There is no active reassignment of partition t-2, but replica set is 1,2 rather \
             than 2,3.",
            "There is no active reassignment of partition t-3, but replica set is  rather than \
             2,3.",
        ];
        let plan = Plan::anywhere(plan.into());
        assert_eq!(states(&plan, &ongoing, &present.into()), expected);
    }
}
