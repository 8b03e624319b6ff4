//! `__consumer_offsets`: the topic in which groups and their positions are kept.

/// Its name.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";
