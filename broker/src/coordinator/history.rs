//! Why groups rebalanced: one record for each time, bounded per group and in total.
//!
//! For people: at `/v1/groups/{id}` on the admin port, and one line in the log for each.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
};

use hashbrown::HashMap;
use serde::Serialize;

/// Records kept for one group.
const PER_GROUP_MAX: usize = 20;

/// Records kept for all groups together. A record takes some hundred bytes, a few KiB at most.
const TOTAL_MAX: usize = 10_000;

/// Members named in one record; the others are counted.
const CHANGES_MAX: usize = 20;

/// Characters of a reason that a client gives.
const REASON_CHARS_MAX: usize = 255;

/// One rebalance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Rebalance {
    /// When it began, in milliseconds since 1970.
    pub(crate) began_ms: i64,
    /// What caused it.
    pub(crate) reason: String,
    /// Who came, changed or went since the generation before.
    pub(crate) changes: Changes,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// The generation it led to.
    pub(crate) generation: i32,
    /// The members of that generation.
    pub(crate) members: usize,
    /// Who assigns; `null` without members.
    pub(crate) leader: Option<Arc<str>>,
    /// How; `null` without members.
    pub(crate) protocol: Option<String>,
    /// How long it waited for members to join, in milliseconds.
    pub(crate) joining_ms: u64,
    /// How long it then waited for the leader's assignment, in milliseconds.
    pub(crate) assigning_ms: u64,
}

/// How a rebalance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// Everybody has its assignment.
    Stable,
    /// Nobody is left.
    Empty,
    /// The next one began before there was an assignment.
    Interrupted,
}

/// Who came, changed or went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Changes {
    /// The first ones, in their order.
    members: Vec<Change>,
    /// How many joined, left and so on, whether named or not.
    joined: usize,
    changed: usize,
    replaced: usize,
    left: usize,
    died: usize,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Change {
    /// What it did.
    pub(crate) what: What,
    /// Its member id.
    pub(crate) member_id: Arc<str>,
    /// Its lasting name, if it is a static member.
    pub(crate) instance_id: Option<Arc<str>>,
    /// Where it came from.
    pub(crate) client_host: String,
    /// Why, in its own words or ours.
    pub(crate) why: String,
}

/// What a member did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// It is new.
    Joined,
    /// It knows or wants something else than before.
    Changed,
    /// A static member came back under a new member id.
    Replaced,
    /// It said so, or an operator did.
    Left,
    /// It was not heard of in time.
    Died,
}

impl Changes {
    /// Adds one, and cuts its reason to a bearable length.
    pub(crate) fn push(&mut self, mut change: Change) {
        let count = match change.what {
            What::Joined => &mut self.joined,
            What::Changed => &mut self.changed,
            What::Replaced => &mut self.replaced,
            What::Left => &mut self.left,
            What::Died => &mut self.died,
        };
        *count += 1;
        if self.members.len() < CHANGES_MAX {
            cut(&mut change.why);
            self.members.push(change);
        }
    }
}

/// Cuts a text that came from a client.
pub(crate) fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(REASON_CHARS_MAX) {
        text.truncate(end);
    }
}

impl fmt::Display for Rebalance {
    /// One line for the log, without the group's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outcome {
            Outcome::Stable => write!(f, "generation {} is stable", self.generation)?,
            Outcome::Empty => write!(f, "generation {} is empty", self.generation)?,
            Outcome::Interrupted => write!(f, "generation {} was interrupted", self.generation)?,
        }
        let (joining, assigning) = (self.joining_ms, self.assigning_ms);
        write!(
            f,
            " after {joining} ms of joining and {assigning} ms of assigning"
        )?;
        if let (Some(leader), Some(protocol)) = (&self.leader, &self.protocol) {
            let members = self.members;
            write!(
                f,
                ", {members} members, leader {leader}, protocol {protocol}"
            )?;
        }
        write!(f, ": {} ({})", self.reason.escape_debug(), self.changes)
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.joined, "joined"),
            (self.changed, "changed"),
            (self.replaced, "replaced"),
            (self.left, "left"),
            (self.died, "died"),
        ];
        let mut some = counts.iter().filter(|(count, _)| 0 < *count);
        let Some((count, what)) = some.next() else {
            return f.write_str("no member came or went");
        };
        write!(f, "{count} {what}")?;
        some.try_for_each(|(count, what)| write!(f, ", {count} {what}"))
    }
}

/// The newest rebalances of all groups.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// In the order of their ends.
    records: BTreeMap<u64, (Arc<str>, Arc<Rebalance>)>,
    /// The keys of each group's records, oldest first; never empty.
    by_group: HashMap<Arc<str>, VecDeque<u64>>,
    next: u64,
}

impl History {
    /// Adds a group's newest, and forgets what is too much.
    pub(crate) fn push(&mut self, group: &Arc<str>, rebalance: Rebalance) {
        let number = self.next;
        self.next += 1;
        let of_group = self.by_group.entry(Arc::clone(group)).or_default();
        of_group.push_back(number);
        if PER_GROUP_MAX < of_group.len()
            && let Some(oldest) = of_group.pop_front()
        {
            self.records.remove(&oldest);
        }
        let rebalance = Arc::new(rebalance);
        self.records.insert(number, (Arc::clone(group), rebalance));
        if TOTAL_MAX < self.records.len()
            && let Some((_, (group, _))) = self.records.pop_first()
            && let Some(of_group) = self.by_group.get_mut(&group)
        {
            of_group.pop_front();
            if of_group.is_empty() {
                self.by_group.remove(&group);
            }
        }
    }

    /// A group's records, newest first.
    pub(crate) fn of(&self, group: &str) -> Vec<Arc<Rebalance>> {
        let numbers = self.by_group.get(group).into_iter().flatten().rev();
        let found = numbers.filter_map(|number| self.records.get(number));
        found.map(|(_, rebalance)| Arc::clone(rebalance)).collect()
    }

    /// Forgets a group.
    pub(crate) fn forget(&mut self, group: &str) {
        for number in self.by_group.remove(group).into_iter().flatten() {
            self.records.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebalance(generation: i32) -> Rebalance {
        Rebalance {
            began_ms: 0,
            reason: "a test".to_owned(),
            changes: Changes::default(),
            outcome: Outcome::Stable,
            generation,
            members: 1,
            leader: None,
            protocol: None,
            joining_ms: 1,
            assigning_ms: 2,
        }
    }

    fn generations(history: &History, group: &str) -> Vec<i32> {
        let found = history.of(group).into_iter();
        found.map(|rebalance| rebalance.generation).collect()
    }

    #[test]
    fn a_group_keeps_its_newest_rebalances_and_does_not_push_out_others() {
        let mut history = History::default();
        let (quiet, busy): (Arc<str>, Arc<str>) = ("quiet".into(), "busy".into());
        history.push(&quiet, rebalance(1));
        for generation in 0..100_000 {
            history.push(&busy, rebalance(generation));
        }
        assert_eq!(generations(&history, "quiet"), [1]);
        let newest: Vec<i32> = (99_980..100_000).rev().collect();
        assert_eq!(generations(&history, "busy"), newest);
        history.forget("busy");
        assert!(generations(&history, "busy").is_empty());
        assert_eq!(history.records.len(), 1);
    }

    #[test]
    fn many_groups_together_keep_a_bounded_number() {
        let mut history = History::default();
        for group in 0..3 * TOTAL_MAX {
            history.push(&format!("group-{group}").into(), rebalance(1));
        }
        assert_eq!(history.records.len(), TOTAL_MAX);
        assert_eq!(history.by_group.len(), TOTAL_MAX);
        assert!(generations(&history, "group-0").is_empty());
        let newest = format!("group-{}", 3 * TOTAL_MAX - 1);
        assert_eq!(generations(&history, &newest), [1]);
    }

    #[test]
    fn a_rebalance_is_one_line_and_names_few_of_many_members() {
        let mut record = rebalance(7);
        record.reason = "two\nlines".to_owned();
        for number in 0..1000 {
            record.changes.push(Change {
                what: What::Died,
                member_id: format!("m-{number}").into(),
                instance_id: None,
                client_host: "/127.0.0.1".to_owned(),
                why: "é".repeat(1000),
            });
        }
        let line = record.to_string();
        assert!(!line.contains('\n') && line.contains("1000 died"), "{line}");
        assert_eq!(record.changes.members.len(), CHANGES_MAX);
        let why = record
            .changes
            .members
            .first()
            .map(|change| change.why.chars().count());
        assert_eq!(why, Some(REASON_CHARS_MAX));
    }
}
