//! The check of the answers to one reader's READs of one lane: whole records, and each number told exactly once.

use std::fmt;

use anyhow::{Context as _, Result, ensure};

use crate::{
    bytes::{before, u16_at, u32_at, u64_at},
    record::{self, Whole},
};

/// Bytes before the records of a batch.
const HEADER: usize = 88;
/// The version of the format that the checker knows: its major number, and the minor one that gave batches their form.
/// Later ones only add what a reader may skip.
const VERSION: (u16, u16) = (1, 1);

/// What may happen to records of a round.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// A full lane overwrites its oldest records, cleared or not.
    pub lost: bool,
    /// Somebody clears.
    pub cleared: bool,
    /// Somebody else has written into the lanes.
    pub damaged: bool,
}

/// What the checker knows of a READ.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The lane.
    pub lane: u32,
    /// Identity of this start.
    pub start_id: u64,
    /// Seq of the lane's first record.
    pub first_seq: u64,
    /// A seq below which everything had been cleared before the READ began.
    pub floor: u64,
}

/// A reader of one lane.
#[derive(Debug, Default)]
pub struct ReaderTally {
    /// Where it goes on: seq and hint; `None` before its first READ.
    pub cursor: Option<(u64, u64)>,
    /// Records that it was given.
    pub delivered: u64,
    /// Records that were overwritten before.
    pub lost: u64,
    /// Records that were cleared before.
    pub cleared: u64,
    /// Records that somebody else has written into.
    pub damaged: u64,
    last_tick: u64,
    /// Number and offset of each writer's newest record.
    newest: Vec<Option<(u32, Option<u32>)>>,
}

impl fmt::Display for ReaderTally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { delivered, lost, cleared, damaged, .. } = self;
        write!(out, "{delivered} delivered, {lost} lost, {cleared} cleared, {damaged} damaged")
    }
}

impl ReaderTally {
    /// Checks a batch, and goes on behind it. Hands each record to `record`. Answers whether there is more.
    ///
    /// # Errors
    /// If a record is torn or comes twice, a number is not told, or a loss is told that cannot be.
    pub fn take(
        &mut self,
        batch: &[u8],
        asked: Asked,
        allowed: Allowed,
        mut record: impl FnMut(&Whole, &[u8]) -> Result<()>,
    ) -> Result<bool> {
        let Asked { lane, start_id, first_seq, floor } = asked;
        let (major, minor) = (u16_at(batch, 0)?, u16_at(batch, 2)?);
        ensure!(major == VERSION.0 && minor >= VERSION.1, "version {major}.{minor}");
        ensure!((u32_at(batch, 4)?, u64_at(batch, 24)?) == (lane, start_id), "the batch of another lane or start");
        let damaged = u64::from(u32_at(batch, 20)?);
        let (lost, cleared) = (u64_at(batch, 56)?, u64_at(batch, 64)?);
        ensure!(damaged == 0 || allowed.damaged, "{damaged} records are told as damaged");
        ensure!(lost == 0 || allowed.lost, "{lost} records are told as lost");
        ensure!(cleared == 0 || allowed.cleared, "{cleared} records are told as cleared");
        ensure!(u64_at(batch, 80)? == first_seq, "another first seq");
        let from = self.cursor.map_or(first_seq, |(seq, _)| seq);
        let mut seq = from.wrapping_add(lost).wrapping_add(cleared).wrapping_add(damaged);
        let mut rest = batch.get(HEADER..).context("a batch without a header")?;
        ensure!(rest.len() == u32_at(batch, 8)? as usize, "{} bytes of records", rest.len());
        for _ in 0..u32_at(batch, 12)? {
            let whole = record::check(rest).with_context(|| format!("the record that should be {seq}"))?;
            ensure!(whole.seq == seq, "seq {} where {seq} comes next", whole.seq);
            ensure!(!before(seq, floor), "seq {seq} had been cleared below {floor} before the READ");
            ensure!(whole.tick >= self.last_tick, "seq {seq} is older than the record before");
            self.last_tick = whole.tick;
            self.in_order(&whole)?;
            let (bytes, behind) = rest.split_at(whole.size);
            record(&whole, bytes)?;
            rest = behind;
            seq = seq.wrapping_add(1);
            self.delivered += 1;
        }
        ensure!(rest.is_empty(), "{} bytes behind the last record", rest.len());
        let (next, next_seq) = (u64_at(batch, 40)?, u64_at(batch, 72)?);
        ensure!(next == seq, "the next READ goes on at {next} and not at {seq}");
        ensure!(!before(next_seq, next), "the next READ goes on at {next}, ahead of the lane's {next_seq}");
        self.cursor = Some((next, u64_at(batch, 48)?));
        self.lost += lost;
        self.cleared += cleared;
        self.damaged += damaged;
        Ok(u32_at(batch, 16)? != 0)
    }

    /// A writer makes one call after another, so its records lie in a lane in the order of their numbers.
    fn in_order(&mut self, whole: &Whole) -> Result<()> {
        let writer = usize::from(whole.writer);
        if self.newest.len() <= writer {
            self.newest.resize(writer + 1, None);
        }
        let (before, now) = (self.newest[writer], (whole.number, whole.piece));
        ensure!(before.is_none_or(|before| before < now), "writer {writer}: {now:?} behind {before:?}");
        self.newest[writer] = Some(now);
        Ok(())
    }

    /// Checks that everything was told up to the lane's next seq.
    ///
    /// # Errors
    /// If the sum is another.
    pub fn finish(&self, first_seq: u64, next_seq: u64) -> Result<()> {
        let written = next_seq.wrapping_sub(first_seq);
        let told = self.delivered + self.lost + self.cleared + self.damaged;
        ensure!(told == written, "{written} written, and told are {self}: {told}");
        Ok(())
    }
}
