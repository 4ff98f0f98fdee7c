//! A million records of every kind of round; and the checker itself, which has to notice one wrong byte.

use irqlog_recorder::{
    Recorder,
    layout::{Identity, Layout},
    pointers::Pointers,
    request::Read,
};
use irqlog_ring::lock::{either::Either, swap::SwapLock};
use irqlog_stress::{
    batch::{Allowed, Asked, ReaderTally},
    image::Image,
    load::{Counts, Told, Writer},
    machine::Processors,
    plan::Plan,
    record,
    round::{self, RoundTotals},
    words::{Dawdling, Yielding},
};

/// Kinds of rounds: see `Plan::of`.
const KINDS: u64 = 10;

#[test]
fn a_million_records_are_whole_and_accounted_for() {
    let (mut sums, mut rounds) = (RoundTotals::default(), 0);
    while sums.written < 1_000_000 || rounds < KINDS {
        sums.add(&round::run(&Plan::of(rounds, 50_000, 5)).unwrap_or_else(|error| panic!("{error:#}")));
        rounds += 1;
    }
    println!("{sums:?}");
    assert!(sums.nmis_in_write > 100 && sums.clears > 100, "nothing races: {sums:?}");
    assert!(sums.lost != 0 && sums.cleared != 0 && sums.damaged != 0 && sums.dropped != 0, "{sums:?}");
}

struct Nobody;

impl Told for Nobody {
    fn told(&self, _: u32, _: u64, _: u16, _: u32) {}
}

/// A lane with records of a writer that nobody interrupts: its image, and the answer to a READ.
fn quiet() -> (Vec<u8>, Vec<u8>) {
    let config = Plan { ring_kib: 4, ..Plan::of(0, 100, 1) }.config();
    let layout = Layout::new(&config, 1, 1);
    let memory: Vec<_> = (0..layout.words()).map(|_| Dawdling::default()).collect();
    let identity = Identity { machine: 0x8664, tick_frequency: 1_000_000_000, tick: 1, time: 1, version: [0, 1, 0] };
    layout.initialise(&memory, &config, &identity);
    let bytes = || memory.iter().flat_map(|word| word.get().to_le_bytes()).collect::<Vec<u8>>();
    let clock = Processors::start();
    let lock = Either::First(SwapLock::new(Yielding::default(), clock, 0));
    let start_id = Image::parse(&bytes()).unwrap().start_id;
    let recorder = Recorder::new(&memory[..], &layout, clock, lock, start_id, Pointers::Hashed([1, 2])).unwrap();
    let counts = Counts::default();
    let writer = Writer { processor: 0, recorder: &recorder, counts: &counts, told: &Nobody };
    (0..60).for_each(|_| writer.thread_call());
    let mut batch = vec![0; 8192];
    let used = recorder.read(&Read { lane: 0, from: None, start_id }, &mut batch).unwrap();
    batch.truncate(used);
    (bytes(), batch)
}

fn check(batch: &[u8], image: &Image<'_>) -> bool {
    let lane = image.lanes[0];
    let asked = Asked { lane: 0, start_id: image.start_id, first_seq: lane.first_seq, floor: lane.floor };
    let mut reader = ReaderTally::default();
    let allowed = Allowed { lost: true, cleared: false, damaged: false };
    matches!(reader.take(batch, asked, allowed, |_, _| Ok(())), Ok(false))
        && reader.finish(lane.first_seq, lane.next_seq).is_ok()
}

#[test]
fn one_wrong_byte_of_a_record_is_noticed() {
    let (bytes, _) = quiet();
    let image = Image::parse(&bytes).unwrap();
    let records = image.records(0).unwrap();
    assert!(records.len() > 10);
    for (whole, mut bytes) in records {
        assert_eq!(record::check(&bytes).unwrap(), whole);
        for at in 0..bytes.len() {
            bytes[at] ^= 0x10;
            // The number and the time say nothing by themselves; a blob's number and a pointer's hash follow from
            // nothing that the checker knows.
            let is_free = (16..32).contains(&at) || (44..48).contains(&at) && bytes[2] == BLOB || hash(&bytes, at);
            assert!(is_free || record::check(&bytes).is_err(), "byte {at} of {whole:?}");
            bytes[at] ^= 0x10;
        }
    }
}

/// The kind of a blob's pieces, and of events.
const BLOB: u8 = 3;
const EVENT: u8 = 1;

/// Whether the byte at `at` is one of the hash of a pointer, which only events of seven arguments have: behind the
/// header, the head, two numbers, and the text with its lengths.
fn hash(record: &[u8], at: usize) -> bool {
    let text = 40 + 8 + 16;
    let Some(length) = record.get(text) else { return false };
    let pointer = text + 8 + usize::from(*length).next_multiple_of(8);
    record[2] == EVENT && record[40] == 7 && (pointer..pointer + 8).contains(&at)
}

#[test]
fn a_lane_without_a_record_is_noticed() {
    let (bytes, batch) = quiet();
    let image = Image::parse(&bytes).unwrap();
    assert!(check(&batch, &image));
    // Records that are missing at the start, in the middle, at the end, and one that comes twice.
    let sizes: Vec<_> = image.records(0).unwrap().into_iter().map(|(whole, _)| whole.size).collect();
    let ends: Vec<_> = sizes
        .iter()
        .scan(88, |at, size| {
            *at += size;
            Some(*at)
        })
        .collect();
    for (index, size) in sizes.iter().enumerate() {
        let (before, behind) = (&batch[..ends[index] - size], &batch[ends[index]..]);
        let mut without = before.to_vec();
        without.extend_from_slice(behind);
        let length = without.len() as u32 - 88;
        without[8..12].copy_from_slice(&length.to_le_bytes());
        without[12..16].copy_from_slice(&(sizes.len() as u32 - 1).to_le_bytes());
        assert!(!check(&without, &image), "without number {index}");
    }
    // A loss that is told and was none; a cursor that is wrong; a lane that says another next seq.
    for at in [40, 56, 64] {
        let mut wrong = batch.clone();
        wrong[at] += 1;
        assert!(!check(&wrong, &image), "byte {at} of the header");
    }
}
