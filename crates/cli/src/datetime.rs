//! Points in time and spans as the options of tools have them, in milliseconds.
//!
//! `2020-01-31T23:59:59.500`, with `Z`, `+01:00` or, as UTC, nothing behind; `P1DT2H3M4S`.
//! Not here: the time that it is; `env` knows that. Years before 1970 are refused.

use ottla_settings::duration_ms;

/// Milliseconds since 1970.
pub(crate) fn datetime_ms(text: &str) -> Result<i64, String> {
    let Some((date, time)) = text.split_once('T') else {
        return Err(
            "Error parsing timestamp. It does not contain a 'T' according to ISO8601 format"
                .to_string(),
        );
    };
    let wrong = || format!("Unparseable date: \"{text}\"");
    let (time, zone_ms) = zone(time).ok_or_else(wrong)?;
    let days = days(date).ok_or_else(wrong)?;
    let ms = time_ms(time).ok_or_else(wrong)?;
    Ok(days * DAY_MS + ms - zone_ms)
}

/// The milliseconds of a span.
pub(crate) fn span_ms(text: &str) -> Result<i64, String> {
    duration_ms(text).ok_or_else(|| "Text cannot be parsed to a Duration".to_string())
}

/// What follows the time: how far its zone is ahead of UTC.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (time, zone) = time.split_at(at);
    let digits: String = zone[1..].chars().filter(|character| *character != ':').collect();
    let hours = number(digits.get(..2)?, 23)?;
    let minutes = if digits.len() == 2 { 0 } else { number(digits.get(2..)?, 59)? };
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    Some((time, sign * (hours * 3_600_000 + minutes * 60_000)))
}

fn time_ms(time: &str) -> Option<i64> {
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = time.split(':');
    let hours = number(parts.next()?, 23)?;
    let minutes = number(parts.next()?, 59)?;
    let seconds = number(parts.next()?, 59)?;
    if parts.next().is_some() || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let thousandths = number(format!("{fraction:0<3}").get(..3)?, 999)?;
    Some(hours * 3_600_000 + minutes * 60_000 + seconds * 1_000 + thousandths)
}

/// The days from 1970-01-01 to a date of the calendar in use since 1582.
fn days(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let year = number(parts.next()?, 9_999).filter(|year| *year >= 1970)?;
    let month = number(parts.next()?, 12)?;
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut lengths = MONTHS;
    if is_leap(year) {
        lengths[1] = 29;
    }
    let place = usize::try_from(month).ok()?.checked_sub(1)?;
    let day = number(parts.next()?, *lengths.get(place)?).filter(|day| *day >= 1)?;
    if parts.next().is_some() {
        return None;
    }
    let years: i64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    Some(years + lengths[..place].iter().sum::<i64>() + day - 1)
}

fn number(text: &str, max: i64) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number <= max)
}

/// The days of each month of a common year.
const MONTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
/// The milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datetimes_are_utc_unless_they_say_otherwise() {
        for (text, expect) in [
            ("1970-01-01T00:00:00.000", 0),
            ("2020-01-01T00:00:00.000", 1_577_836_800_000),
            ("2024-02-29T12:30:15.5", 1_709_209_815_500),
            ("2024-03-01T00:00:00Z", 1_709_251_200_000),
            ("2024-03-01T01:00:00.000+01:00", 1_709_251_200_000),
            ("2024-02-29T22:30:00-0130", 1_709_251_200_000),
        ] {
            assert_eq!(datetime_ms(text), Ok(expect), "{text}");
        }
    }

    #[test]
    fn what_is_no_datetime_is_refused() {
        for text in [
            "",
            "bogus",
            "2023-02-29T00:00:00",
            "2020-13-01T00:00:00",
            "2020-01-01T24:00:00",
            "2020-01-01T00:00",
            "2020-01-01T00:00:00+1",
            "-2020-01-01T00:00:00",
        ] {
            assert!(datetime_ms(text).is_err(), "{text}");
        }
        assert_eq!(span_ms("PT1H"), Ok(3_600_000));
        assert!(span_ms("1h").is_err());
    }
}
