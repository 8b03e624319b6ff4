//! Which ways of sharing partitions a member knows, by the names that groups use.

use crate::assignors::{Assignments, Demand, range, round_robin, sticky};

/// A way of sharing partitions. See [`crate::assignors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// Topic by topic, each member a range.
    Range,
    /// One partition after the other, like cards.
    RoundRobin,
    /// Evenly, and as few as possible move (KIP-54).
    Sticky,
    /// The same, and what does not move is read on during a rebalance (KIP-429).
    CooperativeSticky,
}

/// Where the Java client's assignors are.
const JAVA_PACKAGE: &str = "org.apache.kafka.clients.consumer.";

impl Assignor {
    const ALL: [Self; 4] = [
        Self::Range,
        Self::RoundRobin,
        Self::Sticky,
        Self::CooperativeSticky,
    ];

    /// Its name in the group protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Range => range::NAME,
            Self::RoundRobin => round_robin::NAME,
            Self::Sticky => sticky::NAME,
            Self::CooperativeSticky => sticky::COOPERATIVE_NAME,
        }
    }

    /// The Java client's class, by which its users configure it.
    const fn java_class(self) -> &'static str {
        match self {
            Self::Range => "RangeAssignor",
            Self::RoundRobin => "RoundRobinAssignor",
            Self::Sticky => "StickyAssignor",
            Self::CooperativeSticky => "CooperativeStickyAssignor",
        }
    }

    /// By its name in the group protocol, or the name of its Java class.
    pub fn by_name(name: &str) -> Option<Self> {
        let class = name.strip_prefix(JAVA_PACKAGE);
        let mut all = Self::ALL.into_iter();
        all.find(|assignor| assignor.name() == name || class == Some(assignor.java_class()))
    }

    /// A list separated by commas, as in `partition.assignment.strategy`.
    pub(crate) fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        let each = text.split(',').map(|name| Self::by_name(name.trim()));
        let list: Option<Vec<Self>> = each.collect();
        list.ok_or_else(|| "a list of range, roundrobin, sticky and cooperative-sticky".to_owned())
    }

    /// Shares the partitions.
    pub fn assign(self, demand: &Demand) -> Assignments {
        match self {
            Self::Range => range::assign(demand),
            Self::RoundRobin => round_robin::assign(demand),
            Self::Sticky => sticky::assign(demand),
            Self::CooperativeSticky => sticky::assign_cooperatively(demand),
        }
    }
}

/// Whether members with these assignors keep what they have during a rebalance. One that cannot
/// decides for all: what it assigns may give a partition away that its owner still reads.
pub(crate) fn is_cooperative(assignors: &[Assignor]) -> bool {
    let mut all = assignors.iter();
    !assignors.is_empty() && all.all(|assignor| *assignor == Assignor::CooperativeSticky)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_names_and_its_classes_are_read() {
        let list = Assignor::parse_list(
            "range, org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        );
        assert_eq!(list, Ok(vec![Assignor::Range, Assignor::CooperativeSticky]));
        for assignor in Assignor::ALL {
            assert_eq!(Assignor::by_name(assignor.name()), Some(assignor));
        }
        assert!(Assignor::parse_list("range,").is_err());
        assert!(Assignor::parse_list("StickyAssignor").is_err());
    }

    #[test]
    fn one_assignor_that_is_not_cooperative_makes_all_partitions_stop() {
        assert!(is_cooperative(&[Assignor::CooperativeSticky]));
        assert!(!is_cooperative(&[
            Assignor::Range,
            Assignor::CooperativeSticky
        ]));
        assert!(!is_cooperative(&[Assignor::Sticky]));
    }
}
