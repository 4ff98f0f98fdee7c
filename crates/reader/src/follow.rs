//! All lanes as one stream: in order of time, each record once, and every record that was missed counted.
//!
//! Lanes are read one after another, so a record of a lane that was read early may be newer than one that another lane
//! is about to get. Everything newer than a *barrier*, a tick from before the first lane was looked at, is therefore held
//! back until the next round. What is older than the barrier has been seen in this round, but for one case: a writer that
//! stopped between stamping its record and publishing it. Such a record comes out later than newer ones; it is
//! delivered, and flagged `late`.

use std::collections::BTreeMap;

use irqlog_wire::{image::LaneControl, ioctl::Cursor};

use crate::{
    record::Record,
    session::{Session, SessionError, Source},
};

/// What a reader got of one lane, and what not.
///
/// `written = delivered + lost + cleared + in_ring`, exactly, whenever nothing is written meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Records written to the lane so far.
    pub written: u64,
    /// Records that this reader got, those held back included.
    pub delivered: u64,
    /// Records that were overwritten before it got them.
    pub lost: u64,
    /// Records that were cleared before it got them.
    pub cleared: u64,
    /// Records that are there still for it to read.
    pub in_ring: u64,
}

impl Account {
    /// Whether nothing is unaccounted for.
    pub const fn holds(&self) -> bool {
        self.written == self.delivered + self.lost + self.cleared + self.in_ring
    }
}

/// A reader's place in one lane.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    from: Option<(u64, Cursor)>,
    account: Account,
}

/// What one round found.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Records to show, in order.
    pub records: Vec<Record>,
    /// Records that were lost since the last round, over all lanes.
    pub lost: u64,
    /// Records are held back for the next round: come again soon.
    pub held: bool,
}

/// Reads all lanes of a recorder, round by round.
#[derive(Debug, Default)]
pub struct Follower {
    places: BTreeMap<u32, Place>,
    held: Vec<Record>,
    newest: Option<u64>,
}

impl Follower {
    /// Starts with the first record that each lane ever had; what is gone already counts as lost.
    pub fn new<'l>(lanes: impl IntoIterator<Item = (u32, &'l LaneControl)>) -> Self {
        Self { places: lanes.into_iter().map(|(lane, _)| (lane, Place::default())).collect(), ..Self::default() }
    }

    /// Looks for lanes that have come since: those of processors that were added.
    pub fn refresh<'l>(&mut self, lanes: impl IntoIterator<Item = (u32, &'l LaneControl)>) {
        for (lane, _) in lanes {
            self.places.entry(lane).or_default();
        }
    }

    /// Reads everything there is. With `hold_back`, what is newer than the barrier waits for the next round; without,
    /// everything comes out: for a single look at a log.
    ///
    /// # Errors
    /// See [`SessionError`]; the places stay where they were for lanes not read yet.
    pub fn round<S: Source>(&mut self, session: &mut Session<S>, hold_back: bool) -> Result<Round, SessionError> {
        let mut round = Round::default();
        let mut barrier = None;
        for (&lane, place) in &mut self.places {
            loop {
                let batch = session.read(lane, place.from)?;
                let header = &batch.header;
                barrier = barrier.or_else(|| Some(header.barrier.get()));
                place.from = Some((header.start_id.get(), header.next));
                let account = &mut place.account;
                account.written = header.next_seq.get().wrapping_sub(header.first_seq.get());
                account.delivered += batch.records.len() as u64;
                account.lost += header.lost.get();
                account.cleared += header.cleared.get();
                account.in_ring = header.next_seq.get().wrapping_sub(header.next.seq.get());
                round.lost += header.lost.get();
                let has_more = batch.has_more();
                // A writer that never rests must not keep us in one lane.
                let is_beyond =
                    batch.records.last().is_some_and(|last| barrier.is_some_and(|b| last.header.tick.get() > b));
                self.held.extend(batch.records);
                if !has_more || is_beyond {
                    break;
                }
            }
        }
        let barrier = if hold_back { barrier.unwrap_or(0) } else { u64::MAX };
        self.held.sort_by_key(Record::order);
        let ready = self.held.partition_point(|record| record.header.tick.get() <= barrier);
        let behind = self.held.split_off(ready);
        round.records = std::mem::replace(&mut self.held, behind);
        round.held = !self.held.is_empty();
        for record in &mut round.records {
            let tick = record.header.tick.get();
            record.late = self.newest.is_some_and(|newest| tick < newest);
            self.newest = self.newest.max(Some(tick));
        }
        Ok(round)
    }

    /// How much this reader has seen, for [`Session::wait`]: the sum over all lanes of what it has read up to.
    pub fn seen(&self) -> u64 {
        self.places.values().map(|place| place.account.written - place.account.in_ring).sum()
    }

    /// The accounts of all lanes.
    pub fn accounts(&self) -> impl Iterator<Item = (u32, Account)> {
        self.places.iter().map(|(&lane, place)| (lane, place.account))
    }
}
