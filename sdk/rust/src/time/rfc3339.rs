//! RFC 3339 to and from time since 1970. The calendar follows Howard Hinnant's
//! `days_from_civil`: <https://howardhinnant.github.io/date_algorithms.html>.

use std::time::Duration;

const DAY: u64 = 86_400;

pub(super) fn parse(text: &str) -> Option<Duration> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (number(date.next()?, 4)?, number(date.next()?, 2)?, number(date.next()?, 2)?);
    let (time, offset) = split_offset(time)?;
    let (time, nanos) = match time.split_once('.') {
        Some((time, fraction)) => (time, fraction_nanos(fraction)?),
        None => (time, 0),
    };
    let mut time = time.splitn(3, ':');
    let (hour, minute, second) = (number(time.next()?, 2)?, number(time.next()?, 2)?, number(time.next()?, 2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = u64::try_from(days_from_civil(i64::from(year), i64::from(month), i64::from(day))).ok()?;
    let local = days * DAY + u64::from(hour * 3600 + minute * 60 + second);
    Some(Duration::new(u64::try_from(i64::try_from(local).ok()? - offset).ok()?, nanos))
}

pub(super) fn format(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (year, month, day) = civil_from_days(i64::try_from(seconds / DAY).unwrap_or(i64::MAX / 2));
    let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
    let millis = since_epoch.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Exactly so many digits.
fn number(text: &str, digits: usize) -> Option<u32> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Seconds east of UTC, from the end of the time.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let at = time.rfind(['+', '-'])?;
    let (time, offset) = time.split_at_checked(at)?;
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let seconds = i64::from(number(hours, 2)? * 3600 + number(minutes, 2)? * 60);
    Some((time, if offset.starts_with('-') { -seconds } else { seconds }))
}

fn fraction_nanos(fraction: &str) -> Option<u32> {
    let digits = fraction.get(..fraction.len().min(9))?;
    let value = number(digits, digits.len())?;
    Some(value * 10_u32.pow(9 - u32::try_from(digits.len()).ok()?))
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_moments() {
        for (text, millis) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T23:59:59.999Z", 951_868_799_999),
            ("2024-02-29T12:00:00.123Z", 1_709_208_000_123),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
        ] {
            let moment = Duration::from_millis(millis);
            assert_eq!(parse(text), Some(moment), "{text}");
            assert_eq!(format(moment), text);
        }
    }

    #[test]
    fn understands_offsets_and_any_fraction() {
        let noon = parse("2024-02-29T12:00:00Z");
        assert!(noon.is_some());
        assert_eq!(parse("2024-02-29T13:30:00+01:30"), noon);
        assert_eq!(parse("2024-02-29 04:00:00-08:00"), noon);
        assert_eq!(parse("1970-01-01T00:00:00.1234567891Z"), Some(Duration::from_nanos(123_456_789)));
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for text in [
            "",
            "2024-02-29",
            "2024-02-29T12:00:00",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-1-01T00:00:00Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00.-1Z",
            "1969-12-31T23:59:59Z",
            "+024-01-01T00:00:00Z",
            "äöü",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
