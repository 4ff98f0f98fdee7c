//! Numbers with two ticks, in several logs of one start of the driver.
//!
//! A virtual machine that goes back to a snapshot while the driver runs writes the same numbers again. Of two logs, one
//! saved before and one after it, a lane has the same records up to a number and others from there on: a **fork**. Logs
//! that are merged by time give equal records one behind another. So it is enough to remember, for each log, the records
//! of the others that it has not reached: they are few unless there is a fork, and the first of them shows it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use irqlog_reader::{
    image::Tables,
    log::{Item, Loss},
};

/// The most records of a lane that are remembered for a log that has not reached them.
const MOST: usize = 1 << 16;

/// The first number of a lane that has two ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fork {
    /// Numbers of the two logs among those that are exported together.
    pub logs: [usize; 2],
    /// Index of the lane.
    pub lane: u32,
    /// Number of the record.
    pub seq: u64,
    /// Its tick in each of the logs.
    pub ticks: [u64; 2],
}

/// A lane of one log.
#[derive(Debug, Default)]
struct Branch {
    /// Place of the next record, counted from the lane's first; `None` before the first one that this log has.
    next: Option<u64>,
    /// Place, tick and log of records of other logs, which this one has not reached.
    ahead: VecDeque<(u64, u64, usize)>,
}

/// Looks for forks in logs that are merged by time.
#[derive(Debug, Default)]
pub(crate) struct ForkFinder {
    /// By start, lane and number of the log.
    branches: BTreeMap<(u64, u32, usize), Branch>,
    /// The logs of each start.
    starts: BTreeMap<u64, Vec<usize>>,
    /// Lanes whose fork was found.
    known: BTreeSet<(u64, u32)>,
    pub(crate) forks: Vec<Fork>,
}

impl ForkFinder {
    /// For logs of these starts.
    pub(crate) fn new(starts: impl IntoIterator<Item = u64>) -> Self {
        let mut finder = Self::default();
        for (number, start) in starts.into_iter().enumerate() {
            finder.starts.entry(start).or_default().push(number);
        }
        finder.starts.retain(|_, logs| logs.len() > 1);
        finder
    }

    /// Looks at the next item of a log.
    pub(crate) fn look(&mut self, number: usize, tables: &Tables, item: &Item) {
        let start = tables.header.start_id.get();
        let Some(logs) = self.starts.get(&start) else { return };
        let (lane, seq, count, tick) = match item {
            Item::Record(record) => (record.lane, record.header.seq.get(), 1, Some(record.header.tick.get())),
            Item::Loss(Loss { lane, first_seq, count, .. }) => (*lane, *first_seq, *count, None),
        };
        if self.known.contains(&(start, lane)) {
            return;
        }
        let first = tables.lanes.get(lane as usize).map_or(0, |control| control.first_seq.get());
        let place = seq.wrapping_sub(first);
        let own = self.branches.entry((start, lane, number)).or_default();
        own.next = Some(place.saturating_add(count));
        while let Some(&(other, its, log)) = own.ahead.front()
            && other < place.saturating_add(count)
        {
            own.ahead.pop_front();
            if let Some(tick) = tick.filter(|tick| other == place && *tick != its) {
                self.forks.push(Fork { logs: [log, number], lane, seq, ticks: [its, tick] });
                self.known.insert((start, lane));
                return;
            }
        }
        let Some(tick) = tick else { return };
        for &log in logs.iter().filter(|&&log| log != number) {
            let Branch { next, ahead } = self.branches.entry((start, lane, log)).or_default();
            if next.is_some_and(|next| place < next) {
                continue;
            }
            // What lies before the first record of that log is of no use; later the first one is what tells.
            if ahead.len() == MOST && next.is_none() {
                ahead.pop_front();
            }
            if ahead.len() < MOST {
                ahead.push_back((place, tick, number));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use irqlog_reader::record::Record;
    use irqlog_wire::{
        image::{ImageHeader, LaneControl},
        record::RecordHeader,
    };
    use zerocopy::FromZeros;

    use super::*;

    fn tables(start: u64) -> Tables {
        let mut header = ImageHeader::new_zeroed();
        header.start_id.set(start);
        let mut lane = LaneControl::new_zeroed();
        lane.first_seq.set(u64::MAX - 2);
        Tables { header, processors: Vec::new(), lanes: vec![lane], sites: std::sync::Arc::default() }
    }

    fn seq(place: u64) -> u64 {
        (u64::MAX - 2).wrapping_add(place)
    }

    fn record(place: u64, tick: u64) -> Item {
        let mut header = RecordHeader::new_zeroed();
        header.seq.set(seq(place));
        header.tick.set(tick);
        Item::Record(Record { lane: 0, header, payload: Vec::new(), late: false })
    }

    /// Looks at logs with records of these places and ticks, merged by tick.
    fn forks(starts: &[u64], logs: &[&[(u64, u64)]]) -> Vec<Fork> {
        let mut finder = ForkFinder::new(starts.iter().copied());
        let mut all: Vec<_> = logs
            .iter()
            .enumerate()
            .flat_map(|(number, log)| log.iter().map(move |&(place, tick)| (tick, number, place)))
            .collect();
        all.sort_unstable();
        for (tick, number, place) in all {
            finder.look(number, &tables(starts[number]), &record(place, tick));
        }
        finder.forks
    }

    #[test]
    fn the_same_records_are_no_fork() {
        let all: Vec<_> = (0..1000).map(|place| (place, place / 3)).collect();
        assert_eq!(forks(&[7, 7], &[&all, &all]), []);
        assert_eq!(forks(&[7, 7, 7], &[&all[..700], &all[300..], &all[500..600]]), []);
        assert_eq!(forks(&[7, 8], &[&all, &[(0, 5), (1, 6)]]), [], "two starts have nothing in common");
    }

    #[test]
    fn a_number_with_two_ticks_is_one() {
        let before = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)];
        // Back to where two records were written, and on from there, later and sooner.
        for other in [[(1, 2), (2, 30), (3, 40)], [(1, 2), (2, 2), (3, 3)]] {
            let found = forks(&[7, 7], &[&before, &other]);
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].seq, found[0].lane), (seq(2), 0));
            let mut ticks = found[0].ticks;
            ticks.sort_unstable();
            assert_eq!(ticks, if other[1].1 == 30 { [3, 30] } else { [2, 3] });
        }
    }

    #[test]
    fn what_one_log_has_lost_is_no_fork() {
        let mut finder = ForkFinder::new([7, 7]);
        let tables = tables(7);
        for place in 0..10 {
            finder.look(0, &tables, &record(place, place));
        }
        let cause = irqlog_reader::log::LossCause::Overwritten;
        let loss = Loss { lane: 0, first_seq: seq(0), count: 9, from_tick: None, to_tick: Some(9), cause };
        finder.look(1, &tables, &Item::Loss(loss));
        finder.look(1, &tables, &record(9, 9));
        assert_eq!(finder.forks, []);
    }
}
