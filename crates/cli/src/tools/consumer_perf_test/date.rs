//! Dates in a form that is written as for Java's SimpleDateFormat. Pure.
//!
//! They are in UTC. Of Java's letters those are known that make a date of numbers: y M d H m s S.

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
        let seconds = time_ms.div_euclid(1_000);
        let (year, month, day) = civil(seconds.div_euclid(86_400));
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
                Unit::Year if digits == 2 => year.rem_euclid(100),
                Unit::Year => year,
                Unit::Month => month,
                Unit::Day => day,
                Unit::Hour => seconds.div_euclid(3_600).rem_euclid(24),
                Unit::Minute => seconds.div_euclid(60).rem_euclid(60),
                Unit::Second => seconds.rem_euclid(60),
                Unit::Millisecond => time_ms.rem_euclid(1_000),
            };
            text.push_str(&format!("{number:0digits$}"));
        }
        text
    }
}

/// Year, month and day of a day since the Unix epoch.
///
/// Counted in cycles of 400 years from a 1st of March, so that a leap day is a year's last.
fn civil(days: i64) -> (i64, i64, i64) {
    const CYCLE: i64 = 146_097;
    let days = days + 719_468;
    let (cycle, day) = (days.div_euclid(CYCLE), days.rem_euclid(CYCLE));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + cycle * 400 + i64::from(month <= 2);
    (year, month, day)
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
