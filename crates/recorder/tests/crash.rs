//! The log at a bug check: for every room that a dump may have, what is handed out joins to the log again, with the
//! newest records and the sites that they need, and says what it left out.

mod common;

use std::{
    collections::BTreeMap,
    io::Cursor,
    sync::atomic::{AtomicU32, Ordering},
};

use common::{Machine, SMALL, TestRecorder, bytes, header, recorder};
use irqlog_reader::{
    image::Tables,
    log::{Item, Log as _},
    record::Record,
    saved::SavedLog,
    secondary::{Found, join},
};
use irqlog_recorder::{
    config::Config,
    crash::{BugCheck, Given, Parts, Passes, Scratch},
    draft::Draft,
    layout::Layout,
    log::{Entry, Outcome},
    sites::{Registrant, Registry},
};
use irqlog_wire::{
    crash::{PART_HEADER_WORDS, PAUSED_BY_CRASH},
    event::{ArgumentKind, head_word},
    image::{DropReason, Engine, LaneKind},
    interface::Registered,
    record::{Kind, Level, WORD, flags},
    site::{SITE_MAGIC, SiteHeader},
};
use proptest::prelude::*;
use zerocopy::{FromZeros, IntoBytes};

const PROCESSORS: usize = 4;
/// Words of a part.
const ROOM: usize = 512;

/// A machine that has logged for a while.
struct Logged {
    recorder: &'static TestRecorder<'static>,
    memory: &'static common::Memory,
    machine: &'static Machine,
    layout: Layout,
}

/// Sections of `count` sites each, and their driver's words; they live as long as the process.
fn register(recorder: &TestRecorder<'_>, registry: &mut Registry, name: &str, count: usize) -> Vec<u32> {
    let (mut section, mut places) = (Vec::new(), Vec::new());
    for number in 0..count {
        let format = format!("{name} {number} says {{}}");
        let size = (size_of::<SiteHeader>() + format.len()).next_multiple_of(8);
        let header = SiteHeader {
            magic: SITE_MAGIC.into(),
            size: (size as u32).into(),
            line: (number as u32).into(),
            level: Level::Info.0,
            arguments: 1,
            role: 0.into(),
            format: (format.len() as u16).into(),
            names: 0.into(),
            module: 0.into(),
            file: 0.into(),
        };
        places.push((section.len() / WORD) as u32);
        section.extend_from_slice(header.as_bytes());
        section.extend_from_slice(format.as_bytes());
        section.resize(section.len().next_multiple_of(8), 0);
    }
    let (base, level): (&'static AtomicU32, &'static AtomicU32) =
        (Box::leak(Box::default()), Box::leak(Box::default()));
    let provider = Registrant { name: name.as_bytes(), sites: &section, base, level };
    // SAFETY: the words live as long as the process.
    assert_eq!(unsafe { recorder.register(registry, &provider, |_| true) }, Registered::Accepted);
    places.into_iter().map(|place| base.load(Ordering::Relaxed) + place).collect()
}

/// Logs `calls` records: texts and events, of all processors, with numbers that follow from `seed`.
fn logged(config: &Config, calls: usize, seed: u64) -> Logged {
    let (recorder, memory, machine) = recorder(config, PROCESSORS, PROCESSORS - 1);
    let layout = Layout::new(config, PROCESSORS, PROCESSORS - 1);
    let registry: &mut Registry = Box::leak(Box::new(Registry::new_zeroed()));
    let mut sites = Vec::new();
    for name in ["first", "second", "third"] {
        sites.extend(register(recorder, registry, name, 5));
    }
    let mut state = seed | 1;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for call in 0..calls {
        // Processor 2 falls silent early: its last records are old.
        let processor = if call < calls / 4 { random(3) } else { random(2) };
        machine.processor.set(processor as u32);
        machine.tick.set(machine.tick.get() + random(50));
        let entry = if random(8) == 0 { Entry::NeverWaits } else { Entry::MayWait };
        machine.irql.set(if random(4) == 0 { 15 } else { 0 });
        machine.lock_taken.set(machine.irql.get() == 15 && random(2) == 0);
        let was_taken = machine.lock_taken.get();
        let outcome = if random(3) == 0 {
            let site = sites[random(sites.len() as u64) as usize];
            let words = [head_word(&[ArgumentKind::U64], 0), call as u64];
            // SAFETY: no strings.
            recorder.log(&unsafe { Draft::event(Level::Info, site, &words) }, entry)
        } else {
            let text = vec![b'a' + (call % 26) as u8; random(120) as usize];
            recorder.log(&Draft::text(Level::Info, &text), entry)
        };
        assert!(matches!(outcome, Outcome::Written { .. }), "{outcome:?}");
        if was_taken {
            machine.lock_taken.set(false);
        }
    }
    machine.irql.set(15);
    Logged { recorder, memory, machine, layout }
}

/// What one bug check hands out.
struct Handed {
    blocks: Vec<Vec<u8>>,
    given: u64,
}

/// The passes of one bug check, with memory of their own.
struct Asking<'l> {
    logged: &'l Logged,
    passes: Passes,
    scratch: Scratch<'static>,
}

impl<'l> Asking<'l> {
    fn new(logged: &'l Logged) -> Self {
        let words = vec![0; Scratch::words(&logged.layout)].leak();
        Self { logged, passes: Passes::new(), scratch: Scratch::new(words, &logged.layout).unwrap() }
    }

    fn pass(&mut self, allowed: u64, parts: Parts, room: usize) -> Handed {
        let Self { logged, passes, scratch } = self;
        logged.recorder.begin_pass(passes, scratch, allowed, parts, room);
        let mut handed = Handed { blocks: Vec::new(), given: 0 };
        loop {
            let mut out = vec![0xdead; room];
            let block = match logged.recorder.next_part(passes, scratch, allowed - handed.given, &mut out) {
                Given::Nothing => return handed,
                Given::Image => bytes(logged.memory),
                Given::Part { words, .. } => out[..words].iter().flat_map(|word| word.to_ne_bytes()).collect(),
            };
            handed.given += block.len() as u64;
            assert!(handed.given <= allowed, "{} bytes of {allowed}", handed.given);
            handed.blocks.push(block);
            assert!(parts == Parts::Many || handed.blocks.len() == 1);
            if parts == Parts::One {
                return handed;
            }
        }
    }
}

fn joined(handed: &Handed) -> Option<Found> {
    if handed.blocks.is_empty() {
        return None;
    }
    let blocks: Vec<&[u8]> = handed.blocks.iter().map(Vec::as_slice).collect();
    let mut found = join(&blocks).unwrap();
    assert_eq!(found.len(), 1);
    found.pop()
}

/// All records of an image, its tables, and the number of records that it says are missing.
fn records(image: Vec<u8>) -> (Vec<Record>, Tables, u64) {
    let mut log = SavedLog::open(Cursor::new(image)).unwrap();
    let (mut records, mut missing) = (Vec::new(), 0);
    while let Some(item) = log.next().unwrap() {
        match item {
            Item::Record(record) => records.push(record),
            Item::Loss(loss) => missing += loss.count,
        }
    }
    assert!(log.faults().is_empty(), "{:?}", log.faults());
    (records, log.tables().clone(), missing)
}

fn key(record: &Record) -> (u32, u64) {
    (record.lane, record.header.seq.get())
}

/// Checks a stream against the whole log: everything that the rules of the selection promise.
fn check(all: &[Record], whole: &Tables, found: &Found, is_small: bool, allowed: u64, room: u64) {
    let (there, tables, missing) = records(found.image.clone());
    let by_key: BTreeMap<_, _> = all.iter().map(|record| (key(record), record)).collect();
    for record in &there {
        assert_eq!(by_key.get(&key(record)), Some(&record), "a record that is not in the log");
    }
    assert_eq!(tables.header.start_id, whole.header.start_id);
    if found.cut == irqlog_reader::secondary::Cut::default() || found.cut.records == 0 && there.len() == all.len() {
        assert_eq!(there.len(), all.len());
        return;
    }
    assert_eq!((found.cut.records, found.cut.missing), (there.len() as u64, 0));
    assert_eq!(found.cut.records_left_out, (all.len() - there.len()) as u64, "{:?}", found.cut);
    // Every event can be read.
    for record in there.iter().filter(|record| Kind(record.header.kind) == Kind::Event) {
        let id = record.header.site.get();
        let site = tables.sites.find(id).map(|(_, site)| (site.format.to_vec(), site.header));
        let original = whole.sites.find(id).map(|(_, site)| (site.format.to_vec(), site.header));
        assert!(site.is_some() && site == original, "site {id} was left out");
    }
    // The last ones of each processor, and then everything younger than the youngest that was left out.
    let kept = if is_small { 1 } else { 8 };
    let is_there = |record: &Record| there.iter().any(|found| key(found) == key(record));
    let youngest_out = all.iter().filter(|record| !is_there(record)).map(|record| record.header.tick.get()).max();
    for processor in 0..PROCESSORS as u16 {
        let mut own: Vec<_> = all.iter().filter(|record| record.header.processor.get() == processor).collect();
        own.sort_by_key(|record| record.header.tick.get());
        let last = own.len().saturating_sub(kept);
        let has_last = own[last..].iter().all(|record| is_there(record));
        assert!(has_last || allowed < 2048 + 1024 * kept as u64, "the last {kept} of processor {processor}");
        let Some(youngest_out) = youngest_out else { continue };
        // What is older than a record that was left out is there only as one of the last of its processor.
        for record in &own[..last] {
            assert!(record.header.tick.get() >= youngest_out || !is_there(record), "a hole in time");
        }
    }
    // The room is used.
    if youngest_out.is_some() && allowed > 16 * 1024 && room > 4 * 1024 {
        let used: usize = there.iter().map(|record| usize::from(record.header.size.get())).sum();
        assert!(used as u64 > allowed / 2, "{used} of {allowed} bytes hold records");
    }
    // Lanes of which there is something say exactly what is missing of them.
    let told: u64 = tables.present().map(|(_, lane)| lane.next_seq.get().wrapping_sub(lane.first_seq.get())).sum();
    assert_eq!(told, there.len() as u64 + missing);
}

fn whole(logged: &Logged) -> (Vec<Record>, Tables) {
    let (records, tables, _) = records(bytes(logged.memory));
    (records, tables)
}

#[test]
fn the_first_call_notes_the_bug_check_once() {
    let logged = logged(&SMALL, 10, 1);
    logged.machine.processor.set(1);
    // The owner of the lock is frozen.
    logged.machine.lock_taken.set(true);
    let bug_check = BugCheck { code: 0xd1, parameters: [0xffff_8000_0000_1234, 2, 0, u64::MAX] };
    assert!(logged.recorder.note_crash(&bug_check));
    assert!(!logged.recorder.note_crash(&BugCheck { code: 1, ..bug_check }));
    let header = header(logged.memory);
    assert_eq!((header.crashed.get(), header.crash_code.get(), header.crash_processor.get()), (1, 0xd1, 1));
    assert_eq!(header.crash_parameters.map(u64::from), bug_check.parameters);
    assert_eq!(header.own_calls.get(), 1);
    let (all, tables) = whole(&logged);
    let own: Vec<_> = all.iter().filter(|record| record.has(flags::OWN)).collect();
    let [own] = own[..] else { panic!("{} own records", own.len()) };
    assert_eq!(
        std::str::from_utf8(&own.payload).unwrap(),
        "bug check 0xd1 (0xffff800000001234, 0x2, 0x0, 0xffffffffffffffff)"
    );
    assert!(own.has(flags::NEVER_WAITS) && own.header.tick.get() > header.crash_tick.get());
    assert_eq!(LaneKind(tables.lanes[own.lane as usize].kind.get()), LaneKind::Nmi, "it did not wait for the lock");
}

#[test]
fn an_image_that_fits_is_handed_out_where_it_lies() {
    let logged = logged(&SMALL, 300, 2);
    let size = bytes(logged.memory).len() as u64;
    for parts in [Parts::One, Parts::Many] {
        let handed = Asking::new(&logged).pass(size, parts, ROOM);
        assert_eq!(handed.blocks, [bytes(logged.memory)]);
        let handed = Asking::new(&logged).pass(size - 1, parts, ROOM);
        assert_ne!(handed.blocks, [bytes(logged.memory)]);
    }
}

#[test]
fn pieces_of_later_processors_come_in_parts() {
    for engine in [Engine::Shared, Engine::PerCpu] {
        let logged = logged(&Config { engine, ..SMALL }, 100, 3);
        logged.memory.add(0, logged.layout.piece_words());
        assert!(logged.recorder.processor_came(PROCESSORS as u32 - 1));
        logged.machine.processor.set(PROCESSORS as u32 - 1);
        for _ in 0..5 {
            logged.recorder.log(&Draft::text(Level::Info, b"of the one that came later"), Entry::NeverWaits);
        }
        let handed = Asking::new(&logged).pass(1 << 20, Parts::Many, ROOM);
        assert!(handed.blocks.len() > 1);
        let found = joined(&handed).unwrap();
        assert_eq!(found.image.len() as u64, header(logged.memory).total_size.get());
        let (there, ..) = records(found.image);
        let of_it = there.iter().filter(|record| record.header.processor.get() == PROCESSORS as u16 - 1);
        assert_eq!((there.len(), of_it.count()), (105, 5));
    }
}

#[test]
fn a_later_pass_pauses_writing_and_gives_no_more() {
    let logged = logged(&SMALL, 500, 4);
    let mut asking = Asking::new(&logged);
    let sizes = asking.pass(8192, Parts::Many, ROOM);
    assert_eq!(header(logged.memory).paused.get(), 0, "sizing does not pause");
    // A callback of another driver logs between the passes, on the processor that is not frozen.
    for _ in 0..3 {
        let draft = Draft::text(Level::Info, b"a callback of another driver");
        assert!(matches!(logged.recorder.log(&draft, Entry::NeverWaits), Outcome::Written { .. }));
    }
    let (all, tables) = whole(&logged);
    let data = asking.pass(1 << 20, Parts::Many, ROOM);
    assert!(data.given <= sizes.given, "{} bytes after {}", data.given, sizes.given);
    assert_eq!(header(logged.memory).paused.get(), PAUSED_BY_CRASH);
    let outcome = logged.recorder.log(&Draft::text(Level::Info, b"too late"), Entry::NeverWaits);
    assert_eq!(outcome, Outcome::Dropped(DropReason::Paused));
    check(&all, &tables, &joined(&data).unwrap(), sizes.given < 4096, sizes.given, ROOM as u64);
}

#[test]
fn without_room_there_is_nothing_and_no_end_of_it() {
    let logged = logged(&SMALL, 100, 5);
    let header_alone = (PART_HEADER_WORDS + 2 + 64) * WORD;
    for allowed in [0, 1, 87, 88, 96, header_alone as u64 - 1] {
        for parts in [Parts::One, Parts::Many] {
            assert!(Asking::new(&logged).pass(allowed, parts, ROOM).blocks.is_empty(), "{allowed}");
        }
    }
    let found = joined(&Asking::new(&logged).pass(header_alone as u64, Parts::Many, ROOM)).unwrap();
    assert_eq!((found.cut.records, found.cut.records_left_out), (0, 100));
    assert_eq!(records(found.image).0.len(), 0);
}

#[test]
fn damaged_lanes_are_walked_to_an_end() {
    let logged = logged(&SMALL, 600, 6);
    let words = logged.layout.words();
    let mut state = 1_u64;
    for _ in 0..200 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let data = logged.layout.tables_words();
        common::write(logged.memory, data + (state >> 33) as usize % (words - data), state);
    }
    for allowed in [1024, 8192, 20_000] {
        let handed = Asking::new(&logged).pass(allowed, Parts::Many, ROOM);
        assert!(joined(&handed).is_some());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn parts_join_to_the_newest_records(
        calls in 0_usize..900,
        seed: u64,
        is_percpu: bool,
        // Most rooms are small, and some are as large as the image.
        allowed in prop_oneof![0_u64..6000, 0_u64..40_000, 40_000_u64..160_000],
        room in PART_HEADER_WORDS + 1..2000_usize,
        is_one: bool,
    ) {
        let engine = if is_percpu { Engine::PerCpu } else { Engine::Shared };
        let logged = logged(&Config { engine, ..SMALL }, calls, seed);
        let (all, tables) = whole(&logged);
        let parts = if is_one { Parts::One } else { Parts::Many };
        let mut asking = Asking::new(&logged);
        let sizes = asking.pass(allowed, parts, room);
        let data = asking.pass(allowed, parts, room);
        // Nothing was written in between, so both passes give the same but for the header's pause.
        prop_assert_eq!(sizes.given, data.given);
        if let Some(found) = joined(&data) {
            let most = if is_one { allowed.min((room * WORD) as u64) } else { allowed };
            if matches!(parts, Parts::One) || room > 100 {
                check(&all, &tables, &found, allowed < 4096, most, if is_one { most } else { room as u64 * 8 });
            }
            // In any order, each twice, or all joined to one block: the same log.
            let mut blocks: Vec<&[u8]> = data.blocks.iter().rev().map(Vec::as_slice).collect();
            blocks.extend(data.blocks.iter().map(Vec::as_slice));
            if found.cut.parts != 0 {
                prop_assert_eq!(&join(&blocks).unwrap()[0].image, &found.image);
            }
            let one = data.blocks.concat();
            prop_assert_eq!(&join(&[&one]).unwrap()[0].image, &found.image);
        }
    }
}

/// A cut reads the log a few times, however long the log is and however small the room: a processor that has been
/// silent for days does not make it longer.
#[test]
fn a_cut_of_a_long_log_reads_it_a_few_times() {
    for engine in [Engine::Shared, Engine::PerCpu] {
        let config = Config { engine, ring_kib: 2048, ..SMALL };
        let (recorder, memory, machine) = recorder(&config, PROCESSORS, PROCESSORS);
        let layout = Layout::new(&config, PROCESSORS, PROCESSORS);
        for call in 0..40_000_u32 {
            machine.processor.set(if call < 8 { 3 } else { call % 3 });
            machine.tick.set(machine.tick.get() + if call == 8 { 1 << 43 } else { 3 });
            recorder.log(&Draft::text(Level::Info, &[b'x'; 100]), Entry::MayWait);
        }
        let logged = Logged { recorder, memory, machine, layout };
        let words = bytes(memory).len() / WORD;
        for allowed in [2048, 64 << 10] {
            let mut asking = Asking::new(&logged);
            let before = memory.control.accesses.get();
            let handed = asking.pass(allowed, Parts::Many, ROOM);
            let accesses = memory.control.accesses.get() - before;
            let found = joined(&handed).unwrap();
            assert!(found.cut.records > 4 && found.cut.records_left_out > 10_000);
            assert!(accesses < 10 * words, "{engine:?}, {allowed} bytes: {accesses} accesses to {words} words");
        }
    }
}
