//! Times as people write them, and as they read them.

use std::time::SystemTime;

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use ptp_core::Entry;

/// Reads a time of the past, by this computer's clock and zone.
///
/// # Errors
/// How to write one.
pub(crate) fn read(text: &str) -> Result<SystemTime, String> {
    match parse(text.trim(), &Zoned::now()) {
        Some(time) => Ok(time.into()),
        None => Err(HOW.to_owned()),
    }
}

/// When an entry was sent from here, or came here: by this computer's clock, in whose order all
/// stand.
pub(crate) fn of(entry: &Entry) -> SystemTime {
    match entry.fate.is_own() {
        true => entry.sent_at,
        false => entry.delivered_at.unwrap_or(entry.sent_at),
    }
}

/// The time here, to which a time of a message belongs. One that no calendar has, which only a
/// clock that is wrong can give, is its last.
pub(crate) fn here(time: SystemTime, zone: &TimeZone) -> Zoned {
    let time = Timestamp::try_from(time).unwrap_or(Timestamp::MAX);
    time.to_zoned(zone.clone())
}

fn parse(text: &str, now: &Zoned) -> Option<Timestamp> {
    let of_day = |day: Zoned| day.start_of_day().ok();
    let found = match text {
        "now" => Some(now.clone()),
        "today" => of_day(now.clone()),
        "yesterday" => of_day(now.yesterday().ok()?),
        _ => None,
    };
    if let Some(found) = found {
        return Some(found.timestamp());
    }
    if let Ok(back) = humantime::parse_duration(text) {
        return now.timestamp().checked_sub(back).ok();
    }
    if let Ok(exact) = text.parse::<Timestamp>() {
        return Some(exact);
    }
    // `20261101` would be read, too, and `1430`: numbers that somebody forgot the unit of.
    let local = match (text.contains(':'), text.contains('-')) {
        (true, false) => now.date().to_datetime(text.parse::<Time>().ok()?),
        (_, true) => text.parse::<DateTime>().ok()?,
        (false, false) => return None,
    };
    let local = local.to_zoned(now.time_zone().clone()).ok()?;
    Some(local.timestamp())
}

const HOW: &str = "write how far back, such as 2d or '1h 30m', or when: 14:30, today, yesterday, \
                   2026-11-01, '2026-11-01 14:30'";

#[cfg(test)]
mod tests {
    use super::*;

    /// In Berlin, in winter.
    fn now() -> Zoned {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let now: Timestamp = "2026-11-25T12:00:30Z".parse().unwrap();
        now.to_zoned(zone)
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, time) in [
            ("now", "2026-11-25T12:00:30Z"),
            ("90s", "2026-11-25T11:59:00Z"),
            ("90m", "2026-11-25T10:30:30Z"),
            ("1h 30m", "2026-11-25T10:30:30Z"),
            ("2d", "2026-11-23T12:00:30Z"),
            ("2w", "2026-11-11T12:00:30Z"),
            ("today", "2026-11-24T23:00:00Z"),
            ("yesterday", "2026-11-23T23:00:00Z"),
            ("14:30", "2026-11-25T13:30:00Z"),
            ("9:05:10", ""),
            ("09:05:10", "2026-11-25T08:05:10Z"),
            ("2026-11-01", "2026-10-31T23:00:00Z"),
            // Summer time.
            ("2026-10-01", "2026-09-30T22:00:00Z"),
            ("2026-11-01 14:30", "2026-11-01T13:30:00Z"),
            ("2026-11-01T14:30", "2026-11-01T13:30:00Z"),
            // The hour that is left out, and the one that comes twice: its first time.
            ("2026-03-29 02:30", "2026-03-29T01:30:00Z"),
            ("2026-10-25 02:30", "2026-10-25T00:30:00Z"),
            ("2026-11-01T14:30:00Z", "2026-11-01T14:30:00Z"),
            ("2026-11-01T14:30:00.5+05:30", "2026-11-01T09:00:00.5Z"),
            ("0001-01-01", "0000-12-31T23:00:00Z"),
        ] {
            let time = time.parse::<Timestamp>().ok();
            assert_eq!(parse(text, &now()), time, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_how_to_write_one() {
        for text in [
            "",
            "2",
            "1430",
            "20261101",
            "soon",
            "-2d",
            "2 parsecs",
            "2026-13-01",
            "2026-02-30",
            "25:00",
            "99999y",
            "99999999999999999999h",
            "2026-11-01 14:30 tomorrow",
            "\u{1b}[2J",
        ] {
            assert_eq!(parse(text, &now()), None, "{text}");
        }
        assert!(read("soon").unwrap_err().contains("2d"));
    }

    #[test]
    fn a_time_that_no_calendar_has_is_shown_as_the_last_that_it_has() {
        let far = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 50);
        assert_eq!(here(far, &TimeZone::UTC).year(), 9999);
    }
}
