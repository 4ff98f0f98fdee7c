//! Every item that was read, in a temporary file, so that a log of any length can be scrolled through.
//!
//! In memory is only where each item lies, with its time. The file has no name, or loses it when the program ends.
//!
//! An item is a byte (0 for a record, 1 for a loss), and then: of a record, whether it is late, its lane, its header, and
//! its payload; of a loss, its fields. Nobody else reads the file.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write},
};

use irqlog_reader::{
    log::{Item, Loss, LossCause},
    record::Record,
};
use irqlog_wire::record::{HEADER_SIZE, RecordHeader};
use zerocopy::{FromBytes, IntoBytes};

/// Bytes that wait for their way into the file.
const WAITING: usize = 256 << 10;

/// Where an item lies, and what is asked of it often.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    /// Tick of a record; `None` for a loss.
    tick: Option<u64>,
}

/// See the module.
#[derive(Debug)]
pub struct Spool {
    file: File,
    places: Vec<Place>,
    /// Bytes in the file.
    written: u64,
    /// Bytes behind those.
    waiting: Vec<u8>,
    /// Records that are told as lost.
    lost: u64,
    /// Number of records.
    records: u64,
    /// For each lane, the number behind the last one that was delivered or lost.
    ends: BTreeMap<u32, u64>,
}

impl Spool {
    /// An empty one.
    ///
    /// # Errors
    /// If no temporary file can be made.
    pub fn new() -> Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            places: Vec::new(),
            written: 0,
            waiting: Vec::new(),
            lost: 0,
            records: 0,
            ends: BTreeMap::new(),
        })
    }

    /// Appends an item.
    ///
    /// # Errors
    /// If the file cannot be written; the item is not there then.
    pub fn push(&mut self, item: &Item) -> Result<()> {
        if self.waiting.len() >= WAITING {
            self.file.seek(SeekFrom::Start(self.written))?;
            self.file.write_all(&self.waiting)?;
            self.written += self.waiting.len() as u64;
            self.waiting.clear();
        }
        let offset = self.written + self.waiting.len() as u64;
        let (lane, end) = match item {
            Item::Record(record) => {
                self.records += 1;
                (record.lane, record.header.seq.get().wrapping_add(1))
            }
            Item::Loss(loss) => {
                self.lost = self.lost.saturating_add(loss.count);
                (loss.lane, loss.first_seq.wrapping_add(loss.count))
            }
        };
        self.ends.insert(lane, end);
        encode(&mut self.waiting, item);
        let tick = match item {
            Item::Record(record) => Some(record.header.tick.get()),
            Item::Loss(_) => None,
        };
        self.places.push(Place { offset, tick });
        Ok(())
    }

    /// Number of items.
    pub const fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing was read yet.
    pub const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Number of records.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Records that are told as lost.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// For each lane, the number behind the last one that was delivered or lost.
    pub const fn ends(&self) -> &BTreeMap<u32, u64> {
        &self.ends
    }

    /// Tick of the record with that index; `None` for a loss, and behind the end.
    pub fn tick(&self, index: usize) -> Option<u64> {
        self.places.get(index)?.tick
    }

    /// Items from an index on, `most` of them or those that there are.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn items(&mut self, from: usize, most: usize) -> Result<Vec<Item>> {
        let to = from.saturating_add(most).min(self.len());
        let Some(first) = self.places.get(from).map(|place| place.offset) else { return Ok(Vec::new()) };
        let end = self.places.get(to).map_or(self.written + self.waiting.len() as u64, |place| place.offset);
        let bytes = self.bytes(first, end)?;
        let places = self.places.get(from..to).unwrap_or_default();
        let ends = places.iter().skip(1).map(|place| place.offset).chain([end]);
        let item = |(place, end): (&Place, u64)| {
            let part = bytes.get((place.offset - first) as usize..(end - first) as usize);
            part.and_then(decode).ok_or_else(|| Error::from(ErrorKind::InvalidData))
        };
        places.iter().zip(ends).map(item).collect()
    }

    /// The bytes from one offset to another, out of the file and of what waits for its way there.
    fn bytes(&mut self, from: u64, to: u64) -> Result<Vec<u8>> {
        let in_file = to.min(self.written).saturating_sub(from) as usize;
        let mut bytes = vec![0; in_file];
        if in_file != 0 {
            self.file.seek(SeekFrom::Start(from))?;
            self.file.read_exact(&mut bytes)?;
        }
        if to > self.written {
            let waiting = from.saturating_sub(self.written) as usize..(to - self.written) as usize;
            bytes.extend(self.waiting.get(waiting).unwrap_or_default());
        }
        Ok(bytes)
    }
}

const CAUSES: [LossCause; 4] = [LossCause::Overwritten, LossCause::NotSaved, LossCause::Damaged, LossCause::CutOff];

fn encode(out: &mut Vec<u8>, item: &Item) {
    match item {
        Item::Record(record) => {
            out.extend([0, record.late.into()]);
            out.extend(record.lane.to_le_bytes());
            out.extend(record.header.as_bytes());
            out.extend(&record.payload);
        }
        Item::Loss(Loss { lane, first_seq, count, from_tick, to_tick, cause }) => {
            out.extend([1, CAUSES.iter().position(|known| known == cause).unwrap_or_default() as u8]);
            out.extend(lane.to_le_bytes());
            for number in [*first_seq, *count] {
                out.extend(number.to_le_bytes());
            }
            for tick in [from_tick, to_tick] {
                out.push(tick.is_some().into());
                out.extend(tick.unwrap_or_default().to_le_bytes());
            }
        }
    }
}

fn decode(bytes: &[u8]) -> Option<Item> {
    let (&[kind, mark, a, b, c, d], rest) = bytes.split_first_chunk()?;
    let lane = u32::from_le_bytes([a, b, c, d]);
    if kind == 0 {
        let (header, payload) = rest.split_at_checked(HEADER_SIZE)?;
        let header = RecordHeader::read_from_bytes(header).ok()?;
        return Some(Item::Record(Record { lane, header, payload: payload.to_vec(), late: mark != 0 }));
    }
    let number = |at: usize| rest.get(at..at + 8)?.try_into().map(u64::from_le_bytes).ok();
    let tick = |at: usize| Some(if *rest.get(at)? == 0 { None } else { Some(number(at + 1)?) });
    let cause = *CAUSES.get(usize::from(mark))?;
    Some(Item::Loss(Loss {
        lane,
        first_seq: number(0)?,
        count: number(8)?,
        from_tick: tick(16)?,
        to_tick: tick(25)?,
        cause,
    }))
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros;

    use super::*;

    fn record(seq: u64, payload: usize) -> Item {
        let mut header = RecordHeader::new_zeroed();
        header.seq.set(seq);
        header.tick.set(seq * 3);
        Item::Record(Record { lane: 2, header, payload: vec![seq as u8; payload], late: seq.is_multiple_of(7) })
    }

    fn loss(seq: u64) -> Item {
        let (from_tick, to_tick) = (None, Some(seq));
        let cause = CAUSES[(seq % 4) as usize];
        Item::Loss(Loss { lane: 5, first_seq: seq, count: 4, from_tick, to_tick, cause })
    }

    #[test]
    fn what_was_pushed_is_there() {
        let mut spool = Spool::new().unwrap();
        // More than waits in memory, in pieces that do not fit its end.
        let items: Vec<_> = (0..5000)
            .map(|seq| if seq % 10 == 3 { loss(seq) } else { record(seq, (seq * 13 % 900) as usize) })
            .collect();
        for (index, item) in items.iter().enumerate() {
            spool.push(item).unwrap();
            assert_eq!(spool.items(index, 5).unwrap(), std::slice::from_ref(item));
        }
        assert!(spool.written > 0 && !spool.waiting.is_empty());
        for (from, most) in [(0, 5000), (4990, 100), (17, 1), (2000, 1500), (5000, 1), (9000, 9)] {
            let expected = items.get(from..(from + most).min(items.len())).unwrap_or_default();
            assert_eq!(spool.items(from, most).unwrap(), expected);
        }
        assert_eq!((spool.records(), spool.lost()), (4500, 2000));
        assert_eq!((spool.tick(1), spool.tick(3), spool.tick(5000)), (Some(3), None, None));
        assert_eq!(spool.ends(), &BTreeMap::from([(2, 5000), (5, 4997)]));
    }
}
