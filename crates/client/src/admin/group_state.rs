//! States and types of groups, under the names that Kafka gives them.

use std::{fmt, str::FromStr};

macro_rules! names {
    ($(#[$meta:meta])* $kind:ident { $( $(#[$doc:meta])* $variant:ident, )* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $kind {
            $( $(#[$doc])* $variant, )*
            /// One of which this client does not know, by its name; empty where the broker is too
            /// old to tell.
            Other(String),
        }

        impl $kind {
            /// Those that have a name here.
            pub const NAMED: &[Self] = &[ $( Self::$variant, )* ];

            /// Kafka's name.
            pub fn name(&self) -> &str {
                match self {
                    $( Self::$variant => stringify!($variant), )*
                    Self::Other(name) => name,
                }
            }

            /// The one that a broker names.
            pub(crate) fn of(name: String) -> Self {
                name.parse().unwrap_or(Self::Other(name))
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.name())
            }
        }

        impl FromStr for $kind {
            type Err = UnknownName;

            /// Reads a name, in capitals or not, with blanks around it or without.
            fn from_str(text: &str) -> Result<Self, UnknownName> {
                let text = text.trim();
                let mut named = Self::NAMED.iter();
                let found = named.find(|it| it.name().eq_ignore_ascii_case(text));
                found.cloned().ok_or_else(|| UnknownName(text.to_owned()))
            }
        }
    };
}

names! {
    /// Where a group stands.
    GroupState {
        /// It waits for its members to join.
        PreparingRebalance,
        /// It waits for the assignment that one of its members makes.
        CompletingRebalance,
        /// Every member has its assignment.
        Stable,
        /// There is no such group.
        Dead,
        /// It has offsets, and no members.
        Empty,
        /// The coordinator makes an assignment (KIP-848).
        Assigning,
        /// Members give up and take over partitions (KIP-848).
        Reconciling,
        /// Something that the group needs is missing, such as its topics (KIP-1071).
        NotReady,
    }
}

names! {
    /// What kind of protocol the members of a group speak.
    GroupType {
        /// Members join and one of them assigns.
        Classic,
        /// The coordinator assigns (KIP-848).
        Consumer,
        /// Members share partitions record by record (KIP-932).
        Share,
        /// Members run the tasks of a topology (KIP-1071).
        Streams,
    }
}

/// No state or type has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not known")]
pub struct UnknownName(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_capitals_or_not_and_written_as_kafka_writes_them() {
        assert_eq!(" stable".parse(), Ok(GroupState::Stable));
        assert_eq!(
            "PREPARINGREBALANCE".parse(),
            Ok(GroupState::PreparingRebalance)
        );
        assert_eq!(GroupType::Classic.to_string(), "Classic");
        assert_eq!(
            "stabel".parse::<GroupState>(),
            Err(UnknownName("stabel".to_owned()))
        );
    }

    #[test]
    fn what_only_a_newer_broker_knows_is_kept_by_its_name() {
        let state = GroupState::of("Resting".to_owned());
        assert_eq!(
            (state.name(), &state),
            ("Resting", &GroupState::Other("Resting".to_owned()))
        );
        assert_eq!(GroupType::of("classic".to_owned()), GroupType::Classic);
    }
}
