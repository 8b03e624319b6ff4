//! `--list`: the groups of consumers, with their states and types if these are asked for.

use odradek_client::{
    Admin,
    admin::{
        group_state::GroupType,
        groups::{GroupFilter, GroupListing},
    },
};

use super::{failure::Failure, options::Listing};
use crate::{
    output,
    table::{Column, Table},
};

pub(super) async fn list(admin: &Admin, listing: &Listing) -> Result<(), Failure> {
    let types = listing.types.clone().unwrap_or_default();
    let filter = GroupFilter {
        states: listing.states.clone().unwrap_or_default(),
        types: if types.is_empty() {
            vec![GroupType::Classic, GroupType::Consumer]
        } else {
            types
        },
    };
    let groups = admin.list_groups(&filter).await?;
    let groups: Vec<_> = groups.into_values().filter(is_of_consumers).collect();
    if listing.states.is_none() && listing.types.is_none() {
        for group in &groups {
            output::line(&group.id);
        }
    } else {
        output::table(&table(listing, &groups));
    }
    Ok(())
}

/// Whether consumers are in the group, or nobody ever was: then only offsets were committed.
pub(super) fn is_of_consumers(group: &GroupListing) -> bool {
    matches!(group.protocol_type.as_str(), "" | "consumer")
}

fn table(listing: &Listing, groups: &[GroupListing]) -> Table {
    let mut columns = vec![Column::growing("GROUP", 25)];
    if listing.types.is_some() {
        columns.push(Column::fixed("TYPE", 20));
    }
    if listing.states.is_some() {
        columns.push(Column::fixed("STATE", 20));
    }
    let mut table = Table::new(columns);
    for group in groups {
        let mut cells = vec![group.id.clone()];
        if listing.types.is_some() {
            cells.push(group.kind.to_string());
        }
        if listing.states.is_some() {
            cells.push(group.state.to_string());
        }
        table.push(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use odradek_client::admin::group_state::GroupState;

    use super::*;

    #[test]
    fn the_columns_are_those_asked_for_type_before_state() {
        let group = GroupListing {
            id: "g".to_owned(),
            protocol_type: String::new(),
            state: GroupState::Empty,
            kind: GroupType::Classic,
        };
        let listing = Listing {
            states: Some(Vec::new()),
            types: Some(Vec::new()),
        };
        let expected = [
            "GROUP                     TYPE                 STATE               ",
            "g                         Classic              Empty               ",
        ];
        assert_eq!(table(&listing, &[group]).lines(false), expected);
    }
}
