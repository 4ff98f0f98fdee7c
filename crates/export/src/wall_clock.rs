//! Ticks as time of day.
//!
//! The image has one pair of a tick and a system time, taken at the start of the driver. Everything else is computed from
//! it by the frequency of the performance counter. So the time of a record is as exact as the system time was at the
//! start; a system clock that was set later, and the drift between the two clocks, do not show. Times of records relative
//! to each other are exact to the nanosecond below them.

use irqlog_reader::image::Tables;
use jiff::Timestamp;

/// 100-nanosecond units between 1601, where Windows' system time starts, and 1970 (documented at
/// "FILETIME structure", learn.microsoft.com).
const UNIX_EPOCH: u64 = 116_444_736_000_000_000;

/// Nanoseconds in a second.
const SECOND: i128 = 1_000_000_000;

/// The clock of one start of the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    tick_base: u64,
    tick_frequency: u64,
    /// Nanoseconds from 1970 to `tick_base`; `None` if the image has no system time.
    base: Option<i128>,
}

impl WallClock {
    /// The clock of the log with these tables.
    #[must_use]
    pub fn new(tables: &Tables) -> Self {
        let header = &tables.header;
        let since_1970 = header.time_base.get().checked_sub(UNIX_EPOCH);
        Self {
            tick_base: header.tick_base.get(),
            tick_frequency: header.tick_frequency.get().max(1),
            base: since_1970.map(|units| i128::from(units) * 100),
        }
    }

    /// Nanoseconds from the zero of the performance counter to a tick, rounded down.
    #[must_use]
    pub fn since_counter_zero(&self, tick: u64) -> i128 {
        (i128::from(tick) * SECOND).div_euclid(self.tick_frequency.into())
    }

    /// Nanoseconds from 1970 to the zero of the performance counter, rounded down; 0 if the image has no system time, so
    /// that times count from that zero.
    #[must_use]
    pub fn counter_zero(&self) -> i128 {
        self.base.map_or(0, |base| base - self.since_counter_zero(self.tick_base))
    }

    /// Ticks from 1970 to the zero of the performance counter, rounded down; 0 if the image has no system time.
    #[must_use]
    pub fn counter_zero_in_ticks(&self) -> i128 {
        let frequency = i128::from(self.tick_frequency);
        // Seconds and the rest apart: the product of both numbers may be larger than 128 bits hold.
        let ticks =
            |base: i128| base.div_euclid(SECOND) * frequency + (base.rem_euclid(SECOND) * frequency).div_euclid(SECOND);
        self.base.map_or(0, |base| ticks(base) - i128::from(self.tick_base))
    }

    /// Nanoseconds from 1970 to a tick; from the zero of the performance counter if the image has no system time.
    #[must_use]
    pub fn nanoseconds(&self, tick: u64) -> i128 {
        match self.base {
            None => self.since_counter_zero(tick),
            Some(base) => {
                // A tick before the base is a record from before the start.
                let ticks = tick.wrapping_sub(self.tick_base).cast_signed();
                base + (i128::from(ticks) * SECOND).div_euclid(self.tick_frequency.into())
            }
        }
    }

    /// The time of day of a tick in UTC by RFC 3339, with nine decimals; `None` if the image has no system time, or if
    /// the time is beyond the year 9999.
    #[must_use]
    pub fn utc(&self, tick: u64) -> Option<String> {
        self.base?;
        Timestamp::from_nanosecond(self.nanoseconds(tick)).ok().map(|time| format!("{time:.9}"))
    }

    /// Ticks in a second.
    #[must_use]
    pub const fn tick_frequency(&self) -> u64 {
        self.tick_frequency
    }

    /// Tick at the start of the driver.
    #[must_use]
    pub const fn tick_base(&self) -> u64 {
        self.tick_base
    }

    /// Whether the image has a system time.
    #[must_use]
    pub const fn has_time_of_day(&self) -> bool {
        self.base.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(time_base: Option<u64>) -> WallClock {
        let base = time_base.map(|units| i128::from(units - UNIX_EPOCH) * 100);
        WallClock { tick_base: 1000, tick_frequency: 10_000_000, base }
    }

    #[test]
    fn a_tick_is_a_time_of_day() {
        // 2020-09-13T12:26:40Z is 1,600,000,000 s after 1970.
        let clock = clock(Some(UNIX_EPOCH + 16_000_000_000_000_000));
        assert_eq!(clock.utc(1000).unwrap(), "2020-09-13T12:26:40.000000000Z");
        assert_eq!(clock.utc(1001).unwrap(), "2020-09-13T12:26:40.000000100Z");
        assert_eq!(clock.utc(999).unwrap(), "2020-09-13T12:26:39.999999900Z", "from before the start");
        assert_eq!(clock.nanoseconds(1234), clock.counter_zero() + clock.since_counter_zero(1234));
        assert_eq!(clock.counter_zero_in_ticks() * 100, clock.counter_zero());
    }

    #[test]
    fn without_a_system_time_there_is_no_time_of_day() {
        let clock = clock(None);
        assert_eq!((clock.utc(1000), clock.nanoseconds(1000), clock.counter_zero()), (None, 100_000, 0));
    }

    #[test]
    fn no_tick_overflows() {
        let clock = clock(Some(u64::MAX));
        assert_eq!(clock.utc(u64::MAX / 2), None, "beyond the year 9999");
        assert!(clock.nanoseconds(u64::MAX) > 0 && clock.since_counter_zero(u64::MAX) > 0);
        let fast = WallClock { tick_frequency: u64::MAX, ..clock };
        assert!(fast.counter_zero_in_ticks() > 0);
    }
}
