//! The check of an image that nobody writes: its lanes hold whole records with consecutive numbers, and nothing else.

use anyhow::{Context as _, Result, ensure};

use crate::{
    bytes::{array, before, steps, u32_at, u64_at},
    record::{self, Whole},
};

/// A lane as its control says.
#[derive(Clone, Copy, Debug)]
pub struct StoredLane {
    /// Offset of its data, in bytes.
    pub data: usize,
    /// Words of data, a power of two.
    pub words: u64,
    /// Seq of its first record.
    pub first_seq: u64,
    /// Seq below which records are cleared.
    pub floor: u64,
    /// Position behind the newest record.
    pub head: u64,
    /// Position of the oldest record.
    pub tail: u64,
    /// Seq of the next record.
    pub next_seq: u64,
}

/// An image: what its header and tables say.
#[derive(Debug)]
pub struct Image<'b> {
    bytes: &'b [u8],
    /// Its lanes.
    pub lanes: Vec<StoredLane>,
    /// Drops over all processors and reasons.
    pub drops: u64,
    /// Identity of this start.
    pub start_id: u64,
}

/// Number of segments of a lane.
const SEGMENTS: u64 = 32;

/// Number of drop counters in a row.
const REASONS: usize = 8;

impl<'b> Image<'b> {
    /// Reads header and tables.
    ///
    /// # Errors
    /// If they are none, or a processor is inside a log call.
    pub fn parse(bytes: &'b [u8]) -> Result<Self> {
        ensure!(array(bytes, 0)? == *b"IRQLOG\r\n", "no image");
        let table = |at: usize| -> Result<Vec<usize>> {
            let (offset, size) = (u32_at(bytes, at)? as usize, u32_at(bytes, at + 4)? as usize);
            Ok((0..u32_at(bytes, at + 8)? as usize).map(|index| offset + index * size).collect())
        };
        let sum = |at: usize| (0..REASONS).try_fold(0, |sum, reason| Ok(sum + u64_at(bytes, at + 8 * reason)?));
        let mut drops: u64 = sum(168)?;
        for processor in table(24)? {
            let nesting = u64_at(bytes, processor)?;
            ensure!(nesting == 0, "{nesting} log calls are still inside the processor at {processor}");
            let more: Result<u64> = sum(processor + 8);
            drops += more?;
        }
        let lanes = table(40)?.into_iter().map(|at| Self::lane(bytes, at)).collect::<Result<_>>()?;
        Ok(Self { bytes, lanes, drops, start_id: u64_at(bytes, 88)? })
    }

    fn lane(bytes: &[u8], at: usize) -> Result<StoredLane> {
        let word = |offset: usize| u64_at(bytes, at + offset);
        let nesting = word(144)?;
        ensure!(nesting == 0, "{nesting} log calls are still inside the processor of the lane at {at}");
        Ok(StoredLane {
            data: word(8)? as usize,
            words: word(16)?,
            first_seq: word(24)?,
            floor: word(40)?,
            head: word(128)?,
            tail: word(48)?,
            next_seq: word(136)?,
        })
    }

    /// The bytes of a lane from a position on, at most `words` words of them.
    fn copy(&self, lane: &StoredLane, position: u64, words: u64) -> Result<Vec<u8>> {
        let mut copy = Vec::new();
        for step in 0..words {
            let index = position.wrapping_add(step) & (lane.words - 1);
            copy.extend_from_slice(&array::<8>(self.bytes, lane.data + 8 * index as usize)?);
        }
        Ok(copy)
    }

    /// Every record between tail and head, with its bytes; all are whole, and they fill the space.
    ///
    /// # Errors
    /// If a record is torn, a number is missing, or the lane's words contradict each other.
    pub fn records(&self, index: usize) -> Result<Vec<(Whole, Vec<u8>)>> {
        let lane = self.lanes.get(index).with_context(|| format!("there is no lane {index}"))?;
        let (mut records, mut position) = (Vec::new(), lane.tail);
        let used = lane.head.wrapping_sub(lane.tail);
        ensure!(used <= lane.words, "{used} words are used in a lane of {}", lane.words);
        while position != lane.head {
            let room = lane.head.wrapping_sub(position);
            let mut bytes = self.copy(lane, position, room.min(record::LARGEST as u64 / 8))?;
            let whole = record::check(&bytes).with_context(|| format!("lane {index}, position {position}"))?;
            let expected = records.last().map(|(before, _): &(Whole, Vec<u8>)| before.seq.wrapping_add(1));
            ensure!(
                expected.is_none_or(|seq| seq == whole.seq),
                "seq {} in lane {index} behind {expected:?}",
                whole.seq
            );
            bytes.truncate(whole.size);
            records.push((whole, bytes));
            position = position.wrapping_add(whole.size as u64 / 8);
        }
        if let Some((last, _)) = records.last() {
            ensure!(last.seq.wrapping_add(1) == lane.next_seq, "the last seq of lane {index} is {}", last.seq);
        } else {
            ensure!(lane.next_seq == lane.first_seq, "lane {index} has lost all its records");
        }
        ensure!(!before(lane.next_seq, lane.floor), "the floor of lane {index} lies above its next seq");
        check_use(index, lane, &records)?;
        Ok(records)
    }

    /// Records written over all lanes.
    pub fn written(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.next_seq.wrapping_sub(lane.first_seq)).sum()
    }
}

/// A segment is freed when the record before it is written: a lane that has overwritten some is nearly full.
fn check_use(index: usize, lane: &StoredLane, records: &[(Whole, Vec<u8>)]) -> Result<()> {
    let Some((oldest, _)) = records.first() else { return Ok(()) };
    if oldest.seq == lane.first_seq {
        return Ok(());
    }
    let used: u64 = records.iter().map(|(whole, _)| whole.size as u64 / 8).sum();
    let free = lane.words - used;
    // The record that reached into the segment that was freed last is gone, and was at most as large as a record can be.
    let segment = (lane.words / SEGMENTS).max(1);
    ensure!(free < segment + record::LARGEST as u64 / 8, "lane {index} has overwritten records with {free} words free");
    Ok(())
}

/// What a reader that starts at the first record is to be told of a lane that nobody writes: lost, cleared, delivered.
pub fn told_from_start(lane: &StoredLane, oldest: u64) -> (u64, u64, u64) {
    let kept = crate::bytes::later(lane.first_seq, lane.floor);
    let delivered_from = crate::bytes::later(oldest, kept);
    (steps(kept, oldest), steps(lane.first_seq, lane.floor), steps(delivered_from, lane.next_seq))
}
