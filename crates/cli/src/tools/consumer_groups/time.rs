//! Times and durations as the options of Kafka's tools take them: ISO 8601, in one form each. Pure.

use std::time::Duration;

const MS_PER_SECOND: i64 = 1_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Reads `YYYY-MM-DDTHH:mm:SS.sss`, with `Z`, `+hh`, `+hhmm` or `+hh:mm` behind it; without one of
/// these it is UTC. Gives ms since the Unix epoch.
pub(super) fn parse_datetime(text: &str) -> Result<i64, String> {
    let (date, rest) = text
        .split_once('T')
        .ok_or("it does not contain a 'T' according to ISO8601 format")?;
    let zone_at = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(zone_at);
    let read = || {
        let [year, month, day] = numbers(date.split('-'), [4, 2, 2])?;
        let (time, millis) = time.split_once('.')?;
        let [hour, minute, second] = numbers(time.split(':'), [2, 2, 2])?;
        let [millis] = numbers(std::iter::once(millis), [3])?;
        let days = days_since_epoch(year, month, day)?;
        let valid = hour <= 23 && minute <= 59 && second <= 59;
        let seconds = days * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second;
        valid.then_some(0)?;
        Some((seconds - offset_seconds(zone)?) * MS_PER_SECOND + millis)
    };
    read().ok_or_else(|| "expected YYYY-MM-DDTHH:mm:SS.sss, and Z or +hh:mm".to_owned())
}

/// Reads `PnDTnHnMn.nS`, in which every part may be missing, but not all.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let read = || {
        let rest = text.strip_prefix(['P', 'p'])?.to_ascii_uppercase();
        let (days, clock) = match rest.split_once('T') {
            Some((_, "")) => return None,
            Some((days, clock)) => (days, clock),
            None => (rest.as_str(), ""),
        };
        if days.is_empty() && clock.is_empty() {
            return None;
        }
        let (days, left) = part(days, 'D')?;
        let (hours, clock) = part(clock, 'H')?;
        let (minutes, clock) = part(clock, 'M')?;
        let seconds = if clock.is_empty() { "0S" } else { clock };
        let seconds = seconds.strip_suffix('S')?;
        let whole = days
            .checked_mul(24)?
            .checked_add(hours)?
            .checked_mul(60)?
            .checked_add(minutes)?
            .checked_mul(60)?;
        let is_number = |it: char| it.is_ascii_digit() || it == '.';
        let fraction = seconds.chars().all(is_number).then_some(seconds)?;
        let fraction = Duration::try_from_secs_f64(fraction.parse().ok()?).ok()?;
        left.is_empty().then_some(())?;
        Duration::from_secs(whole).checked_add(fraction)
    };
    read().ok_or_else(|| "expected a duration such as P1DT2H3M4S".to_owned())
}

/// The number before that unit, or 0 if the text does not have it, and what follows.
fn part(text: &str, unit: char) -> Option<(u64, &str)> {
    match text.split_once(unit) {
        Some((number, rest)) => Some((unsigned(number)? as u64, rest)),
        None => Some((0, text)),
    }
}

/// As many numbers as there are widths, each with that many digits.
fn numbers<'a, const N: usize>(
    mut texts: impl Iterator<Item = &'a str>,
    digits: [usize; N],
) -> Option<[i64; N]> {
    let mut read = [0; N];
    for (number, digits) in read.iter_mut().zip(digits) {
        let text = texts.next().filter(|text| text.len() == digits)?;
        *number = unsigned(text)?;
    }
    texts.next().is_none().then_some(read)
}

fn unsigned(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// How far a zone is ahead of UTC.
fn offset_seconds(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "Z") {
        return Some(0);
    }
    let (sign, text) = match zone.split_at_checked(1)? {
        ("+", text) => (1, text),
        ("-", text) => (-1, text),
        _ => return None,
    };
    let (hours, minutes) = match text.split_once(':') {
        Some(parts) => parts,
        None if text.len() == 2 => (text, "00"),
        None => text.split_at_checked(2)?,
    };
    let [hours, minutes] = numbers([hours, minutes].into_iter(), [2, 2])?;
    let valid = hours <= 23 && minutes <= 59;
    valid.then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; nothing for a date that is none.
fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if is_leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month).ok()?.checked_sub(1)?;
    let length = *lengths.get(before)?;
    if !(1..=length).contains(&day) {
        return None;
    }
    let leap_days =
        |years: i64| years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    let years = year - 1_970;
    let leaps = leap_days(year - 1) - leap_days(1_969);
    let months: i64 = lengths.iter().take(before).sum();
    Some(years * 365 + leaps + months + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_unless_a_zone_says_otherwise() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000", 0),
            ("2020-01-01T00:00:00.000", 1_577_836_800_000),
            ("2020-02-29T12:34:56.789Z", 1_582_979_696_789),
            ("2000-03-01T00:00:00.000", 951_868_800_000),
            ("1969-12-31T23:59:59.999", -1),
            ("2020-01-01T00:00:00.000+05:30", 1_577_817_000_000),
            ("2020-01-01T00:00:00.000-0100", 1_577_840_400_000),
            ("2020-01-01T00:00:00.000+01", 1_577_833_200_000),
        ] {
            assert_eq!(parse_datetime(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2020-01-01",
            "2020-01-01T00:00:00",
            "2020-1-01T00:00:00.000",
            "2020-13-01T00:00:00.000",
            "2021-02-29T00:00:00.000",
            "2020-00-01T00:00:00.000",
            "2020-01-00T00:00:00.000",
            "2020-01-01T24:00:00.000",
            "2020-01-01T00:00:00.000+1",
            "2020-01-01T00:00:00.000ü",
            "2020-01-01T00:00:00.000Zz",
        ] {
            assert!(parse_datetime(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_have_days_hours_minutes_and_seconds() {
        for (text, ms) in [
            ("PT1H", 3_600_000),
            ("P1D", 86_400_000),
            ("P1DT2H3M4.5S", 93_784_500),
            ("pt0s", 0),
            ("PT90M", 5_400_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(ms)),
                "{text}"
            );
        }
        let huge = "P99999999999999999999D";
        for text in [
            "", "P", "PT", "1H", "PT1", "P1H", "PT1HT1M", "PT-1H", "PTinfS", huge,
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
