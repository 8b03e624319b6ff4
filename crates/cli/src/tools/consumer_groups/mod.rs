//! `kafka-consumer-groups`: list, describe and delete groups of consumers, move their offsets.
//!
//! - `options`: what is typed, and the one action that it asks for
//! - `list`; `describe` with `tables`; `delete`: the actions
//! - `reset`: the action; `reset_plan`: where it moves a partition to; `time`: times and durations
//!   of options; `offsets_file`: plans as lines of a file
//! - `partitions`: which partitions there are
//! - `failure`: why it could not be done
//!
//! Lines that scripts look at are those of Kafka's tool. Where that one says "Error" and exits with
//! 0, this one exits with 1.

mod delete;
mod describe;
mod failure;
mod list;
mod offsets_file;
mod options;
mod partitions;
mod reset;
mod reset_plan;
mod tables;
mod time;

use odradek_client::{
    Admin, ClientConfig,
    admin::{group_state::GroupType, groups::GroupFilter},
};
use regex::Regex;

pub(crate) use self::options::Options;
use self::{
    failure::Failure,
    options::{Action, Groups},
};
use crate::{Outcome, output, usage};

/// What Kafka's tool says to whoever leaves open whether a reset is meant.
const UNDECIDED: &str = "WARN: No action will be performed as the --execute option is missing. In \
                         version 5.0, this command will require either --dry-run or --execute to \
                         be specified. You should add the --dry-run option explicitly if you are \
                         scripting this command and want to keep the current default behavior \
                         without prompting.";

pub(crate) async fn run(options: Options) -> Outcome {
    if options.is_undecided_reset() {
        output::error(UNDECIDED);
    }
    let mut properties = options.connection.properties("kafka-consumer-groups");
    if let Some(timeout_ms) = options.timeout {
        properties = properties.with("default.api.timeout.ms", timeout_ms.to_string());
    }
    let config = ClientConfig::from_properties(properties)
        .expect("addresses and a file that were read before, and keys of our own");
    let action = match options.action() {
        Ok(action) => action,
        Err(misuse) => return usage::refuse::<Options>(&misuse.to_string()),
    };
    match perform(&Admin::new(config), action).await {
        Ok(outcome) => outcome,
        // Kafka's tool takes it for a mistake of the command line.
        Err(failure @ Failure::NothingCommitted(_)) => {
            output::flush();
            usage::refuse::<Options>(&failure.to_string())
        }
        Err(failure) => {
            let text = failure.to_string();
            print_error(&format!(
                "Executing consumer group command failed due to {text}"
            ));
            complain(&format!("ERROR {text} (kafka-consumer-groups)"));
            Outcome::Failed
        }
    }
}

async fn perform(admin: &Admin, action: Action) -> Result<Outcome, Failure> {
    match action {
        Action::List(listing) => list::list(admin, &listing).await?,
        Action::Describe(groups, view) => describe::describe(admin, &groups, view).await?,
        Action::Reset(reset) => return reset::reset(admin, &reset).await,
        Action::Delete(groups) => return delete::groups(admin, &groups).await,
        Action::DeleteOffsets { group, topics } => {
            return delete::offsets(admin, &group, &topics).await;
        }
        Action::ValidateRegex(regex) => return Ok(validate(&regex)),
    }
    Ok(Outcome::Done)
}

/// Says whether a consumer of this project could subscribe to that. Kafka's brokers read nearly the
/// same expressions.
fn validate(regex: &str) -> Outcome {
    match Regex::new(regex) {
        Ok(_) => {
            output::line(&format!("The regular expression `{regex}` is valid."));
            Outcome::Done
        }
        Err(error) => {
            let text = error.to_string();
            // Above it stands the expression with a mark below the place.
            let reason = text.lines().last().unwrap_or_default();
            let reason = reason.strip_prefix("error: ").unwrap_or(reason);
            output::line(&format!(
                "The regular expression `{regex}` is invalid: {reason}."
            ));
            Outcome::Failed
        }
    }
}

/// The ids of the groups that are meant.
async fn group_ids(admin: &Admin, groups: &Groups) -> Result<Vec<String>, Failure> {
    match groups {
        Groups::Named(ids) => Ok(ids.clone()),
        Groups::All => {
            let filter = GroupFilter {
                types: vec![GroupType::Classic, GroupType::Consumer],
                ..Default::default()
            };
            let groups = admin.list_groups(&filter).await?.into_values();
            let consumers = groups.filter(list::is_of_consumers);
            Ok(consumers.map(|group| group.id).collect())
        }
    }
}

/// An error where Kafka's tool has it: on standard output, after an empty line.
fn print_error(text: &str) {
    output::line(&format!("\nError: {text}"));
}

/// A line on standard error, after everything that was printed before it.
fn complain(text: &str) {
    output::flush();
    output::error(text);
}
