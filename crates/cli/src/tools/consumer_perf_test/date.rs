//! Dates in a form that is written as for Java's SimpleDateFormat. Pure.
//!
//! They are in UTC. Of Java's letters those are known that make a date of numbers: y M d H m s S.

use std::fmt::Write;

use jiff::{Timestamp, tz::TimeZone};

/// The form of a date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DateFormat(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// With as many digits at least.
    Number(Unit, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

impl DateFormat {
    /// Reads a form such as `yyyy-MM-dd HH:mm:ss:SSS`; what is between quotes is text.
    pub(crate) fn parse(pattern: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = pattern.chars().peekable();
        while let Some(first) = rest.next() {
            if first == '\'' {
                let quoted: String = rest.by_ref().take_while(|it| *it != '\'').collect();
                // Two quotes are one.
                parts.push(Part::Text(if quoted.is_empty() {
                    "'".to_owned()
                } else {
                    quoted
                }));
                continue;
            }
            if !first.is_ascii_alphabetic() {
                parts.push(Part::Text(first.to_string()));
                continue;
            }
            let unit = match first {
                'y' => Unit::Year,
                'M' => Unit::Month,
                'd' => Unit::Day,
                'H' => Unit::Hour,
                'm' => Unit::Minute,
                's' => Unit::Second,
                'S' => Unit::Millisecond,
                other => return Err(format!("the letter {other} is none of yMdHmsS")),
            };
            let mut digits = 1;
            while rest.next_if_eq(&first).is_some() {
                digits += 1;
            }
            parts.push(Part::Number(unit, digits));
        }
        Ok(Self(parts))
    }

    /// A time, in ms since the Unix epoch, in this form.
    pub(crate) fn show(&self, time_ms: i64) -> String {
        // What is beyond the years that a date can have is shown as the epoch.
        let time = Timestamp::from_millisecond(time_ms).unwrap_or_default();
        let time = time.to_zoned(TimeZone::UTC).datetime();
        let mut text = String::new();
        for part in &self.0 {
            let (unit, digits) = match part {
                Part::Text(part) => {
                    text.push_str(part);
                    continue;
                }
                Part::Number(unit, digits) => (*unit, *digits),
            };
            let number = match unit {
                // As Java: two digits are the last two, any other number the whole year.
                Unit::Year if digits == 2 => time.year().rem_euclid(100),
                Unit::Year => time.year(),
                Unit::Month => time.month().into(),
                Unit::Day => time.day().into(),
                Unit::Hour => time.hour().into(),
                Unit::Minute => time.minute().into(),
                Unit::Second => time.second().into(),
                Unit::Millisecond => time.millisecond(),
            };
            write!(text, "{number:0digits$}").expect("memory takes everything");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn times_are_shown_as_java_shows_them() {
        let check = |pattern, time_ms, expected: &str| {
            assert_eq!(DateFormat::parse(pattern).unwrap().show(time_ms), expected);
        };
        let usual = "yyyy-MM-dd HH:mm:ss:SSS";
        check(usual, 1_795_323_748_008, "2026-11-22 05:02:28:008");
        check(usual, 0, "1970-01-01 00:00:00:000");
        check(usual, -1, "1969-12-31 23:59:59:999");
        check(usual, 951_782_400_000, "2000-02-29 00:00:00:000");
        check("d.M.yy 'at' H''m", 1_795_323_748_008, "22.11.26 at 5'2");
    }

    #[test]
    fn a_letter_that_is_not_known_is_told() {
        assert!(
            DateFormat::parse("HH:mm a")
                .unwrap_err()
                .contains("letter a")
        );
    }
}
