//! What reaches the driver: requests, registrations, events.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arbitrary::{Result, Unstructured};
use irqlog_reader::{
    image::Tables,
    log::Item,
    record::{Record, parse_all},
    sites::SiteTable,
};
use irqlog_recorder::{
    Platform, Recorder,
    config::Config,
    draft::Draft,
    layout::{Identity, Layout},
    log::{Entry, Outcome},
    pointers::Pointers,
    request::{self, MIN_READ_OUTPUT, Read, Request},
    sites::{Registrant, Registry},
};
use irqlog_ring::{
    clock::Clock,
    lock::{Attempt, Irql, RawLock},
};
use irqlog_wire::{
    event::{ArgumentKind, MAX_ARGUMENTS, MAX_CALL_WORDS, head_word, head_words},
    image::ImageHeader,
    interface::Registered,
    ioctl::{BatchHeader, SitesHeader},
    record::Level,
};
use zerocopy::{FromBytes, FromZeros};

use crate::image::{show, site_of};

/// One processor that nobody interrupts.
struct Machine;

// SAFETY: one thread.
unsafe impl Irql for Machine {
    fn raise(&self) -> u8 {
        0
    }
    unsafe fn lower(&self, _: u8) {}
}

impl Clock for Machine {
    fn now(&self) -> u64 {
        7
    }
}

impl Platform for Machine {
    fn irql(&self) -> u8 {
        0
    }
    fn processor(&self) -> u32 {
        0
    }
    fn thread_and_process(&self) -> (u32, u32) {
        (1, 2)
    }
}

// SAFETY: one thread.
unsafe impl RawLock for Machine {
    type Node = ();
    unsafe fn acquire(&self, (): &()) -> bool {
        true
    }
    fn try_acquire(&self) -> Attempt<()> {
        Attempt::Acquired(())
    }
    unsafe fn release(&self, (): &()) {}
}

type Small<'m> = Recorder<'m, [AtomicU64], Machine, Machine>;

/// Calls `work` with a small recorder.
fn with_recorder<T>(work: impl FnOnce(&Small<'_>) -> T) -> T {
    let config = Config { ring_kib: 4, nmi_lane_kib: 1, sites_kib: 4, ..Config::DEFAULT };
    let layout = Layout::new(&config, 1, 1);
    let memory: Vec<AtomicU64> = (0..layout.words()).map(|_| AtomicU64::new(0)).collect();
    let identity = Identity { machine: 0x8664, tick_frequency: 1, tick: 3, time: 4, version: [0, 1, 0] };
    layout.initialise(&memory, &config, &identity);
    let pointers = Pointers::Hashed([1, 2]);
    let recorder = Recorder::new(&memory[..], &layout, Machine, Machine, START, pointers);
    work(&recorder.expect("the memory is as large as the layout says"))
}

/// Identity of the start.
const START: u64 = 4;

/// A request: control code, whether it is internal, room for the answer, input. It is parsed, and served.
///
/// # Panics
/// If an answer is larger than its room.
pub fn request(bytes: &[u8]) {
    let Some((head, input)) = bytes.split_first_chunk::<7>() else { return };
    let code = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    let room = usize::from(u16::from_le_bytes([head[5], head[6]]));
    let Ok(request) = request::parse(code, head[4] & 1 != 0, input, room) else { return };
    with_recorder(|recorder| {
        for number in 0..20 {
            recorder.log(&Draft::text(Level::Info, &[b'x'; 200][..number * 10]), Entry::MayWait);
        }
        let mut output = vec![0; room];
        let mut registry = Box::new(Registry::new_zeroed());
        let used = match request {
            Request::Info => Ok(recorder.info(&mut output)),
            Request::Read(read) => recorder.read(&read, &mut output),
            Request::Sites { offset } => recorder.sites(offset, &mut output),
            Request::Configure(configure) => {
                recorder.configure(&configure);
                recorder.pass_levels_on(&mut registry, |_| true);
                Ok(0)
            }
            Request::Clear => {
                recorder.clear();
                Ok(0)
            }
            Request::Mark { level, text } => recorder.mark(level, text).map(|()| 0),
            Request::ProviderLevel(level) => recorder.set_provider_level(&mut registry, &level, |_| true).map(|()| 0),
            Request::Wait { .. } | Request::Selftest | Request::Connect => Ok(0),
        };
        if let (Ok(used), Request::Read(_)) = (used, request) {
            let (header, records) = BatchHeader::read_from_prefix(&output[..used]).expect("a header");
            let (records, damage) = parse_all(header.lane.get(), records);
            assert!(damage.is_none() && records.len() == header.count.get() as usize, "{header:?}, {damage:?}");
        }
        assert!(used.is_ok_and(|used| used <= room) || used.is_err());
    });
}

/// What one step of a registration does.
enum Step {
    Register,
    Unregister,
    SetLevel,
}

/// Registers, unregisters, and changes levels, with sections of sites that are nearly sane. The reader then knows the
/// providers that are registered still.
///
/// # Panics
/// If it does not, or a level word is written that nobody has registered.
pub fn registration(bytes: &[u8]) {
    let _ = with_recorder(|recorder| registrations(recorder, &mut Unstructured::new(bytes)));
}

fn registrations(recorder: &Small<'_>, input: &mut Unstructured<'_>) -> Result<()> {
    let mut registry = Box::new(Registry::new_zeroed());
    let bases: [AtomicU32; 4] = Default::default();
    let levels: [AtomicU32; 4] = Default::default();
    let mut is_registered = [false; 4];
    // By level word; who has gone may have given the room of the entry to another one.
    let mut accepted: [Option<String>; 4] = Default::default();
    for _ in 0..input.int_in_range(0..=8)? {
        let which = input.int_in_range(0..=3)?;
        match input.choose(&[Step::Register, Step::Register, Step::Unregister, Step::SetLevel])? {
            Step::Register => {
                let length = input.int_in_range(0..=70)?;
                let name = input.bytes(length)?;
                let section = section(input)?;
                let provider = Registrant { name, sites: &section, base: &bases[which], level: &levels[which] };
                // SAFETY: the level words outlive the registry.
                let answer = unsafe { recorder.register(&mut registry, &provider, |_| true) };
                if answer == Registered::Accepted {
                    assert!(!is_registered[which], "one level word twice");
                    is_registered[which] = true;
                    accepted[which] = Some(String::from_utf8_lossy(name).into_owned());
                }
            }
            Step::Unregister => {
                recorder.unregister(&mut registry, &raw const levels[which]);
                is_registered[which] = false;
                accepted[which] = None;
            }
            Step::SetLevel => {
                let first_site = match input.arbitrary::<u8>()? {
                    id @ 0..4 => bases[usize::from(id)].load(Ordering::Relaxed).into(),
                    id => u64::from(id),
                };
                let level = Level(input.int_in_range(1..=5)?);
                let request = request::ProviderLevel { start_id: START, first_site, level };
                let _ = recorder.set_provider_level(&mut registry, &request, |_| true);
            }
        }
        for (level, is_registered) in levels.iter().zip(is_registered) {
            assert!(is_registered || level.load(Ordering::Relaxed) == 0, "the level of who is not registered");
        }
    }
    let mut output = vec![0; 8192];
    let used = recorder.sites(0, &mut output).expect("there is room");
    let table = SiteTable::parse(output[size_of::<SitesHeader>()..used].to_vec());
    for name in accepted.iter().flatten() {
        assert!(table.providers().iter().any(|provider| provider.name.raw() == name), "{name:?} is not in the table");
    }
    let registered: u64 = table.providers().iter().map(|provider| provider.registered).sum();
    assert_eq!(registered as usize, is_registered.iter().filter(|&&is| is).count());
    Ok(())
}

/// A section of sites: sane ones and zero words, of which a few bytes are something else.
fn section(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut section = Vec::new();
    for _ in 0..input.int_in_range(0..=3)? {
        section.extend(site_of(input)?);
        section.extend(vec![0; 8 * input.int_in_range(0..=2)?]);
    }
    if input.ratio(1, 3)? && !section.is_empty() {
        let at = input.choose_index(section.len())?;
        section[at] = input.arbitrary()?;
    }
    Ok(section)
}

/// An event: kinds and words as a driver passes them, with strings of any bytes; then the reader's text of the record.
///
/// # Panics
/// If an event of known kinds is not written, or its record cannot be read.
pub fn event_words(bytes: &[u8]) {
    let _ = with_recorder(|recorder| event(recorder, &mut Unstructured::new(bytes)));
}

fn event(recorder: &Small<'_>, input: &mut Unstructured<'_>) -> Result<()> {
    let count = input.int_in_range(0..=MAX_ARGUMENTS + 1)?;
    let mut kinds = Vec::new();
    for _ in 0..count {
        kinds.push(ArgumentKind(input.int_in_range(0..=24)?));
    }
    let mut words: Vec<u64> = (0..head_words(count)).map(|word| head_word(&kinds, word)).collect();
    let strings: &[u8] = &[b'a'; 1500];
    let own = input.bytes(input.len() / 2)?;
    for kind in &kinds {
        if kind.is_string() {
            let string = *input.choose(&[own, strings, &[][..]])?;
            let length = input.int_in_range(0..=string.len())?;
            words.push(string.as_ptr().expose_provenance() as u64);
            words.push(length as u64);
        } else {
            for _ in 0..kind.words() {
                words.push(input.arbitrary()?);
            }
        }
    }
    // Words are missing, or there is one too many. Numbers that should be addresses stay: those of strings come in pairs.
    let is_cut = input.ratio(1, 4)?;
    if is_cut {
        words.truncate(input.choose_index(words.len() + 1)?);
    }
    if words.is_empty() {
        return Ok(());
    }
    // SAFETY: each string lies in `strings` or `own`, which outlive the call.
    let draft = unsafe { Draft::event(Level::Info, 1, &words) };
    let outcome = recorder.log(&draft, Entry::MayWait);
    let is_sane = !is_cut && count <= MAX_ARGUMENTS && words.len() <= MAX_CALL_WORDS;
    assert!(!is_sane || matches!(outcome, Outcome::Written { .. }), "{kinds:?}: {outcome:?}");
    let mut tables = vec![0; size_of::<ImageHeader>() + 4096];
    let used = recorder.info(&mut tables);
    let tables = Tables::parse(&tables[..used]).expect("tables");
    let mut output = vec![0; MIN_READ_OUTPUT];
    let read = Read { lane: 0, from: None, start_id: START };
    let used = recorder.read(&read, &mut output).expect("a batch");
    let (records, damage) = parse_all(0, &output[size_of::<BatchHeader>()..used]);
    assert!(damage.is_none() && records.len() == usize::from(matches!(outcome, Outcome::Written { .. })));
    for record in records {
        text_of(&record);
        show(&tables, &Item::Record(record));
    }
    Ok(())
}

/// The text of an event by a format that shows each argument in many ways.
#[expect(clippy::literal_string_with_formatting_args, reason = "they are formats of sites")]
fn text_of(record: &Record) {
    let arguments = irqlog_reader::event::arguments(&record.payload);
    for format in ["{} {:?} {:x} {:>9} {:.3}", "{0:#?} {0:+e} {0:^40} {1:p}", ""] {
        let text = irqlog_reader::event::text(format, "a,b", &arguments);
        assert!(text.len() <= 64 * 1024, "{} bytes of text", text.len());
    }
}
