//! Which topics an option means: a regular expression over whole names, in which a comma separates
//! alternatives, so that a plain list of names is one too.

use regex::Regex;

/// Names of topics.
#[derive(Debug, Clone)]
pub(crate) enum TopicFilter {
    /// One name: the usual case, which needs no machinery.
    Name(String),
    /// Those that match.
    Pattern(Regex),
}

/// What was given is no regular expression.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is an invalid regex.")]
pub(crate) struct InvalidPattern(String);

impl TopicFilter {
    /// Reads what was given. Blanks and quotes around it mean nothing, as for Kafka's tools.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let pattern = text.replace(',', "|").replace(' ', "");
        let pattern = pattern.trim_matches(['"', '\'']);
        let is_plain =
            |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
        if pattern.chars().all(is_plain) {
            return Ok(Self::Name(pattern.to_owned()));
        }
        let whole_names = Regex::new(&format!("^(?:{pattern})$"));
        whole_names
            .map(Self::Pattern)
            .map_err(|_| InvalidPattern(pattern.to_owned()))
    }

    /// Whether it means that topic.
    pub(crate) fn matches(&self, topic: &str) -> bool {
        match self {
            Self::Name(name) => name == topic,
            Self::Pattern(pattern) => pattern.is_match(topic),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn whole_names_match_one_of_the_alternatives() {
        for (given, topic, expected) in [
            ("orders", "orders", true),
            ("orders", "orders2", false),
            ("order.*", "orders2", true),
            ("rder", "order", false),
            ("a, b", "b", true),
            ("a,b", "ab", false),
            ("'a.b'", "a_b", true),
            (r"a\.b", "a_b", false),
        ] {
            let filter = TopicFilter::parse(given).unwrap();
            assert_eq!(filter.matches(topic), expected, "{given} {topic}");
        }
    }

    #[test]
    fn what_is_no_regular_expression_is_told() {
        let error = TopicFilter::parse("t[").unwrap_err();
        assert_eq!(error.to_string(), "t[ is an invalid regex.");
    }
}
