//! Which topic names are legal, and which belong to the broker itself.

use thiserror::Error;

/// Longest legal name in bytes: with `-` and a partition number it still fits a file name.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Topics that only the broker writes to; clients that subscribe by pattern do not see them.
const INTERNAL: [&str; 3] = [
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
];

/// Why a name is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TopicNameError {
    /// The empty string.
    #[error("Topic name is illegal, it can't be empty")]
    Empty,
    /// `.` and `..` are directories.
    #[error("Topic name is illegal, it can't be '.' or '..'")]
    Dots,
    /// See [`TOPIC_NAME_BYTES_MAX`].
    #[error(
        "Topic name is illegal, it can't be longer than {TOPIC_NAME_BYTES_MAX} characters: {0}"
    )]
    TooLong(String),
    /// The name becomes a directory and a metric label, so its alphabet is small.
    #[error(
        "Topic name is illegal, it contains a character other than ASCII letters and digits, \
         '.', '_' and '-': {0}"
    )]
    IllegalCharacter(String),
}

/// Checks a name that a client wants to create.
pub fn check(name: &str) -> Result<(), TopicNameError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        return Err(TopicNameError::Empty);
    }
    if name == "." || name == ".." {
        return Err(TopicNameError::Dots);
    }
    if name.len() > TOPIC_NAME_BYTES_MAX {
        return Err(TopicNameError::TooLong(name.to_owned()));
    }
    if !name.chars().all(legal) {
        return Err(TopicNameError::IllegalCharacter(name.to_owned()));
    }
    Ok(())
}

/// Whether the broker itself owns the topic of that name.
pub fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}

/// The form under which two names collide: metrics write `.` as `_`, so `a.b` and `a_b` would
/// report as one topic.
pub fn collision_key(name: &str) -> String {
    name.replace('.', "_")
}

/// Whether [`collision_key`] of this name can equal that of another.
pub fn can_collide(name: &str) -> bool {
    name.contains(['.', '_'])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_of_letters_digits_and_three_marks_are_legal() {
        for name in [
            "a",
            "A-b_c.9",
            "...",
            "__consumer_offsets",
            &"x".repeat(249),
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        assert_eq!(check(""), Err(TopicNameError::Empty));
        assert_eq!(check("."), Err(TopicNameError::Dots));
        assert_eq!(check(".."), Err(TopicNameError::Dots));
        let long = "x".repeat(250);
        assert_eq!(check(&long), Err(TopicNameError::TooLong(long.clone())));
        for name in ["a b", "a/b", "ä", "a\0", "a,b", "a:b"] {
            assert_eq!(
                check(name),
                Err(TopicNameError::IllegalCharacter(name.to_owned()))
            );
        }
    }

    #[test]
    fn a_dot_and_an_underscore_collide() {
        assert_eq!(collision_key("a.b"), collision_key("a_b"));
        assert_ne!(collision_key("a.b"), collision_key("a-b"));
        assert!(can_collide("a.b") && can_collide("a_b") && !can_collide("a-b"));
    }
}
