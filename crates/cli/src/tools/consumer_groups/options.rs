//! The options as they are typed, and the one action that they ask for.
//!
//! What clap cannot tell apart is checked here, with the sentences of Kafka's tool.

use std::{path::PathBuf, time::Duration};

use odradek_client::admin::group_state::{GroupState, GroupType};

use super::{
    reset_plan::Spec,
    time::{parse_datetime, parse_duration},
};
use crate::connection::ConnectionOptions;

/// States that a consumer group can be in.
const STATES: &[GroupState] = &[
    GroupState::PreparingRebalance,
    GroupState::Empty,
    GroupState::CompletingRebalance,
    GroupState::Reconciling,
    GroupState::Assigning,
    GroupState::Stable,
    GroupState::Dead,
];

/// Types that a consumer group can have.
const TYPES: &[GroupType] = &[GroupType::Consumer, GroupType::Classic];

/// Lists, describes and deletes consumer groups, and moves or deletes their offsets.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-consumer-groups")]
#[command(group(clap::ArgGroup::new("spec").requires("reset_offsets")
    .args(["to_earliest", "to_latest", "to_current", "to_offset", "shift_by", "to_datetime",
           "by_duration", "from_file"])))]
pub(crate) struct Options {
    #[command(flatten)]
    pub(super) connection: ConnectionOptions,
    /// List all groups.
    #[arg(long)]
    list: bool,
    /// Describe groups: their offsets, unless --members or --state asks for something else.
    #[arg(long)]
    describe: bool,
    /// Move the offsets of groups that have no members.
    #[arg(long)]
    reset_offsets: bool,
    /// Delete groups that have no members, with their offsets.
    #[arg(long)]
    delete: bool,
    /// Delete a group's offsets of topics that it does not read now.
    #[arg(long)]
    delete_offsets: bool,
    /// Say whether that regular expression can be subscribed to.
    #[arg(long, value_name = "REGEX")]
    validate_regex: Option<String>,
    /// A group; may be repeated.
    #[arg(long, conflicts_with = "all_groups")]
    group: Vec<String>,
    /// All groups.
    #[arg(long)]
    all_groups: bool,
    /// A topic, or some of its partitions as TOPIC:0,1; may be repeated.
    #[arg(long, value_name = "TOPIC[:PARTITIONS]")]
    topic: Vec<String>,
    /// With --reset-offsets: everything that the group has committed.
    #[arg(long)]
    all_topics: bool,
    /// With --describe: committed offsets and lags, as without it.
    #[arg(long)]
    offsets: bool,
    /// With --describe: the members.
    #[arg(long)]
    members: bool,
    /// With --describe: the group's state. With --list: the states as well, or only groups in one
    /// of these states, separated by commas.
    #[arg(long, value_name = "STATES", num_args = 0..=1, default_missing_value = "")]
    state: Option<String>,
    /// With --list: the types as well, or only groups of one of these types.
    #[arg(long, value_name = "TYPES", num_args = 0..=1, default_missing_value = "")]
    r#type: Option<String>,
    /// With --describe: more columns.
    #[arg(long)]
    verbose: bool,
    /// To where the partitions begin.
    #[arg(long)]
    to_earliest: bool,
    /// To where the partitions end.
    #[arg(long)]
    to_latest: bool,
    /// To what is committed, or to the end where nothing is: for --export.
    #[arg(long)]
    to_current: bool,
    /// To that offset, as far as the partition has it.
    #[arg(long, allow_negative_numbers = true)]
    to_offset: Option<i64>,
    /// By so many records from what is committed, back if negative.
    #[arg(long, allow_negative_numbers = true)]
    shift_by: Option<i64>,
    /// To the first record of that time or later: YYYY-MM-DDTHH:mm:SS.sss, and Z or +hh:mm.
    #[arg(long, value_parser = parse_datetime)]
    to_datetime: Option<i64>,
    /// To the first record that is at most so old: PnDTnHnMnS.
    #[arg(long, value_parser = parse_duration)]
    by_duration: Option<Duration>,
    /// To the offsets in a file as --export writes it.
    #[arg(long, value_name = "FILE")]
    from_file: Option<PathBuf>,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do it.
    #[arg(long)]
    execute: bool,
    /// Print lines of topic,partition,offset instead of a table, with the group in front where
    /// there are several.
    #[arg(long)]
    export: bool,
    /// How long to try, in ms.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) timeout: Option<u32>,
}

/// What is asked for.
#[derive(Debug)]
pub(super) enum Action {
    List(Listing),
    Describe(Groups, View),
    Reset(Reset),
    Delete(Groups),
    DeleteOffsets {
        group: String,
        topics: Vec<TopicScope>,
    },
    ValidateRegex(String),
}

/// Which groups are listed, and with which columns.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Shown if present; empty for any.
    pub(super) states: Option<Vec<GroupState>>,
    /// Shown if present; empty for any.
    pub(super) types: Option<Vec<GroupType>>,
}

/// The groups that are meant.
#[derive(Debug)]
pub(super) enum Groups {
    All,
    Named(Vec<String>),
}

/// What of a group is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) subject: Subject,
    pub(super) verbose: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Subject {
    Offsets,
    Members,
    State,
}

/// Which offsets are moved, and to where.
#[derive(Debug)]
pub(super) struct Reset {
    pub(super) groups: Groups,
    pub(super) target: Target,
    pub(super) execute: bool,
    pub(super) export: bool,
}

/// Where a reset takes its partitions and offsets from.
#[derive(Debug)]
pub(super) enum Target {
    File(PathBuf),
    Spec(Scope, Spec),
}

/// The partitions that are meant.
#[derive(Debug)]
pub(super) enum Scope {
    /// What the group has committed.
    Committed,
    Topics(Vec<TopicScope>),
}

/// A topic, or some of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicScope {
    pub(super) topic: String,
    /// Absent for all.
    pub(super) partitions: Option<Vec<i32>>,
}

/// Options that do not go together, or of which one is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misuse {
    #[error(
        "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, \
         --delete-offsets, --validate-regex"
    )]
    Actions,
    #[error("Option \"[{0}]\" can't be used with option \"[list]\"")]
    WithList(&'static str),
    #[error("Option [{0}] takes one of these options: [all-groups], [group]")]
    NoGroup(&'static str),
    #[error("Option [describe] takes at most one of these options: [members], [offsets], [state]")]
    Views,
    #[error("Invalid partition '{partition}' specified in topic arg '{topic}'")]
    Partition { partition: String, topic: String },
    #[error("Option [delete-offsets] takes the following options: [group], [topic]")]
    DeleteOffsets,
    #[error("Option [reset-offsets] only accepts one of [execute] and [dry-run]")]
    ExecuteAndDryRun,
    #[error("One of the reset scopes should be defined: --all-topics, --topic.")]
    NoScope,
    #[error(
        "Option '[reset-offsets]' requires one of the following scenarios: [[to-datetime], \
         [from-file], [shift-by], [to-offset], [to-earliest], [to-current], [to-latest], \
         [by-duration]]"
    )]
    NoSpec,
    #[error("Invalid state list '{0}'. Valid states are: {names}", names = joined(STATES))]
    States(String),
    #[error("Invalid types list '{0}'. Valid types are: {names}", names = joined(TYPES))]
    Types(String),
}

impl Options {
    /// The action, if the options make one.
    pub(super) fn action(self) -> Result<Action, Misuse> {
        let actions = [
            self.list,
            self.describe,
            self.reset_offsets,
            self.delete,
            self.delete_offsets,
            self.validate_regex.is_some(),
        ];
        if actions.iter().filter(|given| **given).count() != 1 {
            return Err(Misuse::Actions);
        }
        if self.list {
            self.listing().map(Action::List)
        } else if self.describe {
            let view = self.view();
            Ok(Action::Describe(self.groups("describe")?, view?))
        } else if self.reset_offsets {
            self.reset().map(Action::Reset)
        } else if self.delete {
            self.groups("delete").map(Action::Delete)
        } else if let Some(regex) = self.validate_regex {
            Ok(Action::ValidateRegex(regex))
        } else {
            match (self.group.as_slice(), self.topic.is_empty()) {
                ([group], false) => Ok(Action::DeleteOffsets {
                    group: group.clone(),
                    topics: self.topics()?,
                }),
                _ => Err(Misuse::DeleteOffsets),
            }
        }
    }

    fn listing(self) -> Result<Listing, Misuse> {
        if !self.group.is_empty() {
            return Err(Misuse::WithList("group"));
        }
        if self.all_groups {
            return Err(Misuse::WithList("all-groups"));
        }
        let states = self.state.map(|text| {
            let states = text.split(',').map(str::parse::<GroupState>);
            let states: Option<Vec<_>> = states.map(Result::ok).collect();
            let known = |states: &Vec<_>| states.iter().all(|state| STATES.contains(state));
            if text.is_empty() {
                return Ok(Vec::new());
            }
            states.filter(known).ok_or(Misuse::States(text))
        });
        let types = self.r#type.map(|text| {
            let types = text.split(',').map(str::parse::<GroupType>);
            let types: Option<Vec<_>> = types.map(Result::ok).collect();
            let known = |types: &Vec<_>| types.iter().all(|kind| TYPES.contains(kind));
            if text.is_empty() {
                return Ok(Vec::new());
            }
            types.filter(known).ok_or(Misuse::Types(text))
        });
        Ok(Listing {
            states: states.transpose()?,
            types: types.transpose()?,
        })
    }

    fn view(&self) -> Result<View, Misuse> {
        let subject = match (self.offsets, self.members, self.state.is_some()) {
            (_, false, false) => Subject::Offsets,
            (false, true, false) => Subject::Members,
            (false, false, true) => Subject::State,
            _ => return Err(Misuse::Views),
        };
        Ok(View {
            subject,
            verbose: self.verbose,
        })
    }

    fn topics(&self) -> Result<Vec<TopicScope>, Misuse> {
        self.topic.iter().map(|text| parse_topic(text)).collect()
    }

    fn groups(self, action: &'static str) -> Result<Groups, Misuse> {
        match (self.all_groups, self.group.is_empty()) {
            (true, _) => Ok(Groups::All),
            (false, false) => Ok(Groups::Named(self.group)),
            (false, true) => Err(Misuse::NoGroup(action)),
        }
    }

    fn reset(mut self) -> Result<Reset, Misuse> {
        if self.execute && self.dry_run {
            return Err(Misuse::ExecuteAndDryRun);
        }
        let (execute, export) = (self.execute, self.export);
        let target = self.target();
        Ok(Reset {
            groups: self.groups("reset-offsets")?,
            target: target?,
            execute,
            export,
        })
    }

    fn target(&mut self) -> Result<Target, Misuse> {
        if let Some(path) = self.from_file.take() {
            return Ok(Target::File(path));
        }
        let spec = self.spec().ok_or(Misuse::NoSpec)?;
        let topics = self.topics()?;
        let scope = match (self.all_topics, topics.is_empty()) {
            (true, _) => Scope::Committed,
            (false, false) => Scope::Topics(topics),
            (false, true) => return Err(Misuse::NoScope),
        };
        Ok(Target::Spec(scope, spec))
    }

    fn spec(&self) -> Option<Spec> {
        if self.to_earliest {
            Some(Spec::Earliest)
        } else if self.to_latest {
            Some(Spec::Latest)
        } else if self.to_current {
            Some(Spec::Current)
        } else {
            let spec = self.to_offset.map(Spec::Offset);
            spec.or_else(|| self.shift_by.map(Spec::ShiftBy))
                .or_else(|| self.to_datetime.map(Spec::Time))
                .or_else(|| self.by_duration.map(Spec::Ago))
        }
    }

    /// Whether it is said neither to do it nor only to show it.
    pub(super) fn is_undecided_reset(&self) -> bool {
        self.reset_offsets && !self.execute && !self.dry_run
    }
}

fn parse_topic(text: &str) -> Result<TopicScope, Misuse> {
    let Some((topic, partitions)) = text.split_once(':') else {
        return Ok(TopicScope {
            topic: text.to_owned(),
            partitions: None,
        });
    };
    let partitions = partitions.split(',').map(|partition| {
        let number = partition.trim().parse().ok().filter(|it| 0 <= *it);
        number.ok_or_else(|| Misuse::Partition {
            partition: partition.to_owned(),
            topic: text.to_owned(),
        })
    });
    Ok(TopicScope {
        topic: topic.to_owned(),
        partitions: Some(partitions.collect::<Result<_, _>>()?),
    })
}

fn joined<T: ToString>(items: &[T]) -> String {
    let names: Vec<_> = items.iter().map(ToString::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    fn action(arguments: &str) -> Result<Action, Misuse> {
        let arguments = format!("kafka-consumer-groups --bootstrap-server h:1 {arguments}");
        Options::try_parse_from(arguments.split_whitespace())
            .unwrap()
            .action()
    }

    fn refused(arguments: &str) -> Misuse {
        action(arguments).unwrap_err()
    }

    #[test]
    fn a_topic_may_name_some_of_its_partitions() {
        let some = |partitions: &[i32]| TopicScope {
            topic: "t".to_owned(),
            partitions: Some(partitions.to_vec()),
        };
        assert_eq!(parse_topic("t:0,2"), Ok(some(&[0, 2])));
        assert_eq!(parse_topic("t").unwrap().partitions, None);
        for wrong in ["t:", "t:a", "t:1,", "t:-1"] {
            assert!(parse_topic(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_list_may_be_of_states_and_types_or_show_them() {
        let Ok(Action::List(listing)) = action("--list --state stable,EMPTY --type") else {
            panic!("it is a list");
        };
        let states = [GroupState::Stable, GroupState::Empty];
        assert_eq!(listing.states.as_deref(), Some(&states[..]));
        assert_eq!(listing.types, Some(Vec::new()));
        let text = refused("--list --state bogus").to_string();
        let expected = "Invalid state list 'bogus'. Valid states are: PreparingRebalance, Empty, \
                        CompletingRebalance, Reconciling, Assigning, Stable, Dead";
        assert_eq!(text, expected);
        assert_eq!(
            refused("--list --type share"),
            Misuse::Types("share".to_owned())
        );
    }

    #[test]
    fn a_reset_wants_groups_partitions_and_a_target() {
        let of = |rest: &str| refused(&format!("--reset-offsets {rest}"));
        assert_eq!(
            of("--topic t --to-earliest"),
            Misuse::NoGroup("reset-offsets")
        );
        assert_eq!(of("--group g --topic t"), Misuse::NoSpec);
        assert_eq!(of("--group g --to-latest"), Misuse::NoScope);
        let both = of("--group g --topic t --to-latest --execute --dry-run");
        assert_eq!(both, Misuse::ExecuteAndDryRun);
        for fine in [
            "--all-groups --all-topics --shift-by -3",
            "--group g --from-file f",
        ] {
            assert!(action(&format!("--reset-offsets {fine}")).is_ok(), "{fine}");
        }
    }

    #[test]
    fn offsets_are_deleted_of_one_group_and_of_named_topics() {
        assert!(action("--delete-offsets --group g --topic t").is_ok());
        for wrong in ["--group g", "--topic t", "--group g --group h --topic t"] {
            let refused = refused(&format!("--delete-offsets {wrong}"));
            assert_eq!(refused, Misuse::DeleteOffsets, "{wrong}");
        }
        assert_eq!(refused("--delete"), Misuse::NoGroup("delete"));
    }

    #[test]
    fn there_is_one_action_no_more_and_no_less() {
        assert_eq!(refused("--group g"), Misuse::Actions);
        assert_eq!(refused("--group g --describe --delete"), Misuse::Actions);
        assert_eq!(refused("--group g --list"), Misuse::WithList("group"));
        assert_eq!(
            refused("--all-groups --list"),
            Misuse::WithList("all-groups")
        );
    }

    #[test]
    fn one_thing_is_described_at_a_time() {
        for two in [
            "--offsets --members",
            "--members --state",
            "--state --offsets",
        ] {
            assert_eq!(
                refused(&format!("--group g --describe {two}")),
                Misuse::Views,
                "{two}"
            );
        }
        assert!(action("--group g --describe --offsets").is_ok());
    }
}
