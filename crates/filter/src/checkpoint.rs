//! How far a log has been given to someone, so that the next time only what is new is given.
//!
//! A checkpoint follows what was *given* and not what was read: a record that a follower holds back, or that a filter has
//! not seen yet, is behind it. It names the start of the driver, and for each lane the number of the next record and the
//! tick of the last one. A start that is another one has nothing in common with it, so everything is new then.
//!
//! A virtual machine that goes back to a snapshot while the driver runs writes the same numbers again. Then a number has
//! two ticks: a **fork**. It is noticed where the record before the checkpoint has another tick than the checkpoint
//! says, or where a lane ends before it, and it is reported: what the other branch had written is no loss of this log.

use std::collections::BTreeMap;

use irqlog_reader::{
    image::Tables,
    log::{Fault, Item, Log, LogError, Loss},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How far a log has been given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Identity of the driver's start, 16 hexadecimal digits.
    pub start: String,
    /// For each lane how far it was given.
    pub lanes: BTreeMap<u32, LaneMark>,
}

/// How far a lane has been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneMark {
    /// Number of the next record.
    pub next: u64,
    /// Tick of the last record that was given; `None` if none was.
    pub tick: Option<u64>,
}

/// A text that is no checkpoint.
#[derive(Debug, Error)]
#[error("this is no cursor file: {0}. Name another file, or remove it to read the log from its start")]
pub struct NoCheckpoint(serde_json::Error);

impl Checkpoint {
    /// The checkpoint in a text.
    ///
    /// # Errors
    /// If there is none.
    pub fn parse(text: &str) -> Result<Self, NoCheckpoint> {
        serde_json::from_str(text).map_err(NoCheckpoint)
    }

    /// As a text.
    #[must_use]
    pub fn text(&self) -> String {
        // Maps with numbers as keys become objects; nothing here fails.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Leaves out of a log what a checkpoint says was given, and moves the checkpoint on.
#[derive(Debug, Default)]
pub struct Resume {
    checkpoint: Checkpoint,
    /// What the user has to know, a line each.
    notes: Vec<String>,
}

impl Resume {
    /// Goes on from a checkpoint in the log with these tables; from its start without one.
    #[must_use]
    pub fn new(checkpoint: Option<Checkpoint>, tables: &Tables) -> Self {
        let start = format!("{:016x}", tables.header.start_id);
        let mut resume = Self { checkpoint: Checkpoint { start, lanes: BTreeMap::new() }, notes: Vec::new() };
        let Some(checkpoint) = checkpoint else { return resume };
        if checkpoint.start != resume.checkpoint.start {
            resume.notes.push(format!(
                "the driver was started again since the cursor file was written (start {} then, {} now): everything is new",
                checkpoint.start, resume.checkpoint.start
            ));
            return resume;
        }
        for (lane, mark) in checkpoint.lanes {
            let Some(control) = tables.lanes.get(lane as usize) else { continue };
            // Counted from the lane's first record: numbers may wrap.
            let at = |seq: u64| seq.wrapping_sub(control.first_seq.get());
            if at(mark.next) > at(control.next_seq.get()) {
                resume.notes.push(format!(
                    "lane {lane} ends at number {} and the cursor file is at {}: the machine went back to a snapshot, \
                     and the numbers are given a second time. The lane is read from its start",
                    control.next_seq, mark.next
                ));
            } else {
                resume.checkpoint.lanes.insert(lane, mark);
            }
        }
        resume
    }

    /// The next item of the log, or what of it was not given yet.
    pub fn take(&mut self, tables: &Tables, item: Item) -> Option<Item> {
        let first_of = |lane: u32| tables.lanes.get(lane as usize).map_or(0, |control| control.first_seq.get());
        let lanes = &mut self.checkpoint.lanes;
        match item {
            Item::Record(record) => {
                let (seq, tick) = (record.header.seq.get(), record.header.tick.get());
                let at = |seq: u64| seq.wrapping_sub(first_of(record.lane));
                if let Some(mark) = lanes.get(&record.lane)
                    && at(seq) < at(mark.next)
                {
                    if seq.wrapping_add(1) == mark.next && mark.tick.is_some_and(|known| known != tick) {
                        self.notes.push(fork(record.lane, seq, [mark.tick.unwrap_or_default(), tick]));
                    }
                    return None;
                }
                lanes.insert(record.lane, LaneMark { next: seq.wrapping_add(1), tick: Some(tick) });
                Some(Item::Record(record))
            }
            Item::Loss(mut loss) => {
                let at = |seq: u64| seq.wrapping_sub(first_of(loss.lane));
                let end = loss.first_seq.wrapping_add(loss.count);
                let tick = if let Some(mark) = lanes.get(&loss.lane) {
                    if at(end) <= at(mark.next) {
                        return None;
                    }
                    if at(loss.first_seq) < at(mark.next) {
                        loss = Loss {
                            first_seq: mark.next,
                            count: end.wrapping_sub(mark.next),
                            from_tick: mark.tick.or(loss.from_tick),
                            ..loss
                        };
                    }
                    mark.tick
                } else {
                    None
                };
                lanes.insert(loss.lane, LaneMark { next: end, tick });
                Some(Item::Loss(loss))
            }
        }
    }

    /// The checkpoint behind everything that was taken.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// What the user has to know and was not told yet: that everything is new, or that the log has forked.
    pub fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }
}

/// What is said of a number with two ticks.
#[must_use]
pub fn fork(lane: u32, seq: u64, ticks: [u64; 2]) -> String {
    let [one, other] = ticks;
    format!(
        "lane {lane}, number {seq} has two ticks, {one} and {other}: the machine went back to a snapshot while the driver \
         ran. Up to there the records are the same, and behind it they are of two runs"
    )
}

/// A log without what a checkpoint says was given.
#[derive(Debug)]
pub struct Resumed<'l, L> {
    log: &'l mut L,
    /// How far it was given.
    pub resume: Resume,
}

impl<'l, L: Log> Resumed<'l, L> {
    /// The part of a log behind a checkpoint.
    pub const fn new(log: &'l mut L, resume: Resume) -> Self {
        Self { log, resume }
    }
}

impl<L: Log> Log for Resumed<'_, L> {
    fn tables(&self) -> &Tables {
        self.log.tables()
    }

    fn next(&mut self) -> Result<Option<Item>, LogError> {
        while let Some(item) = self.log.next()? {
            if let Some(item) = self.resume.take(self.log.tables(), item) {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    fn faults(&self) -> &[Fault] {
        self.log.faults()
    }
}

#[cfg(test)]
mod tests {
    use irqlog_reader::{log::LossCause, record::Record};
    use irqlog_wire::{
        image::{ImageHeader, LaneControl},
        record::RecordHeader,
    };
    use zerocopy::FromZeros;

    use super::*;

    /// A log whose only lane starts just below the largest number and has that many records.
    fn tables(count: u64) -> Tables {
        let mut header = ImageHeader::new_zeroed();
        header.start_id.set(7);
        let mut lane = LaneControl::new_zeroed();
        lane.first_seq.set(u64::MAX - 1);
        lane.next_seq.set((u64::MAX - 1).wrapping_add(count));
        Tables { header, processors: Vec::new(), lanes: vec![lane], sites: std::sync::Arc::default() }
    }

    /// The record with that place in the lane.
    fn record(place: u64, tick: u64) -> Item {
        let mut header = RecordHeader::new_zeroed();
        header.seq.set((u64::MAX - 1).wrapping_add(place));
        header.tick.set(tick);
        Item::Record(Record { lane: 0, header, payload: Vec::new(), late: false })
    }

    fn loss(place: u64, count: u64) -> Loss {
        let first_seq = (u64::MAX - 1).wrapping_add(place);
        Loss { lane: 0, first_seq, count, from_tick: None, to_tick: Some(9), cause: LossCause::Overwritten }
    }

    /// What is new of some items, and the checkpoint behind them.
    fn resumed(from: Option<Checkpoint>, tables: &Tables, items: Vec<Item>) -> (Vec<Item>, Resume) {
        let mut resume = Resume::new(from, tables);
        let new = items.into_iter().filter_map(|item| resume.take(tables, item)).collect();
        (new, resume)
    }

    #[test]
    fn each_record_is_given_once_and_each_loss_is_told_once() {
        let tables = tables(10);
        let (first, resume) = resumed(None, &tables, vec![record(0, 1), record(1, 2), record(2, 3)]);
        assert_eq!(first.len(), 3);
        let saved = Checkpoint::parse(&resume.checkpoint().text()).unwrap();
        assert_eq!(&saved, resume.checkpoint());
        // The ring has overwritten numbers 0 to 4 meanwhile.
        let items = vec![Item::Loss(loss(0, 5)), record(5, 6), record(6, 7)];
        let (second, resume) = resumed(Some(saved), &tables, items.clone());
        let expected = Loss { from_tick: Some(3), ..loss(3, 2) };
        assert_eq!(second, [Item::Loss(expected), record(5, 6), record(6, 7)]);
        let (third, mut resume) = resumed(Some(resume.checkpoint().clone()), &tables, items);
        assert_eq!((third, resume.notes()), (Vec::new(), Vec::new()));
    }

    #[test]
    fn another_start_is_new_and_said() {
        let tables = tables(10);
        let (_, resume) = resumed(None, &tables, vec![record(0, 1), record(1, 2)]);
        let mut other = tables;
        other.header.start_id.set(8);
        let (new, mut resume) = resumed(Some(resume.checkpoint().clone()), &other, vec![record(0, 5)]);
        assert_eq!((new.len(), resume.notes().len(), resume.checkpoint().start.as_str()), (1, 1, "0000000000000008"));
    }

    #[test]
    fn a_fork_is_noticed() {
        let tables = tables(10);
        let (_, resume) = resumed(None, &tables, vec![record(0, 1), record(1, 2), record(2, 3)]);
        let saved = resume.checkpoint().clone();
        // The same numbers again, with other ticks.
        let (new, mut resume) =
            resumed(Some(saved.clone()), &tables, vec![record(0, 1), record(1, 2), record(2, 30), record(3, 31)]);
        let notes = resume.notes();
        assert!(new == [record(3, 31)] && notes.len() == 1 && notes[0].contains("two ticks, 3 and 30"), "{notes:?}");
        // Fewer numbers than there were.
        let shorter = self::tables(2);
        let (new, mut resume) = resumed(Some(saved), &shorter, vec![record(0, 1), record(1, 20)]);
        assert!(new.len() == 2 && resume.notes()[0].contains("snapshot"));
    }

    #[test]
    fn another_file_is_no_checkpoint() {
        for text in ["", "{}", "{\"start\":1}", "[]", "{\"start\":\"7\",\"lanes\":{\"x\":{}}}"] {
            assert!(Checkpoint::parse(text).unwrap_err().to_string().contains("cursor file"), "{text}");
        }
    }
}
