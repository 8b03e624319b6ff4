//! Times and durations as the options of Kafka's tools take them: ISO 8601. Pure.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, Timestamp};

/// Reads `YYYY-MM-DDTHH:mm:SS.sss`, with `Z`, `+hh`, `+hhmm` or `+hh:mm` behind it; without one of
/// these it is UTC. Gives ms since the Unix epoch.
pub(super) fn parse_datetime(text: &str) -> Result<i64, String> {
    let (_, time) = text
        .split_once('T')
        .ok_or("it does not contain a 'T' according to ISO8601 format")?;
    let zone = if time.contains(['Z', '+', '-']) {
        ""
    } else {
        "Z"
    };
    let read: Result<Timestamp, _> = format!("{text}{zone}").parse();
    read.map(Timestamp::as_millisecond)
        .map_err(|_| "expected YYYY-MM-DDTHH:mm:SS.sss, and Z or +hh:mm".to_owned())
}

/// Reads `PnDTnHnMn.nS`, in which every part may be missing, but not all. A day has 24 hours.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let read = || {
        let span: Span = text.parse().ok()?;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        Duration::try_from(duration).ok()
    };
    read().ok_or_else(|| "expected a duration such as P1DT2H3M4S".to_owned())
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
