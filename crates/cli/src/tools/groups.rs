//! `kafka-groups`: lists groups of every type.

use odradek_client::{
    Admin, Error,
    admin::{
        group_state::GroupType,
        groups::{GroupFilter, GroupListing},
    },
};

use super::reason;
use crate::{
    Outcome,
    connection::ConnectionOptions,
    output,
    table::{Column, Table},
    usage,
};

/// The least width of the columns, which are all as wide as the longest group.
const WIDTH_MIN: usize = 20;

/// Lists groups with their types and protocols.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-groups")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
    /// List the groups.
    #[arg(long)]
    list: bool,
    /// Only groups of consumers, of whatever type.
    #[arg(long, group = "filter")]
    consumer: bool,
    /// Only share groups.
    #[arg(long, group = "filter")]
    share: bool,
    /// Only streams groups.
    #[arg(long, group = "filter")]
    streams: bool,
    /// Only groups of that type: classic, consumer, share or streams.
    #[arg(long, value_name = "TYPE", conflicts_with = "filter")]
    group_type: Option<GroupType>,
    /// Only groups whose members share that protocol.
    #[arg(long, conflicts_with = "filter")]
    protocol: Option<String>,
}

pub(crate) async fn run(options: Options) -> Outcome {
    if !options.list {
        return usage::refuse::<Options>("Command must include exactly one action: --list.");
    }
    match list(&options).await {
        Ok(groups) => {
            output::table(&table(&groups));
            Outcome::Done
        }
        Err(error) => {
            output::error(&format!("Error: {}", reason(&error)));
            Outcome::Failed
        }
    }
}

async fn list(options: &Options) -> Result<Vec<GroupListing>, Error> {
    let types = if options.share {
        vec![GroupType::Share]
    } else if options.streams {
        vec![GroupType::Streams]
    } else if options.consumer {
        vec![GroupType::Classic, GroupType::Consumer]
    } else {
        options.group_type.iter().cloned().collect()
    };
    let filter = GroupFilter {
        types,
        ..Default::default()
    };
    let admin = Admin::new(options.connection.config("kafka-groups"));
    let groups = admin.list_groups(&filter).await?;
    let is_meant = |group: &GroupListing| {
        // Where nobody ever joined, somebody committed: a consumer outside of every group.
        let is_of_consumers = matches!(group.protocol_type.as_str(), "" | "consumer");
        let protocol = options.protocol.as_ref();
        (is_of_consumers || !options.consumer)
            && protocol.is_none_or(|protocol| *protocol == group.protocol_type)
    };
    Ok(groups.into_values().filter(is_meant).collect())
}

fn table(groups: &[GroupListing]) -> Table {
    let ids = groups.iter().map(|group| group.id.chars().count());
    let width = ids.max().unwrap_or(0).max(WIDTH_MIN);
    let mut table = Table::new(vec![
        Column::fixed("GROUP", width),
        Column::fixed("TYPE", width),
        Column::fixed("PROTOCOL", width),
    ]);
    for group in groups {
        let kind = group.kind.to_string();
        table.push(vec![group.id.clone(), kind, group.protocol_type.clone()]);
    }
    table
}
