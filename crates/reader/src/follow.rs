//! The log of a running recorder as it grows: in order of time, each record once, and every record that was missed told.
//!
//! Lanes are read one after another, so a record of a lane that was read early may be newer than one that another lane
//! is about to get. Everything newer than a *barrier*, a tick from before the first lane was looked at, is therefore held
//! back until the next round. What is older than the barrier has been seen in this round, but for one case: a writer that
//! stopped between stamping its record and publishing it. Such a record comes out later than newer ones; it is
//! delivered, and flagged `late`.

use irqlog_wire::image::LaneControl;

pub use crate::lanes::Account;
use crate::{
    lanes::Lanes,
    log::{Fault, Item, Loss},
    record::Record,
    session::{Session, SessionError, Source},
};

/// What one round found.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Records to show, in order.
    pub records: Vec<Record>,
    /// Records that are missing, in the order in which they are told.
    pub losses: Vec<Loss>,
    /// Records are held back for the next round: come again soon.
    pub held: bool,
}

impl Round {
    /// Records that are missing, over all lanes.
    pub fn lost(&self) -> u64 {
        self.losses.iter().fold(0, |sum, loss| sum.saturating_add(loss.count))
    }
}

/// Reads all lanes of a recorder, round by round.
#[derive(Debug, Default)]
pub struct Follower {
    lanes: Lanes,
    /// This round is the last: it holds nothing back.
    is_last: bool,
}

impl Follower {
    /// Starts with the first record that each lane ever had; what is gone already counts as lost.
    pub fn new<'l>(lanes: impl IntoIterator<Item = (u32, &'l LaneControl)>) -> Self {
        Self { lanes: Lanes::new(lanes), is_last: false }
    }

    /// Looks for lanes that have come since: those of processors that were added.
    pub fn refresh<'l>(&mut self, lanes: impl IntoIterator<Item = (u32, &'l LaneControl)>) {
        self.lanes.refresh(lanes);
    }

    /// Begins a round: [`next`](Self::next) gives its items.
    pub fn begin(&mut self) {
        self.lanes.begin();
    }

    /// Begins the last round: it gives what was written up to the moment of these lanes, which the recorder has now, and
    /// holds nothing back.
    pub fn begin_last<'l>(&mut self, lanes: impl IntoIterator<Item = (u32, &'l LaneControl)>) {
        self.lanes.end_at(lanes);
        self.is_last = true;
        self.lanes.begin();
    }

    /// The next record or loss of this round; `None` at its end. What is newer than the barrier waits for the next
    /// round, unless this is the last one.
    ///
    /// # Errors
    /// See [`SessionError`]; every lane goes on from where it was.
    pub fn next<S: Source>(&mut self, session: &mut Session<S>) -> Result<Option<Item>, SessionError> {
        self.lanes.next(session, !self.is_last)
    }

    /// A whole round at once, for callers that know that it is small.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    pub fn round<S: Source>(&mut self, session: &mut Session<S>) -> Result<Round, SessionError> {
        let mut round = Round::default();
        self.begin();
        while let Some(item) = self.next(session)? {
            match item {
                Item::Record(record) => round.records.push(record),
                Item::Loss(loss) => round.losses.push(loss),
            }
        }
        round.held = self.holds();
        Ok(round)
    }

    /// Whether records are held back for the next round: come again soon.
    pub fn holds(&self) -> bool {
        self.lanes.holds()
    }

    /// What could not be read so far.
    pub fn faults(&self) -> Vec<Fault> {
        self.lanes.faults()
    }

    /// How much this reader has seen, for [`Session::wait`]: the sum over all lanes of what it has read up to.
    pub fn seen(&self) -> u64 {
        self.accounts().map(|(_, account)| account.written.wrapping_sub(account.in_ring)).fold(0, u64::wrapping_add)
    }

    /// The accounts of all lanes.
    pub fn accounts(&self) -> impl Iterator<Item = (u32, Account)> {
        self.lanes.accounts()
    }
}
