//! A point in time as a person writes it: the values of `--since` and `--until`.

use std::{
    fmt::{Display, Formatter, Result as FmtResult},
    str::FromStr,
};

use irqlog_reader::image::Tables;
use jiff::{
    Timestamp, ToSpan,
    civil::{DateTime, Time},
    tz::TimeZone,
};

/// A point in time.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    /// Seconds after the driver's start; negative before it.
    AfterStart(f64),
    /// Seconds before the end of the log: now, or the last record of a saved log.
    BeforeEnd(f64),
    /// A time of the day here: the last one that is not behind the end of the log.
    Clock(Time),
    /// Date and time here.
    Local(DateTime),
    /// Date and time anywhere.
    Utc(Timestamp),
}

/// What a value of `--since` may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadMoment;

impl Display for BadMoment {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> FmtResult {
        formatter.write_str(
            "a time is seconds after the driver's start (90, 0.5, 5m), before the end of the log (-5m), a time of the day \
             (14:05:30), or a date and time (2026-11-28T14:05:30Z, 2026-11-28 14:05)",
        )
    }
}

impl std::error::Error for BadMoment {}

impl FromStr for Moment {
    type Err = BadMoment;

    fn from_str(text: &str) -> Result<Self, BadMoment> {
        let text = text.trim();
        if let Some(seconds) = finite(text) {
            return Ok(Self::AfterStart(seconds));
        }
        if let Some(seconds) = with_unit(text) {
            // `-0m` is the end, and not the start.
            let is_back = text.starts_with('-');
            return Ok(if is_back { Self::BeforeEnd(-seconds) } else { Self::AfterStart(seconds) });
        }
        // An offset or a Z first: jiff reads a date and time without the offset that is there.
        if let Ok(timestamp) = text.parse() {
            return Ok(Self::Utc(timestamp));
        }
        if text.contains(['Z', 'z', '+']) {
            return Err(BadMoment);
        }
        if let Ok(date_time) = text.parse() {
            return Ok(Self::Local(date_time));
        }
        text.parse().map(Self::Clock).map_err(|_| BadMoment)
    }
}

fn finite(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// A number of seconds with a unit.
fn with_unit(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 8] = [
        ("us", 1e-6),
        ("ms", 1e-3),
        ("sec", 1.0),
        ("s", 1.0),
        ("min", 60.0),
        ("m", 60.0),
        ("h", 3600.0),
        ("d", 86400.0),
    ];
    let seconds = UNITS.iter().find_map(|(unit, factor)| Some(finite(text.strip_suffix(unit)?.trim_end())? * factor));
    // A number with a unit may be more seconds than a number holds.
    seconds.filter(|seconds| seconds.is_finite())
}

impl Moment {
    /// Whether the end of the log has to be known.
    pub const fn needs_end(&self) -> bool {
        matches!(self, Self::BeforeEnd(_) | Self::Clock(_))
    }

    /// Seconds after the driver's start, for a log whose end is at `end`, in the same seconds.
    ///
    /// A date that no clock can show is infinitely far away.
    pub fn seconds(&self, tables: &Tables, end: f64, zone: &TimeZone) -> f64 {
        let of = |timestamp: Timestamp| tables.seconds_of_utc(timestamp.as_nanosecond());
        match self {
            Self::AfterStart(seconds) => *seconds,
            Self::BeforeEnd(seconds) => end - seconds,
            Self::Utc(timestamp) => of(*timestamp),
            Self::Local(date_time) => {
                date_time.to_zoned_datetime(zone.clone()).map_or(f64::INFINITY, |zoned| of(zoned.timestamp()))
            }
            Self::Clock(time) => {
                let Ok(end_utc) = Timestamp::from_nanosecond(tables.utc_of_seconds(end)) else { return f64::INFINITY };
                let day = end_utc.to_zoned_datetime(zone.clone()).date();
                let on = |day: jiff::civil::Date| {
                    day.to_datetime(*time)
                        .to_zoned_datetime(zone.clone())
                        .map_or(f64::INFINITY, |zoned| of(zoned.timestamp()))
                };
                let today = on(day);
                // A time that is still to come was meant of yesterday.
                if today <= end { today } else { day.checked_sub(1.day()).map_or(today, on) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use irqlog_wire::image::ImageHeader;
    use jiff::civil::date;
    use zerocopy::FromZeros;

    use super::*;

    fn moment(text: &str) -> Option<Moment> {
        text.parse().ok()
    }

    #[test]
    fn every_form_is_understood() {
        assert_eq!(moment("90"), Some(Moment::AfterStart(90.0)));
        assert_eq!(moment("-0.5"), Some(Moment::AfterStart(-0.5)));
        assert_eq!(moment("5m"), Some(Moment::AfterStart(300.0)));
        assert_eq!(moment("1.5h"), Some(Moment::AfterStart(5400.0)));
        assert_eq!(moment("250 ms"), Some(Moment::AfterStart(0.25)));
        assert_eq!(moment("-5m"), Some(Moment::BeforeEnd(300.0)));
        assert_eq!(moment("14:05"), Some(Moment::Clock(Time::constant(14, 5, 0, 0))));
        assert_eq!(moment("14:05:30.25"), Some(Moment::Clock(Time::constant(14, 5, 30, 250_000_000))));
        let local = date(2026, 11, 28).at(14, 5, 0, 0);
        assert_eq!(moment("2026-11-28 14:05"), Some(Moment::Local(local)));
        assert_eq!(moment("2026-11-28T14:05"), Some(Moment::Local(local)));
        let utc = "2026-11-28T13:05:00Z".parse().unwrap();
        assert_eq!(moment("2026-11-28T13:05:00Z"), Some(Moment::Utc(utc)));
        assert_eq!(moment("2026-11-28T14:05:00+01:00"), Some(Moment::Utc(utc)));
        for bad in [
            "",
            "soon",
            "NaN",
            "inf",
            "-inf",
            "1e999",
            "1e308h",
            "5x",
            "25:00",
            "2026-13-01",
            "m",
            "2026-11-28T14:05:00+99:00",
        ] {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }

    /// A log that starts at noon UTC of a day, with a clock of 10 MHz.
    fn tables() -> Tables {
        let mut header = ImageHeader::new_zeroed();
        header.tick_frequency.set(10_000_000);
        header.tick_base.set(5_000);
        // 100 ns since 1601: 11,644,473,600 seconds before 1970 (Microsoft Learn, "FILETIME structure").
        let noon: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        header.time_base.set((noon.as_second() + 11_644_473_600).cast_unsigned() * 10_000_000);
        Tables { header, processors: Vec::new(), lanes: Vec::new(), sites: std::sync::Arc::default() }
    }

    #[test]
    fn a_time_of_the_day_is_the_last_one_before_the_end() {
        let tables = tables();
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        #[expect(clippy::cast_possible_truncation, reason = "a few days")]
        let at = |text: &str, end| moment(text).unwrap().seconds(&tables, end, &zone).round() as i64;
        // The log ends at 13:10 here.
        let end = 600.0;
        assert_eq!(at("13:05", end), 300);
        assert_eq!(at("13:20", end), 1200 - 86400);
        assert_eq!(at("2026-11-28 13:05", end), 300);
        assert_eq!(at("2026-11-28T12:05:00Z", end), 300);
        assert_eq!(at("-1m", end), 540);
        assert_eq!(at("60", end), 60);
        // Two days on.
        assert_eq!(at("13:05", 2.0 * 86400.0), 86400 + 300);
    }
}
