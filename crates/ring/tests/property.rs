//! The lane against a plain list: whatever is written, cleared and read in whatever order, the readers get the records
//! that are there, and written = delivered + lost + cleared + in ring.

use std::{collections::VecDeque, sync::atomic::AtomicU64};

use irqlog_ring::{
    lane::{Copied, Cursor, Full, Lane, NewRecord},
    word::Word,
};
use irqlog_wire::{
    image::{Policy, SEGMENTS, lane_word},
    record::{HEADER_WORDS, MAX_WORDS, WORD, WORD_SEQ, WORD_TICK},
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// Write a record with this number of payload words.
    Write(usize),
    /// Read with that reader, taking at most this number of records.
    Read {
        reader: usize,
        most: usize,
    },
    /// The reader forgets where its cursor lies.
    Forget(usize, u64),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..=MAX_WORDS - HEADER_WORDS).prop_map(Step::Write),
        4 => (0..40usize).prop_map(Step::Write),
        3 => (0..2usize, 0..20usize).prop_map(|(reader, most)| Step::Read { reader, most }),
        1 => (0..2usize, any::<u64>()).prop_map(|(reader, position)| Step::Forget(reader, position)),
        1 => Just(Step::Clear),
    ]
}

struct Reader {
    cursor: Cursor,
    delivered: u64,
    lost: u64,
    cleared: u64,
}

/// What the lane should hold: seq, position and size in words, oldest first.
struct Model {
    records: VecDeque<(u64, u64, usize)>,
    floor: u64,
    head: u64,
    written: u64,
    capacity: usize,
}

impl Model {
    /// Writes a record of `size` words; answers whether it fits. The segment in which the next record will begin is freed:
    /// records that began in what it was a round ago, or before, are gone.
    fn write(&mut self, first_seq: u64, size: usize, policy: Policy) -> bool {
        let segment = (self.capacity / SEGMENTS).max(1) as u64;
        let end = self.head.wrapping_add(size as u64);
        let free_to = (end - end % segment).wrapping_add(segment);
        let goes = |position: u64| free_to.wrapping_sub(position) > self.capacity as u64;
        if goes(self.head) {
            return false;
        }
        let gone = self.records.iter().take_while(|(_, position, _)| goes(*position)).count();
        let is_kept = |&(seq, ..): &(u64, u64, usize)| {
            policy == Policy::Keep && seq.wrapping_sub(first_seq) >= self.floor.wrapping_sub(first_seq)
        };
        if self.records.iter().take(gone).any(is_kept) {
            return false;
        }
        self.records.drain(..gone);
        self.records.push_back((first_seq.wrapping_add(self.written), self.head, size));
        self.written += 1;
        self.head = end;
        true
    }
}

fn record(seq: u64, payload: usize) -> Vec<u64> {
    let words = HEADER_WORDS + payload;
    let mut record: Vec<u64> = (0..words as u64).map(|word| seq.wrapping_mul(31).wrapping_add(word)).collect();
    record[0] = (words * WORD) as u64;
    record[WORD_SEQ] = seq;
    record[WORD_TICK] = !seq;
    record
}

fn memory(capacity: usize) -> Vec<AtomicU64> {
    (0..lane_word::COUNT + capacity).map(|_| AtomicU64::new(0)).collect()
}

fn lane_in(words: &[AtomicU64]) -> Lane<'_, AtomicU64> {
    let (control, data) = words.split_first_chunk().unwrap();
    Lane::new(control, data).unwrap()
}

/// Appends as the recorder does: inside the segment if it fits there.
fn append(lane: &Lane<'_, AtomicU64>, record: &[u64], tick: u64, policy: Policy) -> Result<u64, Full> {
    let (&header, payload) = record.split_first_chunk().unwrap();
    let inside = match payload.len() {
        // SAFETY: one thread.
        0 => unsafe { lane.append_inside::<0>(header, payload, || tick) },
        // SAFETY: as above.
        1 => unsafe { lane.append_inside::<1>(header, payload, || tick) },
        // SAFETY: as above.
        _ => unsafe { lane.append_inside::<2>(header, payload, || tick) },
    };
    if let Some(seq) = inside {
        return Ok(seq);
    }
    // SAFETY: one thread.
    unsafe { lane.append(NewRecord { header, payload }, || tick, policy) }
}

fn run(
    first_seq: u64,
    first_position: u64,
    capacity: usize,
    policy: Policy,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let words = memory(capacity);
    let lane = lane_in(&words);
    lane.initialise(first_seq, first_position);
    let mut model = Model { records: VecDeque::new(), floor: first_seq, head: first_position, written: 0, capacity };
    let mut readers = [(); 2].map(|()| Reader { cursor: lane.start(), delivered: 0, lost: 0, cleared: 0 });
    let sequence = |number: u64| first_seq.wrapping_add(number);
    for step in steps {
        match *step {
            Step::Write(payload) => {
                let seq = sequence(model.written);
                let new = record(seq, payload);
                let result = append(&lane, &new, !seq, policy);
                let fits = model.write(first_seq, new.len(), policy);
                prop_assert_eq!(result, if fits { Ok(seq) } else { Err(Full) });
            }
            Step::Read { reader, most } => {
                let reader = &mut readers[reader];
                let mut taken = 0;
                let batch = lane.read(reader.cursor, &mut Copied::default(), |got| {
                    if taken == most {
                        return false;
                    }
                    taken += 1;
                    let seq = got[WORD_SEQ];
                    let &(_, _, size) =
                        model.records.iter().find(|(own, ..)| *own == seq).expect("the record is there");
                    assert_eq!(got, record(seq, size - HEADER_WORDS));
                    true
                });
                prop_assert!(!batch.more || taken == most);
                reader.delivered += taken as u64;
                reader.lost += batch.lost;
                reader.cleared += batch.cleared;
                reader.cursor = batch.next;
            }
            Step::Forget(reader, position) => readers[reader].cursor.position = position,
            Step::Clear => {
                lane.clear();
                model.floor = sequence(model.written);
            }
        }
        for reader in &readers {
            // What this reader would still get: what is there, not cleared, and not behind its cursor.
            let cursor = reader.cursor.seq.wrapping_sub(first_seq);
            let floor = model.floor.wrapping_sub(first_seq);
            let oldest = model.records.front().map_or(model.written, |(seq, ..)| seq.wrapping_sub(first_seq));
            let wanted = cursor.max(floor);
            let in_ring = model.written - wanted.max(oldest);
            let lost = reader.lost + oldest.saturating_sub(wanted);
            let cleared = reader.cleared + floor.saturating_sub(cursor);
            prop_assert_eq!(lane.written(), reader.delivered + lost + cleared + in_ring);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_lane_is_a_list_that_forgets(
        // Both numbers start so close to the end that they wrap, or at zero.
        seq_before_end in 0..60u64,
        position_before_end in 0..2_000u64,
        wrap in any::<bool>(),
        capacity in prop_oneof![Just(128usize), Just(256), Just(1024), Just(4096)],
        keep in any::<bool>(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let start = |before_end: u64| if wrap { u64::MAX - before_end } else { 0 };
        let policy = if keep { Policy::Keep } else { Policy::Overwrite };
        run(start(seq_before_end), start(position_before_end), capacity, policy, &steps)?;
    }
}

/// Memory that someone else has written into must not keep a writer at `HIGH_LEVEL` or a reader busy for ever.
#[test]
fn a_damaged_lane_ends_every_walk() {
    for damage in [0, u64::MAX, 7, 0xffff] {
        let words = memory(128);
        let lane = lane_in(&words);
        lane.initialise(0, 0);
        for seq in 0..40 {
            append(&lane, &record(seq, 3), !seq, Policy::Overwrite).unwrap();
        }
        for word in &words[lane_word::COUNT..] {
            Word::store(word, damage);
        }
        lane.read(lane.start(), &mut Copied::default(), |_| true);
        append(&lane, &record(40, 3), 0, Policy::Overwrite).unwrap();
        let mut seen = Vec::new();
        lane.read(Cursor { seq: 40, position: 0 }, &mut Copied::default(), |got| {
            seen.push(got[WORD_SEQ]);
            true
        });
        assert!(seen.len() <= 1, "{seen:?}");
    }
}

#[test]
fn data_that_are_not_a_power_of_two_are_no_lane() {
    for capacity in [0, 3, 100] {
        let words = memory(capacity);
        let (control, data) = words.split_first_chunk().unwrap();
        assert!(Lane::<AtomicU64>::new(control, data).is_none(), "{capacity}");
    }
}

/// Someone else has written into the marks: the lane gives up its records, or some of them, and goes on.
#[test]
fn marks_that_are_wrong_lose_records_and_nothing_else() {
    for damage in [0, 1, 13, 4095, u64::MAX, 1 << 63] {
        let words = memory(1024);
        let lane = lane_in(&words);
        lane.initialise(0, 0);
        for seq in 0..500 {
            append(&lane, &record(seq, 4), !seq, Policy::Overwrite).unwrap();
        }
        for word in &words[lane_word::MARKS..lane_word::COUNT] {
            Word::store(word, damage);
        }
        for seq in 500..900 {
            append(&lane, &record(seq, 4), !seq, Policy::Overwrite).unwrap();
            let reading = read_whole(&lane, 1024);
            assert_eq!(lane.written(), reading.records.len() as u64 + reading.lost + reading.damaged);
            assert_eq!(reading.records.last(), Some(&record(seq, 4)), "the newest is there");
        }
        // A round later all marks are new ones, and the lane is as full as ever.
        assert!(read_whole(&lane, 1024).records.len() >= 1024 * 29 / 32 / 9);
    }
}

/// A lane of the smallest size that a driver has holds most of its words in records.
#[test]
fn at_most_two_segments_hold_nothing() {
    let words = memory(512);
    let lane = lane_in(&words);
    lane.initialise(0, 0);
    for seq in 0..1000 {
        append(&lane, &record(seq, seq as usize % 9), !seq, Policy::Overwrite).unwrap();
        let held: usize = read_whole(&lane, 512).records.iter().map(Vec::len).sum();
        // The oldest record may reach into the first of them, and is gone then too.
        assert!(seq < 100 || held + 2 * (512 / SEGMENTS) + 13 >= 512, "{held} words after record {seq}");
    }
}

#[test]
fn a_record_larger_than_the_lane_is_refused() {
    let words = memory(16);
    let lane = lane_in(&words);
    lane.initialise(0, 0);
    assert_eq!(append(&lane, &record(0, 20), 0, Policy::Overwrite), Err(Full));
    assert_eq!(lane.written(), 0);
}

/// On the circle of 64-bit numbers.
fn before(a: u64, b: u64) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

/// What a reader gets of a whole lane, batch by batch, and what it is told is missing.
struct Reading {
    records: Vec<Vec<u64>>,
    lost: u64,
    cleared: u64,
    damaged: u64,
    next: Cursor,
}

impl Reading {
    /// Number of records that were delivered or told missing.
    fn accounted(&self) -> u64 {
        self.records.len() as u64 + self.lost + self.cleared + self.damaged
    }
}

/// Reads all that the lane ever had.
fn read_whole(lane: &Lane<'_, AtomicU64>, capacity: usize) -> Reading {
    read_from(lane, lane.start(), capacity)
}

/// Reads until there is no more. It must not take more batches than there are words.
fn read_from(lane: &Lane<'_, AtomicU64>, cursor: Cursor, capacity: usize) -> Reading {
    let mut reading = Reading { records: Vec::new(), lost: 0, cleared: 0, damaged: 0, next: cursor };
    for _ in 0..capacity {
        let batch = lane.read(reading.next, &mut Copied::default(), |got| {
            reading.records.push(got.to_vec());
            true
        });
        reading.lost += batch.lost;
        reading.cleared += batch.cleared;
        reading.damaged += batch.damaged;
        reading.next = batch.next;
        if !batch.more {
            return reading;
        }
    }
    panic!("reading does not end");
}

/// Someone else has written into the ring: the reader skips what is damaged, counts it, and gets all the rest.
#[test]
fn damage_is_skipped_and_counted() {
    const CAPACITY: usize = 256;
    for (first_seq, first_position) in [(0, 0), (u64::MAX - 9, u64::MAX - 100)] {
        for damage in [0, u64::MAX, 40, 48, 1 << 40, 0x1234_5678_9abc_def0] {
            // Miri would take hours for all.
            for at in (0..CAPACITY).step_by(if cfg!(miri) { 97 } else { 1 }) {
                let words = memory(CAPACITY);
                let lane = lane_in(&words);
                lane.initialise(first_seq, first_position);
                let sequence = |number: u64| first_seq.wrapping_add(number);
                for number in 0..60 {
                    let seq = sequence(number);
                    append(&lane, &record(seq, number as usize % 7), !seq, Policy::Overwrite).unwrap();
                }
                let whole = read_whole(&lane, CAPACITY);
                assert_eq!(whole.damaged, 0);
                Word::store(&words[lane_word::COUNT + at], damage);
                let reading = read_whole(&lane, CAPACITY);
                let case = format!("word {at} is {damage:#x}");
                assert_eq!(lane.written(), reading.accounted(), "{case}");
                assert_eq!(reading.next.seq, sequence(60), "{case}");
                assert!(reading.damaged <= 1 || whole.lost > reading.lost, "{case}: {} damaged", reading.damaged);
                // All but one are as they were written, and in order; all but two if it may be a larger size.
                let spared = if damage == 40 || damage == 48 { 2 } else { 1 };
                let same = reading.records.iter().filter(|got| whole.records.contains(got)).count();
                assert!(reading.records.windows(2).all(|pair| before(pair[0][WORD_SEQ], pair[1][WORD_SEQ])), "{case}");
                assert!(same + spared >= whole.records.len(), "{case}: {same} of {} are left", whole.records.len());
                // The next one is written and read as if nothing had been.
                append(&lane, &record(sequence(60), 2), !sequence(60), Policy::Overwrite).unwrap();
                let mut got = Vec::new();
                let batch = lane.read(reading.next, &mut Copied::default(), |words| {
                    got.push(words.to_vec());
                    true
                });
                assert_eq!((got, batch.lost, batch.damaged), (vec![record(sequence(60), 2)], 0, 0), "{case}");
            }
        }
    }
}

/// Damage gives the last record the seq of one that is damaged too. What is missing is told with the next record.
#[test]
fn a_last_record_with_an_earlier_seq_is_told_with_the_next_one() {
    let words = memory(64);
    let lane = lane_in(&words);
    lane.initialise(0, 0);
    for seq in 0..4 {
        append(&lane, &record(seq, 0), 0, Policy::Overwrite).unwrap();
    }
    let seq_of = |number: usize| &words[lane_word::COUNT + number * HEADER_WORDS + WORD_SEQ];
    Word::store(seq_of(2), 7);
    Word::store(seq_of(3), 2);
    let reading = read_whole(&lane, 64);
    let seqs: Vec<_> = reading.records.iter().map(|words| words[WORD_SEQ]).collect();
    assert_eq!((seqs, reading.damaged, reading.next.seq), (vec![0, 1, 2], 0, 3));
    append(&lane, &record(4, 0), 0, Policy::Overwrite).unwrap();
    let rest = read_from(&lane, reading.next, 64);
    assert_eq!((rest.records.len(), rest.lost + rest.damaged, rest.next.seq), (1, 1, 5));
}

proptest! {
    /// However much is damaged, and wherever: reading ends, and everything adds up.
    #[test]
    fn whatever_is_damaged_adds_up(
        payloads in prop::collection::vec(0..40usize, 1..60),
        damage in prop::collection::vec((0..512usize, prop_oneof![Just(0), Just(u64::MAX), 0..100u64, any::<u64>()]), 0..40),
        cleared in any::<bool>(),
        more in prop::collection::vec(0..40usize, 0..20),
    ) {
        let words = memory(512);
        let lane = lane_in(&words);
        lane.initialise(u64::MAX - 7, u64::MAX - 99);
        for &payload in &payloads {
            append(&lane, &record(lane.next_seq(), payload), 1, Policy::Overwrite).unwrap();
        }
        if cleared {
            lane.clear();
            append(&lane, &record(lane.next_seq(), 1), 1, Policy::Overwrite).unwrap();
        }
        for &(at, value) in &damage {
            Word::store(&words[lane_word::COUNT + at], value);
        }
        let reading = read_whole(&lane, 512);
        // A last record with an earlier seq: what it hides is told with the next record.
        let untold = lane.next_seq().wrapping_sub(reading.next.seq);
        prop_assert_eq!(lane.written(), reading.accounted() + untold);
        append(&lane, &record(lane.next_seq(), 1), 1, Policy::Overwrite).unwrap();
        let rest = read_from(&lane, reading.next, 512);
        prop_assert_eq!(lane.written(), reading.accounted() + rest.accounted());
        prop_assert_eq!(rest.next.seq, lane.next_seq());
        // And it goes on: the writer ends, and a new reader gets it all once more.
        for &payload in &more {
            append(&lane, &record(lane.next_seq(), payload), 1, Policy::Overwrite).unwrap();
        }
        let reading = read_whole(&lane, 512);
        let untold = lane.next_seq().wrapping_sub(reading.next.seq);
        prop_assert_eq!(lane.written(), reading.accounted() + untold);
    }
}
