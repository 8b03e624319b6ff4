//! An error with everything that caused it, as one line for a person.

use std::{error::Error, fmt};

/// Displays an error and its causes: `open the log: read /data/t-0/0.log: permission denied`.
#[derive(Debug)]
pub(crate) struct ErrorChain<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("open the log")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("permission denied")]
    struct Inner;

    #[test]
    fn causes_follow_the_error() {
        assert_eq!(
            ErrorChain(&Outer(Inner)).to_string(),
            "open the log: permission denied"
        );
    }
}
